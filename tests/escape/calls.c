/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that the second wall refuses, made in the way an attacker would. That each single call of the list in
 * tools/genfilter.c is refused is shown by tests/unit/test_walls.c; here it is that a program in an isle has that
 * filter.
 */
#include "escape.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int try_mount_tmpfs(void)
{
	return refused(mount("none", "/mnt", "tmpfs", 0, NULL), EPERM, 0);
}

static int try_mount_proc(void)
{
	return refused(mount("proc", "/proc", "proc", 0, NULL), EPERM, 0);
}

static int try_mount_bind(void)
{
	return refused(mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL), EPERM, 0);
}

/* With powers over a new user namespace where that can be had (--nest), and with those of the isle's own root. */
static int try_mount_cgroup(void)
{
	const char *directory = host("ESCAPE_DIR");
	int flags[] = {0, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP};

	if (!directory)
		return UNTRIED;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i] && unshare(flags[i]) < 0)
			continue;
		if (mount("none", directory, "cgroup2", 0, NULL) == 0 ||
		    mount("none", directory, "cgroup", 0, "memory") == 0)
			return ESCAPED;
	}
	return REFUSED;
}

static int try_remount_proc_sys(void)
{
	return refused(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM, 0);
}

static int try_remount_sys(void)
{
	return refused(mount(NULL, "/sys", NULL, MS_REMOUNT, NULL), EPERM, 0);
}

static int try_umount_mask(void)
{
	return refused(umount2("/proc/sys", MNT_DETACH), EPERM, 0);
}

static int try_fsopen(void)
{
	return refused(syscall(SYS_fsopen, "proc", 0), EPERM, 0);
}

static int try_open_tree(void)
{
	return refused(syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */), EPERM, 0);
}

static int try_mount_setattr(void)
{
	uint64_t attr[4] = {0, 1 /* MOUNT_ATTR_RDONLY off */, 0, 0};

	return refused(syscall(SYS_mount_setattr, AT_FDCWD, "/proc/sys", 0, attr, sizeof(attr)), EPERM, 0);
}

static int try_pivot_root(void)
{
	return refused(syscall(SYS_pivot_root, "/", "/mnt"), EPERM, 0);
}

static int try_unshare_user(void)
{
	return refused(unshare(CLONE_NEWUSER), EPERM, 0);
}

static int try_unshare_mount(void)
{
	return refused(unshare(CLONE_NEWNS), EPERM, 0);
}

static int try_clone_user(void)
{
	long pid = syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | SIGCHLD), NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return refused(pid, EPERM, 0);
}

static int try_clone3_user(void)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return refused(pid, ENOSYS, 0);
}

static int try_setns(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY);

	if (fd < 0)
		fd = open("/proc/self/ns/mnt", O_RDONLY);
	return refused(setns(fd, 0), EPERM, 0);
}

static int try_bpf(void)
{
	static const uint64_t exit_0[] = {0xb7, 0x95}; /* r0 = 0; exit */
	uint64_t attr[16] = {1 | 2ULL << 32, (uintptr_t)exit_0, (uintptr_t) "GPL"};

	return refused(syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, attr, sizeof(attr)), EPERM, 0);
}

static int try_perf(void)
{
	uint32_t attr[32] = {1, sizeof(attr)};

	return refused(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0), EPERM, EACCES);
}

static int try_io_uring(void)
{
	uint32_t params[30] = {0};

	return refused(syscall(SYS_io_uring_setup, 2, params), ENOSYS, EPERM);
}

static int try_userfaultfd(void)
{
	return refused(syscall(SYS_userfaultfd, O_CLOEXEC | 1), EPERM, 0);
}

static int try_module(void)
{
	return refused(syscall(SYS_finit_module, 0, "", 0), EPERM, 0);
}

static int try_kexec(void)
{
	return refused(syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM, 0);
}

/* Whether Ctrl-Alt-Del is a signal: harmless, but of the machine. */
static int try_reboot(void)
{
	return refused(syscall(SYS_reboot, 0xfee1dead, 0x28121969, 0, NULL), EPERM, 0);
}

static int try_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return refused(clock_settime(CLOCK_REALTIME, &now), EPERM, 0);
}

static int try_adjtimex(void)
{
	struct timex tx = {.modes = ADJ_TICK, .tick = 10000};

	return refused(adjtimex(&tx), EPERM, 0);
}

static int try_swap(void)
{
	return refused(syscall(SYS_swapon, "/etc/passwd", 0), EPERM, 0);
}

static int try_acct(void)
{
	return refused(acct("/nonexistent"), EPERM, 0);
}

