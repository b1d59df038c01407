/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one entry of an upper directory means.
 *
 *   whiteout                        the host's object is deleted, if the host (still) has one
 *   directory, not opaque           merged with the host's of the same name: only its metadata can be a change
 *   directory, redirect             the host's directory at the redirect has been renamed to here; where that is its
 *                                   own path it is merged with the host's, whatever the directory above it hides
 *   directory, opaque or new        new; or, where the host has a directory there, in its place: then what
 *                                   is equal on both sides is no change, and what the upper lacks is deleted
 *   anything else                   new, or to be compared with the host's object, or of another type
 *
 * In a SHADOW layer the isle saw the shadow's copies, which belong to the user and lack attributes. So an object is
 * compared with its copy, and what the host has now goes into `before`.
 */
#include "kernel.h"
#include "names.h"
#include "path.h"
#include "scan_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct isle_object upper_object(struct isle_scan *scan, const struct isle_seen *seen)
{
	return (struct isle_object){isle_scan_top(scan)->upper, seen->name, &seen->st, seen->notes.plain};
}

static struct isle_object host_object(struct isle_scan *scan, const struct isle_seen *seen)
{
	return (struct isle_object){isle_scan_top(scan)->host, seen->name, seen->on_host ? &seen->host : NULL, false};
}

/* A change that only ISLE_SCAN_TIMES shows is none otherwise; but where the host has changed the file since, a commit
 * has a conflict there, and that is told. */
static bool is_change(const struct isle_scan *scan, const struct isle_seen *seen, unsigned diff)
{
	return (diff & ~ISLE_META_MTIME) ||
	       (diff && ((scan->flags & ISLE_SCAN_TIMES) || isle_later(&seen->host.stx_ctime, &seen->base)));
}

/* Of the upper directory that is being looked at; NULL: none. Looked up once. */
static const struct statx *directory_rights(struct isle_scan *scan)
{
	struct isle_frame *frame = scan->depth > 0 ? isle_scan_top(scan) : NULL;

	if (frame == NULL || frame->upper < 0)
		return NULL;
	if (frame->upper_st.stx_mode == 0 && isle_statx(frame->upper, "", &frame->upper_st) < 0)
		frame->upper_st.stx_mode = 0;
	return frame->upper_st.stx_mode == 0 ? NULL : &frame->upper_st;
}

unsigned isle_object_marks(struct isle_scan *scan, const char *path, const struct isle_seen *seen)
{
	const struct statx *st = &seen->st;
	bool existed = seen->on_host && ((seen->host.stx_mode ^ st->stx_mode) & S_IFMT) == 0;
	unsigned marks = seen->notes.marks;

	marks |= isle_rights_marks(st, existed ? &seen->host : NULL, existed ? NULL : directory_rights(scan));
	return S_ISDIR(st->stx_mode) ? marks : marks | isle_path_marks(path, st->stx_mode);
}

/* --- objects that both sides have --- */

static ssize_t add_difference(struct isle_scan *scan, const struct isle_seen *seen, unsigned diff)
{
	enum isle_change_kind kind = diff & (ISLE_DIFF_CONTENT | ISLE_META_RDEV) ? ISLE_MODIFY : ISLE_METADATA;
	ssize_t i;

	if (seen->notes.owned)
		diff |= ISLE_META_OWNER;
	if (!is_change(scan, seen, diff))
		return ISLE_NO_CHANGE;
	i = isle_scan_add(scan, kind, seen);
	if (i < 0)
		return i;
	scan->changes.list[i].diff = diff;
	scan->changes.list[i].brief = seen->brief;
	if (!(diff & ISLE_META_XATTR))
		scan->changes.list[i].marks &= ~ISLE_MARK_XATTR;
	if (!(diff & ISLE_META_ACL))
		scan->changes.list[i].marks &= ~ISLE_MARK_ACL;
	return i;
}

