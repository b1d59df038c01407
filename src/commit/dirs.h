/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The parent directories of paths that are met in order: neighbours share a descriptor, so that ten thousand files in a
 * hundred directories cost a hundred walks.
 */
#include "macros.h"

struct isle_dirs {
	int root; /* owned */
	int fd;	  /* of the last parent, or -1 */
	char *parent;
	size_t length, room;
};

#define ISLE_DIRS_INIT ((struct isle_dirs){.root = -1, .fd = -1})

/* A list of them in that state; heap, NULL when out of memory. Zeroed memory would stand for descriptor 0. */
struct isle_dirs *isle_dirs_new(size_t count);
void isle_dirs_done(struct isle_dirs *dirs);
/* The host's root. */
int isle_dirs_init_host(struct isle_dirs *dirs) isle_must_check;

/* The directory of path (relative to the root, or absolute below the host's root), without following any symbolic
 * link. The descriptor is O_PATH, borrowed until the next call; *ret_name points into path. */
int isle_dirs_parent(struct isle_dirs *dirs, const char *path, const char **ret_name) isle_must_check;

/* After a directory was moved. */
void isle_dirs_forget(struct isle_dirs *dirs);
