/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All verbs, in the order of isle --help: what one does first, then what comes after it.
 */
#include "verbs.h"
#include <string.h>

const struct isle_verb *const isle_verbs[] = {
	&isle_verb_run,	     &isle_verb_shell,
	&isle_verb_list,     &isle_verb_status,
	&isle_verb_diff,     &isle_verb_trace,
	&isle_verb_explain,  &isle_verb_check,
	&isle_verb_plan,     &isle_verb_commit,
	&isle_verb_discard,  &isle_verb_undo,
	&isle_verb_redo,     &isle_verb_log,
	&isle_verb_refresh,  &isle_verb_rename,
	&isle_verb_rm,	     &isle_verb_gc,
	&isle_verb_doctor,   &isle_verb_completions,
	&isle_verb_for_root, NULL, /* each on a line of its own */
};

const struct isle_verb *isle_verb_find(const char *name)
{
	for (const struct isle_verb *const *verb = isle_verbs; *verb; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

enum { NAME_MAX_LENGTH = 15 };

static int min3(int a, int b, int c)
{
	int least = a < b ? a : b;

	return least < c ? least : c;
}

/* Letters to insert, remove or change to make one word of the other, both at most NAME_MAX_LENGTH long. */
static int distance(const char *a, const char *b)
{
	int row[NAME_MAX_LENGTH + 1];
	int length = (int)strlen(b);

	for (int j = 0; j <= length; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= length; j++) {
			int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

const struct isle_verb *isle_verb_nearest(const char *name)
{
	const struct isle_verb *nearest = NULL;
	int least = 3; /* more than two slips is another word */

	if (strlen(name) > NAME_MAX_LENGTH)
		return NULL;
	for (const struct isle_verb *const *verb = isle_verbs; *verb; verb++) {
		int length = (int)strlen((*verb)->name);
		int d = distance(name, (*verb)->name);

		if (!(*verb)->hidden && d < least && d < length - 1) {
			least = d;
			nearest = *verb;
		}
	}
	return nearest;
}
