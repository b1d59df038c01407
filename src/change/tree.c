/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole trees: new ones (the upper directory alone), deleted ones and renamed ones (the host alone).
 *
 * They are one change, and what is in them is counted into it; with ISLE_SCAN_ALL each object is a change, too. A tree
 * of the host is never followed into another file system: what is mounted there is not the isle's to delete. The
 * youngest change time in a deleted tree tells whether the host went on working in it.
 */
#include "digest.h"
#include "kernel.h"
#include "path.h"
#include "scan_internal.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

static uint64_t device(const struct statx *st)
{
	return (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
}

static int vanished(int r)
{
	return isle_is_gone(r) || r == -EACCES ? 0 : r;
}

static void count(struct isle_sums *sums, const struct statx *st)
{
	sums->entries++;
	if (S_ISREG(st->stx_mode))
		sums->bytes += st->stx_size;
}

static void add_up(struct isle_sums *to, const struct isle_sums *sums)
{
	to->entries += sums->entries;
	to->bytes += sums->bytes;
	to->marks |= sums->marks;
	to->tree |= sums->tree;
	if (isle_later(&sums->newest, &to->newest))
		to->newest = sums->newest;
}

/* Of a directory, whose ctime says nothing. One that cannot be read is told as one that has none. */
static void see_attributes(struct isle_frame *frame, const char *name)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;

	if (isle_meta_read(frame->upper, name, &meta) < 0)
		return;
	for (size_t i = 0; i < meta.xattr_count; i++) {
		const struct isle_xattr *one = &meta.xattrs[i];

		isle_sha256_add(&frame->inside, one->name, strlen(one->name) + 1);
		isle_digest_number(&frame->inside, one->size);
		isle_sha256_add(&frame->inside, one->value, one->size);
	}
}

/* What tells this state of an object from every other that it was in: whatever is done to a file moves its ctime. Not
 * so the times of a directory, which looking at it may move; its names are seen one by one. */
static void see_inside(const struct isle_scan *scan, struct isle_frame *frame, const struct isle_seen *seen)
{
	const struct statx *st = &seen->st;
	bool directory = S_ISDIR(st->stx_mode);
	struct {
		uint64_t numbers[5];
		char name[NAME_MAX + 1];
	} all; /* handed over at once: this is done for each object of what may be a large tree */
	size_t length = strlen(seen->name);

	if (!(scan->flags & ISLE_SCAN_INSIDE) || length > NAME_MAX)
		return;
	all.numbers[0] = st->stx_ino;
	all.numbers[1] = (uint64_t)st->stx_uid << 32 | st->stx_mode;
	all.numbers[2] = (uint64_t)st->stx_gid << 32 | (directory ? 0 : st->stx_ctime.tv_nsec);
	all.numbers[3] = directory ? 0 : (uint64_t)st->stx_ctime.tv_sec;
	all.numbers[4] = directory ? 0 : st->stx_size;
	if (S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode)) /* which have no size */
		all.numbers[4] = (uint64_t)st->stx_rdev_major << 32 | st->stx_rdev_minor;
	memcpy(all.name, seen->name, length + 1);
	isle_sha256_add(&frame->inside, &all, sizeof(all.numbers) + length + 1);
	if (directory && !seen->notes.plain)
		see_attributes(frame, seen->name);
}

static void end_inside(const struct isle_scan *scan, struct isle_frame *frame, struct isle_change *change,
		       struct isle_frame *above)
{
	unsigned char digest[ISLE_SHA256_SIZE];

	if (frame->kind != ISLE_FRAME_NEW || !(scan->flags & ISLE_SCAN_INSIDE))
		return;
	isle_sha256_end(&frame->inside, digest);
	if (change)
		memcpy(change->inside, digest, sizeof(digest));
	if (above && above->kind == ISLE_FRAME_NEW)
		isle_sha256_add(&above->inside, digest, sizeof(digest));
}

