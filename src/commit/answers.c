/* SPDX-License-Identifier: Apache-2.0 */
/* The list is kept sorted by path and kind: a conflict is met once for each change, so it is looked for by halves. */
#include "answers.h"
#include "build_internal.h"
#include "digest.h"
#include <errno.h>
#include <string.h>

void isle_answers_done(struct isle_answers *answers)
{
	size_t i;

	for (i = 0; i < answers->count; i++)
		free(answers->list[i].path);
	free(answers->list);
	*answers = ISLE_ANSWERS_INIT;
}

/* Where the answer is or belongs. */
static size_t place_of(const struct isle_answers *answers, const char *path, enum isle_change_kind change,
		       bool *ret_there)
{
	size_t low = 0, high = answers->count;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct isle_answer *other = &answers->list[middle];
		int order = strcmp(other->path, path);

		if (order == 0)
			order = (int)other->change - (int)change;
		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int isle_answers_add(struct isle_answers *answers, const char *path, enum isle_change_kind change,
		     enum isle_on_conflict how)
{
	bool there;
	size_t at = place_of(answers, path, change, &there);
	char *copy;

	if (there)
		return -EEXIST;
	if (answers->count == answers->room) {
		size_t room = answers->room ? answers->room * 2 : 16;
		struct isle_answer *list = reallocarray(answers->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		answers->list = list;
		answers->room = room;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	memmove(&answers->list[at + 1], &answers->list[at], (answers->count - at) * sizeof(*answers->list));
	answers->list[at] = (struct isle_answer){.path = copy, .change = change, .how = how};
	answers->count++;
	return 0;
}

const struct isle_answer *isle_answers_find(const struct isle_answers *answers, const char *path,
					    enum isle_change_kind change)
{
	bool there;
	size_t at = place_of(answers, path, change, &there);

	return there ? &answers->list[at] : NULL;
}

/* --- what was seen --- */

static void add_change(struct isle_sha256 *sha, const struct isle_change *change)
{
	isle_change_digest_add(sha, change);
	isle_digest_state(sha, &change->before);
}

static void add_conflict(struct isle_sha256 *sha, const struct isle_finding *conflict)
{
	isle_digest_string(sha, conflict->path);
	isle_digest_number(sha, conflict->change);
	isle_digest_string(sha, conflict->kind);
	isle_digest_state(sha, &conflict->then);
	isle_digest_state(sha, &conflict->now);
	isle_digest_state(sha, &conflict->isle);
}

void isle_seen(struct isle_builder *b, const unsigned char *chosen)
{
	struct isle_sha256 sha;
	size_t i;

	isle_sha256_init(&sha);
	isle_digest_string(&sha, b->isle->id);
	for (i = 0; i < b->changes.count; i++)
		if (chosen[i])
			add_change(&sha, &b->changes.list[i]);
	isle_digest_number(&sha, b->result->conflicts.count);
	for (i = 0; i < b->result->conflicts.count; i++)
		add_conflict(&sha, &b->result->conflicts.list[i]);
	isle_sha256_hex(&sha, b->plan.seen);
}
