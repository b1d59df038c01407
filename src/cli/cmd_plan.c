/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"
#include "quote.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <stdio.h>

static const struct isle_option options[] = {
	{"output", 'o', "FILE", "save it for 'isle commit --plan FILE', as JSON", 'O'},
	{"json", 0, NULL, "print it as JSON", 'j'},
	ISLE_KEEP_OPTION_EXCEPT,
	{0},
};

static int save(const struct isle_keep *keep, const struct isle_plan *plan, const char *file, struct isle_err *err)
{
	FILE *out = fopen(file, "we");
	int r = out ? isle_plan_print_json(plan, &keep->options.select, out) : -errno;

	if (out && fclose(out) != 0 && r >= 0)
		r = -errno;
	return r < 0 ? isle_err_errno(err, r, "cannot save the plan as '%s'", isle_quote(file)) : 0;
}

static int show(struct isle_keep *keep, const char *file, bool json)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	int r;

	keep->options.allow = ISLE_MARKS_FLAGGED;
	if (isle_plan_build(keep->store, keep->isle, &keep->options, &plan, &result, &err) < 0)
		return isle_fail(&err);
	isle_keep_tell(&result);
	if (result.outcome == ISLE_OUTCOME_CONFLICT)
		return isle_keep_outcome(keep, &(struct isle_commit_result){.outcome = ISLE_OUTCOME_CONFLICT}, "");
	r = json ? isle_plan_print_json(&plan, &keep->options.select, stdout) : isle_plan_print(&plan, stdout);
	if (r < 0)
		isle_err_errno(&err, r, "cannot print the plan");
	if (r >= 0 && file)
		r = save(keep, &plan, file, &err);
	return r < 0 ? isle_fail(&err) : ISLE_EXIT_OK;
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
	if (isle_keep_open(&keep, &args, &err) < 0)
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