static int try_quota(void)
{
	return refused(syscall(SYS_quotactl, 0x80000100 /* Q_SYNC, all */, NULL, 0, NULL), EPERM, 0);
}

static int try_kernel_log(void)
{
	char line[16];

	return refused(syscall(SYS_syslog, 3, line, sizeof(line)), EPERM, 0);
}

static int try_fanotify(void)
{
	return refused(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, 0), EPERM, 0);
}

static int try_listener(void)
{
	uint64_t allow = 0x7fff000000000006ULL;
	struct {
		unsigned short count;
		void *code;
	} program = {1, &allow};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return refused(syscall(SYS_seccomp, 1, 8, &program), EBUSY, 0);
}

static int try_new_calls(void)
{
	return refused(syscall(600), ENOSYS, 0);
}

/* A terminal of the isle's own: whether the request is let through is seen there as well. */
static int own_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || unlockpt(master) < 0)
		return -1;
	setsid();
	return open(ptsname(master), O_RDWR);
}

static int try_request(unsigned long request)
{
	int fd = own_terminal();
	char byte = 'x';

	if (fd < 0)
		return UNTRIED;
	return refused(syscall(SYS_ioctl, fd, request, &byte), EPERM, 0);
}

static int try_tiocsti(void)
{
	return try_request(TIOCSTI);
}

static int try_tiocsti_high(void)
{
	return try_request(0x100000000UL | TIOCSTI);
}

static int try_tioclinux(void)
{
	return try_request(TIOCLINUX);
}

static int try_line_discipline(void)
{
	return try_request(TIOCSETD);
}

static int try_family(int family, int type)
{
	return refused(socket(family, type, 0), EAFNOSUPPORT, 0);
}

static int try_vsock(void)
{
	return try_family(AF_VSOCK, SOCK_STREAM);
}

static int try_alg(void)
{
	return try_family(AF_ALG, SOCK_SEQPACKET);
}

static int try_bluetooth(void)
{
	return try_family(AF_BLUETOOTH, SOCK_RAW);
}

static int try_personality(void)
{
	return refused(syscall(SYS_personality, 0x0100000UL), EPERM, 0);
}

#ifdef __x86_64__
static int try_i386(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
	return refused(r, ENOSYS, 0);
}

static int try_i386_mount(void)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(310L /* unshare */), "b"(0x10000000L)
			 : "memory", "r8", "r9", "r10", "r11");
	return refused(r, ENOSYS, 0);
}

static int try_x32(void)
{
	return refused(syscall(0x40000000 | SYS_getpid), ENOSYS, 0);
}

static int try_io_ports(void)
{
	return refused(syscall(SYS_iopl, 3), EPERM, 0);
}
#endif

static const struct attempt list[] = {
	{"mount-tmpfs", try_mount_tmpfs},
	{"mount-proc", try_mount_proc},
	{"mount-bind", try_mount_bind},
	{"mount-cgroup", try_mount_cgroup},
	{"remount-proc-sys", try_remount_proc_sys},
	{"remount-sys", try_remount_sys},
	{"umount-mask", try_umount_mask},
	{"fsopen", try_fsopen},
	{"open-tree", try_open_tree},
	{"mount-setattr", try_mount_setattr},
	{"pivot-root", try_pivot_root},
	{"unshare-user", try_unshare_user},
	{"unshare-mount", try_unshare_mount},
	{"clone-user", try_clone_user},
	{"clone3-user", try_clone3_user},
	{"setns", try_setns},
	{"bpf", try_bpf},
	{"perf", try_perf},
	{"io-uring", try_io_uring},
	{"userfaultfd", try_userfaultfd},
	{"module", try_module},
	{"kexec", try_kexec},
	{"reboot", try_reboot},
	{"clock", try_clock},
	{"adjtimex", try_adjtimex},
	{"swap", try_swap},
	{"acct", try_acct},
	{"quota", try_quota},
	{"kernel-log", try_kernel_log},
	{"fanotify", try_fanotify},
	{"listener", try_listener},
	{"new-calls", try_new_calls},
	{"tiocsti", try_tiocsti},
	{"tiocsti-high", try_tiocsti_high},
	{"tioclinux", try_tioclinux},
	{"line-discipline", try_line_discipline},
	{"vsock", try_vsock},
	{"alg", try_alg},
	{"bluetooth", try_bluetooth},
	{"personality", try_personality},
#ifdef __x86_64__
	{"i386", try_i386},
	{"i386-unshare", try_i386_mount},
	{"x32", try_x32},
	{"io-ports", try_io_ports},
#endif
};

const struct attempts attempts_calls = {list, ARRAY_SIZE(list)};
