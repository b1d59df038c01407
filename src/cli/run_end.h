/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The end of a run: what became of the host is shown, and the user says what shall become of it. */
#include "run.h"
#include "store.h"
#include <stdint.h>

enum isle_run_end {
	ISLE_END_ASK, /* on a terminal; else keep */
	ISLE_END_COMMIT,
	ISLE_END_DISCARD,
	ISLE_END_KEEP,
};

enum isle_run_report {
	ISLE_REPORT_TEXT,
	ISLE_REPORT_JSON, /* and one line of JSON at the very end, on stderr */
};

struct isle_rules;

struct isle_run_ending {
	enum isle_run_end end;
	enum isle_run_report report;
	const struct isle_rules *rules; /* COMMIT: what may be committed (rules.h); NULL: all or nothing */
	const char *const *logs;	/* as in struct isle_commit_options */
	int64_t start;			/* when the run began, nanoseconds since the epoch */
	void (*shell)(void *data);	/* ASK: the user's shell in the isle, as CMD ran */
	void *data;
};

/* Returns the exit status of isle: that of CMD. */
int isle_run_end(struct isle_store *store, struct isle *isle, const struct isle_run_ending *how,
		 const struct isle_run_result *result, int status);