static int compare_with_shadow(struct isle_scan *scan, struct isle_seen *seen, unsigned *ret_diff)
{
	struct statx copy;
	unsigned flags = scan->layer->user ? ISLE_COMPARE_NO_OWNER : 0;

	if (scan->shadow_root < 0 || scan->depth != 1 || isle_statx(scan->shadow_root, seen->name, &copy) < 0 ||
	    ((copy.stx_mode ^ seen->st.stx_mode) & S_IFMT) != 0)
		return isle_compare(upper_object(scan, seen), host_object(scan, seen), flags, ret_diff);
	seen->base = copy.stx_btime;
	return isle_compare(upper_object(scan, seen), (struct isle_object){scan->shadow_root, seen->name, &copy, false},
			    0, ret_diff);
}

static bool is_brief(const struct isle_scan *scan, const struct isle_seen *seen)
{
	return (scan->flags & ISLE_SCAN_BRIEF) && seen->notes.plain && !seen->notes.metacopy &&
	       S_ISREG(seen->st.stx_mode) && S_ISREG(seen->host.stx_mode) && seen->st.stx_size != seen->host.stx_size &&
	       seen->st.stx_nlink == 1 && seen->host.stx_nlink == 1 && !isle_later(&seen->host.stx_ctime, &seen->base);
}

static int compare_sides(struct isle_scan *scan, struct isle_seen *seen, unsigned *ret_diff)
{
	struct isle_object host = host_object(scan, seen);

	if (scan->layer->kind == ISLE_LAYER_SHADOW)
		return compare_with_shadow(scan, seen, ret_diff);
	seen->brief = host.plain = is_brief(scan, seen);
	return isle_compare(upper_object(scan, seen), host, seen->notes.metacopy ? ISLE_COMPARE_NO_DATA : 0, ret_diff);
}

/* What vanished while we looked is no failure: the next scan sees how it ended. */
static int vanished(int r)
{
	return isle_is_gone(r) ? 0 : r;
}

/* Not copied up, and the host's is younger: both made one of this name. */
static bool both_made(const struct isle_scan *scan, const struct isle_seen *seen)
{
	return !seen->notes.origin && scan->shadow_root < 0 && isle_later(&seen->host.stx_btime, &seen->base);
}

/* Not the host's file, written to, but one that was put in its place. Of a file with several names this is known only
 * where the layer has an index: as root, and if the host's file system knows handles. */
static bool is_another(struct isle_scan *scan, const struct isle_seen *seen)
{
	return !scan->layer->user && isle_handle_is_another(isle_scan_top(scan)->host, seen->name, &seen->notes.handle);
}

static int same_type(struct isle_scan *scan, struct isle_seen *seen)
{
	unsigned diff = 0;
	bool another = false;
	ssize_t i;
	int r = compare_sides(scan, seen, &diff);

	if (r < 0)
		return vanished(r);
	if (diff & ISLE_META_TYPE)
		return 0;
	if (seen->host.stx_nlink > 1 || seen->st.stx_nlink > 1)
		another = is_another(scan, seen);
	/* One that is alike is a change where the other names of the host's do not come along. */
	if (another && !isle_later(&seen->host.stx_ctime, &seen->base))
		diff |= ISLE_DIFF_CONTENT;
	i = add_difference(scan, seen, diff);
	if (i >= 0 && both_made(scan, seen))
		scan->changes.list[i].kind = ISLE_CREATE;
	if (i >= 0)
		scan->changes.list[i].another = another;
	return i < ISLE_NO_CHANGE ? (int)i : 0;
}

static int replaced(struct isle_scan *scan, struct isle_seen *seen)
{
	struct isle_frame_options options = {.base = seen->base};
	ssize_t i = seen->notes.metacopy ? isle_scan_metacopy(scan, seen) : isle_scan_add(scan, ISLE_REPLACE, seen);

	if (i < 0)
		return (int)i;
	scan->changes.list[i].diff = ISLE_META_TYPE | ISLE_DIFF_CONTENT;
	options.change = i;
	if (S_ISDIR(seen->st.stx_mode))
		options.kind = ISLE_FRAME_NEW;
	else if (S_ISDIR(seen->host.stx_mode))
		options.kind = ISLE_FRAME_GONE;
	else
		return 0;
	return isle_scan_push(scan, &options);
}

/* --- directories --- */

