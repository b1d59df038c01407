/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which system calls are trapped: the program that sends them to the supervisor. It is the continuation of the static
 * filter (static_filter.h) and refuses nothing.
 */
#include "macros.h"
#include <linux/filter.h>

/* Groups of calls. */
enum isle_trap {
	ISLE_TRAP_NET = 1 << 0,	   /* socket(2) for the internet and netlink families */
	ISLE_TRAP_READS = 1 << 1,  /* opens, programs, links, directories; changes of names; connections */
	ISLE_TRAP_STATS = 1 << 2,  /* stat and access, and metadata through descriptors, as well (--track=full) */
	ISLE_TRAP_NAMES = 1 << 3,  /* rename, link, rmdir, which an ordinary user's view cannot do to all (repair.h) */
	ISLE_TRAP_NODES = 1 << 4,  /* mknod, which the isle's root cannot do */
	ISLE_TRAP_OWNERS = 1 << 5, /* chown to owners that an ordinary user's view cannot hold */
	ISLE_TRAP_MOUNTS = 1 << 6, /* mounts and mount namespaces inside (--nest) */
	ISLE_TRAP_ATTRIBUTES = 1 << 7, /* changes of mode and owner by uid 0 with the host's network (attributes.h) */
	ISLE_TRAP_BINDS = 1 << 8,      /* bind(2), where processes outside could connect to a name (binds.h) */
};

enum { ISLE_TRAP_REPAIRS = ISLE_TRAP_NAMES | ISLE_TRAP_NODES | ISLE_TRAP_OWNERS };

enum { ISLE_TRAP_ROOM = 160 };

/* Writes the program, at most ISLE_TRAP_ROOM instructions, and returns how many; 0: nothing is trapped. Allocates
 * nothing. */
unsigned isle_trap_program(unsigned traps, struct sock_filter *code);
