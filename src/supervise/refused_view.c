/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the view refuses, as far as that can be told beforehand: what is hidden or masked, what is read-only in the isle
 * while the host would let the caller write, and what the host has in /dev. That the host would refuse it as well is no
 * refusal of the isle's.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static int note(struct isle_guide *guide, const struct isle_call *call, const char *path, const char *why, int error)
{
	const struct isle_event event = {.type = ISLE_EVENT_REFUSED,
					 .how = ISLE_REFUSER_VIEW,
					 .path = path,
					 .other = why,
					 .refused.error = error};
	int r = isle_guide_refuse(guide, call, &event);

	return r < 0 ? r : 1;
}

/* The view shows these two of the store in the place of what is hidden (view_mount.c, own_proc.c). */
static bool is_hidden(const struct isle_guide *guide, const struct stat *st)
{
	const char *name = S_ISDIR(st->st_mode) ? "../../empty" : "../../empty-file";
	struct stat empty;

	return fstatat(guide->options.isle->dir, name, &empty, AT_SYMLINK_NOFOLLOW) == 0 &&
	       empty.st_dev == st->st_dev && empty.st_ino == st->st_ino;
}

/* /proc/PID and /proc/self: processes are the isle's own. */
static bool is_of_process(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 &&
	       ((path[6] >= '0' && path[6] <= '9') || strncmp(path + 6, "self", 4) == 0 ||
		strncmp(path + 6, "thread-self", 11) == 0);
}

/* What every isle's /dev has is opened often. */
static bool is_own_device(const char *path)
{
	static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(path, "/dev/", 5) == 0 && strcmp(path + 5, names[i]) == 0)
			return true;
	return false;
}

static bool host_has(const char *path)
{
	struct stat st;

	return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* path is missing in the view, or there as fd: its last component, or the directory that holds it. */
static int look(struct isle_guide *guide, const struct isle_call *call, const char *path, int fd, bool missing,
		enum isle_wanted wanted)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
		return 0;
	if (is_hidden(guide, &st)) {
		bool closed = guide->options.user && S_ISREG(st.st_mode) && wanted == ISLE_WANTED_READ;
		int error = !missing ? (closed ? EACCES : 0) : wanted == ISLE_WANTED_CREATE ? EROFS : ENOENT;

		return note(guide, call, path, "hidden in the isle (view)", error);
	}
	char host[PATH_MAX];
	if (wanted == ISLE_WANTED_READ || (fs.f_flag & ST_RDONLY) == 0 ||
	    isle_guide_path_of_object(fd, host, sizeof(host)) < 0 || faccessat(AT_FDCWD, host, W_OK, AT_EACCESS) < 0)
		return 0;
	return note(guide, call, path, "read-only in the isle (view)", EROFS);
}

int isle_guide_refused_by_view(struct isle_guide *guide, const struct isle_call *call, enum isle_wanted wanted)
{
	char path[PATH_MAX];

	if (guide->events == NULL || guide->root < 0 || guide->elsewhere != 0 || guide->scope[0] != '\0' ||
	    guide->raw[0] != '/' || is_of_process(guide->raw) || is_own_device(guide->raw) ||
	    strlen(guide->raw) >= sizeof(path))
		return 0;
	memcpy(path, guide->raw, strlen(guide->raw) + 1);
	auto_fd int fd = isle_guide_open(guide, path, 0);
	if (fd >= 0)
		return look(guide, call, path, fd, false, wanted);
	if (fd != -ENOENT)
		return 0;
	if (strncmp(path, "/dev/", 5) == 0)
		return host_has(path)
			       ? note(guide, call, path, "what the host has in /dev is not in an isle (view)", ENOENT)
			       : 0;
	char *slash = strrchr(path, '/');
	*slash = '\0';
	auto_fd int parent = isle_guide_open(guide, slash == path ? "/" : path, O_DIRECTORY);
	*slash = '/';
	return parent < 0 ? 0 : look(guide, call, path, parent, true, wanted);
}

int isle_guide_refused_device(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight)
{
	if (!S_ISCHR(sight->mode) && !S_ISBLK(sight->mode))
		return 0;
	return note(guide, call, sight->view, "device files can be opened in /dev alone (view)", EACCES);
}
