/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader of one run: the session leader of its terminal inside the isle, as a shell would be.
 *
 *   request --> terminal, second wall --> CMD started --> serving --> CMD ended --> leftovers ended --> EXITED
 *                                                                \-> supervisor gone: exit
 *
 * 1. It is a subreaper: whatever CMD starts and abandons becomes its child, so what belongs to this run can be told
 *    from what belongs to another run in the same isle.
 * 2. The second wall is put up here, not in init, which starts further leaders. The filters are CMD's own: the leader
 *    must not wait for a supervisor.
 * 3. The programs inside can stop and kill the leader, so nothing rests on it but convenience: that they are asked to
 *    end before they are killed, and that the end of CMD is told. Init sees to the end of the run (init.c).
 * 4. CMD is a child in a process group of its own whose parent, the leader, is in the same session: its group is not
 *    orphaned, so Ctrl-Z stops it.
 * 5. The slave side of the pty stays open here until everything has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "init.h"
#include "io.h"
#include "kernel.h"
#include "leftover.h"
#include "net_mode.h"
#include "walls.h"
#include "wire.h"

struct leader {
	int connection;
	bool user;
	struct isle_wire_message message; /* the request, with its descriptors */
	struct isle_wire_request request;
	char *directory;
	char **argv, **environment;
	int standard[ISLE_STANDARD_COUNT]; /* what CMD gets; belongs to the message, or is the slave */
	const int *devices;		   /* own.h */
	int slave;			   /* of the pty, -1 */
	int master;			   /* of the pty, -1 */
	int view, netns;		   /* for the supervisor */
	uint32_t missing;		   /* walls */
	bool started;			   /* STARTED has been sent */
	int signals;
	pid_t command;
	bool ended; /* CMD has */
	struct isle_wire_exited exited;
	struct isle_err err;
};

isle_noreturn static void fail(struct leader *l, int code, const char *what)
{
	if (code != 0)
		isle_err_errno(&l->err, code, "%s", what);
	isle_wire_send_error(l->connection, &l->err);
	_exit(1);
}

/* Points strings into the message; each ends within it. */
static char **take_strings(char **at, const char *end, uint32_t count)
{
	char **list = calloc((size_t)count + 1, sizeof(*list));

	for (uint32_t i = 0; list != NULL && i < count; i++) {
		if (*at >= end) {
			free(list);
			return NULL;
		}
		list[i] = *at;
		*at += strlen(*at) + 1;
	}
	return list;
}

static void read_request(struct leader *l)
{
	struct isle_wire_message *m = &l->message;

	if (isle_wire_receive(l->connection, m) <= 0)
		_exit(1);
	isle_wire_limit(l->connection, 0);
	if (m->type != ISLE_WIRE_REQUEST || m->size < sizeof(l->request))
		fail(l, -EPROTO, "cannot read the request");
	memcpy(&l->request, m->data, sizeof(l->request));
	char *at = m->data + sizeof(l->request);
	const char *end = m->data + m->size;
	char **directory = take_strings(&at, end, 1);
	l->argv = take_strings(&at, end, l->request.argc);
	l->environment = take_strings(&at, end, l->request.envc);
	if (directory == NULL || l->argv == NULL || l->environment == NULL || l->request.argc == 0)
		fail(l, -EPROTO, "cannot read the request");
	l->directory = directory[0];
	free(directory);
}

/* A pty of the isle's own devpts; the slave becomes the session's terminal. Returns the master. */
static int open_terminal(struct leader *l)
{
	char name[32];
	unsigned number = 0;
	int unlock = 0;
	int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		fail(l, -errno, "cannot make a terminal in the isle");
	snprintf(name, sizeof(name), "/dev/pts/%u", number);
	l->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (l->slave < 0 || ioctl(l->slave, TIOCSCTTY, 0) < 0)
		fail(l, -errno, "cannot make a terminal in the isle");
	int r = isle_terminal_setup_apply(l->slave, &l->request.terminal);
	if (r < 0)
		fail(l, r, "cannot set up the terminal in the isle");
	return master;
}

