/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child, between clone and exec, allocates nothing and uses only what a signal handler may. It reports the errno
 * of what failed through a pipe that a successful exec closes, so that "not found" is known here, at once.
 */
#include "spawn.h"
#include "clock.h"
#include "io.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void close_others(unsigned first)
{
	struct rlimit limit;

	if (isle_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	/* Linux before 5.11: one by one, up to what can have been opened. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 65536)
		limit.rlim_cur = 65536;
	for (unsigned fd = first; fd < limit.rlim_cur; fd++)
		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

static bool children_ignored;
static struct rlimit files; /* rlim_max 0: not raised */

void isle_inherited_init(void)
{
	struct rlimit raised;

	children_ignored = isle_signal_ignored(SIGCHLD) != 0;
	if (children_ignored)
		isle_ignore(isle_signal_reset(SIGCHLD, 0));
	if (getrlimit(RLIMIT_NOFILE, &raised) < 0)
		return;
	struct rlimit before = raised;
	raised.rlim_cur = raised.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		files = before;
}

int isle_inherited_limit(int resource, struct rlimit *ret_limit)
{
	if (resource != RLIMIT_NOFILE || files.rlim_max == 0)
		return getrlimit((__rlimit_resource_t)resource, ret_limit) < 0 ? -errno : 0;
	*ret_limit = files;
	return 0;
}

bool isle_children_were_ignored(void)
{
	return children_ignored;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		isle_ignore(isle_signal_reset(sig, 0));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts given, or /dev/null for -1, at number. The sources lie above 2 already, so none is overwritten. */
static int place(int given, int number)
{
	int fd = given;

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 || dup2(fd, number) < 0 ? -errno : 0;
}

/* Moves a descriptor above the standard three; -1 stays. */
static int lift(int fd)
{
	if (fd < 0)
		return -1;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? -errno : fd;
}

/* For good: taking it back must fail. The system calls themselves: the C library's would tell other threads, of which
 * there are none. */
static int become(const struct isle_spawn_user *user)
{
	if (setsid() < 0 || chdir("/") < 0 || syscall(SYS_setgroups, user->group_count, user->groups) < 0 ||
	    syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
	    syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return -errno;
	if (syscall(SYS_setresuid, -1, 0, -1) == 0 || getuid() != user->uid || geteuid() != user->uid)
		return -EPERM;
	/* Where there are no keyrings there is none to be kept from. */
	isle_ignore(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	return 0;
}

static int execute(const struct isle_spawn_options *options)
{
	char *const *argv = (char *const *)options->argv;
	const char *program = options->program ? options->program : argv[0];
	char *const *given = (char *const *)(options->user ? options->user->environment : options->environment);

	execve(program, argv, given ? given : environ);
	return -errno;
}

/* The caller can have died before: then the parent is another process by now. */
static int end_with(pid_t caller)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == caller ? 0 : -ESRCH;
}

static isle_noreturn void run_child(const struct isle_spawn_options *options, pid_t caller, int report)
{
	int fds[3] = {options->stdin_fd, options->stdout_fd,
		      options->stderr_fd < 0 ? STDERR_FILENO : options->stderr_fd};
	int r = 0;

	reset_signals();
	for (int i = 0; i < 3 && r >= 0; i++)
		if (fds[i] >= 0)
			r = fds[i] = lift(fds[i]);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = place(fds[i], i);
	if (r >= 0)
		close_others(STDERR_FILENO + 1);
	if (files.rlim_max != 0)
		isle_ignore(setrlimit(RLIMIT_NOFILE, &files));
	if (r >= 0 && options->user)
		r = become(options->user);
	if (r >= 0 && options->ends_with_caller)
		r = end_with(caller);
	if (r >= 0)
		r = execute(options);
	(void)!isle_write_all(report, &r, sizeof(r));
	_exit(127);
}

/* Waits until the pipe says what became of the exec. */
static int read_report(int fd)
{
	ssize_t n;
	int code = 0;

	do
		n = read(fd, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(code) ? code : 0;
}

/* A pipe above the standard three, so that place() cannot overwrite it. */
static int open_report(int *ret_read, int *ret_write)
{
	auto_fd int in = -1;
	auto_fd int out = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = lift(fds[1]);
	close(fds[1]);
	if (out < 0)
		return out;
	*ret_read = fd_take(&in);
	*ret_write = fd_take(&out);
	return 0;
}

int isle_spawn(const struct isle_spawn_options *options, pid_t *ret_pid)
{
	auto_fd int in = -1;
	auto_fd int out = -1;
	auto_fd int pidfd = -1;
	pid_t pid;
	int r;

	/* PATH is the caller's, and for root it may name a directory that others write to. */
	if (*(options->program ? options->program : options->argv[0]) != '/')
		return -EINVAL;
	r = open_report(&in, &out);
	if (r < 0)
		return r;
	pid_t caller = getpid();
	pid = isle_clone(0, &pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0)
		run_child(options, caller, out);
	isle_cleanup_fd(&out);
	out = -1;
	r = read_report(in);
	if (r < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return r;
	}
	*ret_pid = pid;
	return fd_take(&pidfd);
}

/* Waits until the process has ended: 0, -ETIMEDOUT or -errno. */
static int wait_readable(int pidfd, int timeout)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int64_t end = isle_monotonic_ms() + timeout, left;
	int n;

	for (;;) {
		left = timeout < 0 ? -1 : end - isle_monotonic_ms();
		if (timeout >= 0 && left < 0)
			left = 0;
		n = poll(&poll_fd, 1, (int)left);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int isle_spawn_wait(int pidfd, pid_t pid, int timeout)
{
	int r, status;

	r = wait_readable(pidfd, timeout);
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
