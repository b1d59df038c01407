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
};

/* Appends the rules as nft(8) reads them. -ENOMEM. */
int isle_netfilter_text(const struct isle_netfilter *filter, struct isle_buf *text) isle_must_check;

/*
 * Puts the rules in force in the network namespace of the caller, in place of those from before, in one step: at no
 * moment are there none. The caller has CAP_NET_ADMIN over the namespace; it keeps that one as an ambient capability.
 * -ENOENT: nft is not installed. The err gets a hint.
 */
int isle_netfilter_apply(const struct isle_netfilter *filter, struct isle_err *err) isle_must_check;
