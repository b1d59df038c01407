/* SPDX-License-Identifier: Apache-2.0 */
#include "globs.h"
#include "path.h"
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

void isle_glob_done(struct isle_glob *pattern)
{
	free(pattern->text);
	*pattern = (struct isle_glob){0};
}

void isle_globs_done(struct isle_globs *patterns)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		isle_glob_done(&patterns->list[i]);
	free(patterns->list);
	*patterns = ISLE_GLOBS_INIT;
}

int isle_glob_parse(const char *text, struct isle_glob *ret_pattern)
{
	bool glob = strpbrk(text, "*?[") != NULL;

	ret_pattern->glob = glob;
	ret_pattern->last_only = glob && !strchr(text, '/');
	ret_pattern->text = ret_pattern->last_only ? strdup(text) : isle_path_absolute(text);
	return ret_pattern->text ? 0 : -errno;
}

int isle_globs_parse(const char *const *texts, struct isle_globs *patterns)
{
	size_t n = 0;

	while (texts && texts[n])
		n++;
	if (n == 0)
		return 0;
	patterns->list = calloc(n, sizeof(*patterns->list));
	if (!patterns->list)
		return -ENOMEM;
	for (; patterns->count < n; patterns->count++) {
		int r = isle_glob_parse(texts[patterns->count], &patterns->list[patterns->count]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The name itself, too: "[id].js". */
static bool fits(const char *pattern, const char *name)
{
	return strcmp(pattern, name) == 0 || fnmatch(pattern, name, 0) == 0;
}

/* A glob holds for what lies below a match, too. */
static bool glob_matches(const struct isle_glob *pattern, const char *path)
{
	auto_free char *copy = strdup(path);
	char *slash;

	if (!copy)
		return false;
	do {
		slash = strrchr(copy, '/');
		if (fits(pattern->text, pattern->last_only && slash ? slash + 1 : copy))
			return true;
		if (slash)
			*slash = '\0';
	} while (slash && slash > copy);
	return false;
}

bool isle_glob_matches(const struct isle_glob *pattern, const char *path)
{
	return pattern->glob ? glob_matches(pattern, path) : isle_path_below(path, pattern->text);
}

bool isle_globs_match(const struct isle_globs *patterns, const char *path)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (isle_glob_matches(&patterns->list[i], path))
			return true;
	return false;
}
