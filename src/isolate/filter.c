/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall two, second stone: the system call filters.
 *
 * 1. The static filter is made at build time (tools/genfilter.c) and only installed here.
 * 2. It is a wall: it looks at nothing that the program can change after the check, so it cannot be raced.
 * 3. The trap program (src/supervise/trap.c) is no wall. It sends calls to the supervisor. It is the continuation of
 *    the static filter, in one program: of two filters that notify only the newer one's supervisor would be asked.
 * 4. Without no_new_privs (root) the kernel wants CAP_SYS_ADMIN in the user namespace of the caller; init has it.
 */
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

static int install(unsigned flags, unsigned traps, unsigned how)
{
	struct sock_filter code[ISLE_FILTER_ROOM];
	struct sock_fprog program = {(unsigned short)isle_static_filter_program(flags, traps, code), code};
	int r = no_new_privs(flags);

	/* SPEC_ALLOW: before Linux 5.16 a filter would slow the program down against attacks from its own code. */
	return r < 0 ? r : isle_seccomp_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW | how, &program);
}

int isle_filter_enter(unsigned flags)
{
	return install(flags, 0, 0);
}

int isle_filter_notify(unsigned flags, unsigned traps)
{
	const unsigned listen = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int r = -EINVAL;

	if (traps == 0)
		return r;
	/* Once the supervisor has the notification, only a deadly signal may interrupt the call: programs that
	 * get many signals would otherwise begin it again and again. */
	r = install(flags, traps, listen | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	return r == -EINVAL ? install(flags, traps, listen) : r;
}
