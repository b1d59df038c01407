/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle status. The whole is scanned also when new directories are shown as one line, since a flagged file inside one is
 * never folded away.
 */
#include "look.h"
#include "review.h"
#include "verbs.h"
#include <stdio.h>
#include <unistd.h>

static const struct isle_option options[] = {
	{"all", 'a', NULL, "also what is inside new and deleted directories, and --times", 'a'},
	{"times", 't', NULL, "also what differs in its times alone", 't'},
	{"json", 0, NULL, "as one JSON document", 'j'},
	{"null", 'z', NULL, "one letter, a space, the path and a NUL byte for each; renames have a second path", 'z'},
	{0},
};

/* A path can be one inside a new directory. */
static unsigned scan_flags(unsigned flags, bool json, int operands)
{
	unsigned scan = json && !(flags & ISLE_REVIEW_ALL) && operands == 0 ? 0 : ISLE_SCAN_ALL;

	return flags & ISLE_REVIEW_ALL ? scan | ISLE_SCAN_TIMES : scan;
}

static int show(const struct isle_args *args, unsigned scan, unsigned flags, bool json)
{
	auto_look struct isle_look look = ISLE_LOOK_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_review review = {.out = stdout, .flags = flags | isle_review_terminal(STDOUT_FILENO)};
	int r = isle_look_open(&look, args, scan, &err);

	if (r < 0)
		return isle_fail(&err);
	review.isle = look.isle;
	review.layers = &look.layers;
	review.changes = &look.changes;
	review.notes = &look.notes;
	review.paths = look.paths.count > 0 ? &look.globs : NULL;
	r = json ? isle_review_status_json(&review) : isle_review_status(&review);
	if (r < 0) {
		isle_err_errno(&err, r, "cannot show what changed");
		return isle_fail(&err);
	}
	return isle_review_count(&review) ? ISLE_EXIT_CHANGES : ISLE_EXIT_OK;
}

static int status_main(int argc, char **argv)
{
	struct isle_args args;
	unsigned flags = 0, times = 0;
	bool json = false;
	int id;

	isle_args_init(&args, &isle_verb_status, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 'a')
			flags |= ISLE_REVIEW_ALL;
		else if (id == 't')
			times = ISLE_SCAN_TIMES;
		else if (id == 'z')
			flags |= ISLE_REVIEW_NUL;
		else
			json = true;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (json && flags & ISLE_REVIEW_NUL)
		return isle_usage(&isle_verb_status, "--json and --null exclude each other");
	return show(&args, scan_flags(flags, json, args.operand_count) | times, flags, json);
}

const struct isle_verb isle_verb_status = {
	.name = "status",
	.synopsis = "[--all] [--times] [--json | -z] [NAME] [PATH...]",
	.summary = "what changed in an isle",
	.more = "A new, M modified, D deleted, R renamed, T of another type, m metadata only. In brackets is why a\n"
		"change is flagged: it needs a yes of its own at commit.\n"
		"The exit status is 0 when nothing changed and 3 when something did.",
	.options = options,
	.main = status_main,
};
