/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the isle's object the host's?
 *
 * 1. Data are compared whenever the sizes are equal and both sides have data of their own: a time stamp can be set
 *    back, so equal times prove nothing.
 * 2. Only plain files are opened, without blocking. Data that cannot be read count as different.
 * 3. Where both files have a hole nothing is read: two sparse files of a terabyte cost as much as their data.
 */
#include "change_internal.h"
#include "kernel.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 32 * 1024 };

void isle_stat_from(const struct statx *st, struct isle_stat *ret_stat)
{
	*ret_stat = (struct isle_stat){
		.dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
		.ino = st->stx_ino,
		.size = st->stx_size,
		.blocks = st->stx_blocks,
		.mode = st->stx_mode,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.nlink = st->stx_nlink,
		.rdev_major = st->stx_rdev_major,
		.rdev_minor = st->stx_rdev_minor,
		.mtime = st->stx_mtime,
		.ctime = st->stx_ctime,
		.btime = st->stx_btime,
	};
}

bool isle_later(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* The first byte at or after offset that is not in a hole; size when there is none. */
static uint64_t next_data(int fd, uint64_t offset, uint64_t size)
{
	off_t at = lseek(fd, (off_t)offset, SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? size : offset;
	return (uint64_t)at < size ? (uint64_t)at : size;
}

static ssize_t read_block(int fd, void *block, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)block + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static bool all_zero(const char *block, size_t size)
{
	return size == 0 || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
}

int isle_same_data(int a, int b, uint64_t size)
{
	char in_a[BLOCK], in_b[BLOCK];
	bool look = size > BLOCK;

	for (uint64_t at = 0; at < size;) {
		size_t part;
		ssize_t n, m;

		if (look) {
			uint64_t data_a = next_data(a, at, size), data_b = next_data(b, at, size);

			at = data_a < data_b ? data_a : data_b;
			if (at >= size)
				return 1;
		}
		part = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		n = read_block(a, in_a, part, at);
		m = read_block(b, in_b, part, at);
		if (n < 0 || m < 0)
			return n < 0 ? n : m;
		if (n != m || memcmp(in_a, in_b, n) != 0)
			return 0;
		if (n == 0) /* both were cut meanwhile */
			return 1;
		look = all_zero(in_a, n);
		at += n;
	}
	return 1;
}

/* What is known of the object holds for what is opened: who may write to its directory can have put another there. */
static int open_known(struct isle_object object)
{
	bool known = object.st && S_ISREG(object.st->stx_mode);
	auto_fd int fd = known ? isle_reopen_plain(object.dir, object.name) : isle_open_plain(object.dir, object.name);
	struct statx now;
	int r = fd < 0 || !known ? fd : isle_statx(fd, "", &now);

	if (r < 0)
		return r;
	if (known && (now.stx_ino != object.st->stx_ino || now.stx_dev_major != object.st->stx_dev_major ||
		      now.stx_dev_minor != object.st->stx_dev_minor))
		return -ESTALE;
	return fd_take(&fd);
}

static int compare_data(struct isle_object a, struct isle_object b, uint64_t size)
{
	auto_fd int in_a = -1, in_b = -1;

	if (size == 0)
		return 1;
	in_a = open_known(a);
	if (in_a < 0)
		return in_a;
	in_b = open_known(b);
	if (in_b < 0)
		return in_b;
	return isle_same_data(in_a, in_b, size);
}

static int compare_targets(struct isle_object a, struct isle_object b)
{
	auto_free char *in_a = NULL, *in_b = NULL;
	int r = isle_readlink(a.dir, a.name, &in_a);

	if (r >= 0)
		r = isle_readlink(b.dir, b.name, &in_b);
	return r < 0 ? r : strcmp(in_a, in_b) == 0;
}

static int compare_content(struct isle_object a, struct isle_object b, const struct statx *st, unsigned *diff)
{
	int same = 1;

	if (S_ISREG(st->stx_mode))
		same = *diff & ISLE_META_SIZE ? 0 : compare_data(a, b, st->stx_size);
	else if (S_ISLNK(st->stx_mode))
		same = compare_targets(a, b);
	else
		*diff &= ~ISLE_META_SIZE;
	if (same == -ENOMEM)
		return same;
	if (same != 1)
		*diff |= ISLE_DIFF_CONTENT;
	return 0;
}

static int read_meta(struct isle_object object, struct isle_meta *ret_meta)
{
	if (!object.st)
		return isle_meta_read(object.dir, object.name, ret_meta);
	ret_meta->st = *object.st;
	return object.plain ? 0 : isle_meta_read_xattrs(object.dir, object.name, ret_meta);
}

int isle_compare(struct isle_object a, struct isle_object b, unsigned flags, unsigned *ret_diff)
{
	auto_meta struct isle_meta in_a = ISLE_META_INIT, in_b = ISLE_META_INIT;
	unsigned diff;
	int r = read_meta(a, &in_a);

	if (r >= 0)
		r = read_meta(b, &in_b);
	if (r < 0)
		return r;
	diff = isle_meta_compare(&in_a, &in_b);
	if (flags & ISLE_COMPARE_NO_OWNER)
		diff &= ~ISLE_META_OWNER;
	if (S_ISLNK(in_a.st.stx_mode))
		diff &= ~ISLE_META_MODE;
	if (S_ISDIR(in_a.st.stx_mode))
		diff &= ~(ISLE_META_SIZE | ISLE_META_MTIME);
	if (diff & ISLE_META_TYPE) {
		*ret_diff = diff;
		return 0;
	}
	if (flags & ISLE_COMPARE_NO_DATA)
		diff &= ~ISLE_META_SIZE;
	else
		r = compare_content(a, b, &in_a.st, &diff);
	if (r >= 0)
		*ret_diff = diff;
	return r < 0 ? r : 0;
}
