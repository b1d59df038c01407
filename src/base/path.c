/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking: one openat2(2) where the kernel has it. Component by component, each opened O_PATH|O_NOFOLLOW, where it
 * has not, where the path is longer than a system call takes, and where it said ENOTDIR: only the slow way can tell
 * a symbolic link from a plain file then. Both refuse ".." before they start, as -EXDEV, like an absolute path: a
 * path that needs ".." was not made by us.
 */
#include "path.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { IN_ROOT_TRIES = 32 };

/* What openat2(2) accepts beside O_PATH; openat(2) ignores the rest. */
static int walk_flags(int flags)
{
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	return flags | O_CLOEXEC;
}

/* A new file is its owner's alone until somebody decides otherwise. */
static mode_t walk_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? 0600 : 0;
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; *p; p = strchrnul(p, '/')) {
		while (*p == '/')
			p++;
		if (p[0] == '.' && p[1] == '.' && (p[2] == '\0' || p[2] == '/'))
			return true;
	}
	return false;
}

/* openat() of one component; -ELOOP for a symbolic link however it was refused. */
static int open_component(int dir, const char *name, int flags)
{
	struct stat st;
	int fd = openat(dir, name, flags | O_NOFOLLOW, walk_mode(flags));

	if (fd >= 0)
		return fd;
	if (errno != ENOTDIR)
		return -errno;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return -ELOOP;
	return -ENOTDIR;
}

/* Copies the component at *path to name, moves *path to the next one; the component's length, 0 at the end. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	const char *start = *path + strspn(*path, "/");
	size_t size = strcspn(start, "/");

	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, start, size);
	name[size] = '\0';
	*path = start + size + strspn(start + size, "/");
	return (int)size;
}

static int walk_slowly(int root, const char *path, int flags)
{
	char name[NAME_MAX + 1], next[NAME_MAX + 1];
	const char *rest = path;
	auto_fd int dir = -1;
	int fd, r;

	if (path[0] != '\0' && path[strlen(path) - 1] == '/')
		flags |= O_DIRECTORY;
	r = next_component(&rest, name);
	while (r > 0) {
		r = next_component(&rest, next);
		if (r <= 0)
			break;
		fd = open_component(dir < 0 ? root : dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return fd;
		isle_cleanup_fd(&dir);
		dir = fd;
		memcpy(name, next, (size_t)r + 1);
	}
	if (r < 0)
		return r;
	return open_component(dir < 0 ? root : dir, name[0] ? name : ".", flags);
}

int isle_walk(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)walk_flags(flags) | O_NOFOLLOW,
		.mode = walk_mode(flags),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	if (path[0] == '/' || has_dotdot(path))
		return -EXDEV;
	fd = isle_openat2(root, path[0] ? path : ".", &how);
	if (fd == -ENOSYS || fd == -ENOTDIR || fd == -ENAMETOOLONG)
		fd = walk_slowly(root, path, walk_flags(flags));
	return fd;
}

int isle_walk_host(const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)walk_flags(flags) | O_NOFOLLOW,
		.mode = walk_mode(flags),
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	if (path[0] != '/' || has_dotdot(path))
		return -EXDEV;
	fd = isle_openat2(AT_FDCWD, path, &how);
	if (fd != -ENOSYS && fd != -ENOTDIR && fd != -ENAMETOOLONG)
		return fd;
	auto_fd int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -errno : walk_slowly(top, path, walk_flags(flags));
}

int isle_walk_parent(int root, const char *path, int flags, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	auto_free char *parent = strndup(path, (size_t)(name - path));
	int fd;

	if (!parent)
		return -ENOMEM;
	if (!isle_component_valid(name))
		return -EINVAL;
	fd = isle_walk(root, parent, flags | O_DIRECTORY);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

int isle_walk_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)walk_flags(flags),
		.mode = walk_mode(flags),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = -EAGAIN;

	/* -EAGAIN: something on the machine was renamed while ".." was looked up. */
	for (int i = 0; fd == -EAGAIN && i < IN_ROOT_TRIES; i++)
		fd = isle_openat2(root, path[0] ? path : ".", &how);
	return fd;
}

int isle_mkdir_walk(int root, const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	auto_fd int dir = -1;
	int fd, r;

	if (path[0] == '/' || has_dotdot(path))
		return -EXDEV;
	dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	while ((r = next_component(&path, name)) > 0) {
		fd = open_component(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd == -ENOENT) {
			if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
				return -errno;
			fd = open_component(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (fd < 0)
			return fd;
		isle_cleanup_fd(&dir);
		dir = fd;
	}
	return r < 0 ? r : fd_take(&dir);
}

bool isle_component_valid(const char *name)
{
	return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

bool isle_path_below(const char *path, const char *parent)
{
	size_t size = strlen(parent);

	if (size > 0 && parent[size - 1] == '/')
		size--;
	return strncmp(path, parent, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

char *isle_path_join(const char *dir, const char *name)
{
	size_t dir_size = strlen(dir);
	size_t name_size;
	char *path, *end;

	while (dir_size > 0 && dir[dir_size - 1] == '/')
		dir_size--;
	if (dir[0] != '\0')
		name += strspn(name, "/");
	name_size = strlen(name);
	path = malloc(dir_size + name_size + 2);
	if (!path)
		return NULL;
	end = mempcpy(path, dir, dir_size);
	if (dir[0] != '\0')
		*end++ = '/';
	memcpy(end, name, name_size + 1);
	return path;
}

/* Resolves ".", "//" and ".." of an absolute path in its own memory. */
static void normalise(char *path)
{
	const char *from = path;
	char *to = path;
	size_t size;

	while (*from) {
		from += strspn(from, "/");
		size = strcspn(from, "/");
		if (size == 2 && from[0] == '.' && from[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (size > 0 && !(size == 1 && from[0] == '.')) {
			*to++ = '/';
			memmove(to, from, size);
			to += size;
		}
		from += size;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

char *isle_path_absolute(const char *path)
{
	auto_free char *cwd = NULL;
	char *absolute;

	if (path[0] == '/') {
		absolute = strdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return NULL;
		if (cwd[0] != '/') { /* "(unreachable)/..." */
			errno = ENOENT;
			return NULL;
		}
		absolute = isle_path_join(cwd, path);
	}
	if (absolute)
		normalise(absolute);
	return absolute;
}

DIR *isle_open_entries(int dir, const char *name, int *r)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream)
		*r = -errno;
	else
		(void)fd_take(&fd);
	return stream;
}

const struct dirent *isle_next_entry(DIR *stream, int *r)
{
	const struct dirent *entry = NULL;

	while (*r >= 0) {
		errno = 0;
		entry = readdir(stream);
		if (!entry && errno != 0)
			*r = -errno;
		if (!entry || isle_component_valid(entry->d_name))
			break;
	}
	return entry;
}

int isle_readlink(int dir, const char *name, char **ret_target)
{
	size_t room = 256;
	ssize_t size;

	for (;;) {
		auto_free char *target = malloc(room);

		if (!target)
			return -ENOMEM;
		size = readlinkat(dir, name, target, room);
		if (size < 0)
			return -errno;
		if ((size_t)size < room) {
			target[size] = '\0';
			*ret_target = ptr_take(&target);
			return 0;
		}
		room *= 2;
	}
}
