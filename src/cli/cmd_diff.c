/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"
#include "review.h"
#include "verbs.h"
#include <stdio.h>
#include <unistd.h>

static const struct isle_option options[] = {
	{"times", 't', NULL, "also what differs in its times alone", 't'},
	{"json", 0, NULL, "as one JSON document", 'j'},
	{"hunks", 0, NULL, "number the hunks of each file, for 'isle commit --hunk'", 'H'},
	{"owners", 0, NULL, "the owners asked for with --fake-owner, as commands for root", 'O'},
	{"null", 'z', NULL, "as isle status -z --all, without contents", 'z'},
	{0},
};

enum diff_form { DIFF_TEXT, DIFF_JSON, DIFF_NUL, DIFF_OWNERS };

static int print(const struct isle_review *review, enum diff_form form)
{
	switch (form) {
	case DIFF_TEXT:
		return isle_review_diff(review);
	case DIFF_JSON:
		return isle_review_diff_json(review);
	case DIFF_NUL:
		return isle_review_status(review);
	case DIFF_OWNERS:
		return isle_review_owners(review);
	}
	return 0;
}

static int show(const struct isle_args *args, unsigned scan, enum diff_form form, unsigned flags)
{
	auto_look struct isle_look look = ISLE_LOOK_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_review review = {.out = stdout, .flags = isle_review_terminal(STDOUT_FILENO) | flags};
	int r = isle_look_open(&look, args, scan, &err);

	if (r < 0)
		return isle_fail(&err);
	if (form == DIFF_NUL)
		review.flags = ISLE_REVIEW_NUL | ISLE_REVIEW_ALL;
	review.isle = look.isle;
	review.layers = &look.layers;
	review.changes = &look.changes;
	review.notes = &look.notes;
	review.paths = look.paths.count > 0 ? &look.globs : NULL;
	r = print(&review, form);
	if (r < 0) {
		isle_err_errno(&err, r, "cannot show what changed");
		return isle_fail(&err);
	}
	return isle_review_count(&review) ? ISLE_EXIT_CHANGES : ISLE_EXIT_OK;
}

static int diff_main(int argc, char **argv)
{
	struct isle_args args;
	unsigned scan = ISLE_SCAN_ALL, flags = 0;
	bool json = false, nul = false, owners = false;
	int id;

	isle_args_init(&args, &isle_verb_diff, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 't')
			scan |= ISLE_SCAN_TIMES;
		else if (id == 'H')
			flags |= ISLE_REVIEW_HUNKS;
		else if (id == 'j')
			json = true;
		else if (id == 'O')
			owners = true;
		else
			nul = true;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (json + nul + owners > 1)
		return isle_usage(&isle_verb_diff, "--json, --null and --owners exclude each other");
	return show(&args, scan, json ? DIFF_JSON : nul ? DIFF_NUL : owners ? DIFF_OWNERS : DIFF_TEXT, flags);
}

const struct isle_verb isle_verb_diff = {
	.name = "diff",
	.synopsis = "[--times] [--hunks] [--json | -z | --owners] [NAME] [PATH...]",
	.summary = "the differences in content and metadata",
	.more = "The text is a patch that 'patch -p1' and 'git apply' accept in the root directory. Lines that begin\n"
		"with '#' say what a patch cannot: modes, owners, attributes, binary files.\n"
		"The exit status is 0 when nothing changed and 3 when something did.",
	.options = options,
	.main = diff_main,
};
