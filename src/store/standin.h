/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stand-ins. In a user namespace overlayfs cannot copy up a directory whose owner has no name there (EOVERFLOW), so
 * nothing could be created below it, in /var/tmp say. A directory of the same name in upper, made beforehand, needs no
 * copy-up: the two are merged. It belongs to the user and has the rights that the user has on the host's.
 *
 * Its attribute user.overlay.isle holds these rights in octal; while they are as noted the directory is no change.
 */
#include "macros.h"
#include <sys/types.h>

#define ISLE_STANDIN_NOTE "isle"

/* Makes stand-ins on the way from an upper directory to path (relative, below it), beside the host's directory;
 * stops where one belongs to the user, which copies up by itself, or where the way ends. */
int isle_standin_make(int upper, int host, const char *path) isle_must_check;