void isle_scan_sum_up(struct isle_scan *scan, struct isle_frame *frame)
{
	struct isle_frame *above = scan->depth ? isle_scan_top(scan) : NULL;
	struct isle_change *change = frame->change >= 0 ? &scan->changes.list[frame->change] : NULL;

	if (frame->kind == ISLE_FRAME_MERGED || frame->kind == ISLE_FRAME_HIDES)
		return;
	end_inside(scan, frame, change, above);
	if (change) {
		change->entries += frame->sums.entries;
		change->bytes += frame->sums.bytes;
		change->marks |= frame->sums.marks;
		if (frame->kind == ISLE_FRAME_NEW)
			change->tree = frame->sums.tree | ISLE_TREE_SEEN;
		change->blind |= frame->kind == ISLE_FRAME_NEW && (frame->sums.tree & ISLE_TREE_UNSEEN) != 0;
	}
	if (change && frame->kind == ISLE_FRAME_GONE && isle_later(&frame->sums.newest, &frame->base))
		change->moved = ISLE_MOVED_CHANGED;
	if (above && above->kind == frame->kind)
		add_up(&above->sums, &frame->sums);
}

/* --- new --- */

static ssize_t add_inside(struct isle_scan *scan, enum isle_change_kind kind, const struct isle_seen *seen)
{
	ssize_t i;

	if (!(scan->flags & ISLE_SCAN_ALL))
		return ISLE_NO_CHANGE;
	i = isle_scan_add(scan, kind, seen);
	if (i >= 0)
		scan->infos[i].inside = true;
	return i;
}

static unsigned tree_of(const struct isle_seen *seen)
{
	const struct isle_upper *notes = &seen->notes;
	unsigned tree = 0;

	if (!notes->noted || notes->notes.count > 0)
		tree |= ISLE_TREE_NOTES;
	if (notes->metacopy || notes->redirect)
		tree |= ISLE_TREE_ELSEWHERE;
	if (!S_ISDIR(seen->st.stx_mode) && seen->st.stx_nlink > 1)
		tree |= ISLE_TREE_LINKS;
	return tree;
}

static int new_object(struct isle_scan *scan, const struct isle_seen *seen)
{
	struct isle_frame *frame = isle_scan_top(scan);
	struct isle_frame_options options = {.kind = ISLE_FRAME_NEW};
	auto_free char *target = NULL;
	ssize_t i;
	int r;

	frame->sums.tree |= tree_of(seen);
	if (S_ISDIR(seen->st.stx_mode)) {
		r = isle_scan_redirect(scan, &seen->notes, &target);
		if (r < 0)
			return r;
		if (target)
			return isle_scan_is_directory(scan, target) ? isle_scan_renamed(scan, seen, target)
								    : isle_scan_moved_away_from(scan, seen);
	}
	count(&frame->sums, &seen->st);
	see_inside(scan, frame, seen);
	frame->sums.marks |= isle_object_marks(scan, scan->path.data, seen);
	/* One whose data are still elsewhere must be known by itself. */
	if (seen->notes.metacopy)
		i = isle_scan_metacopy(scan, seen);
	else
		i = add_inside(scan, ISLE_CREATE, seen);
	if (i < ISLE_NO_CHANGE)
		return (int)i;
	options.change = i;
	return S_ISDIR(seen->st.stx_mode) ? isle_scan_push(scan, &options) : 0;
}

int isle_scan_new(struct isle_scan *scan, const char *name)
{
	struct isle_frame *frame = isle_scan_top(scan);
	struct isle_seen seen = {.name = name};
	int r = isle_statx(frame->upper, name, &seen.st);

	if (r < 0)
		return vanished(r);
	if (isle_is_whiteout(&seen.st)) {
		frame->sums.tree |= ISLE_TREE_NOTES;
		return 0;
	}
	seen.base = seen.st.stx_btime;
	r = isle_upper_read(frame->upper, name, isle_layer_xattr(scan->layer), &seen.st, 0, &seen.notes);
	if (r < 0)
		return r;
	r = new_object(scan, &seen);
	isle_upper_done(&seen.notes);
	return r;
}

/* --- deleted --- */

