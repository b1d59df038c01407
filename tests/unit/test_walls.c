/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second wall, put up in children of the test. Calls that would do something as root are made with arguments that
 * the kernel refuses with another error, so that it is the filter's answer that is seen.
 */
#include "kernel.h"
#include "listener.h"
#include "macros.h"
#include "static_filter.h"
#include "trap.h"
#include "walls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

/* What a test function in a child says through its exit status: 0, or the line that failed. */
#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));           \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#define REFUSED(call, error) (errno = 0, (call) < 0 && errno == (error))

static unsigned mode(void)
{
	return geteuid() == 0 ? ISLE_FILTER_ROOT : 0;
}

/* The wait status of a child that ran function. */
static int child(int (*function)(unsigned), unsigned flags)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(function(flags));
	}
	assert_int_not_equal(pid, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static const struct {
	const char *name;
	long nr;
	unsigned long args[3];
	int error;
} refused_calls[] = {
	{"bpf", SYS_bpf, {999}, EPERM},
	{"perf_event_open", SYS_perf_event_open, {0}, EACCES},
	{"init_module", SYS_init_module, {0}, EPERM},
	{"finit_module", SYS_finit_module, {999}, EPERM},
	{"delete_module", SYS_delete_module, {0}, EPERM},
	{"kexec_load", SYS_kexec_load, {0, 999}, EPERM},
	{"userfaultfd", SYS_userfaultfd, {~0UL}, EPERM},
	{"io_uring_setup", SYS_io_uring_setup, {0}, ENOSYS},
	{"io_uring_enter", SYS_io_uring_enter, {999}, ENOSYS},
	{"io_uring_register", SYS_io_uring_register, {999}, ENOSYS},
	{"syslog", SYS_syslog, {999}, EPERM},
	{"keyctl", SYS_keyctl, {0}, ENOSYS},
	{"add_key", SYS_add_key, {0}, ENOSYS},
	{"request_key", SYS_request_key, {0}, ENOSYS},
	{"reboot", SYS_reboot, {0}, EPERM},
	{"settimeofday", SYS_settimeofday, {1, 0}, EPERM},
	{"clock_settime", SYS_clock_settime, {0, 0}, EPERM},
	{"clock_adjtime", SYS_clock_adjtime, {0, 0}, EPERM},
	{"adjtimex", SYS_adjtimex, {0}, EPERM},
	{"swapon", SYS_swapon, {0}, EPERM},
	{"swapoff", SYS_swapoff, {0}, EPERM},
	{"acct", SYS_acct, {1}, EPERM},
	{"quotactl", SYS_quotactl, {0}, EPERM},
	{"open_by_handle_at", SYS_open_by_handle_at, {999}, EPERM},
	{"fanotify_init", SYS_fanotify_init, {~0UL}, EPERM},
	{"mount", SYS_mount, {0}, EPERM},
	{"umount2", SYS_umount2, {0}, EPERM},
	{"pivot_root", SYS_pivot_root, {0}, EPERM},
	{"fsopen", SYS_fsopen, {0}, EPERM},
	{"fsconfig", SYS_fsconfig, {999}, EPERM},
	{"fsmount", SYS_fsmount, {999}, EPERM},
	{"fspick", SYS_fspick, {999}, EPERM},
	{"move_mount", SYS_move_mount, {999}, EPERM},
	{"open_tree", SYS_open_tree, {999}, EPERM},
	{"mount_setattr", SYS_mount_setattr, {999}, EPERM},
	{"open_tree_attr", 467, {999}, EPERM},
	{"setns", SYS_setns, {999}, EPERM},
	{"clone3", SYS_clone3, {0}, ENOSYS},
	{"unknown", 471, {0}, ENOSYS},
	{"unknown, far", 100000, {0}, ENOSYS},
	{"unshare newuser", SYS_unshare, {CLONE_NEWUSER}, EPERM},
	{"unshare newns", SYS_unshare, {CLONE_NEWNS}, EPERM},
	{"unshare newtime", SYS_unshare, {0x80}, EPERM},
	{"unshare all", SYS_unshare, {0x7e020080}, EPERM},
	{"clone newuser", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
	{"clone newnet", SYS_clone, {CLONE_NEWNET | SIGCHLD}, EPERM},
	{"clone newuser, high bits", SYS_clone, {0x100000000UL | CLONE_NEWUSER | SIGCHLD}, EPERM},
	{"tiocsti", SYS_ioctl, {999, TIOCSTI}, EPERM},
	{"tiocsti, high bits", SYS_ioctl, {999, 0x100000000UL | TIOCSTI}, EPERM},
	{"tioclinux", SYS_ioctl, {999, TIOCLINUX}, EPERM},
	{"tiocsetd", SYS_ioctl, {999, TIOCSETD}, EPERM},
	{"socket vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}, EAFNOSUPPORT},
	{"socket alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}, EAFNOSUPPORT},
	{"socket key", SYS_socket, {AF_KEY, SOCK_RAW, 2}, EAFNOSUPPORT},
	{"socket tipc", SYS_socket, {AF_TIPC, SOCK_STREAM, 0}, EAFNOSUPPORT},
	{"socket bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 1}, EAFNOSUPPORT},
	{"socket xdp", SYS_socket, {AF_XDP, SOCK_RAW, 0}, EAFNOSUPPORT},
	{"socket vsock, high bits", SYS_socket, {0x100000000UL | AF_VSOCK, SOCK_STREAM, 0}, EAFNOSUPPORT},
	{"socket tipc, high bits", SYS_socket, {0x100000000UL | AF_TIPC, SOCK_STREAM, 0}, EAFNOSUPPORT},
	{"socket x25, high bits", SYS_socket, {0x100000000UL | AF_X25, SOCK_SEQPACKET, 0}, EAFNOSUPPORT},
	{"personality svr4", SYS_personality, {0x0001 | 0x4000000}, EPERM},
	{"personality mmap_page_zero", SYS_personality, {0x0100000}, EPERM},
	{"personality almost all", SYS_personality, {0xfffffffe}, EPERM},
	{"seccomp listener", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}, EBUSY},
	{"seccomp listener and more", SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0x100000000UL | 0xf, 0}, EBUSY},
};

static int refuse_all(unsigned flags)
{
	int failed = 0;

	CHECK(isle_filter_enter(flags) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls); i++) {
		const unsigned long *args = refused_calls[i].args;
		long r;

		errno = 0;
		r = syscall(refused_calls[i].nr, args[0], args[1], args[2], 0, 0, 0);
		if (r == 0 && refused_calls[i].nr == SYS_clone)
			_exit(1);
		if (r != -1 || errno != refused_calls[i].error) {
			fprintf(stderr, "%s: %ld, errno %d\n", refused_calls[i].name, r, errno);
			failed = 1;
		}
	}
	return failed;
}

static void test_filter_refuses(void **state)
{
	(void)state;
	assert_int_equal(child(refuse_all, mode()), 0);
	assert_int_equal(child(refuse_all, mode() | ISLE_FILTER_HOST_NET), 0);
}

static void *do_nothing(void *arg)
{
	return arg;
}

static int allow_usual(unsigned flags)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {1, &allow};
	pthread_t thread;
	pid_t pid;

	CHECK(isle_filter_enter(flags) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == (flags & ISLE_FILTER_ROOT ? 0 : 1));
	CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(unshare(CLONE_FS | CLONE_FILES) == 0);
	CHECK(syscall(SYS_personality, 0xffffffffUL) >= 0);
	CHECK(syscall(SYS_personality, -1L) >= 0);
	CHECK(syscall(SYS_personality, 0x0040000UL) >= 0);
	CHECK(syscall(SYS_personality, 0UL) >= 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	CHECK(REFUSED(ioctl(999, TCGETS, 0), EBADF));
	CHECK(isle_landlock_abi() > 0);
	CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
	return 0;
}

static int allow_nest(unsigned flags)
{
	CHECK(isle_filter_enter(flags) == 0);
	CHECK(REFUSED(syscall(SYS_setns, 999, 0), EBADF));
	CHECK(REFUSED(syscall(SYS_fsmount, 999, 0, 0), EBADF) || errno == EPERM);
	CHECK(REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS));
	CHECK(REFUSED(unshare(CLONE_NEWUSER | CLONE_NEWCGROUP), EPERM));
	CHECK(REFUSED(syscall(SYS_bpf, 999, 0, 0), EPERM));
	CHECK(unshare(CLONE_NEWUSER) == 0);
	return 0;
}

static void test_filter_allows(void **state)
{
	(void)state;
	assert_int_equal(child(allow_usual, mode()), 0);
	assert_int_equal(child(allow_usual, mode() | ISLE_FILTER_HOST_NET), 0);
	assert_int_equal(child(allow_nest, mode() | ISLE_FILTER_NEST), 0);
}

#ifdef __x86_64__
static int call_i386(unsigned flags)
{
	long r;

	CHECK(isle_filter_enter(flags) == 0);
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
	fprintf(stderr, "int 0x80: %ld\n", r);
	return 1;
}

static int call_x32(unsigned flags)
{
	CHECK(isle_filter_enter(flags) == 0);
	fprintf(stderr, "x32: %ld\n", syscall(0x40000000 | SYS_getpid));
	return 1;
}

static void test_filter_foreign_abi(void **state)
{
	(void)state;
	for (unsigned more = 0; more <= (ISLE_FILTER_NEST | ISLE_FILTER_HOST_NET); more += 2) {
		int status = child(call_i386, mode() | more);

		/* A kernel without the i386 ABI ends it with SIGSEGV. */
		assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
		status = child(call_x32, mode() | more);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}
#endif

/* Numbers that some rule is about, alone and with bits that a rule must not stumble over. */
static const uint64_t numbers[] = {
	0,
	1,
	2,
	8,
	10,
	16,
	17,
	AF_VSOCK,
	AF_XDP,
	46,
	0xffffffff,
	TIOCSTI,
	TIOCLINUX,
	TIOCSETD,
	0x10000,
	CLONE_FS,
	CLONE_NEWUSER,
	CLONE_NEWNS,
	CLONE_NEWCGROUP,
	0x80,
	~UINT64_C(0),
	0x100000000 | TIOCSTI,
	0x100000000 | AF_VSOCK,
	0x100000000 | CLONE_NEWUSER,
	0x5401,
	0x0040000,
	0x4000001,
};

static void compare_answers(unsigned flags, const struct seccomp_data *data)
{
	struct sock_filter code[ISLE_FILTER_ROOM];
	uint32_t plain = isle_filter_run(code, isle_static_filter_program(flags, 0, code), data);
	uint32_t quiet = isle_filter_run(code, isle_static_filter_program(flags, ISLE_TRAP_NET, code), data);
	uint32_t told = isle_filter_run(
		code, isle_static_filter_program(flags, ISLE_TRAP_READS | ISLE_TRAP_STATS | ISLE_TRAP_NET, code), data);
	int error = isle_static_filter_answer(flags, data);

	if (plain == SECCOMP_RET_ALLOW) {
		assert_int_equal(error, 0);
		assert_true(quiet == SECCOMP_RET_ALLOW || (quiet == SECCOMP_RET_USER_NOTIF && data->nr == SYS_socket));
		assert_true(told == SECCOMP_RET_ALLOW || told == SECCOMP_RET_USER_NOTIF);
	} else if (plain == SECCOMP_RET_KILL_PROCESS) {
		assert_int_equal(quiet, plain);
		assert_int_equal(told, plain);
		assert_int_equal(error, ENOSYS);
	} else {
		assert_int_equal(plain, SECCOMP_RET_ERRNO | (unsigned)error);
		assert_true(error > 0);
		assert_int_equal(quiet, plain);
		assert_true(told == plain || told == SECCOMP_RET_USER_NOTIF);
		if (told != plain)
			assert_non_null(isle_static_filter_name(data->nr));
	}
}

/* A run that is recorded has another filter: it refuses the same, and what it leaves to the supervisor can only be
 * answered with the same error. */
static void test_filter_that_tells(void **state)
{
	(void)state;
	for (unsigned more = 0; more <= (ISLE_FILTER_NEST | ISLE_FILTER_HOST_NET); more += 2)
		for (int nr = -1; nr < 480; nr++)
			for (size_t i = 0; i < ARRAY_SIZE(numbers) * ARRAY_SIZE(numbers); i++) {
				struct seccomp_data data = {
					.nr = nr,
					.arch = OUR_ARCH,
					.args = {numbers[i % ARRAY_SIZE(numbers)], numbers[i / ARRAY_SIZE(numbers)]}};

				compare_answers(mode() | more, &data);
				data.nr |= 0x40000000;
				compare_answers(mode() | more, &data);
				data.nr = nr;
				data.arch = AUDIT_ARCH_I386;
				compare_answers(mode() | more, &data);
			}
}

/* On record is what an attacker would try, not what every thread's start asks for. */
static void test_filter_tells_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls); i++) {
		struct sock_filter code[ISLE_FILTER_ROOM];
		const unsigned long *args = refused_calls[i].args;
		const struct seccomp_data data = {
			.nr = (int)refused_calls[i].nr, .arch = OUR_ARCH, .args = {args[0], args[1], args[2]}};
		unsigned count = isle_static_filter_program(mode(), ISLE_TRAP_READS, code);
		bool quiet = refused_calls[i].nr == SYS_clone3 || refused_calls[i].nr > 470;

		assert_int_equal(isle_static_filter_answer(mode(), &data), refused_calls[i].error);
		assert_int_equal(isle_filter_run(code, count, &data),
				 quiet ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_USER_NOTIF);
	}
}

