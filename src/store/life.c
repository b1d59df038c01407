/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. A pid namespace's init can be waited for only when every process of the namespace is gone: the kernel kills them
 *    and waits for them first (zap_pid_ns_processes()). So the end of init is the end of all, whatever they did to
 *    stay: a process that is stopped, traced, in uninterruptible sleep or in a namespace further in.
 * 2. Init dies with its keeper (PR_SET_PDEATHSIG). Whoever has the lock kills it once more; that is safe, since a note
 *    under a free lock is of an init whose keeper is dead, and the start time says that it is that init.
 * 3. A process of which it cannot be told whether it is alive counts as alive. A wait that reaches its limit ends in a
 *    refusal.
 */
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "boot.h"
#include "clock.h"
#include "io.h"
#include "kernel.h"
#include "proc_stat.h"
#include "talk.h"

static const char init_name[] = "init";

enum { NOTE_SIZE = 96, LIMIT_MS = 10000, SAY_MS = 2000, PAUSE_MS = 2 };

struct note {
	pid_t pid;
	uint64_t start;	       /* clock ticks since boot, 0: not known */
	uint64_t namespace_id; /* inode of the pid namespace, 0: not known */
};

enum state { GONE, ALIVE, ELSEWHERE };

/* 0 when it cannot be read. */
static uint64_t start_time_in(int proc, const char *prefix, pid_t pid)
{
	struct isle_proc_stat stat;
	char path[32];

	snprintf(path, sizeof(path), "%s%d", prefix, (int)pid);
	return isle_proc_stat_read(proc, path, &stat) < 0 ? 0 : stat.start;
}

static uint64_t start_time(pid_t pid)
{
	return start_time_in(AT_FDCWD, "/proc/", pid);
}

