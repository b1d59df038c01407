/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"
#include "talk.h"
#include "verbs.h"

static const struct isle_option options[] = {
	ISLE_KEEP_OPTION_YES,
	ISLE_KEEP_OPTIONS_SELECT,
	ISLE_KEEP_OPTION_WAIT,
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

static int discard_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	int id;

	isle_args_init(&args, &isle_verb_discard, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (isle_keep_option(&keep, &args, id) < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'q')
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (isle_keep_open(&keep, &args, &err) < 0)
		return isle_fail(&err);
	/* It can be undone, so it is only asked about where somebody is there to ask. */
	isle_keep_callbacks(&keep, "discard", !keep.yes && isle_can_ask());
	if (isle_discard(keep.store, keep.isle, &keep.options, &result, &err) < 0)
		return isle_fail(&err);
	return isle_keep_outcome(&keep, &result, "discarded");
}

const struct isle_verb isle_verb_discard = {
	.name = "discard",
	.synopsis = "[options] [NAME] [PATH...]",
	.summary = "drop an isle's changes",
	.more = "All of them, in constant time, or those at and below each PATH. What is dropped is kept for\n"
		"'isle undo' until 'isle gc'.",
	.options = options,
	.main = discard_main,
};
