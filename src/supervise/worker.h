/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A child of the supervisor that does one thing for it.
 *
 * It dies with the supervisor, also when that has died already. It keeps no descriptor by which others tell that the
 * supervisor lives: with the notification listener open in a child, the program's calls would wait for answers that
 * nobody gives; with the run's connection, the keeper would not see the supervisor go.
 */
#include <sys/types.h>

struct isle_guide;

/* As fork(2): 0 in the child; its number, or -errno. */
pid_t isle_worker_fork(const struct isle_guide *guide);
