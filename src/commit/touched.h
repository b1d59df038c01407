/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Host objects whose ctime this program itself has moved by taking an operation back: isles/ID/touched. Without it, a
 * commit that was rolled back would be refused for ever after, since everything seems to have changed on the host.
 */
#include "change.h"
#include "transaction.h"

struct isle_touched_object {
	uint64_t dev, ino;
	struct statx_timestamp before, after; /* ctime */
};

struct isle_touched {
	struct isle_touched_object *list; /* sorted by dev and ino */
	size_t count;
};

void isle_touched_done(struct isle_touched *touched);
#define auto_touched __attribute__((cleanup(isle_touched_done)))

/* None is no error. */
int isle_touched_read(const struct isle *isle, struct isle_touched *ret_touched) isle_must_check;

/* True if the change counts as moved only because of an operation of ours. */
bool isle_touched_excuses(const struct isle_touched *touched, const struct isle_change *change);

/* After a rollback: notes what stands as it stood, but for its ctime. Failing costs conflicts, nothing else. */
void isle_touched_note(struct isle_transaction *tx);
