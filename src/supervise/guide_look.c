/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path leads to, in the view and on the host.
 *
 * The kernel resolves it, from the root of the view and bounded by it (RESOLVE_IN_ROOT, no magic links); then /proc
 * says what the path without symbolic links is. A look beside the one before is cheaper (near.h). Where the two differ,
 * where nothing is found, or where the process has another root than the view's, the path is walked component by
 * component: to record links, to find the first name that is missing, and to see links of /proc with the eyes of the
 * process.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "nested.h"
#include "path.h"

enum { LINKS_MAX = 40, ATTEMPTS_MAX = 10000 };

/* A rename anywhere on the machine makes the kernel give up a path with ".." that it is to keep inside a root. */
static int open_resolving(const struct isle_guide *guide, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
				     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
	int fd = -EAGAIN;

	for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && fd == -EAGAIN; attempt++)
		fd = isle_openat2(guide->nested >= 0 ? guide->nested : guide->root,
				  path[0] == '/' && path[1] == '\0' ? "." : path, &how);
	return fd;
}

int isle_guide_open(const struct isle_guide *guide, const char *path, int flags)
{
	return open_resolving(guide, path, flags, 0);
}

/* Most paths have no symbolic links: there is nothing on the way that has to be walked to. -ELOOP: this one has. */
static int open_plain(const struct isle_guide *guide, const char *raw, int flags)
{
	if (strlen(raw) >= PATH_MAX)
		return -ELOOP;
	return open_resolving(guide, raw, flags, RESOLVE_NO_SYMLINKS);
}

bool isle_guide_is_overlay(int fd)
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
		return n < 0 && errno != ENAMETOOLONG ? -errno : -E2BIG;
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

/* What is there, opened as fd; sight->view says where. */
static int see_at(struct isle_guide *guide, int fd, struct isle_sight *sight)
{
	if (!isle_guide_is_overlay(fd) && !isle_origins_is_file(&guide->origins, sight->view))
		return -ENODATA;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	sight->mode = st.st_mode;
	return look_at_host(guide, sight);
}

static int see(struct isle_guide *guide, int fd, struct isle_sight *sight)
{
	int r = isle_guide_path_of_object(fd, sight->view, sizeof(sight->view));

	return r < 0 ? r : see_at(guide, fd, sight);
}

/* path is also opened as fd. */
static int record_link(struct isle_guide *guide, const struct isle_call *call, const char *path, int fd)
{
	struct isle_sight sight = {.mode = S_IFLNK};
	int r = 0;

	if (guide->nested >= 0)
		r = isle_nested_view(guide, call, fd, sight.view, sizeof(sight.view));
	else
		snprintf(sight.view, sizeof(sight.view), "%s", path);
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	r = look_at_host(guide, &sight);
	return r < 0 ? r : isle_guide_read(guide, call, &sight, ISLE_READ_LINK);
}

/* Goes from `at` to its parent. */
static void up(char *at)
{
	char *slash = strrchr(at, '/');

	if (slash != NULL)
		*slash = '\0';
}

struct walk {
	const struct isle_call *call;
	unsigned flags;
	unsigned links;
	char pending[2 * PATH_MAX]; /* what is still to be walked begins at next */
	char *next;
	char at[PATH_MAX]; /* "" is the root */
	/* The directory that the first dir_length bytes of `at` name; -1: not at hand. A deep path is not opened from
	 * the root for each of its components. */
	int dir;
	size_t dir_length;
};

static void leave_directory(struct walk *w)
{
	isle_cleanup_fd(&w->dir);
	w->dir = -1;
}

/* w->at, which has got one more component: O_PATH, itself if it is a link. */
static int open_component(const struct isle_guide *guide, const struct walk *w)
{
	const struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	const char *slash = strrchr(w->at, '/');

	if (w->dir < 0 || (size_t)(slash - w->at) != w->dir_length)
		return isle_guide_open(guide, w->at, O_NOFOLLOW);
	return isle_openat2(w->dir, slash + 1, &how);
}

