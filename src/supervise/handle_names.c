/* SPDX-License-Identifier: Apache-2.0 */
/* Trapped calls that make, remove or move names, or change metadata by path: who changed what first. */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "peer.h"

enum { FCHMODAT2 = 452 }; /* Linux 6.6 */

/* Which of a call's arguments are what; -1: none. */
struct shape {
	int nr;
	enum isle_write how;
	int dirfd, path;
	int dirfd2, path2;
};

static const struct shape shapes[] = {
	{SYS_unlinkat, ISLE_WRITE_REMOVE, 0, 1, -1, -1},   {SYS_renameat, ISLE_WRITE_RENAME, 0, 1, 2, 3},
	{SYS_renameat2, ISLE_WRITE_RENAME, 0, 1, 2, 3},	   {SYS_mkdirat, ISLE_WRITE_MKDIR, 0, 1, -1, -1},
	{SYS_symlinkat, ISLE_WRITE_SYMLINK, 1, 2, -1, 0},  {SYS_linkat, ISLE_WRITE_LINK, 0, 1, 2, 3},
	{SYS_mknodat, ISLE_WRITE_NODE, 0, 1, -1, -1},	   {SYS_truncate, ISLE_WRITE_OPEN, -1, 0, -1, -1},
	{SYS_fchmodat, ISLE_WRITE_METADATA, 0, 1, -1, -1}, {FCHMODAT2, ISLE_WRITE_METADATA, 0, 1, -1, -1},
	{SYS_fchownat, ISLE_WRITE_METADATA, 0, 1, -1, -1},
#ifdef SYS_open
	{SYS_unlink, ISLE_WRITE_REMOVE, -1, 0, -1, -1},	   {SYS_rmdir, ISLE_WRITE_REMOVE, -1, 0, -1, -1},
	{SYS_rename, ISLE_WRITE_RENAME, -1, 0, -1, 1},	   {SYS_mkdir, ISLE_WRITE_MKDIR, -1, 0, -1, -1},
	{SYS_symlink, ISLE_WRITE_SYMLINK, -1, 1, -1, 0},   {SYS_link, ISLE_WRITE_LINK, -1, 0, -1, 1},
	{SYS_mknod, ISLE_WRITE_NODE, -1, 0, -1, -1},	   {SYS_chmod, ISLE_WRITE_METADATA, -1, 0, -1, -1},
	{SYS_chown, ISLE_WRITE_METADATA, -1, 0, -1, -1},   {SYS_lchown, ISLE_WRITE_METADATA, -1, 0, -1, -1},
#endif
};

static const struct shape *shape_of(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].nr == nr)
			return &shapes[i];
	return NULL;
}

/* With AT_EMPTY_PATH an empty path means the descriptor. */
static bool is_of_descriptor(const struct isle_call *call, int path)
{
	bool link = call->notif.data.nr == SYS_linkat && path == 1;
	char first = '\1';

	if (!link && call->notif.data.nr != FCHMODAT2)
		return false;
	return (call->args[link ? 4 : 3] & AT_EMPTY_PATH) != 0 &&
	       isle_peer_read(call->tid, call->args[path], &first, 1) >= 0 && first == '\0';
}

/* 1: looked at; 0: nothing of the host, or nothing there; -errno. */
static int look(struct isle_guide *guide, const struct isle_call *call, int dirfd, int path, unsigned flags,
		struct isle_sight *sight)
{
	int fd = dirfd < 0 ? AT_FDCWD : (int)call->args[dirfd];
	int length = is_of_descriptor(call, path) ? isle_guide_path_of_fd(guide, call, fd)
						  : isle_guide_path(guide, call, fd, call->args[path]);

	if (length <= 0) /* an empty path can mean the descriptor, or is ENOENT */
		return length == -ENOENT ? 0 : length;
	int r = isle_guide_look(guide, call, guide->raw, flags, sight);
	return r >= 0 ? 1 : isle_guide_is_missing(r) ? 0 : r;
}

