/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying data: a clone of the whole file first (FICLONE: no data moves, holes are kept), else segment by segment
 * as SEEK_DATA and SEEK_HOLE show them, each with copy_file_range(2), and with read and write from the place where
 * that gave up. The target is emptied before and gets its size at the end, so a hole is what nobody has written.
 */
#include "io.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum {
	/* mountinfo and the like are consistent within one read; with the NUL byte it is a power of two */
	READ_FIRST = 64 * 1024 - 1,
	COPY_CHUNK = 64 * 1024,
	TEMP_TRIES = 100,
};

int isle_stdio_init(void)
{
	int fd;

	for (int i = 0; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			continue;
		if (errno != EBADF)
			return -errno;
		/* Not O_CLOEXEC: these three are for what we start, too. The lowest free one is i. */
		fd = open("/dev/null", (i == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_NOCTTY);
		if (fd < 0)
			return -errno;
	}
	return 0;
}

int isle_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;
	ssize_t n;

	while (size > 0) {
		n = write(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* As isle_read_all(), want bytes at a time. */
static int read_all(int fd, struct isle_buf *buf, size_t limit, size_t want)
{
	size_t start = buf->size;
	ssize_t n;
	char *end;
	int r;

	for (;;) {
		end = isle_buf_reserve(buf, want);
		if (!end) {
			r = isle_buf_error(buf);
			break;
		}
		n = read(fd, end, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		isle_buf_grew(buf, (size_t)n);
		if (buf->size - start > limit) {
			r = -EFBIG;
			break;
		}
	}
	if (r < 0)
		isle_buf_cut(buf, start);
	return r;
}

int isle_read_all(int fd, struct isle_buf *buf, size_t limit)
{
	return read_all(fd, buf, limit, READ_FIRST);
}

int isle_read_file(int dir, const char *path, struct isle_buf *buf, size_t limit)
{
	auto_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* Room for one byte more than there should be, so that the second read finds the end. Files of procfs say 0. */
	return read_all(fd, buf, limit,
			st.st_size > 0 && st.st_size < READ_FIRST ? (size_t)st.st_size + 1 : READ_FIRST);
}

int isle_write_file(int dir, const char *path, const char *data)
{
	auto_fd int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t size = strlen(data);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, data, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

/* Creates a file that nobody else has in dir and stores its name. */
static int create_temp(int dir, char *name, size_t room)
{
	static unsigned counter;
	int fd = -1;

	for (int i = 0; i < TEMP_TRIES; i++) {
		snprintf(name, room, ISLE_REPLACE_PREFIX "%ld.%u", (long)getpid(), counter++);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd < 0 ? -errno : fd;
}

static int replace(int dir, const char *name, const void *data, size_t size, bool synced)
{
	char temp[64];
	auto_fd int fd = create_temp(dir, temp, sizeof(temp));
	int r;

	if (fd < 0)
		return fd;
	r = isle_write_all(fd, data, size);
	if (r == 0 && synced && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r;
}

int isle_replace_file(int dir, const char *name, const void *data, size_t size)
{
	return replace(dir, name, data, size, false);
}

int isle_replace_file_synced(int dir, const char *name, const void *data, size_t size)
{
	return replace(dir, name, data, size, true);
}

/* Copies [pos, end) with read and write. Returns where it ended, which is before end when the file is shorter. */
static off_t copy_by_hand(int from, int to, off_t pos, off_t end)
{
	char chunk[COPY_CHUNK];
	ssize_t got, put;
	size_t want;

	while (pos < end) {
		want = end - pos < COPY_CHUNK ? (size_t)(end - pos) : COPY_CHUNK;
		got = pread(from, chunk, want, pos);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		for (ssize_t done = 0; done < got; done += put) {
			put = pwrite(to, chunk + done, (size_t)(got - done), pos + done);
			if (put < 0 && errno == EINTR)
				put = 0;
			if (put < 0)
				return -errno;
		}
		pos += got;
	}
	return pos;
}

/* As copy_by_hand(), in the kernel where it can. Whatever it refuses, reading and writing says why. */
static off_t copy_segment(int from, int to, off_t pos, off_t end)
{
	off_t in = pos, out = pos;
	ssize_t n;

	while (in < end) {
		n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
			return -errno;
		/* 0 is the end of the file, and what some file systems say before Linux 5.19 for "cannot". */
		if (n <= 0)
			return copy_by_hand(from, to, in, end);
	}
	return in;
}

/* Stores the next segment of data at or after pos; false when there is none. */
static bool next_segment(int fd, off_t pos, off_t size, off_t *ret_start, off_t *ret_end)
{
	off_t start = lseek(fd, pos, SEEK_DATA);
	off_t end = size;

	if (start < 0 && errno == ENXIO)
		return false;
	if (start < 0)
		start = pos; /* no such thing here: all of it is data */
	else
		end = lseek(fd, start, SEEK_HOLE);
	if (end < 0 || end > size)
		end = size;
	*ret_start = start;
	*ret_end = end;
	return start < size;
}

static off_t copy_segments(int from, int to, off_t size)
{
	off_t pos = 0, start, end, done;

	while (pos < size && next_segment(from, pos, size, &start, &end)) {
		done = copy_segment(from, to, start, end);
		if (done < 0)
			return done;
		if (done < end)
			return done; /* the file has become shorter */
		pos = end;
	}
	return size;
}

int isle_copy_data(int from, int to)
{
	struct stat from_st, to_st;
	off_t size;

	if (fstat(from, &from_st) < 0 || fstat(to, &to_st) < 0)
		return -errno;
	if (to_st.st_size > 0 && ftruncate(to, 0) < 0)
		return -errno;
	if (from_st.st_size == 0) /* empty, or a file of procfs that has no size */
		size = copy_by_hand(from, to, 0, INT64_MAX);
	else if (ioctl(to, FICLONE, from) == 0)
		return 0;
	else
		size = copy_segments(from, to, from_st.st_size);
	if (size < 0)
		return (int)size;
	if (size > 0 && ftruncate(to, size) < 0)
		return -errno;
	return 0;
}
