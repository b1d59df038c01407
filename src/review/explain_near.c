/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of all paths that an isle knows, those that somebody may have meant: the same name in another directory, or a name
 * with at most two slips in the same one.
 */
#include <string.h>

#include "explain_internal.h"

enum { NAME_LONGEST = 64, SLIPS_MOST = 2 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters to insert, remove or change to make one name of the other; more than SLIPS_MOST where they are long. */
static unsigned slips(const char *a, const char *b)
{
	size_t size = strlen(b);
	unsigned row[NAME_LONGEST + 1];

	if (strlen(a) > NAME_LONGEST || size > NAME_LONGEST)
		return SLIPS_MOST + 1;
	for (size_t j = 0; j <= size; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= size; j++) {
			unsigned above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[size];
}

/* 0: not near; else the higher, the nearer. */
static unsigned score(const char *wanted, const char *path)
{
	const char *a = strrchr(wanted, '/'), *b = strrchr(path, '/');

	if (a == NULL || b == NULL || b[1] == '\0' || strcmp(wanted, path) == 0)
		return 0;
	bool same_directory = a - wanted == b - path && memcmp(wanted, path, (size_t)(a - wanted)) == 0;
	if (!same_directory)
		return strcmp(a + 1, b + 1) == 0 ? 1 : 0;
	unsigned count = slips(a + 1, b + 1);
	return count <= SLIPS_MOST && count < strlen(a + 1) ? 4 - count : 0;
}

void isle_explain_consider(struct isle_explain *explain, const char *path)
{
	unsigned found = score(explain->path, path);
	size_t last = ISLE_EXPLAIN_NEAR - 1;

	if (found <= explain->near_score[last])
		return;
	for (size_t i = 0; i < ISLE_EXPLAIN_NEAR; i++)
		if (explain->near[i] != NULL && strcmp(explain->near[i], path) == 0)
			return;
	free(explain->near[last]);
	explain->near[last] = strdup(path);
	explain->near_score[last] = explain->near[last] == NULL ? 0 : found;
	for (size_t i = last; i > 0 && explain->near_score[i] > explain->near_score[i - 1]; i--) {
		char *near = explain->near[i];
		unsigned near_score = explain->near_score[i];

		explain->near[i] = explain->near[i - 1];
		explain->near_score[i] = explain->near_score[i - 1];
		explain->near[i - 1] = near;
		explain->near_score[i - 1] = near_score;
	}
}
