/* SPDX-License-Identifier: Apache-2.0 */
/* The line diff: the lines it calls equal are, in order, and the counts are right. */
#include "diff.h"
#include "fuzz.h"
#include <string.h>

static int count(enum isle_diff_part part, const char *text, size_t size, void *arg)
{
	uint64_t *counts = arg;

	must(text != NULL && size < (size_t)1 << 30);
	counts[part]++;
	return 0;
}

static void must_pair(const struct isle_diff *diff)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < diff->a.count && diff->a.changed[i])
			i++;
		while (j < diff->b.count && diff->b.changed[j])
			j++;
		if (i == diff->a.count || j == diff->b.count)
			break;
		must(diff->a.lines[i].size == diff->b.lines[j].size);
		must(memcmp(diff->a.lines[i].start, diff->b.lines[j].start, diff->a.lines[i].size) == 0);
		i++, j++;
	}
	must(i == diff->a.count && j == diff->b.count);
}

/* The input is both texts, with a NUL byte between. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t first = strnlen(text, size);
	struct isle_text a = {text, first};
	struct isle_text b = {text + first, size - first};
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	uint64_t counts[ISLE_DIFF_NO_NEWLINE + 1] = {0};

	if (b.size > 0)
		b = (struct isle_text){b.data + 1, b.size - 1};
	must(isle_diff_lines(a, b, &diff) == 0);
	must_pair(&diff);
	must(isle_diff_unified(&diff, 3, count, counts) == 0);
	must(counts[ISLE_DIFF_REMOVED] == diff.removed && counts[ISLE_DIFF_ADDED] == diff.added);
	return 0;
}