static int created_directory(struct isle_scan *scan, struct isle_seen *seen)
{
	struct isle_frame_options options = {.kind = ISLE_FRAME_NEW};
	ssize_t i = isle_scan_add(scan, ISLE_CREATE, seen);

	if (i < 0)
		return (int)i;
	scan->changes.list[i].opaque = seen->notes.opaque == 'y' && seen->on_host;
	if (seen->notes.origin && !seen->on_host)
		scan->changes.list[i].moved = ISLE_MOVED_DELETED;
	options.change = i;
	return isle_scan_push(scan, &options);
}

/* A directory that was made for the isle, not by it, with these rights. At rest an upper root may have more of them. */
static bool is_untouched(const struct statx *st, uint32_t rights)
{
	uint32_t now = st->stx_mode & 07777;

	return now == rights || ((rights & 0200) == 0 && now == (rights | 0700));
}

static int shared_directory(struct isle_scan *scan, struct isle_seen *seen, enum isle_frame_kind kind)
{
	const struct isle_frame *above = isle_scan_top(scan);
	struct isle_frame_options options = {.kind = kind, .plain_whiteouts = seen->notes.opaque == 'x'};
	unsigned diff = 0;
	ssize_t i;
	int r = 0;

	if (seen->notes.standin == 0 || !is_untouched(&seen->st, seen->notes.standin - 1))
		r = isle_compare(upper_object(scan, seen), host_object(scan, seen), 0, &diff);
	if (r < 0)
		return vanished(r);
	options.base = above->kind == ISLE_FRAME_HIDES ? above->base : seen->st.stx_btime;
	i = add_difference(scan, seen, diff);
	if (i < ISLE_NO_CHANGE)
		return (int)i;
	if (i >= 0)
		scan->changes.list[i].opaque = kind == ISLE_FRAME_HIDES;
	options.change = i;
	return isle_scan_push(scan, &options);
}

int isle_scan_redirect(struct isle_scan *scan, const struct isle_upper *notes, char **ret_target)
{
	const struct isle_frame *frame = isle_scan_top(scan);
	const char *root = strcmp(scan->layer->path, "/") == 0 ? "" : scan->layer->path;
	char *target = NULL;
	int n;

	/* An opaque directory is merged with nothing, so a redirect that it still has leads nowhere. */
	if (!notes->redirect || scan->layer->user || notes->opaque == 'y')
		return 0;
	if (notes->redirect[0] == '/')
		n = asprintf(&target, "%s%s", root, notes->redirect);
	else if (frame->kind == ISLE_FRAME_MERGED && isle_component_valid(notes->redirect))
		n = asprintf(&target, "%.*s/%s", (int)frame->host_size, scan->host.data, notes->redirect);
	else
		return 0;
	if (n < 0)
		return -ENOMEM;
	*ret_target = target;
	return 0;
}

/* The host's object at this path of the present layer. */
static int host_stat(const struct isle_scan *scan, const char *path, struct statx *ret_stat)
{
	auto_fd int fd = isle_walk_long(scan->host_root, isle_layer_below(scan->layer, path), O_PATH);

	return fd < 0 ? fd : isle_statx(fd, "", ret_stat);
}

bool isle_scan_is_directory(const struct isle_scan *scan, const char *target)
{
	struct statx there;

	return host_stat(scan, target, &there) >= 0 && S_ISDIR(there.stx_mode);
}

int isle_scan_moved_away_from(struct isle_scan *scan, const struct isle_seen *seen)
{
	struct isle_frame_options options = {.kind = ISLE_FRAME_NEW};

	options.change = isle_scan_add(scan, ISLE_CREATE, seen);
	if (options.change < 0)
		return (int)options.change;
	scan->changes.list[options.change].moved = ISLE_MOVED_DELETED;
	return isle_scan_push(scan, &options);
}

/* The host's object at the new place is neither merged nor moved away. */
static int displace(struct isle_scan *scan, const struct isle_seen *seen, const char *place)
{
	struct isle_frame_options options = {.kind = ISLE_FRAME_GONE, .host = place, .base = seen->base};
	auto_free char *target = strdup(scan->host.data);
	ssize_t i;
	int r;

	if (!target)
		return -ENOMEM;
	isle_buf_clear(&scan->host);
	isle_buf_adds(&scan->host, place);
	i = isle_buf_error(&scan->host) < 0 ? -ENOMEM : isle_scan_add(scan, ISLE_DELETE, seen);
	isle_buf_clear(&scan->host);
	r = isle_buf_adds(&scan->host, target);
	if (i < 0 || r < 0)
		return i < 0 ? (int)i : r;
	options.change = i;
	return S_ISDIR(seen->host.stx_mode) ? isle_scan_push(scan, &options) : 0;
}