/* What is opened here is closed with what came along. */
static void take_standard(struct leader *l)
{
	struct isle_wire_message *m = &l->message;
	unsigned sent = m->fd_count, next = 0;

	for (int i = 0; i < ISLE_STANDARD_COUNT; i++) {
		const struct isle_standard_setup *setup = &l->request.standard[i];
		int fd = -1;

		if (setup->way == ISLE_STANDARD_TERMINAL) {
			fd = l->slave;
		} else if (setup->way == ISLE_STANDARD_DEVICE && m->fd_count < ARRAY_SIZE(m->fds)) {
			fd = isle_standard_open_device(setup, l->devices);
			if (fd < 0)
				fail(l, fd, "cannot open a device for the command in the isle's /dev");
			m->fds[m->fd_count++] = fd;
		} else if (setup->way == ISLE_STANDARD_GIVEN && next < sent) {
			fd = m->fds[next++];
		}
		if (fd < 0)
			fail(l, -EPROTO, "cannot read the request");
		l->standard[i] = fd;
	}
}

static unsigned filter_flags(const struct leader *l)
{
	return (l->user ? 0 : ISLE_FILTER_ROOT) | ((l->request.flags & ISLE_RUN_NEST) != 0 ? ISLE_FILTER_NEST : 0) |
	       (l->request.net == ISLE_NET_HOST ? ISLE_FILTER_HOST_NET : 0);
}

/* A wall that is missing is said by the supervisor, or ends the run when it was demanded. */
static void miss(struct leader *l, enum isle_wall wall, int code, uint32_t *missing)
{
	*missing |= wall;
	if ((l->request.require & wall) == 0)
		return;
	isle_err_errno(&l->err, -EPROTONOSUPPORT, "the demanded protection '%s' cannot be had here (%s)",
		       isle_wall_name(wall), strerror(-code));
	fail(l, 0, NULL);
}

/* From its listener on, the opens of a process wait for the supervisor, which has the listener only after STARTED: what
 * STARTED takes along is opened before. */
static void open_for_supervisor(struct leader *l)
{
	l->view = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	l->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (l->view < 0 || l->netns < 0)
		fail(l, -errno, "cannot open what the supervisor needs");
}

static void raise_landlock(struct leader *l)
{
	int r = isle_landlock_enter(l->view, filter_flags(l));

	if (r == -ENOSYS || r == -EOPNOTSUPP)
		miss(l, ISLE_WALL_LANDLOCK, r, &l->missing);
	else if (r < 0)
		fail(l, r, "cannot isolate: Landlock");
}

static void raise_filter(struct leader *l)
{
	int r = isle_filter_enter(filter_flags(l));

	if (r == -ENOSYS)
		miss(l, ISLE_WALL_SECCOMP, r, &l->missing);
	else if (r < 0)
		fail(l, r, "cannot isolate: the system-call filter");
}

/* The listener, -1: none. */
static int listen_to_calls(struct leader *l)
{
	int listener = -1;

	if (l->request.traps == 0)
		return -1;
	listener = isle_filter_notify(filter_flags(l), l->request.traps);
	if (listener < 0)
		miss(l, ISLE_WALL_NOTIFY, listener, &l->missing);
	return listener < 0 ? -1 : listener;
}

static void send_started(struct leader *l, int listener)
{
	struct isle_wire_started started = {.missing = l->missing, .master = l->master >= 0, .listener = listener >= 0};
	int fds[4];
	unsigned count = 0;

	if (l->master >= 0)
		fds[count++] = l->master;
	if (listener >= 0) {
		fds[count++] = listener;
		fds[count++] = l->netns;
		fds[count++] = l->view;
	}
	int r = isle_wire_send_fds(l->connection, ISLE_WIRE_STARTED, &started, sizeof(started), fds, count);
	/* Before the next call that is trapped, be it _exit(2): who holds the listener itself waits for ever when the
	 * supervisor dies. */
	isle_cleanup_fd(&listener);
	if (r < 0)
		_exit(1);
	l->started = true;
}

