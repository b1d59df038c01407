/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each time that an operation touched an object:
 *
 *   INO AFTER WAS_INO BEFORE AWAY TAKEN ISLE
 *
 * The object INO has the change time AFTER because of us; before that it was WAS_INO with BEFORE. So lines make a
 * chain, from the change time that an object has now to older ones, as long as nobody else has changed it: whoever does
 * moves its change time on, to one that no line has. BEFORE is earlier than AFTER, so the chain ends.
 *
 *   AWAY   0, or from when on until AFTER the object was not at its place, or was another: an operation had taken it,
 *          and it was put back. Who looked in between has seen something else.
 *   TAKEN  until when nothing ran in the isle of that operation: what it has from before that it had already, or it was
 *          made of that by the operation (some hunks of a file).
 *   ISLE   the isle of that operation; or, where WAS_INO and BEFORE are 0, the one that put the object there, by a
 *          commit: to that isle the object is its own, whatever its age, and to all others it is new. Else "-".
 *
 * An object is told by INO and its change time, which tell objects apart well enough: device numbers can be others
 * after a restart. Lines never lead from one path to another: an object that a commit has renamed is the isle's own at
 * its new place, and one that is put back was away meanwhile.
 */
#include "touched.h"
#include "buf.h"
#include "clock.h"
#include "io.h"
#include "subtree.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TOUCHED_LIMIT = 1 << 28 };

void isle_touched_done(struct isle_touched *touched)
{
	free(touched->list);
	*touched = ISLE_TOUCHED_INIT;
}

static int compare(const void *a, const void *b)
{
	const struct isle_touched_line *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->after < y->after ? -1 : x->after > y->after;
}

static bool parse(const char *text, struct isle_touched_line *ret)
{
	*ret = (struct isle_touched_line){0};
	if (sscanf(text, "%" SCNu64 " %" SCNd64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %16s", &ret->ino,
		   &ret->after, &ret->was_ino, &ret->before, &ret->away, &ret->taken, ret->isle) != 7)
		return false;
	if (strcmp(ret->isle, "-") == 0)
		ret->isle[0] = '\0';
	return ret->before < ret->after;
}

int isle_touched_read(const struct isle_store *store, const struct isle *isle, struct isle_touched *ret_touched)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_touched struct isle_touched touched = ISLE_TOUCHED_INIT;
	char *rest, *line;
	size_t room = 0;
	int r = isle_read_file(isle_store_fd(store), "touched", &text, TOUCHED_LIMIT);

	if (r < 0 && r != -ENOENT)
		return r;
	for (rest = text.data; rest && (line = strsep(&rest, "\n"));) {
		struct isle_touched_line one;

		if (!parse(line, &one))
			continue;
		if (touched.count == room) {
			struct isle_touched_line *list;

			room = room ? room * 2 : 64;
			list = reallocarray(touched.list, room, sizeof(*list));
			if (!list)
				return -ENOMEM;
			touched.list = list;
		}
		touched.list[touched.count++] = one;
	}
	if (touched.count > 1)
		qsort(touched.list, touched.count, sizeof(*touched.list), compare);
	if (isle)
		memcpy(touched.isle, isle->id, sizeof(touched.isle));
	*ret_touched = touched;
	touched = ISLE_TOUCHED_INIT;
	return 0;
}

int isle_touched_write(const struct isle_store *store, struct isle_touched_line *list, size_t count)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	size_t i;

	if (count > 1)
		qsort(list, count, sizeof(*list), compare);
	for (i = 0; i < count; i++) {
		const struct isle_touched_line *one = &list[i];

		if (i > 0 && compare(one - 1, one) == 0)
			continue;
		isle_buf_addf(&text, "%" PRIu64 " %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n",
			      one->ino, one->after, one->was_ino, one->before, one->away, one->taken,
			      one->isle[0] ? one->isle : "-");
	}
	if (isle_buf_error(&text) < 0)
		return isle_buf_error(&text);
	return isle_replace_file(isle_store_fd(store), "touched", text.data ? text.data : "", text.size);
}

int isle_touched_forget(const struct isle_store *store, int64_t limit)
{
	auto_touched struct isle_touched touched = ISLE_TOUCHED_INIT;
	size_t i, kept = 0;
	int r = isle_touched_read(store, NULL, &touched);

	if (r < 0)
		return r;
	for (i = 0; i < touched.count; i++)
		if (touched.list[i].after >= limit)
			touched.list[kept++] = touched.list[i];
	return kept == touched.count ? 0 : isle_touched_write(store, touched.list, kept);
}

static const struct isle_touched_line *find(const struct isle_touched *touched, uint64_t ino, int64_t ctime)
{
	const struct isle_touched_line key = {.ino = ino, .after = ctime};

	if (!touched || touched->count == 0)
		return NULL;
	return bsearch(&key, touched->list, touched->count, sizeof(key), compare);
}

/* True if the line says whose the object is, and not what it was before. */
static bool is_own(const struct isle_touched_line *line)
{
	return line->was_ino == 0;
}

/* True if the object was not there at a time that is after `limit`, for what the isle has from then. */
static bool was_away(const struct isle_touched *touched, const struct isle_touched_line *line, int64_t limit)
{
	bool ours = line->isle[0] && strcmp(line->isle, touched->isle) == 0;

	return line->away != 0 && (ours ? line->taken : line->away) <= limit;
}

