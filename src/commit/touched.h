/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Host objects whose ctime operations of this store have moved: STORE/touched. Without it, what an isle has left after
 * a commit of a part of it, and what other isles rely on, would be refused for ever after an undo, a rollback or a
 * change in the same directory, since it seems to have changed on the host.
 *
 *   isle_touched_read()     the list, as one isle has to see it
 *   isle_touched_settle()   after a scan: takes back that changes are said to have moved, where only we moved them
 *   isle_touched_later()    for any other object: has anybody else changed it?
 */
#include "change.h"

struct isle_touched_line {
	uint64_t ino, was_ino;		    /* another one where an undo had to copy */
	int64_t after, before, away, taken; /* ns; what they mean: touched.c */
	char isle[17];			    /* id or "" */
};

struct isle_touched {
	struct isle_touched_line *list; /* sorted by ino and after */
	size_t count;
	char isle[17];
};

#define ISLE_TOUCHED_INIT ((struct isle_touched){0})

void isle_touched_done(struct isle_touched *touched);
#define auto_touched __attribute__((cleanup(isle_touched_done)))

/* isle NULL: for whom no isle's changes are known ones. That there is no list is no error. */
int isle_touched_read(const struct isle_store *store, const struct isle *isle,
		      struct isle_touched *ret_touched) isle_must_check;

/* Replaces the list; the caller holds the commit lock. */
int isle_touched_write(const struct isle_store *store, struct isle_touched_line *list, size_t count) isle_must_check;

/* Removes what nobody can ask for who relies on nothing older than `limit`. The caller holds the commit lock. */
int isle_touched_forget(const struct isle_store *store, int64_t limit) isle_must_check;

/* True if somebody else has changed the object after limit, or it was not there then. */
bool isle_touched_later(const struct isle_touched *touched, const struct isle_stat *st,
			const struct statx_timestamp *limit);

/* True if now is what was number ino and had this ctime: if only we have touched it since. */
bool isle_touched_was(const struct isle_touched *touched, const struct isle_stat *now, uint64_t ino, int64_t ctime);

/* The same, for the number alone. */
bool isle_touched_is(const struct isle_touched *touched, const struct isle_stat *now, uint64_t ino);

/* When a commit of the isle put the object, which nobody else has touched since, on the host; 0: none has. Until then
 * all that is in it was the isle's. */
int64_t isle_touched_own(const struct isle_touched *touched, const struct isle_stat *st);

/* Corrects `moved` of changes that isle_changes_scan() has found. A file that took the place of one that the isle
 * relied on is no other to it: such changes become modifications. */
int isle_touched_settle(const struct isle_store *store, const struct isle *isle, const struct isle_layers *layers,
			struct isle_changes *changes, struct isle_err *err) isle_must_check;
