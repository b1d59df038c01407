/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An object of the host, held by one descriptor or told after a rename: whoever may write to its directory can put
 * another in its place at any moment. What is decided about an object and what is done to it goes through the same
 * descriptor; what only a rename can do is looked at afterwards, and put back if another object came.
 */
#include "transaction.h"

/* Holds dir/name (O_PATH) if it is `wanted`. 1 and *ret_fd; 0: another is there, or nothing, and *ret_now tells. */
int isle_hold(int dir, const char *name, const struct isle_stat *wanted, int *ret_fd,
	      struct isle_stat *ret_now) isle_must_check;

/* The metadata of `wanted`, which is to be at dir/name: what a taking back gives it again. -ESTALE: another is there.
 */
int isle_hold_meta(int dir, const char *name, const struct isle_stat *wanted,
		   struct isle_meta **ret_meta) isle_must_check;

/* Opens the object that fd holds, which is at dir/name, for reading or writing: that one or none (-ESTALE). */
int isle_held_open(int fd, int dir, const char *name, int flags) isle_must_check;

/* Another name for the object that fd holds. */
int isle_held_link(int fd, int dir, const char *name) isle_must_check;

/* Renames what is at `from`, where nothing is at `to`. 1: what came is `wanted`. 0: another came, and is back;
 * *ret_came tells of it. */
int isle_move_wanted(const struct isle_spot *from, const struct isle_spot *to, const struct isle_stat *wanted,
		     struct isle_stat *ret_came) isle_must_check;