/* exit_group(2) would fail, too. */
static int refuse_alone(unsigned flags)
{
	int listener = isle_filter_notify(flags, ISLE_TRAP_READS);
	int failed = listener < 0;

	close(listener);
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls); i++) {
		const unsigned long *args = refused_calls[i].args;

		errno = 0;
		long r = syscall(refused_calls[i].nr, args[0], args[1], args[2], 0, 0, 0);
		failed |= r != -1 || errno != ENOSYS;
	}
	return (int)syscall(SYS_exit, failed);
}

/* Nobody is there to answer. */
static void test_filter_without_supervisor(void **state)
{
	(void)state;
	assert_int_equal(child(refuse_alone, mode()), 0);
	assert_int_equal(child(refuse_alone, mode() | ISLE_FILTER_HOST_NET), 0);
}

/* A supervisor that wants to let everything go on. */
static void let_go_on(int listener, unsigned flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls); i++) {
		struct seccomp_notif call;
		struct pollfd wait_for = {listener, POLLIN, 0};

		if (refused_calls[i].nr == SYS_clone3 || refused_calls[i].nr > 470)
			continue;
		assert_int_equal(poll(&wait_for, 1, 10000), 1);
		assert_int_equal(isle_listener_receive(listener, &call), 1);
		assert_int_equal(call.data.nr, refused_calls[i].nr);
		assert_int_equal(isle_listener_continue(listener, &call, flags), 0);
	}
}

