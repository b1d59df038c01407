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
