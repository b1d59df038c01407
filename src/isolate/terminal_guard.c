// SPDX-License-Identifier: Apache-2.0
/*
 * The guard: a process that does nothing but wait for the supervisor's death, and then gives the user's terminal back.
 * It is what makes SIGKILL harmless.
 *
 * 1. It holds the terminal and the read end of a pipe and nothing else: no stdio, no directory, no lock.
 * 2. It has a session of its own, so the terminal's signals do not reach it and job control does not stop it when
 *    it sets the modes. All signals that can be blocked are.
 * 3. The pipe carries what to restore. End of file means that the supervisor has ended; a process's descriptors are
 *    closed before its parent learns of its death, so the guard is awake before the shell is.
 * 4. It restores only a terminal that still has our raw modes: what a shell has set up meanwhile stays.
 */
#include "kernel.h"
#include "terminal_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct guard_message {
	bool armed;
	struct termios saved, raw;
};

_Static_assert(sizeof(struct guard_message) <= PIPE_BUF, "a message is one write and one read");

static isle_noreturn void guard_main(int tty, int pipe)
{
	struct guard_message message = {0}, next;
	struct termios now;
	ssize_t n;

	for (;;) {
		n = read(pipe, &next, sizeof(next));
		if (n == (ssize_t)sizeof(next))
			message = next;
		else if (n >= 0 || errno != EINTR)
			break;
	}
	if (message.armed && tcgetattr(tty, &now) == 0 && isle_terminal_modes_equal(&now, &message.raw))
		(void)tcsetattr(tty, TCSANOW, &message.saved);
	_exit(0);
}

/* In the child: lets go of everything but the two descriptors. */
static isle_noreturn void guard_begin(int tty, int pipe)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "isle-guard");
	(void)setsid();
	tty = fcntl(tty, F_DUPFD, 3);
	pipe = fcntl(pipe, F_DUPFD, 3);
	if (tty < 0 || pipe < 0 || chdir("/") < 0 || dup2(tty, 0) < 0 || dup2(pipe, 1) < 0 ||
	    isle_close_range(2, ~0U, 0) < 0)
		_exit(1);
	guard_main(0, 1);
}

static void guard_start(struct isle_terminal *t)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		guard_begin(t->tty, ends[0]);
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return;
	}
	t->guard = pid;
	t->guard_pipe = ends[1];
}

/* The guard always reads, so this waits for nothing. A guard that was killed by somebody is no reason to die: SIGPIPE
 * is kept away. */
static void guard_tell(const struct isle_terminal *t, bool armed)
{
	const struct guard_message message = {.armed = armed, .saved = t->saved, .raw = t->raw};
	const struct timespec now = {0};
	sigset_t block, old;

	if (t->guard_pipe < 0)
		return;
	sigemptyset(&block);
	sigaddset(&block, SIGPIPE);
	sigprocmask(SIG_BLOCK, &block, &old);
	if (write(t->guard_pipe, &message, sizeof(message)) < 0 && errno == EPIPE && !sigismember(&old, SIGPIPE))
		(void)sigtimedwait(&block, NULL, &now);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void isle_terminal_guard_arm(struct isle_terminal *t)
{
	if (t->guard == 0)
		guard_start(t);
	guard_tell(t, true);
}

void isle_terminal_guard_disarm(const struct isle_terminal *t)
{
	guard_tell(t, false);
}

void isle_terminal_guard_end(struct isle_terminal *t)
{
	if (t->guard_pipe >= 0)
		close(fd_take(&t->guard_pipe));
	if (t->guard > 0)
		while (waitpid(t->guard, NULL, 0) < 0 && errno == EINTR)
			;
	t->guard = 0;
}