static int send_fd(int via, int fd)
{
	char byte = 'f';
	struct iovec iov = {&byte, 1};
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(via, &message, 0) < 0 ? -errno : 0;
}

static int receive_fd(int via)
{
	char byte;
	struct iovec iov = {&byte, 1};
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(via, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static int notify_pair[2];

static int be_notified(unsigned flags)
{
	auto_fd int listener = isle_filter_notify(flags, ISLE_TRAP_NET);

	CHECK(listener >= 0);
	CHECK(isle_filter_notify(flags, ISLE_TRAP_NET) == -EBUSY);
	CHECK(send_fd(notify_pair[1], listener) == 0);
	CHECK(isle_filter_enter(flags) == 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK(REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT));
	CHECK(REFUSED(socket(AF_INET, SOCK_STREAM, 0), EXFULL));
	CHECK(REFUSED(socket(AF_INET6, SOCK_DGRAM, 0), EXFULL));
	CHECK(REFUSED(socket(AF_NETLINK, SOCK_RAW, 0), EXFULL));
	return 0;
}

static void answer(int listener, int family)
{
	struct seccomp_notif request = {0};
	struct seccomp_notif_resp response = {.error = -EXFULL};
	struct pollfd wait_for = {listener, POLLIN, 0};

	assert_int_equal(poll(&wait_for, 1, 10000), 1);
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
	assert_int_equal(request.data.nr, SYS_socket);
	assert_int_equal(request.data.args[0], family);
	response.id = request.id;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
}

static void test_notify_sockets(void **state)
{
	auto_fd int listener = -1;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, notify_pair), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(be_notified(mode()));
	}
	listener = receive_fd(notify_pair[0]);
	assert_true(listener >= 0);
	assert_int_equal(isle_listener_prepare(listener), 0);
	answer(listener, AF_INET);
	answer(listener, AF_INET6);
	answer(listener, AF_NETLINK);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(notify_pair[0]);
	close(notify_pair[1]);
}

