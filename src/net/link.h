/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network namespace this process is in, by ioctl and rtnetlink(7). Nothing here allocates: it may be called
 * between clone and exec. All need CAP_NET_ADMIN over the namespace.
 */
#include "macros.h"
#include <stddef.h>
#include <stdint.h>

/* Brings the loopback device up. 0 or -errno. */
int isle_net_lo_up(void) isle_must_check;

/*
 * For the real root, with the host's /proc in sight: moves this process into a new network namespace that belongs to a
 * user namespace of its own in which nobody lives. Whoever enters another user namespace afterwards, with whatever
 * capabilities there, has none over this network: it cannot undo routes, make packets of its own (pasta would carry one
 * for 127.0.0.1 to the host's loopback) or reach nf_tables. Ports below 1024 and ICMP echo are open to all instead.
 * Ends with isle_net_lo_up() and isle_net_blackholes(). 0 or -errno.
 */
int isle_net_unshare(void) isle_must_check;

struct isle_net_prefix {
	uint8_t family;	     /* AF_INET, AF_INET6 */
	uint8_t bits;	     /* length of the prefix */
	uint8_t address[16]; /* network byte order, the first 4 for AF_INET */
};

/* Adds a route of type unreachable for each prefix; what there already is is no error, and an IPv6 prefix on a kernel
 * without IPv6 is none either. Devices need not exist. The first failure ends it: 0 or -errno. */
int isle_net_unreachable(const struct isle_net_prefix *list, size_t count) isle_must_check;

/*
 * Makes unreachable what is nobody's business inside an isle: the metadata and credential services of clouds, IPv4
 * link-local addresses (but for 169.254.1.0/24, where pasta answers name queries).
 */
int isle_net_blackholes(void) isle_must_check;

/* The addresses of all interfaces of this network namespace but loopback and IPv6 link-local ones, at most room of
 * them. Returns how many there are (more than room: some are missing), or -errno. This one allocates. */
int isle_net_own_addresses(struct isle_net_prefix *list, size_t room) isle_must_check;
