/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a layer has an index (as root), each file of several names that was copied up has one more link,
 * work/index/NAME, and by that the overlay shows the one inode under all names that the host has, in the upper
 * directory or not. So it goes when the file does, and comes back with it.
 *
 * layer: the directory that holds upper and work. name: as isle_index_find() tells.
 */
#include "change.h"

/* The name of the link to the upper object of this number that has these attributes: its origin in hexadecimal digits.
 * Heap; NULL where it has none. */
int isle_index_find(int layer, const char *prefix, const struct isle_xattrs *overlay, uint64_t ino,
		    char **ret_name) isle_must_check;

/* > 0: it is there. */
int isle_index_has(int layer, const char *name) isle_must_check;
/* It may be gone. object: only if it leads to that; NULL: whatever it leads to. */
int isle_index_remove(int layer, const char *name, const struct isle_stat *object) isle_must_check;
/* It may be there already. -EEXIST: one to another object is. */
int isle_index_add(int layer, const char *name, int dir, const char *object) isle_must_check;