static int be_refused(unsigned flags)
{
	int listener = isle_filter_notify(flags, ISLE_TRAP_READS);
	int failed = 0;

	if (listener < 0 || send_fd(notify_pair[1], listener) < 0)
		return (int)syscall(SYS_exit, 1);
	close(listener);
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls); i++) {
		const unsigned long *args = refused_calls[i].args;

		errno = 0;
		long r = syscall(refused_calls[i].nr, args[0], args[1], args[2], 0, 0, 0);
		failed |= r != -1 || errno != refused_calls[i].error;
	}
	return (int)syscall(SYS_exit, failed);
}

static void test_continue_refuses(void **state)
{
	int status;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, notify_pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(be_refused(mode()));
	}
	auto_fd int listener = receive_fd(notify_pair[0]);
	assert_true(listener >= 0);
	assert_int_equal(isle_listener_prepare(listener), 0);
	let_go_on(listener, mode());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(notify_pair[0]);
	close(notify_pair[1]);
}

/* Whose pid it was may be anybody's from then on. */
static void test_caller_gone(void **state)
{
	struct seccomp_notif call = {0};
	auto_fd int listener = -1;
	int status;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, notify_pair), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(be_notified(mode()));
	}
	listener = receive_fd(notify_pair[0]);
	assert_true(listener >= 0);
	assert_int_equal(isle_listener_prepare(listener), 0);
	assert_int_equal(isle_listener_receive(listener, &call), 1);
	assert_true(isle_listener_waits(listener, call.id));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(isle_listener_waits(listener, call.id));
	assert_int_equal(isle_listener_continue(listener, &call, mode()), 0);
	close(notify_pair[0]);
	close(notify_pair[1]);
}

