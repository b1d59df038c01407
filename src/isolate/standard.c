/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of each of the standard three, decided in the supervisor.
 *
 * 1. Nothing is sent into the isle but pipes made here and descriptions made by isle_standard_read_only(). Even an
 *    anonymous pipe is the host's object: opened again by way of /proc/self/fd, standard input could be written to, and
 *    what reads from it next (the shell of `curl ... | sh`) would obey; and standard output could be read.
 * 2. The direction is that of the descriptor. One that was opened for both is read from as standard input and written
 *    to as standard output or error.
 * 3. Descriptors of the same object share one pipe, so what is written to both stays in order.
 * 4. What is not in the table is refused.
 */
#include "standard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "io.h"
#include "kernel.h"
#include "own.h"
#include "talk.h"

enum { BIG_PIPE = 1 << 20 };

/* Newer than the headers of the oldest system we build on. */
#define PIDFS_NUMBER	 0x50494446
#define MQUEUE_NUMBER	 0x19800202
#define SECRETMEM_NUMBER 0x5345434d
#define CONFIGFS_NUMBER	 0x62656570

static const char *const names[ISLE_STANDARD_COUNT] = {"standard input", "standard output", "standard error"};

static int refuse(struct isle_err *err, int number, const char *what)
{
	isle_err_text(err, -EOPNOTSUPP, "%s is %s, which cannot be handed to a program in an isle", names[number],
		      what);
	if (number == 0)
		isle_err_hint(err, "use </dev/null, or a pipe: ... | isle run ...");
	else
		isle_err_hint(err, "use a pipe: isle run ... | cat");
	return -EOPNOTSUPP;
}

static bool is_input(int number, int flags)
{
	int mode = flags & O_ACCMODE;

	return mode == O_RDONLY || (mode == O_RDWR && number == STDIN_FILENO);
}

static struct isle_standard_channel *find_channel(const struct isle_standard *s,
						  const struct isle_standard_channel *like)
{
	for (unsigned i = 0; i < s->channel_count; i++) {
		struct isle_standard_channel *c = s->channels[i];

		if (c->input == like->input && c->device == like->device && c->inode == like->inode &&
		    c->offset == like->offset)
			return c;
	}
	return NULL;
}

/* More room where it makes whole files faster, and as much as the caller's pipe has. Limits of the user are no error.
 */
static void size_pipe(const struct isle_standard_channel *c, int end)
{
	int size = c->kind == STANDARD_FILE ? BIG_PIPE : c->kind == STANDARD_PIPE ? fcntl(c->host, F_GETPIPE_SZ) : 0;

	if (size > 0)
		isle_ignore(fcntl(end, F_SETPIPE_SZ, size));
}

/* Of the pipe, the caller's O_NONBLOCK goes to CMD's end; ours never waits. */
static int open_pipe(struct isle_standard_channel *c, int flags)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	c->inner = ends[c->input ? 1 : 0];
	c->given = ends[c->input ? 0 : 1];
	size_pipe(c, c->inner);
	if (fcntl(c->inner, F_SETFL, O_NONBLOCK) < 0 || fcntl(c->given, F_SETFL, flags & O_NONBLOCK) < 0)
		return -errno;
	return c->input ? standard_input_begin(c) : 0;
}

static void free_channel(struct isle_standard_channel *c)
{
	isle_cleanup_fd(&c->inner);
	isle_cleanup_fd(&c->given);
	isle_cleanup_fd(&c->watch);
	isle_cleanup_fd(&c->scratch);
	isle_cleanup_fd(&c->drain);
	free(c->buffer);
	free(c);
}

