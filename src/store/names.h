/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The set of names in a directory as one number, the same in whatever order the file system lists them: tells whether
 * names came or went between two looks, when times alone cannot (a name that came and went again, a file replaced).
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>

/* dir is open for reading. 0 is never a result: it stands for "not known". 0 or -errno. */
int isle_names_hash(int dir, uint64_t *ret_hash) isle_must_check;

/* Whether there is none. */
int isle_names_empty(int dir, bool *ret_empty) isle_must_check;
