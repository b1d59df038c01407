/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network namespace this process is in, by ioctl and rtnetlink(7). Nothing here allocates: it may be called
 * between clone and exec. All need CAP_NET_ADMIN over the namespace.
 */
#include "macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Brings the loopback device up. 0 or -errno. */
int isle_net_lo_up(void) isle_must_check;

/*
 * Making a network namespace takes as long as much of the rest of a start, so a process of its own does it beside that:
 * loopback up, blackholes closed.
 *
 *   isle_net_make(flags, &maker);            early
 *   isle_net_enter(maker.sock);              later, in the process that shall be in it (waits for it to be ready)
 *   isle_net_made(&maker);                   in the parent
 */
struct isle_net_maker {
	pid_t pid;
	int sock;
};

#define ISLE_NET_MAKER_INIT ((struct isle_net_maker){0, -1})

enum isle_net_make_flags {
	/* It belongs to an empty user namespace of its own, so that whoever enters another user namespace has no power
	 * over it, whatever capabilities there: no undoing of routes, no packets of its own (pasta would carry one for
	 * 127.0.0.1 to the host's loopback), no nf_tables. isle_net_open_to_all() gives back what is harmless.
	 * Without this flag it belongs to the caller's user namespace. */
	ISLE_NET_OWN_USER = 1 << 0,
};

int isle_net_make(unsigned flags, struct isle_net_maker *ret_maker) isle_must_check;
int isle_net_enter(int sock) isle_must_check;
void isle_net_made(struct isle_net_maker *maker);

/* Opens ports below 1024 and ICMP echo to everybody in the current network namespace; by the real root, with the host's
 * /proc in sight. */
int isle_net_open_to_all(void) isle_must_check;

struct isle_net_prefix {
	uint8_t family;	     /* AF_INET, AF_INET6 */
	uint8_t bits;	     /* length of the prefix */
	uint8_t address[16]; /* network byte order, the first 4 for AF_INET */
};

/* True if the address (of family, network byte order) lies in it. */
bool isle_net_prefix_has(const struct isle_net_prefix *prefix, int family, const uint8_t *address);

/* Adds a route of type unreachable for each prefix; what there already is is no error, and an IPv6 prefix on a kernel
 * without IPv6 is none either. Devices need not exist. The first failure ends it: 0 or -errno. */
int isle_net_unreachable(const struct isle_net_prefix *list, size_t count) isle_must_check;

/*
 * Makes unreachable what is nobody's business inside an isle: the metadata and credential services of clouds, IPv4
 * link-local addresses (but for 169.254.1.0/24, where pasta answers name queries). That is no wall, since a socket that
 * names its interface goes around it (netfilter.h is); it makes connect(2) fail with EHOSTUNREACH.
 */
int isle_net_blackholes(void) isle_must_check;
/* The list of these. */
const struct isle_net_prefix *isle_net_services(size_t *ret_count);

/* True if the address (of sockaddr_in or sockaddr_in6, network byte order) is one of these. */
bool isle_net_is_closed(int family, const uint8_t *address);
