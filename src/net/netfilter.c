// SPDX-License-Identifier: Apache-2.0
/*
 * The rules look at packets that leave, at the hook "output", which every packet of a socket passes, whatever picked
 * its way: SO_BINDTODEVICE, IP_PKTINFO, IP_UNICAST_IF, IP_MULTICAST_IF, a scope. Packet sockets would go around it;
 * nobody inside can open one.
 *
 * 1. What stays inside (loopback) is let through. So is neighbour discovery, which pasta answers itself.
 * 2. What is for the host or for nobody is refused at once: TCP by a reset, the rest by an ICMP error; sendto(2) fails
 *    with EPERM.
 * 3. All else passes. There is no exception for connections that stand: one to an address that the host has got
 *    meanwhile ends.
 * 4. Nothing is forwarded, whatever net.ipv4.ip_forward says in a new namespace.
 *
 * The kernel takes from a user namespace only so much in one transaction (net.core.wmem_max), and a host can have
 * thousands of addresses. So the rules come in parts. Each generation is a table of its own: the one before goes with
 * the last part of the next, and until then what either refuses is refused.
 *
 * An IPv4 address can be written as an IPv6 address of a translator or a tunnel, and that may be on the host or lead
 * back to it: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056). Each closed IPv4 prefix is closed in these forms, too.
 * Within 64:ff9b:1::/48 the length of the translator's prefix is not known. It may be 48, 56, 64 or 96 bits; so the
 * address is looked up with what may lie before the IPv4 address set to zero. 0.0.0.0/8 is left out there: in the
 * wrong place nearly every address has it.
 */
#include "netfilter.h"
#include "clock.h"
#include "helper.h"
#include "io.h"
#include "resolv.h"
#include "spawn.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum {
	LIMIT = 20000, /* milliseconds, for all parts */
	PART = 1000,   /* prefixes, each of some 100 bytes */
};

#define INSTALL "install nftables (apt install nftables, dnf install nftables), or choose --net none or --net host"

static const struct isle_net_prefix nowhere[] = {
	{AF_INET, 8, {0}},		    /* this host */
	{AF_INET, 8, {127}},		    /* loopback */
	{AF_INET, 16, {169, 254}},	    /* link-local, metadata */
	{AF_INET, 4, {224}},		    /* multicast */
	{AF_INET, 4, {240}},		    /* reserved, broadcast */
	{AF_INET6, 16, {0}},		    /* unspecified, loopback, IPv4-mapped, -compatible and -translated */
	{AF_INET6, 32, {0x20, 0x01, 0, 0}}, /* Teredo, which hides the IPv4 address that it leads to */
	{AF_INET6, 10, {0xfe, 0x80}},	    /* link-local */
	{AF_INET6, 10, {0xfe, 0xc0}},	    /* site-local, as it once was */
	{AF_INET6, 8, {0xff}},		    /* multicast */
};

/* How an IPv6 address holds an IPv4 one: what stands before it, and where its four bytes are. */
struct form {
	uint8_t before[6], at[4];
	bool guessed; /* that it is one is a guess */
};

static const struct form forms[] = {
	{{0x20, 0x02}, {2, 3, 4, 5}, false},
	{{0x00, 0x64, 0xff, 0x9b}, {12, 13, 14, 15}, false},
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, {6, 7, 9, 10}, true},
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, {7, 9, 10, 11}, true},
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, {9, 10, 11, 12}, true},
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, {12, 13, 14, 15}, true},
};

static struct isle_net_prefix embed(const struct form *form, const struct isle_net_prefix *v4)
{
	struct isle_net_prefix v6 = {.family = AF_INET6};
	unsigned last = v4->bits ? (v4->bits - 1U) / 8 : 0;

	memcpy(v6.address, form->before, sizeof(form->before));
	for (size_t i = 0; i < 4; i++)
		v6.address[form->at[i]] = v4->address[i];
	v6.bits = (uint8_t)(8U * form->at[last] + (v4->bits - 8U * last));
	return v6;
}

static int add_forms(struct isle_net_addresses *all, const struct isle_net_prefix *v4)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct isle_net_prefix v6 = embed(&forms[i], v4);

		if (forms[i].guessed && v4->address[0] == 0)
			continue;
		int r = isle_net_addresses_add(all, &v6);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_list(struct isle_net_addresses *all, const struct isle_net_prefix *list, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = isle_net_addresses_add(all, &list[i]);
	return r;
}

