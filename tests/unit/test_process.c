/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes and the thin kernel calls around them. */
#include "io.h"
#include "kernel.h"
#include "spawn.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static int old_kernel;

/* Starts it with stdout (and stderr, if asked) into buf, and waits for the end: what isle_spawn_wait() says. */
static int run(const char *const *argv, int stdin_fd, int with_stderr, struct isle_buf *buf)
{
	int fds[2], r;
	pid_t pid = 0;
	auto_fd int pidfd = -1;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pidfd = isle_spawn(&(struct isle_spawn_options){.argv = argv,
							.stdin_fd = stdin_fd,
							.stdout_fd = fds[1],
							.stderr_fd = with_stderr ? fds[1] : -1},
			   &pid);
	close(fds[1]);
	assert_true(pidfd >= 0);
	assert_true(pid > 0);
	assert_int_equal(isle_read_all(fds[0], buf, 1 << 20), 0);
	close(fds[0]);
	r = isle_spawn_wait(pidfd, pid, -1);
	return r;
}

static int run_shell(const char *script, struct isle_buf *buf)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	return run(argv, -1, 0, buf);
}

static void test_status_and_output(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int before = unit_count_fds();

	(void)state;
	assert_int_equal(run_shell("echo out; exit 7", &buf), 7);
	assert_string_equal(buf.data, "out\n");
	assert_int_equal(run_shell("exit 0", &buf), 0);
	assert_int_equal(run_shell("kill -TERM $$", &buf), 128 + SIGTERM);
	assert_int_equal(run_shell("kill -KILL $$", &buf), 128 + SIGKILL);
	assert_int_equal(unit_count_fds(), before);
}

static void test_not_found(void **state)
{
	const char *const argv[] = {"/isle-no-such-program", NULL};
	const char *const directory[] = {"/", NULL};
	const char *const relative[] = {"sh", "-c", "exit 0", NULL};
	struct isle_spawn_options options = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	int before = unit_count_fds();
	pid_t pid = 4711;

	(void)state;
	assert_int_equal(isle_spawn(&options, &pid), -ENOENT);
	options.argv = directory;
	assert_int_equal(isle_spawn(&options, &pid), -EACCES);
	options.argv = relative; /* though PATH has it */
	assert_int_equal(isle_spawn(&options, &pid), -EINVAL);
	options.program = "bin/sh";
	assert_int_equal(isle_spawn(&options, &pid), -EINVAL);
	assert_int_equal(pid, 4711);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(unit_count_fds(), before);
}

static void test_input(void **state)
{
	const char *const argv[] = {"/bin/cat", NULL};
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_fd int file = -1;

	unit_write(unit_dir(state), "in", "from a file");
	file = openat(unit_dir(state), "in", O_RDONLY | O_CLOEXEC);
	assert_int_equal(run(argv, file, 0, &buf), 0);
	assert_string_equal(buf.data, "from a file");
	isle_buf_clear(&buf);
	assert_int_equal(run(argv, -1, 0, &buf), 0); /* /dev/null: ends at once */
	assert_int_equal(buf.size, 0);
}

static void test_only_three_descriptors(void **state)
{
	const char *const argv[] = {"/bin/sh", "-c", "ls /proc/self/fd; echo err >&2", NULL};
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_fd int leak = open("/dev/null", O_RDONLY); /* not O_CLOEXEC */
	auto_fd int high = fcntl(leak, F_DUPFD, 200);

	(void)state;
	assert_true(high >= 200);
	assert_int_equal(run(argv, -1, 1, &buf), 0);
	assert_string_equal(buf.data, "0\n1\n2\n3\nerr\n"); /* 3 is the directory that ls reads */
}