static int compare_renamed(struct isle_scan *scan, const struct isle_seen *seen, const char *target, unsigned *diff)
{
	auto_fd int host = isle_walk_long(scan->host_root, isle_layer_below(scan->layer, target), O_PATH | O_DIRECTORY);

	if (host < 0)
		return host;
	return isle_compare(upper_object(scan, seen), (struct isle_object){.dir = host, .name = ""}, 0, diff);
}

/* scan->host already leads to target. */
static int push_renamed(struct isle_scan *scan, ssize_t i, const struct isle_seen *seen, const char *place)
{
	struct isle_frame_options merged = {
		.kind = ISLE_FRAME_MERGED, .change = i, .plain_whiteouts = seen->notes.opaque == 'x'};
	struct isle_frame_options moved = {.kind = ISLE_FRAME_MOVED, .change = i};
	auto_free char *target = strdup(scan->host.data);
	int r;

	if (!target)
		return -ENOMEM;
	/* The frame remembers where the host's counterpart of the directory above is. */
	isle_buf_clear(&scan->host);
	r = isle_buf_adds(&scan->host, place);
	merged.host = target;
	if (r >= 0)
		r = isle_scan_push(scan, &merged);
	if (r < 0)
		return r;
	moved.host = target;
	return isle_scan_push(scan, &moved);
}

int isle_scan_renamed(struct isle_scan *scan, const struct isle_seen *seen, const char *target)
{
	struct isle_seen there = *seen;
	auto_free char *place = strdup(scan->host.data);
	unsigned diff = 0;
	ssize_t i;
	int r;

	if (!place)
		return -ENOMEM;
	r = isle_scan_add_moved(scan, target);
	if (r >= 0)
		r = compare_renamed(scan, seen, target, &diff);
	if (r >= 0)
		r = host_stat(scan, target, &there.host);
	if (r < 0)
		return vanished(r);
	there.on_host = true;
	isle_buf_clear(&scan->host);
	r = isle_buf_adds(&scan->host, target);
	i = r < 0 ? r : isle_scan_add(scan, ISLE_RENAME, &there);
	if (i < 0)
		return (int)i;
	scan->changes.list[i].diff = diff;
	r = push_renamed(scan, i, seen, place);
	return r < 0 || !seen->on_host ? r : displace(scan, seen, place);
}

/* One that was renamed back to where it was is merged with the host's again, also in a directory that was made anew. */
static int back_again(struct isle_scan *scan, struct isle_seen *seen)
{
	int r = isle_scan_top(scan)->kind == ISLE_FRAME_MERGED ? 0 : isle_scan_hold(scan);

	if (r < 0)
		return r;
	if (!seen->on_host)
		return isle_scan_moved_away_from(scan, seen);
	if (!S_ISDIR(seen->host.stx_mode))
		return replaced(scan, seen);
	return shared_directory(scan, seen, ISLE_FRAME_MERGED);
}

static int directory(struct isle_scan *scan, struct isle_seen *seen)
{
	enum isle_frame_kind kind = isle_scan_top(scan)->kind;
	auto_free char *target = NULL;
	int r = isle_scan_redirect(scan, &seen->notes, &target);

	if (r < 0)
		return r;
	if (target && strcmp(target, scan->host.data) == 0)
		return back_again(scan, seen);
	if (target)
		return isle_scan_is_directory(scan, target) ? isle_scan_renamed(scan, seen, target)
							    : isle_scan_moved_away_from(scan, seen);
	if (!seen->on_host)
		return created_directory(scan, seen);
	if (!S_ISDIR(seen->host.stx_mode))
		return replaced(scan, seen);
	if (kind == ISLE_FRAME_MERGED && seen->notes.opaque != 'y')
		return shared_directory(scan, seen, ISLE_FRAME_MERGED);
	/* Made new, and the host has made its own since: theirs is not what the isle removed. */
	if (isle_later(&seen->host.stx_btime, &seen->base))
		return created_directory(scan, seen);
	return shared_directory(scan, seen, ISLE_FRAME_HIDES);
}

