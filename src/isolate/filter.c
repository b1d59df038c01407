/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall two, second stone: the system call filters.
 *
 * 1. The static filter is made at build time (tools/genfilter.c) and only installed here.
 * 2. It is a wall: it looks at nothing that the program can change after the check, so it cannot be raced.
 * 3. The notification filter (src/supervise/trap.c) is no wall. It sends calls to the supervisor, and stands above the
 *    static one: the kernel takes the most refusing answer of all filters.
 * 4. Without no_new_privs (root) the kernel wants CAP_SYS_ADMIN in the user namespace of the caller; init has it.
 * 5. The static filter refuses further listeners, so isle_filter_notify() comes first.
 */
#include "filter_tables.h"
#include "kernel.h"
#include "trap.h"
#include "walls.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

/* Newer than the headers of the oldest system we build on. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

static int no_new_privs(unsigned flags)
{
	if (flags & ISLE_FILTER_ROOT)
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int isle_filter_enter(unsigned flags)
{
	unsigned variant = (flags & ISLE_FILTER_NEST ? 1 : 0) | (flags & ISLE_FILTER_HOST_NET ? 2 : 0);
	struct sock_fprog program = {filter_tables[variant].count, (struct sock_filter *)filter_tables[variant].code};
	int r;

	r = no_new_privs(flags);
	if (r < 0)
		return r;
	/* SPEC_ALLOW: before Linux 5.16 a filter would slow the program down against attacks from its own code. */
	return isle_seccomp_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

int isle_filter_notify(unsigned flags, unsigned traps)
{
	struct sock_filter code[ISLE_TRAP_ROOM];
	struct sock_fprog program = {(unsigned short)isle_trap_program(traps, code), code};
	const unsigned listen = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	int r;

	r = program.len == 0 ? -EINVAL : no_new_privs(flags);
	if (r < 0)
		return r;
	/* Once the supervisor has the notification, only a deadly signal may interrupt the call: programs that
	 * get many signals would otherwise begin it again and again. */
	r = isle_seccomp_filter(listen | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (r == -EINVAL)
		r = isle_seccomp_filter(listen, &program);
	return r;
}
