// SPDX-License-Identifier: Apache-2.0
/*
 * Who has the user's terminal.
 *
 * States of the user's terminal, as far as we are concerned:
 *   away    its modes are the user's own; its keys are not read; output of CMD is written to it.
 *   taken   raw, its keys go to the pty, and the pty's own line discipline does what the user's modes say.
 *
 * Rules:
 * 1. It is taken only while our process group is its foreground group, so the shell and the other members of a
 *    pipeline (`isle run -- ls | less`) are never disturbed. Taken at once when stdin and stdout are both the
 *    terminal, else when CMD, in the background of its pty, is stopped because it wants it.
 * 2. Whoever takes it arms the guard first: no moment exists in which the terminal is raw and nobody would restore it.
 * 3. It is given back before this process stops or ends.
 * 4. The descriptor is our own description of the terminal (opened, not duplicated): O_NONBLOCK is not seen by the
 *    shell, even if we are killed.
 * 5. A stop of CMD is a stop of the whole job: with a pty the whole process group is signalled, as the terminal itself
 *    would have done. Where the kernel does not stop an orphaned group, CMD is not left to try again for
 *    ever: its pty is hung up, and its next read ends.
 * 6. This process is not stopped for longer than CMD is: CMD may be continued from outside, or end.
 */
#include "terminal.h"
#include "terminal_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool terminal_device(int fd, unsigned *ret_device)
{
	return ioctl(fd, TIOCGDEV, ret_device) == 0;
}

/* A description of our own of the user's terminal, or -1. */
static int open_user_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	for (int i = 0; i < 3 && fd < 0; i++) {
		char path[32];

		if (!isatty(i))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fd = fcntl(i, F_DUPFD_CLOEXEC, 3);
	}
	return fd;
}

/* True when this process may use the terminal: it is in its foreground group, or no job control rules it. */
static bool in_foreground(const struct isle_terminal *t)
{
	pid_t group = tcgetpgrp(t->tty);

	return group < 0 ? errno == ENOTTY : group == getpgrp();
}

bool isle_terminal_modes_equal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && a->c_line == b->c_line && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

void isle_terminal_open(struct isle_terminal *t)
{
	const unsigned both = 1U << STDIN_FILENO | 1U << STDOUT_FILENO;
	unsigned device;

	memset(t, 0, offsetof(struct isle_terminal, in));
	t->in.begin = t->in.end = t->out.begin = t->out.end = 0; /* the data stays untouched: every page costs */
	t->tty = open_user_terminal();
	t->master = t->guard_pipe = -1;
	if (t->tty < 0)
		return;
	if (tcgetattr(t->tty, &t->setup.modes) < 0 || !terminal_device(t->tty, &device)) {
		close(fd_take(&t->tty));
		return;
	}
	(void)ioctl(t->tty, TIOCGWINSZ, &t->setup.size); /* a terminal without a size has 0 by 0 */
	for (int i = 0; i < 3; i++) {
		unsigned other;

		if (isatty(i) && terminal_device(i, &other) && other == device)
			t->setup.slots |= 1U << i;
	}
	t->pty = true;
	t->setup.foreground = (t->setup.slots & both) == both && in_foreground(t);
}

int isle_terminal_setup_apply(int slave, const struct isle_terminal_setup *setup)
{
	if (tcsetattr(slave, TCSANOW, &setup->modes) < 0 || ioctl(slave, TIOCSWINSZ, &setup->size) < 0)
		return -errno;
	return 0;
}

void isle_terminal_resized(const struct isle_terminal *t)
{
	struct winsize size;

	if (t->master >= 0 && ioctl(t->tty, TIOCGWINSZ, &size) == 0)
		(void)ioctl(t->master, TIOCSWINSZ, &size); /* the kernel tells CMD when it differs */
}

/* tcsetattr() that never stops us. */
static int set_modes(int fd, const struct termios *modes)
{
	sigset_t block, old;
	int r;

	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &old);
	r = tcsetattr(fd, TCSANOW, modes) < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

static void make_raw(struct termios *modes)
{
	cfmakeraw(modes);
	modes->c_cc[VMIN] = 1;
	modes->c_cc[VTIME] = 0;
}

/* Takes the user's terminal. True when the keys are ours now. */
static bool take(struct isle_terminal *t)
{
	struct termios now;

	if (t->tty_gone || t->master < 0 || !in_foreground(t) || tcgetattr(t->tty, &now) < 0)
		return false;
	if (t->taken && isle_terminal_modes_equal(&now, &t->raw))
		return true;
	/* What it was while we started in the background is what a shell has for its own line editing. */
	if (!t->was_taken && !isle_terminal_modes_equal(&now, &t->setup.modes))
		(void)tcsetattr(t->master, TCSANOW, &now);
	t->was_taken = true;
	t->saved = now;
	t->raw = now;
	make_raw(&t->raw);
	isle_terminal_guard_arm(t);
	if (set_modes(t->tty, &t->raw) < 0) {
		isle_terminal_guard_disarm(t);
		return false;
	}
	/* A terminal driver may keep some bits to itself; "still as we left it" has to mean what it reports. */
	if (tcgetattr(t->tty, &now) == 0 && !isle_terminal_modes_equal(&now, &t->raw)) {
		t->raw = now;
		isle_terminal_guard_arm(t);
	}
	t->taken = true;
	isle_terminal_resized(t);
	return true;
}

