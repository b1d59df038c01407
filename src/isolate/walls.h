/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two walls (doc/design/isolation.md): which of their stones this machine has, and putting up the second one.
 */
#include "error.h"
#include "static_filter.h"
#include <stdbool.h>

enum isle_wall {
	ISLE_WALL_USERNS = 1 << 0,
	ISLE_WALL_MOUNTNS = 1 << 1,
	ISLE_WALL_PIDNS = 1 << 2,
	ISLE_WALL_IPCNS = 1 << 3,
	ISLE_WALL_UTSNS = 1 << 4,
	ISLE_WALL_NETNS = 1 << 5,
	ISLE_WALL_CGROUPNS = 1 << 6,
	ISLE_WALL_OVERLAY = 1 << 7,
	ISLE_WALL_LANDLOCK = 1 << 8,
	ISLE_WALL_SECCOMP = 1 << 9,
	ISLE_WALL_NOTIFY = 1 << 10,
	ISLE_WALL_NETFILTER = 1 << 11,
	ISLE_WALL_COREDUMP = 1 << 12,
};

/* "userns", ...; one bit. */
const char *isle_wall_name(enum isle_wall wall);
/* The bit of this name, or 0. */
unsigned isle_wall_by_name(const char *name);

enum { ISLE_WALL_COUNT = 13 };

/*
 * Which walls this machine has, as bits. Each is tried in a child process, once; takes a few milliseconds, so a run
 * does not do it on its way: it puts the walls up and comes here when one fails.
 *
 * isle_walls_place() says beforehand in which directory an overlay is tried: that of the store; else /var/tmp or /tmp.
 */
unsigned isle_walls_probe(void);
void isle_walls_place(const char *directory);

struct isle_walls_details {
	int landlock_abi;      /* 0: none */
	bool volatile_overlay; /* fsync inside costs nothing */
};

/* The same from the last probe. */
struct isle_walls_details isle_walls_details(void);

/* Why this wall is not to be had here: the text is the reason, the hint what to do about it. err->code is the -errno
 * of the attempt, 0 when the wall is there. */
void isle_wall_explain(enum isle_wall wall, struct isle_err *err);

/*
 * All are called in init, after all mounts and pivot_root and before any program of the user runs, in this order:
 * isle_landlock_enter(), then isle_filter_notify(), or isle_filter_enter() where nothing is trapped or no listener can
 * be had. They allocate nothing. 0 or -errno (-ENOSYS, -EOPNOTSUPP: the kernel has it not; the caller decides by
 * `require`). Processes started later have them too. flags: enum isle_filter_flags.
 *
 * After either filter, clone3(2) is not to be had (-ENOSYS): init starts its children by fork(2) or clone(2).
 */

/*
 * No write to any file that is not below the view's root (view_fd, O_PATH). With HOST_NET no abstract socket of the
 * host. -EOPNOTSUPP when a part is missing, having put up the rest: with NEST the rights to files, which would forbid
 * mount(2); with HOST_NET before Linux 6.12 the scope of abstract sockets.
 */
int isle_landlock_enter(int view_fd, unsigned flags) isle_must_check;

/* Installs, in the calling process, the static filter followed by one that sends the calls of these groups (enum
 * isle_trap, trap.h) to a listener, which is returned, O_CLOEXEC. -EBUSY: a process above has one already, and nothing
 * was installed. From here on each such call of this process, too, waits for the supervisor, and with ISLE_TRAP_READS
 * most of those that are refused (static_filter.h). */
int isle_filter_notify(unsigned flags, unsigned traps) isle_must_check;

/* Installs the static filter alone. */
int isle_filter_enter(unsigned flags) isle_must_check;