/* --- everything else --- */

ssize_t isle_scan_metacopy(struct isle_scan *scan, const struct isle_seen *seen)
{
	enum isle_change_kind kind = ISLE_CREATE;
	auto_free char *target = NULL;
	struct statx there = {0};
	struct isle_stat *data;
	ssize_t i;
	int r = isle_scan_redirect(scan, &seen->notes, &target);

	if (r < 0)
		return r;
	if (target) {
		r = host_stat(scan, target, &there);
		/* What the host has removed is told as a change of what was relied on. */
		if (r < 0 && !isle_is_gone(r)) {
			free(target);
			target = NULL;
		}
	}
	if (seen->on_host)
		kind = (seen->st.stx_mode ^ seen->host.stx_mode) & S_IFMT ? ISLE_REPLACE : ISLE_MODIFY;
	i = isle_scan_add(scan, kind, seen);
	if (i < 0 || !target)
		return i;
	data = malloc(sizeof(*data));
	if (!data)
		return -ENOMEM;
	isle_stat_from(&there, data);
	scan->infos[i].data = data;
	scan->changes.list[i].data = ptr_take(&target);
	return i;
}

static int new_file(struct isle_scan *scan, const struct isle_seen *seen)
{
	const struct isle_frame *frame = isle_scan_top(scan);
	ssize_t i = seen->notes.metacopy ? isle_scan_metacopy(scan, seen) : isle_scan_add(scan, ISLE_CREATE, seen);

	if (i < 0)
		return (int)i;
	scan->infos[i].host_quiet = frame->has_host && !isle_later(&frame->host_ctime, &seen->base);
	return 0;
}

/* The file at the target is the one of this name: it has several, and another of them was renamed. */
static bool is_name_of(struct isle_scan *scan, const char *target, const struct isle_seen *seen)
{
	struct statx there;

	return seen->host.stx_nlink > 1 && host_stat(scan, target, &there) >= 0 &&
	       there.stx_ino == seen->host.stx_ino && there.stx_dev_major == seen->host.stx_dev_major &&
	       there.stx_dev_minor == seen->host.stx_dev_minor;
}

/* A file whose data are those of another host file has been renamed onto this one. *ret_name: not so, the layer has the
 * data by another name of the same file. */
static int renamed_onto(struct isle_scan *scan, const struct isle_seen *seen, bool *ret_done, char **ret_name)
{
	auto_free char *target = NULL;
	ssize_t i;
	int r = isle_scan_redirect(scan, &seen->notes, &target);

	if (r < 0 || !target || strcmp(target, scan->host.data) == 0)
		return r;
	if (is_name_of(scan, target, seen)) {
		*ret_name = ptr_take(&target);
		return 0;
	}
	*ret_done = true;
	i = isle_scan_metacopy(scan, seen);
	if (i < 0)
		return (int)i;
	scan->changes.list[i].diff = ISLE_DIFF_CONTENT;
	scan->changes.list[i].another = seen->host.stx_nlink > 1;
	return 0;
}

static int file(struct isle_scan *scan, struct isle_seen *seen)
{
	auto_free char *name = NULL;
	size_t count = scan->changes.count;
	bool done = false;
	int r;

	if (!seen->on_host)
		return new_file(scan, seen);
	if ((seen->st.stx_mode ^ seen->host.stx_mode) & S_IFMT)
		return replaced(scan, seen);
	if (seen->notes.metacopy) {
		r = renamed_onto(scan, seen, &done, &name);
		if (r < 0 || done)
			return r;
	}
	r = same_type(scan, seen);
	if (r >= 0 && scan->changes.count > count)
		scan->changes.list[count].data = ptr_take(&name);
	return r;
}

static int whiteout(struct isle_scan *scan, struct isle_seen *seen)
{
	struct statx copy;

	if (!seen->on_host)
		return 0;
	if (scan->shadow_root >= 0 && scan->depth == 1 && isle_statx(scan->shadow_root, seen->name, &copy) >= 0)
		seen->base = copy.stx_btime;
	return isle_scan_delete(scan, seen, &seen->base, true);
}

