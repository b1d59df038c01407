/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of any depth and size.
 *
 * A program can nest directories deeper than PATH_MAX by way of descriptors, and so must whoever reads them. Here a
 * path is walked in pieces that the kernel accepts, each from the descriptor of the one before. Names are read with
 * getdents64(2) as a whole, so that no directory stream is open while what is below it is looked at.
 */
#include "change_internal.h"
#include "kernel.h"
#include "owner.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum { PIECE_MAX = 3500, READ_SIZE = 64 * 1024 };

int isle_walk_long(int root, const char *path, int flags)
{
	auto_fd int at = -1;
	size_t left = strlen(path);

	while (left > PIECE_MAX) {
		char piece[PIECE_MAX + 1];
		const char *slash = memrchr(path, '/', PIECE_MAX);
		int next;

		if (!slash || slash == path)
			return -ENAMETOOLONG;
		memcpy(piece, path, slash - path);
		piece[slash - path] = '\0';
		next = isle_walk(at >= 0 ? at : root, piece, O_PATH | O_DIRECTORY);
		if (next < 0)
			return next;
		isle_cleanup_fd(&at);
		at = next;
		left -= slash + 1 - path;
		path = slash + 1;
	}
	return isle_walk(at >= 0 ? at : root, path, flags);
}

int isle_open_plain(int dir, const char *name)
{
	struct stat st;

	/* Asked before it is opened, since opening a device can do things; O_NONBLOCK for who swaps it in between. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return isle_reopen_plain(dir, name);
}

int isle_reopen_plain(int dir, const char *name)
{
	auto_fd int fd = isle_open_own(dir, name, O_RDONLY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fd_take(&fd);
}

static int names_add(struct isle_names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room ? names->room * 2 : 32;
		size_t *at = reallocarray(names->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		names->at = at;
		names->room = room;
	}
	names->at[names->count++] = names->text.size;
	return isle_buf_add(&names->text, name, strlen(name) + 1);
}

int isle_names_read(int dir, struct isle_names *names)
{
	auto_free char *block = malloc(READ_SIZE);

	if (!block)
		return -ENOMEM;
	if (lseek(dir, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, dir, block, READ_SIZE);

		if (n < 0)
			return -errno;
		if (n == 0)
			return isle_buf_error(&names->text);
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(block + at);
			int r = 0;

			if (isle_component_valid(entry->d_name))
				r = names_add(names, entry->d_name);
			if (r < 0)
				return r;
			at += entry->d_reclen;
		}
	}
}

static int compare_names(const void *a, const void *b, void *text)
{
	return strcmp((const char *)text + *(const size_t *)a, (const char *)text + *(const size_t *)b);
}

void isle_names_sort(struct isle_names *names)
{
	if (names->count > 1)
		qsort_r(names->at, names->count, sizeof(*names->at), compare_names, names->text.data);
}

bool isle_names_has(const struct isle_names *sorted, const char *name)
{
	size_t low = 0, high = sorted->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, isle_names_get(sorted, middle));

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

void isle_names_done(struct isle_names *names)
{
	isle_buf_done(&names->text);
	free(names->at);
	*names = ISLE_NAMES_INIT;
}
