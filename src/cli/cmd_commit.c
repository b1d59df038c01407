/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"
#include "keep.h"
#include "quote.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { PLAN_FILE_LIMIT = 1 << 30 };

static const struct isle_option options[] = {
	ISLE_KEEP_OPTION_YES,
	ISLE_KEEP_OPTION_EXCEPT,
	ISLE_KEEP_OPTION_ALLOW,
	ISLE_KEEP_OPTION_CONFLICT,
	{"plan", 'p', "FILE", "do exactly what 'isle plan -o FILE' has saved, or nothing", 'p'},
	ISLE_KEEP_OPTION_WAIT,
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

static void json_free(json_t **value)
{
	json_decref(*value);
}
#define auto_json __attribute__((cleanup(json_free)))

/* The strings of an array in the file; heap list that ends with NULL, borrowed strings. -EINVAL: other things. */
static int strings_of(const json_t *plan, const char *key, const char ***ret_list)
{
	const json_t *array = json_object_get(plan, key);
	const char **list = calloc(json_array_size(array) + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(array); i++) {
		list[i] = json_string_value(json_array_get(array, i));
		if (!list[i]) {
			free(list);
			return -EINVAL;
		}
	}
	*ret_list = list;
	return 0;
}

static int read_plan(const char *file, json_t **ret_plan, struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	json_error_t error;
	json_t *plan;
	int r = isle_read_file(AT_FDCWD, file, &text, PLAN_FILE_LIMIT);

	if (r < 0)
		return isle_err_errno(err, r, "cannot read the plan '%s'", isle_quote(file));
	plan = json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &error);
	if (!plan)
		return isle_err_text(err, -EINVAL, "'%s' is no plan: line %d: %s", isle_quote(file), error.line,
				     isle_quote(error.text));
	if (!json_string_value(json_object_get(plan, "id")) || !json_string_value(json_object_get(plan, "isle"))) {
		json_decref(plan);
		return isle_err_text(err, -EINVAL, "'%s' is no plan", isle_quote(file));
	}
	*ret_plan = plan;
	return 0;
}

static int commit(struct isle_keep *keep)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;

	if (!keep->yes) {
		keep->options.confirm = isle_keep_confirm;
		keep->options.data = "commit";
	}
	if (isle_commit(keep->store, keep->isle, &keep->options, &result, &err) < 0)
		return isle_fail(&err);
	return isle_keep_outcome(keep, &result, "committed");
}

/* The file says which isle, what was selected, and by its id what must come of it. */
static int commit_plan(struct isle_keep *keep, const char *file)
{
	auto_json json_t *plan = NULL;
	auto_free const char **paths = NULL;
	auto_free const char **except = NULL;
	struct isle_err err = ISLE_ERR_INIT;
	int r = read_plan(file, &plan, &err);

	if (r >= 0) {
		r = strings_of(plan, "paths", &paths);
		if (r >= 0)
			r = strings_of(plan, "except", &except);
		if (r < 0)
			isle_err_errno(&err, r, "cannot use the plan '%s'", isle_quote(file));
	}
	if (r >= 0)
		r = isle_store_open(&keep->store, &err);
	if (r >= 0)
		r = isle_find_exact(keep->store, json_string_value(json_object_get(plan, "isle")), &keep->isle, &err);
	if (r == -ENOENT && !err.code)
		isle_err_text(&err, r, "the isle of the plan is gone");
	if (r < 0)
		return isle_fail(&err);
	keep->options.select = (struct isle_select){paths, except};
	keep->options.plan_id = json_string_value(json_object_get(plan, "id"));
	return commit(keep);
}

static int commit_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	const char *plan = NULL;
	int id;

	isle_args_init(&args, &isle_verb_commit, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		int r = isle_keep_option(&keep, &args, id);

		if (r < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'p')
			plan = args.value;
		else if (id == 'q')
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (plan && (args.operand_count || keep.except_count))
		return isle_usage(&isle_verb_commit, "--plan says itself which isle and which changes");
	if (plan)
		return commit_plan(&keep, plan);
	if (isle_keep_open(&keep, &args, &err) < 0)
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
		"The exit status is 4 when the host has moved under a change, 6 when flagged changes need --allow.",
	.options = options,
	.main = commit_main,
};