static int look_at_host(struct isle_scan *scan, struct isle_seen *seen)
{
	const struct isle_frame *frame = isle_scan_top(scan);
	int r;

	if (frame->host < 0 || isle_scan_moved_away(scan, scan->host.data))
		return 0;
	r = isle_statx(frame->host, seen->name, &seen->host);
	seen->on_host = r >= 0;
	if (seen->on_host)
		return isle_scan_met(scan, seen);
	return r >= 0 || isle_is_gone(r) || r == -EACCES ? 0 : r;
}

/* Another layer shows here, so this one has nothing to say. */
static bool is_other_layer(const struct isle_scan *scan)
{
	for (size_t i = 0; i < scan->layers->count; i++)
		if (&scan->layers->list[i] != scan->layer && !scan->layers->list[i].covered &&
		    strcmp(scan->layers->list[i].path, scan->path.data) == 0)
			return true;
	return false;
}

/* Where both sides have a file of one name each, which object it was copied from is of no interest before its
 * attributes are taken off. */
static unsigned upper_flags(const struct isle_scan *scan, const struct isle_seen *seen)
{
	bool wanted = (scan->flags & ISLE_SCAN_NOTES) || !seen->on_host || !S_ISREG(seen->st.stx_mode) ||
		      !S_ISREG(seen->host.stx_mode) || seen->st.stx_nlink > 1 || seen->host.stx_nlink > 1;

	return wanted ? 0 : ISLE_UPPER_NO_ORIGIN;
}

int isle_scan_upper(struct isle_scan *scan, const char *name)
{
	const struct isle_frame *frame = isle_scan_top(scan);
	struct isle_seen seen = {.name = name};
	int r;

	if (is_other_layer(scan))
		return 0;
	r = isle_statx(frame->upper, name, &seen.st);
	if (r < 0)
		return vanished(r);
	seen.base = frame->kind == ISLE_FRAME_HIDES ? frame->base : seen.st.stx_btime;
	r = look_at_host(scan, &seen);
	if (r < 0)
		return r;
	if (isle_is_whiteout(&seen.st))
		return whiteout(scan, &seen);
	r = isle_upper_read(frame->upper, name, isle_layer_xattr(scan->layer), &seen.st, upper_flags(scan, &seen),
			    &seen.notes);
	if (r < 0)
		return r;
	if (seen.notes.whiteout && frame->plain_whiteouts)
		r = whiteout(scan, &seen);
	else
		r = S_ISDIR(seen.st.stx_mode) ? directory(scan, &seen) : file(scan, &seen);
	isle_upper_done(&seen.notes);
	return r;
}

/* --- the root of a layer, and layers that are one file --- */

static int compare_root(struct isle_scan *scan, const struct isle_seen *seen, unsigned *ret_diff)
{
	struct isle_object upper = {.dir = scan->upper_root, .name = ""};
	struct isle_object host = {.dir = scan->host_root, .name = ""};

	if (!scan->layer->user)
		return isle_compare(upper, host, 0, ret_diff);
	*ret_diff = is_untouched(&seen->st, scan->layer->root_mode) ||
				    (seen->st.stx_mode & 07777) == (seen->host.stx_mode & 07777)
			    ? 0
			    : ISLE_META_MODE;
	return 0;
}

