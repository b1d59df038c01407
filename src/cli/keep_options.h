/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How changes are put on the host, beside which: the options that commit and plan share, and that a saved plan keeps.
 */
#include "commit.h"

struct isle_ways {
	enum isle_replace replace;
	const char **logs; /* NULL-terminated; NULL: the default */
	size_t log_count;
	struct isle_hunks *hunks; /* ends with path NULL; owned strings; NULL: none */
	size_t hunk_count;
};

#define ISLE_WAYS_INIT ((struct isle_ways){0})

void isle_ways_done(struct isle_ways *ways);

/* -EINVAL: not a word of --replace, a pattern of --append, "PATH:NUMBERS". */
int isle_ways_replace(struct isle_ways *ways, const char *word) isle_must_check;
int isle_ways_log(struct isle_ways *ways, const char *pattern) isle_must_check;
int isle_ways_hunk(struct isle_ways *ways, const char *argument) isle_must_check;
/* The same, taken apart; path absolute. */
int isle_ways_hunk_of(struct isle_ways *ways, const char *path, const char *numbers) isle_must_check;

void isle_ways_apply(const struct isle_ways *ways, struct isle_commit_options *options);