/* stdin, stdout and stderr of the child come from descriptors that are each other's numbers. */
static void test_crossed_descriptors(void **state)
{
	const char *const argv[] = {"/bin/sh", "-c", "cat; echo err >&2", NULL};
	int fds[2], in[2], r;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	pid_t outer, pid;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(isle_write_all(in[1], "text\n", 5), 0);
	close(in[1]);
	outer = fork();
	if (outer == 0) {
		/* stdin on 2, stdout on 0, stderr on 1 */
		if (dup2(in[0], 2) < 0 || dup2(fds[1], 0) < 0 || dup2(fds[1], 1) < 0)
			_exit(1);
		r = isle_spawn(
			&(struct isle_spawn_options){.argv = argv, .stdin_fd = 2, .stdout_fd = 0, .stderr_fd = 1},
			&pid);
		_exit(r < 0 ? 2 : isle_spawn_wait(r, pid, -1));
	}
	close(fds[1]);
	close(in[0]);
	assert_int_equal(isle_read_all(fds[0], &buf, 1000), 0);
	close(fds[0]);
	assert_int_equal(waitpid(outer, &r, 0), outer);
	assert_int_equal(r, 0);
	assert_string_equal(buf.data, "text\nerr\n");
}

static void test_standard_descriptors_closed(void **state)
{
	pid_t outer = fork();
	int status;

	(void)state;
	if (outer == 0) {
		auto_buf struct isle_buf buf = ISLE_BUF_INIT;

		close(0);
		close(1);
		_exit(run_shell("echo out", &buf) == 0 && buf.size == 4 ? 0 : 1);
	}
	assert_int_equal(waitpid(outer, &status, 0), outer);
	assert_int_equal(status, 0);
}

