/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers come from the kernel's headers (5.13 or newer, as for linux/landlock.h), the structures are spelt out
 * where <linux/mount.h> and <linux/sched.h> clash with the headers of some C libraries.
 */
#include "kernel.h"
#include <asm/unistd.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* clone3(2), CLONE_ARGS_SIZE_VER0: all that Linux 5.3 knows. */
struct clone_args_v2 {
	uint64_t flags;
	uint64_t pidfd;
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack;
	uint64_t stack_size;
	uint64_t tls;
};

struct mount_attr_v0 {
	uint64_t attr_set;
	uint64_t attr_clr;
	uint64_t propagation;
	uint64_t userns_fd;
};

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int isle_openat2(int dir, const char *path, const struct open_how *how)
{
	return result(syscall(__NR_openat2, dir, path, how, sizeof(*how)));
}

int isle_open_tree(int dir, const char *path, unsigned flags)
{
	return result(syscall(__NR_open_tree, dir, path, flags));
}

int isle_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return result(syscall(__NR_move_mount, from_dir, from, to_dir, to, flags));
}

int isle_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	struct mount_attr_v0 attr = {.attr_set = set, .attr_clr = clear};

	return result(syscall(__NR_mount_setattr, dir, path, flags, &attr, sizeof(attr)));
}

int isle_fspick(int dir, const char *path, unsigned flags)
{
	return result(syscall(__NR_fspick, dir, path, flags));
}

int isle_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux)
{
	return result(syscall(__NR_fsconfig, fd, command, key, value, aux));
}

int isle_pivot_root(const char *new_root, const char *put_old)
{
	return result(syscall(__NR_pivot_root, new_root, put_old));
}

int isle_pidfd_open(pid_t pid)
{
	return result(syscall(__NR_pidfd_open, pid, 0));
}

int isle_pidfd_send_signal(int pidfd, int sig)
{
	return result(syscall(__NR_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int isle_close_range(unsigned first, unsigned last, unsigned flags)
{
	return result(syscall(__NR_close_range, first, last, flags));
}

int isle_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return result(syscall(__NR_renameat2, from_dir, from, to_dir, to, flags));
}

int isle_landlock_abi(void)
{
	return result(syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

int isle_landlock_create(const struct landlock_ruleset_attr *attr, size_t size)
{
	return result(syscall(__NR_landlock_create_ruleset, attr, size, 0));
}

int isle_landlock_add_path(int ruleset, int path_fd, uint64_t allowed)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = allowed, .parent_fd = path_fd};

	return result(syscall(__NR_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0));
}

int isle_landlock_restrict(int ruleset)
{
	return result(syscall(__NR_landlock_restrict_self, ruleset, 0));
}

int isle_seccomp_filter(unsigned flags, const void *sock_fprog)
{
	return result(syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, sock_fprog));
}

/* clone(2) takes the exit signal in the low byte of its flags and stores the pidfd where the parent's tid would go. */
static long clone_legacy(uint64_t flags, int exit_signal, int *pidfd)
{
	if (flags > UINT32_MAX) {
		errno = ENOSYS; /* a flag that only clone3 has */
		return -1;
	}
#if defined(__s390__) || defined(__CRIS__)
	return syscall(__NR_clone, 0, (unsigned long)flags | (unsigned long)exit_signal, pidfd, NULL, 0);
#else
	return syscall(__NR_clone, (unsigned long)flags | (unsigned long)exit_signal, 0, pidfd, NULL, 0);
#endif
}

pid_t isle_clone(uint64_t flags, int *ret_pidfd)
{
	int pidfd = -1;
	int exit_signal = (flags & CSIGNAL) != 0 ? (int)(flags & CSIGNAL) : SIGCHLD;
	struct clone_args_v2 args = {
		.flags = (flags & ~(uint64_t)CSIGNAL) | (ret_pidfd ? CLONE_PIDFD : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = (uint64_t)exit_signal,
	};
	long pid = syscall(__NR_clone3, &args, sizeof(args));

	if (pid < 0 && errno == ENOSYS) /* before Linux 5.3, and under the filters of older container runtimes */
		pid = clone_legacy(args.flags, exit_signal, &pidfd);
	if (pid < 0)
		return -errno;
	if (pid > 0 && ret_pidfd)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

int isle_statx(int dir, const char *name, struct statx *ret_stat)
{
	return result(statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
			    STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, ret_stat));
}

/* The kernel's own structure, not the C library's. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

int isle_signal_reset(int sig, int ignored)
{
	const struct kernel_sigaction action = {.handler = ignored ? SIG_IGN : SIG_DFL};

	return syscall(__NR_rt_sigaction, sig, &action, NULL, sizeof(action.mask)) < 0 ? -errno : 0;
}

int isle_signal_ignored(int sig)
{
	struct kernel_sigaction action = {0};

	if (syscall(__NR_rt_sigaction, sig, NULL, &action, sizeof(action.mask)) < 0)
		return 0;
	return action.handler == SIG_IGN;
}