int isle_scan_delete(struct isle_scan *scan, const struct isle_seen *seen, const struct statx_timestamp *base,
		     bool by_whiteout)
{
	struct isle_frame_options options = {.kind = ISLE_FRAME_GONE, .base = *base};
	ssize_t i = isle_scan_add(scan, ISLE_DELETE, seen);

	if (i < 0)
		return (int)i;
	if (by_whiteout)
		scan->changes.list[i].upper = isle_layer_below(scan->layer, scan->changes.list[i].path);
	options.change = i;
	return S_ISDIR(seen->host.stx_mode) ? isle_scan_push(scan, &options) : 0;
}

/* A name of a file went with its directory: the file may have been moved out of it before, or have other names. */
static int add_gone(struct isle_scan *scan, const struct isle_seen *seen, ssize_t change)
{
	struct isle_stat st;

	if (scan->layer->user || S_ISDIR(seen->host.stx_mode))
		return 0;
	isle_stat_from(&seen->host, &st);
	return isle_gone_add(&scan->gone, scan->layer->number, scan->host.data, &st, change);
}

static int gone_inside(struct isle_scan *scan, const struct isle_seen *seen)
{
	struct isle_frame *frame = isle_scan_top(scan);
	struct isle_frame_options options = {.kind = ISLE_FRAME_GONE, .base = frame->base};
	ssize_t i;
	int r;

	count(&frame->sums, &seen->host);
	if (!S_ISDIR(seen->host.stx_mode))
		frame->sums.marks |= isle_path_marks(scan->path.data, seen->host.stx_mode) & ISLE_MARK_CREDENTIAL;
	if (isle_later(&seen->host.stx_ctime, &frame->sums.newest))
		frame->sums.newest = seen->host.stx_ctime;
	r = isle_scan_met(scan, seen);
	if (r < 0)
		return r;
	i = add_inside(scan, ISLE_DELETE, seen);
	if (i < ISLE_NO_CHANGE)
		return (int)i;
	r = add_gone(scan, seen, i);
	if (r < 0)
		return r;
	options.change = i;
	if (!S_ISDIR(seen->host.stx_mode) || device(&seen->host) != frame->host_dev)
		return 0;
	return isle_scan_push(scan, &options);
}

int isle_scan_gone(struct isle_scan *scan, const char *name)
{
	const struct isle_frame *frame = isle_scan_top(scan);
	struct isle_seen seen = {.name = name, .base = frame->base, .on_host = true};
	int r;

	if (isle_scan_moved_away(scan, scan->host.data))
		return 0;
	r = isle_statx(frame->host, name, &seen.host);
	if (r < 0)
		return vanished(r);
	if (frame->kind == ISLE_FRAME_GONE)
		return gone_inside(scan, &seen);
	/* Hidden by an opaque directory; a mount shows through in its own layer. */
	if (device(&seen.host) != frame->host_dev)
		return 0;
	r = isle_scan_met(scan, &seen);
	if (r < 0)
		return r;
	return isle_scan_delete(scan, &seen, &frame->base, false);
}

/* --- moved --- */

int isle_scan_moved(struct isle_scan *scan, const char *name)
{
	struct isle_frame *frame = isle_scan_top(scan);
	struct isle_frame_options options = {.kind = ISLE_FRAME_MOVED, .change = ISLE_NO_CHANGE};
	struct statx st;
	int r = isle_statx(frame->host, name, &st);

	if (r < 0)
		return vanished(r);
	if (scan->moved_budget == 0) {
		/* Too much to look at: say so by the mark rather than not at all. */
		frame->sums.marks |= ISLE_MARK_AUTOSTART;
		return 0;
	}
	scan->moved_budget--;
	/* What meant the same in the old place is no news. */
	if (!S_ISDIR(st.stx_mode))
		frame->sums.marks |= isle_path_marks(scan->path.data, st.stx_mode) &
				     ~isle_path_marks(scan->host.data, st.stx_mode);
	if (!S_ISDIR(st.stx_mode) || device(&st) != frame->host_dev)
		return 0;
	return isle_scan_push(scan, &options);
}
