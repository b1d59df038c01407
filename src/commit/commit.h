/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeping or dropping what an isle changed: commit, discard and undo as transactions on the host
 * (the engine's invariants: transaction.h; how a plan comes about: plan.h).
 *
 *   isle_recover(store, err);                  once, by every verb that will change the store
 *   isle_commit(store, isle, &options, &result, err);
 *   switch (result.outcome) ...
 *   isle_commit_result_done(&result);
 *
 * Each of commit, discard and undo takes the isle's live lock and the store's commit lock itself, validates
 * everything before its first step, does all of it or none, and leaves one operation in the catalog. A return value
 * < 0 means that it failed and that nothing changed; then err says why. What the user has to decide about is no
 * failure but an outcome (>= 0), and nothing changed there either.
 */
#include "catalog.h"
#include "change.h"
#include "error.h"
#include "store.h"
#include <stdbool.h>
#include <stdint.h>

/* Which changes. A pattern with a slash, or without any of *?[, is a path: absolute, or else relative to the current
 * directory; it stands for the object and all below it. Any other pattern is matched against the last component of
 * each path. In globs "*" matches slashes, too. */
struct isle_select {
	const char *const *paths;  /* NULL-terminated; NULL or empty: all */
	const char *const *except; /* NULL-terminated; NULL: none */
	/* Paths are absolute names, whatever bytes are in them; with a slash at the end also for what is below. */
	bool exact;
	/* Of what these say, only: */
	unsigned kinds;	       /* changes of these kinds, 1 << enum isle_change_kind; 0: of all */
	const char *const *by; /* what these processes made, process ids or patterns for programs; NULL-terminated;
				* NULL or empty: whoever made it */
	bool (*made)(const struct isle_change *change, const void *data); /* with by: they made it */
	const void *made_data;
};

enum isle_on_conflict {
	ISLE_CONFLICT_ABORT,  /* touch nothing */
	ISLE_CONFLICT_SKIP,   /* leave it, and what depends on it, in the isle */
	ISLE_CONFLICT_HOST,   /* the same, and drop it from the isle */
	ISLE_CONFLICT_ISLE,   /* the isle's state wins; not where a directory is on either side */
	ISLE_CONFLICT_BOTH,   /* the isle's plain file lands as NAME.isle-new */
	ISLE_CONFLICT_MERGE,  /* text: both sides' changes, if that is clean; a file both appended to: both parts */
	ISLE_CONFLICT_APPEND, /* a file that both only appended to: the host's part, then the isle's */
};

#define ISLE_LOG_PATTERNS ((const char *const[]){"/var/log/**", "*.log", NULL})

enum { ISLE_CONFLICT_COUNT = ISLE_CONFLICT_APPEND + 1 };

/* What a commit is checked against (criteria.h). */
enum isle_criteria {
	ISLE_CRITERIA_OF_ISLE, /* as the isle was run with */
	ISLE_CRITERIA_AEC,     /* everything that the isle read: atomic execution at commit */
	ISLE_CRITERIA_LOOKUP,  /* the same, but of a listed directory only the names that were looked up */
	ISLE_CRITERIA_WRITE,   /* only what the isle changed */
	ISLE_CRITERIA_NONE,    /* nothing: the isle wins */
};

/* "aec", "lookup", "write", "none"; -1 when it is none. */
int isle_criteria_by_name(const char *name);
/* For later commits of the isle, where they do not say it. */
int isle_criteria_note(const struct isle *isle, enum isle_criteria criteria) isle_must_check;
/* That was done once. */
bool isle_criteria_noted(const struct isle *isle);

/* "abort", ...; -1 when it is none. */
int isle_on_conflict_by_name(const char *name);
const char *isle_on_conflict_name(enum isle_on_conflict how);

struct isle_answers;
struct isle_rules;

/* How a changed file takes the place of the host's. */
enum isle_replace {
	ISLE_REPLACE_AUTO,   /* by a rename, unless the host's file has other names that are not committed with it */
	ISLE_REPLACE_RENAME, /* always by a rename: other names keep the old file */
	ISLE_REPLACE_WRITE,  /* into the host's file: all its names see it, and it is not one step */
};

/* "auto", "rename", "write"; -1 when it is none. */
int isle_replace_by_name(const char *name);
const char *isle_replace_name(enum isle_replace replace);

/* Of a text file, these hunks only: as `isle diff --hunks` numbers them. */
struct isle_hunks {
	const char *path;    /* absolute, a name */
	const char *numbers; /* "1,3-5" */
};

/* 1: the list has it; 0: not; -EINVAL: that is no list of hunks. */
int isle_hunk_listed(const char *numbers, size_t number);

struct isle_plan;
struct isle_findings;
struct isle_commit_result;

struct isle_commit_options {
	struct isle_select select;
	unsigned allow; /* enum isle_mark bits the user said yes to; ISLE_MARKS_FLAGGED: all */
	enum isle_on_conflict on_conflict;
	enum isle_criteria criteria;
	const struct isle_answers *answers; /* what to do about single conflicts (answers.h); NULL: as on_conflict */
	enum isle_replace replace;
	const char *const *logs; /* patterns of files that are merged by append without being asked; NULL-terminated;
				  * NULL: ISLE_LOG_PATTERNS */
	const struct isle_hunks *hunks; /* ends with path NULL; NULL: none */
	const struct isle_rules *rules; /* what they do not allow is left in the isle (rules.h); NULL: none */
	const char *plan_id; /* do this plan or nothing; NULL: any. With answers: what the choices were made from */
	unsigned flags;	     /* enum isle_commit_flags */
	/* Lets go of an isle that is kept mounted though nothing runs in it, before its lock is taken. NULL: nobody. */
	void (*rest)(const struct isle *isle);
	/* Asked first: is this the plan that was meant? False: outcome STALE. NULL: not asked. */
	bool (*fits)(const struct isle_plan *plan, const void *data);
	const void *fits_data;
	/* Told once everything is validated and nothing has been done yet, before anything is asked: the notes, and the
	 * conflicts that are decided. NULL: not told. */
	void (*tell)(const struct isle_commit_result *result, void *data);
	/* Asked then, where changes are flagged that `allow` has not: all of them. NULL: outcome FLAGGED. */
	bool (*consent)(const struct isle_plan *plan, const struct isle_findings *flagged, void *data);
	/* Asked then. NULL: not asked. */
	bool (*confirm)(const struct isle_plan *plan, void *data);
	/* No lock is held while something is asked. False: outcome DECLINED. A yes is for that plan, by its id, and for
	 * what was flagged in it: all is looked at again, and what is not the same is STALE, or CONFLICT. */
	void *data;
};

enum isle_commit_flags {
	ISLE_COMMIT_WAIT = 1 << 0, /* wait until the isle is at rest instead of -EBUSY */
	ISLE_COMMIT_TORN = 1 << 1, /* a yes to an isle whose machine went down during a run (boot.h) */
	ISLE_COMMIT_LIST = 1 << 2, /* isle_plan_build() for showing: a conflict that ABORT stands for stops nothing,
				    * its change is left out; the outcome is CONFLICT all the same */
	ISLE_COMMIT_SHOW = 1 << 3, /* isle_plan_build(): the plan is not carried out, so what only taking it back
				    * would need is not read */
};

enum isle_outcome {
	ISLE_OUTCOME_DONE,
	ISLE_OUTCOME_NOTHING,  /* there was nothing to do */
	ISLE_OUTCOME_CONFLICT, /* conflicts are listed */
	ISLE_OUTCOME_FLAGGED,  /* flagged changes without a yes are listed */
	ISLE_OUTCOME_DECLINED,
	ISLE_OUTCOME_STALE, /* it is no longer the plan of that id, or the one that the answer was for */
	ISLE_OUTCOME_TORN,  /* the machine went down during a run: without ISLE_COMMIT_TORN nothing is committed */
};

/* One object that stops or qualifies a commit. */
struct isle_finding {
	char *path;
	const char *kind;      /* conflict: "changed", "deleted", "created", ...; else "pulled in", "left out", ... */
	char *why;	       /* one lower-case phrase for people */
	unsigned marks;	       /* flagged: which */
	struct isle_stat then; /* conflict: what the isle relied on; zero: nothing was there */
	bool dated;	       /* conflict: that is not known, but that it last changed not after then.ctime */
	struct isle_stat now;  /* what the host has; zero: nothing */
	struct isle_stat isle; /* what the isle has; zero: nothing */
	enum isle_change_kind change; /* conflict: what the isle did to it */
	unsigned choices;	      /* conflict: 1 << enum isle_on_conflict, what may be chosen for it */
	enum isle_on_conflict choice; /* conflict: what was */
	uint32_t run, process;	      /* conflict: who in the isle read it first; run 0: not known */
	bool wrote;		      /* conflict: nobody read it; that is who wrote to it first */
	char *command;		      /* their command line for people, NULL: not known */
};

struct isle_findings {
	struct isle_finding *list;
	size_t count, room;
};

/* A directory that another than root may write to, and in which root's operation changes something. */
struct isle_writable {
	char *path;
	const char *by; /* "user": who owns it; "group", "everybody" */
	uint32_t id;	/* of the user or group */
	char *name;	/* the same, NULL: it has none */
	uint64_t changes;
};

struct isle_summary {
	uint64_t create, modify, remove, rename, replace, metadata; /* changes of each kind */
	uint64_t entries;					    /* objects, those below new directories included */
	uint64_t bytes;						    /* data of what is new or changed */
	unsigned marks;						    /* union of all marks */
};

struct isle_commit_result {
	enum isle_outcome outcome;
	uint64_t operation; /* its number in `isle log`; 0: none */
	struct isle_summary summary;
	struct isle_findings conflicts;
	struct isle_findings flagged;	/* without a yes */
	struct isle_findings allowed;	/* flagged, with one */
	uint64_t kept;			/* changes that the rules do not allow */
	struct isle_findings notes;	/* what the selection pulled in or left out */
	struct isle_writable *writable; /* as root: whose directories are used (writers.h) */
	size_t writable_count;
};

#define ISLE_COMMIT_RESULT_INIT ((struct isle_commit_result){0})

void isle_commit_result_done(struct isle_commit_result *result);
#define auto_commit_result __attribute__((cleanup(isle_commit_result_done)))

int isle_commit(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		struct isle_commit_result *ret_result, struct isle_err *err) isle_must_check;

/* Drops changes: all of them in constant time, or by path. What is dropped is kept for undo until `isle gc`. */
int isle_discard(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		 struct isle_commit_result *ret_result, struct isle_err *err) isle_must_check;

/* Takes a commit, a discard or an undo back. operation 0: the last that can be. The host must be as the operation
 * left it, else CONFLICT. */
int isle_undo(struct isle_store *store, uint64_t operation, const struct isle_commit_options *options,
	      struct isle_commit_result *ret_result, struct isle_err *err) isle_must_check;

/* What a commit would meet: conflicts, flagged, summary; nothing is changed and no lock is needed. */
int isle_check(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
	       struct isle_commit_result *ret_result, struct isle_err *err) isle_must_check;

/* Counts of a change list, for a prompt. */
void isle_commit_summary(const struct isle_changes *changes, struct isle_summary *ret_summary);

/* Completes or takes back an operation that was interrupted (killed, power loss). Costs one failed look-up when there
 * is none. Says what it did on stderr. > 0: something was repaired. */
int isle_recover(struct isle_store *store, struct isle_err *err) isle_must_check;

/* The record of an operation: what undo needs. */
struct isle_prune_record {
	int64_t id;
	int64_t end;	/* when the operation ended, ns since the epoch */
	uint64_t bytes; /* on disk, about */
	enum isle_operation_kind kind;
	bool undoable;	     /* by what the catalog says */
	const char *isle;    /* its name at that time */
	const char *summary; /* "3 created" */
};

enum isle_prune_flags {
	ISLE_PRUNE_DRY = 1 << 0,  /* tell what would be freed, and free nothing */
	ISLE_PRUNE_ASKS = 1 << 1, /* confirm() waits for somebody: no lock is held meanwhile, and all is read anew */
};

struct isle_prune_options {
	int64_t before;	    /* operations that ended at or before this time go, ns since the epoch */
	uint64_t max_bytes; /* then, as long as the rest takes more, the oldest of it that confirm() agrees to;
			     * UINT64_MAX: no limit */
	unsigned flags;	    /* enum isle_prune_flags */
	/* Shall these go, though they are younger? Oldest first. NULL: no. */
	bool (*confirm)(const struct isle_prune_record *records, size_t count, void *data);
	/* Told of each that goes; may be NULL. */
	void (*each)(const struct isle_prune_record *record, void *data);
	void *data;
};

struct isle_prune_result {
	uint64_t removed; /* records that went, or would go */
	uint64_t removed_bytes;
	uint64_t lost; /* of these, what could have been undone */
	uint64_t kept; /* younger ones */
	uint64_t kept_bytes;
	uint64_t stuck; /* records of operations that were taken back and could not put everything where it was */
};

/* Gives up what undo needs of old operations: moves it to the trash, which isle_store_gc() empties. */
int isle_undo_prune(struct isle_store *store, const struct isle_prune_options *options,
		    struct isle_prune_result *ret_result, struct isle_err *err) isle_must_check;
