/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an isle changed, for people and for programs.
 *
 *   struct isle_review review = {.isle = isle, .layers = &layers, .changes = &changes, .out = stdout,
 *                                .flags = isle_review_terminal(STDOUT_FILENO)};
 *   r = isle_review_summary(&review);
 *
 * Nothing here follows, executes or trusts what the isle made. Names are always quoted; file content is escaped
 * when ISLE_REVIEW_ESCAPE is set and raw otherwise, so that a patch in a file still applies. All functions
 * return 0 or -errno; the caller flushes review->out and reports a failed write.
 */
#include "change.h"
#include "globs.h"
#include "notes.h"
#include "wishes.h"
#include <stdio.h>

enum isle_review_flags {
	ISLE_REVIEW_COLOUR = 1 << 0,
	ISLE_REVIEW_ESCAPE = 1 << 1, /* content goes to a terminal: escape every hostile byte */
	ISLE_REVIEW_ALL = 1 << 2,    /* what is inside new and deleted directories, too (needs ISLE_SCAN_ALL) */
	ISLE_REVIEW_HUNKS = 1 << 4,  /* diff: number the hunks of each file, as isle_hunks_apply() counts them */
	ISLE_REVIEW_NUL = 1 << 3,    /* -z: "LETTER PATH\0", raw bytes, nothing else */
};

struct isle_review {
	const struct isle *isle;
	const struct isle_layers *layers;
	const struct isle_changes *changes;
	const struct isle_notes *notes; /* NULL: none */
	FILE *out;
	unsigned flags;			/* enum isle_review_flags */
	const struct isle_globs *paths; /* only these and what is below them; NULL: all */
};

/* ISLE_REVIEW_COLOUR and ISLE_REVIEW_ESCAPE as they fit the descriptor: both when it is a terminal, no colour with
 * NO_COLOR in the environment or TERM=dumb. */
unsigned isle_review_terminal(int fd);

/* How many changes there are to show, given review->paths. */
size_t isle_review_count(const struct isle_review *review);

/* `isle status`: one line for each change, flagged ones first, and a line with the sums. Made from a scan with
 * ISLE_SCAN_ALL, what is flagged inside a new directory has its own line even without ISLE_REVIEW_ALL. */
int isle_review_status(const struct isle_review *review) isle_must_check;
int isle_review_status_json(const struct isle_review *review) isle_must_check;

/* `isle diff`: a patch for patch -p1 and git apply, with readable lines between for what a patch cannot say. */
int isle_review_diff(const struct isle_review *review) isle_must_check;
/* The owners that were asked for and could not be given (--fake-owner), as a shell script of chown commands. */
int isle_review_owners(const struct isle_review *review) isle_must_check;
/* The same one by one; each returns 0 or -errno. */
typedef int isle_wished_fn(const struct isle_change *change, uint32_t uid, uint32_t gid, void *data);
int isle_review_wished(const struct isle_review *review, isle_wished_fn *each, void *data) isle_must_check;
/* One line for each: type and mode, owner, path. */
int isle_wishes_print(const struct isle_wishes *wishes, FILE *out) isle_must_check;
int isle_review_diff_json(const struct isle_review *review) isle_must_check;

/* The end of a run: what matters most and the sums, at most about ten lines. Prints nothing without changes. */
int isle_review_summary(const struct isle_review *review) isle_must_check;

/* The sums alone: "3 new, 1 modified, 2 deleted; 4.5 MB; 1 flagged", heap string, NULL when out of memory. */
char *isle_review_sums(const struct isle_review *review);
