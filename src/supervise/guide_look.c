/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path leads to, in the view and on the host.
 *
 * The kernel resolves it, from the root of the view and bounded by it (RESOLVE_IN_ROOT, no magic links); then /proc
 * says what the path without symbolic links is. Only when the two differ are the links looked for one by one.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "kernel.h"

enum { LINKS_MAX = 40, TRIES_MAX = 10000 };

int isle_guide_open(const struct isle_guide *guide, const char *path, int flags)
{
	const struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
				     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	int fd = -EAGAIN;

	/* ".." is refused while anything on the machine is being renamed or mounted, and can be tried again. */
	for (unsigned i = 0; i < TRIES_MAX && fd == -EAGAIN; i++)
		fd = isle_openat2(guide->root, path[0] == '/' && path[1] == '\0' ? "." : path, &how);
	return fd;
}

static bool is_overlay(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == ISLE_OVERLAY_MAGIC;
}

int isle_guide_path_of_object(int fd, char *path, size_t room)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlinkat(AT_FDCWD, name, path, room);
	if (n < 0 || (size_t)n >= room)
		return n < 0 ? -errno : -ENAMETOOLONG;
	path[n] = '\0';
	return path[0] == '/' ? (int)n : -ENOENT;
}

static int look_at_host(struct isle_guide *guide, struct isle_sight *sight)
{
	struct statx st;
	int r = isle_origin_find(&guide->origins, sight->view, sight->host, sizeof(sight->host));

	if (r < 0)
		return r;
	sight->origin = (enum isle_origin)r;
	sight->then = (struct isle_identity){0};
	if (sight->origin == ISLE_ORIGIN_OWN)
		return 0;
	r = isle_statx(AT_FDCWD, sight->host, &st);
	if (r >= 0)
		isle_identity_from(&st, &sight->then);
	else if (r != -ENOENT && r != -ENOTDIR)
		return r;
	return 0;
}

static int record_link(struct isle_guide *guide, const struct isle_call *call, const char *path)
{
	struct isle_sight sight = {.st.st_mode = S_IFLNK};

	snprintf(sight.view, sizeof(sight.view), "%s", path);
	int r = look_at_host(guide, &sight);
	return r < 0 ? r : isle_guide_read(guide, call, &sight, ISLE_READ_LINK);
}

/* Goes from `at` to its parent. */
static void up(char *at)
{
	char *slash = strrchr(at, '/');

	if (slash != NULL)
		*slash = '\0';
}

/* Follows raw component by component and records each link. Whatever goes wrong, the kernel will find, too. */
static int record_links(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags)
{
	char pending[2 * PATH_MAX];
	char at[PATH_MAX] = "";
	char target[PATH_MAX];
	char *next = pending;
	unsigned links = 0;

	snprintf(pending, sizeof(pending), "%s", raw);
	while (*next != '\0') {
		char *name = next + strspn(next, "/");
		size_t size = strcspn(name, "/");
		size_t length = strlen(at);

		next = name + size;
		if (size == 0 || (size == 1 && name[0] == '.'))
			continue;
		if (size == 2 && name[0] == '.' && name[1] == '.') {
			up(at);
			continue;
		}
		if (length + size + 2 > sizeof(at))
			return 0;
		snprintf(at + length, sizeof(at) - length, "/%.*s", (int)size, name);
		if ((flags & ISLE_SIGHT_NOFOLLOW) != 0 && next[strspn(next, "/")] == '\0')
			return 0;
		ssize_t n = readlinkat(guide->root, at + 1, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		int r = ++links > LINKS_MAX ? -ELOOP : record_link(guide, call, at);
		if (r < 0)
			return r;
		target[n] = '\0';
		auto_free char *rest = strdup(next);
		if (rest == NULL)
			return -ENOMEM;
		snprintf(pending, sizeof(pending), "%s%s", target, rest);
		next = pending;
		if (target[0] == '/')
			at[0] = '\0';
		else
			up(at);
	}
	return 0;
}

/* The first component of raw that is missing, in a directory that is there. */
static int look_for_missing(struct isle_guide *guide, const struct isle_call *call, const char *raw,
			    struct isle_sight *sight)
{
	char parent[2 * PATH_MAX];
	const char *name = NULL;
	auto_fd int dir = -1;

	snprintf(parent, sizeof(parent), "%s", raw);
	while (dir < 0) {
		char *slash = strrchr(parent, '/');

		if (slash == NULL)
			return -ENOENT;
		name = raw + (slash - parent) + 1;
		*slash = '\0';
		dir = isle_guide_open(guide, parent[0] == '\0' ? "/" : parent, O_DIRECTORY);
		if (dir < 0 && dir != -ENOENT)
			return dir;
	}
	if (!is_overlay(dir))
		return -ENODATA;
	int length = isle_guide_path_of_object(dir, sight->view, sizeof(sight->view));
	if (length < 0)
		return length;
	length = length == 1 ? 0 : length;
	if (strncmp(sight->view, parent, (size_t)length) != 0 || parent[length] != '\0') {
		int r = record_links(guide, call, parent, 0);

		if (r < 0)
			return r;
	}
	size_t size = strcspn(name, "/");
	if (size == 2 && strncmp(name, "..", 2) == 0)
		return -ENOENT;
	if ((size_t)length + size + 2 > sizeof(sight->view))
		return -ENAMETOOLONG;
	snprintf(sight->view + length, sizeof(sight->view) - (size_t)length, "/%.*s", (int)size, name);
	sight->st = (struct stat){0};
	/* A link whose target is missing: that name is looked for. */
	char target[PATH_MAX];
	ssize_t n = readlinkat(guide->root, sight->view + 1, target, sizeof(target) - 1);
	if (n < 0)
		return look_at_host(guide, sight);
	target[n] = '\0';
	int r = record_link(guide, call, sight->view);
	if (r < 0)
		return r;
	if (++guide->depth > LINKS_MAX)
		return -ELOOP;
	up(sight->view);
	snprintf(parent, sizeof(parent), "%s%s%s%s", target[0] == '/' ? "" : sight->view, target[0] == '/' ? "" : "/",
		 target, name + size);
	return look_for_missing(guide, call, parent, sight);
}

int isle_guide_look(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
		    struct isle_sight *sight)
{
	auto_fd int fd = -1;

	if (guide->root < 0)
		return -ENODATA;
	guide->depth = 0;
	fd = isle_guide_open(guide, raw, (flags & ISLE_SIGHT_NOFOLLOW) != 0 ? O_NOFOLLOW : 0);
	if (fd == -ENOENT)
		return look_for_missing(guide, call, raw, sight);
	if (fd < 0)
		return fd;
	int r = isle_guide_path_of_object(fd, sight->view, sizeof(sight->view));
	if (r < 0)
		return r;
	if (!is_overlay(fd) && !isle_origins_is_file(&guide->origins, sight->view))
		return -ENODATA;
	if (fstat(fd, &sight->st) < 0)
		return -errno;
	if (strcmp(sight->view, raw) != 0)
		r = record_links(guide, call, raw, flags);
	return r < 0 ? r : look_at_host(guide, sight);
}
