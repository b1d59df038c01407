/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the user chose for single conflicts, in a saved plan. Choices are made from a list, and hold for that list only:
 *
 *   isle plan -o FILE       builds with ISLE_COMMIT_LIST and saves the actions, the conflicts, what is left out because
 *                           of them, and plan->seen
 *   isle commit --plan      builds with these answers; plan->seen must be the same again
 *
 * plan->seen is a SHA-256 over every change that was selected, with its states on both sides, and over every conflict,
 * before anything is decided. So it is the same whatever the answers are; and a plan is a function of these and the
 * answers, so nothing can come in that was not on the list. A conflict without an answer stops the commit.
 */
#include "commit.h"

struct isle_builder;

struct isle_answer {
	char *path;
	enum isle_change_kind change;
	enum isle_on_conflict how;
};

struct isle_answers {
	struct isle_answer *list;
	size_t count, room;
};

#define ISLE_ANSWERS_INIT ((struct isle_answers){0})

void isle_answers_done(struct isle_answers *answers);
#define auto_answers __attribute__((cleanup(isle_answers_done)))

/* -EEXIST: there is one for this conflict. */
int isle_answers_add(struct isle_answers *answers, const char *path, enum isle_change_kind change,
		     enum isle_on_conflict how) isle_must_check;

/* NULL: there is none. */
const struct isle_answer *isle_answers_find(const struct isle_answers *answers, const char *path,
					    enum isle_change_kind change);

/* Sets b->plan.seen. chosen: the selection before the conflicts were decided, one byte for each change. */
void isle_seen(struct isle_builder *b, const unsigned char *chosen);