static void test_signals_are_reset(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	sigset_t blocked, saved;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &saved);
	assert_int_equal(run_shell("grep -E '^Sig(Blk|Ign):' /proc/self/status", &buf), 0);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_string_equal(buf.data, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void test_wait_times_out(void **state)
{
	const char *const argv[] = {"/bin/sleep", "60", NULL};
	pid_t pid;
	auto_fd int pidfd = isle_spawn(
		&(struct isle_spawn_options){.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1}, &pid);

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(isle_spawn_wait(pidfd, pid, 0), -ETIMEDOUT);
	assert_int_equal(isle_spawn_wait(pidfd, pid, 20), -ETIMEDOUT);
	assert_int_equal(isle_pidfd_send_signal(pidfd, SIGKILL), 0);
	assert_int_equal(isle_spawn_wait(pidfd, pid, 10000), 128 + SIGKILL);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_wait_goes_on_after_a_signal(void **state)
{
	const char *const argv[] = {"/bin/sleep", "0.2", NULL};
	struct sigaction action = {.sa_handler = on_alarm};
	timer_t timer;
	struct itimerspec often = {{0, 20000000}, {0, 20000000}};
	pid_t pid;
	auto_fd int pidfd = -1;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0); /* no SA_RESTART: EINTR */
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	pidfd = isle_spawn(&(struct isle_spawn_options){.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1},
			   &pid);
	assert_true(pidfd >= 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	assert_int_equal(isle_spawn_wait(pidfd, pid, 30000), 0);
	timer_delete(timer);
	signal(SIGALRM, SIG_DFL);
}

static void test_clone(void **state)
{
	int value = 1, pidfd = -1, status;
	pid_t pid = isle_clone(0, &pidfd);

	(void)state;
	if (pid == 0) {
		value = 2; /* memory of its own */
		_exit(value == 2 && getppid() > 0 ? 42 : 1);
	}
	assert_true(pid > 0);
	assert_true(pidfd >= 0);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(waitpid(pid, &status, 0), pid); /* the exit signal is SIGCHLD */
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_int_equal(value, 1);
	close(pidfd);

	pid = isle_clone(0, NULL);
	if (pid == 0)
		_exit(43);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 43);

	/* With an exit signal of its own it is none of those that wait(2) means without __WCLONE. */
	pid = isle_clone(SIGURG, &pidfd); /* ignored by default */
	if (pid == 0)
		_exit(44);
	assert_true(pid > 0);
	assert_int_equal(waitpid(-1, &status, 0), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(waitpid(-1, &status, __WCLONE), pid);
	assert_int_equal(WEXITSTATUS(status), 44);
	close(pidfd);
}

static void test_clone_errors(void **state)
{
	int pidfd = 4711;

	(void)state;
	assert_int_equal(isle_clone(CLONE_THREAD, &pidfd), -EINVAL);
	if (old_kernel)
		assert_int_equal(isle_clone(1ULL << 32 /* CLONE_CLEAR_SIGHAND */, &pidfd), -ENOSYS);
	assert_int_equal(pidfd, 4711);
}

static void test_kernel_calls_give_errno(void **state)
{
	struct statx st;
	int dir = unit_dir(state);

	errno = 0;
	assert_int_equal(isle_openat2(-1, "x", &(struct open_how){.flags = O_PATH}), old_kernel ? -ENOSYS : -EBADF);
	assert_int_equal(isle_close_range(900, 800, 0), old_kernel ? -ENOSYS : -EINVAL);
	assert_int_equal(isle_pidfd_open(0), -EINVAL);
	assert_int_equal(isle_statx(dir, "none", &st), -ENOENT);
	assert_int_equal(isle_pivot_root("/none", "/none"), geteuid() == 0 ? -ENOENT : -EPERM);
	assert_true(isle_open_tree(-1, "x", 0) < 0);
	assert_true(isle_move_mount(-1, "x", -1, "y", 0) < 0);
	assert_true(isle_mount_setattr(-1, "x", 0, 1, 0) < 0);
	assert_true(isle_fspick(-1, "x", 0) < 0);
	assert_true(isle_fsconfig(-1, 0, "k", NULL, 0) < 0);
}

static void test_renameat2_and_statx(void **state)
{
	struct statx st;
	int dir = unit_dir(state);

	unit_write(dir, "a", "a");
	unit_write(dir, "b", "b");
	assert_int_equal(isle_renameat2(dir, "a", dir, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(isle_renameat2(dir, "a", dir, "b", RENAME_EXCHANGE), 0);
	unit_assert_content(dir, "a", "b");
	unit_assert_content(dir, "b", "a");
	assert_int_equal(symlinkat("a", dir, "l"), 0);
	assert_int_equal(isle_statx(dir, "l", &st), 0);
	assert_true(S_ISLNK(st.stx_mode));
	assert_int_equal(isle_statx(dir, "", &st), 0);
	assert_true(S_ISDIR(st.stx_mode));
}

/* Landlock as a caller puts it together: after it, only what is below the directory can be written. */
static int confined_to(int dir)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_REG};
	auto_fd int ruleset = isle_landlock_create(&attr, sizeof(attr.handled_access_fs));

	if (ruleset < 0 || isle_landlock_add_path(ruleset, dir, LANDLOCK_ACCESS_FS_MAKE_REG) < 0)
		return 1;
	if (isle_landlock_restrict(ruleset) < 0)
		return 2;
	if (openat(dir, "in", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
		return 3;
	return openat(dir, "../out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EACCES ? 0 : 4;
}

static void test_landlock(void **state)
{
	int status, dir = unit_dir(state);
	auto_fd int sub = -1;
	pid_t pid;

	if (isle_landlock_abi() < 0)
		unit_missing("Landlock");
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	sub = openat(dir, "sub", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid = fork();
	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? 9 : confined_to(sub));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_and_output),
		cmocka_unit_test(test_not_found),
		unit_dir_test(test_input),
		cmocka_unit_test(test_only_three_descriptors),
		cmocka_unit_test(test_crossed_descriptors),
		cmocka_unit_test(test_standard_descriptors_closed),
		cmocka_unit_test(test_signals_are_reset),
		cmocka_unit_test(test_wait_times_out),
		cmocka_unit_test(test_wait_goes_on_after_a_signal),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_clone_errors),
		unit_dir_test(test_kernel_calls_give_errno),
		unit_dir_test(test_renameat2_and_statx),
		unit_dir_test(test_landlock),
	};

	old_kernel = unit_old_kernel();
	setenv("PATH", "/usr/bin:/bin", 1); /* a directory in it that is closed to us would say EACCES for ENOENT */
	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
