/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Directories of the view that were looked into a moment ago, kept open: most paths are looked up beside one that was
 * looked up just before.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ISLE_NEAR_ROOM = 16 };

struct isle_near_directory {
	char *path; /* as written, absolute; NULL: free */
	size_t length;
	int fd;		 /* O_PATH; -1: of no overlay, or its path has links in it */
	uint32_t second; /* when it was opened; does not hold in the next */
};

struct isle_near {
	struct isle_near_directory list[ISLE_NEAR_ROOM];
};

struct isle_guide;
struct statx;

/* Looks at a path whose directory is written without links, and which is no link itself or not followed. 0: it is
 * there; -ENOENT: it is not, in a directory that is of the host; -EAGAIN: look closer. */
int isle_near_look(struct isle_guide *guide, const char *path, bool nofollow, struct statx *ret_stat);
/* Names lead elsewhere. */
void isle_near_forget(struct isle_near *near);
