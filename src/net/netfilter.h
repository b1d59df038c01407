/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packet filter of an isle: a table of nftables in the isle's own network namespace, over which nobody inside has
 * power (link.h, ISLE_NET_OWN_USER). Routes are no filter: the kernel does not ask them when a socket names the
 * interface.
 */
#include "addresses.h"
#include "buf.h"
#include "error.h"

struct isle_netfilter {
	const struct isle_net_addresses *own; /* what the host answers to */
	unsigned forward;		      /* enum isle_resolv_local: where pasta answers name queries */
	unsigned generation;		      /* 0, 1, 2 ...: the rules of the one before are in force */
};

/* All that is closed, sorted. -ENOMEM. */
int isle_netfilter_closed(const struct isle_netfilter *filter, struct isle_net_addresses *ret) isle_must_check;
/* Appends part number `part` of the rules as nft(8) reads them. 1: more parts follow, 0: it was the last, -ENOMEM. */
int isle_netfilter_text(const struct isle_netfilter *filter, const struct isle_net_addresses *closed, size_t part,
			struct isle_buf *text) isle_must_check;

/*
 * Puts the rules in force in the network namespace of the caller, in place of those from before; at no moment are there
 * none. The caller has CAP_NET_ADMIN over the namespace; it keeps that one as an ambient capability. -ENOENT: nft is
 * not installed. After a failure the rules from before are in force, if there were any. The err gets a hint.
 */
int isle_netfilter_apply(const struct isle_netfilter *filter, struct isle_err *err) isle_must_check;
