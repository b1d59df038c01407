/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runs of an isle did, from their logs (events.h): for people and for programs.
 *
 *   struct isle_trace_options options = {.width = 80};
 *   r = isle_trace_text(isle, &options, stdout, &err);
 *
 * The logs are gone through a few times and never held: memory grows with the processes, with the directories that
 * were read and with what is printed, not with the number of events. Names and command lines are quoted.
 */
#include "error.h"
#include "store.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum isle_trace_kind {
	ISLE_TRACE_EXEC = 1 << 0,    /* processes, and files that were run */
	ISLE_TRACE_READ = 1 << 1,    /* contents */
	ISLE_TRACE_REFUSED = 1 << 2, /* what the isle refused */
	ISLE_TRACE_NET = 1 << 3,
	ISLE_TRACE_WRITE = 1 << 4,
	ISLE_TRACE_LIST = 1 << 5,    /* directories that were listed */
	ISLE_TRACE_MISSING = 1 << 6, /* names that were looked up and not there */
	ISLE_TRACE_LINK = 1 << 7,    /* symbolic links that were read or followed */
	ISLE_TRACE_STAT = 1 << 8,    /* what only its metadata was read of */
	ISLE_TRACE_NOTE = 1 << 9,    /* what a review should know; without a name for the command line */
};

/* "read", ...; 0 when it is none. */
unsigned isle_trace_kind_by_name(const char *name);

struct isle_trace_options {
	const char *process; /* only this: a process id, or a pattern for the name of a program, with a blank for the
			      * words of its command line; NULL: all. What it started is with it */
	const char *path;    /* only what is about such paths: absolute, itself and all below it, '*' is any part; or a
			      * pattern for the last component; NULL: all */
	unsigned kinds;	     /* enum isle_trace_kind; 0: all */
	unsigned run;	     /* 1 is the first; 0: all */
	unsigned width;	     /* lines of the tree are cut at this column; 0: never */
	bool all;	     /* fold nothing */
	bool newest;	     /* only the newest run */
};

/* Returns 0, or 1 when no run was recorded (and nothing, or an empty document, was printed). */
int isle_trace_text(const struct isle *isle, const struct isle_trace_options *options, FILE *out,
		    struct isle_err *err) isle_must_check;
int isle_trace_json(const struct isle *isle, const struct isle_trace_options *options, FILE *out,
		    struct isle_err *err) isle_must_check;

/* One line about likely secrets that the newest run has read: "~/.ssh/id_rsa (cat), 2 more"; heap, NULL when there
 * were none, or when its log is older than `since` (nanoseconds since the epoch). Reads one log. */
char *isle_trace_secrets(const struct isle *isle, int64_t since);
