/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What /proc says of the network namespace of a process, by its number as this process sees it; 0: that of this
 * process. What cannot be read is not there.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* True if a socket there listens for TCP connections to the loopback by IPv4, or by IPv6. */
bool isle_netns_listens(pid_t tid, unsigned port, bool v4);

/* True if there is an abstract socket of that name: '@' and the name, with '@' for each NUL, as /proc has it. */
bool isle_netns_has_abstract(pid_t tid, const char *name);

/* True if it has no interface but its loopback. */
bool isle_netns_is_alone(pid_t tid);

/* Bytes of all interfaces but the loopback, since these were made. */
struct isle_netns_traffic {
	uint64_t received, sent;
};

/* False when they cannot be read. */
bool isle_netns_traffic(pid_t tid, struct isle_netns_traffic *ret_traffic);
