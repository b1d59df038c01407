/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying a tree from one place of the view to another, in the supervisor.
 *
 * 1. The old tree stays whole until the new one is. Within one overlay a file gets a second name, so both trees show
 *    the same objects, and what somebody writes meanwhile is in both.
 * 2. Files of the host that share an inode (hard links) would be split by that: their second name is linked to the
 *    first one's copy.
 * 3. What could not be removed at the old place afterwards is found before anything is in place: directories of others.
 * 4. A directory that its owner has closed to himself is opened for as long as it is carried: natively nobody looks
 *    into what is renamed.
 * 5. Bounded: DEPTH_MAX levels, two descriptors each. With ISLE_CARRY_FEW also in time.
 */
#include "repair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "buf.h"
#include "io.h"
#include "kernel.h"
#include "map.h"
#include "meta.h"
#include "path.h"

enum { DEPTH_MAX = 200 };

/* ISLE_CARRY_FEW: some tens of milliseconds. */
enum { FEW_OBJECTS = 200, FEW_BYTES = 8 << 20 };

struct carry {
	unsigned flags; /* enum isle_carry_flags */
	uint64_t mount; /* that all of it lies on */
	unsigned depth;
	uint64_t objects, bytes; /* so far; bytes of what is copied */
	int top;		 /* of the new tree; -1: the top is no directory */
	struct isle_buf path;	 /* below the top */
	struct isle_map links;	 /* object -> path below the top, heap */
};

static int carry_object(struct carry *c, int from_dir, const char *from, int to_dir, const char *to);

/* These mean that the object is somebody else's, or of an owner that the view cannot hold: the kernel could rename it
 * all the same. */
static int refusal(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
	case EOVERFLOW:
	case EINVAL:
	case EOPNOTSUPP:
		return -EXDEV;
	default:
		return -error;
	}
}

static int copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	auto_fd int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_fd int out = -1;

	if (in < 0)
		return -errno;
	out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return out < 0 ? -errno : isle_copy_data(in, out);
}

static int copy_symlink(int from_dir, const char *from, int to_dir, const char *to)
{
	auto_free char *target = NULL;
	int r = isle_readlink(from_dir, from, &target);

	if (r < 0)
		return r;
	return symlinkat(target, to_dir, to) < 0 ? -errno : 0;
}

static int copy_object(const struct statx *st, int from_dir, const char *from, int to_dir, const char *to)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int r = isle_meta_read(from_dir, from, &meta);

	if (r < 0)
		return r;
	if (S_ISREG(st->stx_mode))
		r = copy_file(from_dir, from, to_dir, to);
	else if (S_ISLNK(st->stx_mode))
		r = copy_symlink(from_dir, from, to_dir, to);
	else if (S_ISFIFO(st->stx_mode))
		r = mknodat(to_dir, to, S_IFIFO | 0600, 0) < 0 ? -errno : 0;
	else /* a socket would be deaf, a device needs the machine's root */
		r = -EXDEV;
	if (r >= 0)
		r = isle_meta_apply(to_dir, to, &meta, ISLE_APPLY_ALL);
	return r;
}

static int link_object(int from_dir, const char *from, int to_dir, const char *to)
{
	return linkat(from_dir, from, to_dir, to, 0) < 0 ? -errno : 0;
}

/* The path below the top of another name that this object has there already; *ret_first stays NULL when it is the first
 * one, which is noted. */
static int find_first(struct carry *c, const struct statx *st, const char **ret_first)
{
	auto_free char *own = NULL;
	char key[40];

	if (st->stx_nlink < 2 || c->top < 0)
		return 0;
	snprintf(key, sizeof(key), "%x:%x:%" PRIx64, st->stx_dev_major, st->stx_dev_minor, (uint64_t)st->stx_ino);
	*ret_first = isle_map_get(&c->links, key);
	if (*ret_first != NULL)
		return 0;
	own = strdup(c->path.data);
	int r = own == NULL ? -ENOMEM : isle_map_set(&c->links, key, own);
	if (r >= 0)
		ptr_take(&own);
	return r;
}

static int carry_leaf(struct carry *c, const struct statx *st, int from_dir, const char *from, int to_dir,
		      const char *to)
{
	const char *first = NULL;
	const char *name = NULL;
	auto_fd int parent = -1;
	int r = find_first(c, st, &first);

	if (r < 0)
		return r;
	if (first != NULL) {
		parent = isle_walk_parent(c->top, first, O_PATH | O_DIRECTORY, &name);
		r = parent < 0 ? parent : link_object(parent, name, to_dir, to);
	} else if ((c->flags & ISLE_CARRY_LINK) != 0) {
		r = link_object(from_dir, from, to_dir, to);
	} else {
		r = copy_object(st, from_dir, from, to_dir, to);
	}
	return r == -EEXIST && (c->flags & ISLE_CARRY_BACK) != 0 ? 0 : r;
}

