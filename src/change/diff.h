/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The differences of two texts, line by line, and their unified form.
 *
 *   struct isle_text a = {data, size}, b = ...;
 *   auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
 *   r = isle_diff_lines(a, b, &diff);
 *   r = isle_diff_unified(&diff, 3, print, out);
 *
 * A line is everything up to and with its '\n'; the last one may lack it, and then differs from one that has it.
 * Memory is about 40 bytes for each line; time is bounded whatever the texts are (diff->coarse).
 * The method is that of E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986),
 * section 4b, linear space.
 */
#include "macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct isle_text {
	const char *data;
	size_t size;
};

struct isle_line {
	const char *start;
	uint32_t size; /* with the '\n' */
	uint32_t id;   /* equal lines of both texts have equal ids */
};

struct isle_side {
	struct isle_line *lines;
	size_t count;
	bool *changed; /* count + 1 of them; the last is false */
};

struct isle_diff {
	struct isle_side a, b;
	uint64_t removed, added; /* lines */
	bool coarse;		 /* the search was cut short: right, but not the shortest */
};

#define ISLE_DIFF_INIT ((struct isle_diff){0})

enum { ISLE_DIFF_LINES_MAX = 4000000 };

/* -E2BIG for more than ISLE_DIFF_LINES_MAX lines together or 1 GiB in one text. The texts must outlive the result. */
int isle_diff_lines(struct isle_text a, struct isle_text b, struct isle_diff *ret_diff) isle_must_check;
void isle_diff_done(struct isle_diff *diff);
#define auto_diff __attribute__((cleanup(isle_diff_done)))

/* Changes that lie so near to each other that their context meets; lines are counted from 0, ends are exclusive. */
struct isle_hunk {
	size_t a, a_end, b, b_end; /* with context */
};

/* The next hunk at or after line *i of a and *j of b, both 0 at first, which are moved behind it. 0: there is none. */
int isle_diff_next_hunk(const struct isle_diff *diff, size_t context, size_t *i, size_t *j, struct isle_hunk *ret_hunk);

enum isle_diff_part { ISLE_DIFF_HUNK, ISLE_DIFF_SAME, ISLE_DIFF_REMOVED, ISLE_DIFF_ADDED, ISLE_DIFF_NO_NEWLINE };

/* Gets one output line at a time, without prefix and newline: "@@ -1,3 +1,4 @@", the text of a line, or "\ No newline
 * at end of file". A negative return ends it. */
typedef int isle_diff_print(enum isle_diff_part part, const char *text, size_t size, void *arg);

/* Prints all hunks with so many lines of context. Nothing when the texts are equal. */
int isle_diff_unified(const struct isle_diff *diff, size_t context, isle_diff_print *print, void *arg) isle_must_check;

/* True for what is shown as "binary": it holds a NUL byte. */
bool isle_text_binary(struct isle_text text);