static uint64_t pid_namespace(void)
{
	char text[64];
	uint64_t id = 0;
	ssize_t n = readlink("/proc/self/ns/pid", text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return sscanf(text, "pid:[%" SCNu64 "]", &id) == 1 ? id : 0;
}

static void describe(pid_t pid, char text[NOTE_SIZE])
{
	snprintf(text, NOTE_SIZE, "%d %" PRIu64 " %" PRIu64, (int)pid, start_time(pid), pid_namespace());
}

static bool parse(const char *text, struct note *ret_note)
{
	int pid = 0;
	struct note note = {0};

	if (sscanf(text, "%d %" SCNu64 " %" SCNu64, &pid, &note.start, &note.namespace_id) < 1 || pid <= 0)
		return false;
	note.pid = (pid_t)pid;
	*ret_note = note;
	return true;
}

static bool read_init(const struct isle *isle, struct note *ret_note)
{
	char text[NOTE_SIZE];
	ssize_t n = readlinkat(isle->dir, init_name, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse(text, ret_note);
}

static bool read_keeper(int lock, struct note *ret_note)
{
	char text[NOTE_SIZE];
	ssize_t n = pread(lock, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse(text, ret_note);
}

/* *ret_process: a pidfd when it is alive. */
static enum state look_for(const struct note *note, int *ret_process)
{
	uint64_t here = pid_namespace();

	if (note->namespace_id != 0 && here != 0 && note->namespace_id != here)
		return ELSEWHERE;
	auto_fd int process = isle_pidfd_open(note->pid);
	if (process == -ESRCH)
		return GONE;
	if (process < 0)
		return ELSEWHERE;
	/* The pidfd came first: the number belonged to this process all along, or the time would be another. */
	uint64_t start = start_time(note->pid);
	if (note->start != 0 && start != 0 && note->start != start)
		return GONE;
	if (isle_pidfd_send_signal(process, 0) == -EPERM)
		return GONE; /* another user's, so the number has been given away */
	*ret_process = fd_take(&process);
	return ALIVE;
}

int isle_life_note_keeper(int lock)
{
	char text[NOTE_SIZE];
	char line[NOTE_SIZE + 1];

	describe(getpid(), text);
	int size = snprintf(line, sizeof(line), "%-*s\n", NOTE_SIZE - 2, text); /* of one length: it is overwritten */
	return pwrite(lock, line, (size_t)size, 0) == size ? 0 : -EIO;
}

int isle_life_look_at_proc(struct isle_life_proc *ret_proc)
{
	*ret_proc = (struct isle_life_proc){open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), pid_namespace()};
	return ret_proc->dir < 0 ? -errno : 0;
}

int isle_life_note_init(const struct isle *isle, const struct isle_life_proc *proc, pid_t pid)
{
	char text[NOTE_SIZE];

	snprintf(text, NOTE_SIZE, "%d %" PRIu64 " %" PRIu64, (int)pid, start_time_in(proc->dir, "", pid),
		 proc->namespace_id);
	if (unlinkat(isle->dir, init_name, 0) < 0 && errno != ENOENT)
		return -errno;
	return symlinkat(text, isle->dir, init_name) < 0 ? -errno : 0;
}

void isle_life_forget_init(const struct isle *isle)
{
	isle_ignore(unlinkat(isle->dir, init_name, 0));
}

pid_t isle_life_init(const struct isle *isle)
{
	struct note note;

	return read_init(isle, &note) ? note.pid : 0;
}

/* A description of its own: a lock belongs to that. */
static int open_to_lock(const struct isle *isle)
{
	return openat(isle->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int isle_life_hold(const struct isle *isle)
{
	auto_fd int fd = open_to_lock(isle);

	int64_t end = isle_monotonic_ms() + LIMIT_MS;

	while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (isle_monotonic_ms() >= end)
			return -EAGAIN;
		usleep(PAUSE_MS * 1000);
	}
	return fd < 0 ? -errno : fd_take(&fd);
}

void isle_life_wake_keeper(const struct isle *isle)
{
	auto_fd int lock = openat(isle->dir, "live", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_fd int process = -1;
	struct note note;

	if (lock >= 0 && read_keeper(lock, &note) && note.start != 0 && look_for(&note, &process) == ALIVE)
		isle_ignore(isle_pidfd_send_signal(process, SIGCONT));
}

/* --- waiting --- */

struct wait {
	const struct isle *isle;
	unsigned flags;
	int64_t began; /* milliseconds */
	bool said;
	struct isle_err *err;
};

/* Between two looks. -EAGAIN when it is to end. */
static int go_on(struct wait *w, const char *what, pid_t pid)
{
	int64_t waited = isle_monotonic_ms() - w->began;
	bool forever = (w->flags & ISLE_LOCK_WAIT) != 0;
	char number[32] = "";

	if (pid > 0)
		snprintf(number, sizeof(number), " (pid %d)", (int)pid);
	if (waited >= SAY_MS && forever && !w->said) {
		isle_note("waiting for isle '%s': %s%s has not ended yet", w->isle->name, what, number);
		w->said = true;
	}
	if (waited < LIMIT_MS || forever)
		return 0;
	isle_err_text(w->err, -EAGAIN, "isle '%s' is in use: %s%s has not ended yet", w->isle->name, what, number);
	isle_err_hint(w->err, "wait until it has ended, or end it");
	return -EAGAIN;
}

static int refuse_elsewhere(const struct wait *w, const struct note *note)
{
	isle_err_text(w->err, -EAGAIN,
		      "isle '%s' may be in use: its last run was in another pid namespace and did not end by itself "
		      "(pid %d there)",
		      w->isle->name, (int)note->pid);
	isle_err_hint(w->err,
		      "make sure that the container it ran in has ended, and remove the link 'init' in isles/%s",
		      w->isle->id);
	return -EAGAIN;
}

static int await_end(struct wait *w, int process, const char *what, pid_t pid)
{
	for (;;) {
		struct pollfd end = {.fd = process, .events = POLLIN};

		if (poll(&end, 1, 100) > 0)
			return 0;
		int r = go_on(w, what, pid);
		if (r < 0)
			return r;
	}
}

/* Everything inside. */
static int await_init(struct wait *w)
{
	auto_fd int process = -1;
	struct note note;

	if (!read_init(w->isle, &note))
		return 0;
	enum state state = isle_boot_is_this(w->isle) ? look_for(&note, &process) : GONE;
	if (state == ELSEWHERE)
		return refuse_elsewhere(w, &note);
	if (state == ALIVE) {
		if (note.start != 0)
			isle_ignore(isle_pidfd_send_signal(process, SIGKILL));
		int r = await_end(w, process, "what runs in it", note.pid);
		if (r < 0)
			return r;
	}
	isle_life_forget_init(w->isle);
	return 0;
}

/* The supervisors, and what writes for them. */
static int await_supervisors(struct wait *w)
{
	auto_fd int fd = open_to_lock(w->isle);

	if (fd < 0)
		return isle_err_errno(w->err, -errno, "cannot lock isle '%s'", w->isle->name);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return isle_err_errno(w->err, -errno, "cannot lock isle '%s'", w->isle->name);
		int r = go_on(w, "an 'isle run' in it", 0);
		if (r < 0)
			return r;
		usleep(PAUSE_MS * 1000);
	}
	return 0;
}

int isle_life_await_last(const struct isle *isle, unsigned flags, struct isle_err *err)
{
	struct wait w = {.isle = isle, .flags = flags, .began = isle_monotonic_ms(), .err = err};
	int r = await_init(&w);

	return r < 0 ? r : await_supervisors(&w);
}

int isle_life_await_keeper(const struct isle *isle, int lock, struct isle_err *err)
{
	struct wait w = {.isle = isle, .began = isle_monotonic_ms(), .err = err};
	auto_fd int process = -1;
	struct note note;

	if (!read_keeper(lock, &note) || look_for(&note, &process) != ALIVE || !isle_boot_is_this(isle))
		return 0;
	if (note.start != 0)
		isle_ignore(isle_pidfd_send_signal(process, SIGCONT));
	return await_end(&w, process, "the keeper of its last run", note.pid);
}
