/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The static system call filter, made at build time (tools/genfilter.c): wall two, second stone. Which calls it refuses
 * is told by numbers and register arguments alone, nothing that the program could change after the check.
 *
 * There are two programs of it. One refuses by itself. The other is for runs that are recorded: what is to be on record
 * goes to the supervisor, which notes it and answers with the error that the first program gives, found by running that
 * very program (isle_static_filter_answer()). It stays a wall:
 *
 * 1. What it does not allow never reaches the kernel's call by itself: without a supervisor it fails with ENOSYS.
 * 2. The one function that can answer "continue" (isle_listener_continue()) asks isle_static_filter_answer() about that
 *    very notification, with the numbers that the kernel gave, and answers with the error instead.
 * 3. Calls of foreign tables are killed by both programs.
 */
#include "macros.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

enum isle_filter_flags {
	ISLE_FILTER_ROOT = 1 << 0,     /* the identity-mapped root: setuid programs work, no_new_privs is not set */
	ISLE_FILTER_NEST = 1 << 1,     /* user namespaces and mounts are allowed inside */
	ISLE_FILTER_HOST_NET = 1 << 2, /* the host's network: abstract sockets are scoped by Landlock */
};

enum { ISLE_FILTER_ROOM = 640 };

/*
 * Writes the program for these flags, at most ISLE_FILTER_ROOM instructions, and returns how many. With traps (enum
 * isle_trap, trap.h) what it allows goes on to isle_trap_program(); with ISLE_TRAP_READS among them it is the program
 * for runs that are recorded. Allocates nothing.
 */
unsigned isle_static_filter_program(unsigned flags, unsigned traps, struct sock_filter *code);

/* What the filter says of a call: 0: allowed; an errno: refused with that. */
int isle_static_filter_answer(unsigned flags, const struct seccomp_data *data);

/* The name of a call that it refuses, NULL: none of those on record. */
const char *isle_static_filter_name(int nr);

/* Runs a filter as the kernel does: SECCOMP_RET_... with its data. What is not of the few instructions that filters
 * here consist of kills. */
uint32_t isle_filter_run(const struct sock_filter *code, unsigned count, const struct seccomp_data *data);
