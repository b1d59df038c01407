/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What undo.c (the inverse plan) and undo_verb.c (choosing, locking, asking) share. */
#include "touched.h"
#include "transaction_internal.h"

struct undo {
	struct isle_store *store;
	struct isle *isle; /* NULL: gone */
	struct isle_plan old, plan;
	struct isle_dirs host;
	struct isle_dirs *parked; /* per site of the old plan: its parking, opened when needed */
	size_t *taken;		  /* per site: index + 1 of the old action that parked its layer as a whole */
	struct isle_map places;	  /* path of a PLACE -> its index + 1 */
	struct statx_timestamp end;
	struct isle_touched touched; /* by operations since, whose isle does not matter */
	int64_t id;
	int live, lock, host_lock;
	struct isle_commit_result *result;
	struct isle_err *err;
};

/* Nothing is open yet. */
#define UNDO_INIT(of_store, of_result, of_err)                                                                         \
	{                                                                                                              \
		.store = (of_store), .host = ISLE_DIRS_INIT, .live = -1, .lock = -1, .host_lock = -1,                  \
		.result = (of_result), .err = (of_err)                                                                 \
	}

void isle_undo_done(struct undo *u);
#define auto_undo __attribute__((cleanup(isle_undo_done)))

/* True where the operation changed nothing but the layers of its isle. */
bool isle_undo_of_layers(const struct isle_plan *plan);
/* A discard's undo is refused if the isle has changed at all since: what is there now would be hidden or lost. */
int isle_undo_check_isle(struct undo *u) isle_must_check;
/* The inverse of u->old in u->plan; what is in the way in u->result->conflicts. */
int isle_undo_build(struct undo *u) isle_must_check;
