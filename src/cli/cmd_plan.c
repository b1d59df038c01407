/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"
#include "plan_file.h"
#include "quote.h"
#include "talk.h"
#include "trusted.h"
#include "verbs.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct isle_option options[] = {
	{"output", 'o', "FILE", "save it for 'isle commit --plan FILE', with a choice for each conflict", 'O'},
	{"json", 0, NULL, "print and save it as JSON", 'j'},
	ISLE_KEEP_OPTIONS_SELECT,
	ISLE_KEEP_OPTION_CONFLICT,
	ISLE_KEEP_OPTION_CRITERIA,
	ISLE_KEEP_OPTION_REPLACE,
	ISLE_KEEP_OPTION_APPEND,
	ISLE_KEEP_OPTION_HUNK,
	{0},
};

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), tail = strlen(end);

	return size >= tail && strcmp(text + size - tail, end) == 0;
}

static int save(const struct isle_keep *keep, const struct isle_plan *plan, const struct isle_commit_result *result,
		const char *file, bool json, struct isle_err *err)
{
	auto_fd int fd = isle_create_named(file, err);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	int r;

	if (!out)
		return fd < 0 ? fd : -errno;
	(void)fd_take(&fd);
	r = json || ends_with(file, ".json") ? isle_plan_print_json(plan, &keep->options, result, out)
					     : isle_plan_file_write(plan, &keep->options, result, out);
	if (fclose(out) != 0 && r >= 0)
		r = -errno;
	return r;
}

static int show(struct isle_keep *keep, const char *file, bool json)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	int r;

	keep->options.allow = ISLE_MARKS_FLAGGED;
	keep->options.flags |= ISLE_COMMIT_LIST | ISLE_COMMIT_SHOW;
	if (isle_plan_build(keep->store, keep->isle, &keep->options, &plan, &result, &err) < 0)
		return isle_fail(&err);
	isle_keep_tell(&result);
	r = json ? isle_plan_print_json(&plan, &keep->options, &result, stdout) : isle_plan_print(&plan, stdout);
	if (r < 0)
		isle_err_errno(&err, r, "cannot print the plan");
	if (r >= 0 && file) {
		r = save(keep, &plan, &result, file, json, &err);
		if (r < 0 && err.text[0])
			isle_err_prefix(&err, r, "cannot save the plan as '%s'", isle_quote(file));
		else if (r < 0)
			isle_err_errno(&err, r, "cannot save the plan as '%s'", isle_quote(file));
	}
	if (r < 0)
		return isle_fail(&err);
	if (result.outcome != ISLE_OUTCOME_CONFLICT)
		return ISLE_EXIT_OK;
	fprintf(stderr, "isle: the host has changed: as long as a conflict is not decided nothing is committed\n");
	if (file)
		fprintf(stderr, "hint: say in '%s' what to do about each conflict\n", isle_quote(file));
	return ISLE_EXIT_CONFLICT;
}

static int plan_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	const char *file = NULL;
	bool json = false;
	int id;

	isle_args_init(&args, &isle_verb_plan, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (isle_keep_option(&keep, &args, id) < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'O')
			file = args.value;
		else if (id == 'j')
			json = true;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (isle_keep_settings(&keep, &err) < 0 || isle_keep_open(&keep, &args, &err) < 0)
		return isle_fail(&err);
	return show(&keep, file, json);
}

const struct isle_verb isle_verb_plan = {
	.name = "plan",
	.synopsis = "[options] [NAME] [PATH...]",
	.summary = "the exact actions a commit would do",
	.more = "The id stands for every action and for the state of the host that it relies on.",
	.options = options,
	.main = plan_main,
};