bool isle_touched_later(const struct isle_touched *touched, const struct isle_stat *st,
			const struct statx_timestamp *limit_time)
{
	int64_t limit, ctime = isle_time_ns(&st->ctime);
	uint64_t ino = st->ino;

	if (!isle_time_after(&st->ctime, limit_time))
		return false;
	limit = isle_time_ns(limit_time);
	while (ctime > limit) {
		const struct isle_touched_line *line = find(touched, ino, ctime);

		if (!line || was_away(touched, line, limit))
			return true;
		if (is_own(line))
			return strcmp(line->isle, touched->isle) != 0;
		ino = line->was_ino;
		ctime = line->before;
	}
	return false;
}

bool isle_touched_was(const struct isle_touched *touched, const struct isle_stat *now, uint64_t ino, int64_t ctime)
{
	struct isle_touched_line at = {.was_ino = now->ino, .before = isle_time_ns(&now->ctime)};
	const struct isle_touched_line *line = &at;

	while (line && !is_own(line) && (line->was_ino != ino || line->before != ctime))
		line = find(touched, line->was_ino, line->before);
	return line && !is_own(line);
}

bool isle_touched_is(const struct isle_touched *touched, const struct isle_stat *now, uint64_t ino)
{
	struct isle_touched_line at = {.was_ino = now->ino, .before = isle_time_ns(&now->ctime)};
	const struct isle_touched_line *line = &at;

	while (line && !is_own(line) && line->was_ino != ino)
		line = find(touched, line->was_ino, line->before);
	return line && !is_own(line);
}

int64_t isle_touched_own(const struct isle_touched *touched, const struct isle_stat *st)
{
	const struct isle_touched_line *line = find(touched, st->ino, isle_time_ns(&st->ctime));

	while (line && !is_own(line))
		line = find(touched, line->was_ino, line->before);
	return line && strcmp(line->isle, touched->isle) == 0 ? line->after : 0;
}

/* A directory that goes, or that something else takes the place of: with all that is in it. */
static bool is_quiet(const struct isle_touched *touched, const struct isle *isle, const struct isle_layers *layers,
		     const struct isle_change *change)
{
	auto_free char *inside = NULL;
	const char *name;
	auto_fd int dir = isle_change_at(isle, layers, change, ISLE_BEFORE, &name);

	return dir >= 0 && isle_subtree_quiet(dir, name, &change->base, touched, &inside) > 0;
}

/* What a commit has put on the host at a path is not in the layer any more. So this is a copy that an ordinary user's
 * layer has of another name of the file, from before: not what the host has. */
static bool is_stale_copy(const struct isle_touched *touched, const struct isle_layers *layers,
			  const struct isle_change *change)
{
	return layers->list[change->layer].user && S_ISREG(change->before.mode) && change->before.nlink > 1 &&
	       isle_touched_own(touched, &change->before) > isle_time_ns(&change->base);
}

static void settle(const struct isle_touched *touched, const struct isle *isle, const struct isle_layers *layers,
		   struct isle_change *change)
{
	bool created = change->moved == ISLE_MOVED_CREATED;

	if (created && !S_ISREG(change->before.mode))
		return;
	if (change->before.mode == 0 || isle_touched_later(touched, &change->before, &change->base))
		return;
	if (change->moved == ISLE_MOVED_CHANGED && S_ISDIR(change->before.mode) &&
	    !is_quiet(touched, isle, layers, change))
		return;
	if (is_stale_copy(touched, layers, change))
		return;
	change->moved = ISLE_MOVED_NO;
	if (created && change->kind == ISLE_CREATE)
		change->kind = change->diff & ISLE_DIFF_CONTENT ? ISLE_MODIFY : ISLE_METADATA;
}

/* In an ordinary user's layer a new file that was copied from the host's passes for one that the host has lost when
 * names have gone from its directory since (rename.c). Those may be ours. */
static void settle_lost(const struct isle_touched *touched, const struct isle *isle, const struct isle_layers *layers,
			struct isle_change *change)
{
	const char *name;
	struct isle_stat st;

	if (change->kind != ISLE_MODIFY || change->before.mode != 0 || !layers->list[change->layer].user)
		return;
	auto_fd int dir = isle_change_at(isle, layers, change, ISLE_BEFORE, &name);
	if (dir < 0 || isle_look(dir, "", &st) <= 0 || isle_touched_later(touched, &st, &change->base))
		return;
	change->kind = ISLE_CREATE;
	change->diff = 0;
	change->moved = ISLE_MOVED_NO;
}

int isle_touched_settle(const struct isle_store *store, const struct isle *isle, const struct isle_layers *layers,
			struct isle_changes *changes, struct isle_err *err)
{
	auto_touched struct isle_touched touched = ISLE_TOUCHED_INIT;
	bool read = false;
	size_t i;

	for (i = 0; i < changes->count; i++) {
		enum isle_moved moved = changes->list[i].moved;
		int r = 0;

		if (moved == ISLE_MOVED_NO)
			continue;
		if (!read)
			r = isle_touched_read(store, isle, &touched);
		if (r < 0)
			return isle_err_errno(err, r, "cannot read what earlier operations touched");
		read = true;
		if (moved == ISLE_MOVED_DELETED)
			settle_lost(&touched, isle, layers, &changes->list[i]);
		else
			settle(&touched, isle, layers, &changes->list[i]);
	}
	return 0;
}
