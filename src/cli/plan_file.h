/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A plan in a file of the user's, between `isle plan -o FILE` and `isle commit --plan FILE`. There are two forms of one
 * content, readable lines and JSON; isle_plan_file_read() takes either. In the readable form each line is a
 * keyword, words, and at the end a name as isle_quote_add() writes it, so that no name can make a line or a word:
 *
 *   isle-plan 1
 *   isle NAME
 *   id HEX                           isle_plan_key()
 *   path NAME, except NAME, kind WORD, by NAME       the selection
 *   replace WORD, append NAME, hunk NUMBERS NAME     as the options
 *   conflict CHOICE CHANGE NAME      CHOICE is for the user to change
 *   left-out NAME                    what a conflict keeps back, and comes in when that is decided
 *   action KIND NAME
 *
 * "#" starts a comment line. Nothing but the choices can be changed to any effect: the plan is built anew for the
 * commit, and must be of the same id, and have no action that is not in the file.
 */
#include "answers.h"
#include "keep_options.h"
#include "map.h"
#include "plan.h"

struct isle_plan_names {
	const char **list; /* NULL-terminated; owned */
	size_t count;
};

void isle_plan_names_done(struct isle_plan_names *names);

struct isle_plan_file {
	char *isle;
	char *id;
	struct isle_plan_names paths, except, by;
	unsigned kinds;			/* 1 << enum isle_change_kind; 0: all */
	struct isle_plan_names actions; /* "KIND PATH" */
	struct isle_ways ways;
	struct isle_answers answers;
	struct isle_map known; /* paths that may have an action */
};

#define ISLE_PLAN_FILE_INIT ((struct isle_plan_file){0})

void isle_plan_file_done(struct isle_plan_file *file);
#define auto_plan_file __attribute__((cleanup(isle_plan_file_done)))

/* The readable form. options and result: those that the plan was built with. */
int isle_plan_file_write(const struct isle_plan *plan, const struct isle_commit_options *options,
			 const struct isle_commit_result *result, FILE *out) isle_must_check;

int isle_plan_file_read(const char *path, struct isle_plan_file *ret_file, struct isle_err *err) isle_must_check;

/* options->fits: whether the plan has what the file (data) says, and nothing else. */
bool isle_plan_file_fits(const struct isle_plan *plan, const void *data);

/* --- what the readers of the two forms share --- */

/* -EINVAL: not of this form, or said twice. */
int isle_plan_file_set(char **field, const char *value) isle_must_check;
int isle_plan_file_name(struct isle_plan_names *names, const char *name) isle_must_check;
int isle_plan_file_conflict(struct isle_plan_file *file, const char *path, const char *change,
			    const char *choice) isle_must_check;
int isle_plan_file_action(struct isle_plan_file *file, const char *kind, const char *path) isle_must_check;
int isle_plan_file_left_out(struct isle_plan_file *file, const char *path) isle_must_check;

/* plan_json.c */
int isle_plan_json_read(const char *text, size_t size, struct isle_plan_file *file,
			struct isle_err *err) isle_must_check;
