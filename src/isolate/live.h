/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A mounted isle as the host sees it: its socket and the process of its network, both in the isle's directory. */
#include "error.h"
#include "store.h"
#include <stdbool.h>

/* The listening socket of the keeper. Changes the current directory to the isle's (its path may be too long for a
 * socket address, and /proc is not the keeper's own). */
int isle_live_listen(const struct isle *isle) isle_must_check;

/* A connection to the keeper; -ENOENT or -ECONNREFUSED when there is none. */
int isle_live_connect(const struct isle *isle) isle_must_check;

/* Remembers the process of the isle's network (pasta); the keeper ends it. */
int isle_live_note_network(const struct isle *isle, pid_t pid) isle_must_check;
/* True when the isle has been joined to the network already. */
bool isle_live_has_network(const struct isle *isle);
/* Ends it and forgets it. */
void isle_live_end_network(const struct isle *isle);