/* A directory with view/a, view/b and two files outside of the view. */
static char scratch[] = "/var/tmp/isle-test-walls-XXXXXX";

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int landlock_paths(unsigned flags)
{
	auto_fd int view = open("view", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int written = open("written", O_WRONLY | O_CLOEXEC);
	auto_fd int read_only = open("read", O_RDONLY | O_CLOEXEC);
	auto_fd int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int path = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int memory = memfd_create("test", MFD_CLOEXEC);
	int pipes[2] = {-1, -1};

	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	CHECK(isle_landlock_enter(view, flags) == 0);

	CHECK(open("read", O_RDONLY | O_CLOEXEC) >= 0);
	CHECK(REFUSED(open("read", O_RDWR | O_CLOEXEC), EACCES));
	CHECK(REFUSED(open("read", O_WRONLY | O_TRUNC | O_CLOEXEC), EACCES));
	CHECK(REFUSED(unlink("read"), EACCES));
	CHECK(REFUSED(make_file("new"), EACCES));
	CHECK(REFUSED(mkdir("new", 0700), EACCES));
	CHECK(REFUSED(rename("read", "new"), EACCES));
	CHECK(REFUSED(link("read", "view/new"), EXDEV) || errno == EACCES);
	CHECK(REFUSED(rename("read", "view/new"), EXDEV) || errno == EACCES);
	CHECK(REFUSED(openat(directory, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES));
	CHECK(REFUSED(openat(path, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES));

	CHECK(make_file("view/a/f") == 0);
	CHECK(rename("view/a/f", "view/b/f") == 0);
	CHECK(link("view/b/f", "view/a/g") == 0);
	CHECK(symlink("x", "view/s") == 0 && mkfifo("view/p", 0600) == 0 && mkdir("view/d", 0700) == 0);
	CHECK(rmdir("view/d") == 0 && unlink("view/s") == 0 && unlink("view/p") == 0);
	CHECK(unlink("view/a/g") == 0 && truncate("view/b/f", 5) == 0 && unlink("view/b/f") == 0);

	CHECK(REFUSED(reopen(written, O_WRONLY), EACCES));
	CHECK(REFUSED(reopen(read_only, O_RDWR), EACCES));
	CHECK(reopen(memory, O_RDWR) >= 0);
	CHECK(reopen(pipes[1], O_WRONLY) >= 0);
	return 0;
}

static struct sockaddr_un abstract = {.sun_family = AF_UNIX};

static int try_abstract(unsigned flags)
{
	auto_fd int view = open("view", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(isle_landlock_enter(view, flags) == (flags & ISLE_FILTER_NEST ? -EOPNOTSUPP : 0));
	CHECK(kill(getppid(), 0) == 0);
	if (flags & ISLE_FILTER_HOST_NET)
		CHECK(REFUSED(connect(fd, (struct sockaddr *)&abstract, sizeof(abstract)), EPERM));
	else
		CHECK(connect(fd, (struct sockaddr *)&abstract, sizeof(abstract)) == 0);
	return 0;
}

static void test_landlock_scopes(void **state)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (isle_landlock_abi() < 6)
		skip();
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "isle-test-walls-%d", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(child(try_abstract, mode()), 0);
	assert_int_equal(child(try_abstract, mode() | ISLE_FILTER_HOST_NET), 0);
	assert_int_equal(child(try_abstract, mode() | ISLE_FILTER_HOST_NET | ISLE_FILTER_NEST), 0);
	assert_int_equal(child(try_abstract, mode() | ISLE_FILTER_NEST), 0);
}

static int write_text(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) > 0);
	return 0;
}

static int may_mount(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];

	if (uid == 0)
		return unshare(CLONE_NEWNS);
	CHECK(unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0);
	CHECK(write_text("/proc/self/setgroups", "deny") == 0);
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	CHECK(write_text("/proc/self/uid_map", map) == 0);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", map);
}

