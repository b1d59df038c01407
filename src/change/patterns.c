/* SPDX-License-Identifier: Apache-2.0 */
#include "patterns.h"

#include <string.h>

#include "macros.h"

/* Does a name of this length fit a pattern of one component? '*' and '?' only. */
static bool fits_name(const char *pattern, size_t pattern_size, const char *name, size_t size)
{
	size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;

	/* Most are told apart by their ends. */
	if (size > 0 && pattern_size > 0 && pattern[pattern_size - 1] != name[size - 1] &&
	    pattern[pattern_size - 1] != '*' && pattern[pattern_size - 1] != '?')
		return false;

	while (n < size) {
		if (p < pattern_size && pattern[p] == '*') {
			star = p++;
			mark = n;
		} else if (p < pattern_size && (pattern[p] == '?' || pattern[p] == name[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern_size && pattern[p] == '*')
		p++;
	return p == pattern_size;
}

static size_t component_size(const char *path)
{
	return (size_t)(strchrnul(path, '/') - path);
}

/* Both without a leading slash. */
static bool fits_path(const char *pattern, const char *path, enum isle_fit fit)
{
	for (;;) {
		size_t pattern_size = component_size(pattern), size = component_size(path);

		if (strcmp(pattern, "**") == 0)
			return *path != '\0';
		if (!fits_name(pattern, pattern_size, path, size))
			return false;
		pattern += pattern_size;
		path += size;
		if (*path == '\0' && fit == ISLE_FIT_ABOVE)
			return true;
		if (*pattern == '\0' || *path == '\0')
			return *pattern == *path;
		pattern++;
		path++;
	}
}

/* Where the second component starts, or the end. */
static unsigned char whole_key(const char *path)
{
	const char *slash = strchr(path, '/');

	return (unsigned char)((unsigned char)*path * 31 + (unsigned char)(slash ? slash[1] : 0));
}

static uint16_t *chain_of(struct isle_patterns *set, const char *pattern)
{
	const char *second = *pattern == '/' ? strchr(pattern + 1, '/') : NULL;

	if (*pattern == '*')
		return &set->any;
	if (*pattern != '/')
		return &set->part[(unsigned char)*pattern];
	if (second != NULL && (second[1] == '*' || second[1] == '?'))
		return &set->top[(unsigned char)pattern[1]];
	return &set->whole[whole_key(pattern + 1)];
}

static void sort(struct isle_patterns *set)
{
	for (size_t i = 0; i < set->count; i++) {
		uint16_t *chain = chain_of(set, set->list[i].pattern);

		set->next[i] = *chain;
		*chain = (uint16_t)(i + 1);
	}
	set->ready = true;
}

static unsigned follow(const struct isle_patterns *set, uint16_t at, const char *path, enum isle_fit fit)
{
	unsigned value = 0;

	for (; at; at = set->next[at - 1]) {
		const char *pattern = set->list[at - 1].pattern;

		if (fits_path(pattern + (*pattern == '/'), path, fit))
			value |= set->list[at - 1].value;
	}
	return value;
}

static unsigned whole_value(const struct isle_patterns *set, const char *path, enum isle_fit fit)
{
	unsigned value = follow(set, set->top[(unsigned char)*path], path, fit);

	if (fit == ISLE_FIT_ALL || strchr(path, '/'))
		return value | follow(set, set->whole[whole_key(path)], path, fit);
	for (size_t key = 0; key < ARRAY_SIZE(set->whole); key++)
		value |= follow(set, set->whole[key], path, fit);
	return value;
}

unsigned isle_patterns_value(struct isle_patterns *set, const char *path, enum isle_fit fit)
{
	const char *last = path;

	if (!set->ready)
		sort(set);
	unsigned value = whole_value(set, path + 1, fit);

	for (const char *at = path; at; at = strchr(at + 1, '/')) {
		value |= follow(set, set->part[(unsigned char)at[1]], at + 1, fit);
		last = at;
	}
	return value | follow(set, set->any, last + 1, ISLE_FIT_ALL);
}