static bool same_layer(const struct isle_guide *guide, const struct isle_sight *a, const struct isle_sight *b)
{
	return isle_layers_find(&guide->origins.layers, a->view) == isle_layers_find(&guide->origins.layers, b->view);
}

static int handle_rename(struct isle_guide *guide, const struct isle_call *call, const struct shape *shape,
			 const struct isle_sight *from)
{
	struct isle_sight to;
	int r = look(guide, call, shape->dirfd2, shape->path2, ISLE_SIGHT_NOFOLLOW, &to);

	if (r <= 0 || from->mode == 0)
		return r;
	guide->removals++;
	if (!S_ISDIR(from->mode) && !S_ISDIR(to.mode) && same_layer(guide, from, &to))
		guide->plain = call->notif.id;
	if (to.mode != 0)
		r = isle_guide_keep(guide, &to);
	if (r >= 0)
		r = isle_guide_write(guide, call, from->view, shape->how, to.view);
	if (r >= 0 && shape->how == ISLE_WRITE_LINK)
		return isle_guide_read(guide, call, from, ISLE_READ_CONTENT);
	if (!S_ISREG(from->mode) || (to.mode != 0 && !S_ISREG(to.mode))) {
		isle_guide_renamed(guide, call);
	}
	return r;
}

int isle_handle_names(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct shape *shape = shape_of(call->notif.data.nr);
	struct isle_sight sight;

	(void)ret_verdict;
	if (shape == NULL)
		return 0;
	int r = look(guide, call, shape->dirfd, shape->path, ISLE_SIGHT_NOFOLLOW, &sight);
	if (r <= 0)
		return r;
	switch (shape->how) {
	case ISLE_WRITE_RENAME:
	case ISLE_WRITE_LINK:
		return handle_rename(guide, call, shape, &sight);
	case ISLE_WRITE_REMOVE:
		if (sight.mode == 0)
			return isle_guide_read(guide, call, &sight, ISLE_READ_LOOKUP);
		guide->removals++;
		if (!S_ISREG(sight.mode))
			isle_guide_renamed(guide, call);
		break;
	case ISLE_WRITE_MKDIR:
	case ISLE_WRITE_SYMLINK:
	case ISLE_WRITE_NODE:
		if (sight.mode != 0)
			return isle_guide_read(guide, call, &sight, ISLE_READ_LOOKUP);
		if (shape->how == ISLE_WRITE_SYMLINK)
			isle_guide_renamed(guide, call);
		else
			isle_origins_forget(&guide->origins);
		break;
	default:
		break;
	}
	char target[PATH_MAX] = "";
	if (shape->how == ISLE_WRITE_SYMLINK)
		isle_ignore(isle_peer_string(call->tid, call->args[shape->path2], target, sizeof(target)));
	return isle_guide_write(guide, call, sight.view, shape->how, target);
}

int isle_handle_metadata(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct shape *shape = shape_of(call->notif.data.nr);
	struct isle_sight sight;

	(void)ret_verdict;
	if (shape == NULL)
		return 0;
	bool link = call->notif.data.nr == SYS_fchownat && (call->args[4] & AT_SYMLINK_NOFOLLOW) != 0;
#ifdef SYS_lchown
	link |= call->notif.data.nr == SYS_lchown;
#endif
	if (call->notif.data.nr == SYS_fchownat && (call->args[4] & AT_EMPTY_PATH) != 0)
		return 0; /* as fchown(2): of what is open */
	int r = look(guide, call, shape->dirfd, shape->path, link ? ISLE_SIGHT_NOFOLLOW : 0, &sight);
	if (r <= 0 || sight.mode == 0)
		return r;
	if (shape->how == ISLE_WRITE_OPEN) { /* truncate(2) */
		r = isle_guide_read(guide, call, &sight, ISLE_READ_CONTENT);
		if (r >= 0)
			r = isle_guide_keep(guide, &sight);
	}
	return r < 0 ? r : isle_guide_write(guide, call, sight.view, shape->how, NULL);
}
