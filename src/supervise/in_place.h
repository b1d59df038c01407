/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Making a call in the place of a thread of the isle: in a child, with its root and current directory, its ids, groups,
 * user namespace, and no more powers than it has there. So the kernel makes all checks that it makes for the caller.
 *
 *   auto_in_place struct isle_in_place place = ISLE_IN_PLACE_INIT;
 *   r = isle_in_place_open(call, dirfd, &place);      while the caller waits
 *   if (isle_guide_waits(guide, call))                what was read could be another process's
 *           r = isle_in_place_run(guide, work, &data);       the child calls work(), which calls isle_in_place_enter()
 */
#include "buf.h"
#include "caller.h"
#include "guide_internal.h"

struct isle_in_place {
	struct isle_caller *caller;
	int root;
	int start; /* what dirfd stands for; -errno when that is nothing, which an absolute path does not need */
	int userns;
};

#define ISLE_IN_PLACE_INIT ((struct isle_in_place){NULL, -1, -1, -1})
void isle_in_place_done(const struct isle_in_place *place);
#define auto_in_place __attribute__((cleanup(isle_in_place_done)))

int isle_in_place_open(const struct isle_call *call, int dirfd, struct isle_in_place *ret_place) isle_must_check;

/* The mounts that the caller sees, and those of the isle (a program that has changed its root does not see them all),
 * one after the other as in mountinfo. */
int isle_in_place_mounts(pid_t tid, struct isle_buf *ret_text) isle_must_check;
/* Those of the isle alone, as its init sees them: nothing that the caller has mounted, and no root of the caller's. */
int isle_in_place_own_mounts(pid_t tid, struct isle_buf *ret_text) isle_must_check;
/* True if an object (O_PATH) lies on one of these. One that a process outside has handed in does not. */
bool isle_in_place_has(const struct isle_buf *mounts, int object);

/* In the child, for good. path: what will be looked up, NULL: nothing. 0 or -errno. */
int isle_in_place_enter(const struct isle_in_place *place, const char *path) isle_must_check;

/* Runs work in a child and returns what it returned, 0 or -errno. */
int isle_in_place_run(const struct isle_guide *guide, int (*work)(const void *data), const void *data) isle_must_check;
