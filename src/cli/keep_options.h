/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How changes are put on the host, beside which: the options that commit and plan share, and that a saved plan keeps.
 */
#include "commit.h"

struct isle_ways {
	enum isle_replace replace;
	const char **logs; /* owned strings, NULL-terminated; NULL: none was said */
	size_t log_count;
	bool only;		  /* these, and not the known ones */
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

/* Something was said about logs. */
static inline bool isle_ways_says_logs(const struct isle_ways *ways)
{
	return ways->log_count > 0 || ways->only;
}

/* Once all options were read: puts the patterns that are known without having been said before those that were. */
int isle_ways_complete(struct isle_ways *ways, const char *const *known) isle_must_check;

void isle_ways_apply(const struct isle_ways *ways, struct isle_commit_options *options);
