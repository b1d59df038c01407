/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"
#include "owner.h"
#include "subtree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int isle_hold(int dir, const char *name, const struct isle_stat *wanted, int *ret_fd, struct isle_stat *ret_now)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	*ret_now = (struct isle_stat){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = isle_look(fd, "", ret_now);
	if (r < 0)
		return r;
	if (!isle_same_object(ret_now, wanted))
		return 0;
	*ret_fd = fd_take(&fd);
	return 1;
}

int isle_held_open(int fd, int dir, const char *name, int flags)
{
	struct isle_stat held, now;
	auto_fd int opened = -1;
	char proc[64];
	int r;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	opened = open(proc, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (opened >= 0 || errno != EACCES)
		return opened < 0 ? -errno : fd_take(&opened);
	/* An owner who has closed it to themselves. */
	opened = isle_open_own(dir, name, flags);
	r = opened < 0 ? opened : isle_look(opened, "", &now);
	if (r >= 0)
		r = isle_look(fd, "", &held);
	if (r < 0)
		return r;
	return isle_same_object(&now, &held) ? fd_take(&opened) : -ESTALE;
}

int isle_held_link(int fd, int dir, const char *name)
{
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int isle_move_wanted(const struct isle_spot *from, const struct isle_spot *to, const struct isle_stat *wanted,
		     struct isle_stat *ret_came)
{
	int r = isle_move(from->dir, from->name, to->dir, to->name, RENAME_NOREPLACE);

	if (r >= 0)
		r = isle_look(to->dir, to->name, ret_came);
	if (r < 0 || isle_same_object(ret_came, wanted))
		return r < 0 ? r : 1;
	r = ret_came->mode ? isle_move(to->dir, to->name, from->dir, from->name, RENAME_NOREPLACE) : 0;
	return r < 0 ? r : 0;
}

int isle_hold_meta(int dir, const char *name, const struct isle_stat *wanted, struct isle_meta **ret_meta)
{
	auto_fd int fd = -1;
	struct isle_stat now;
	int r = isle_hold(dir, name, wanted, &fd, &now);

	return r < 0 ? r : r == 0 ? -ESTALE : isle_meta_new(fd, "", ret_meta);
}
