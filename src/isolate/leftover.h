/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Ending what a run leaves behind. */
#include "buf.h"
#include <stdbool.h>
#include <sys/types.h>

/* By a leader, all its descendants: SIGTERM, and SIGKILL after two seconds. Appends a line "NAME (pid N)\n" for each of
 * the first 16. Returns how many there were. They are all reaped, but for what cannot be ended within a second more:
 * init sees to that. */
unsigned isle_leftover_end(struct isle_buf *names);

/* By init, one pass of SIGKILL over the processes that no live leader is an ancestor of. False when all of them are in
 * uninterruptible sleep, so that there is nothing to do but wait. */
bool isle_leftover_kill_orphans(bool (*is_live_leader)(pid_t pid, void *data), void *data);
