/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tables of path patterns, and what the paths that fit are said to be.
 *
 *   static const struct isle_pattern list[] = {{".ssh/id_*", 1}, ...};
 *   static uint16_t next[ARRAY_SIZE(list)];
 *   static struct isle_patterns set = {.list = list, .count = ARRAY_SIZE(list), .next = next};
 *   value = isle_patterns_value(&set, "/home/u/.ssh/id_rsa", ISLE_FIT_ALL);
 *
 * A pattern that starts with '/' fits whole paths; any other fits the end of a path, from the start of a component on,
 * so that it holds in every home directory and every work tree. '*' is any part of a component, '?' one byte of it,
 * "**" at the end any path below. A pattern that starts with '*' has one component; one that starts with '/' has no '*'
 * at the start of its first two.
 *
 * A path is looked up in the time of a few comparisons, whatever the size of the table: the first look-up sorts it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct isle_pattern {
	const char *pattern;
	unsigned value;
};

struct isle_patterns {
	const struct isle_pattern *list;
	size_t count;	/* less than 65535 */
	uint16_t *next; /* room for count */
	/* First pattern of each chain + 1: those for whole paths by the first letters of their first two components,
	 * where the second starts with '*' by that of the first one; others by the first letter of the component they
	 * start at. */
	uint16_t whole[256], top[256], part[256], any;
	bool ready;
};

enum isle_fit {
	ISLE_FIT_ALL,	/* the path is one that the pattern is about */
	ISLE_FIT_ABOVE, /* or it leads to such */
};

/* The values of all patterns that fit the absolute path, or-ed; 0 when there is none. */
unsigned isle_patterns_value(struct isle_patterns *set, const char *path, enum isle_fit fit);
