/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* resolv.conf(5) for the inside of an isle. */
#include "macros.h"
#include <stddef.h>

/* Where pasta answers name queries and asks the host's own name server. They lie outside of what
 * isle_net_blackholes() closes. */
#define ISLE_RESOLV_FORWARD4 "169.254.1.1"
#define ISLE_RESOLV_FORWARD6 "fd69:736c:6500::53"

enum isle_resolv_local {
	ISLE_RESOLV_LOCAL4 = 1 << 0, /* a name server that only the host itself reaches, by IPv4 */
	ISLE_RESOLV_LOCAL6 = 1 << 1, /* the same by IPv6 */
};

/*
 * Looks at the host's resolv.conf. Returns enum isle_resolv_local bits; 0 means that it serves inside as it is. Else
 * *ret_text (heap; may be NULL when not wanted) is the same file with each such name server replaced by the address
 * where pasta answers for it; search, domain, options and other name servers stay. -ENOMEM.
 */
int isle_resolv_rewrite(const char *text, size_t size, char **ret_text) isle_must_check;

/* The same for the file /etc/resolv.conf; one that is not there serves as it is. */
int isle_resolv_read_host(char **ret_text) isle_must_check;
