/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a process is, its chain of parents tells: that of a leader's descendants leads to the leader, which is a
 * subreaper; that of what a dead leader has left leads to init without passing a live leader. The pid namespace is
 * small; /proc is read whole, again and again. A pass that finds nobody proves nothing, since a process can move on by
 * forking while it is looked for: that nothing is left is known from wait(2), and who is not found in time is left to
 * init, which has kill(-1) (init.c).
 */
#include "leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "io.h"
#include "proc_stat.h"

enum { PROCESSES_MAX = 65536, NAMED_MAX = 16, DEPTH_MAX = 4096, PAUSE_MS = 5, POLITE_MS = 2000, KILL_MS = 1000 };

struct process {
	pid_t pid, parent, group;
	bool dead;
	bool asleep; /* uninterruptibly: it does nothing, and ends when it wakes */
};

struct table {
	struct process *list; /* by pid: that is the order of /proc */
	size_t count;
};

static int table_init(struct table *t)
{
	*t = (struct table){.list = calloc(PROCESSES_MAX, sizeof(struct process))};
	return t->list == NULL ? -ENOMEM : 0;
}

static void table_done(struct table *t)
{
	free(t->list);
}
#define auto_table __attribute__((cleanup(table_done)))

/* A process whose main thread has ended is in state Z while its other threads go on. */
static int read_process(int proc, const char *name, struct process *ret_process)
{
	struct isle_proc_stat stat;
	int r = isle_proc_stat_read(proc, name, &stat);

	if (r < 0)
		return r;
	*ret_process = (struct process){.pid = (pid_t)strtol(name, NULL, 10),
					.parent = stat.parent,
					.group = stat.group,
					.dead = (stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1,
					.asleep = stat.state == 'D'};
	return 0;
}

static void read_table(struct table *t)
{
	DIR *dir = opendir("/proc");

	t->count = 0;
	if (dir == NULL)
		return;
	for (struct dirent *e = readdir(dir); e != NULL && t->count < PROCESSES_MAX; e = readdir(dir)) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    read_process(dirfd(dir), e->d_name, &t->list[t->count]) >= 0)
			t->count++;
	}
	closedir(dir);
}

static int compare_pids(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* 0: unknown, since it has ended or come after the look. */
static pid_t parent_of(const struct table *t, pid_t pid)
{
	const struct process key = {.pid = pid};
	const struct process *found = bsearch(&key, t->list, t->count, sizeof(*t->list), compare_pids);

	return found == NULL ? 0 : found->parent;
}

static bool is_descendant(const struct table *t, pid_t pid)
{
	pid_t self = getpid();

	for (unsigned depth = 0; pid > 1 && depth < DEPTH_MAX; depth++) {
		pid = parent_of(t, pid);
		if (pid == self)
			return true;
	}
	return false;
}

static void name_process(pid_t pid, struct isle_buf *names)
{
	auto_buf struct isle_buf comm = ISLE_BUF_INIT;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (isle_read_file(AT_FDCWD, path, &comm, 256) < 0 || comm.data == NULL)
		return;
	comm.data[strcspn(comm.data, "\n")] = '\0';
	isle_buf_addf(names, "%s (pid %d)\n", comm.data, (int)pid);
}

/* Its process group, too: a group that is forking is reached in one step. No group spans two runs, since each leader
 * has a session of its own; the caller's own group is spared. */
static void kill_process(const struct process *process)
{
	isle_ignore(kill(process->pid, SIGKILL));
	if (process->group > 1 && process->group != getpgrp())
		isle_ignore(kill(-process->group, SIGKILL));
}

/* Returns how many descendants there were. */
static unsigned ask_all(struct table *t, struct isle_buf *names)
{
	unsigned found = 0;

	read_table(t);
	for (size_t i = 0; i < t->count; i++) {
		pid_t pid = t->list[i].pid;

		if (t->list[i].dead || !is_descendant(t, pid))
			continue;
		if (found < NAMED_MAX)
			name_process(pid, names);
		found++;
		isle_ignore(kill(pid, SIGTERM));
		isle_ignore(kill(pid, SIGCONT));
	}
	return found;
}

static void kill_descendants(struct table *t)
{
	read_table(t);
	for (size_t i = 0; i < t->count; i++)
		if (!t->list[i].dead && is_descendant(t, t->list[i].pid))
			kill_process(&t->list[i]);
}

static bool reap_all(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid == 0;
}

/* False when the time is over. */
static bool pause_for(unsigned milliseconds, unsigned *left)
{
	const struct timespec pause = {.tv_nsec = (long)milliseconds * 1000000};

	if (*left < milliseconds)
		return false;
	*left -= milliseconds;
	nanosleep(&pause, NULL);
	return true;
}

unsigned isle_leftover_end(struct isle_buf *names)
{
	auto_table struct table t;
	unsigned polite = POLITE_MS, left = KILL_MS;

	if (table_init(&t) < 0)
		return 0;
	unsigned found = ask_all(&t, names);
	while (found > 0 && reap_all() && pause_for(PAUSE_MS, &polite))
		;
	while (reap_all()) {
		kill_descendants(&t);
		if (!pause_for(1, &left))
			break;
	}
	return found;
}

/* A chain that breaks off is that of a process that is just being handed on; it is looked at again. */
static bool is_orphan(const struct table *t, pid_t pid, bool (*is_live_leader)(pid_t pid, void *data), void *data)
{
	for (unsigned depth = 0; pid > 1 && depth < DEPTH_MAX; depth++) {
		if (is_live_leader(pid, data))
			return false;
		pid = parent_of(t, pid);
	}
	return pid == 1;
}

bool isle_leftover_kill_orphans(bool (*is_live_leader)(pid_t pid, void *data), void *data)
{
	auto_table struct table t;
	bool seen = false, awake = false;

	if (table_init(&t) < 0)
		return true;
	read_table(&t);
	for (size_t i = 0; i < t.count; i++) {
		if (t.list[i].pid <= 1 || t.list[i].dead || !is_orphan(&t, t.list[i].pid, is_live_leader, data))
			continue;
		kill_process(&t.list[i]);
		seen = true;
		awake = awake || !t.list[i].asleep;
	}
	return awake || !seen;
}
