// SPDX-License-Identifier: Apache-2.0
/*
 * terminal_job CMD [ARG...]: runs CMD under src/isolate/terminal.c without any isolation, so that tests/cli/terminal.py
 * can test the terminal alone. It is a supervisor and a leader of the smallest kind.
 */
#include "terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum kind { KIND_START, KIND_STOPPED, KIND_END };

struct message {
	enum kind kind;
	int value; /* process group, signal, wait status */
};

static isle_noreturn void die(const char *what)
{
	perror(what);
	_exit(125);
}

static void send_master(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(sock, &m, 0) != 1)
		die("sendmsg");
}

static int receive_master(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static void tell(int sock, enum kind kind, int value)
{
	const struct message m = {kind, value};

	if (write(sock, &m, sizeof(m)) != sizeof(m))
		_exit(125);
}

static isle_noreturn void command(const struct isle_terminal *t, int slave, int go, char **argv)
{
	sigset_t none;
	char byte;

	setpgid(0, 0);
	if (read(go, &byte, 1) != 1)
		_exit(125);
	for (int i = 0; slave >= 0 && i < 3; i++)
		if (t->setup.slots & 1U << i)
			dup2(slave, i);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static int open_pty(const struct isle_terminal *t, int sock)
{
	int master, slave;

	if (openpty(&master, &slave, NULL, NULL, NULL) < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		die("pty");
	if (isle_terminal_setup_apply(slave, &t->setup) < 0)
		die("setup");
	send_master(sock, master);
	close(master);
	fcntl(slave, F_SETFD, FD_CLOEXEC);
	return slave;
}

static isle_noreturn void leader(const struct isle_terminal *t, int sock, char **argv)
{
	int slave = -1, status = 0, go[2];
	pid_t pid;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (t->pty)
		slave = open_pty(t, sock);
	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0)
		command(t, slave, go[0], argv);
	setpgid(pid, pid);
	if (slave >= 0 && t->setup.foreground)
		tcsetpgrp(slave, pid);
	tell(sock, KIND_START, pid);
	if (read(sock, &byte, 1) != 1 || write(go[1], "", 1) != 1)
		_exit(125);
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
		enum isle_terminal_go to;

		tell(sock, KIND_STOPPED, WSTOPSIG(status));
		if (read(sock, &to, sizeof(to)) != sizeof(to))
			break;
		if (slave >= 0)
			tcsetpgrp(slave, to == ISLE_TERMINAL_FOREGROUND ? pid : getpgrp());
		kill(-pid, SIGCONT);
	}
	tell(sock, KIND_END, status);
	if (read(sock, &byte, 1) < 0)
		_exit(125);
	_exit(0);
}

static pid_t group;

static void handle_signal(struct isle_terminal *t, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		isle_terminal_resized(t);
	else if (info.ssi_signo == SIGCONT)
		(void)isle_terminal_continued(t);
	else
		kill(-group, (int)info.ssi_signo);
	if (info.ssi_signo == SIGHUP)
		kill(-group, SIGCONT); /* as a terminal does */
}

static int supervise(struct isle_terminal *t, int sock, int signals)
{
	struct message m;
	int status = -1;

	while (status < 0 || !isle_terminal_drained(t)) {
		struct pollfd fds[2 + ISLE_TERMINAL_FDS] = {{.fd = status < 0 ? sock : -1, .events = POLLIN},
							    {.fd = signals, .events = POLLIN}};
		unsigned n = isle_terminal_poll_fds(t, fds + 2);

		if (poll(fds, 2 + n, -1) < 0)
			die("poll");
		isle_terminal_handle(t, fds + 2, n);
		if (fds[1].revents)
			handle_signal(t, signals);
		if (!fds[0].revents)
			continue;
		if (read(sock, &m, sizeof(m)) != sizeof(m))
			die("leader");
		if (m.kind == KIND_STOPPED) {
			enum isle_terminal_go to = isle_terminal_stopped(t, m.value, -1);

			if (write(sock, &to, sizeof(to)) != sizeof(to))
				die("leader");
		} else {
			status = m.value;
			isle_terminal_end(t);
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct isle_terminal t;
	int pair[2], signals, status;
	struct message m;
	sigset_t set, old;

	if (argc < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 125;
	isle_terminal_open(&t);
	sigemptyset(&set);
	for (const int *s = (const int[]){SIGWINCH, SIGCONT, SIGINT, SIGTERM, SIGTSTP, SIGHUP, SIGQUIT, 0}; *s; s++)
		sigaddset(&set, *s);
	sigprocmask(SIG_BLOCK, &set, &old);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (fork() == 0)
		leader(&t, pair[1], argv + 1);
	close(pair[1]);
	if (t.pty && isle_terminal_start(&t, receive_master(pair[0])) < 0)
		die("start");
	if (read(pair[0], &m, sizeof(m)) != sizeof(m) || m.kind != KIND_START)
		die("leader");
	group = m.value;
	if (write(pair[0], "", 1) != 1)
		die("leader");
	status = supervise(&t, pair[0], signals);
	isle_terminal_close(&t);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