static int add_channel(struct isle_standard *s, const struct isle_standard_channel *like, int flags)
{
	struct isle_standard_channel *c = malloc(sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	*c = *like;
	c->buffer = malloc(STANDARD_BUFFER);
	int r = c->buffer == NULL ? -ENOMEM : open_pipe(c, flags);
	if (r < 0) {
		free_channel(c);
		return r;
	}
	s->channels[s->channel_count++] = c;
	return 0;
}

/* CMD's descriptor becomes a pipe. */
static int pump(struct isle_standard *s, int number, enum standard_kind kind, int flags, const struct stat *st)
{
	struct isle_standard_channel like = {.number = number,
					     .input = is_input(number, flags),
					     .kind = kind,
					     .device = st->st_dev,
					     .inode = st->st_ino,
					     .host = s->host[number],
					     .inner = -1,
					     .given = -1,
					     .watch = -1,
					     .scratch = -1,
					     .drain = -1};

	if (kind == STANDARD_FILE)
		like.offset = !like.input && flags & O_APPEND ? -1 : lseek(like.host, 0, SEEK_CUR);
	if (kind == STANDARD_FILE && like.offset < 0 && (like.input || !(flags & O_APPEND))) {
		like.kind = STANDARD_STREAM; /* some files of proc */
		like.offset = 0;
	}
	const struct isle_standard_channel *c = find_channel(s, &like);
	if (c == NULL) {
		int r = add_channel(s, &like, flags);

		if (r < 0)
			return r;
		c = s->channels[s->channel_count - 1];
	}
	s->given[number] = c->given;
	return 0;
}

static int plan_socket(struct isle_standard *s, int number, int flags, const struct stat *st, struct isle_err *err)
{
	int host = s->host[number], type = 0, listening = 0;
	socklen_t size = sizeof(type);
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);

	if (getsockopt(host, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
		return refuse(err, number, "a socket that is not a stream");
	size = sizeof(listening);
	if (getsockopt(host, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || listening)
		return refuse(err, number, "a socket that listens");
	if (getpeername(host, (struct sockaddr *)&peer, &peer_size) < 0)
		return refuse(err, number, "a socket without a connection");
	return pump(s, number, STANDARD_SOCKET, flags, st);
}

/* Kernel objects that look like files, and obey more calls than read(2) and write(2). */
static bool is_kernel_object(long type)
{
	static const long types[] = {NSFS_MAGIC, PIDFS_NUMBER, ANON_INODE_FS_MAGIC, MQUEUE_NUMBER, SECRETMEM_NUMBER};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (type == types[i])
			return true;
	return false;
}

/* Of these only bytes go in: what ioctl(2) does there is up to each file. */
static bool is_kernel_interface(long type)
{
	static const long types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,	   DEBUGFS_MAGIC,	TRACEFS_MAGIC,
				     SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
				     EFIVARFS_MAGIC,   PSTOREFS_MAGIC,	   CONFIGFS_NUMBER};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (type == types[i])
			return true;
	return false;
}

static int plan_regular(struct isle_standard *s, int number, int flags, const struct stat *st, struct isle_err *err)
{
	int host = s->host[number];
	struct statfs fs;

	if (fstatfs(host, &fs) < 0)
		return isle_err_errno(err, -errno, "cannot look at %s", names[number]);
	if (is_kernel_object((long)fs.f_type))
		return refuse(err, number, "an object of the kernel");
	if (is_input(number, flags) && !is_kernel_interface((long)fs.f_type))
		s->copy[number] = isle_standard_read_only(host);
	if (s->copy[number] < 0)
		return pump(s, number, STANDARD_FILE, flags, st);
	s->start[number] = lseek(host, 0, SEEK_CUR);
	s->given[number] = s->copy[number];
	return 0;
}

static int plan_device(struct isle_standard *s, int number, int flags, const struct stat *st)
{
	struct isle_standard_setup *setup = &s->setup[number];

	if (!S_ISCHR(st->st_mode) || isle_own_dev_find(major(st->st_rdev), minor(st->st_rdev)) < 0)
		return pump(s, number, S_ISCHR(st->st_mode) ? STANDARD_STREAM : STANDARD_FILE, flags, st);
	*setup = (struct isle_standard_setup){.way = ISLE_STANDARD_DEVICE,
					      .major = major(st->st_rdev),
					      .minor = minor(st->st_rdev),
					      .flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK)};
	return 0;
}

static int plan_one(struct isle_standard *s, int number, unsigned slots, struct isle_err *err)
{
	int flags = fcntl(s->host[number], F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(s->host[number], &st) < 0)
		return isle_err_errno(err, -errno, "cannot look at %s", names[number]);
	if (flags & O_PATH)
		return refuse(err, number, "opened with O_PATH");
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return refuse(err, number, "open neither for reading nor for writing");
	if (slots & 1U << number) {
		s->setup[number].way = ISLE_STANDARD_TERMINAL;
		return 0;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return plan_regular(s, number, flags, &st, err);
	case S_IFCHR:
	case S_IFBLK:
		return plan_device(s, number, flags, &st);
	case S_IFIFO:
		return pump(s, number, STANDARD_PIPE, flags, &st);
	case S_IFSOCK:
		return plan_socket(s, number, flags, &st, err);
	case S_IFDIR:
		return refuse(err, number, "a directory");
	default:
		return refuse(err, number, "an object of the kernel");
	}
}

int isle_standard_plan(struct isle_standard *s, const int *host, unsigned slots, struct isle_err *err)
{
	*s = (struct isle_standard){.control = -1};
	for (int i = 0; i < ISLE_STANDARD_COUNT; i++) {
		s->host[i] = host[i];
		s->given[i] = s->copy[i] = -1;
	}
	for (int i = 0; i < ISLE_STANDARD_COUNT; i++) {
		int r = plan_one(s, i, slots, err);

		if (r < 0 && err != NULL && err->code == 0)
			isle_err_errno(err, r, "cannot prepare %s", names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

unsigned isle_standard_fds(const struct isle_standard *s, int fds[ISLE_STANDARD_COUNT])
{
	unsigned count = 0;

	for (int i = 0; i < ISLE_STANDARD_COUNT; i++)
		if (s->setup[i].way == ISLE_STANDARD_GIVEN)
			fds[count++] = s->given[i];
	return count;
}

int isle_standard_start(struct isle_standard *s)
{
	int ends[2];

	for (unsigned i = 0; i < s->channel_count; i++)
		isle_cleanup_fd(&s->channels[i]->given), s->channels[i]->given = -1;
	if (s->channel_count == 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	s->pump = fork();
	if (s->pump == 0)
		standard_pump_main(s->channels, s->channel_count, ends[1]);
	close(ends[1]);
	s->control = ends[0];
	if (s->pump < 0)
		return -errno;
	for (unsigned i = 0; i < s->channel_count; i++)
		isle_cleanup_fd(&s->channels[i]->inner), s->channels[i]->inner = -1;
	return 0;
}

static void say_failure(const struct standard_failure *failure)
{
	struct isle_err err = ISLE_ERR_INIT;
	const char *name = failure->number >= 0 && failure->number < ISLE_STANDARD_COUNT ? names[failure->number] : "";

	isle_err_errno(&err, failure->code,
		       failure->input ? "cannot read %s to its end" : "cannot write to %s: output is lost", name);
	isle_err_print(&err);
}

static void say_unfinished(const char *why)
{
	struct isle_err err = ISLE_ERR_INIT;

	isle_err_text(&err, -EIO, "output of the command may be lost: %s", why);
	isle_err_print(&err);
}

/* False once the pump has closed its end. */
static bool hear_pump(const struct isle_standard *s, bool *lost)
{
	struct standard_failure failure;
	ssize_t n = recv(s->control, &failure, sizeof(failure), MSG_WAITALL);

	if (n < 0 && errno == EINTR)
		return true;
	if (n != (ssize_t)sizeof(failure))
		return false;
	*lost = true;
	say_failure(&failure);
	return true;
}

/* Ctrl-Z while the output is awaited: the shell waits for all of a pipeline to stop. */
static void stop_here(void)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	isle_ignore(raise(SIGTSTP));
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
}

/* True for a signal that ends the wait. */
static bool hear_signal(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	if (info.ssi_signo == SIGTSTP)
		stop_here();
	return info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP ||
	       info.ssi_signo == SIGQUIT;
}

/* Whoever reads the output may be slow, and a user who has waited enough must be able to end this. */
static bool await_pump(struct isle_standard *s, int signals)
{
	struct pollfd fds[2] = {{.fd = s->control, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	bool lost = false, given_up = false;
	int status = 0;

	isle_ignore(send(s->control, "", 1, MSG_NOSIGNAL)); /* the end of all writers; a dead pump shows below */
	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (fds[0].revents != 0 && !hear_pump(s, &lost))
			break;
		if (fds[1].revents != 0 && hear_signal(signals)) {
			isle_ignore(kill(s->pump, SIGKILL));
			given_up = true;
			break;
		}
	}
	while (waitpid(s->pump, &status, 0) < 0 && errno == EINTR)
		;
	s->pump = 0;
	if (status != 0 && !lost)
		say_unfinished(given_up ? "isle was told to end before it was read" : "what moved it was killed");
	return lost || status != 0;
}

/* The caller's description of a file goes on where CMD has left its own. */
static void settle_offsets(const struct isle_standard *s)
{
	for (int i = 0; i < ISLE_STANDARD_COUNT; i++) {
		off_t end = s->copy[i] < 0 ? -1 : lseek(s->copy[i], 0, SEEK_CUR);

		if (end >= 0 && end != s->start[i])
			isle_ignore(lseek(s->host[i], end, SEEK_SET) < 0);
	}
}

bool isle_standard_end(struct isle_standard *s, int signals)
{
	settle_offsets(s);
	return s->pump > 0 && await_pump(s, signals);
}

void isle_standard_close(struct isle_standard *s)
{
	isle_cleanup_fd(&s->control); /* the pump ends */
	s->control = -1;
	while (s->pump > 0 && waitpid(s->pump, NULL, 0) < 0 && errno == EINTR)
		;
	s->pump = 0;
	for (unsigned i = 0; i < s->channel_count; i++)
		free_channel(s->channels[i]);
	s->channel_count = 0;
	for (int i = 0; i < ISLE_STANDARD_COUNT; i++) {
		isle_cleanup_fd(&s->copy[i]);
		s->copy[i] = s->given[i] = -1;
	}
}
