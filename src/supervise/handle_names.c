/* SPDX-License-Identifier: Apache-2.0 */
/* Trapped calls that make, remove or move names, or change metadata by path: who changed what first. */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/syscall.h>

#include "calls.h"
#include "peer.h"

enum { NONE = -1, DESCRIPTOR = -2 };

/* Which of a call's arguments are what. */
struct shape {
	int nr;
	enum isle_write how;
	int dirfd, path;   /* path DESCRIPTOR: there is none, dirfd itself is meant */
	int dirfd2, path2; /* path2 without dirfd2: a text */
	int flags;	   /* AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH */
	bool nofollow;	   /* always */
};

#define NAMES(nr, how, ...)                                                                                            \
	{                                                                                                              \
		nr, ISLE_WRITE_##how, __VA_ARGS__, NONE, true                                                          \
	}
#define METADATA(nr, dirfd, path, ...)                                                                                 \
	{                                                                                                              \
		nr, ISLE_WRITE_METADATA, dirfd, path, NONE, NONE, __VA_ARGS__                                          \
	}

static const struct shape shapes[] = {
	NAMES(SYS_unlinkat, REMOVE, 0, 1, NONE, NONE),
	NAMES(SYS_renameat, RENAME, 0, 1, 2, 3),
	NAMES(SYS_renameat2, RENAME, 0, 1, 2, 3),
	NAMES(SYS_mkdirat, MKDIR, 0, 1, NONE, NONE),
	NAMES(SYS_symlinkat, SYMLINK, 1, 2, NONE, 0),
	{SYS_linkat, ISLE_WRITE_LINK, 0, 1, 2, 3, 4, true},
	NAMES(SYS_mknodat, NODE, 0, 1, NONE, NONE),
	{SYS_truncate, ISLE_WRITE_OPEN, NONE, 0, NONE, NONE, NONE, false},
	METADATA(SYS_fchmodat, 0, 1, NONE, false),
	METADATA(ISLE_CALL_FCHMODAT2, 0, 1, 3, false),
	METADATA(SYS_fchmod, 0, DESCRIPTOR, NONE, false),
	METADATA(SYS_fchown, 0, DESCRIPTOR, NONE, false),
	METADATA(SYS_fchownat, 0, 1, 4, false),
	METADATA(SYS_utimensat, 0, 1, 3, false),
	METADATA(SYS_setxattr, NONE, 0, NONE, false),
	METADATA(SYS_lsetxattr, NONE, 0, NONE, true),
	METADATA(SYS_fsetxattr, 0, DESCRIPTOR, NONE, false),
	METADATA(ISLE_CALL_SETXATTRAT, 0, 1, 2, false),
	METADATA(SYS_removexattr, NONE, 0, NONE, false),
	METADATA(SYS_lremovexattr, NONE, 0, NONE, true),
	METADATA(SYS_fremovexattr, 0, DESCRIPTOR, NONE, false),
	METADATA(ISLE_CALL_REMOVEXATTRAT, 0, 1, 2, false),
#ifdef SYS_open
	NAMES(SYS_unlink, REMOVE, NONE, 0, NONE, NONE),
	NAMES(SYS_rmdir, REMOVE, NONE, 0, NONE, NONE),
	NAMES(SYS_rename, RENAME, NONE, 0, NONE, 1),
	NAMES(SYS_mkdir, MKDIR, NONE, 0, NONE, NONE),
	NAMES(SYS_symlink, SYMLINK, NONE, 1, NONE, 0),
	NAMES(SYS_link, LINK, NONE, 0, NONE, 1),
	NAMES(SYS_mknod, NODE, NONE, 0, NONE, NONE),
	METADATA(SYS_chmod, NONE, 0, NONE, false),
	METADATA(SYS_chown, NONE, 0, NONE, false),
	METADATA(SYS_lchown, NONE, 0, NONE, true),
	METADATA(SYS_utime, NONE, 0, NONE, false),
	METADATA(SYS_utimes, NONE, 0, NONE, false),
	METADATA(SYS_futimesat, 0, 1, NONE, false),
#endif
};

static const struct shape *shape_of(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].nr == nr)
			return &shapes[i];
	return NULL;
}

/* futimens(3), futimes(3) */
static bool sets_times_without_path(const struct isle_call *call, const struct shape *shape)
{
#ifdef SYS_futimesat
	if (shape->nr == SYS_futimesat)
		return (int)call->args[0] != AT_FDCWD;
#endif
	return shape->nr == SYS_utimensat && (int)call->args[0] != AT_FDCWD;
}

/* With AT_EMPTY_PATH an empty path means the descriptor, and none at all does for those that set times. */
static bool is_of_descriptor(const struct isle_call *call, const struct shape *shape, int path)
{
	char first = '\1';

	if (path == DESCRIPTOR)
		return true;
	if (call->args[path] == 0 && sets_times_without_path(call, shape))
		return true;
	if (shape->flags < 0 || path != shape->path || (call->args[shape->flags] & AT_EMPTY_PATH) == 0)
		return false;
	return call->args[path] == 0 || (isle_peer_read(call->tid, call->args[path], &first, 1) >= 0 && first == '\0');
}

