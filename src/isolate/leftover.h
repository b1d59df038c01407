/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What CMD left running: all descendants of the calling leader. */
#include "buf.h"

/* Ends them: SIGTERM, and SIGKILL after two seconds. Appends a line "NAME (pid N)\n" for each of the first 16. Returns
 * how many there were. They are all reaped. */
unsigned isle_leftover_end(struct isle_buf *names);

/* SIGKILL at once, and reaps them. */
void isle_leftover_kill(void);
