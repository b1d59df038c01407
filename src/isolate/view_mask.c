/* SPDX-License-Identifier: Apache-2.0 */
#include "view_mask.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "composite.h"
#include "path.h"
#include "xattr.h"

static const char marker[] = "masked";

bool isle_mask_is_wanted(const struct isle_view *view, unsigned layer)
{
	for (size_t i = 0; i < view->mask_count; i++) {
		if (view->masks[i].layer == layer)
			return true;
	}
	return false;
}

static int copy_list(int from, int to, const char *name, const char *key)
{
	auto_buf struct isle_buf value = ISLE_BUF_INIT;
	char *room = isle_buf_reserve(&value, XATTR_SIZE_MAX);

	if (room == NULL)
		return -ENOMEM;
	ssize_t n = isle_xattr_get(from, name, key, room, XATTR_SIZE_MAX);
	if (n < 0)
		return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
	return isle_xattr_set(to, name, key, room, (size_t)n);
}

/* Owner, mode, access lists and time of from/name. A user's copies belong to the user, with the rights that the user
 * has there. */
static int copy_look(int from, int to, const char *name, bool user)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	if (user) {
		auto_fd int dir = isle_walk(from, name, O_PATH | O_DIRECTORY);

		if (dir < 0)
			return dir;
		if (fchmodat(to, name, isle_effective_mode(dir, st.st_mode & 07777), 0) < 0)
			return -errno;
	} else {
		if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fchmodat(to, name, st.st_mode & 07777, 0) < 0)
			return -errno;
		int r = copy_list(from, to, name, "system.posix_acl_access");
		if (r >= 0)
			r = copy_list(from, to, name, "system.posix_acl_default");
		if (r < 0)
			return r;
	}
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Enters from/name and its copy to/name, which is made. 0: the host has no such directory, or all of it is masked. */
static int enter(int *from, int *to, const char *name)
{
	int next = isle_walk(*from, name, O_PATH | O_DIRECTORY);

	if (next < 0)
		return isle_is_gone(next) ? 0 : next;
	isle_cleanup_fd(from);
	*from = next;
	next = isle_walk(*to, name, O_PATH | O_DIRECTORY);
	if (next < 0)
		return next == -ENOTDIR ? 0 : next;
	isle_cleanup_fd(to);
	*to = next;
	return 1;
}

static int make_directory(int from, int to, const char *name, bool user)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (mkdirat(to, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return copy_look(from, to, name, user);
}

/* Only in layers of root's. An opaque directory, so that what is made in it is no deletion of what it hides; a whiteout
 * where the file system in memory has no attributes. */
static int mask_directory(int from, int to, const char *name)
{
	int r = make_directory(from, to, name, false);

	if (r >= 0)
		r = isle_xattr_set(to, name, "trusted.overlay.opaque", "y", 1);
	if (r >= 0)
		return 0;
	isle_ignore(unlinkat(to, name, AT_REMOVEDIR));
	return mknodat(to, name, S_IFCHR, 0) < 0 && errno != EEXIST ? -errno : 0;
}

static int add_mask(int mask, int lower, const char *below, const struct isle_mask *what, bool user)
{
	auto_fd int from = fcntl(lower, F_DUPFD_CLOEXEC, 0);
	auto_fd int to = fcntl(mask, F_DUPFD_CLOEXEC, 0);
	char name[256];
	int r = from < 0 || to < 0 ? -errno : 1;

	while (r > 0) {
		size_t length = strcspn(below, "/");

		if (length >= sizeof(name))
			return -ENAMETOOLONG;
		snprintf(name, sizeof(name), "%.*s", (int)length, below);
		below += length;
		if (*below == '\0')
			break;
		below++;
		r = make_directory(from, to, name, user);
		if (r >= 0)
			r = enter(&from, &to, name);
	}
	if (r <= 0)
		return r;
	if (what->directory)
		return mask_directory(from, to, name);
	return mknodat(to, name, S_IFREG, 0) < 0 && errno != EEXIST ? -errno : 0;
}

/* What is masked with a directory above it needs no mask, which would be in the way of that one's. */
static bool is_below_another(const struct isle_view *view, const struct isle_mask *mask)
{
	for (size_t i = 0; i < view->mask_count; i++) {
		const struct isle_mask *other = &view->masks[i];

		if (other->layer == mask->layer && strcmp(other->path, mask->path) != 0 &&
		    isle_path_below(mask->path, other->path))
			return true;
	}
	return false;
}

int isle_mask_fill(int mask, int lower, const struct isle_view *view, unsigned layer)
{
	const char *top = view->layers.list[layer].path;
	size_t skip = strcmp(top, "/") == 0 ? 1 : strlen(top) + 1;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < view->mask_count; i++) {
		const struct isle_mask *what = &view->masks[i];

		if (what->layer == layer && !is_below_another(view, what))
			r = add_mask(mask, lower, what->path + skip, what, view->user);
	}
	return r;
}

int isle_mask_note(int layer_dir, bool masked)
{
	if (!masked && faccessat(layer_dir, marker, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	/* First, so that a crash in between does no harm. */
	auto_fd int mark = openat(layer_dir, marker, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (mark < 0)
		return -errno;
	int r = isle_xattr_remove(layer_dir, "upper", "trusted.overlay.origin");
	if (r < 0 && r != -ENODATA)
		return r;
	return !masked && unlinkat(layer_dir, marker, 0) < 0 ? -errno : 0;
}
