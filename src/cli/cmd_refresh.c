/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "recovered.h"
#include "run.h"
#include "talk.h"
#include "verbs.h"

static const struct isle_option refresh_options[] = {{NULL}};

static int refresh_main(int argc, char **argv)
{
	struct isle_err err = ISLE_ERR_INIT;
	auto_store struct isle_store *store = NULL;
	auto_isle struct isle *isle = NULL;
	struct isle_args args;
	int id;

	isle_args_init(&args, &isle_verb_refresh, argc, argv);
	id = isle_args_next(&args);
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count > 1)
		return isle_usage(&isle_verb_refresh, "one isle at a time");
	int r = isle_store_open_recovered(&store, &err);
	if (r >= 0)
		r = isle_find(store, args.operand_count == 0 ? NULL : args.operands[0], &isle, &err);
	if (r >= 0)
		r = isle_refresh(isle, &err);
	if (r == -ENOTCONN && isle != NULL) {
		isle_verbose("isle '%s' is not in use; its next run sees the host as it is then", isle->name);
		return ISLE_EXIT_OK;
	}
	return r < 0 ? isle_fail(&err) : ISLE_EXIT_OK;
}

const struct isle_verb isle_verb_refresh = {
	.name = "refresh",
	.synopsis = "[NAME]",
	.summary = "let a running isle see what the host changed since",
	.options = refresh_options,
	.main = refresh_main,
};
