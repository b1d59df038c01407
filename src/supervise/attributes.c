/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The path is copied once. The object is opened once (O_PATH), looked at and changed through that descriptor.
 * 2. A child does it, with the root and current directory, ids, groups and user namespace of the caller and no more
 *    powers than it has there. So the kernel makes all checks that it makes for the caller.
 */
#include "attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "caller.h"
#include "calls.h"
#include "peer.h"

struct change {
	bool owner; /* uid and gid; else mode */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool of_descriptor; /* dirfd is the object itself */
	bool nofollow;
	int dirfd;
	char path[PATH_MAX]; /* "" with of_descriptor */
};

/* What the child works with; opened before it is made. */
struct work {
	const struct change *change;
	const struct isle_caller *caller;
	int object; /* -1: path leads to it, from these */
	int root, start;
	int userns;
};

bool isle_attributes_is_change(int nr)
{
	switch (nr) {
#ifdef SYS_chmod
	case SYS_chmod:
	case SYS_chown:
	case SYS_lchown:
#endif
	case SYS_fchmod:
	case SYS_fchmodat:
	case ISLE_CALL_FCHMODAT2:
	case SYS_fchown:
	case SYS_fchownat:
		return true;
	default:
		return false;
	}
}

static const char own_prefix[] = "/proc/self/fd/";

static bool is_own_descriptor(const char *path)
{
	return strncmp(path, own_prefix, sizeof(own_prefix) - 1) == 0;
}

/* The number in "/proc/self/fd/N"; -1: it is another path. */
static int descriptor_of(const char *path)
{
	const char *digits = path + sizeof(own_prefix) - 1;

	if (!is_own_descriptor(path) || *digits == '\0' || strlen(digits) > 9 ||
	    digits[strspn(digits, "0123456789")] != '\0')
		return -1;
	return (int)strtol(digits, NULL, 10);
}

static int read_path(const struct isle_call *call, uint64_t address, uint64_t flags, struct change *change)
{
	int length = isle_peer_string(call->tid, address, change->path, sizeof(change->path));

	if (length < 0)
		return length;
	change->nofollow = (flags & AT_SYMLINK_NOFOLLOW) != 0;
	if (length == 0 && (flags & AT_EMPTY_PATH) == 0)
		return -ENOENT;
	change->of_descriptor = length == 0;
	if (!change->nofollow && descriptor_of(change->path) >= 0) {
		change->dirfd = descriptor_of(change->path);
		change->of_descriptor = true;
	}
	return 0;
}

static int read_change(const struct isle_call *call, struct change *c)
{
	const uint64_t *a = call->args;
	int nr = call->notif.data.nr;
	uint64_t flags = nr == SYS_fchownat ? a[4] : nr == ISLE_CALL_FCHMODAT2 ? a[3] : 0;

	if (((unsigned)flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
		return -EINVAL;
	c->dirfd = AT_FDCWD;
	switch (nr) {
	case SYS_fchmod:
	case SYS_fchown:
		c->owner = nr == SYS_fchown;
		c->mode = (mode_t)a[1];
		c->uid = (uid_t)a[1];
		c->gid = (gid_t)a[2];
		c->dirfd = (int)a[0];
		c->of_descriptor = true;
		return isle_peer_is_open(call->tid, c->dirfd) ? 0 : -EBADF;
	case SYS_fchmodat:
	case ISLE_CALL_FCHMODAT2:
		c->mode = (mode_t)a[2];
		c->dirfd = (int)a[0];
		return read_path(call, a[1], flags, c);
	case SYS_fchownat:
		c->owner = true;
		c->uid = (uid_t)a[2];
		c->gid = (gid_t)a[3];
		c->dirfd = (int)a[0];
		return read_path(call, a[1], flags, c);
#ifdef SYS_chmod
	case SYS_chmod:
		c->mode = (mode_t)a[1];
		return read_path(call, a[0], 0, c);
	case SYS_chown:
	case SYS_lchown:
		c->owner = true;
		c->uid = (uid_t)a[1];
		c->gid = (gid_t)a[2];
		return read_path(call, a[0], nr == SYS_lchown ? AT_SYMLINK_NOFOLLOW : 0, c);
#endif
	default:
		return -ENOSYS;
	}
}

/* What /proc/TID/what leads to. */
static int open_of(pid_t tid, const char *what, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)tid, what);
	int fd = open(name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_dirfd(const struct isle_call *call, int dirfd)
{
	char what[24];

	if (dirfd == AT_FDCWD)
		return open_of(call->tid, "cwd", O_PATH);
	snprintf(what, sizeof(what), "fd/%d", dirfd);
	int fd = dirfd < 0 ? -ENOENT : open_of(call->tid, what, O_PATH);
	return fd == -ENOENT ? -EBADF : fd;
}

static int change_object(const struct change *change, int own_descriptors, int object)
{
	char name[16];
	struct statfs fs;

	if (fstatfs(object, &fs) < 0)
		return -errno;
	if (fs.f_type == PROC_SUPER_MAGIC)
		return -EPERM;
	snprintf(name, sizeof(name), "%d", object);
	if (change->owner)
		return fchownat(object, "", change->uid, change->gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
	return syscall(SYS_fchmodat, own_descriptors, name, change->mode) < 0 ? -errno : 0;
}

/* In the child. */
static int do_work(const struct work *w)
{
	auto_fd int own_descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = own_descriptors < 0 ? -errno : 0;

	if (r >= 0 && w->object < 0 && (fchdir(w->root) < 0 || chroot(".") < 0))
		r = -errno;
	if (r >= 0 && w->object < 0 && w->change->path[0] != '/' && fchdir(w->start) < 0)
		r = -errno;
	if (r >= 0)
		r = isle_caller_become(w->caller, w->userns);
	if (r < 0 || w->object >= 0)
		return r < 0 ? r : change_object(w->change, own_descriptors, w->object);
	int flags = O_PATH | O_CLOEXEC | (w->change->nofollow ? O_NOFOLLOW : 0);
	auto_fd int object = open(w->change->path, flags);
	if (object >= 0)
		return change_object(w->change, own_descriptors, object);
	/* /proc/self is that of the caller, and cannot be looked up in its place. */
	bool of_caller = strstr(w->change->path, "proc/") != NULL && !is_own_descriptor(w->change->path);
	return errno == ENOENT && of_caller ? -EPERM : -errno;
}

static int run_child(const struct work *w)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(-do_work(w));
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int change(struct isle_guide *guide, const struct isle_call *call, const struct change *change)
{
	auto_free struct isle_caller *caller = NULL;
	int r = isle_caller_look(call->tid, &caller);
	auto_fd int start = open_dirfd(call, change->dirfd);
	auto_fd int root = open_of(call->tid, "root", O_PATH | O_DIRECTORY);
	auto_fd int userns = open_of(call->tid, "ns/user", O_RDONLY);
	const struct work work = {.change = change,
				  .caller = caller,
				  .object = change->of_descriptor ? start : -1,
				  .root = root,
				  .start = start,
				  .userns = userns};

	if (r < 0)
		return r;
	if (start < 0 && (change->of_descriptor || change->path[0] != '/'))
		return start == -EBADF && is_own_descriptor(change->path) ? -ENOENT : start;
	if (root < 0 || userns < 0)
		return root < 0 ? root : userns;
	/* What was read so far could be another process's. */
	return isle_guide_waits(guide, call) ? run_child(&work) : -ESRCH;
}

int isle_attributes_change(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	struct change wanted = {0};
	int r = read_change(call, &wanted);

	if (r >= 0)
		r = change(guide, call, &wanted);
	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	return 0;
}
