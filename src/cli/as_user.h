/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * `isle commit --user USER`: root lets USER commit an isle of USER's and then gives the owners that were asked for in
 * it.
 *
 *   1. as_user.c, as root, starts `isle commit-for-root ...` as USER.
 *   2. for_root.c, as USER, plans with the locks held, like any commit, and writes to its standard output what is
 *      committed and which owners are wished (wishes.h).
 *   3. Root's side reads it, checks it, shows it, and asks.
 *   4. It answers 'y' on the other's standard input, or closes that. USER's side commits, or does nothing.
 *   5. Root's side prints each line of USER's standard error as USER's, takes the exit status, and gives the owners:
 *      isle_owners_give() (owners.h).
 *
 * Whatever has USER's id, that process too, is USER's to control. So all that comes from it is no more than a wish:
 * root relies on what root has shown, and on the host.
 */
#include "keep.h"

struct isle_as_user {
	const char *user;	      /* --user; NULL: not given */
	struct isle_operands options; /* the others, to be passed on */
};

#define ISLE_AS_USER_INIT ((struct isle_as_user){0})

static inline void isle_as_user_done(struct isle_as_user *as)
{
	isle_operands_done(&as->options);
}
#define auto_as_user __attribute__((cleanup(isle_as_user_done)))

/* Takes note of an option, as it means the same in any directory. */
int isle_as_user_option(struct isle_as_user *as, const struct isle_args *args, int id) isle_must_check;

/* The exit status. The operands join the options. */
int isle_commit_as_user(struct isle_keep *keep, struct isle_as_user *as, const struct isle_args *args);

/* A confirm callback: USER's side of the question; data is the struct isle_keep. */
bool isle_for_root_confirm(const struct isle_plan *plan, void *data);
