/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A plan: the exact actions of one operation in the order in which they are done, each with the host state it relies
 * on. It is built from the layers (build.h), from a discard (discard.c) or from a done operation (undo.c), is written
 * to undo/OPERATION/plan before the first step, and is carried out, taken back or completed by transaction.h.
 *
 * Each action moves one object between three places:
 *
 *   source   what the isle made: a path below the layer's upper directory; for an undo, what the operation that is
 *            taken back parked. A commit of all that a layer has parks the layer first and works from there
 *   parking  undo/OPERATION/INDEX where host and store share a mount, else .isle-OPERATION-INDEX in the host's
 * directory target   the path on the host
 *
 * and is told by inode numbers: `old` is what the target has before, `new` what it has afterwards.
 */
#include "buf.h"
#include "catalog.h"
#include "change.h"
#include "commit.h"
#include "json.h"
#include "meta.h"
#include "sha256.h"
#include <stdio.h>

enum isle_action_kind {
	ISLE_ACTION_REMOVE,   /* target -> parking */
	ISLE_ACTION_TAKE,     /* the same, for an object that a later PLACE puts elsewhere: a rename */
	ISLE_ACTION_PLACE,    /* the parking of action `pair` -> target */
	ISLE_ACTION_CREATE,   /* source (or parking, if prepared) -> target, where nothing is */
	ISLE_ACTION_EXCHANGE, /* source -> parking (unless prepared), then parking <-> target */
	ISLE_ACTION_WRITE,    /* the target's content and metadata in place; parking keeps a copy of the old */
	ISLE_ACTION_META,     /* the target's metadata in place */
	ISLE_ACTION_DROP,     /* discard: source -> parking */
	ISLE_ACTION_RESTORE,  /* undo of it: `from`, parked by the other operation -> source */
	ISLE_ACTION_REVERT,   /* discard: the metadata of a directory of the layer in place */
	ISLE_ACTION_LAYER,    /* the whole layer -> parking, and a fresh one; undo of a discard: the old one back */
	ISLE_ACTION_CARRY,    /* undo of a commit: `from`, a layer parked by the other operation -> parking */
};

/* How the new object comes to the parking before the first step. */
enum isle_prepare {
	ISLE_PREPARE_NONE,   /* not at all: source itself moves */
	ISLE_PREPARE_MKDIR,  /* an empty directory with the metadata of new_meta */
	ISLE_PREPARE_COPY,   /* a copy of source with all below it; its data from `from` on the host if that is set */
	ISLE_PREPARE_LINK,   /* a further name of what action `pair` has prepared */
	ISLE_PREPARE_HOST,   /* a further name of the host's file `from` */
	ISLE_PREPARE_BACKUP, /* WRITE: a copy of the target, which is at `from` before the first step if that is set */
};

/* The new content is made of both sides' (compose.h). */
enum isle_compose {
	ISLE_COMPOSE_NONE,
	ISLE_COMPOSE_APPEND, /* the host's, then what the isle has from base_size on */
	ISLE_COMPOSE_MERGE,  /* three-way, with the base that was kept */
	ISLE_COMPOSE_HUNKS,  /* the host's with some hunks of the isle's */
};

enum isle_action_flags {
	ISLE_ACTION_CROSS = 1 << 0,    /* the parking is on the host's side: target and store do not share a mount */
	ISLE_ACTION_LOOSE = 1 << 1,    /* earlier actions change the times of old: compare identity only */
	ISLE_ACTION_SHARED = 1 << 2,   /* old has several names: its ctime may move by earlier actions */
	ISLE_ACTION_SCRUB = 1 << 3,    /* a new directory with overlay attributes below it to be taken off */
	ISLE_ACTION_HIDDEN = 1 << 4,   /* part of another one, not shown */
	ISLE_ACTION_WHITEOUT = 1 << 5, /* upper is a whiteout that goes once the operation is done */
	ISLE_ACTION_FILE = 1 << 6,     /* of a FILE layer */
	ISLE_ACTION_WITHIN = 1 << 7,   /* EXCHANGE: source lies in a layer that an earlier LAYER or CARRY has parked
					* whole, and changes places with target at once: it is its own parking */
	ISLE_ACTION_KEEP = 1 << 8,     /* the isle keeps its object, of which a part is committed */
	ISLE_ACTION_LOST = 1 << 9,     /* somebody has put something else in the place of what was prepared */
};

struct isle_action {
	enum isle_action_kind kind;
	enum isle_prepare prepare;
	enum isle_change_kind change; /* what it is to the user */
	unsigned flags;
	unsigned site;	  /* index in sites */
	unsigned what;	  /* META: enum isle_meta_apply */
	unsigned diff;	  /* as in struct isle_change */
	unsigned marks;	  /* as in struct isle_change */
	unsigned compose; /* enum isle_compose */
	uint64_t base_size;
	uint32_t pair;
	char *path;  /* the target on the host at the time of the action; absolute */
	char *from;  /* see isle_prepare; TAKE: where the object goes, PLACE: where it was; REMOVE in an undo: another
		      * name that the file keeps on the host, so that nothing of it needs keeping */
	char *upper; /* below upper; undo: a name in the other operation's parking; NULL: none. isle_action_upper() */
	bool upper_in_path; /* it is the end of path, and not freed */
	char *park;  /* CROSS: a path in the host's directory that parks, one that no action moves; NULL: the own one */
	char *hunks; /* HUNKS: their numbers */
	char *index; /* name in work/index of the link that the index has to the upper object, or NULL */
	struct isle_stat old, new;
	struct isle_stat *linked; /* ISLE_PREPARE_HOST: the file `from` before it got a further name; or NULL */
	struct isle_meta *old_meta, *new_meta; /* META (of a directory that is made: new_meta only), WRITE, REVERT;
						* MKDIR: new_meta. NULL for all others */
	struct isle_xattrs overlay;	       /* overlay attributes of the source */
};

