/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known about one path (explain_model.c).
 */
#include "base.h"
#include "commit.h"
#include "explain.h"
#include "trace_internal.h"

/* Events that outlive a pass; their strings are their own. */
struct isle_kept_event {
	struct isle_trace_event found; /* found.event is &event */
	struct isle_event event;
	char *memory;
};

struct isle_kept_events {
	struct isle_kept_event **list; /* in the order of time */
	size_t count, room;
	uint64_t more; /* that are not in the list */
};

/* Who changed what is below a directory. */
struct isle_explain_writer {
	char *program;
	uint64_t count;
};

enum { ISLE_EXPLAIN_NEAR = 3 };

struct isle_explain {
	const struct isle_explain_options *options;
	const char *path;
	struct isle_trace_options trace_options;
	struct isle_trace trace;
	const struct isle_change *change; /* of this path, or NULL */
	const struct isle_change *within; /* else the new, deleted or renamed directory that holds it, or NULL */
	struct isle_kept_events writes;	  /* of the path, under the names it had */
	struct isle_kept_events reads;	  /* of the path */
	struct isle_kept_events before;	  /* what the process of the first write had read until then */
	struct isle_kept_events refused, notes;
	uint64_t before_usual; /* and files of the system */
	/* Below it, where it is a directory: */
	uint64_t below[ISLE_METADATA + 1], below_count, below_flagged, below_read;
	struct isle_explain_writer *writers; /* most first */
	size_t writer_count, writer_room;
	/* What a commit of this path would meet. */
	bool checked;
	struct isle_commit_result commit;
	struct isle_err commit_err; /* code 0: none */
	struct isle_bases bases;
	const struct isle_base *base; /* NULL: none */
	char *near[ISLE_EXPLAIN_NEAR];
	unsigned near_score[ISLE_EXPLAIN_NEAR];
};

#define ISLE_EXPLAIN_INIT ((struct isle_explain){0})

int isle_explain_load(const struct isle_explain_options *options, struct isle_explain *ret_explain,
		      struct isle_err *err) isle_must_check;
void isle_explain_done(struct isle_explain *explain);
#define auto_explain __attribute__((cleanup(isle_explain_done)))

/* True if there is anything to tell. */
bool isle_explain_known(const struct isle_explain *explain);

enum isle_since { ISLE_SINCE_SAME, ISLE_SINCE_CHANGED, ISLE_SINCE_UNKNOWN };

/* Whether the host still has the object that was read. */
enum isle_since isle_explain_since(const struct isle_kept_event *read);

/* --- explain_near.c ----------------------------------------------------------------------------------------------- */

/* Considers a path for explain->near. */
void isle_explain_consider(struct isle_explain *explain, const char *path);
