// SPDX-License-Identifier: Apache-2.0
/*
 * The tables are read by dumps of rtnetlink(7), one for each kind of route: a router has a million others, which the
 * kernel then does not copy (NETLINK_GET_STRICT_CHK, Linux 4.20). An older kernel gives them all; so each is looked at.
 *
 * A dump that a change has made inconsistent (NLM_F_DUMP_INTR) is taken as it is: whoever subscribed before is told of
 * the change and reads again.
 */
#include "addresses.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER = 32768 };

void isle_net_addresses_done(struct isle_net_addresses *all)
{
	free(all->list);
	*all = ISLE_NET_ADDRESSES_INIT;
}

int isle_net_addresses_add(struct isle_net_addresses *all, const struct isle_net_prefix *prefix)
{
	if (all->count == all->room) {
		size_t room = all->room ? 2 * all->room : 64;
		struct isle_net_prefix *list = reallocarray(all->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		all->list = list;
		all->room = room;
	}
	all->list[all->count++] = *prefix;
	return 0;
}

static int compare(const void *one, const void *other)
{
	const struct isle_net_prefix *a = one, *b = other;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	int order = memcmp(a->address, b->address, sizeof(a->address));
	return order ? order : (int)a->bits - (int)b->bits;
}

/* Two prefixes are apart or one lies within the other. In this order it follows the other, with only such between. */
void isle_net_addresses_sort(struct isle_net_addresses *all)
{
	size_t kept = 0;

	if (all->count == 0)
		return;
	qsort(all->list, all->count, sizeof(*all->list), compare);
	for (size_t i = 1; i < all->count; i++) {
		const struct isle_net_prefix *next = &all->list[i];

		if (!isle_net_prefix_has(&all->list[kept], next->family, next->address))
			all->list[++kept] = *next;
	}
	all->count = kept + 1;
}

bool isle_net_addresses_same(const struct isle_net_addresses *a, const struct isle_net_addresses *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (compare(&a->list[i], &b->list[i]) != 0)
			return false;
	return true;
}

bool isle_net_addresses_has(const struct isle_net_addresses *all, int family, const uint8_t *address)
{
	for (size_t i = 0; i < all->count; i++)
		if (isle_net_prefix_has(&all->list[i], family, address))
			return true;
	return false;
}

static bool leads_here(unsigned char type)
{
	return type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_ANYCAST;
}

/*
 * A transparent proxy has a default route of type local in a table of its own, for packets that it marks: that names no
 * address of the machine. One in the table "local" does: then the machine answers to everything.
 */
static bool is_proxy(const struct rtmsg *route)
{
	return route->rtm_dst_len == 0 && route->rtm_table != RT_TABLE_LOCAL;
}

static int add_route(struct isle_net_addresses *all, struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	struct isle_net_prefix prefix = {.family = route->rtm_family, .bits = route->rtm_dst_len};
	int size = (int)NLMSG_PAYLOAD(message, sizeof(*route));

	if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
	    !leads_here(route->rtm_type) || is_proxy(route))
		return 0;
	if (prefix.family != AF_INET && prefix.family != AF_INET6)
		return 0;
	for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, size); a = RTA_NEXT(a, size))
		if (a->rta_type == RTA_DST && RTA_PAYLOAD(a) <= sizeof(prefix.address))
			memcpy(prefix.address, RTA_DATA(a), RTA_PAYLOAD(a));
	return isle_net_addresses_add(all, &prefix);
}

/* 1: the dump goes on, 0: that was the end. */
static int take_answer(struct isle_net_addresses *all, struct nlmsghdr *message, size_t size)
{
	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		const struct nlmsgerr *error = NLMSG_DATA(message);

		/* A dump that failed half-way says so at its end. */
		if (message->nlmsg_type == NLMSG_DONE)
			return message->nlmsg_len >= NLMSG_LENGTH(sizeof(int)) && error->error < 0 ? error->error : 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return message->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error ? error->error
												  : -EPROTO;
		int r = add_route(all, message);
		if (r < 0)
			return r;
	}
	return 1;
}

