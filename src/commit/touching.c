/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operation leaves in the list of touched.h:
 *
 *   - what a commit of a part of an isle put on the host or changed there: the isle's own from now on. After a commit
 *     of all the isle has nothing left that is older than what it does next, so nothing is noted;
 *   - what an undo put back: it was away since the operation that is undone, and before that as it is in that plan;
 *   - directories in which names came or went, files that got or lost a name: there all the time.
 *
 * Only what is as it was but for its change time is noted as such: somebody may have come in between.
 */
#include "touching.h"
#include "clock.h"
#include "select.h"
#include "subtree.h"
#include "touched.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct notes {
	struct isle_touched list;
	size_t room, known; /* of the list; how many were there before */
	struct isle_map ours;
};

static void notes_done(struct notes *notes)
{
	isle_touched_done(&notes->list);
	isle_map_done(&notes->ours);
}
#define auto_notes __attribute__((cleanup(notes_done)))

void isle_touching_free(struct isle_map *states)
{
	size_t i;

	for (i = 0; i < states->room; i++)
		if (states->slots[i].key)
			free(states->slots[i].value);
	isle_map_done(states);
}

static int begin(struct isle_transaction *tx, struct notes *notes)
{
	int r = isle_touched_read(tx->store, NULL, &notes->list);

	notes->room = notes->known = notes->list.count;
	return r;
}

static int end(struct isle_transaction *tx, struct notes *notes)
{
	if (notes->list.count == notes->known)
		return 0;
	return isle_touched_write(tx->store, notes->list.list, notes->list.count);
}

