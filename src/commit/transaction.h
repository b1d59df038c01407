/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Carrying out a plan: all of it or nothing (the design is at the top of transaction.c).
 *
 *   isle_commit_lock(store, &lock)       one operation at a time in a store
 *   isle_recover_locked(store, ...)      what an earlier one left
 *   isle_transaction_run(...)            prepare, apply, settle; rolls back by itself
 */
#include "dirs.h"
#include "layer.h"
#include "map.h"
#include "plan.h"

struct isle_transaction_site {
	struct isle_dirs upper; /* of the layer */
	struct isle_dirs work;
	struct isle_dirs parking; /* of this operation */
	struct isle_dirs source;  /* of the operation that an undo takes back */
	int layer;		  /* the directory that holds upper and work, -1 */
	size_t taken;		  /* index + 1 of the action that parks it as a whole and works from there; 0: none */
};

struct isle_let_go {
	struct isle_stat then, now;
};

struct isle_transaction {
	struct isle_store *store;
	const struct isle *isle; /* NULL: it is gone; only an undo can do without */
	struct isle_plan *plan;
	int64_t id;
	struct isle_dirs host, other;
	struct isle_transaction_site *sites;
	struct isle_map touching;   /* touching.h */
	struct isle_let_go *let_go; /* files of the host that lost a name beside it, with which they were parked */
	size_t let_go_count;
	struct isle_findings *conflicts; /* where a step that met a changed host says so; may be NULL */
	struct isle_err *err;
};

int isle_transaction_init(struct isle_store *store, const struct isle *isle, struct isle_plan *plan, int64_t id,
			  struct isle_transaction *ret_tx) isle_must_check;
void isle_transaction_done(struct isle_transaction *tx);
#define auto_transaction __attribute__((cleanup(isle_transaction_done)))

/* Adds the operation to the catalog and does the plan. 0: done. -ESTALE: the host has moved; conflicts say where;
 * everything was rolled back. -EINPROGRESS: it failed, and rolling back failed, too; recovery is to do it. Other
 * errors: rolled back as well. *ret_id is the operation's number. */
int isle_transaction_run(struct isle_store *store, const struct isle *isle, struct isle_plan *plan,
			 struct isle_findings *conflicts, int64_t *ret_id, struct isle_err *err) isle_must_check;

/* Waits for the store's commit lock. A descriptor. */
int isle_commit_lock(struct isle_store *store, struct isle_err *err) isle_must_check;

/* Waits until no operation of another store, which can be another user's, is between its look at the host and its last
 * step. A descriptor, or -1: after ten seconds it is done without, and said, since anybody can hold the lock. */
int isle_host_lock(void) isle_must_check;

/* Recovers what is pending, then takes the isle's live lock (isle NULL: none) and the commit lock, in this order.
 * flags: enum isle_commit_flags. */
int isle_operation_lock(struct isle_store *store, const struct isle *isle, unsigned flags, int *ret_live, int *ret_lock,
			struct isle_err *err) isle_must_check;

/* The caller holds the commit lock. > 0: repaired. */
int isle_recover_locked(struct isle_store *store, struct isle_err *err) isle_must_check;

/* The plan of an operation, and when its last step was done. -ENOENT: it is gone. */
int isle_operation_load(struct isle_store *store, int64_t id, struct isle_plan *ret_plan, int64_t *ret_end,
			struct isle_err *err) isle_must_check;

/* What it did, for the log; heap. Dropping all of an isle does not count what is much (discard.c): "all changes". */
char *isle_plan_summary(const struct isle_plan *plan);

/* --- places (spot.c) --- */

/* The layer that a site stands for. */
struct isle_layer isle_site_layer(const struct isle_site *site);
/* -EPERM, with all that a user needs to know, where others control the way to a place of the plan's layers, and so to
 * what was parked beside it. */
int isle_plan_check_places(const struct isle_plan *plan, struct isle_err *err) isle_must_check;

