/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "verbs.h"

static int gc_main(int argc, char **argv)
{
	auto_store struct isle_store *store = NULL;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	int id;

	isle_args_init(&args, &isle_verb_gc, argc, argv);
	id = isle_args_next(&args);
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_gc, "takes no argument");
	if (isle_store_open(&store, &err) < 0 || isle_store_gc(store, &err) < 0)
		return isle_fail(&err);
	return ISLE_EXIT_OK;
}

const struct isle_verb isle_verb_gc = {
	.name = "gc",
	.synopsis = "",
	.summary = "free the space of what was removed and discarded",
	.plain_names = true,
	.main = gc_main,
};
