/* SPDX-License-Identifier: Apache-2.0 */
#include "recovered.h"
#include "store.h"
#include "verbs.h"

static int rename_main(int argc, char **argv)
{
	auto_store struct isle_store *store = NULL;
	auto_isle struct isle *isle = NULL;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	int id;

	isle_args_init(&args, &isle_verb_rename, argc, argv);
	id = isle_args_next(&args);
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count != 2)
		return isle_usage(&isle_verb_rename, "needs the isle's NAME and its NEW name");
	if (isle_store_open_recovered(&store, &err) < 0 || isle_find(store, args.operands[0], &isle, &err) < 0 ||
	    isle_rename(store, isle->name, args.operands[1], &err) < 0)
		return isle_fail(&err);
	return ISLE_EXIT_OK;
}

const struct isle_verb isle_verb_rename = {
	.name = "rename",
	.synopsis = "NAME NEW",
	.summary = "give an isle another name",
	.more = "A name is 1 to 64 letters, digits and . _ + @ - and starts with neither '.' nor '-'.\n"
		"An isle can be renamed while something runs in it.",
	.main = rename_main,
};