/* From here on: target, then what was pending. */
static int go_through(struct isle_guide *guide, struct walk *w, const char *target)
{
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	size_t size = strlen(target);
	size_t rest = strlen(w->next);
	if (size + rest + 1 > sizeof(w->pending))
		return -ENAMETOOLONG;
	memmove(w->pending + size, w->next, rest + 1);
	memcpy(w->pending, target, size);
	w->next = w->pending;
	if (target[0] == '/') {
		snprintf(w->at, sizeof(w->at), "%s", guide->scope);
		leave_directory(w);
	} else {
		up(w->at);
	}
	return 0;
}

/* Most ways lead through the same few directories. */
static bool is_plain_directory(struct isle_guide *guide, uint64_t key)
{
	if (guide->seen.slots == NULL || guide->nested >= 0)
		return false;
	const struct isle_glance_slot *slot = isle_glance_slot(&guide->seen, key);
	return slot->key == key && guide->second - slot->when < ISLE_GLANCE_SECONDS;
}

static void note_plain_directory(struct isle_guide *guide, uint64_t key)
{
	if (guide->seen.slots != NULL && guide->nested < 0)
		*isle_glance_slot(&guide->seen, key) = (struct isle_glance_slot){.key = key, .when = guide->second};
}

/* w->at has got one more component. */
static int step(struct isle_guide *guide, struct walk *w)
{
	char target[PATH_MAX];
	bool last = w->next[strspn(w->next, "/")] == '\0';
	struct stat st;

	if (strncmp(w->at, "/proc/", 6) == 0) {
		int r = isle_guide_magic(guide, w->call, w->at, target, sizeof(target));

		if (r <= 0 || target[0] != '/')
			return r < 0 ? r : r == 0 ? 0 : -ENODATA;
		snprintf(w->at, sizeof(w->at), "%s", strcmp(target, "/") == 0 ? "" : target);
		leave_directory(w);
		return ++w->links > LINKS_MAX ? -ELOOP : 0;
	}
	uint64_t key = isle_siphash(&guide->key, w->at, strlen(w->at)) * 5;
	if (!last && is_plain_directory(guide, key))
		return 0;
	auto_fd int fd = open_component(guide, w);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		note_plain_directory(guide, key);
		leave_directory(w);
		w->dir = fd_take(&fd);
		w->dir_length = strlen(w->at);
		return 0;
	}
	if (!S_ISLNK(st.st_mode))
		return last ? 0 : -ENOTDIR;
	if (last && (w->flags & ISLE_SIGHT_NOFOLLOW) != 0)
		return 0;
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	int r = isle_guide_is_overlay(fd) ? record_link(guide, w->call, w->at, fd) : 0;
	return r < 0 ? r : go_through(guide, w, target);
}

/* 0: w->at is what raw leads to; -ENOENT: the first name that is missing; -ENOTDIR: what is no directory; else -errno.
 */
static int walk(struct isle_guide *guide, struct walk *w, const char *raw)
{
	int r = 0;

	w->links = 0;
	w->at[0] = '\0';
	w->dir = -1;
	w->next = w->pending;
	snprintf(w->pending, sizeof(w->pending), "%s", raw);
	while (r >= 0) {
		char *name = w->next + strspn(w->next, "/");
		size_t size = strcspn(name, "/");
		size_t length = strlen(w->at);

		w->next = name + size;
		if (size == 0)
			break;
		if (size == 1 && name[0] == '.')
			continue;
		if (size == 2 && name[0] == '.' && name[1] == '.') {
			if (strcmp(w->at, guide->scope) != 0)
				up(w->at);
			leave_directory(w);
			continue;
		}
		if (length + size + 2 > sizeof(w->at)) {
			r = -E2BIG;
			break;
		}
		snprintf(w->at + length, sizeof(w->at) - length, "/%.*s", (int)size, name);
		r = step(guide, w);
	}
	leave_directory(w);
	return r;
}

