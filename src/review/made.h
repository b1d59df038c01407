/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who made a change, by the logs of the runs: for operations on what some processes made.
 *
 *   auto_made struct isle_made made = ISLE_MADE_INIT;
 *   r = isle_made_load(isle, (const char *const[]){"make", NULL}, &made, err);
 *   if (isle_made_has(&made, change)) ...
 *
 * A log has who changed a path in its run, the first few of many, and who renamed what to which name. So a file is made
 * by all of these; what lies in a directory that was renamed, and that nobody changed, by who renamed that. Nobody made
 * what is on no record: `unrecorded` says that there may be such changes.
 * Memory grows with the paths that were written to.
 */
#include "change.h"
#include "error.h"
#include "map.h"
#include "store.h"

struct isle_made {
	struct isle_map paths; /* path -> whether these made it; with "/" at its end: what is below */
	unsigned unrecorded;   /* the first run whose record is none, or not whole; 0: there is none */
};

#define ISLE_MADE_INIT ((struct isle_made){0})

/* processes: as of struct isle_trace_options, NULL-terminated; what they started is with them. -ESRCH: told, none of
 * the processes on record fits one of them. */
int isle_made_load(const struct isle *isle, const char *const *processes, struct isle_made *ret_made,
		   struct isle_err *err) isle_must_check;

/* One of them made it. */
bool isle_made_has(const struct isle_made *made, const struct isle_change *change);

void isle_made_done(struct isle_made *made);
#define auto_made __attribute__((cleanup(isle_made_done)))