static int carry_entry(struct carry *c, int from, int to, const char *name)
{
	size_t length = c->path.size;

	if (length > 0)
		isle_buf_addc(&c->path, '/');
	isle_buf_adds(&c->path, name);
	int r = isle_buf_error(&c->path);
	if (r >= 0)
		r = carry_object(c, from, name, to, name);
	isle_buf_cut(&c->path, length);
	return r;
}

static int carry_entries(struct carry *c, int from, int to)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(from, ".", &r);
	const struct dirent *entry;

	while ((entry = isle_next_entry(stream, &r)) != NULL)
		r = carry_entry(c, from, to, entry->d_name);
	return r;
}

/* Whether its entries can be taken away. An owner can open it for that. */
static bool can_be_emptied(int dir, const struct statx *st)
{
	if (st->stx_uid == geteuid())
		return true;
	return (st->stx_mode & S_ISVTX) == 0 && faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

static bool is_closed(const struct statx *st)
{
	return st->stx_uid == geteuid() && (st->stx_mode & (S_IRUSR | S_IXUSR)) != (S_IRUSR | S_IXUSR);
}

/* A descriptor of the directory; of one that is_closed() with rights that have to be taken back. */
static int open_directory(const struct statx *st, int dir, const char *name)
{
	auto_fd int fd = -1;

	if (is_closed(st)) {
		auto_fd int path = isle_walk(dir, name, O_PATH | O_DIRECTORY);
		char proc[64];

		if (path < 0)
			return path;
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path);
		if (chmod(proc, (st->stx_mode & 07777) | S_IRUSR | S_IXUSR) < 0)
			return -errno;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd_take(&fd);
}

static int carry_opened(struct carry *c, const struct statx *st, int in, int to_dir, const char *to)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_fd int out = -1;
	bool top = c->top < 0;

	if (!can_be_emptied(in, st) || c->depth >= DEPTH_MAX)
		return -EXDEV;
	int r = isle_meta_read(in, "", &meta);
	if (r < 0)
		return r;
	if (mkdirat(to_dir, to, 0700) < 0 && !(errno == EEXIST && (c->flags & ISLE_CARRY_BACK) != 0))
		return -errno;
	out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	if (top)
		c->top = out;
	c->depth++;
	r = carry_entries(c, in, out);
	c->depth--;
	if (top)
		c->top = -1;
	if (r >= 0)
		r = isle_meta_apply(to_dir, to, &meta, ISLE_APPLY_ALL);
	/* Last, since it is the owner's entry of an access control list, too. */
	if (r >= 0 && is_closed(st) && fchmod(out, st->stx_mode & 07777) < 0)
		r = -errno;
	return r;
}

static int carry_directory(struct carry *c, const struct statx *st, int from_dir, const char *from, int to_dir,
			   const char *to)
{
	auto_fd int in = open_directory(st, from_dir, from);

	if (in < 0)
		return in;
	int r = carry_opened(c, st, in, to_dir, to);
	if (is_closed(st))
		isle_ignore(fchmod(in, st->stx_mode & 07777));
	return r;
}

static int carry_object(struct carry *c, int from_dir, const char *from, int to_dir, const char *to)
{
	struct statx st;
	int r = isle_statx(from_dir, from, &st);

	if (r < 0)
		return r;
	if (c->mount != 0 && c->mount != st.stx_mnt_id)
		return -EXDEV;
	c->mount = st.stx_mnt_id;
	c->objects++;
	if (S_ISREG(st.stx_mode) && (c->flags & ISLE_CARRY_LINK) == 0)
		c->bytes += st.stx_size;
	if ((c->flags & ISLE_CARRY_FEW) != 0 && (c->objects > FEW_OBJECTS || c->bytes > FEW_BYTES))
		return -E2BIG;
	if (S_ISDIR(st.stx_mode))
		return carry_directory(c, &st, from_dir, from, to_dir, to);
	return carry_leaf(c, &st, from_dir, from, to_dir, to);
}

int isle_carry(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	struct carry c = {.flags = flags, .top = -1};
	int r = carry_object(&c, from_dir, from, to_dir, to);

	for (size_t i = 0; i < c.links.room; i++)
		if (c.links.slots[i].key != NULL)
			free(c.links.slots[i].value);
	isle_map_done(&c.links);
	isle_buf_done(&c.path);
	if (r < 0 && r != -EEXIST && (flags & ISLE_CARRY_BACK) == 0)
		isle_ignore(isle_remove_if_there(to_dir, to));
	return r < 0 ? refusal(-r) : 0;
}
