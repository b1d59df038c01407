/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the layers of an isle to its changes.
 *
 * Each layer's upper directory is walked once, with a stack of frames instead of recursion: one frame for each
 * directory from the root to where we are. A frame reads all names of its directory first. The descriptors of
 * frames far up are closed ("asleep") and opened again by path on the way back, so that neither depth nor the limit of
 * open files matters.
 *
 * Two paths are kept for the present entry: `path` in the view, which is also its place in the upper directory, and
 * `host`, where the counterpart lies. They differ below a renamed directory.
 *
 * What a name below a renamed directory's old place means depends on the rename, which may be found later (moved.c). So
 * a scan that meets one starts over, knowing all of them (second_pass). Only root's isles have such renames.
 */
#include "kernel.h"
#include "path.h"
#include "scan_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { MOVED_BUDGET = 50000 };

/* --- changes --- */

static int make_room(struct isle_scan *scan)
{
	size_t room = scan->room ? scan->room * 2 : 64;
	struct isle_change *list;
	struct isle_candidate *infos;

	if (scan->changes.count < scan->room)
		return 0;
	list = reallocarray(scan->changes.list, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	scan->changes.list = list;
	infos = reallocarray(scan->infos, room, sizeof(*infos));
	if (!infos)
		return -ENOMEM;
	scan->infos = infos;
	scan->room = room;
	return 0;
}

static int set_paths(struct isle_scan *scan, struct isle_change *change)
{
	const char *path = scan->path.size ? scan->path.data : "/";
	const char *host = scan->host.size ? scan->host.data : "/";

	change->path = strdup(path);
	if (!change->path)
		return -ENOMEM;
	/* Moved out of a directory that was renamed, into one that was made at its place, it has its old path again. */
	if (change->kind == ISLE_RENAME || (change->kind != ISLE_CREATE && strcmp(path, host) != 0)) {
		change->from = strdup(host);
		if (!change->from)
			return -ENOMEM;
	}
	if (change->kind != ISLE_DELETE && scan->layer->kind != ISLE_LAYER_FILE)
		change->upper = isle_layer_below(scan->layer, change->path);
	return 0;
}

static int set_notes(struct isle_change *change, const struct isle_upper *notes)
{
	if (change->kind == ISLE_DELETE)
		return 0;
	change->noted = notes->noted;
	return isle_xattrs_copy(&notes->notes, &change->notes);
}

static unsigned deleted_marks(const char *path, uint32_t mode)
{
	return S_ISDIR(mode) ? 0 : isle_path_marks(path, mode) & ISLE_MARK_CREDENTIAL;
}

static void set_sides(struct isle_scan *scan, struct isle_change *change, const struct isle_seen *seen)
{
	change->base = seen->base;
	if (seen->on_host)
		isle_stat_from(&seen->host, &change->before);
	if (seen->on_host && isle_later(&seen->host.stx_ctime, &change->base))
		change->moved = S_ISDIR(seen->host.stx_mode) ? ISLE_MOVED_METADATA : ISLE_MOVED_CHANGED;
	if (change->kind == ISLE_DELETE) {
		change->marks = deleted_marks(change->path, seen->host.stx_mode);
		change->bytes = S_ISREG(seen->host.stx_mode) ? seen->host.stx_size : 0;
		return;
	}
	isle_stat_from(&seen->st, &change->after);
	change->metacopy = seen->notes.metacopy;
	change->bytes = S_ISREG(seen->st.stx_mode) ? seen->st.stx_size : 0;
	if (!S_ISDIR(seen->st.stx_mode) && (seen->notes.nlink ? seen->notes.nlink : seen->st.stx_nlink) > 1)
		change->link_group = seen->st.stx_ino;
	change->marks = isle_object_marks(scan, change->path, seen);
	if (S_ISDIR(seen->st.stx_mode) && (change->kind == ISLE_METADATA || change->kind == ISLE_RENAME))
		change->marks |= isle_path_marks(change->path, seen->st.stx_mode);
	change->own_marks = change->marks;
	if (seen->on_host && !seen->notes.origin && isle_later(&seen->host.stx_btime, &change->base))
		change->moved = ISLE_MOVED_CREATED;
}

/* The handle counts only where the host has lost the object, or has it at another name. */
static int set_info(struct isle_candidate *info, enum isle_change_kind kind, const struct isle_seen *seen)
{
	const struct isle_upper *notes = &seen->notes;
	bool several = !S_ISDIR(seen->st.stx_mode) &&
		       (seen->st.stx_nlink > 1 || (seen->on_host && seen->host.stx_nlink > 1));

	info->origin = notes->origin;
	if ((kind != ISLE_CREATE && kind != ISLE_REPLACE && !several) || notes->handle.size == 0)
		return 0;
	info->handle = malloc(sizeof(*info->handle));
	if (!info->handle)
		return -ENOMEM;
	*info->handle = notes->handle;
	return 0;
}

ssize_t isle_scan_add(struct isle_scan *scan, enum isle_change_kind kind, const struct isle_seen *seen)
{
	struct isle_change change = {.kind = kind, .layer = scan->layer->number};
	struct isle_candidate info = {0};
	int r = make_room(scan);

	if (r >= 0)
		r = set_paths(scan, &change);
	if (r >= 0)
		r = set_notes(&change, &seen->notes);
	if (r >= 0)
		r = set_info(&info, kind, seen);
	if (r < 0) {
		isle_change_done(&change);
		return r;
	}
	set_sides(scan, &change, seen);
	scan->infos[scan->changes.count] = info;
	scan->changes.list[scan->changes.count++] = change;
	scan->info_count = scan->changes.count;
	return (ssize_t)scan->changes.count - 1;
}

int isle_scan_met(struct isle_scan *scan, const struct isle_seen *seen)
{
	if (S_ISDIR(seen->host.stx_mode))
		return 0;
	if (!scan->layer->user)
		return isle_met_add(&scan->met, seen->host.stx_ino);
	return !S_ISDIR(seen->st.stx_mode) && seen->st.stx_nlink > 1 ? isle_met_add(&scan->met, seen->st.stx_ino) : 0;
}

/* --- frames --- */

static void close_frame(struct isle_frame *frame)
{
	if (frame->upper >= 0)
		close(frame->upper);
	if (frame->host >= 0)
		close(frame->host);
	frame->upper = frame->host = -1;
}

static struct isle_identity identify(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (struct isle_identity){st.st_dev, st.st_ino}
					      : (struct isle_identity){0};
}

static void put_to_sleep(struct isle_frame *frame)
{
	frame->upper_id = identify(frame->upper);
	frame->host_id = identify(frame->host);
	close_frame(frame);
}

static bool needs_names_of_host(const struct isle_frame *frame)
{
	return frame->kind != ISLE_FRAME_MERGED && frame->kind != ISLE_FRAME_NEW;
}

/* Below a layer's root, by the first size bytes of an absolute path. */
static int open_part(const struct isle_scan *scan, int root, const struct isle_buf *path, size_t size, int flags)
{
	auto_free char *part = strndup(path->data ? path->data : "", size);

	if (!part)
		return -ENOMEM;
	return isle_walk_long(root, isle_layer_below(scan->layer, part), flags | O_DIRECTORY);
}

static int open_host(const struct isle_scan *scan, const struct isle_frame *frame)
{
	int flags = needs_names_of_host(frame) ? O_RDONLY : O_PATH;
	int fd = open_part(scan, scan->host_root, &scan->host, frame->host_size, flags);

	/* What may not be listed can still be searched. */
	return fd == -EACCES && flags == O_RDONLY
		       ? open_part(scan, scan->host_root, &scan->host, frame->host_size, O_PATH)
		       : fd;
}

static int wake(struct isle_scan *scan, struct isle_frame *frame)
{
	if (frame->has_upper && frame->upper < 0) {
		int fd = open_part(scan, scan->upper_root, &scan->path, frame->path_size, O_RDONLY);

		if (fd < 0)
			return fd;
		frame->upper = fd;
	}
	if (frame->has_host && frame->host < 0) {
		int fd = open_host(scan, frame);

		if (fd < 0)
			return fd;
		frame->host = fd;
	}
	return 0;
}

static int open_child(int parent, const char *name, int flags)
{
	int fd = openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_upper_side(struct isle_scan *scan, const struct isle_frame *below, struct isle_frame *frame)
{
	const char *slash = scan->path.size ? strrchr(scan->path.data, '/') : NULL;

	if (!frame->has_upper)
		return 0;
	if (below && below->upper >= 0 && slash)
		frame->upper = open_child(below->upper, slash + 1, O_RDONLY);
	else
		frame->upper = open_part(scan, scan->upper_root, &scan->path, scan->path.size, O_RDONLY);
	return frame->upper;
}

static int open_host_side(struct isle_scan *scan, const struct isle_frame *below, struct isle_frame *frame)
{
	const char *slash = scan->host.size ? strrchr(scan->host.data, '/') : NULL;
	struct statx st;
	int r;

	if (!frame->has_host)
		return 0;
	if (below && below->host >= 0 && slash && !frame->saved_host) {
		frame->host = open_child(below->host, slash + 1, needs_names_of_host(frame) ? O_RDONLY : O_PATH);
		if (frame->host == -EACCES)
			frame->host = open_child(below->host, slash + 1, O_PATH);
	} else {
		frame->host = open_host(scan, frame);
	}
	if (frame->host < 0)
		return frame->host;
	r = isle_statx(frame->host, "", &st);
	if (r < 0)
		return r;
	frame->host_ctime = st.stx_ctime;
	frame->host_dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	return 0;
}

static int frame_room(struct isle_scan *scan)
{
	size_t room = scan->frame_room ? scan->frame_room * 2 : 32;
	struct isle_frame *frames;

	if (scan->depth >= ISLE_DEPTH_MAX)
		return isle_err_text(scan->err, -ENAMETOOLONG, "directories are nested deeper than %d levels",
				     ISLE_DEPTH_MAX);
	if (scan->depth < scan->frame_room)
		return 0;
	frames = reallocarray(scan->frames, room, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	scan->frames = frames;
	scan->frame_room = room;
	return 0;
}

static void drop_frame(struct isle_scan *scan, struct isle_frame *frame)
{
	if (frame->saved_host) {
		isle_buf_clear(&scan->host);
		isle_buf_adds(&scan->host, frame->saved_host);
		free(frame->saved_host);
	}
	close_frame(frame);
	isle_names_done(&frame->names);
}

static int enter_host(struct isle_scan *scan, struct isle_frame *frame, const char *host)
{
	if (host) {
		frame->saved_host = strdup(scan->host.data ? scan->host.data : "");
		if (!frame->saved_host)
			return -ENOMEM;
		isle_buf_clear(&scan->host);
		isle_buf_adds(&scan->host, host);
	}
	frame->host_size = scan->host.size;
	return isle_buf_error(&scan->host);
}

/* A tree that changes under us (the isle may be live), or that may not be read, ends there; all else is a failure. */
static bool is_harmless(int r)
{
	return isle_is_gone(r) || r == -EACCES || r == -ESTALE || r == -EBADF;
}

static void note_unseen(struct isle_scan *scan)
{
	if (scan->depth > 0)
		isle_scan_top(scan)->sums.tree |= ISLE_TREE_UNSEEN;
}

/* Each name can be a change of its own. */
static bool needs_order(const struct isle_frame *frame)
{
	return frame->kind == ISLE_FRAME_MERGED || frame->kind == ISLE_FRAME_HIDES;
}

/* The names alone do not tell what they are of: the right to search a directory can be missing where that to read it is
 * not. */
static int may_search(const struct isle_frame *frame)
{
	if (!frame->has_upper || frame->names.count == 0)
		return 0;
	return faccessat(frame->upper, ".", X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int fill_frame(struct isle_scan *scan, struct isle_frame *frame)
{
	const struct isle_frame *below = scan->depth ? isle_scan_top(scan) : NULL;
	int r = open_upper_side(scan, below, frame);

	if (r >= 0)
		r = open_host_side(scan, below, frame);
	if (r >= 0)
		r = isle_names_read(frame->has_upper ? frame->upper : frame->host, &frame->names);
	if (r >= 0)
		r = may_search(frame);
	/* In the order that the list is wanted in. */
	if (r >= 0 && (needs_order(frame) || (scan->flags & ISLE_SCAN_ALL)))
		isle_names_sort(&frame->names);
	if (r == -EACCES && frame->has_upper && frame->change != ISLE_NO_CHANGE)
		scan->changes.list[frame->change].blind = true;
	return r;
}

int isle_scan_push(struct isle_scan *scan, const struct isle_frame_options *options)
{
	struct isle_frame frame = {
		.kind = options->kind,
		.upper = -1,
		.host = -1,
		.has_upper = options->kind != ISLE_FRAME_GONE && options->kind != ISLE_FRAME_MOVED,
		.has_host = options->kind != ISLE_FRAME_NEW,
		.plain_whiteouts = options->plain_whiteouts,
		.path_size = scan->path.size,
		.change = options->change,
		.base = options->base,
	};
	int r = frame_room(scan);

	if (r < 0)
		return r;
	if (frame.kind == ISLE_FRAME_NEW && (scan->flags & ISLE_SCAN_INSIDE))
		isle_sha256_init(&frame.inside);
	r = enter_host(scan, &frame, options->host);
	if (r >= 0)
		r = fill_frame(scan, &frame);
	if (r < 0) {
		drop_frame(scan, &frame);
		note_unseen(scan);
		return is_harmless(r) ? 0 : r;
	}
	if (scan->depth >= ISLE_OPEN_FRAMES)
		put_to_sleep(&scan->frames[scan->depth - ISLE_OPEN_FRAMES]);
	scan->frames[scan->depth++] = frame;
	return 0;
}

/* The directory above child, if it is still the one that was closed; -1 leaves it to be found by its path. */
static int open_above(int child, const struct isle_identity *id, int flags)
{
	auto_fd int above = child < 0 ? -1 : openat(child, "..", flags | O_DIRECTORY | O_CLOEXEC);
	struct isle_identity now = identify(above);

	return above >= 0 && now.ino == id->ino && now.dev == id->dev ? fd_take(&above) : -1;
}

/* By way of what is in it: by path this would take time with the square of the depth. */
static void wake_from_below(struct isle_frame *frame, const struct isle_frame *child)
{
	if (frame->has_upper && frame->upper < 0)
		frame->upper = open_above(child->upper, &frame->upper_id, O_RDONLY);
	if (frame->has_host && frame->host < 0)
		frame->host = open_above(child->host, &frame->host_id, needs_names_of_host(frame) ? O_RDONLY : O_PATH);
}

static void pop(struct isle_scan *scan)
{
	struct isle_frame *frame = isle_scan_top(scan);

	scan->depth--;
	isle_scan_sum_up(scan, frame);
	if (scan->depth > 0)
		wake_from_below(isle_scan_top(scan), frame);
	drop_frame(scan, frame);
}

/* HIDES: after the upper's names come those that only the host has. */
static int turn_to_host(struct isle_frame *frame)
{
	struct isle_names names = ISLE_NAMES_INIT;
	size_t kept = 0;
	int r = isle_names_read(frame->host, &names);

	if (r < 0) {
		isle_names_done(&names);
		if (!is_harmless(r))
			return r;
	}
	for (size_t i = 0; i < names.count; i++)
		if (!isle_names_has(&frame->names, isle_names_get(&names, i)))
			names.at[kept++] = names.at[i];
	names.count = kept;
	isle_names_done(&frame->names);
	frame->names = names;
	frame->next = 0;
	frame->hidden = true;
	return 0;
}

static int go_to_entry(struct isle_scan *scan, const struct isle_frame *frame, const char *name)
{
	isle_buf_cut(&scan->path, frame->path_size);
	isle_buf_addc(&scan->path, '/');
	isle_buf_adds(&scan->path, name);
	isle_buf_cut(&scan->host, frame->host_size);
	isle_buf_addc(&scan->host, '/');
	isle_buf_adds(&scan->host, name);
	return isle_buf_error(&scan->path) < 0 ? -ENOMEM : isle_buf_error(&scan->host);
}

static int look_at(struct isle_scan *scan, struct isle_frame *frame, const char *name)
{
	switch (frame->kind) {
	case ISLE_FRAME_MERGED:
		return isle_scan_upper(scan, name);
	case ISLE_FRAME_HIDES:
		return frame->hidden ? isle_scan_gone(scan, name) : isle_scan_upper(scan, name);
	case ISLE_FRAME_NEW:
		return isle_scan_new(scan, name);
	case ISLE_FRAME_GONE:
		return isle_scan_gone(scan, name);
	case ISLE_FRAME_MOVED:
		return isle_scan_moved(scan, name);
	}
	return 0;
}

static int step(struct isle_scan *scan)
{
	struct isle_frame *frame = isle_scan_top(scan);
	const char *name;
	int r = wake(scan, frame);

	if (r >= 0 && frame->next < frame->names.count) {
		name = isle_names_get(&frame->names, frame->next++);
		r = go_to_entry(scan, frame, name);
		return r < 0 ? r : look_at(scan, frame, name);
	}
	if (r >= 0 && frame->kind == ISLE_FRAME_HIDES && !frame->hidden)
		return turn_to_host(frame);
	if (r < 0)
		note_unseen(scan);
	pop(scan);
	return is_harmless(r) ? 0 : r;
}

/* --- layers --- */

static int open_layer(struct isle_scan *scan)
{
	scan->host_root = isle_layer_open_host(scan->layer);
	if (scan->host_root < 0 && !isle_is_gone(scan->host_root))
		return scan->host_root;
	if (scan->layer->kind == ISLE_LAYER_FILE)
		return 0;
	scan->upper_root = isle_layer_open_upper(scan->isle, scan->layer);
	if (scan->upper_root < 0)
		return scan->upper_root == -ENOENT ? 0 : scan->upper_root;
	if (scan->layer->kind == ISLE_LAYER_SHADOW)
		scan->shadow_root = isle_layer_open_shadow(scan->store, scan->layer);
	return 0;
}

static void close_layer(struct isle_scan *scan)
{
	while (scan->depth > 0)
		drop_frame(scan, &scan->frames[--scan->depth]);
	isle_cleanup_fd(&scan->upper_root);
	isle_cleanup_fd(&scan->host_root);
	isle_cleanup_fd(&scan->shadow_root);
	scan->upper_root = scan->host_root = scan->shadow_root = -1;
}

static int scan_upper_layer(struct isle_scan *scan)
{
	struct isle_frame_options options = {.kind = ISLE_FRAME_MERGED, .change = ISLE_NO_CHANGE};
	const char *path = strcmp(scan->layer->path, "/") == 0 ? "" : scan->layer->path;
	int r;

	if (scan->upper_root < 0)
		return 0;
	isle_buf_clear(&scan->path);
	isle_buf_clear(&scan->host);
	isle_buf_adds(&scan->path, path);
	r = isle_buf_adds(&scan->host, path);
	if (r >= 0)
		r = isle_scan_root(scan, &options.plain_whiteouts);
	if (r >= 0 && scan->host_root >= 0)
		r = isle_scan_push(scan, &options);
	while (r >= 0 && scan->depth > 0)
		r = step(scan);
	return r;
}

static int scan_layer(struct isle_scan *scan)
{
	int r = open_layer(scan);

	if (r >= 0)
		r = scan->layer->kind == ISLE_LAYER_FILE ? isle_scan_file_layer(scan) : scan_upper_layer(scan);
	close_layer(scan);
	return r;
}

static int scan_all(struct isle_scan *scan)
{
	scan->moved_budget = MOVED_BUDGET;
	for (size_t i = 0; i < scan->layers->count; i++) {
		int r;

		scan->layer = &scan->layers->list[i];
		if (scan->layer->covered)
			continue;
		r = scan_layer(scan);
		if (r < 0)
			return scan->err && scan->err->code
				       ? isle_err_prefix(scan->err, r, "cannot read what changed below '%s'",
							 scan->layer->path)
				       : isle_err_errno(scan->err, r, "cannot read what changed below '%s'",
							scan->layer->path);
	}
	return 0;
}

static int compare_changes(const void *a, const void *b)
{
	const struct isle_change *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	/* Where a renamed object takes the place of another, that one goes first. */
	return order ? order : (y->kind == ISLE_DELETE) - (x->kind == ISLE_DELETE);
}

/* Names are met in order, so that little is left to do. */
static void sort(struct isle_changes *changes)
{
	size_t i = 1;

	while (i < changes->count && compare_changes(&changes->list[i - 1], &changes->list[i]) <= 0)
		i++;
	if (i < changes->count)
		qsort(changes->list, changes->count, sizeof(*changes->list), compare_changes);
}

static int settle(struct isle_scan *scan)
{
	int r = isle_renames_settle(scan->isle, scan->layers, &scan->changes, scan->infos, &scan->met, &scan->gone);

	if (r < 0)
		return isle_err_errno(scan->err, r, "cannot pair renamed files");
	r = isle_directories_settle(scan->isle, scan->layers, &scan->changes);
	if (r < 0)
		return isle_err_errno(scan->err, r, "cannot compare directories");
	sort(&scan->changes);
	return 0;
}

static void infos_done(struct isle_scan *scan)
{
	for (size_t i = 0; i < scan->info_count; i++) {
		free(scan->infos[i].handle);
		free(scan->infos[i].data);
	}
	free(scan->infos);
	scan->infos = NULL;
	scan->info_count = 0;
}

static void scan_done(struct isle_scan *scan)
{
	isle_changes_done(&scan->changes);
	infos_done(scan);
	free(scan->met.list);
	isle_gone_done(&scan->gone);
	free(scan->frames);
	isle_buf_done(&scan->path);
	isle_buf_done(&scan->host);
	isle_moved_done(scan);
}

int isle_changes_scan(const struct isle_store *store, const struct isle *isle, const struct isle_layers *layers,
		      unsigned flags, struct isle_changes *ret_changes, struct isle_err *err)
{
	struct isle_scan scan = {
		.store = store,
		.isle = isle,
		.layers = layers,
		.flags = flags,
		.err = err,
		.upper_root = -1,
		.host_root = -1,
		.shadow_root = -1,
	};
	int r = scan_all(&scan);

	if (r >= 0 && scan.moved_count > 0) {
		isle_changes_done(&scan.changes);
		infos_done(&scan);
		isle_gone_done(&scan.gone);
		scan.room = 0;
		r = isle_moved_settle(&scan);
		if (r >= 0)
			r = scan_all(&scan);
	}
	if (r >= 0)
		r = settle(&scan);
	if (r >= 0) {
		*ret_changes = scan.changes;
		scan.changes = ISLE_CHANGES_INIT;
	}
	scan_done(&scan);
	return r;
}
