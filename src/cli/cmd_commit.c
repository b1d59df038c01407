/* SPDX-License-Identifier: Apache-2.0 */
#include "as_user.h"
#include "keep.h"
#include "plan_file.h"
#include "recovered.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <string.h>

static const struct isle_option options[] = {
	ISLE_KEEP_OPTION_YES,
	ISLE_KEEP_OPTIONS_SELECT,
	ISLE_KEEP_OPTION_ALLOW,
	ISLE_KEEP_OPTION_CONFLICT,
	ISLE_KEEP_OPTION_CRITERIA,
	ISLE_KEEP_OPTION_REPLACE,
	ISLE_KEEP_OPTION_APPEND,
	ISLE_KEEP_OPTION_HUNK,
	{"user", 'u', "USER[:STORE]", "as root: an isle of this user, with the owners asked for in it", 'u'},
	{"plan", 'p', "FILE", "do exactly what 'isle plan -o FILE' has saved, or nothing", 'p'},
	ISLE_KEEP_OPTION_WAIT,
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

static int commit(struct isle_keep *keep)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;

	isle_keep_callbacks(keep, "commit", !keep->yes);
	if (keep->for_root) {
		keep->options.confirm = isle_for_root_confirm;
		keep->yes = true; /* no terminal is asked */
	}
	if (isle_commit(keep->store, keep->isle, &keep->options, &result, &err) < 0)
		return isle_fail(&err);
	return isle_keep_outcome(keep, &result, "committed");
}

/* The file says which isle, what was selected, and by its id what must come of it. */
static int commit_plan(struct isle_keep *keep, const char *path)
{
	auto_plan_file struct isle_plan_file file = ISLE_PLAN_FILE_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	int r = isle_plan_file_read(path, &file, &err);

	if (r >= 0)
		r = isle_store_open_recovered(&keep->store, &err);
	if (r >= 0)
		r = isle_find_exact(keep->store, file.isle, &keep->isle, &err);
	if (r == -ENOENT && !err.code)
		isle_err_text(&err, r, "the isle of the plan is gone");
	if (r >= 0)
		r = isle_keep_select(keep,
				     &(struct isle_select){.paths = file.paths.list,
							   .except = file.except.list,
							   .by = file.by.list,
							   .kinds = file.kinds},
				     &err);
	if (r < 0)
		return isle_fail(&err);
	isle_ways_apply(&file.ways, &keep->options);
	keep->options.answers = file.answers.count > 0 ? &file.answers : NULL;
	keep->options.plan_id = file.id;
	keep->options.fits = isle_plan_file_fits;
	keep->options.fits_data = &file;
	return commit(keep);
}

/* Options of the command line: --plan in *ret_plan; what has to be passed on in as. 0, or an exit status. */
static int read_options(struct isle_args *args, struct isle_keep *keep, struct isle_as_user *as, const char **ret_plan)
{
	int id;

	while ((id = isle_args_next(args)) > 0) {
		if (isle_keep_option(keep, args, id) < 0 || isle_as_user_option(as, args, id) < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'p')
			*ret_plan = args->value;
		else if (id == 'q')
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (*ret_plan &&
	    (args->operand_count || keep->except.count || keep->by.count || keep->options.select.kinds ||
	     keep->options.on_conflict || keep->ways.replace || isle_ways_says_logs(&keep->ways) || keep->ways.hunks)) {
		isle_usage(&isle_verb_commit, "--plan says itself which isle, which changes and how");
		return ISLE_EXIT_USAGE;
	}
	return id;
}

static int commit_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	auto_as_user struct isle_as_user as = ISLE_AS_USER_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	const char *plan = NULL;
	int r;

	keep.for_root = strcmp(argv[0], isle_verb_for_root.name) == 0;
	isle_args_init(&args, &isle_verb_commit, argc, argv);
	r = read_options(&args, &keep, &as, &plan);
	if (r != 0)
		return r == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (as.user)
		return isle_commit_as_user(&keep, &as, &args);
	if (plan)
		return commit_plan(&keep, plan);
	if (isle_keep_settings(&keep, &err) < 0 || isle_keep_open(&keep, &args, &err) < 0)
		return isle_fail(&err);
	return commit(&keep);
}

const struct isle_verb isle_verb_commit = {
	.name = "commit",
	.synopsis = "[options] [NAME] [PATH...] | --plan FILE",
	.summary = "put an isle's changes on the host",
	.more = "All or nothing: whatever goes wrong, the host is as before. A PATH stands for all below it; one with\n"
		"*, ? or [ is a pattern, for the last component if it has no slash. What a selection depends on is "
		"added,\n"
		"and said. Asks on a terminal; without one it needs --yes.\n"
		"The exit status is 4 when the host has changed meanwhile, 6 when flagged changes need --allow.",
	.options = options,
	.main = commit_main,
};

/* The user's side of `isle commit --user`, which root starts as the user (as_user.c). */
const struct isle_verb isle_verb_for_root = {
	.name = "commit-for-root",
	.synopsis = "[options] [NAME] [PATH...]",
	.summary = "the side of the user in isle commit --user; takes the options of isle commit",
	.plain_names = true,
	.hidden = true,
	.main = commit_main,
};