int isle_guide_walk(struct isle_guide *guide, const struct isle_call *call, const char *raw, char *at)
{
	struct walk w = {.call = call};
	int r = walk(guide, &w, raw);

	if (r >= 0)
		memcpy(at, w.at, strlen(w.at) + 1);
	return r;
}

/* view names nothing; whose name is it? */
static int look_at_missing(struct isle_guide *guide, const char *view, struct isle_sight *sight)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", view);
	up(parent);
	auto_fd int dir = isle_guide_open(guide, parent[0] == '\0' ? "/" : parent, O_DIRECTORY | O_NOFOLLOW);
	if (dir < 0)
		return dir;
	if (!isle_guide_is_overlay(dir))
		return -ENODATA;
	snprintf(sight->view, sizeof(sight->view), "%s", view);
	sight->mode = 0;
	return look_at_host(guide, sight);
}

static int look_step_by_step(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
			     struct isle_sight *sight)
{
	struct walk w = {.call = call, .flags = flags};
	int r = walk(guide, &w, raw);

	if (strncmp(w.at, "/proc/", 6) == 0)
		return -ENODATA;
	if (r == -ENOENT)
		return look_at_missing(guide, w.at, sight);
	if (r < 0 && r != -ENOTDIR)
		return r;
	auto_fd int fd = isle_guide_open(guide, w.at[0] == '\0' ? "/" : w.at, O_NOFOLLOW);
	int seen = fd < 0 ? fd : see(guide, fd, sight);
	if (seen < 0 || r == 0)
		return seen;
	/* That there was a file and no directory is what the program has seen. */
	seen = isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	return seen < 0 ? seen : -ENOTDIR;
}

