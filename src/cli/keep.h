/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What commit, discard, check, plan and undo share: their operands, and telling how it went.
 */
#include "commit.h"
#include "keep_options.h"
#include "made.h"
#include "operands.h"
#include "plan.h"
#include "verb.h"
#include <stdio.h>

struct isle_keep {
	struct isle_store *store;
	struct isle *isle;
	struct isle_operands paths, except, by;
	struct isle_made made; /* by what is in by */
	bool yes;
	bool undo;	  /* the verb is undo: what is in the way of it cannot be decided about */
	const char *verb; /* for the question: "commit" */
	bool told;	  /* isle_keep_told() was called */
	bool for_root;	  /* root asks, through the standard descriptors (as_user.h) */
	bool allow_root;  /* a yes to what is to belong to root */
	struct isle_ways ways;
	struct isle_commit_options options;
};

#define ISLE_KEEP_INIT ((struct isle_keep){0})

void isle_keep_done(struct isle_keep *keep);
#define auto_keep __attribute__((cleanup(isle_keep_done)))

/* The options these verbs share, for their tables; ids are the letters. */
#define ISLE_KEEP_OPTION_EXCEPT                                                                                        \
	{                                                                                                              \
		"except", 'x', "GLOB", "leave these out; may be repeated", 'x'                                         \
	}
#define ISLE_KEEP_OPTION_KIND                                                                                          \
	{                                                                                                              \
		"kind", 0, "KIND[,...]", "only these: create, modify, delete, rename, replace, metadata", 'k'          \
	}
#define ISLE_KEEP_OPTION_BY                                                                                            \
	{                                                                                                              \
		"by", 0, "PID|COMMAND", "only what this process made, and what it started", 'b'                        \
	}
/* Which changes. */
#define ISLE_KEEP_OPTIONS_SELECT ISLE_KEEP_OPTION_EXCEPT, ISLE_KEEP_OPTION_KIND, ISLE_KEEP_OPTION_BY
#define ISLE_KEEP_OPTION_WAIT                                                                                          \
	{                                                                                                              \
		"wait", 'w', NULL, "wait until nothing runs in the isle", 'w'                                          \
	}
#define ISLE_KEEP_OPTION_YES                                                                                           \
	{                                                                                                              \
		"yes", 'y', NULL, "do not ask", 'y'                                                                    \
	}
#define ISLE_KEEP_OPTION_CONFLICT                                                                                      \
	{                                                                                                              \
		"on-conflict", 0, "abort|skip|host|isle|both|merge|append", "what to do about conflicts", 'o'          \
	}
#define ISLE_KEEP_OPTION_CRITERIA                                                                                      \
	{                                                                                                              \
		"criteria", 0, "aec|lookup|write|none", "what may not have changed on the host", 'c'                   \
	}
#define ISLE_KEEP_OPTION_ALLOW                                                                                         \
	{                                                                                                              \
		"allow", 'A', "KIND[,...]", "a yes to flagged changes of these kinds, or all", 'A'                     \
	}
#define ISLE_KEEP_OPTION_REPLACE                                                                                       \
	{                                                                                                              \
		"replace", 0, "auto|rename|write", "how a changed file takes the place of the host's", 'R'             \
	}
#define ISLE_KEEP_OPTION_APPEND                                                                                        \
	{                                                                                                              \
		"append", 0, "GLOB", "log files, of which both sides' ends are kept (none: not even *.log)", 'L'       \
	}
#define ISLE_KEEP_OPTION_HUNK                                                                                          \
	{                                                                                                              \
		"hunk", 0, "PATH:N[,N...]", "of this text only these hunks of 'isle diff --hunks'", 'H'                \
	}

/* Takes one of these options in. 1: it was one, 0: not, < 0: wrong, and told (a usage error). */
int isle_keep_option(struct isle_keep *keep, const struct isle_args *args, int id) isle_must_check;

/* After the options: what the configuration says where they do not (settings.h). */
int isle_keep_settings(struct isle_keep *keep, struct isle_err *err) isle_must_check;

/* operands: [NAME] [PATH...]; NAME may be left out before a PATH with a slash. Fills options.select. */
int isle_keep_open(struct isle_keep *keep, const struct isle_args *args, struct isle_err *err) isle_must_check;

/* options.select becomes this, with `made` from the logs of the isle, which is open. The lists are borrowed. -ESRCH:
 * told, there was no such process. */
int isle_keep_select(struct isle_keep *keep, const struct isle_select *select, struct isle_err *err) isle_must_check;

/* One conflict with who and its three states: a line that begins with `before`, and some below it. */
void isle_keep_print_conflict(const struct isle_finding *conflict, const char *before, FILE *out);

/* Tells on stderr what the selection pulled in or left out, conflicts and what is flagged. */
void isle_keep_tell(const struct isle_commit_result *result);
/* Flagged changes that the options say yes to: before a question. */
void isle_keep_tell_allowed(const struct isle_commit_result *result);

/* Tells the outcome in the verb's word ("committed", ...) and returns the exit status. */
int isle_keep_outcome(const struct isle_keep *keep, const struct isle_commit_result *result, const char *done);

/* The callbacks of the operation, whose data is the struct isle_keep: what there is to tell is told before anything is
 * done; where `ask`, the plan's summary is printed then, and the question asked. */
void isle_keep_callbacks(struct isle_keep *keep, const char *verb, bool ask);
