/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Is what the host has at the path of a change the object that the isle saw there?
 *
 * Times do not tell: a user who may write to a directory, or to one above it, can prepare another tree, with hard links
 * of files that are not theirs, and exchange the two by one rename. Then writing in place, changing metadata, merging
 * or copying would act on what somebody chose. So what counts is the object: by the handle that root's layers keep of
 * it, else by the record of the runs; and its owner.
 *
 *   SEEN      it is, or nobody else can have put it there and the host has not changed it
 *   OTHER     another, in a place where nobody else can have put it: it is still not written in place
 *   FOREIGN   another, or that is not known, in a place where others may write. A conflict. Only what needs nothing of
 * the object can be chosen: a new file takes its place, and it goes aside by a rename into the record
 */
#include "build_internal.h"

enum isle_found { ISLE_FOUND_SEEN, ISLE_FOUND_OTHER, ISLE_FOUND_FOREIGN };

/* Judges all chosen changes: b->found, and in consequence `moved` and `another` of the change. */
int isle_found_settle(struct isle_builder *b) isle_must_check;

/* Whether the isle's object can take the place of a FOREIGN one. NULL: so; else why not. */
const char *isle_found_obstacle(struct isle_builder *b, size_t i);

/* The file that a metacopy has its data from, at path. 1: it is the one, in *ret_now; 0: not; -errno. */
int isle_found_data(struct isle_builder *b, const struct isle_change *change, const char *path,
		    struct isle_stat *ret_now) isle_must_check;
