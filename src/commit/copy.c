/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying between file systems with everything that a rename would have kept: data with holes, by reflink where
 * there is one, then owner, mode, ACL, attributes, capabilities and times (isle_meta_apply()), a directory's after
 * what is in it. The copy is closed (mode 0600 or 0700) until it is whole.
 *
 * Hard links: the first name of an inode is copied, the others are linked to the copy, which is found again by its path
 * below the top of the copy.
 */
#include "buf.h"
#include "io.h"
#include "map.h"
#include "owner.h"
#include "path.h"
#include "subtree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct copy {
	int top;	       /* of the new tree, -1 when the top is no directory */
	struct isle_buf path;  /* below the top */
	struct isle_map links; /* inode -> path below the top, heap */
};

static int copy_object(struct copy *copy, int from_dir, const char *from, int to_dir, const char *to);

static int copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	auto_fd int in = isle_open_own(from_dir, from, O_RDONLY);
	auto_fd int out = -1;
	struct stat st;

	if (in < 0)
		return in;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	return isle_copy_data(in, out);
}

static int copy_symlink(int from_dir, const char *from, int to_dir, const char *to)
{
	auto_free char *target = NULL;
	int r = isle_readlink(from_dir, from, &target);

	if (r < 0)
		return r;
	return symlinkat(target, to_dir, to) < 0 ? -errno : 0;
}

static int copy_entries(struct copy *copy, int from, int to)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(from, ".", &r);
	size_t length = copy->path.size;
	const struct dirent *entry;

	while ((entry = isle_next_entry(stream, &r))) {
		if (length > 0)
			isle_buf_addc(&copy->path, '/');
		isle_buf_adds(&copy->path, entry->d_name);
		r = isle_buf_error(&copy->path);
		if (r >= 0)
			r = copy_object(copy, from, entry->d_name, to, entry->d_name);
		isle_buf_cut(&copy->path, length);
	}
	return r;
}

static int copy_directory(struct copy *copy, int from_dir, const char *from, int to_dir, const char *to)
{
	auto_fd int in = openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int out = -1;
	bool top;
	int r;

	if (in < 0 || mkdirat(to_dir, to, 0700) < 0)
		return -errno;
	out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	top = copy->top < 0;
	if (top)
		copy->top = out;
	r = copy_entries(copy, in, out);
	if (top)
		copy->top = -1;
	return r;
}

/* 1: linked, 0: this is the first name, which is noted. */
static int copy_link(struct copy *copy, const struct isle_stat *st, int to_dir, const char *to)
{
	auto_free char *own = NULL;
	auto_fd int parent = -1;
	const char *first, *name;
	char key[32];

	if (S_ISDIR(st->mode) || st->nlink < 2 || copy->top < 0)
		return 0;
	snprintf(key, sizeof(key), "%" PRIx64, st->ino);
	first = isle_map_get(&copy->links, key);
	if (!first) {
		int r;

		own = strdup(copy->path.data);
		r = own ? isle_map_set(&copy->links, key, own) : -ENOMEM;
		if (r < 0)
			return r;
		ptr_take(&own);
		return 0;
	}
	parent = isle_walk_parent(copy->top, first, O_PATH | O_DIRECTORY, &name);
	if (parent < 0)
		return parent;
	return linkat(parent, name, to_dir, to, 0) < 0 ? -errno : 1;
}

static int copy_content(struct copy *copy, const struct isle_stat *st, int from_dir, const char *from, int to_dir,
			const char *to)
{
	switch (st->mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from_dir, from, to_dir, to);
	case S_IFDIR:
		return copy_directory(copy, from_dir, from, to_dir, to);
	case S_IFLNK:
		return copy_symlink(from_dir, from, to_dir, to);
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return mknodat(to_dir, to, (st->mode & S_IFMT) | 0600, makedev(st->rdev_major, st->rdev_minor)) < 0
			       ? -errno
			       : 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int copy_object(struct copy *copy, int from_dir, const char *from, int to_dir, const char *to)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	struct isle_stat st;
	int r = isle_look(from_dir, from, &st);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = copy_link(copy, &st, to_dir, to);
	if (r != 0)
		return r < 0 ? r : 0;
	r = isle_meta_read(from_dir, from, &meta);
	if (r >= 0)
		r = copy_content(copy, &st, from_dir, from, to_dir, to);
	if (r < 0)
		return r;
	return isle_meta_apply(to_dir, to, &meta, ISLE_APPLY_ALL);
}

int isle_subtree_copy(int from_dir, const char *from, int to_dir, const char *to)
{
	struct copy copy = {.top = -1};
	struct isle_stat st;
	size_t i;
	int r = isle_look(to_dir, to, &st);

	if (r != 0)
		return r < 0 ? r : -EEXIST;
	r = copy_object(&copy, from_dir, from, to_dir, to);
	for (i = 0; i < copy.links.room; i++)
		if (copy.links.slots[i].key)
			free(copy.links.slots[i].value);
	isle_map_done(&copy.links);
	isle_buf_done(&copy.path);
	if (r < 0 && r != -EEXIST) {
		int removed = isle_remove_tree(to_dir, to);

		(void)removed;
	}
	return r;
}