/* The process that becomes CMD. It shares the leader's memory until then (vfork(2)), which spares the copy of its page
 * tables; the leader finds the errno of a failure in *ret_error. */
isle_noreturn static void run_command(struct leader *l, volatile int *ret_error)
{
	const struct isle_wire_request *q = &l->request;
	sigset_t blocked;

	int listener = listen_to_calls(l);
	if (listener < 0)
		raise_filter(l);
	send_started(l, listener);
	isle_ignore(setpgid(0, 0));
	/* Here, not in the leader: later, the first keys would miss CMD, and CMD may have given the terminal to a
	 * child by then. No signal stops this process, all are blocked. */
	if (l->slave >= 0 && q->terminal.foreground)
		isle_ignore(tcsetpgrp(l->slave, getpid()));
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(l->standard[fd], fd) < 0)
			goto failed;
	}
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++) /* but RLIMIT_CORE: the filter keeps init's */
		isle_ignore(setrlimit((__rlimit_resource_t)resource, &q->limits[resource]));
	isle_ignore(setpriority(PRIO_PROCESS, 0, q->nice));
	umask(q->umask);
	sigemptyset(&blocked);
	for (int sig = 1; sig < NSIG; sig++) {
		bool ignored = (q->ignored & (1ULL << (sig - 1))) != 0;

		isle_ignore(isle_signal_reset(sig, ignored));
		if ((q->blocked & (1ULL << (sig - 1))) != 0)
			sigaddset(&blocked, sig);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	environ = l->environment;
	execvp(l->argv[0], l->argv);
failed:
	*ret_error = errno;
	_exit(127);
}

/* chdir(2) takes at most PATH_MAX bytes; a shell gets further by several steps. */
static int change_directory(char *path)
{
	for (; strlen(path) >= PATH_MAX; path += strspn(path, "/")) {
		char *cut = path + PATH_MAX - 1;

		while (cut > path && *cut != '/')
			cut--;
		if (cut == path)
			return -ENAMETOOLONG;
		*cut = '\0';
		if (chdir(path) < 0)
			return -errno;
		*cut = '/';
		path = cut;
	}
	return chdir(*path == '\0' ? "." : path) < 0 ? -errno : 0;
}

static void enter_directory(struct leader *l)
{
	int r = change_directory(l->directory);

	if (r >= 0)
		return;
	isle_err_errno(&l->err, r, "cannot enter '%s' in the isle", l->directory);
	isle_err_hint(&l->err, "choose another directory with --chdir DIR");
	fail(l, 0, NULL);
}

static void start_command(struct leader *l)
{
	volatile int error = 0;

	pid_t pid =
		vfork(); /* what run_command() writes of the shared memory is meant: the leader, the error, environ */
	if (pid == 0)
		run_command(l, &error); /* NOLINT(clang-analyzer-unix.Vfork) */
	if (pid < 0)
		fail(l, -errno, "cannot start a process in the isle");
	if (!l->started)
		_exit(1); /* and the supervisor has been told why */
	raise_filter(l);
	l->command = pid;
	if (error == 0)
		return;
	l->exited.error = error;
	l->exited.outcome = error == ENOENT ? ISLE_RUN_NOT_FOUND : ISLE_RUN_NOT_EXECUTABLE;
}

static void note_status(struct leader *l, const siginfo_t *info)
{
	if (info->si_code == CLD_STOPPED) {
		int32_t sig = info->si_status;

		isle_ignore(isle_wire_send(l->connection, ISLE_WIRE_STOPPED, &sig, sizeof(sig)));
		return;
	}
	if (info->si_code == CLD_CONTINUED) {
		isle_ignore(isle_wire_send(l->connection, ISLE_WIRE_CONTINUED, NULL, 0));
		return;
	}
	l->ended = true;
	if (l->exited.outcome == ISLE_RUN_NOT_FOUND || l->exited.outcome == ISLE_RUN_NOT_EXECUTABLE)
		return;
	l->exited.outcome = info->si_code == CLD_EXITED ? ISLE_RUN_EXITED : ISLE_RUN_SIGNALLED;
	l->exited.status = info->si_status;
}

