/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The way out of an isle: pasta(1) joins the isle's network namespace to the outside without any privilege. A packet
 * filter in that namespace (netfilter.h) keeps the isle from the host's own addresses, from those that the host gets
 * later, and from link-local, multicast and metadata addresses. Without the filter there is no way out. No port of the
 * host is forwarded in. What remains: some milliseconds in which an address that the host has just got is open.
 */
#include "error.h"
#include <stdbool.h>
#include <sys/types.h>

struct isle_pasta_options {
	pid_t pid; /* a process inside the isle, as this process sees it; pasta ends when it ends */
	int netns; /* a descriptor of the isle's network namespace: /proc does not give that of a process to everybody
		    */
	bool root; /* started by the real root: the network namespace is that of an identity-mapped user namespace */
};

/* What the minder exits with when it has ended pasta because the filter could not follow the host's addresses. */
enum { ISLE_PASTA_CLOSED = 3 };

/*
 * Starts pasta and returns when the interface inside is configured. *ret_pid is a child of this process, the minder,
 * that holds pasta: it ends pasta and itself when options->pid ends, on SIGTERM, and when pasta ends. It holds no
 * descriptor of this process and no directory. Fails with a hint: pasta or nft not installed, no nf_tables,
 * /dev/net/tun closed. Takes up to a second.
 */
int isle_pasta_start(const struct isle_pasta_options *options, pid_t *ret_pid, struct isle_err *err) isle_must_check;

/*
 * The content of /etc/resolv.conf inside, when the host's is of no use there because its name servers are on the host's
 * loopback (systemd-resolved, dnsmasq). 0: the host's file serves; 1: *ret_text (heap) replaces it.
 */
int isle_pasta_resolv_conf(char **ret_text) isle_must_check;
