/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command and tells how long it took, and how much of that it waited for syncs.
 *
 *   bench-syncs [-r] CMD [ARG...]
 *
 * Prints a line: nanoseconds, nanoseconds in syncs; the same two of processor time; number of syncs, number of renames
 * (-r, else 0), wait status. The command is stopped at these calls only: a filter lets all others pass, also those that
 * a tracer does not know by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TASKS_MAX = 64, CALLS_MAX = 16, SYNC = 1, RENAME = 2 };

struct task {
	pid_t pid; /* 0: free */
	long long since, since_cpu;
};

struct totals {
	long long sync_ns, sync_cpu_ns;
	long syncs, renames;
	struct task tasks[TASKS_MAX]; /* those that are in a sync */
};

static const int sync_calls[] = {SYS_sync, SYS_syncfs, SYS_fsync, SYS_fdatasync, SYS_sync_file_range};
static const int rename_calls[] = {
#ifdef SYS_rename
	SYS_rename,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
	SYS_renameat2,
};

static void die(const char *what)
{
	fprintf(stderr, "bench-syncs: %s: %s\n", what, strerror(errno));
	exit(125);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The processor time of a task that stands still. */
static long long cpu_of(pid_t pid)
{
	char path[64];
	long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%lld", &ns) != 1)
		ns = 0;
	if (file)
		fclose(file);
	return ns;
}

static long long nanoseconds(struct timeval t)
{
	return (t.tv_sec * 1000000LL + t.tv_usec) * 1000;
}

static size_t add_calls(struct sock_filter *code, size_t at, const int *calls, size_t count, unsigned data)
{
	for (size_t i = 0; i < count; i++) {
		code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | data);
	}
	return at;
}

static void filter(int renames)
{
	struct sock_filter code[2 * CALLS_MAX + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	size_t size = add_calls(code, 1, sync_calls, sizeof(sync_calls) / sizeof(*sync_calls), SYNC);

	if (renames)
		size = add_calls(code, size, rename_calls, sizeof(rename_calls) / sizeof(*rename_calls), RENAME);
	code[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = (unsigned short)size, .filter = code};

	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp");
}

static void run(char **argv, int renames)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die("/dev/null");
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		die("ptrace");
	raise(SIGSTOP);
	filter(renames);
	execvp(argv[0], argv);
	die(argv[0]);
}

static struct task *find(struct totals *totals, pid_t pid)
{
	for (size_t i = 0; i < TASKS_MAX; i++)
		if (totals->tasks[i].pid == pid)
			return &totals->tasks[i];
	return NULL;
}

/* The task goes on. */
static void stopped(struct totals *totals, pid_t pid, int status)
{
	unsigned long data = 0;
	struct task *task = find(totals, pid);
	int how = PTRACE_CONT, signal = 0;

	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
		ptrace(PTRACE_GETEVENTMSG, pid, NULL, &data);
		task = find(totals, 0);
		if (data == SYNC && task) {
			*task = (struct task){pid, now(), cpu_of(pid)};
			how = PTRACE_SYSCALL;
		}
		totals->renames += data == RENAME;
	} else if (WSTOPSIG(status) == (SIGTRAP | 0x80) && task) {
		totals->sync_ns += now() - task->since;
		totals->sync_cpu_ns += cpu_of(pid) - task->since_cpu;
		totals->syncs++;
		*task = (struct task){0};
	} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
		signal = WSTOPSIG(status);
	}
	ptrace(how, pid, NULL, signal);
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	struct totals totals = {0};
	int renames = argc > 1 && strcmp(argv[1], "-r") == 0, status = 0, end = 0;

	if (argc < 2 + renames) {
		fprintf(stderr, "usage: bench-syncs [-r] CMD [ARG...]\n");
		return 2;
	}
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0)
		run(argv + 1 + renames, renames);
	if (waitpid(child, &status, 0) < 0 || ptrace(PTRACE_SETOPTIONS, child, NULL, options) < 0)
		die("ptrace");
	long long start = now(), took = 0, cpu = 0;
	struct rusage usage;

	ptrace(PTRACE_CONT, child, NULL, 0);
	for (pid_t pid; (pid = wait4(-1, &status, __WALL, &usage)) > 0;) {
		if (WIFSTOPPED(status)) {
			stopped(&totals, pid, status);
		} else if (pid == child) {
			took = now() - start;
			cpu = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
			end = status;
		}
	}
	printf("%lld %lld %lld %lld %ld %ld %d\n", took, totals.sync_ns, cpu, totals.sync_cpu_ns, totals.syncs,
	       totals.renames, end);
	return fflush(stdout) ? 125 : 0;
}