static int dump_routes(int fd, int family, unsigned char type, struct isle_net_addresses *all)
{
	static _Alignas(struct nlmsghdr) char answer[ANSWER];
	const struct {
		struct nlmsghdr head;
		struct rtmsg route;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_GETROUTE,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.route = {.rtm_family = (unsigned char)family, .rtm_type = type},
	};
	int r = 1;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	while (r > 0) {
		ssize_t n = recv(fd, answer, sizeof(answer), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (size_t)n > sizeof(answer))
			return n < 0 ? -errno : -EMSGSIZE;
		r = take_answer(all, (struct nlmsghdr *)answer, (size_t)n);
	}
	return r;
}

/* A kernel without IPv6 gives nothing, or has not heard of the family. */
static int read_routes(struct isle_net_addresses *all)
{
	static const unsigned char types[] = {RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST};
	static const int families[] = {AF_INET, AF_INET6};
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int on = 1;

	if (fd < 0)
		return -errno;
	isle_ignore(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)));
	for (size_t i = 0; i < ARRAY_SIZE(types) * ARRAY_SIZE(families); i++) {
		int family = families[i / ARRAY_SIZE(types)];
		int r = dump_routes(fd, family, types[i % ARRAY_SIZE(types)], all);

		if (r < 0 && !(family == AF_INET6 && (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)))
			return r;
	}
	return 0;
}

static int add_interface(struct isle_net_addresses *all, const struct sockaddr *address)
{
	struct isle_net_prefix prefix = {0};

	if (address && address->sa_family == AF_INET) {
		prefix = (struct isle_net_prefix){.family = AF_INET, .bits = 32};
		memcpy(prefix.address, &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else if (address && address->sa_family == AF_INET6) {
		prefix = (struct isle_net_prefix){.family = AF_INET6, .bits = 128};
		memcpy(prefix.address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	}
	return prefix.bits ? isle_net_addresses_add(all, &prefix) : 0;
}

/* The tables have these too, but for interfaces that are about to come up. */
static int read_interfaces(struct isle_net_addresses *all)
{
	struct ifaddrs *first;
	int r = 0;

	if (getifaddrs(&first) < 0)
		return -errno;
	for (const struct ifaddrs *a = first; a && r >= 0; a = a->ifa_next)
		r = add_interface(all, a->ifa_addr);
	freeifaddrs(first);
	return r;
}

int isle_net_addresses_read(struct isle_net_addresses *ret)
{
	auto_addresses struct isle_net_addresses all = ISLE_NET_ADDRESSES_INIT;
	int r = read_routes(&all);

	if (r >= 0)
		r = read_interfaces(&all);
	if (r < 0)
		return r;
	isle_net_addresses_sort(&all);
	*ret = all;
	all = ISLE_NET_ADDRESSES_INIT;
	return 0;
}

int isle_net_addresses_subscribe(void)
{
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
					   .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
							RTMGRP_IPV6_ROUTE};
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0)
		return -errno;
	return fd_take(&fd);
}

static bool is_of_interest(const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);

	if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE)
		return true;
	return message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || leads_here(route->rtm_type);
}

int isle_net_addresses_changed(int fd)
{
	_Alignas(struct nlmsghdr) char told[8192];
	int changed = 0;

	for (;;) {
		ssize_t n = recv(fd, told, sizeof(told), MSG_TRUNC);
		struct nlmsghdr *message = (struct nlmsghdr *)told;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return changed;
		if (n < 0 && errno != ENOBUFS)
			return -errno;
		/* What did not fit, here or in the kernel's queue, is read from the tables. */
		if (n < 0 || (size_t)n > sizeof(told)) {
			changed = 1;
			continue;
		}
		for (size_t size = (size_t)n; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size))
			changed |= is_of_interest(message);
	}
}
