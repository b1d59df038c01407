/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each object: DEV INO BEFORE_S BEFORE_NS AFTER_S AFTER_NS. An object that was touched twice keeps its
 * first BEFORE. A line holds only as long as the object's ctime is AFTER: whoever changes it later moves that on.
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

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
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

/* The ctime that the object had before we touched it, or has if we did not. */
static const struct statx_timestamp *true_ctime(const struct isle_touched *touched, const struct isle_stat *st)
{
	const struct isle_touched_object key = {.dev = st->dev, .ino = st->ino}, *found;

	if (touched->count == 0)
		return &st->ctime;
	found = bsearch(&key, touched->list, touched->count, sizeof(key), compare);
	return found && same_time(&found->after, &st->ctime) ? &found->before : &st->ctime;
}

bool isle_touched_excuses(const struct isle_touched *touched, const struct isle_change *change)
{
	if (change->before.mode == 0 || (change->moved != ISLE_MOVED_CHANGED && change->moved != ISLE_MOVED_METADATA))
		return false;
	return !isle_time_after(true_ctime(touched, &change->before), &change->base);
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
	const struct statx_timestamp *before = true_ctime(known, then);

	isle_buf_addf(text, "%" PRIu64 " %" PRIu64 " %lld %u %lld %u\n", now->dev, now->ino, (long long)before->tv_sec,
		      before->tv_nsec, (long long)now->ctime.tv_sec, now->ctime.tv_nsec);
}

static void add_known(struct isle_buf *text, const struct isle_touched_object *object)
{
	isle_buf_addf(text, "%" PRIu64 " %" PRIu64 " %lld %u %lld %u\n", object->dev, object->ino,
		      (long long)object->before.tv_sec, object->before.tv_nsec, (long long)object->after.tv_sec,
		      object->after.tv_nsec);
}

void isle_touched_note(struct isle_transaction *tx)
{
	auto_touched struct isle_touched known = {0};
	auto_map struct isle_map ours = ISLE_MAP_INIT;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char key[48];
	size_t i;
	int r;

	if (!tx->isle || isle_touched_read(tx->isle, &known) < 0)
		return;
	for (i = 0; i < tx->plan->action_count; i++) {
		const struct isle_action *action = &tx->plan->actions[i];
		struct isle_spot target;
		struct isle_stat now;

		if (action->old.mode == 0 || action->kind >= ISLE_ACTION_DROP ||
		    isle_spot_target(tx, action, &target) < 0 || isle_look(target.dir, target.name, &now) <= 0)
			continue;
		if (!stands(&action->old, &now) || same_time(&action->old.ctime, &now.ctime) ||
		    isle_map_get(&ours, object_key(now.dev, now.ino, key)))
			continue;
		add_line(&text, &known, &action->old, &now);
		if (isle_map_set(&ours, key, tx) < 0)
			return;
	}
	for (i = 0; i < known.count; i++)
		if (!isle_map_get(&ours, object_key(known.list[i].dev, known.list[i].ino, key)))
			add_known(&text, &known.list[i]);
	if (text.size == 0 || isle_buf_error(&text) < 0)
		return;
	r = isle_replace_file(tx->isle->dir, "touched", text.data, text.size);
	(void)r;
}
