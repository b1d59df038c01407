/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Patterns for paths, as struct isle_select has them: a pattern with a slash, or without any of *?[, is a path,
 * absolute or else relative to the current directory; any other is for the last component. It stands for the object and
 * all below it. In globs "*" matches slashes, too; the name that is written like the glob fits it as well.
 */
#include "macros.h"
#include <stdbool.h>
#include <stddef.h>

struct isle_glob {
	char *text;
	bool glob;
	bool last_only; /* against the last component */
};

struct isle_globs {
	struct isle_glob *list;
	size_t count;
};

#define ISLE_GLOBS_INIT ((struct isle_globs){0})

void isle_glob_done(struct isle_glob *pattern);
int isle_glob_parse(const char *text, struct isle_glob *ret_pattern) isle_must_check;
bool isle_glob_matches(const struct isle_glob *pattern, const char *path);

void isle_globs_done(struct isle_globs *patterns);
#define auto_globs __attribute__((cleanup(isle_globs_done)))

/* texts ends with NULL, or is NULL. */
int isle_globs_parse(const char *const *texts, struct isle_globs *ret_patterns) isle_must_check;
bool isle_globs_match(const struct isle_globs *patterns, const char *path);
