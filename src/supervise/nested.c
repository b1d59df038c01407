/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount of the namespace inside is a copy of one of the view's, or of a part of it (a bind mount): its line in
 * mountinfo has the device and the root inside its file system, and so has that of the view's mount. What lies between
 * is text. An overlay that was mounted inside is of no device of the view's: what shows through it cannot be told.
 *
 * What a path there needs no second look for is remembered by the number of the namespace's root mount, and forgotten
 * when something is mounted (isle_handle_mount()), as for names.
 */
#include "nested.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "guide_internal.h"
#include "io.h"
#include "kernel.h"
#include "mounts.h"
#include "path.h"
#include "peer.h"
#include "static_filter.h"

enum { MOUNTINFO_LIMIT = 4 << 20 };

#define MNT_ID_UNIQUE 0x4000U /* STATX_MNT_ID_UNIQUE: Linux 6.8 */

static int read_mounts(pid_t process, struct isle_mounts *ret_mounts)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/mountinfo", (int)process);
	int r = isle_read_file(AT_FDCWD, name, &text, MOUNTINFO_LIMIT);
	return r < 0 ? r : isle_mounts_parse(text.data == NULL ? "" : text.data, text.size, ret_mounts);
}

static const struct isle_mount *find_id(const struct isle_mounts *mounts, uint64_t id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if ((uint64_t)mounts->list[i].id == id)
			return &mounts->list[i];
	return NULL;
}

/* Those of the view, as the leader sees them; of this second. */
static const struct isle_mounts *view_mounts(struct isle_guide *guide)
{
	struct isle_mounts now = ISLE_MOUNTS_INIT;

	if (guide->view_mounts.count > 0 && guide->view_read == guide->second)
		return &guide->view_mounts;
	if (guide->processes.leader == 0 || read_mounts(guide->processes.leader, &now) < 0)
		return &guide->view_mounts;
	isle_mounts_done(&guide->view_mounts);
	guide->view_mounts = now;
	guide->view_read = guide->second;
	return &guide->view_mounts;
}

/* In the view's namespace, with another root directory: chroot(2). Two that differ in unique ids never become one. */
static bool is_of_view(struct isle_guide *guide, const char *name, uint64_t unique)
{
	struct statx st;

	for (size_t i = 0; i < ARRAY_SIZE(guide->nested_roots) && unique != 0; i++)
		if (guide->nested_roots[i] == unique)
			return false;
	if (statx(AT_FDCWD, name, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return true;
	const struct isle_mounts *mounts = view_mounts(guide);
	if (mounts->count == 0 || find_id(mounts, st.stx_mnt_id) != NULL)
		return true;
	guide->nested_roots[unique % ARRAY_SIZE(guide->nested_roots)] = unique;
	return false;
}

uint64_t isle_nested(struct isle_guide *guide, const struct isle_call *call)
{
	const unsigned mask = STATX_MNT_ID | MNT_ID_UNIQUE;
	struct statx root;
	char name[32];

	/* Each call that makes a mount namespace, or enters one, has been seen. */
	if (!guide->chroots || (guide->options.filter & ISLE_FILTER_NEST) == 0 || guide->events == NULL ||
	    guide->root < 0)
		return 0;
	if (guide->view_root == 0 && statx(guide->root, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &root) == 0)
		guide->view_root = root.stx_mnt_id;
	snprintf(name, sizeof(name), "/proc/%d/root", (int)call->tid);
	if (statx(AT_FDCWD, name, AT_NO_AUTOMOUNT, mask, &root) < 0 || root.stx_mnt_id == guide->view_root)
		return 0;
	uint64_t unique = (root.stx_mask & MNT_ID_UNIQUE) != 0 ? root.stx_mnt_id : 0;
	if (is_of_view(guide, name, unique))
		return 0;
	return unique != 0 ? unique : ISLE_NESTED_SOME;
}

/* The caller's root as its namespace has it: "" is that of the namespace. */
static int root_text(const struct isle_call *call, char *text, size_t room)
{
	int length = isle_peer_link(call->tid, "root", text, room);

	if (length == 1)
		text[0] = '\0';
	return length < 0 ? length : 0;
}

int isle_nested_root(struct isle_guide *guide, const struct isle_call *call, const char *raw, const char **ret_below)
{
	char text[PATH_MAX];
	char name[32];

	int r = root_text(call, text, sizeof(text));
	if (r < 0)
		return r;
	if (text[0] != '\0' && !isle_path_below(raw, text)) {
		r = isle_guide_lose(guide, "a path outside of the root directory in a mount namespace of its own");
		return r < 0 ? r : -ENODATA;
	}
	snprintf(name, sizeof(name), "/proc/%d/root", (int)call->tid);
	int fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		r = isle_guide_lose(guide, "a root directory in a mount namespace of its own");
		return r < 0 ? r : -ENODATA;
	}
	*ret_below = raw + strlen(text);
	return fd;
}

/* What of path comes after parent, which holds it: "" or "/...". */
static const char *rest_of(const char *path, const char *parent)
{
	const char *rest = path + (strcmp(parent, "/") == 0 ? 0 : strlen(parent));

	return strcmp(rest, "/") == 0 ? "" : rest;
}

/* The view's mount of the same file system, of all or of the part that holds mount. */
static const struct isle_mount *find_source(struct isle_guide *guide, const struct isle_mount *mount)
{
	const struct isle_mounts *mounts = view_mounts(guide);

	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->list[i].dev == mount->dev && isle_path_below(mount->root, mounts->list[i].root))
			return &mounts->list[i];
	return NULL;
}

int isle_nested_view(struct isle_guide *guide, const struct isle_call *call, int fd, char *view, size_t room)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	char root[PATH_MAX];
	char path[PATH_MAX];
	struct statx st;

	int r = isle_statx(fd, "", &st);
	if (r >= 0)
		r = isle_guide_path_of_object(fd, path, sizeof(path));
	if (r >= 0)
		r = root_text(call, root, sizeof(root));
	if (r >= 0)
		r = read_mounts(call->tid, &mounts);
	if (r == -ENOMEM || r == -E2BIG)
		return r;
	if (r < 0) {
		r = isle_guide_lose(guide, "a mount namespace of its own that cannot be looked at");
		return r < 0 ? r : -ENODATA;
	}
	const struct isle_mount *mount = find_id(&mounts, st.stx_mnt_id);
	const char *below = isle_path_below(path, root[0] == '\0' ? "/" : root) ? path + strlen(root) : path;
	below = *below == '\0' ? "/" : below;
	const struct isle_mount *source = mount == NULL || !isle_path_below(below, mount->point)
						  ? NULL
						  : find_source(guide, mount);
	if (source == NULL) {
		r = isle_guide_is_overlay(fd) ? isle_guide_lose(guide, "an overlay that was mounted inside") : 0;
		return r < 0 ? r : -ENODATA;
	}
	int n = snprintf(view, room, "%s%s%s", strcmp(source->point, "/") == 0 ? "" : source->point,
			 rest_of(mount->root, source->root), rest_of(below, mount->point));
	if (n < 0 || (size_t)n >= room)
		return -E2BIG;
	if (n == 0)
		snprintf(view, room, "/");
	return 0;
}
