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
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

struct copy {
	const struct isle_stat *wanted; /* what is to be copied, or NULL */
	struct isle_stat made;		/* the top of the new tree; before it is whole only if that is a directory */
	int top;			/* -1 when it is none */
	struct isle_buf path;		/* below the top */
	struct isle_map links;		/* inode -> path below the top, heap */
};

static int copy_object(struct copy *copy, int from_dir, const char *from, int to_dir, const char *to);

/* File systems of which all objects belong to whom the mount or a server says: FAT, exFAT, NTFS, SMB, 9p, FUSE, and NFS
 * where it takes root for nobody (statfs(2)). */
static bool has_own_owners(int dir, uid_t uid)
{
	enum { NTFS = 0x5346544e, NTFS3 = 0x7366746e, NOBODY = 65534 };
	static const unsigned types[] = {MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC, NTFS,	   NTFS3,
					 CIFS_SUPER_MAGIC,  SMB2_SUPER_MAGIC,  V9FS_MAGIC, FUSE_SUPER_MAGIC};
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned)fs.f_type == types[i])
			return true;
	return fs.f_type == NFS_SUPER_MAGIC && uid == NOBODY;
}

/* What was made at dir/name a moment ago, held: who may write to dir can have put something else there. A directory is
 * opened for reading, anything else not at all. -ESTALE: it cannot be what was made, which belongs to who made it, has
 * no other name, and is empty. */
int isle_open_made(int dir, const char *name, mode_t type)
{
	int how = type == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_PATH;
	auto_fd int fd = openat(dir, name, how | O_NOFOLLOW | O_CLOEXEC);
	struct isle_stat st;
	int r;

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -ESTALE : -errno;
	r = isle_look(fd, "", &st);
	if (r < 0)
		return r;
	if ((st.mode & S_IFMT) != type || (type != S_IFDIR && st.nlink != 1))
		return -ESTALE;
	if (st.uid != geteuid() && !has_own_owners(dir, st.uid))
		return -ESTALE;
	if (type == S_IFDIR) {
		auto_dir DIR *stream = isle_open_entries(fd, ".", &r);

		if (isle_next_entry(stream, &r))
			return -ESTALE;
	}
	return r < 0 ? r : fd_take(&fd);
}

/* Below the top nobody else can reach what is made. */
static int open_made(const struct copy *copy, int dir, const char *name, mode_t type)
{
	int fd;

	if (copy->top < 0)
		return isle_open_made(dir, name, type);
	fd = openat(dir, name, (type == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_PATH) | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The object that was looked at, held; -ESTALE: it is another one by now. */
static int hold(int dir, const char *name, const struct isle_stat *st)
{
	auto_fd int fd = -1;
	struct isle_stat now;
	int r;

	if (S_ISREG(st->mode))
		fd = isle_open_own(dir, name, O_RDONLY);
	else
		fd = openat(dir, name, (S_ISDIR(st->mode) ? O_RDONLY | O_DIRECTORY : O_PATH) | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return S_ISREG(st->mode) ? fd : -errno;
	r = isle_look(fd, "", &now);
	if (r < 0)
		return r;
	return isle_same_object(&now, st) && (now.mode & S_IFMT) == (st->mode & S_IFMT) ? fd_take(&fd) : -ESTALE;
}

static int copy_file(int in, int to_dir, const char *to, int *ret_fd)
{
	auto_fd int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (out < 0)
		return -errno;
	r = isle_copy_data(in, out);
	if (r >= 0)
		*ret_fd = fd_take(&out);
	return r;
}

static int copy_symlink(int in, int to_dir, const char *to)
{
	auto_free char *target = NULL;
	int r = isle_readlink(in, "", &target);

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

static int copy_directory(struct copy *copy, int in, int to_dir, const char *to, int *ret_fd)
{
	auto_fd int out = -1;
	bool top;
	int r;

	if (mkdirat(to_dir, to, 0700) < 0)
		return -errno;
	out = open_made(copy, to_dir, to, S_IFDIR);
	if (out < 0)
		return out;
	top = copy->top < 0;
	if (top) {
		r = isle_look(out, "", &copy->made);
		if (r < 0)
			return r;
		copy->top = out;
	}
	r = copy_entries(copy, in, out);
	if (top)
		copy->top = -1;
	if (r >= 0)
		*ret_fd = fd_take(&out);
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

/* *ret_fd holds what was made. */
static int copy_content(struct copy *copy, const struct isle_stat *st, int in, int to_dir, const char *to, int *ret_fd)
{
	mode_t type = st->mode & S_IFMT;
	int r;

	switch (type) {
	case S_IFREG:
		return copy_file(in, to_dir, to, ret_fd);
	case S_IFDIR:
		return copy_directory(copy, in, to_dir, to, ret_fd);
	case S_IFLNK:
		r = copy_symlink(in, to_dir, to);
		break;
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		r = mknodat(to_dir, to, type | 0600, makedev(st->rdev_major, st->rdev_minor)) < 0 ? -errno : 0;
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (r >= 0)
		r = *ret_fd = open_made(copy, to_dir, to, type);
	return r;
}

static int copy_object(struct copy *copy, int from_dir, const char *from, int to_dir, const char *to)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_fd int in = -1, made = -1;
	struct isle_stat st;
	int r = isle_look(from_dir, from, &st);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (copy->top < 0 && copy->wanted && !isle_same_object(&st, copy->wanted))
		return -ESTALE;
	r = copy_link(copy, &st, to_dir, to);
	if (r != 0)
		return r < 0 ? r : 0;
	in = hold(from_dir, from, &st);
	r = in < 0 ? in : isle_meta_read(in, "", &meta);
	if (r >= 0)
		r = copy_content(copy, &st, in, to_dir, to, &made);
	if (r >= 0)
		r = isle_meta_apply(made, "", &meta, ISLE_APPLY_ALL);
	if (r >= 0 && copy->top < 0)
		r = isle_look(made, "", &copy->made);
	return r < 0 ? r : 0;
}

int isle_subtree_remove(int dir, const char *name, const struct isle_stat *wanted)
{
	auto_fd int fd = isle_open_own(dir, name, O_RDONLY | O_DIRECTORY);
	struct isle_stat now;
	int r;

	if (fd == -ENOENT)
		return 0;
	if (fd == -ENOTDIR || fd == -ELOOP)
		return unlinkat(dir, name, 0) < 0 && errno != ENOENT && errno != EISDIR ? -errno : 0;
	if (fd < 0)
		return fd;
	r = isle_look(fd, "", &now);
	if (r < 0 || !isle_same_object(&now, wanted))
		return r < 0 ? r : 0;
	if ((now.mode & 0700) != 0700)
		isle_ignore(fchmod(fd, 0700));
	r = isle_remove_content(fd);
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && r >= 0 ? -errno : r;
}

int isle_subtree_copy(int from_dir, const char *from, const struct isle_stat *wanted, int to_dir, const char *to,
		      struct isle_stat *ret_made)
{
	struct copy copy = {.top = -1, .wanted = wanted};
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
	if (r >= 0 && ret_made)
		*ret_made = copy.made;
	if (r < 0 && r != -EEXIST)
		isle_ignore(isle_subtree_remove(to_dir, to, &copy.made));
	return r;
}
