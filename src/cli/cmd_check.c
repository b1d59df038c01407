/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "json.h"
#include "keep.h"
#include "quote.h"
#include "verbs.h"
#include "writers.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct isle_option options[] = {
	{"json", 0, NULL, "as one JSON document", 'j'},
	ISLE_KEEP_OPTION_CRITERIA,
	ISLE_KEEP_OPTIONS_SELECT,
	ISLE_KEEP_OPTION_APPEND,
	{0},
};

static void json_conflict(struct isle_json *j, const struct isle_finding *conflict)
{
	isle_json_object(j, NULL);
	isle_json_path(j, "path", conflict->path);
	isle_json_str(j, "case", conflict->kind);
	isle_json_str(j, "why", conflict->why);
	isle_json_array(j, "choices");
	for (unsigned how = 0; how < ISLE_CONFLICT_COUNT; how++)
		if (conflict->choices & 1U << how)
			isle_json_str(j, NULL, isle_on_conflict_name((enum isle_on_conflict)how));
	isle_json_end(j);
	if (!conflict->dated) {
		isle_stat_json(j, "then", &conflict->then);
	} else {
		isle_json_object(j, "then");
		isle_json_int(j, "not_later_than_ns", isle_time_ns(&conflict->then.ctime));
		isle_json_end(j);
	}
	isle_stat_json(j, "now", &conflict->now);
	isle_stat_json(j, "isle", &conflict->isle);
	if (conflict->run > 0)
		isle_json_int(j, "run", conflict->run);
	else
		isle_json_null(j, "run");
	if (conflict->command)
		isle_json_str(j, "command", conflict->command);
	else
		isle_json_null(j, "command");
	isle_json_end(j);
}

static void json_flagged(struct isle_json *j, const struct isle_finding *flagged)
{
	isle_json_object(j, NULL);
	isle_json_path(j, "path", flagged->path);
	isle_json_array(j, "marks");
	for (unsigned bit = 1; bit <= ISLE_MARKS_FLAGGED; bit <<= 1)
		if (flagged->marks & bit)
			isle_json_str(j, NULL, isle_mark_name((enum isle_mark)bit));
	isle_json_end(j);
	isle_json_end(j);
}

static int print_json(const struct isle_keep *keep, const struct isle_commit_result *result)
{
	struct isle_json j;

	isle_json_init(&j, stdout);
	isle_json_object(&j, NULL);
	isle_json_int(&j, "version", 1);
	isle_json_str(&j, "isle", keep->isle->name);
	isle_json_array(&j, "conflicts");
	for (size_t i = 0; i < result->conflicts.count; i++)
		json_conflict(&j, &result->conflicts.list[i]);
	isle_json_end(&j);
	isle_json_array(&j, "flagged");
	for (size_t i = 0; i < result->flagged.count; i++)
		json_flagged(&j, &result->flagged.list[i]);
	isle_json_end(&j);
	isle_writable_json(result, &j);
	isle_json_end(&j);
	return isle_json_done(&j);
}

static void print_conflict(const struct isle_finding *conflict)
{
	isle_keep_print_conflict(conflict, "", stdout);
	if (conflict->choices == 0)
		return;
	fputs("  one of:", stdout);
	for (unsigned how = 0; how < ISLE_CONFLICT_COUNT; how++)
		if (conflict->choices & 1U << how)
			printf(" %s", isle_on_conflict_name((enum isle_on_conflict)how));
	putchar('\n');
}

static int print_text(const struct isle_commit_result *result)
{
	auto_free char *summary = isle_summary_text(&result->summary);

	for (size_t i = 0; i < result->writable_count; i++) {
		auto_free char *text = isle_writable_text(&result->writable[i]);

		printf("note: %s\n", text ? text : "");
	}
	for (size_t i = 0; i < result->conflicts.count; i++)
		print_conflict(&result->conflicts.list[i]);
	for (size_t i = 0; i < result->notes.count; i++) {
		const struct isle_finding *note = &result->notes.list[i];

		printf("note: %s%s%s\n", note->path[0] != '\0' ? isle_quote(note->path) : "",
		       note->path[0] != '\0' ? ": " : "", note->why);
	}
	for (size_t i = 0; i < result->flagged.count; i++) {
		printf("flagged: %s:", isle_quote(result->flagged.list[i].path));
		for (unsigned bit = 1; bit <= ISLE_MARKS_FLAGGED; bit <<= 1)
			if (result->flagged.list[i].marks & bit)
				printf(" %s", isle_mark_name((enum isle_mark)bit));
		printf("\n");
	}
	if (result->conflicts.count == 0)
		printf("no conflict: %s\n", summary ? summary : "");
	return fflush(stdout) != 0 ? -errno : 0;
}

static int check_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	bool json = false;
	int id, r;

	isle_args_init(&args, &isle_verb_check, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (isle_keep_option(&keep, &args, id) < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'j')
			json = true;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (isle_keep_settings(&keep, &err) < 0 || isle_keep_open(&keep, &args, &err) < 0 ||
	    isle_check(keep.store, keep.isle, &keep.options, &result, &err) < 0)
		return isle_fail(&err);
	r = json ? print_json(&keep, &result) : print_text(&result);
	if (r < 0) {
		isle_err_errno(&err, r, "cannot print the result");
		return isle_fail(&err);
	}
	if (result.conflicts.count > 0)
		return ISLE_EXIT_CONFLICT;
	return result.flagged.count > 0 ? ISLE_EXIT_FLAGGED : ISLE_EXIT_OK;
}

const struct isle_verb isle_verb_check = {
	.name = "check",
	.synopsis = "[options] [NAME] [PATH...]",
	.summary = "would it commit? which conflicts?",
	.more = "The exit status is 4 when the host has changed meanwhile, 6 when only flagged changes stand in the "
		"way.",
	.options = options,
	.main = check_main,
};
