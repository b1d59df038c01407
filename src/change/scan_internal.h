/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The state of one scan, shared by scan.c (layers and frames), entry.c (what one entry of an upper directory means)
 * and tree.c (whole trees that are new, gone or moved).
 */
#include "change_internal.h"
#include <sys/types.h>

enum { ISLE_NO_CHANGE = -1, ISLE_DEPTH_MAX = 16384, ISLE_OPEN_FRAMES = 64 };

enum isle_frame_kind {
	ISLE_FRAME_MERGED, /* upper is a delta to the host's directory */
	ISLE_FRAME_HIDES,  /* upper is all there is; what else the host has there is deleted */
	ISLE_FRAME_NEW,	   /* upper alone */
	ISLE_FRAME_GONE,   /* host alone: deleted with all that is in it */
	ISLE_FRAME_MOVED,  /* host alone: shows at another path now */
};

struct isle_sums {
	uint64_t entries, bytes;
	unsigned marks, tree;
	struct statx_timestamp newest; /* ctime on the host */
};

/* Which directory a closed descriptor was of. */
struct isle_identity {
	dev_t dev;
	ino_t ino;
};

/* A directory that is being looked at. */
struct isle_frame {
	enum isle_frame_kind kind;
	int upper, host;			/* -1: has none, or is asleep */
	bool has_upper, has_host;		/* as opposed to asleep */
	struct isle_identity upper_id, host_id; /* when asleep */
	bool plain_whiteouts;			/* overlay.opaque is "x" */
	bool hidden;				/* HIDES: the host's names have their turn */
	size_t path_size, host_size;		/* how much of scan->path and scan->host names it */
	char *saved_host;			/* scan->host of the frame below, where this one has another */
	struct isle_names names;
	size_t next;
	ssize_t change; /* which change gets the sums, or ISLE_NO_CHANGE */
	struct isle_sums sums;
	struct isle_sha256 inside;	   /* NEW with ISLE_SCAN_INSIDE: of what has been seen in it */
	struct statx_timestamp base;	   /* HIDES, GONE */
	struct statx_timestamp host_ctime; /* MERGED, HIDES: no name came or went later; mtime can be set back */
	uint64_t host_dev;
	struct statx upper_st; /* stx_mode 0: not looked at */
};

/* A directory that a redirect leads back to its own path in one that hides the host's. If the host's directory above it
 * turns out to have been renamed, it was moved out of that. */
struct isle_held {
	char *host;
	size_t base; /* up to here host is where the renamed directory comes from in which all this is seen */
};

struct isle_scan {
	const struct isle_store *store;
	const struct isle *isle;
	const struct isle_layers *layers;
	const struct isle_layer *layer;
	unsigned flags;
	struct isle_err *err;
	struct isle_changes changes;
	struct isle_candidate *infos; /* one for each change */
	size_t info_count;	      /* also when changes have been dropped */
	struct isle_met met;
	struct isle_gone gone;
	size_t room;
	struct isle_frame *frames;
	size_t depth, frame_room;
	struct isle_buf path, host; /* absolute: of the present entry in the view, and of its counterpart */
	int upper_root, host_root, shadow_root;
	char **moved; /* host paths of the directories that were renamed away, sorted; known in the second pass */
	size_t moved_count, moved_room;
	struct isle_held *held;
	size_t held_count, held_room;
	bool second_pass;
	uint64_t moved_budget; /* entries of renamed directories that are still looked at */
};

/* An entry of an upper directory and what the host has there. */
struct isle_seen {
	const char *name;
	struct statx st;
	struct isle_upper notes;
	bool brief;		     /* as in struct isle_change */
	struct statx_timestamp base; /* a host object that changed later is not what the isle saw */
	bool on_host;
	struct statx host;
};

static inline struct isle_frame *isle_scan_top(struct isle_scan *scan)
{
	return &scan->frames[scan->depth - 1];
}

/* --- scan.c --- */

struct isle_frame_options {
	enum isle_frame_kind kind;
	const char *host; /* another host path than scan->host, or NULL */
	ssize_t change;
	bool plain_whiteouts;
	struct statx_timestamp base;
};

/* Descends into the directory that scan->path (and host) name. */
int isle_scan_push(struct isle_scan *scan, const struct isle_frame_options *options) isle_must_check;

/* Appends a change about scan->path; from is set when the counterpart lies elsewhere. Its index or -errno. */
ssize_t isle_scan_add(struct isle_scan *scan, enum isle_change_kind kind, const struct isle_seen *seen) isle_must_check;

/* The host has seen->name, and the isle has something about it. */
int isle_scan_met(struct isle_scan *scan, const struct isle_seen *seen) isle_must_check;

/* --- moved.c --- */
/* True if the host's directory at this path was renamed away, so that nothing is there any more. */
bool isle_scan_moved_away(const struct isle_scan *scan, const char *host);
int isle_scan_add_moved(struct isle_scan *scan, const char *host) isle_must_check;
/* The present directory is one of struct isle_held. */
int isle_scan_hold(struct isle_scan *scan) isle_must_check;
/* Ends the first pass: what was collected is known from here on. */
int isle_moved_settle(struct isle_scan *scan) isle_must_check;
void isle_moved_done(struct isle_scan *scan);

/* --- entry.c --- */
int isle_scan_upper(struct isle_scan *scan, const char *name) isle_must_check;
int isle_scan_root(struct isle_scan *scan, bool *ret_plain_whiteouts) isle_must_check;
int isle_scan_file_layer(struct isle_scan *scan) isle_must_check;
/* Marks of an upper object at this path; of a directory those that are its own, not what its path says. */
unsigned isle_object_marks(struct isle_scan *scan, const char *path, const struct isle_seen *seen);
/* CREATE or RENAME of a file whose data are elsewhere on the host. The index of the change. */
ssize_t isle_scan_metacopy(struct isle_scan *scan, const struct isle_seen *seen) isle_must_check;
int isle_scan_renamed(struct isle_scan *scan, const struct isle_seen *seen, const char *target) isle_must_check;
/* A renamed directory of which the host has removed the rest: it is not where it was. */
int isle_scan_moved_away_from(struct isle_scan *scan, const struct isle_seen *seen) isle_must_check;
/* Whether the host has a directory there. */
bool isle_scan_is_directory(const struct isle_scan *scan, const char *target);
/* Where overlay.redirect leads: a host path, NULL when nowhere. */
int isle_scan_redirect(struct isle_scan *scan, const struct isle_upper *notes, char **ret_target) isle_must_check;

/* --- rights.c --- */
/* Marks of rights and owner. before: what the host has there, NULL where it has nothing of this type; dir: the
 * directory of a new object, NULL where that is not known. */
unsigned isle_rights_marks(const struct statx *st, const struct statx *before, const struct statx *dir);

/* --- tree.c --- */
int isle_scan_new(struct isle_scan *scan, const char *name) isle_must_check;
int isle_scan_gone(struct isle_scan *scan, const char *name) isle_must_check;
int isle_scan_moved(struct isle_scan *scan, const char *name) isle_must_check;
/* The host's object at scan->path (seen->host) is deleted: the change, and a frame to count a directory. */
int isle_scan_delete(struct isle_scan *scan, const struct isle_seen *seen, const struct statx_timestamp *base,
		     bool by_whiteout) isle_must_check;
/* Adds the sums of a frame that ends to its change and to the frame below. */
void isle_scan_sum_up(struct isle_scan *scan, struct isle_frame *frame);
