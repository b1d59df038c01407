/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a tree takes on its disk. */
#include "macros.h"
#include <stdint.h>

/* Adds the bytes that deleting dir/name (one component, or "." for dir itself) would free to *bytes. A file with
 * several names counts in shares. What cannot be looked into, is mounted there, or lies deeper than some hundred
 * directories is left out. -ENOENT: nothing is there. */
int isle_tree_usage(int dir, const char *name, uint64_t *bytes) isle_must_check;
