/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The catalog of a store: STORE/catalog.db, SQLite in WAL mode. It remembers runs and operations for people; the
 * isles themselves live in the file system (store.h), and an operation's plan lies beside what it moved, in
 * undo/OPERATION/plan. So a lost catalog loses history and nothing else.
 *
 * But for taking in the queue of runs, no function here syncs: WAL with synchronous=NORMAL stays consistent through a
 * power loss, and the syncfs(2) that an operation does anyway makes its row durable. One that does none calls
 * isle_catalog_durable() first.
 *
 * A run must not pay for a database: isle_catalog_note_run() appends to STORE/runs, which the next
 * isle_catalog_open() takes in.
 */
#include "error.h"
#include "store.h"
#include <stdint.h>
#include <time.h>

struct isle_catalog;

int isle_catalog_open(const struct isle_store *store, struct isle_catalog **ret_catalog,
		      struct isle_err *err) isle_must_check;
void isle_catalog_free(struct isle_catalog *catalog);
static inline void isle_catalog_cleanup(struct isle_catalog **catalog)
{
	isle_catalog_free(*catalog);
}
#define auto_catalog __attribute__((cleanup(isle_catalog_cleanup)))

/* One execution of a command. Times are nanoseconds since the epoch; (isle_id, start) tells runs apart. */
struct isle_run_record {
	const char *isle_id;
	const char *name;	 /* of the isle at that time */
	const char *const *argv; /* NULL-terminated */
	const char *cwd;
	int64_t start;
	int64_t end; /* 0: not ended yet */
	int status;  /* as isle exits: 0..255, 128+n for signal n */
};

/* Remembers a run that begins (end 0) or that has ended; both for the same run is fine. Some ten microseconds. */
int isle_catalog_note_run(const struct isle_store *store, const struct isle_run_record *run,
			  struct isle_err *err) isle_must_check;

/* Calls each() with the runs of an isle (NULL: of all), newest first, until it returns non-zero, which is returned. */
int isle_catalog_runs(struct isle_catalog *catalog, const char *isle_id,
		      int (*each)(const struct isle_run_record *run, void *data), void *data,
		      struct isle_err *err) isle_must_check;

enum isle_operation_kind { ISLE_OPERATION_COMMIT, ISLE_OPERATION_DISCARD, ISLE_OPERATION_UNDO };

/*
 *   PLANNED --> APPLYING --> DONE --> UNDONE        DONE --> PRUNED (gc took what undo needs)
 *      |            |
 *      +------------+--> ROLLED_BACK
 */
enum isle_operation_state {
	ISLE_OPERATION_PLANNED,
	ISLE_OPERATION_APPLYING,
	ISLE_OPERATION_DONE,
	ISLE_OPERATION_ROLLED_BACK,
	ISLE_OPERATION_UNDONE,
	ISLE_OPERATION_PRUNED,
};

struct isle_operation {
	int64_t id; /* the number the user sees */
	enum isle_operation_kind kind;
	enum isle_operation_state state;
	const char *isle_id;
	const char *name;    /* of the isle at that time */
	const char *plan_id; /* "" for a discard of everything */
	int64_t target;	     /* undo: the operation it takes back, else 0 */
	int64_t start;
	int64_t end; /* 0: not ended */
	int64_t entries;
	int64_t bytes;
	const char *summary; /* "3 created, 1 deleted" */
};

/* From now on each change is on the disk when its function returns. */
int isle_catalog_durable(struct isle_catalog *catalog, struct isle_err *err) isle_must_check;

/* Adds it and sets operation->id to one more than the highest that the catalog or undo/ has. */
int isle_catalog_operation_add(struct isle_catalog *catalog, struct isle_operation *operation,
			       struct isle_err *err) isle_must_check;
/* end 0: leaves it as it is. */
int isle_catalog_operation_set(struct isle_catalog *catalog, int64_t id, enum isle_operation_state state, int64_t end,
			       struct isle_err *err) isle_must_check;
/* Newest first; each() as above. */
int isle_catalog_operations(struct isle_catalog *catalog,
			    int (*each)(const struct isle_operation *operation, void *data), void *data,
			    struct isle_err *err) isle_must_check;

/* "commit", ... and "done", ... */
const char *isle_operation_kind_name(enum isle_operation_kind kind);
const char *isle_operation_state_name(enum isle_operation_state state);