/* Reaps CMD and orphans. Returns false when no child is left. */
static bool reap(struct leader *l)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) < 0)
			return errno != ECHILD;
		if (info.si_pid == 0)
			return true;
		if (info.si_pid == l->command)
			note_status(l, &info);
	}
}

static void obey(struct leader *l, const struct isle_wire_message *m)
{
	struct isle_wire_signal sig;
	int32_t go;

	if (m->type == ISLE_WIRE_SIGNAL && m->size == sizeof(sig)) {
		memcpy(&sig, m->data, sizeof(sig));
		if (!l->ended)
			isle_ignore(kill(sig.group ? -l->command : l->command, sig.number));
		if (!l->ended && sig.group && sig.number == SIGHUP)
			isle_ignore(kill(-l->command, SIGCONT)); /* as a terminal does: a stopped program sees it too */
		return;
	}
	if (m->type != ISLE_WIRE_GO || m->size != sizeof(go))
		return;
	memcpy(&go, m->data, sizeof(go));
	if (l->slave >= 0)
		isle_ignore(tcsetpgrp(l->slave, go == ISLE_TERMINAL_FOREGROUND ? l->command : getpid()));
	if (!l->ended)
		isle_ignore(kill(-l->command, SIGCONT));
}

/* Until CMD (with --wait: everything) has ended. */
static void serve(struct leader *l)
{
	bool wait = (l->request.flags & ISLE_RUN_WAIT) != 0;

	for (;;) {
		struct pollfd fds[2] = {{.fd = l->connection, .events = POLLIN}, {.fd = l->signals, .events = POLLIN}};
		auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
		struct signalfd_siginfo info;

		bool children = reap(l);
		if (!children || (l->ended && !wait))
			return;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents != 0)
			isle_ignore(read(l->signals, &info, sizeof(info)));
		if (fds[0].revents == 0)
			continue;
		if (isle_wire_receive(l->connection, &m) <= 0)
			_exit(1); /* init ends the rest */
		obey(l, &m);
	}
}

static void finish(struct leader *l)
{
	auto_buf struct isle_buf report = ISLE_BUF_INIT;

	isle_buf_add(&report, &l->exited, sizeof(l->exited));
	if (reap(l)) {
		unsigned ended = isle_leftover_end(&report);

		if (isle_buf_error(&report) == 0)
			memcpy(report.data + offsetof(struct isle_wire_exited, ended), &ended, sizeof(ended));
	}
	if (isle_buf_error(&report) == 0)
		isle_ignore(isle_wire_send(l->connection, ISLE_WIRE_EXITED, report.data, report.size));
}

void isle_leader_main(int connection, bool user, const int *devices)
{
	struct leader l = {.connection = connection,
			   .user = user,
			   .devices = devices,
			   .slave = -1,
			   .master = -1,
			   .view = -1,
			   .netns = -1};
	sigset_t chld;

	isle_ignore(prctl(PR_SET_NAME, "isle-leader"));
	isle_ignore(prctl(PR_SET_CHILD_SUBREAPER, 1));
	isle_ignore(setsid());
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	l.signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	read_request(&l);
	l.master = l.request.pty ? open_terminal(&l) : -1;
	take_standard(&l);
	enter_directory(&l);
	open_for_supervisor(&l);
	raise_landlock(&l);
	start_command(&l);
	isle_cleanup_fd(&l.master);
	isle_cleanup_fd(&l.view);
	isle_cleanup_fd(&l.netns);
	for (unsigned i = 0; i < l.message.fd_count; i++)
		isle_cleanup_fd(&l.message.fds[i]);
	l.message.fd_count = 0;
	serve(&l);
	finish(&l);
	_exit(0);
}
