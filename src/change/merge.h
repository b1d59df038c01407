/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * New texts out of two or three: a three-way merge by line, and a text with some hunks of a difference taken over.
 *
 * The merge is that of diff3: the base is compared with either side (diff.h). Stretches of lines that both sides left
 * as they were are kept; between them, what one side changed is taken, and what both changed alike, once. What both
 * changed differently is a conflict, also when the changes merely touch. S. Khanna, K. Kunal, B. C. Pierce, "A Formal
 * Investigation of Diff3" (FSTTCS 2007) says what this guarantees: a clean result has every change of each side.
 */
#include "buf.h"
#include "diff.h"

/* 1: clean, and the result is appended to ret_text; 0: there are conflicts; -E2BIG as isle_diff_lines(). */
int isle_merge_lines(struct isle_text base, struct isle_text one, struct isle_text other,
		     struct isle_buf *ret_text) isle_must_check;

/* Which hunks of a difference with the context of a patch: their numbers from 1, as a patch of the two would list them.
 */
enum { ISLE_HUNK_CONTEXT = 3 };

/* How many there are. */
size_t isle_hunks_count(const struct isle_diff *diff);

/* The first text with the hunks for which wanted() says so as they are in the second. The number of those, or -ENOMEM.
 */
int isle_hunks_apply(const struct isle_diff *diff, bool (*wanted)(size_t number, const void *data), const void *data,
		     struct isle_buf *ret_text) isle_must_check;
