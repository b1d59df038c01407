/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader is a subreaper, so a descendant is a process whose chain of parents leads to the leader. The pid namespace
 * is small; /proc is read whole, again until a pass finds nobody, so a process that forks while it is hunted is found,
 * too.
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

enum { PROCESSES_MAX = 65536, NAMED_MAX = 16 };

struct process {
	pid_t pid, parent;
	bool zombie;
};

struct table {
	struct process *list;
	size_t count;
};

/* "PID (COMM) STATE PPID ...": COMM may hold anything, so the last parenthesis counts. */
static int read_process(int proc, const char *name, struct process *ret_process)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char path[300];
	char state;
	int parent;

	snprintf(path, sizeof(path), "%s/stat", name);
	int r = isle_read_file(proc, path, &text, 8192);
	if (r < 0)
		return r;
	const char *after = text.data == NULL ? NULL : strrchr(text.data, ')');
	if (after == NULL || sscanf(after + 1, " %c %d", &state, &parent) != 2)
		return -EUCLEAN;
	*ret_process = (struct process){(pid_t)strtol(name, NULL, 10), parent, state == 'Z'};
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

static pid_t parent_of(const struct table *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i].pid == pid)
			return t->list[i].parent;
	}
	return 0;
}

static bool is_descendant(const struct table *t, pid_t pid)
{
	pid_t self = getpid();

	for (unsigned depth = 0; pid > 1 && depth < 4096; depth++) {
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

/* Signals every descendant. Returns how many live ones there were. */
static unsigned signal_all(struct table *t, int sig, struct isle_buf *names)
{
	unsigned found = 0;

	read_table(t);
	for (size_t i = 0; i < t->count; i++) {
		pid_t pid = t->list[i].pid;

		if (t->list[i].zombie || !is_descendant(t, pid))
			continue;
		if (names != NULL && found < NAMED_MAX)
			name_process(pid, names);
		found++;
		isle_ignore(kill(pid, sig));
		if (sig == SIGTERM)
			isle_ignore(kill(pid, SIGCONT));
	}
	return found;
}

static bool reap_all(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid == 0;
}

static void kill_all(struct table *t)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (reap_all() && signal_all(t, SIGKILL, NULL) > 0)
		nanosleep(&pause, NULL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

unsigned isle_leftover_end(struct isle_buf *names)
{
	struct table t = {.list = calloc(PROCESSES_MAX, sizeof(struct process))};
	const struct timespec pause = {.tv_nsec = 5000000};
	unsigned found = 0;

	if (t.list == NULL)
		return 0;
	found = signal_all(&t, SIGTERM, names);
	for (unsigned i = 0; found > 0 && i < 400 && reap_all(); i++)
		nanosleep(&pause, NULL);
	kill_all(&t);
	free(t.list);
	return found;
}

void isle_leftover_kill(void)
{
	struct table t = {.list = calloc(PROCESSES_MAX, sizeof(struct process))};

	if (t.list != NULL)
		kill_all(&t);
	free(t.list);
}