/* As the process gets there: from a directory that it has, on a way that may be closed by now. */
static int look_from_directory(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
			       struct isle_sight *sight)
{
	const struct open_how how = {
		.flags = (uint64_t)(O_PATH | O_CLOEXEC | ((flags & ISLE_SIGHT_NOFOLLOW) != 0 ? O_NOFOLLOW : 0)),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	size_t length = strlen(raw);
	auto_fd int dir = guide->start_length < length ? isle_guide_open_start(guide, call) : -EACCES;

	if (dir < 0)
		return -EACCES;
	auto_fd int fd = isle_openat2(dir, raw + guide->start_length + 1, &how);
	return fd < 0 ? -EACCES : see(guide, fd, sight);
}

/* What a walk from the caller's own root came to, as r says. */
static int see_nested(struct isle_guide *guide, const struct isle_call *call, char *at, int r, struct isle_sight *sight)
{
	char name[NAME_MAX + 2] = "";
	char *slash = strrchr(at, '/');

	if (r == -ENOENT && slash != NULL) {
		snprintf(name, sizeof(name), "%s", slash);
		*slash = '\0';
	}
	auto_fd int fd = isle_guide_open(guide, at[0] == '\0' ? "/" : at, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	int seen = isle_nested_view(guide, call, fd, sight->view, sizeof(sight->view));
	if (seen < 0)
		return seen;
	if (r != -ENOENT)
		return see_at(guide, fd, sight);
	size_t length = strcmp(sight->view, "/") == 0 ? 0 : strlen(sight->view);
	if (!isle_guide_is_overlay(fd) || length + sizeof(name) > sizeof(sight->view))
		return -ENODATA;
	memcpy(sight->view + length, name, strlen(name) + 1);
	sight->mode = 0;
	return look_at_host(guide, sight);
}

static int look_nested(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
		       struct isle_sight *sight)
{
	struct walk w = {.call = call, .flags = flags};
	const char *below = raw;
	auto_fd int root = isle_nested_root(guide, call, raw, &below);

	if (root < 0)
		return root;
	if (!isle_guide_waits(guide, call))
		return -ESRCH;
	guide->scope[0] = '\0';
	guide->nested = root;
	int r = walk(guide, &w, below);
	int seen = r >= 0 || r == -ENOENT || r == -ENOTDIR ? see_nested(guide, call, w.at, r, sight) : r;
	guide->nested = -1;
	if (seen < 0 || r != -ENOTDIR)
		return seen;
	seen = isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	return seen < 0 ? seen : -ENOTDIR;
}

static int look(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
		struct isle_sight *sight)
{
	if (guide->elsewhere != 0)
		return look_nested(guide, call, raw, flags, sight);
	if (guide->scope[0] != '\0')
		return look_step_by_step(guide, call, raw, flags, sight);
	if (isle_near_look(guide, call, raw, (flags & ISLE_SIGHT_NOFOLLOW) != 0, sight) == 0)
		return look_at_host(guide, sight);
	int follow = (flags & ISLE_SIGHT_NOFOLLOW) != 0 ? O_NOFOLLOW : 0;
	auto_fd int fd = open_plain(guide, raw, follow);
	if (fd >= 0) {
		if (strstr(raw, "/..") != NULL)
			return see(guide, fd, sight);
		memcpy(sight->view, raw, strlen(raw) + 1);
		return see_at(guide, fd, sight);
	}
	if (fd == -ELOOP)
		fd = isle_guide_open(guide, raw, follow);
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR)
		return look_step_by_step(guide, call, raw, flags, sight);
	if (fd == -EACCES && guide->start_length > 0)
		return look_from_directory(guide, call, raw, flags, sight);
	if (fd == -ENAMETOOLONG && strlen(raw) >= PATH_MAX)
		return -E2BIG;
	if (fd < 0)
		return fd;
	int r = see(guide, fd, sight);
	if (r >= 0 && strcmp(sight->view, raw) != 0) {
		struct walk w = {.call = call, .flags = flags};

		r = walk(guide, &w, raw);
		return r == -ENOMEM || r == -ENOSPC ? r : 0;
	}
	return r;
}

int isle_guide_look(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned flags,
		    struct isle_sight *sight)
{
	if (guide->root < 0)
		return -ENODATA;
	if (!isle_guide_waits(guide, call))
		return -ESRCH;
	if (guide->slash)
		flags &= ~(unsigned)ISLE_SIGHT_NOFOLLOW;
	int r = look(guide, call, raw, flags, sight);
	if (r != -E2BIG)
		return r;
	r = isle_guide_beyond(guide, call);
	return r < 0 ? r : -ENODATA;
}

/* A directory that no path reaches. */
int isle_guide_beyond(struct isle_guide *guide, const struct isle_call *call)
{
	char up_far[3 * 1000 + 1];
	char view[PATH_MAX];
	char host[PATH_MAX];
	auto_fd int at = isle_guide_open_start(guide, call);
	int r = -E2BIG;

	for (size_t i = 0; i + 3 < sizeof(up_far); i += 3)
		memcpy(up_far + i, "../", 4);
	for (unsigned i = 0; i < ATTEMPTS_MAX && at >= 0 && r == -E2BIG; i++) {
		r = isle_guide_path_of_object(at, view, sizeof(view));
		if (r >= 0 && !isle_guide_is_overlay(at))
			return 0;
		int above = r == -E2BIG ? openat(at, up_far, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		if (above >= 0) {
			close(at);
			at = above;
		}
	}
	if (r >= 0 && isle_origin_find(&guide->origins, view, host, sizeof(host)) == ISLE_ORIGIN_OWN)
		return 0;
	return isle_guide_lose(guide, "a path longer than 4095 bytes");
}

bool isle_guide_is_missing(int r)
{
	return r == -ENODATA || isle_is_gone(r) || r == -EACCES || r == -ENAMETOOLONG || r == -EPERM || r == -ESTALE ||
	       r == -EXDEV;
}
