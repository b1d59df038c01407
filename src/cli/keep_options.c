/* SPDX-License-Identifier: Apache-2.0 */
#include "keep_options.h"
#include "path.h"
#include <errno.h>
#include <string.h>

void isle_ways_done(struct isle_ways *ways)
{
	size_t i;

	for (i = 0; i < ways->log_count; i++)
		free((char *)ways->logs[i]);
	free(ways->logs);
	for (i = 0; i < ways->hunk_count; i++) {
		free((char *)ways->hunks[i].path);
		free((char *)ways->hunks[i].numbers);
	}
	free(ways->hunks);
	*ways = ISLE_WAYS_INIT;
}

int isle_ways_replace(struct isle_ways *ways, const char *word)
{
	int replace = isle_replace_by_name(word);

	if (replace < 0)
		return -EINVAL;
	ways->replace = (enum isle_replace)replace;
	return 0;
}

static int insert_log(struct isle_ways *ways, size_t at, const char *pattern)
{
	const char **logs = reallocarray(ways->logs, ways->log_count + 2, sizeof(*logs));
	char *copy = logs ? strdup(pattern) : NULL;

	ways->logs = logs ? logs : ways->logs;
	if (logs)
		logs[ways->log_count] = NULL;
	if (!copy)
		return -ENOMEM;
	memmove(&logs[at + 1], &logs[at], (ways->log_count + 1 - at) * sizeof(*logs));
	logs[at] = copy;
	ways->log_count++;
	return 0;
}

int isle_ways_log(struct isle_ways *ways, const char *pattern)
{
	auto_free char *absolute = NULL;

	if (*pattern == '\0')
		return -EINVAL;
	if (strcmp(pattern, "none") == 0) {
		while (ways->log_count > 0)
			free((char *)ways->logs[--ways->log_count]);
		ways->only = true;
		return 0;
	}
	if (!strchr(pattern, '/') && strpbrk(pattern, "*?["))
		return insert_log(ways, ways->log_count, pattern);
	absolute = isle_path_absolute(pattern);
	return absolute ? insert_log(ways, ways->log_count, absolute) : -ENOMEM;
}

int isle_ways_complete(struct isle_ways *ways, const char *const *known)
{
	size_t at = 0;
	int r = 0;

	for (; !ways->only && *known && r >= 0; known++)
		r = insert_log(ways, at++, *known);
	ways->only = true;
	return r;
}

int isle_ways_hunk_of(struct isle_ways *ways, const char *path, const char *numbers)
{
	struct isle_hunks *hunks, *last;
	size_t i;

	if (*path != '/' || isle_hunk_listed(numbers, 1) < 0)
		return -EINVAL;
	for (i = 0; i < ways->hunk_count; i++)
		if (strcmp(ways->hunks[i].path, path) == 0)
			return -EINVAL;
	hunks = reallocarray(ways->hunks, ways->hunk_count + 2, sizeof(*hunks));
	if (!hunks)
		return -ENOMEM;
	ways->hunks = hunks;
	last = &hunks[ways->hunk_count++];
	last[0] = (struct isle_hunks){.path = strdup(path), .numbers = strdup(numbers)};
	last[1] = (struct isle_hunks){0};
	return last->path && last->numbers ? 0 : -ENOMEM;
}

int isle_ways_hunk(struct isle_ways *ways, const char *argument)
{
	const char *colon = strrchr(argument, ':');
	auto_free char *name = colon ? strndup(argument, (size_t)(colon - argument)) : NULL;
	auto_free char *path = NULL;

	if (!colon || colon == argument)
		return -EINVAL;
	path = name ? isle_path_absolute(name) : NULL;
	return path ? isle_ways_hunk_of(ways, path, colon + 1) : name ? -errno : -ENOMEM;
}

void isle_ways_apply(const struct isle_ways *ways, struct isle_commit_options *options)
{
	static const char *const nothing[] = {NULL};

	options->replace = ways->replace;
	options->logs = ways->log_count > 0 ? ways->logs : ways->only ? nothing : NULL;
	options->hunks = ways->hunks;
}