/* Gives the user's terminal back, unless somebody else has set it up by now. */
static void release(struct isle_terminal *t)
{
	struct termios now;

	if (!t->taken)
		return;
	t->taken = false;
	if (in_foreground(t) || (tcgetattr(t->tty, &now) == 0 && isle_terminal_modes_equal(&now, &t->raw)))
		(void)set_modes(t->tty, &t->saved); /* fails when the terminal is gone */
	isle_terminal_guard_disarm(t);
}

int isle_terminal_start(struct isle_terminal *t, int master)
{
	if (fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0 || fcntl(master, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	t->master = master;
	isle_terminal_resized(t);
	if (t->setup.foreground)
		(void)take(t); /* in the background by now: isle_terminal_continued() does it */
	return 0;
}

static bool has_news(int news)
{
	struct pollfd fd = {.fd = news, .events = POLLIN};

	return news >= 0 && poll(&fd, 1, 0) > 0;
}

/* While it is on, the kernel sends us SIGCONT when something arrives: the one way to go on while stopped. */
static void call_for_news(int news, bool on)
{
	int flags = fcntl(news, F_GETFL);

	if (flags < 0)
		return; /* there are none */
	if (on && (fcntl(news, F_SETOWN, getpid()) < 0 || fcntl(news, F_SETSIG, SIGCONT) < 0))
		return;
	(void)fcntl(news, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
}

enum stop {
	STOP_REFUSED, /* an orphaned group: no shell would continue us */
	STOP_NEWS,    /* there are news of CMD; stopped or not */
	STOP_OVER,    /* somebody sent SIGCONT */
};

/*
 * Stops this process, or its group, and returns when it goes on.
 *
 * The signal is sent while it is blocked, and only then is looked for news: a SIGCONT that comes after that, from
 * anybody, takes the pending stop away. So no moment exists in which news or a SIGCONT could be missed. SIGSTOP cannot
 * be blocked, and stops orphaned groups too: SIGTSTP stands for it.
 */
static enum stop stop_here(int sig, bool whole_group, int news)
{
	const struct sigaction action = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
	const struct timespec now = {0};
	struct sigaction old_action;
	sigset_t cont, both, stop, old;
	bool continued;

	sigemptyset(&cont);
	sigaddset(&cont, SIGCONT);
	sigemptyset(&stop);
	sigaddset(&stop, sig);
	both = cont;
	sigaddset(&both, sig);
	sigprocmask(SIG_BLOCK, &both, &old);
	while (sigtimedwait(&cont, NULL, &now) == SIGCONT)
		;
	sigaction(sig, &action, &old_action);
	call_for_news(news, true);
	if (whole_group)
		kill(0, sig);
	else
		raise(sig);
	if (has_news(news))
		sigaction(sig, &ignore, NULL); /* takes the pending one away */
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	call_for_news(news, false);
	continued = sigtimedwait(&cont, NULL, &now) == SIGCONT;
	sigaction(sig, &old_action, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return has_news(news) ? STOP_NEWS : continued ? STOP_OVER : STOP_REFUSED;
}

enum isle_terminal_go isle_terminal_stopped(struct isle_terminal *t, int sig, int news)
{
	bool wants = t->pty && (sig == SIGTTIN || sig == SIGTTOU);
	bool again = t->taken || t->setup.foreground || wants, before = t->setup.foreground;
	enum stop stop;

	if (has_news(news))
		return ISLE_TERMINAL_STAY;
	if (wants && !t->taken && take(t)) {
		t->setup.foreground = true;
		return ISLE_TERMINAL_FOREGROUND;
	}
	release(t);
	stop = stop_here(sig == SIGSTOP ? SIGTSTP : sig, t->pty && sig != SIGSTOP, news);
	if (stop == STOP_REFUSED && wants && !in_foreground(t) && t->master >= 0)
		close(fd_take(&t->master));
	t->setup.foreground = t->pty && again && take(t);
	/* Nobody meant CMD to go on by continuing us. */
	if ((stop == STOP_NEWS || (stop == STOP_REFUSED && sig == SIGSTOP)) && t->setup.foreground == before)
		return ISLE_TERMINAL_STAY;
	return t->setup.foreground ? ISLE_TERMINAL_FOREGROUND : ISLE_TERMINAL_BACKGROUND;
}

enum isle_terminal_go isle_terminal_continued(struct isle_terminal *t)
{
	if (!t->pty || !t->setup.foreground || take(t))
		return ISLE_TERMINAL_STAY;
	/* We are in the background now, so CMD goes there too. */
	if (t->taken)
		isle_terminal_guard_disarm(t);
	t->taken = false;
	t->setup.foreground = false;
	return ISLE_TERMINAL_BACKGROUND;
}

void isle_terminal_end(struct isle_terminal *t)
{
	t->ended = true;
	isle_terminal_pump_out(t);
}

void isle_terminal_close(struct isle_terminal *t)
{
	release(t);
	isle_terminal_guard_end(t);
	if (t->master >= 0)
		close(fd_take(&t->master));
	if (t->tty >= 0)
		close(fd_take(&t->tty));
	t->pty = false;
}
