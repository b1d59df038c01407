/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall two, first stone: no write outside the view, whatever way leads there.
 *
 * The mounts already give no path to a writable file of the host. What remains are ways around paths: /proc/PID/exe,
 * /proc/PID/fd and root links, a descriptor of another isle. A file opened through one of these lies on a mount of the
 * host; Landlock walks from it to the root of that mount tree, does not meet the view, and refuses to open it for
 * writing.
 *
 * 1. Every right to change something that the running kernel knows is handled, but for TRUNCATE; reading is not.
 * 2. All of them are granted below the view's root, and nowhere else. A rule on a directory covers the mounts below it.
 * 3. CMD inherits nothing for which there would have to be a rule (standard.h): its standard three are pipes, devices
 *    of the view, and files on read-only mounts.
 * 4. Pipes, sockets and memory files have no path. Landlock does not restrict them and takes no rule for them.
 * 5. Rights to files forbid mount(2): where mounts are allowed inside (NEST), none is handled. Scopes alone do not.
 * 6. Landlock has no right for chmod, chown, xattrs and times.
 */
#include "kernel.h"
#include "macros.h"
#include "walls.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>

/* Newer than the headers of the oldest system we build on. */
#define FS_REFER     (1ULL << 13) /* ABI 2, Linux 5.19 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5, Linux 6.10 */
#define SCOPE_SOCKET (1ULL << 0)  /* ABI 6, Linux 6.12 */

/* struct landlock_ruleset_attr as of ABI 6. The kernel takes a longer one than it knows if the rest is zero. */
struct ruleset_v6 {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

/* Without TRUNCATE, which makes the kernel walk from the file to the view for each open, also one for reading, since it
 * has to note whether the descriptor may truncate: 0.5 to 1.5 us. It would guard against nothing but truncate(2) of a
 * file of the host through a link of /proc, and no process here has one open that is not on a read-only mount. */
static uint64_t write_rights(int abi)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
			  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
			  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

	if (abi >= 2)
		rights |= FS_REFER;
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

/* Nothing is left out: neither the rights to files, for NEST, nor the scope that the host's network asks for. */
static bool is_whole(int abi, unsigned flags)
{
	return (flags & ISLE_FILTER_NEST) == 0 && (abi >= 6 || (flags & ISLE_FILTER_HOST_NET) == 0);
}

int isle_landlock_enter(int view_fd, unsigned flags)
{
	struct ruleset_v6 attr = {0};
	auto_fd int ruleset = -1;
	int abi = isle_landlock_abi();
	int r = 0;

	if (abi < 0)
		return abi;
	attr.access_fs = flags & ISLE_FILTER_NEST ? 0 : write_rights(abi);
	attr.scoped = scopes(abi, flags);
	if (attr.access_fs == 0 && attr.scoped == 0)
		return -EOPNOTSUPP;
	ruleset = isle_landlock_create((const struct landlock_ruleset_attr *)&attr, sizeof(attr));
	if (ruleset < 0)
		return ruleset;
	if (attr.access_fs != 0)
		r = isle_landlock_add_path(ruleset, view_fd, attr.access_fs);
	if (r < 0)
		return r;
	if (!(flags & ISLE_FILTER_ROOT) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = isle_landlock_restrict(ruleset);
	return r < 0 || is_whole(abi, flags) ? r : -EOPNOTSUPP;
}
