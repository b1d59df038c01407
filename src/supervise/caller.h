/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * With which rights a thread of the isle accesses files: for a call that the supervisor, as root, makes in its place.
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct isle_caller {
	uid_t uid; /* for access to files */
	gid_t gid;
	mode_t umask;
	uint64_t powers; /* effective, bits 1 << CAP_* */
	size_t group_count;
	gid_t groups[]; /* supplementary */
};

/* *ret_caller is one heap object. */
int isle_caller_look(pid_t tid, struct isle_caller **ret_caller) isle_must_check;

/* Its user namespace maps all ids to themselves: powers in it are those of the isle's root, not of a namespace that
 * somebody made inside. */
bool isle_caller_is_mapped(pid_t tid) isle_must_check;

/* Takes over its ids, groups, umask, and of the powers that this process has those that the caller has, too; with a
 * descriptor of the caller's user namespace (-1: none) in that one. In a child, for good: there is no way back. 0 or
 * -errno. */
int isle_caller_become(const struct isle_caller *caller, int userns) isle_must_check;
