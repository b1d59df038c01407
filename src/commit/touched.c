/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each object: DEV INO BEFORE_S BEFORE_NS AFTER_S AFTER_NS. An object that was touched twice keeps its
 * first BEFORE. A line holds only as long as the object's ctime is AFTER: whoever changes it later moves that on.
 * Objects are looked up by INO and AFTER, which tell them apart well enough: DEV can be another after a restart.
 */
#include "touched.h"
#include "buf.h"
#include "io.h"
#include "map.h"
#include "subtree.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOUCHED_LIMIT = 1 << 28 };

void isle_touched_done(struct isle_touched *touched)
{
	free(touched->list);
	*touched = (struct isle_touched){0};
}

static int compare(const void *a, const void *b)
{
	const struct isle_touched_object *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->after.tv_sec != y->after.tv_sec)
		return x->after.tv_sec < y->after.tv_sec ? -1 : 1;
	return x->after.tv_nsec < y->after.tv_nsec ? -1 : x->after.tv_nsec > y->after.tv_nsec;
}

static bool parse(const char *line, struct isle_touched_object *ret)
{
	int64_t before, after;

	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu32 " %" SCNd64 " %" SCNu32, &ret->dev, &ret->ino,
		   &before, &ret->before.tv_nsec, &after, &ret->after.tv_nsec) != 6)
		return false;
	ret->before.tv_sec = before;
	ret->after.tv_sec = after;
	return true;
}

int isle_touched_read(const struct isle *isle, struct isle_touched *ret_touched)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	struct isle_touched touched = {0};
	char *rest, *line;
	size_t room = 0;
	int r = isle_read_file(isle->dir, "touched", &text, TOUCHED_LIMIT);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (rest = text.data; rest && (line = strsep(&rest, "\n"));) {
		struct isle_touched_object object;

		if (!parse(line, &object))
			continue;
		if (touched.count == room) {
			struct isle_touched_object *list;

			room = room ? room * 2 : 64;
			list = reallocarray(touched.list, room, sizeof(*list));
			if (!list) {
				isle_touched_done(&touched);
				return -ENOMEM;
			}
			touched.list = list;
		}
		touched.list[touched.count++] = object;
	}
	if (touched.count > 1)
		qsort(touched.list, touched.count, sizeof(*touched.list), compare);
	*ret_touched = touched;
	return 0;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

const struct statx_timestamp *isle_touched_ctime(const struct isle_touched *touched, const struct isle_stat *st)
{
	const struct isle_touched_object key = {.ino = st->ino, .after = st->ctime}, *found;

	if (!touched || touched->count == 0)
		return &st->ctime;
	found = bsearch(&key, touched->list, touched->count, sizeof(key), compare);
	return found ? &found->before : &st->ctime;
}

bool isle_touched_excuses(const struct isle_touched *touched, const struct isle_change *change)
{
	if (change->before.mode == 0 || (change->moved != ISLE_MOVED_CHANGED && change->moved != ISLE_MOVED_METADATA))
		return false;
	return !isle_time_after(isle_touched_ctime(touched, &change->before), &change->base);
}

static bool stands(const struct isle_stat *then, const struct isle_stat *now)
{
	if (!isle_same_object(then, now) || then->mode != now->mode || then->uid != now->uid || then->gid != now->gid)
		return false;
	return S_ISDIR(then->mode) || (then->size == now->size && same_time(&then->mtime, &now->mtime));
}

static const char *object_key(uint64_t dev, uint64_t ino, char key[48])
{
	snprintf(key, 48, "%" PRIu64 " %" PRIu64, dev, ino);
	return key;
}

static void add_line(struct isle_buf *text, const struct isle_touched *known, const struct isle_stat *then,
		     const struct isle_stat *now)
{
	const struct statx_timestamp *before = isle_touched_ctime(known, then);

	isle_buf_addf(text, "%" PRIu64 " %" PRIu64 " %lld %u %lld %u\n", now->dev, now->ino, (long long)before->tv_sec,
		      before->tv_nsec, (long long)now->ctime.tv_sec, now->ctime.tv_nsec);
}