static bool makes(const struct shape *shape, bool second)
{
	return second || shape->how == ISLE_WRITE_MKDIR || shape->how == ISLE_WRITE_SYMLINK ||
	       shape->how == ISLE_WRITE_NODE;
}

/* 1: looked at; 0: nothing of the host, or nothing there; -errno. */
static int look(struct isle_guide *guide, const struct isle_call *call, const struct shape *shape, bool second,
		struct isle_sight *sight)
{
	int dirfd = second ? shape->dirfd2 : shape->dirfd;
	int path = second ? shape->path2 : shape->path;
	int fd = dirfd < 0 ? AT_FDCWD : (int)call->args[dirfd];
	bool open = is_of_descriptor(call, shape, path);
	bool link = shape->nofollow || open ||
		    (shape->flags >= 0 && (call->args[shape->flags] & AT_SYMLINK_NOFOLLOW) != 0);
	int length = open		     ? isle_guide_path_of_fd(guide, call, fd)
		     : call->args[path] == 0 ? 0 /* a bad address */
					     : isle_guide_path(guide, call, fd, call->args[path]);

	if (length < 0) /* an empty path is ENOENT */
		return length == -ENOENT ? 0 : length;
	/* The kernel's own name of what is open, most often a file that the program has just made. */
	if (open && length > 0 && shape->how == ISLE_WRITE_METADATA && guide->elsewhere == 0 &&
	    isle_guide_is_written(guide, guide->raw))
		return 0;
	int r = length == 0 ? -ENODATA
			    : isle_guide_look(guide, call, guide->raw, link ? ISLE_SIGHT_NOFOLLOW : 0, sight);
	if (r == -ENODATA)
		r = isle_guide_refused_by_view(guide, call,
					       makes(shape, second) ? ISLE_WANTED_CREATE : ISLE_WANTED_CHANGE);
	else if (r >= 0)
		return 1;
	return r >= 0 || isle_guide_is_missing(r) ? 0 : r;
}

static bool same_layer(const struct isle_guide *guide, const struct isle_sight *a, const struct isle_sight *b)
{
	return isle_layers_find(&guide->origins.layers, a->view) == isle_layers_find(&guide->origins.layers, b->view);
}

static unsigned rename_flags(const struct isle_call *call)
{
	return call->notif.data.nr == SYS_renameat2 ? (unsigned)call->args[4] : 0;
}

static int handle_rename(struct isle_guide *guide, const struct isle_call *call, const struct shape *shape,
			 const struct isle_sight *from)
{
	struct isle_sight to;
	int r = look(guide, call, shape, true, &to);

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
	if (r >= 0)
		r = isle_guide_carry(guide, call, from, &to, rename_flags(call));
	if (!S_ISREG(from->mode) || (to.mode != 0 && !S_ISREG(to.mode))) {
		isle_guide_renamed(guide, call);
	}
	return r;
}

/* linkat(2) of what has no name in the view, an open file (O_TMPFILE): it gets its first. */
static int handle_first_name(struct isle_guide *guide, const struct isle_call *call, const struct shape *shape)
{
	struct isle_sight to;

	if (shape->how != ISLE_WRITE_LINK ||
	    (!is_of_descriptor(call, shape, shape->path) && strncmp(guide->raw, "/proc/", 6) != 0 &&
	     strncmp(guide->raw, "/dev/fd/", 8) != 0))
		return 0;
	int r = look(guide, call, shape, true, &to);
	return r <= 0 || to.mode != 0 ? r : isle_guide_write(guide, call, to.view, ISLE_WRITE_CREATE, NULL);
}

int isle_handle_names(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct shape *shape = shape_of(call->notif.data.nr);
	struct isle_sight sight;

	(void)ret_verdict;
	if (shape == NULL)
		return 0;
	int r = look(guide, call, shape, false, &sight);
	if (r <= 0)
		return r < 0 ? r : handle_first_name(guide, call, shape);
	switch (shape->how) {
	case ISLE_WRITE_RENAME:
	case ISLE_WRITE_LINK:
		return handle_rename(guide, call, shape, &sight);
	case ISLE_WRITE_REMOVE:
		if (sight.mode == 0)
			return isle_guide_read(guide, call, &sight, ISLE_READ_LOOKUP);
		guide->removals++;
		if (!S_ISREG(sight.mode))
			isle_guide_removed(guide, call, sight.view);
		break;
	case ISLE_WRITE_MKDIR:
	case ISLE_WRITE_SYMLINK:
	case ISLE_WRITE_NODE:
		if (sight.mode != 0)
			return isle_guide_read(guide, call, &sight, ISLE_READ_LOOKUP);
		if (shape->how == ISLE_WRITE_SYMLINK)
			isle_guide_renamed(guide, call);
		else
			isle_origins_forget_below(&guide->origins, sight.view);
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
	int r = look(guide, call, shape, false, &sight);
	if (r <= 0 || sight.mode == 0)
		return r;
	if (shape->how == ISLE_WRITE_OPEN) { /* truncate(2) */
		r = isle_guide_read(guide, call, &sight, ISLE_READ_CONTENT);
		if (r >= 0)
			r = isle_guide_keep(guide, &sight);
	} else
		isle_guide_copied(guide, &sight);
	return r < 0 ? r : isle_guide_write(guide, call, sight.view, shape->how, NULL);
}
