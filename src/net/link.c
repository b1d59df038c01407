// SPDX-License-Identifier: Apache-2.0
#include "link.h"
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* All of 169.254.0.0/16 but 169.254.1.0/24, then single services. */
static const struct isle_net_prefix nobodys_business[] = {
	{AF_INET, 24, {169, 254, 0, 0}},
	{AF_INET, 23, {169, 254, 2, 0}},
	{AF_INET, 22, {169, 254, 4, 0}},
	{AF_INET, 21, {169, 254, 8, 0}},
	{AF_INET, 20, {169, 254, 16, 0}},
	{AF_INET, 19, {169, 254, 32, 0}},
	{AF_INET, 18, {169, 254, 64, 0}},
	{AF_INET, 17, {169, 254, 128, 0}},				       /* 169.254.169.254 of nearly everybody */
	{AF_INET, 32, {100, 100, 100, 200}},				       /* Alibaba */
	{AF_INET, 32, {168, 63, 129, 16}},				       /* Azure */
	{AF_INET, 32, {192, 0, 0, 192}},				       /* Oracle */
	{AF_INET6, 112, {0xfd, 0x00, 0x0e, 0xc2}},			       /* Amazon, fd00:ec2::/112 */
	{AF_INET6, 128, {0xfd, 0x20, 0, 0xce, [14] = 2, 0x54}},		       /* Google, fd20:ce::254 */
	{AF_INET6, 128, {0xfd, 0x00, 0, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe}}, /* Oracle, fd00:c1::a9fe:a9fe */
	{AF_INET6, 128, {0xfd, 0x00, 0, 0x42, [15] = 0x42}},		       /* Scaleway, fd00:42::42 */
	{AF_INET6, 128, {0xfd, 0x00, 0xa9, 0xfe, 0xa9, 0xfe, [15] = 1}},       /* Linode, fd00:a9fe:a9fe::1 */
	{AF_INET6, 128, {0xfd, 0x00, 1, 0, [12] = 1, 0, 2, 0}},		       /* Alibaba, fd00:100::100:200 */
};

int isle_net_lo_up(void)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* A kernel without one of them has no such limit. */
int isle_net_open_to_all(void)
{
	static const struct {
		const char *path, *value;
	} settings[] = {
		{"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
		{"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		int r = isle_write_file(AT_FDCWD, settings[i].path, settings[i].value);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* In the maker. The namespace's own descriptor, or -errno. */
static int make_here(unsigned flags)
{
	bool own = (flags & ISLE_NET_OWN_USER) != 0;
	int r = unshare(own ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) < 0 ? -errno : isle_net_lo_up();

	if (r >= 0)
		r = isle_net_blackholes();
	if (r < 0)
		return r;
	r = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

union fd_message {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void send_namespace(int sock, int result)
{
	union fd_message control = {0};
	struct iovec iov = {&result, sizeof(result)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (result >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &result, sizeof(result));
	}
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL);
}

int isle_net_make(unsigned flags, struct isle_net_maker *ret_maker)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		send_namespace(pair[1], make_here(flags));
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	*ret_maker = (struct isle_net_maker){pid, pair[0]};
	return 0;
}

int isle_net_enter(int sock)
{
	union fd_message control;
	int result = -EPROTO;
	struct iovec iov = {&result, sizeof(result)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	auto_fd int netns = -1;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(result))
		return n < 0 ? -errno : -EPROTO;
	if (result < 0)
		return result;
	if (CMSG_FIRSTHDR(&msg) == NULL)
		return -EPROTO;
	memcpy(&netns, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(netns));
	return setns(netns, CLONE_NEWNET) < 0 ? -errno : 0;
}

void isle_net_made(struct isle_net_maker *maker)
{
	isle_cleanup_fd(&maker->sock);
	while (maker->pid > 0 && waitpid(maker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*maker = ISLE_NET_MAKER_INIT;
}

struct route_request {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr attribute;
	uint8_t address[16];
};

enum { ROUTES_AT_ONCE = 32 };

static size_t fill_request(struct route_request *request, const struct isle_net_prefix *prefix, uint32_t sequence)
{
	size_t size = prefix->family == AF_INET ? 4 : 16;

	*request = (struct route_request){
		.head = {.nlmsg_type = RTM_NEWROUTE,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
			 .nlmsg_seq = sequence},
		.route = {.rtm_family = prefix->family,
			  .rtm_dst_len = prefix->bits,
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = RTPROT_STATIC,
			  .rtm_scope = RT_SCOPE_UNIVERSE,
			  .rtm_type = RTN_UNREACHABLE},
		.attribute = {.rta_type = RTA_DST, .rta_len = (unsigned short)RTA_LENGTH(size)},
	};
	memcpy(request->address, prefix->address, size);
	request->head.nlmsg_len = (uint32_t)(offsetof(struct route_request, address) + size);
	return NLMSG_ALIGN(request->head.nlmsg_len);
}

/* What the kernel says of one request: 0, also where there is nothing to close, or its -errno. */
static int receive_answer(int fd, const struct isle_net_prefix *list)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	ssize_t n;
	int r;

	do
		n = recv(fd, &answer, sizeof(answer), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.head) + sizeof(answer.error) || answer.head.nlmsg_type != NLMSG_ERROR ||
	    answer.head.nlmsg_seq >= ROUTES_AT_ONCE)
		return -EPROTO;
	r = answer.error.error;
	if (r == -EEXIST ||
	    (list[answer.head.nlmsg_seq].family == AF_INET6 && (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)))
		return 0;
	return r;
}

/* Up to ROUTES_AT_ONCE requests in one message; the kernel answers each. */
static int add_unreachable(int fd, const struct isle_net_prefix *list, size_t count)
{
	char message[ROUTES_AT_ONCE * sizeof(struct route_request)] = {0};
	struct route_request request;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size_t step = fill_request(&request, &list[i], (uint32_t)i);

		memcpy(message + size, &request, request.head.nlmsg_len);
		size += step;
	}
	if (send(fd, message, size, 0) < 0)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		int r = receive_answer(fd, list);

		if (r < 0)
			return r;
	}
	return 0;
}

int isle_net_unreachable(const struct isle_net_prefix *list, size_t count)
{
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < count; i += ROUTES_AT_ONCE) {
		size_t some = count - i < ROUTES_AT_ONCE ? count - i : ROUTES_AT_ONCE;
		int r = add_unreachable(fd, list + i, some);

		if (r < 0)
			return r;
	}
	return 0;
}

int isle_net_blackholes(void)
{
	return isle_net_unreachable(nobodys_business, ARRAY_SIZE(nobodys_business));
}

bool isle_net_prefix_has(const struct isle_net_prefix *prefix, int family, const uint8_t *address)
{
	unsigned bytes = prefix->bits / 8, rest = prefix->bits % 8;

	return prefix->family == family && memcmp(prefix->address, address, bytes) == 0 &&
	       (rest == 0 || ((prefix->address[bytes] ^ address[bytes]) >> (8 - rest)) == 0);
}

const struct isle_net_prefix *isle_net_services(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(nobodys_business);
	return nobodys_business;
}

bool isle_net_is_closed(int family, const uint8_t *address)
{
	for (size_t i = 0; i < ARRAY_SIZE(nobodys_business); i++)
		if (isle_net_prefix_has(&nobodys_business[i], family, address))
			return true;
	return false;
}
