/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Descriptors and whole-file input and output. Everything opened here is O_CLOEXEC.
 */
#include "buf.h"
#include "macros.h"
#include <stdint.h>
#include <sys/types.h>

/* Opens /dev/null for each of the descriptors 0, 1, 2 that is closed, so that it still cannot be used: EBADF. Called
 * first in main(). */
int isle_stdio_init(void) isle_must_check;

/* Writes all of it, through EINTR and short writes. 0 or -errno. */
int isle_write_all(int fd, const void *data, size_t size) isle_must_check;

/* Appends what is left in fd to buf; -EFBIG past limit bytes. After a failure buf is as it was. */
int isle_read_all(int fd, struct isle_buf *buf, size_t limit) isle_must_check;

/* Appends the content of a small regular file to buf; -EFBIG past limit bytes, -EINVAL for a FIFO, a device and the
 * like, which is not waited for. dir may be AT_FDCWD. After a failure buf is as it was. */
int isle_read_file(int dir, const char *path, struct isle_buf *buf, size_t limit) isle_must_check;

/* Writes data to an existing file such as /proc/self/uid_map in one write(2). */
int isle_write_file(int dir, const char *path, const char *data) isle_must_check;

/* What temporary names begin with, which a killed process leaves behind. */
#define ISLE_REPLACE_PREFIX ".isle-new."

/* Replaces dir/name (one component) by a file with this content, by way of a temporary name and a rename.
 * Its mode is 0600. No fsync: a crash leaves the old or the new content on a file system that orders them. */
int isle_replace_file(int dir, const char *name, const void *data, size_t size) isle_must_check;

/* The same, and the content is on the disk before it has the name. */
int isle_replace_file_synced(int dir, const char *name, const void *data, size_t size) isle_must_check;

/* Copies all data of from to to, holes kept, by reflink where the file system can. Both at offset 0. */
int isle_copy_data(int from, int to) isle_must_check;
