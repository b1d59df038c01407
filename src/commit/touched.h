/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Host objects whose ctime this program itself has moved by taking an operation back, or by committing a part of an
 * isle: isles/ID/touched. Without it, what is left in the isle would be refused for ever after, since everything seems
 * to have changed on the host.
 */
#include "change.h"
#include "map.h"
#include "transaction.h"

struct isle_touched_object {
	uint64_t dev, ino;
	struct statx_timestamp before, after; /* ctime */
};

struct isle_touched {
	struct isle_touched_object *list; /* sorted by ino and after */
	size_t count;
};

void isle_touched_done(struct isle_touched *touched);
#define auto_touched __attribute__((cleanup(isle_touched_done)))

/* None is no error. */
int isle_touched_read(const struct isle *isle, struct isle_touched *ret_touched) isle_must_check;

/* True if the change counts as moved only because of an operation of ours. */
bool isle_touched_excuses(const struct isle_touched *touched, const struct isle_change *change);

/* The ctime that the object had before we touched it, or has if we did not. touched may be NULL. */
const struct statx_timestamp *isle_touched_ctime(const struct isle_touched *touched, const struct isle_stat *st);

/* Around the steps of a plan after which the isle has something left: the directories in which they change names, and
 * what they rename. */
struct isle_touched_parents {
	struct isle_map states; /* "DEV INO" -> struct isle_stat, heap */
};

void isle_touched_parents_done(struct isle_touched_parents *parents);
#define auto_touched_parents __attribute__((cleanup(isle_touched_parents_done)))
int isle_touched_before(struct isle_transaction *tx, struct isle_touched_parents *parents) isle_must_check;
int isle_touched_after(struct isle_transaction *tx, const struct isle_touched_parents *parents) isle_must_check;

/* After the steps of a plan: the files of which the isle keeps a part. They are what it relies on from now on. */
int isle_touched_kept(struct isle_transaction *tx) isle_must_check;

/* A file that took the place of one that the isle relied on is no other to it: such changes become modifications that
 * nothing moved under. */
void isle_touched_adopt(const struct isle_touched *touched, struct isle_changes *changes);

/* After a rollback: notes what stands as it stood, but for its ctime. Repeatable. */
int isle_touched_note(struct isle_transaction *tx) isle_must_check;
