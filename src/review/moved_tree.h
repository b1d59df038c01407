/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files that a renamed directory takes along unchanged.
 */
#include "review_internal.h"

/* The host paths of all changes whose counterpart is not at their own path, sorted. */
struct isle_host_paths {
	const char **list;
	size_t count;
};

int isle_host_paths_init(struct isle_host_paths *paths, const struct isle_changes *changes) isle_must_check;
void isle_host_paths_done(struct isle_host_paths *paths);
#define auto_host_paths __attribute__((cleanup(isle_host_paths_done)))

/* target is that of a symbolic link, NULL for a plain file. A negative return ends the walk. */
typedef int isle_moved_file(const char *from, const char *to, const char *target, void *arg);

/* Calls found for each plain file and symbolic link below the old place of change, the RENAME of a directory, that has
 * no change of its own. 0, 1 when there may be more than it was called for, or -errno. */
int isle_moved_files(const struct isle_review *review, const struct isle_change *change,
		     const struct isle_host_paths *taken, isle_moved_file *found, void *arg) isle_must_check;