/* An object is noted once, as the first says. */
static int add(struct notes *notes, const struct isle_stat *now, const struct isle_touched_line *line)
{
	char key[48];

	if (isle_map_get(&notes->ours, isle_object_key(now, key)))
		return 0;
	if (notes->list.count == notes->room) {
		size_t room = notes->room ? notes->room * 2 : 64;
		struct isle_touched_line *list = reallocarray(notes->list.list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		notes->list.list = list;
		notes->room = room;
	}
	notes->list.list[notes->list.count++] = *line;
	return isle_map_set(&notes->ours, key, notes);
}

static int add_own(struct isle_transaction *tx, struct notes *notes, const struct isle_stat *now)
{
	struct isle_touched_line line = {.ino = now->ino, .after = isle_time_ns(&now->ctime)};

	memcpy(line.isle, tx->plan->isle_id, sizeof(line.isle));
	return add(notes, now, &line);
}

static bool stands(const struct isle_stat *then, const struct isle_stat *now)
{
	if (then->mode != now->mode || then->uid != now->uid || then->gid != now->gid)
		return false;
	return S_ISDIR(then->mode) ||
	       (then->size == now->size && isle_time_ns(&then->mtime) == isle_time_ns(&now->mtime));
}

/* by: the operation that had taken it, which was done then; NULL: it was there all the time. */
static int add_back(struct notes *notes, const struct isle_stat *then, const struct isle_stat *now,
		    const struct isle_plan *by, int64_t taken)
{
	struct isle_touched_line line = {.ino = now->ino,
					 .after = isle_time_ns(&now->ctime),
					 .was_ino = then->ino,
					 .before = isle_time_ns(&then->ctime),
					 .away = by ? by->stamp : 0,
					 .taken = taken};

	if (by)
		memcpy(line.isle, by->isle_id, sizeof(line.isle));
	return stands(then, now) && line.before < line.after ? add(notes, now, &line) : 0;
}

/* 1 and the object that is at the action's place. */
static int look_at_target(struct isle_transaction *tx, const struct isle_action *action, struct isle_stat *ret_now)
{
	struct isle_spot target;
	int r;

	if (action->kind >= ISLE_ACTION_DROP)
		return 0;
	r = isle_spot_target(tx, action, &target);
	return r < 0 ? 0 : isle_look(target.dir, target.name, ret_now) > 0;
}

/* --- what is there all the time --- */

/* Paths of what an action changes the names of: the directory that it is in, and a file that it is a further name of.
 * Actions in one directory mostly follow each other. */
struct walk {
	size_t next;
	bool linked; /* the file of action `next` is to come */
	const char *last;
	size_t length;
};

static bool same_directory(const struct walk *walk, const char *path, size_t length)
{
	return walk->last && walk->length == length && memcmp(walk->last, path, length) == 0;
}

/* The next path (heap), or NULL at the end or in want of memory. */
static char *next_path(const struct isle_plan *plan, struct walk *walk)
{
	while (walk->next < plan->action_count) {
		const struct isle_action *action = &plan->actions[walk->next];
		const char *slash = strrchr(action->path, '/');
		size_t length = slash ? (size_t)(slash - action->path) : 0;
		bool linked = walk->linked;

		walk->linked = !linked;
		if (linked) {
			walk->next++;
			if (action->from &&
			    (action->prepare == ISLE_PREPARE_HOST || action->kind == ISLE_ACTION_REMOVE))
				return strdup(action->from);
			continue;
		}
		if (length == 0 || action->kind >= ISLE_ACTION_DROP || same_directory(walk, action->path, length))
			continue;
		walk->last = action->path;
		walk->length = length;
		return strndup(action->path, length);
	}
	return NULL;
}

/* 1 and the state, 0 at the end. What is not there is passed over. */
static int next_state(struct isle_transaction *tx, struct walk *walk, struct isle_stat *ret_state)
{
	for (;;) {
		auto_free char *path = next_path(tx->plan, walk);
		struct isle_spot spot;

		if (!path)
			return walk->next < tx->plan->action_count ? -ENOMEM : 0;
		if (isle_spot_host(tx, path, &spot) >= 0 && isle_look(spot.dir, spot.name, ret_state) > 0)
			return 1;
	}
}

int isle_touching_begin(struct isle_transaction *tx)
{
	struct walk walk = {0};
	struct isle_stat now;
	int r = 0;

	if (tx->plan->kind == ISLE_OPERATION_DISCARD)
		return 0;
	while (r >= 0 && (r = next_state(tx, &walk, &now)) > 0) {
		auto_free struct isle_stat *state = NULL;
		char key[48];

		if (isle_map_get(&tx->touching, isle_object_key(&now, key)))
			continue;
		state = malloc(sizeof(*state));
		if (!state)
			return -ENOMEM;
		*state = now;
		r = isle_map_set(&tx->touching, key, state);
		if (r >= 0)
			ptr_take(&state);
	}
	return r;
}

static int note_names(struct isle_transaction *tx, struct notes *notes)
{
	struct walk walk = {0};
	struct isle_stat now;
	int r = 0;

	if (tx->touching.count == 0)
		return 0;
	while (r >= 0 && (r = next_state(tx, &walk, &now)) > 0) {
		char key[48];
		const struct isle_stat *then = isle_map_get(&tx->touching, isle_object_key(&now, key));

		if (then)
			r = add_back(notes, then, &now, NULL, 0);
	}
	return r;
}

/* A file that got a further name, or had one for a while; recovery knows it from the plan. */
static int note_linked(struct isle_transaction *tx, struct notes *notes, const struct isle_action *action)
{
	struct isle_spot from;
	struct isle_stat now;

	if (!action->linked || isle_spot_host(tx, action->from, &from) < 0 ||
	    isle_look(from.dir, from.name, &now) <= 0 || !isle_same_object(&now, action->linked))
		return 0;
	return add_back(notes, action->linked, &now, NULL, 0);
}

/* One of the names of a file went, or is another file's: the others stay. */
static int note_unlinked(struct isle_transaction *tx, struct notes *notes, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	bool took = action->kind == ISLE_ACTION_REMOVE || action->kind == ISLE_ACTION_EXCHANGE;
	struct isle_spot parked;
	struct isle_stat now;

	if (!took || !isle_stat_is_linked(&action->old) || isle_spot_parking(tx, i, &parked) < 0 ||
	    isle_look(parked.dir, parked.name, &now) <= 0 || !isle_same_object(&now, &action->old))
		return 0;
	return add_back(notes, &action->old, &now, NULL, 0);
}

/* --- what is put there, and put back --- */

/* The object is what the plan says; its times can be others only where the plan sets them. */
static bool is_made(const struct isle_action *action, const struct isle_stat *now)
{
	bool in_place = action->kind == ISLE_ACTION_META || action->kind == ISLE_ACTION_WRITE;

	if (in_place)
		return (action->flags & ISLE_ACTION_HIDDEN) || isle_same_object(now, &action->old);
	if (!isle_same_object(now, &action->new) || !S_ISREG(now->mode) || action->kind == ISLE_ACTION_PLACE)
		return isle_same_object(now, &action->new);
	return now->size == action->new.size &&isle_time_ns(&now->mtime) == isle_time_ns(&action->new.mtime);
}

static int note_made(struct isle_transaction *tx, struct notes *notes)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_stat now;

		if (action->kind != ISLE_ACTION_REMOVE && action->kind != ISLE_ACTION_TAKE &&
		    look_at_target(tx, action, &now) > 0 && is_made(action, &now))
			r = add_own(tx, notes, &now);
	}
	return r;
}