/* The layer was made for a directory of the host that has gone since, and nothing was put into it: no change. */
static bool is_unused_root(const struct isle_scan *scan, const struct isle_seen *seen)
{
	auto_fd int dir = openat(scan->upper_root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty = false;

	if (dir < 0 || isle_names_empty(dir, &empty) < 0 || !empty || seen->notes.opaque != '\0')
		return false;
	return !scan->layer->user || is_untouched(&seen->st, scan->layer->root_mode);
}

int isle_scan_root(struct isle_scan *scan, bool *ret_plain_whiteouts)
{
	struct isle_seen seen = {.name = "", .on_host = scan->host_root >= 0};
	unsigned diff = 0;
	ssize_t i;
	int r = isle_statx(scan->upper_root, "", &seen.st);

	if (r >= 0 && seen.on_host)
		r = isle_statx(scan->host_root, "", &seen.host);
	if (r >= 0)
		r = isle_upper_read(scan->upper_root, "", isle_layer_xattr(scan->layer), &seen.st, 0, &seen.notes);
	if (r < 0)
		return r;
	seen.base = seen.st.stx_btime;
	*ret_plain_whiteouts = seen.notes.opaque == 'x';
	seen.notes.origin = true; /* the upper root stands for the host's directory from the start */
	if (!seen.on_host) {
		r = is_unused_root(scan, &seen) ? 0 : created_directory(scan, &seen);
	} else {
		r = compare_root(scan, &seen, &diff);
		i = r < 0 ? r : add_difference(scan, &seen, diff);
		r = i < ISLE_NO_CHANGE ? (int)i : 0;
	}
	isle_upper_done(&seen.notes);
	return r;
}

static int open_path_fd(int path_fd)
{
	auto_free char *path = NULL;
	int fd;

	if (asprintf(&path, "/proc/self/fd/%d", path_fd) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* 1 if the file of the layer holds what the host's does. */
static int same_file(struct isle_scan *scan, int dir, const struct isle_seen *seen)
{
	auto_fd int file_fd = isle_open_plain(dir, "file");
	auto_fd int host_fd = -1;
	int r;

	if (file_fd < 0)
		return file_fd;
	if (!seen->on_host || !S_ISREG(seen->host.stx_mode) || seen->host.stx_size != seen->st.stx_size)
		return 0;
	host_fd = open_path_fd(scan->host_root);
	if (host_fd < 0)
		return 0;
	r = isle_same_data(file_fd, host_fd, seen->st.stx_size);
	return r;
}

/* How the copy in the layer differs from the host's file. */
static int compare_file_layer(struct isle_scan *scan, int dir, const struct isle_seen *seen, unsigned *ret_diff)
{
	struct isle_object copy = {.dir = dir, .name = seen->name};
	struct isle_object host = {.dir = scan->host_root, .name = ""};
	unsigned diff = 0;
	int r;

	if (seen->on_host && S_ISREG(seen->host.stx_mode)) {
		r = isle_compare(copy, host, ISLE_COMPARE_NO_DATA, &diff);
		if (r < 0)
			return r;
	}
	diff &= ~(unsigned)ISLE_META_MTIME;
	if (scan->layer->user) /* the copy has the user as its owner and no attributes (layer_make.c) */
		diff &= ISLE_META_MODE;
	r = same_file(scan, dir, seen);
	if (r < 0)
		return r;
	*ret_diff = diff | (r == 0 ? ISLE_DIFF_CONTENT : 0);
	return 0;
}

int isle_scan_file_layer(struct isle_scan *scan)
{
	struct isle_seen seen = {.name = "file", .on_host = scan->host_root >= 0, .notes.origin = true};
	auto_fd int dir = isle_layer_open(scan->isle, scan->layer);
	unsigned diff = 0;
	ssize_t i;
	int r;

	if (dir < 0)
		return vanished(dir);
	r = isle_layer_file_written(scan->isle, scan->layer);
	if (r <= 0)
		return vanished(r);
	r = isle_statx(dir, "file", &seen.st);
	if (r >= 0 && seen.on_host)
		r = isle_statx(scan->host_root, "", &seen.host);
	if (r >= 0)
		r = compare_file_layer(scan, dir, &seen, &diff);
	if (r < 0 || diff == 0)
		return vanished(r);
	seen.base = seen.st.stx_btime;
	isle_buf_clear(&scan->path);
	isle_buf_clear(&scan->host);
	isle_buf_adds(&scan->path, scan->layer->path);
	r = isle_buf_adds(&scan->host, scan->layer->path);
	i = r < 0 ? r : isle_scan_add(scan, diff & ISLE_DIFF_CONTENT ? ISLE_MODIFY : ISLE_METADATA, &seen);
	if (i < 0)
		return (int)i;
	scan->changes.list[i].diff = diff;
	if (!seen.on_host)
		scan->changes.list[i].moved = ISLE_MOVED_DELETED;
	return 0;
}