static void add_known(struct isle_buf *text, const struct isle_touched_object *object)
{
	isle_buf_addf(text, "%" PRIu64 " %" PRIu64 " %lld %u %lld %u\n", object->dev, object->ino,
		      (long long)object->before.tv_sec, object->before.tv_nsec, (long long)object->after.tv_sec,
		      object->after.tv_nsec);
}

/* What is to be written: text, and which objects it has. */
struct notes {
	struct isle_touched known;
	struct isle_buf text;
	struct isle_map ours;
};

static void notes_done(struct notes *notes)
{
	isle_touched_done(&notes->known);
	isle_buf_done(&notes->text);
	isle_map_done(&notes->ours);
}
#define auto_notes __attribute__((cleanup(notes_done)))

static int note(struct notes *notes, const struct isle_stat *then, const struct isle_stat *now)
{
	char key[48];

	if (!stands(then, now) || same_time(&then->ctime, &now->ctime) ||
	    isle_map_get(&notes->ours, object_key(now->dev, now->ino, key)))
		return 0;
	add_line(&notes->text, &notes->known, then, now);
	return isle_map_set(&notes->ours, key, notes);
}

/* What got a further name, or had one for a while. */
static int note_linked(struct isle_transaction *tx, struct notes *notes)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_spot from;
		struct isle_stat now;

		if (action->linked && isle_spot_host(tx, action->from, &from) >= 0 &&
		    isle_look(from.dir, from.name, &now) > 0)
			r = note(notes, action->linked, &now);
	}
	return r;
}

static int save(const struct isle *isle, struct notes *notes)
{
	char key[48];
	size_t i;

	for (i = 0; i < notes->known.count; i++) {
		const struct isle_touched_object *object = &notes->known.list[i];

		if (!isle_map_get(&notes->ours, object_key(object->dev, object->ino, key)))
			add_known(&notes->text, object);
	}
	if (isle_buf_error(&notes->text) < 0)
		return isle_buf_error(&notes->text);
	return notes->ours.count == 0 ? 0 : isle_replace_file(isle->dir, "touched", notes->text.data, notes->text.size);
}

int isle_touched_note(struct isle_transaction *tx)
{
	auto_notes struct notes notes = {0};
	size_t i;
	int r;

	if (!tx->isle)
		return 0;
	r = isle_touched_read(tx->isle, &notes.known);
	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_spot target;
		struct isle_stat now;

		if (action->old.mode == 0 || action->kind >= ISLE_ACTION_DROP ||
		    isle_spot_target(tx, action, &target) < 0 || isle_look(target.dir, target.name, &now) <= 0)
			continue;
		r = note(&notes, &action->old, &now);
	}
	if (r >= 0)
		r = note_linked(tx, &notes);
	return r < 0 ? r : save(tx->isle, &notes);
}

void isle_touched_parents_done(struct isle_touched_parents *parents)
{
	size_t i;

	for (i = 0; i < parents->states.room; i++)
		if (parents->states.slots[i].key)
			free(parents->states.slots[i].value);
	isle_map_done(&parents->states);
}

/* The directories that hold the host objects of the plan, one after the other; actions in one directory mostly follow
 * each other. */
struct parent_walk {
	size_t next;
	const char *last;
	size_t length;
};

/* 1 and the state, 0 at the end. What is not there is passed over. */
static int next_parent(struct isle_transaction *tx, struct parent_walk *walk, struct isle_stat *ret_state)
{
	while (walk->next < tx->plan->action_count) {
		const struct isle_action *action = &tx->plan->actions[walk->next++];
		const char *slash = strrchr(action->path, '/');
		size_t length = slash ? (size_t)(slash - action->path) : 0;
		auto_free char *dir = NULL;
		struct isle_spot spot;

		if (length == 0 || action->kind >= ISLE_ACTION_DROP ||
		    (walk->last && walk->length == length && memcmp(walk->last, action->path, length) == 0))
			continue;
		walk->last = action->path;
		walk->length = length;
		dir = strndup(action->path, length);
		if (!dir)
			return -ENOMEM;
		if (isle_spot_host(tx, dir, &spot) >= 0 && isle_look(spot.dir, spot.name, ret_state) > 0)
			return 1;
	}
	return 0;
}

