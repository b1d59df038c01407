/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that puts changed files in their place: what a commit is compared with.
 *
 *   bench-rename [-x] SOURCE TARGET
 *
 * Syncs the file system, renames every file below SOURCE onto the file of the same name below TARGET, and syncs again.
 * Neither survives a crash in the middle, nor keeps what was there. -x exchanges the two instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *target;
static size_t source_size;
static unsigned flags;

static void die(const char *what)
{
	fprintf(stderr, "bench-rename: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int put(const char *path, const struct stat *st, int type, struct FTW *at)
{
	char to[PATH_MAX];

	(void)st;
	(void)at;
	if (type != FTW_F)
		return 0;
	if (snprintf(to, sizeof(to), "%s%s", target, path + source_size) >= (int)sizeof(to))
		die("path too long");
	if (syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, flags) < 0)
		die(path);
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1, fd;

	if (argc > 1 && strcmp(argv[1], "-x") == 0) {
		flags = RENAME_EXCHANGE;
		first++;
	}
	if (argc - first != 2) {
		fprintf(stderr, "usage: bench-rename [-x] SOURCE TARGET\n");
		return 2;
	}
	source_size = strlen(argv[first]);
	target = argv[first + 1];
	fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		die(target);
	if (nftw(argv[first], put, 32, FTW_PHYS) < 0)
		die(argv[first]);
	if (syncfs(fd) < 0)
		die(target);
	return 0;
}
