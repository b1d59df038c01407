/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"
#include "quote.h"
#include "run.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>

static const struct isle_option options[] = {
	ISLE_KEEP_OPTION_YES,
	ISLE_KEEP_OPTION_WAIT,
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

static int parse_operation(const char *text, uint64_t *ret_operation)
{
	char *end;

	errno = 0;
	*ret_operation = strtoull(text, &end, 10);
	return errno || *end || text[0] < '0' || text[0] > '9' || *ret_operation == 0 ? -EINVAL : 0;
}

static int undo_main(int argc, char **argv)
{
	auto_keep struct isle_keep keep = ISLE_KEEP_INIT;
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	uint64_t operation = 0;
	int id;

	isle_args_init(&args, &isle_verb_undo, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (isle_keep_option(&keep, &args, id) < 0)
			return ISLE_EXIT_USAGE;
		if (id == 'q')
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count > 1)
		return isle_usage(&isle_verb_undo, "takes one OPERATION");
	if (args.operand_count == 1 && parse_operation(args.operands[0], &operation) < 0)
		return isle_usage(&isle_verb_undo, "'%s' is no operation; 'isle log' lists them",
				  isle_quote(args.operands[0]));
	keep.undo = true;
	keep.options.rest = isle_rest;
	if (isle_store_open(&keep.store, &err) < 0)
		return isle_fail(&err);
	isle_keep_callbacks(&keep, "undo:", !keep.yes);
	if (isle_undo(keep.store, operation, &keep.options, &result, &err) < 0)
		return isle_fail(&err);
	return isle_keep_outcome(&keep, &result, "undone:");
}

const struct isle_verb isle_verb_undo = {
	.name = "undo",
	.synopsis = "[options] [OPERATION]",
	.summary = "take back a commit, a discard or an undo",
	.more = "OPERATION is a number of 'isle log'; by default the last that can be taken back. Nothing that the "
		"host\n"
		"has changed since is overwritten: that is a conflict (exit status 4). Without a terminal it needs "
		"--yes.",
	.options = options,
	.plain_names = true,
	.main = undo_main,
};