static int collect(const struct isle_netfilter *filter, struct isle_net_addresses *all)
{
	size_t services;
	const struct isle_net_prefix *list = isle_net_services(&services);
	int r = add_list(all, nowhere, ARRAY_SIZE(nowhere));

	if (r >= 0)
		r = add_list(all, list, services);
	if (r >= 0)
		r = add_list(all, filter->own->list, filter->own->count);
	isle_net_addresses_sort(all);
	for (size_t i = 0, count = all->count; i < count && r >= 0; i++)
		if (all->list[i].family == AF_INET) {
			struct isle_net_prefix v4 = all->list[i]; /* the list moves when it grows */

			r = add_forms(all, &v4);
		}
	isle_net_addresses_sort(all);
	return r;
}

int isle_netfilter_closed(const struct isle_netfilter *filter, struct isle_net_addresses *ret)
{
	auto_addresses struct isle_net_addresses all = ISLE_NET_ADDRESSES_INIT;
	int r = collect(filter, &all);

	if (r < 0)
		return r;
	*ret = all;
	all = ISLE_NET_ADDRESSES_INIT;
	return 0;
}

/* Those of one family among these. */
static void write_elements(struct isle_buf *text, unsigned generation, int family, const struct isle_net_prefix *list,
			   size_t count)
{
	char address[INET6_ADDRSTRLEN];
	bool begun = false;

	for (size_t i = 0; i < count; i++) {
		if (list[i].family != family)
			continue;
		if (!begun)
			isle_buf_addf(text, "add element inet isle%u closed%d {\n", generation,
				      family == AF_INET ? 4 : 6);
		begun = true;
		isle_buf_addf(text, "%s/%u,\n", inet_ntop(family, list[i].address, address, sizeof(address)),
			      list[i].bits);
	}
	if (begun)
		isle_buf_adds(text, "}\n");
}

/*
 * pasta forwards name queries, but not every version those by TCP: then the connection goes to the very address, which
 * may be one of the host's.
 */
static void write_forward(struct isle_buf *text, const struct isle_netfilter *filter, int family)
{
	bool is4 = family == AF_INET;
	const char *name = is4 ? ISLE_RESOLV_FORWARD4 : ISLE_RESOLV_FORWARD6, *key = is4 ? "ip" : "ip6";
	uint8_t address[16];

	if ((filter->forward & (is4 ? ISLE_RESOLV_LOCAL4 : ISLE_RESOLV_LOCAL6)) == 0 ||
	    inet_pton(family, name, address) != 1)
		return;
	isle_buf_addf(text, "%s daddr %s udp dport 53 accept\n", key, name);
	if (!isle_net_addresses_has(filter->own, family, address))
		isle_buf_addf(text, "%s daddr %s tcp dport 53 accept\n", key, name);
	isle_buf_addf(text, "%s daddr %s goto refuse\n", key, name);
}

static void write_rules(struct isle_buf *text, const struct isle_netfilter *filter)
{
	unsigned g = filter->generation;

	isle_buf_addf(text, "table inet isle%u\ndelete table inet isle%u\ntable inet isle%u {\n", g, g, g);
	isle_buf_adds(text, "set closed4 {\ntype ipv4_addr\nflags interval\n}\n"
			    "set closed6 {\ntype ipv6_addr\nflags interval\n}\n"
			    "chain refuse {\n"
			    "meta l4proto tcp reject with tcp reset\n"
			    "reject with icmpx type admin-prohibited\n"
			    "}\n"
			    "chain translated {\n"
			    "ip6 daddr & ffff:ffff:ffff:00ff:ffff:ffff:ffff:ffff @closed6 goto refuse\n"
			    "ip6 daddr & ffff:ffff:ffff:0000:ffff:ffff:ffff:ffff @closed6 goto refuse\n"
			    "ip6 daddr & ffff:ffff:ffff::ffff:ffff @closed6 goto refuse\n"
			    "}\n"
			    "chain output {\n"
			    "type filter hook output priority 0\n"
			    "oif \"lo\" accept\n"
			    "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept\n");
	write_forward(text, filter, AF_INET);
	write_forward(text, filter, AF_INET6);
	isle_buf_adds(text, "ip daddr @closed4 goto refuse\n"
			    "ip6 daddr @closed6 goto refuse\n"
			    "ip6 daddr 64:ff9b:1::/48 jump translated\n"
			    "}\n"
			    "chain forward {\n"
			    "type filter hook forward priority 0; policy drop\n"
			    "}\n"
			    "}\n");
}

