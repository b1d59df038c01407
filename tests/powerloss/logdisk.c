// SPDX-License-Identifier: Apache-2.0
/*
 * logdisk IMAGE LOG MOUNTPOINT DISKS: a FUSE file system of disks. "disk0", "disk1", ... are equal parts of IMAGE; what
 * is written to them and each flush is appended to LOG (log.h). What is written to "mark" is appended as a mark.
 *
 * One thread serves one request after the other and nothing is cached (direct I/O), so the order of the log is the
 * order in which the block layer of a loop device over a disk sent its requests: a loop device turns a flush, and a
 * write with FUA, into fsync(2). It stays in the foreground, and ends when it is unmounted.
 */
#define FUSE_USE_VERSION 31
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int image, log_file;
static off_t disk_size;
static int disk_count;

/* Its number, or -1. */
static int disk_number(const char *path)
{
	int n = strncmp(path, "/disk", 5) == 0 && path[5] >= '0' && path[5] <= '9' && !path[6] ? path[5] - '0' : -1;

	return n < disk_count ? n : -1;
}

static bool is_disk(const char *path)
{
	return disk_number(path) >= 0;
}

static bool is_mark(const char *path)
{
	return strcmp(path, "/mark") == 0;
}

static int write_whole(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int log_add(enum log_kind kind, const char *path, off_t offset, const void *data, size_t size)
{
	const struct log_record record = {.kind = kind,
					  .disk = is_disk(path) ? (uint64_t)disk_number(path) : 0,
					  .offset = (uint64_t)offset,
					  .size = size};
	int r = write_whole(log_file, &record, sizeof(record));

	return r < 0 ? r : write_whole(log_file, data, size);
}

static int disk_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
		return 0;
	}
	if (is_disk(path) && fstat(image, st) < 0)
		return -errno;
	if (!is_disk(path) && !is_mark(path))
		return -ENOENT;
	if (is_disk(path))
		st->st_size = disk_size;
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	return 0;
}

static int disk_open(const char *path, struct fuse_file_info *info)
{
	if (!is_disk(path) && !is_mark(path))
		return -ENOENT;
	info->direct_io = 1;
	return 0;
}

static int disk_read(const char *path, char *data, size_t size, off_t offset, struct fuse_file_info *info)
{
	ssize_t n;

	(void)info;
	if (!is_disk(path) || offset >= disk_size)
		return 0;
	if ((off_t)size > disk_size - offset)
		size = (size_t)(disk_size - offset);
	n = pread(image, data, size, disk_number(path) * disk_size + offset);
	return n < 0 ? -errno : (int)n;
}

static int disk_write(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *info)
{
	ssize_t n = (ssize_t)size;
	int r;

	(void)info;
	if (is_disk(path)) {
		if ((off_t)size > disk_size - offset)
			return -ENOSPC;
		offset += disk_number(path) * disk_size;
		n = pwrite(image, data, size, offset);
	}
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	r = log_add(is_disk(path) ? LOG_WRITE : LOG_MARK, path, offset, data, (size_t)n);
	return r < 0 ? r : (int)n;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
	(void)data_only;
	(void)info;
	return is_disk(path) ? log_add(LOG_FLUSH, path, 0, NULL, 0) : 0;
}

/* "mark" is opened with O_TRUNC by a shell. */
static int disk_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	(void)size;
	(void)info;
	return is_mark(path) ? 0 : -EPERM;
}

static const struct fuse_operations operations = {
	.getattr = disk_getattr,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
	.truncate = disk_truncate,
};

int main(int argc, char **argv)
{
	char foreground[] = "-f", one_thread[] = "-s";
	char *arguments[5];

	struct stat st;

	disk_count = argc == 5 ? atoi(argv[4]) : 0;
	if (disk_count < 1 || disk_count > 9) {
		fprintf(stderr, "usage: logdisk IMAGE LOG MOUNTPOINT DISKS\n");
		return 2;
	}
	image = open(argv[1], O_RDWR | O_CLOEXEC);
	log_file = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (image < 0 || log_file < 0 || fstat(image, &st) < 0) {
		perror("logdisk");
		return 1;
	}
	disk_size = st.st_size / disk_count;
	arguments[0] = argv[0];
	arguments[1] = foreground;
	arguments[2] = one_thread;
	arguments[3] = argv[3];
	arguments[4] = NULL;
	return fuse_main(4, arguments, &operations, NULL);
}
