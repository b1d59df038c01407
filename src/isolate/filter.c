/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall two, second stone: the system call filters.
 *
 * 1. The static filter is made at build time (tools/genfilter.c) and only installed here.
 * 2. It is a wall: it looks at nothing that the program can change after the check, so it cannot be raced.
 * 3. The notification filter is no wall. It tells the supervisor that a socket is wanted, and stands above the
 *    static one: the kernel takes the most refusing answer of all filters.
 * 4. Without no_new_privs (root) the kernel wants CAP_SYS_ADMIN in the user namespace of the caller; init has it.
 * 5. The static filter refuses further listeners, so isle_filter_notify_sockets() comes first.
 */
#include "filter_tables.h"
#include "kernel.h"
#include "walls.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Newer than the headers of the oldest system we build on. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0) /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
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

int isle_filter_notify_sockets(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)FILTER_AUDIT_ARCH, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	const unsigned listen = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	int r;

	r = no_new_privs(flags);
	if (r < 0)
		return r;
	/* Once the supervisor has the notification, only a deadly signal may interrupt the call: programs that
	 * get many signals would otherwise begin it again and again. */
	r = isle_seccomp_filter(listen | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (r == -EINVAL)
		r = isle_seccomp_filter(listen, &program);
	return r;
}

int isle_notify_tune(int listener)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) < 0 ? -errno : 0;
}
