/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall two, first stone: no write outside the view, whatever way leads there.
 *
 * The mounts already give no path to a writable file of the host. What remains are ways around paths: inherited
 * descriptors, /proc/PID/exe, /proc/PID/fd and root links. A file opened through one of these lies on a mount of the
 * host; Landlock walks from it to the root of that mount tree, does not meet the view, and refuses to open it for
 * writing.
 *
 * 1. Every right to change something that the running kernel knows is handled; reading is not. (TRUNCATE where it
 * matters.)
 * 2. All of them are granted below the view's root. A rule on a directory covers the mounts below it.
 * 3. A file that CMD inherits may be opened again (/dev/stdout) only for what its descriptor can do already, so that
 *    `isle run CMD < FILE` does not make FILE writable. A directory that is inherited grants nothing.
 * 4. Pipes, sockets and memory files have no path. Landlock does not restrict them and takes no rule for them.
 * 5. Landlock forbids mount(2), so it is left out where mounts are allowed inside (NEST).
 * Landlock has no right for chmod, chown, xattrs and times: these can still be changed on a descriptor that is
 * inherited.
 */
#include "kernel.h"
#include "macros.h"
#include "walls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Newer than the headers of the oldest system we build on. */
#define FS_REFER     (1ULL << 13) /* ABI 2, Linux 5.19 */
#define FS_TRUNCATE  (1ULL << 14) /* ABI 3, Linux 6.2 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5, Linux 6.10 */
#define SCOPE_SOCKET (1ULL << 0)  /* ABI 6, Linux 6.12 */

/* struct landlock_ruleset_attr as of ABI 6. The kernel takes a longer one than it knows if the rest is zero. */
struct ruleset_v6 {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

/* TRUNCATE makes the kernel walk from the file to the view for each open, also one for reading, since it has to note
 * whether the descriptor may truncate: 0.5 to 1.5 us. The other rights cost nothing there. It guards against nothing
 * but truncate(2) of a file of the host through a link of /proc, and the only one that is both to be had and not open
 * for writing anyway is an inherited descriptor. */
static uint64_t write_rights(int abi, bool truncate)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
			  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
			  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

	if (abi >= 2)
		rights |= FS_REFER;
	if (abi >= 3 && truncate)
		rights |= FS_TRUNCATE;
	if (abi >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

/* With a network namespace of its own there are no abstract sockets but those of the isle. Signals are not scoped: the
 * process namespace has nobody else to signal, while two runs in one isle, each in a domain of its own, are to be able
 * to. */
static uint64_t scopes(int abi, unsigned flags)
{
	return abi >= 6 && flags & ISLE_FILTER_HOST_NET ? SCOPE_SOCKET : 0;
}

/* True for a file that CMD inherits and may only read. */
static bool is_read_only(int fd)
{
	int mode = fcntl(fd, F_GETFL);
	struct stat st;

	if (mode < 0 || mode & O_PATH || (mode & O_ACCMODE) != O_RDONLY)
		return false;
	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* What of `rights` the rule for this descriptor grants; 0: no rule. */
static uint64_t extra_rights(int fd, uint64_t rights)
{
	int mode = fcntl(fd, F_GETFL);
	struct stat st;
	uint64_t granted = rights & FS_IOCTL_DEV;

	if (mode < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return mode & O_PATH ? rights : 0;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return 0;
	if (mode & O_PATH || (mode & O_ACCMODE) != O_RDONLY)
		granted |= rights & (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE);
	return granted;
}

static int add_extra(int ruleset, int fd, uint64_t rights)
{
	uint64_t granted = extra_rights(fd, rights);
	int r;

	if (granted == 0)
		return 0;
	r = isle_landlock_add_path(ruleset, fd, granted);
	return r == -EBADFD ? 0 : r; /* a file without a path: memfd */
}

int isle_landlock_enter(int view_fd, const int *extra, unsigned extra_count, unsigned flags)
{
	struct ruleset_v6 attr = {0};
	auto_fd int ruleset = -1;
	int abi = isle_landlock_abi();
	bool truncate = false;
	int r;

	if (flags & ISLE_FILTER_NEST)
		return -EOPNOTSUPP;
	if (abi < 0)
		return abi;
	for (unsigned i = 0; i < extra_count; i++)
		truncate |= is_read_only(extra[i]);
	attr.access_fs = write_rights(abi, truncate);
	attr.scoped = scopes(abi, flags);
	ruleset = isle_landlock_create((const struct landlock_ruleset_attr *)&attr, sizeof(attr));
	if (ruleset < 0)
		return ruleset;
	r = isle_landlock_add_path(ruleset, view_fd, attr.access_fs);
	for (unsigned i = 0; i < extra_count && r >= 0; i++)
		r = add_extra(ruleset, extra[i], attr.access_fs);
	if (r < 0)
		return r;
	if (!(flags & ISLE_FILTER_ROOT) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return isle_landlock_restrict(ruleset);
}
