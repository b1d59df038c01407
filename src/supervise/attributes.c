/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The path is copied once. The object is opened once (O_PATH), looked at and changed through that descriptor.
 * 2. A child does it in the place of the caller (in_place.h).
 * 3. What lies on no mount of the isle was handed in from outside, and is not changed.
 */
#include "attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "buf.h"
#include "calls.h"
#include "in_place.h"
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

/* What the child works with. */
struct work {
	const struct change *change;
	const struct isle_in_place *place;
	const struct isle_buf *mounts; /* of the caller and the isle */
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

static int change_object(const struct work *w, int own_descriptors, int object)
{
	const struct change *change = w->change;
	char name[16];
	struct statfs fs;

	if (fstatfs(object, &fs) < 0)
		return -errno;
	bool unmounted = fs.f_type == PIPEFS_MAGIC || fs.f_type == SOCKFS_MAGIC;
	if (fs.f_type == PROC_SUPER_MAGIC || (!unmounted && !isle_in_place_has(w->mounts, object)))
		return -EPERM;
	snprintf(name, sizeof(name), "%d", object);
	if (change->owner)
		return fchownat(object, "", change->uid, change->gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
	return syscall(SYS_fchmodat, own_descriptors, name, change->mode) < 0 ? -errno : 0;
}

/* In the child. */
static int do_work(const void *data)
{
	const struct work *w = data;
	const struct change *change = w->change;
	auto_fd int own_descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = own_descriptors < 0 ? -errno : 0;

	if (r >= 0)
		r = isle_in_place_enter(w->place, change->of_descriptor ? NULL : change->path);
	if (r < 0 || change->of_descriptor)
		return r < 0 ? r : change_object(w, own_descriptors, w->place->start);
	auto_fd int object = open(change->path, O_PATH | O_CLOEXEC | (change->nofollow ? O_NOFOLLOW : 0));
	if (object >= 0)
		return change_object(w, own_descriptors, object);
	/* /proc/self is that of the caller, and cannot be looked up in its place. */
	bool of_caller = strstr(change->path, "proc/") != NULL && !is_own_descriptor(change->path);
	return errno == ENOENT && of_caller ? -EPERM : -errno;
}

static int change(struct isle_guide *guide, const struct isle_call *call, const struct change *change)
{
	auto_in_place struct isle_in_place place = ISLE_IN_PLACE_INIT;
	auto_buf struct isle_buf mounts = ISLE_BUF_INIT;
	int r = isle_in_place_open(call, change->dirfd, &place);

	if (r >= 0)
		r = isle_in_place_mounts(call->tid, &mounts);
	if (r < 0)
		return r;
	if (place.start < 0 && (change->of_descriptor || change->path[0] != '/'))
		return place.start == -EBADF && is_own_descriptor(change->path) ? -ENOENT : place.start;
	if (!isle_guide_waits(guide, call))
		return -ESRCH;
	return isle_in_place_run(guide, do_work, &(const struct work){change, &place, &mounts});
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
