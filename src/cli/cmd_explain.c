/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "look.h"
#include "settings.h"
#include "verbs.h"

static const struct isle_option options[] = {
	{"json", 0, NULL, "as one JSON document", 'j'},
	{0},
};

static int show(const struct isle_args *args, bool json)
{
	auto_look struct isle_look look = {.operand_flags = ISLE_OPERAND_PLAIN};
	auto_settings struct isle_settings settings = {0};
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_explain_options o = {0};
	int r = isle_settings_read(&settings, &err);

	if (r >= 0)
		r = isle_look_open(&look, args, ISLE_SCAN_ALL | ISLE_SCAN_TIMES, &err);
	if (r < 0)
		return isle_fail(&err);
	o = (struct isle_explain_options){.store = look.store,
					  .isle = look.isle,
					  .layers = &look.layers,
					  .changes = &look.changes,
					  .paths = look.paths.list,
					  .path_count = look.paths.count,
					  .logs = isle_settings_logs(&settings)};
	r = json ? isle_explain_json(&o, stdout, &err) : isle_explain_text(&o, stdout, &err);
	if (r < 0)
		return isle_fail(&err);
	return r == 0 ? ISLE_EXIT_OK : ISLE_EXIT_FAILED;
}

static int explain_main(int argc, char **argv)
{
	struct isle_args args;
	bool json = false;
	int id;

	isle_args_init(&args, &isle_verb_explain, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		json = true;
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	int named = args.operand_count > 0 && strchr(args.operands[0], '/') == NULL;
	if (args.operand_count != named + 1)
		return isle_usage(&isle_verb_explain, "an isle and one path, or a path with a slash alone");
	return show(&args, json);
}

const struct isle_verb isle_verb_explain = {
	.name = "explain",
	.synopsis = "[--json] [NAME] PATH",
	.summary = "who made a change, and what a commit would do with it",
	.more = "Of a path that was only read: who read it, and whether the host has changed it since.\n"
		"The exit status is 1 when nothing is known about the path.",
	.options = options,
	.main = explain_main,
};