int isle_touched_before(struct isle_transaction *tx, struct isle_touched_parents *parents)
{
	struct parent_walk walk = {0};
	struct isle_stat now;
	int r = 0;

	if (!tx->isle || tx->plan->kind == ISLE_OPERATION_DISCARD ||
	    (tx->plan->whole && tx->plan->kind == ISLE_OPERATION_COMMIT))
		return 0;
	while (r >= 0 && (r = next_parent(tx, &walk, &now)) > 0) {
		auto_free struct isle_stat *state = NULL;
		char key[48];

		if (isle_map_get(&parents->states, object_key(now.dev, now.ino, key)))
			continue;
		state = calloc(1, sizeof(*state));
		if (!state)
			return -ENOMEM;
		*state = now;
		r = isle_map_set(&parents->states, key, state);
		if (r >= 0)
			ptr_take(&state);
	}
	return r;
}

/* What was renamed has another change time, too. */
static int note_renamed(struct isle_transaction *tx, struct notes *notes)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_spot target;
		struct isle_stat now;

		if (action->kind == ISLE_ACTION_PLACE && isle_spot_target(tx, action, &target) >= 0 &&
		    isle_look(target.dir, target.name, &now) > 0)
			r = note(notes, &tx->plan->actions[action->pair].old, &now);
	}
	return r;
}

int isle_touched_after(struct isle_transaction *tx, const struct isle_touched_parents *parents)
{
	auto_notes struct notes notes = {0};
	struct parent_walk walk = {0};
	struct isle_stat now;
	int r;

	if (parents->states.count == 0)
		return 0;
	r = isle_touched_read(tx->isle, &notes.known);
	while (r >= 0 && (r = next_parent(tx, &walk, &now)) > 0) {
		char key[48];
		const struct isle_stat *then = isle_map_get(&parents->states, object_key(now.dev, now.ino, key));

		if (then)
			r = note(&notes, then, &now);
	}
	if (r >= 0)
		r = note_renamed(tx, &notes);
	if (r >= 0)
		r = note_linked(tx, &notes);
	return r < 0 ? r : save(tx->isle, &notes);
}

/* The file at the action's place, from which the isle goes on. */
static int note_kept(struct isle_transaction *tx, struct notes *notes, const struct isle_action *action)
{
	struct isle_spot target;
	struct isle_stat now;
	char key[48];
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = isle_look(target.dir, target.name, &now);
	if (r <= 0)
		return r;
	add_line(&notes->text, &notes->known, &action->old, &now);
	return isle_map_set(&notes->ours, object_key(now.dev, now.ino, key), notes);
}

int isle_touched_kept(struct isle_transaction *tx)
{
	auto_notes struct notes notes = {0};
	const struct isle *isle = tx->isle;
	bool read = false;
	size_t i;
	int r = 0;

	for (i = 0; isle && i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];

		if (!(action->flags & ISLE_ACTION_KEEP))
			continue;
		if (!read)
			r = isle_touched_read(isle, &notes.known);
		read = true;
		if (r >= 0)
			r = note_kept(tx, &notes, action);
	}
	return r < 0 || !read ? r : save(isle, &notes);
}

void isle_touched_adopt(const struct isle_touched *touched, struct isle_changes *changes)
{
	size_t i;

	for (i = 0; touched->count > 0 && i < changes->count; i++) {
		struct isle_change *change = &changes->list[i];

		if (change->moved != ISLE_MOVED_CREATED || !S_ISREG(change->before.mode) ||
		    isle_time_after(isle_touched_ctime(touched, &change->before), &change->base))
			continue;
		change->moved = ISLE_MOVED_NO;
		if (change->kind == ISLE_CREATE)
			change->kind = change->diff & ISLE_DIFF_CONTENT ? ISLE_MODIFY : ISLE_METADATA;
	}
}
