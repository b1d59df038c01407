/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two walls (doc/design/isolation.md): which of their stones this machine has, and putting up the second one.
 */
#include "error.h"
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
};

/* "userns", ...; one bit. */
const char *isle_wall_name(enum isle_wall wall);
/* The bit of this name, or 0. */
unsigned isle_wall_by_name(const char *name);

enum isle_filter_flags {
	ISLE_FILTER_ROOT = 1 << 0,     /* the identity-mapped root: setuid programs work, no_new_privs is not set */
	ISLE_FILTER_NEST = 1 << 1,     /* user namespaces and mounts are allowed inside */
	ISLE_FILTER_HOST_NET = 1 << 2, /* the host's network: abstract sockets are scoped by Landlock */
};

/*
 * Both are called in init, after all mounts and pivot_root and before any program of the user runs. They allocate
 * nothing. 0 or -errno (-ENOSYS, -EOPNOTSUPP: the kernel has it not; the caller decides by `require`).
 *
 * isle_landlock_enter(): no write to any file that is not below the view's root (view_fd, O_PATH) or one of the
 * extra descriptors (files that CMD inherits as stdin, stdout and stderr, and --write paths).
 */
int isle_landlock_enter(int view_fd, const int *extra, unsigned extra_count, unsigned flags) isle_must_check;

/* Installs the static filter made at build time. */
int isle_filter_enter(unsigned flags) isle_must_check;

/* Installs, in the calling process, a filter that notifies of socket(2) calls for the internet and netlink families
 * only. Returns the listener. */
int isle_filter_notify_sockets(unsigned flags) isle_must_check;