int isle_netfilter_text(const struct isle_netfilter *filter, const struct isle_net_addresses *closed, size_t part,
			struct isle_buf *text)
{
	size_t first = part * PART, left = first < closed->count ? closed->count - first : 0;
	size_t count = left < PART ? left : PART;
	int r;

	if (part == 0)
		write_rules(text, filter);
	write_elements(text, filter->generation, AF_INET, closed->list + first, count);
	write_elements(text, filter->generation, AF_INET6, closed->list + first, count);
	if (count == left && filter->generation > 0)
		isle_buf_addf(text, "delete table inet isle%u\n", filter->generation - 1);
	r = isle_buf_error(text);
	return r < 0 ? r : count < left;
}

/* Which nft keeps through its exec. */
static int keep_power(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].inheritable |= 1U << CAP_NET_ADMIN;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0 ? -errno : 0;
}

static int explain_failure(int status, int complaints, struct isle_err *err)
{
	char text[200] = "";
	ssize_t n = pread(complaints, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	isle_err_text(err, -ENOPROTOOPT, "nft cannot filter the packets of the isle (status %d)%s%s", status,
		      text[0] ? ": " : "", text);
	isle_err_hint(err, "sudo modprobe -a nf_tables nft_reject_inet; or choose --net none or --net host");
	return -ENOPROTOOPT;
}

/* end: of isle_monotonic_ms(). */
static int run_nft(const char *path, int rules, int64_t end, struct isle_err *err)
{
	static const char *const nothing[] = {NULL};
	auto_fd int complaints = memfd_create("complaints", MFD_CLOEXEC);
	pid_t pid;
	auto_fd int pidfd = isle_spawn(
		&(struct isle_spawn_options){.argv = (const char *const[]){"nft", "-f", "-", NULL},
					     .program = path,
					     .environment = nothing,
					     .stdin_fd = rules,
					     .stdout_fd = complaints,
					     .stderr_fd = complaints},
		&pid);

	if (pidfd < 0)
		return isle_err_errno(err, pidfd, "cannot run nft");
	int64_t left = end - isle_monotonic_ms();
	int status = isle_spawn_wait(pidfd, pid, left > 0 ? (int)left : 0);
	if (status < 0)
		return isle_err_errno(err, status, "nft does not end");
	return status == 0 ? 0 : explain_failure(status, complaints, err);
}

static int apply_text(const char *path, const struct isle_buf *text, int64_t end, struct isle_err *err)
{
	auto_fd int rules = memfd_create("rules", MFD_CLOEXEC);
	int r = rules < 0 ? -errno : isle_write_all(rules, text->data, text->size);

	if (r >= 0 && lseek(rules, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? isle_err_errno(err, r, "cannot pass the rules to nft") : run_nft(path, rules, end, err);
}

int isle_netfilter_apply(const struct isle_netfilter *filter, struct isle_err *err)
{
	auto_addresses struct isle_net_addresses closed = ISLE_NET_ADDRESSES_INIT;
	struct isle_helper nft;
	int64_t end = isle_monotonic_ms() + LIMIT;
	int more = 1, r = isle_helper_find("nft", &nft, err);

	if (r < 0) {
		isle_err_hint(err, r == -ENOENT ? INSTALL : "make it root's: chown root, chmod go-w");
		return r;
	}
	r = isle_netfilter_closed(filter, &closed);
	if (r >= 0)
		r = keep_power();
	if (r < 0)
		return isle_err_errno(err, r, "cannot filter the packets of the isle");
	for (size_t part = 0; more > 0 && r >= 0; part++) {
		auto_buf struct isle_buf text = ISLE_BUF_INIT;

		more = isle_netfilter_text(filter, &closed, part, &text);
		r = more < 0 ? isle_err_errno(err, more, "cannot write the rules for nft")
			     : apply_text(nft.path, &text, end, err);
	}
	return r;
}