/* Where site keeps what operation id has taken: opened, made if create. -1 in *ret_fd where it does not exist. */
enum isle_parking_flags { ISLE_PARKING_CREATE = 1 << 0 };
int isle_parking_open(struct isle_store *store, const struct isle_plan *plan, const struct isle_site *site, int64_t id,
		      unsigned flags) isle_must_check;
/* Removes it and its shelves if it is there and they are empty. */
int isle_parking_remove(struct isle_store *store, const struct isle_plan *plan, const struct isle_site *site,
			int64_t id) isle_must_check;

/* The name below a parking of what action i has parked. Many names in one directory make each new one dear (a file
 * system reads through a block of them), so few share a shelf. */
struct isle_parked_name {
	char text[48];
};
struct isle_parked_name isle_parked_name(size_t i, const char *suffix);

struct isle_spot {
	int dir; /* borrowed */
	const char *name;
	char buffer[80];
};

int isle_spot_target(struct isle_transaction *tx, const struct isle_action *action,
		     struct isle_spot *ret_spot) isle_must_check;
int isle_spot_parking(struct isle_transaction *tx, size_t i, struct isle_spot *ret_spot) isle_must_check;
/* undo/ID/SHELF/INDEX + suffix, also for an action that parks on the host's side. The shelf is made. */
int isle_spot_record(struct isle_transaction *tx, size_t i, const char *suffix,
		     struct isle_spot *ret_spot) isle_must_check;
int isle_spot_source(struct isle_transaction *tx, const struct isle_action *action,
		     struct isle_spot *ret_spot) isle_must_check;
/* What a WRITE writes: the source, or what was composed, which lies in the record under this suffix. */
#define ISLE_COMPOSED ".new"
int isle_spot_written(struct isle_transaction *tx, size_t i, struct isle_spot *ret_spot) isle_must_check;
int isle_spot_host(struct isle_transaction *tx, const char *path, struct isle_spot *ret_spot) isle_must_check;
/* The layer's own: below upper, whatever the plan is. */
int isle_spot_upper(struct isle_transaction *tx, const struct isle_action *action,
		    struct isle_spot *ret_spot) isle_must_check;
/* The directory that holds upper and work, wherever it is now. Borrowed. */
int isle_transaction_layer(struct isle_transaction *tx, unsigned site) isle_must_check;
const char *isle_site_prefix(const struct isle_site *site);

/* --- steps (step.c, step_layer.c) --- */

int isle_step_prepare(struct isle_transaction *tx, size_t i) isle_must_check;
int isle_step_apply(struct isle_transaction *tx, size_t i) isle_must_check;
/* Takes back whatever of the step was done; by inode numbers, so also after a crash. 1: nothing is left to do by hand,
 * 0: the host has moved on, and what was there before stays in the undo record, < 0: to be tried again later. */
int isle_step_rollback(struct isle_transaction *tx, size_t i) isle_must_check;
/* 1 if the step is done as a whole, 0 if not. */
int isle_step_is_done(struct isle_transaction *tx, size_t i) isle_must_check;
/* Removes what was prepared and not used. */
int isle_step_unprepare(struct isle_transaction *tx, size_t i) isle_must_check;
/* Tells what could not be done. Returns code. */
int isle_step_failed(struct isle_transaction *tx, const struct isle_action *action, int code);

/* The same for the kinds DROP, RESTORE, REVERT, LAYER and CARRY. */
int isle_layer_step_apply(struct isle_transaction *tx, size_t i) isle_must_check;
int isle_layer_step_rollback(struct isle_transaction *tx, size_t i) isle_must_check;
int isle_layer_step_is_done(struct isle_transaction *tx, size_t i) isle_must_check;

/* --- settle.c --- */

/* After all steps: takes out of the layers what the host has now. Idempotent. */
int isle_settle(struct isle_transaction *tx) isle_must_check;