/* Where sources and parkings are: the layer at the time. */
struct isle_site {
	unsigned layer; /* its number */
	bool user;
	char *path;  /* of the layer */
	char *place; /* as in struct isle_layer, or NULL */
};

/* A name in the layer that is what the host has: it goes from there once the operation is done. */
struct isle_leaving {
	unsigned site;
	char *upper; /* below upper */
	uint64_t ino;
};

struct isle_plan {
	enum isle_operation_kind kind;
	char isle_id[17];
	char *isle_name;
	int64_t target; /* undo: the operation that is taken back */
	int64_t stamp;	/* when everything was prepared, ns; no object below a prepared directory is younger */
	int64_t end;	/* when the last step was done */
	bool whole;	/* nothing of the isle is left out */
	bool shown;	/* ISLE_COMMIT_SHOW: overlay lacks values */
	struct isle_site *sites;
	size_t site_count;
	struct isle_action *actions;
	size_t action_count, action_room;
	struct isle_leaving *leaving;
	size_t leaving_count, leaving_room;
	struct isle_summary summary;
	char id[ISLE_SHA256_HEX];
	/* What the id stands for besides: what is in new directories, or all that a discard drops; else "" */
	char contents[ISLE_SHA256_HEX];
	char seen[ISLE_SHA256_HEX]; /* with conflicts: what they were found in (answers.h); else "" */
	void *storage;		    /* of a plan that was read: attributes point into it */
};

#define ISLE_PLAN_INIT ((struct isle_plan){0})

void isle_plan_done(struct isle_plan *plan);
#define auto_plan __attribute__((cleanup(isle_plan_done)))
void isle_action_done(struct isle_action *action);
/* The host's file `from` that it is made of. -ENOMEM. */
int isle_action_set_linked(struct isle_action *action, const struct isle_stat *file) isle_must_check;
/* Another upper, heap or NULL. */
void isle_action_upper(struct isle_action *action, char *upper);

/* Adds a zeroed action; NULL when out of memory. The pointer is good until the next one. */
struct isle_action *isle_plan_add(struct isle_plan *plan);
/* See struct isle_leaving; upper is copied. -ENOMEM. */
int isle_plan_leave(struct isle_plan *plan, unsigned site, const char *upper, uint64_t ino) isle_must_check;
/* The sites of a table; same index. */
int isle_plan_set_sites(struct isle_plan *plan, const struct isle_layers *layers) isle_must_check;

/* The order of actions (build.c), and with it pairs and parks. */
int isle_plan_sort(struct isle_plan *plan) isle_must_check;

/* Sets plan->id, a SHA-256 over everything that tells what is done and what is relied on. */
int isle_plan_identify(struct isle_plan *plan) isle_must_check;

/* The file format of undo/OPERATION/plan (journal.c). */
int isle_plan_write(const struct isle_plan *plan, struct isle_buf *buf) isle_must_check;
/* -EBADMSG when it is damaged. */
int isle_plan_read(const void *data, size_t size, struct isle_plan *ret_plan) isle_must_check;

/* "create", "exchange", ... */
const char *isle_action_name(enum isle_action_kind kind);

/* The state of an object as an object of JSON, null where there is nothing. */
void isle_stat_json(struct isle_json *j, const char *key, const struct isle_stat *st);

/* For people: one line for each action that is not hidden. */
int isle_plan_print(const struct isle_plan *plan, FILE *out) isle_must_check;
/* As JSON: {"version":1,"id":...,"conflicts":[...],"actions":[...]}. options and result: those it was built with. */
int isle_plan_print_json(const struct isle_plan *plan, const struct isle_commit_options *options,
			 const struct isle_commit_result *result, FILE *out) isle_must_check;
/* Changes what all names of the object show, and leaves each where it is. */
static inline bool isle_action_in_place(const struct isle_action *action)
{
	return (action->kind == ISLE_ACTION_WRITE || action->kind == ISLE_ACTION_META) &&
	       !(action->flags & ISLE_ACTION_HIDDEN);
}

/* Something of which there are several names: what is done to one of them moves the ctime of all. */
static inline bool isle_stat_is_linked(const struct isle_stat *st)
{
	return st->mode != 0 && !S_ISDIR(st->mode) && st->nlink > 1;
}

/* Of a map of objects of the host, by whatever name. Returns key. */
const char *isle_object_key(const struct isle_stat *object, char key[48]);

/* The id under which it is saved. */
static inline const char *isle_plan_key(const struct isle_plan *plan)
{
	return plan->seen[0] ? plan->seen : plan->id;
}
/* "3 created, 1 deleted"; heap. */
char *isle_summary_text(const struct isle_summary *summary);

/* What a commit of this would do, validated. Nothing is changed, no lock is taken. */
int isle_plan_build(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		    struct isle_plan *ret_plan, struct isle_commit_result *ret_result,
		    struct isle_err *err) isle_must_check;
