/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle_remove_tree():
 * 1. A directory is entered only when rmdir(2) has said that it is not empty (a mount point is EBUSY), and by an open
 *    that refuses symbolic links and mounts: what is mounted in the tree is somebody's data.
 * 2. One descriptor per level, at most DEPTH_MAX. A directory deeper than that is first renamed into the top
 *    directory, and the top is read again until nothing was moved: any depth with bounded stack and descriptors.
 * 3. An error does not end the work; the first one is returned.
 */
#include "kernel.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 100 };

struct removal {
	int top;	/* the directory that deep ones are moved to */
	unsigned moved; /* how many have been */
	int error;	/* the first */
};

static void remove_content(struct removal *removal, int fd, unsigned depth);

static void note_error(struct removal *removal, int error)
{
	if (removal->error == 0 && error != -ENOENT)
		removal->error = error;
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Opens the directory for reading by way of an O_PATH descriptor, having made it accessible. */
static int open_closed(int dir, const char *name)
{
	char proc[64];
	auto_fd int fd = isle_walk(dir, name, O_PATH | O_DIRECTORY);
	int opened;

	if (fd < 0)
		return fd;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, 0700) < 0)
		return -errno;
	opened = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

static int open_directory(int dir, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	auto_fd int fd = isle_openat2(dir, name, &how);
	struct stat st;

	if (fd == -ENOSYS)
		fd = isle_walk(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd == -EACCES)
		fd = open_closed(dir, name);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		isle_ignore(fchmod(fd, 0700)); /* when it is not ours, the first unlinkat() tells */
	return fd_take(&fd);
}

/* A directory can only take the place of an empty one, so no name that is there already loses anything. */
static void move_to_top(struct removal *removal, int dir, const char *name)
{
	char temp[64];
	int r;

	do {
		snprintf(temp, sizeof(temp), ".isle-deep.%u", removal->moved++);
		r = renameat(dir, name, removal->top, temp) < 0 ? -errno : 0;
	} while (r == -ENOTEMPTY || r == -EEXIST || r == -ENOTDIR);
	if (r < 0) {
		removal->moved--;
		note_error(removal, r);
	}
}

static void remove_directory(struct removal *removal, int dir, const char *name, unsigned depth)
{
	auto_fd int fd = -1;

	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return;
	if (errno != ENOTEMPTY && errno != EEXIST) {
		note_error(removal, -errno);
		return;
	}
	if (depth >= DEPTH_MAX) {
		move_to_top(removal, dir, name);
		return;
	}
	fd = open_directory(dir, name);
	if (fd < 0) {
		note_error(removal, fd);
		return;
	}
	remove_content(removal, fd_take(&fd), depth + 1);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		note_error(removal, -errno);
}

static void remove_entry(struct removal *removal, int dir, const char *name, unsigned depth)
{
	if (unlinkat(dir, name, 0) == 0)
		return;
	if (errno == EISDIR)
		remove_directory(removal, dir, name, depth);
	else
		note_error(removal, -errno);
}

/* Takes the descriptor over. */
static void remove_content(struct removal *removal, int fd, unsigned depth)
{
	__attribute__((cleanup(cleanup_dir))) DIR *list = fdopendir(fd);
	const struct dirent *entry;

	if (!list) {
		note_error(removal, -errno);
		close(fd);
		return;
	}
	while ((errno = 0, entry = readdir(list))) {
		if (!isle_component_valid(entry->d_name))
			continue;
		if (entry->d_type == DT_DIR)
			remove_directory(removal, fd, entry->d_name, depth);
		else
			remove_entry(removal, fd, entry->d_name, depth);
	}
	if (errno != 0)
		note_error(removal, -errno);
}

int isle_remove_content(int top)
{
	struct removal removal = {.top = top};
	unsigned before;
	int fd;

	do {
		before = removal.moved;
		fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		remove_content(&removal, fd, 1);
	} while (removal.moved != before);
	return removal.error;
}

/* Removes a directory that is not empty: dir/name, one component. */
static int remove_full(int dir, const char *name)
{
	auto_fd int top = open_directory(dir, name);
	int r;

	if (top < 0)
		return top;
	r = isle_remove_content(top);
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0 ? -errno : r;
}

int isle_remove_tree(int dir, const char *name)
{
	const char *slash = strrchr(name, '/');
	auto_free char *parent = NULL;
	auto_fd int parent_fd = -1;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	parent = slash ? strndup(name, (size_t)(slash + 1 - name)) : strdup(".");
	if (!parent)
		return -ENOMEM;
	parent_fd = openat(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return -errno;
	return remove_full(parent_fd, slash ? slash + 1 : name);
}

int isle_remove_if_there(int dir, const char *name)
{
	int r = isle_remove_tree(dir, name);

	return r == -ENOENT ? 0 : r;
}
