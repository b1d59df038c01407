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
	char *view;	 /* without links and "..", "" for the root; NULL: look closer */
	int fd;		 /* O_PATH; -1: of no overlay */
	uint32_t second; /* when it was opened; does not hold in the next */
};

struct isle_near {
	struct isle_near_directory list[ISLE_NEAR_ROOM];
};

struct isle_guide;
struct isle_call;
struct isle_sight;

/* Looks at a path that is no link itself or not followed; links on the way to its directory are recorded. 0: view and
 * mode are filled in, mode is 0 where the directory has no such name; -EAGAIN: look closer. */
int isle_near_look(struct isle_guide *guide, const struct isle_call *call, const char *path, bool nofollow,
		   struct isle_sight *sight);
/* Names lead elsewhere. */
void isle_near_forget(struct isle_near *near);
