/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which operations isle_undo() can still take back: those that are done and of which the record is there; and what only
 * moved things within an isle (a discard, and what took one back), as long as that isle is.
 *
 *   auto_undoable struct isle_undoable undoable = ISLE_UNDOABLE_INIT;
 *   r = isle_undoable_load(store, catalog, &undoable, err);
 *   isle_undoable_is(&undoable, 3)
 */
#include "catalog.h"
#include "store.h"
#include <stdbool.h>

struct isle_undoable {
	struct isle_undoable_entry *list; /* newest first */
	size_t count, room;
};

#define ISLE_UNDOABLE_INIT ((struct isle_undoable){0})

void isle_undoable_done(struct isle_undoable *undoable);
#define auto_undoable __attribute__((cleanup(isle_undoable_done)))

int isle_undoable_load(struct isle_store *store, struct isle_catalog *catalog, struct isle_undoable *ret_undoable,
		       struct isle_err *err) isle_must_check;

bool isle_undoable_is(const struct isle_undoable *undoable, int64_t id);
/* The number of the last one; 0: there is none. */
int64_t isle_undoable_last(const struct isle_undoable *undoable);