/* The actions of a plan by what they took: by number, and by path where a copy of it comes back. */
static int index_taken(const struct isle_plan *plan, struct isle_map *taken)
{
	size_t i;
	int r = 0;

	for (i = 0; i < plan->action_count && r >= 0; i++) {
		struct isle_action *action = &plan->actions[i];
		char key[48];

		if (action->old.mode == 0 || action->kind >= ISLE_ACTION_DROP)
			continue;
		r = isle_map_set(taken, isle_object_key(&action->old, key), action);
		if (r >= 0 && (action->flags & ISLE_ACTION_CROSS))
			r = isle_map_set(taken, action->path, action);
	}
	return r;
}

/* Until when all that the isle has was made by the operation or before it: for good, if nothing has run in the isle
 * since; a run makes and removes live.sock. */
static int64_t known_until(struct isle_transaction *tx, const struct isle_plan *old, int64_t done)
{
	char path[sizeof("isles/") + sizeof(old->isle_id)];
	int64_t now = isle_now(); /* before the look */
	struct isle_stat st;

	snprintf(path, sizeof(path), "isles/%s", old->isle_id);
	if (!old->isle_id[0] || isle_look(isle_store_fd(tx->store), path, &st) <= 0 || isle_time_ns(&st.mtime) > done)
		return done;
	return now;
}

static int note_restored(struct isle_transaction *tx, struct notes *notes)
{
	auto_plan struct isle_plan old = ISLE_PLAN_INIT;
	auto_map struct isle_map taken = ISLE_MAP_INIT;
	int64_t done = 0;
	size_t i;
	int r = isle_operation_load(tx->store, tx->plan->target, &old, &done, NULL);

	if (r >= 0)
		r = index_taken(&old, &taken);
	if (r >= 0)
		done = known_until(tx, &old, done);
	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		const struct isle_action *was;
		struct isle_stat now;
		char key[48];

		if (action->kind == ISLE_ACTION_REMOVE || action->kind == ISLE_ACTION_TAKE ||
		    look_at_target(tx, action, &now) <= 0)
			continue;
		was = isle_map_get(&taken, isle_object_key(&now, key));
		if (!was && (action->flags & ISLE_ACTION_CROSS))
			was = isle_map_get(&taken, action->path);
		if (was)
			r = add_back(notes, &was->old, &now, &old, done);
	}
	return r;
}

int isle_touching_done(struct isle_transaction *tx)
{
	auto_notes struct notes notes = {0};
	size_t i;
	int r;

	if (tx->plan->kind == ISLE_OPERATION_DISCARD)
		return 0;
	r = begin(tx, &notes);
	if (r >= 0 && tx->plan->kind == ISLE_OPERATION_COMMIT && !tx->plan->whole)
		r = note_made(tx, &notes);
	if (r >= 0 && tx->plan->kind == ISLE_OPERATION_UNDO)
		r = note_restored(tx, &notes);
	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		r = note_linked(tx, &notes, &tx->plan->actions[i]);
		if (r >= 0)
			r = note_unlinked(tx, &notes, i);
	}
	for (i = 0; i < tx->let_go_count && r >= 0; i++)
		r = add_back(&notes, &tx->let_go[i].then, &tx->let_go[i].now, NULL, 0);
	if (r >= 0)
		r = note_names(tx, &notes);
	return r < 0 ? r : end(tx, &notes);
}

int isle_touching_back(struct isle_transaction *tx)
{
	auto_notes struct notes notes = {0};
	size_t i;
	int r = begin(tx, &notes);

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_stat now;

		if (action->old.mode != 0 && look_at_target(tx, action, &now) > 0 &&
		    isle_same_object(&now, &action->old))
			r = add_back(&notes, &action->old, &now, tx->plan, tx->plan->stamp);
		if (r >= 0)
			r = note_linked(tx, &notes, action);
	}
	if (r >= 0)
		r = note_names(tx, &notes);
	return r < 0 ? r : end(tx, &notes);
}
