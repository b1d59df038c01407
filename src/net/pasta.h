/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The way out of an isle: pasta(1) joins the isle's network namespace to the outside without any privilege. The host's
 * loopback is not reachable through any address, nor is an address that the host has when pasta starts; no port of the
 * host is forwarded in. What remains: an address that the host gets later, for as long as this isle lives; and a
 * program that holds CAP_NET_ADMIN over the namespace can undo the routes.
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

/*
 * Starts pasta and returns when the interface inside is configured. *ret_pid is a child of this process, the minder,
 * that holds pasta: it ends pasta and itself when options->pid ends, on SIGTERM, and when pasta ends. It holds no
 * descriptor of this process and no directory. Fails with a hint: not installed, /dev/net/tun closed. Takes up to a
 * second.
 */
int isle_pasta_start(const struct isle_pasta_options *options, pid_t *ret_pid, struct isle_err *err) isle_must_check;

/*
 * The content of /etc/resolv.conf inside, when the host's is of no use there because its name servers are on the host's
 * loopback (systemd-resolved, dnsmasq). 0: the host's file serves; 1: *ret_text (heap) replaces it.
 */
int isle_pasta_resolv_conf(char **ret_text) isle_must_check;
