/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that CMD can read and nothing else.
 *
 * A descriptor opened for reading still changes mode, owner, times and attributes of its file, and can be opened again
 * for writing. On a mount that is read-only the kernel refuses all of these, whoever asks. The mount is a copy of the
 * file's own (open_tree(2)) that is attached nowhere: nothing on the host changes, and no mount namespace has it, so
 * none of its owners can make it writable again.
 *
 * Copying a mount takes power over the mount namespace it is in. Who has none takes the copy in a mount namespace of a
 * user namespace of their own, in a child that lives for that only. A descriptor from outside belongs to a mount of the
 * other namespace there, so the file is found by its path, and is taken only if it is the same.
 */
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "kernel.h"
#include "meta.h"
#include "path.h"
#include "wire.h"

/* fd belongs to a mount of the present mount namespace. */
static int open_on_copy(int fd)
{
	auto_fd int tree = isle_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	char path[40];
	struct statvfs fs;

	if (tree < 0)
		return tree;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   0);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", tree);
	auto_fd int copy = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (copy < 0 || fstatvfs(copy, &fs) < 0)
		return -errno;
	return fs.f_flag & ST_RDONLY ? fd_take(&copy) : -EIO;
}

/* In the child. */
static isle_noreturn void copy_apart(int fd, const char *path, int reply)
{
	auto_fd int found = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = found < 0 || !isle_is_same_file(found, fd) ? -ENOENT : open_on_copy(found);

	isle_ignore(isle_wire_send_fds(reply, ISLE_WIRE_RESULT, NULL, 0, &r, r >= 0 ? 1 : 0));
	_exit(0);
}

static int take_copy(int sock)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;

	return isle_wire_receive(sock, &m) > 0 && m.fd_count == 1 ? fd_take(&m.fds[0]) : -EOPNOTSUPP;
}

static int open_in_child(int fd)
{
	auto_free char *path = NULL;
	char link[40];
	int pair[2];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	int r = isle_readlink(AT_FDCWD, link, &path);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	auto_fd int ours = pair[0];
	auto_fd int theirs = pair[1];
	pid_t pid = isle_clone(CLONE_NEWUSER | CLONE_NEWNS, NULL);
	if (pid == 0)
		copy_apart(fd, path, theirs);
	if (pid < 0)
		return (int)pid;
	isle_cleanup_fd(&theirs);
	theirs = -1;
	r = take_copy(ours);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int isle_standard_read_only(int fd)
{
	off_t offset = lseek(fd, 0, SEEK_CUR);

	if (offset < 0)
		return -errno;
	auto_fd int copy = open_on_copy(fd);
	if (copy == -EPERM)
		copy = open_in_child(fd);
	if (copy < 0)
		return copy;
	if (!isle_is_same_file(copy, fd) || lseek(copy, offset, SEEK_SET) != offset)
		return -EIO;
	if (fcntl(copy, F_SETFL, fcntl(fd, F_GETFL) & O_NONBLOCK) < 0)
		return -errno;
	return fd_take(&copy);
}