static int landlock_mounts(unsigned flags)
{
	auto_fd int view = -1;
	int wanted = flags & ISLE_FILTER_NEST ? 0 : -1;

	CHECK(may_mount() == 0);
	CHECK(syscall(SYS_mount, NULL, "/", NULL, 1UL << 18 | 1UL << 14, NULL) == 0); /* private, recursive */
	CHECK(syscall(SYS_mount, "none", "view/a", "tmpfs", 0UL, NULL) == 0);
	view = open("view", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(isle_landlock_enter(view, flags) == (wanted < 0 ? 0 : -EOPNOTSUPP));
	CHECK(make_file("view/a/f") == 0);
	errno = EPERM;
	CHECK(syscall(SYS_mount, "none", "view/b", "tmpfs", 0UL, NULL) == wanted && errno == EPERM);
	CHECK(syscall(SYS_umount2, "view/a", 2UL) == wanted && errno == EPERM);
	return 0;
}

static void test_landlock(void **state)
{
	(void)state;
	assert_int_equal(child(landlock_paths, mode()), 0);
	assert_int_equal(child(landlock_paths, mode() | ISLE_FILTER_HOST_NET), 0);
	assert_int_equal(child(landlock_mounts, mode()), 0);
	assert_int_equal(child(landlock_mounts, mode() | ISLE_FILTER_NEST), 0);
	assert_int_equal(child(landlock_mounts, mode() | ISLE_FILTER_NEST | ISLE_FILTER_HOST_NET), 0);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ISLE_WALL_COUNT; i++)
		assert_int_equal(isle_wall_by_name(isle_wall_name(1U << i)), 1U << i);
	assert_string_equal(isle_wall_name(ISLE_WALL_LANDLOCK), "landlock");
	assert_int_equal(isle_wall_by_name("land"), 0);
	assert_int_equal(isle_wall_by_name(""), 0);
}

static void test_probe(void **state)
{
	unsigned walls = isle_walls_probe();

	(void)state;
	for (unsigned i = 0; i < ISLE_WALL_COUNT; i++) {
		struct isle_err err = ISLE_ERR_INIT;

		isle_wall_explain(1U << i, &err);
		if (walls & 1U << i) {
			assert_int_equal(err.code, 0);
			continue;
		}
		print_message("%s: %s (%s)\n", isle_wall_name(1U << i), err.text, err.hint);
		assert_true(err.code < 0 && err.text[0] && err.hint[0]);
	}
	if (getenv("ISLE_MUST_WORK"))
		assert_int_equal(walls, (1U << ISLE_WALL_COUNT) - 1);
	assert_true(!(walls & ISLE_WALL_LANDLOCK) == !isle_walls_details().landlock_abi);
}

static int set_up(void **state)
{
	static const char *const directories[] = {"view", "view/a", "view/b", "granted"};

	(void)state;
	if (!mkdtemp(scratch) || chdir(scratch) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		if (mkdir(directories[i], 0700) < 0)
			return -1;
	return make_file("read") < 0 || make_file("written") < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (unlink("read") < 0 || unlink("written") < 0 || rmdir("view/a") < 0 || rmdir("view/b") < 0)
		return -1;
	if (rmdir("view") < 0 || rmdir("granted") < 0 || chdir("/") < 0)
		return -1;
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_filter_refuses),
		cmocka_unit_test(test_filter_allows),
#ifdef __x86_64__
		cmocka_unit_test(test_filter_foreign_abi),
#endif
		cmocka_unit_test(test_filter_that_tells),
		cmocka_unit_test(test_filter_tells_of),
		cmocka_unit_test(test_filter_without_supervisor),
		cmocka_unit_test(test_continue_refuses),
		cmocka_unit_test(test_notify_sockets),
		cmocka_unit_test(test_caller_gone),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_landlock_scopes),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
