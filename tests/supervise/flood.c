/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that make it hard for a supervisor; tests/supervise/robust.sh. Each ends with 0 when all went as natively.
 *
 *   deliver N     reads f0 ... fN-1 and says so after each
 *   forks N       N processes, one after the other, that each look for a name
 *   programs N    N programs, one after the other
 *   moves N       renames directory tree, which the host has, to moved and back, N times
 *   crowd N       N processes at once that each open two files
 *   threads N     N threads that each open a file
 *   paths N       looks for N names that are not there
 *   full          uses up its descriptors and opens f0 with the last
 *   starve N      fills the disk and reads f0 ... fN-1, the second half with room again; says which it got
 *   race SECONDS  a thread rewrites the path while another opens it: f0 and f1
 *   filters       has filters of its own, wants a listener of its own
 *   leave         a thread opens f0, f1, ... while the main one is in exit_group(2)
 *   reuse ROUNDS  processes in d0 are killed, and others in d1 get their very numbers at once; this needs a pid
 * namespace with few numbers (kernel.pid_max). Each looks for a name of its own deep N        N levels of directories,
 * each entered from the one before; reads a file below, removes all again
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static void look(const char *name)
{
	char c;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || read(fd, &c, 1) != 1)
		die(name);
	close(fd);
}

static void deliver(int count)
{
	for (int i = 0; i < count; i++) {
		char line[32];
		int length = snprintf(line, sizeof(line), "f%d", i);

		look(line);
		line[length++] = '\n';
		if (write(1, line, (size_t)length) != length)
			die("write");
	}
}

static void forks(int count)
{
	for (int i = 0; i < count; i++) {
		int status;
		char name[32];

		snprintf(name, sizeof(name), "none-%d", i);
		pid_t pid = vfork();

		if (pid == 0) {
			close(open(name, O_RDONLY));
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			die("fork");
	}
}

static void programs(int count)
{
	for (int i = 0; i < count; i++) {
		int status;
		char number[16];
		char *argv[] = {"/proc/self/exe", "nothing", number, NULL};

		snprintf(number, sizeof(number), "%d", i);
		pid_t pid = i % 2 == 0 ? vfork() : fork();

		if (pid == 0) {
			execve(argv[0], argv, NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			die("program");
	}
}

static void moves(int count)
{
	for (int i = 0; i < count; i++)
		if (rename("tree", "moved") < 0 || rename("moved", "tree") < 0)
			die("moves");
}

static void crowd(int count)
{
	int ends[2], status;
	char name[32];

	if (pipe(ends) < 0)
		die("pipe");
	for (int i = 0; i < count; i++) {
		char c;
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid > 0)
			continue;
		close(ends[1]);
		snprintf(name, sizeof(name), "f%d", i);
		look(name);
		if (read(ends[0], &c, 1) != 0)
			_exit(1);
		snprintf(name, sizeof(name), "f%d", 1000 + i);
		look(name);
		_exit(0);
	}
	sleep(1);
	look("f2000");
	close(ends[1]);
	for (int i = 0; i < count; i++)
		if (wait(&status) < 0 || status != 0)
			die("crowd");
}

static void *look_in_thread(void *number)
{
	char name[32];

	snprintf(name, sizeof(name), "f%d", (int)(intptr_t)number % 1000);
	for (int i = 0; i < 10; i++)
		look(name);
	return NULL;
}

static void threads(int count)
{
	pthread_t *list = calloc((size_t)count, sizeof(*list));
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (int i = 0; i < count; i++)
		if (pthread_create(&list[i], &small, look_in_thread, (void *)(intptr_t)i) != 0)
			die("thread");
	for (int i = 0; i < count; i++)
		pthread_join(list[i], NULL);
	free(list);
}

static void paths(int count)
{
	char name[64];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "none-%d", i);
		if (open(name, O_RDONLY) >= 0 || errno != ENOENT)
			die(name);
	}
}

static void full(void)
{
	const struct rlimit few = {64, 64};
	int last = -1;

	setrlimit(RLIMIT_NOFILE, &few);
	for (int fd; (fd = dup(0)) >= 0;)
		last = fd;
	if (open("f0", O_RDONLY) >= 0 || errno != EMFILE)
		die("EMFILE");
	close(last);
	look("f0");
}

static void starve(int count)
{
	static char block[1 << 16];
	int refused = 0;
	int fd = open("filler", O_RDWR | O_CREAT, 0600);

	for (size_t size = sizeof(block); size > 0; size /= 2)
		while (write(fd, block, size) > 0)
			;
	if (errno != ENOSPC)
		die("filler");
	for (int i = 0; i < count; i++) {
		char line[32];
		int length = snprintf(line, sizeof(line), "f%d", i);

		if (i == count / 2 && ftruncate(fd, 0) < 0)
			die("ftruncate");
		int got = open(line, O_RDONLY);
		if (got < 0 && errno != ENOSPC)
			die(line);
		refused += got < 0;
		close(got);
		line[length++] = '\n';
		if (got >= 0 && write(1, line, (size_t)length) != length)
			die("write");
	}
	fprintf(stderr, "%d refused\n", refused);
	if (refused == 0)
		_exit(3);
}

static volatile char path[4] = "f0";
static volatile int stop;

static void *rewrite(void *unused)
{
	for (unsigned i = 0; !stop; i++)
		path[1] = (char)('0' + i % 2);
	return unused;
}

static void race(int seconds)
{
	pthread_t thread;
	time_t end = time(NULL) + seconds;

	pthread_create(&thread, NULL, rewrite, NULL);
	while (time(NULL) < end)
		for (int i = 0; i < 100; i++)
			look((const char *)path);
	stop = 1;
	pthread_join(thread, NULL);
}

static void filters(void)
{
	/* getppid(2) fails with EMLINK, all else is allowed. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMLINK),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		die("seccomp");
	errno = 0;
	if (syscall(SYS_getppid) >= 0 || errno != EMLINK)
		die("getppid");
	look("f3");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) >= 0 ||
	    errno != EBUSY)
		die("listener");
	look("f4");
}

static void *open_on(void *unused)
{
	char name[32];

	for (int i = 0;; i = (i + 1) % 3000) {
		snprintf(name, sizeof(name), "f%d", i);
		close(open(name, O_RDONLY));
	}
	return unused;
}

static void leave(void)
{
	pthread_t thread;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, open_on, NULL);
	usleep(20000);
	_exit(7);
}

enum { GROUP = 200, NUMBERS_MAX = 4096 };

static void ask(char what)
{
	if (write(1, &what, 1) != 1 || read(0, &what, 1) != 1)
		die("ask");
}

/* GROUP processes that look for PREFIX-ROUND-0, ... and wait to be killed; their numbers go to pids. With `stopped`
 * they do so once the supervisor runs again. */
static void start_group(const char *prefix, int round, int stopped, pid_t *pids)
{
	char name[64];
	int ready[2];
	char c;

	if (pipe(ready) < 0)
		die("pipe");
	for (int i = 0; i < GROUP; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] > 0)
			continue;
		snprintf(name, sizeof(name), "%s-%d-%d", prefix, round, i);
		if (open(name, O_RDONLY) >= 0)
			_exit(1);
		write(ready[1], "x", 1);
		pause();
	}
	close(ready[1]);
	if (stopped)
		ask('c');
	for (int i = 0; i < GROUP; i++)
		if (read(ready[0], &c, 1) != 1)
			die("group");
	close(ready[0]);
}

static void kill_group(const pid_t *pids)
{
	for (int i = 0; i < GROUP; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < GROUP; i++)
		if (waitpid(pids[i], NULL, 0) != pids[i])
			die("waitpid");
}

/* Takes all the numbers there are, and gives GROUP of them back. */
static void fill(void)
{
	static pid_t taken[NUMBERS_MAX];
	int count = 0;

	while (count < NUMBERS_MAX) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0)
			break;
		taken[count++] = pid;
	}
	if (count <= GROUP || count == NUMBERS_MAX)
		die("fill");
	kill_group(taken + count - GROUP);
}

/* The one half is told by the other when to begin. */
static void other_half(int begin, int end, int rounds)
{
	pid_t pids[GROUP];
	char c;

	if (chdir("d1") < 0)
		die("d1");
	for (int round = 0; round < rounds; round++) {
		if (read(begin, &c, 1) != 1)
			_exit(1);
		start_group("b", round, 1, pids);
		kill_group(pids);
		write(end, &c, 1);
	}
	_exit(0);
}

/* The numbers are the same in the pid namespace of the supervisor only: the isle's own has more of them. Who reads
 * standard output stops the supervisor at "s" and lets it go on at "c". */
static void reuse(int rounds)
{
	pid_t pids[GROUP];
	int begin[2], end[2];
	char c;

	if (pipe(begin) < 0 || pipe(end) < 0)
		die("pipe");
	if (fork() == 0)
		other_half(begin[0], end[1], rounds);
	if (chdir("d0") < 0)
		die("d0");
	fill();
	for (int round = 0; round < rounds; round++) {
		start_group("a", round, 0, pids);
		ask('s');
		kill_group(pids);
		write(begin[1], "x", 1);
		if (read(end[0], &c, 1) != 1)
			die("other half");
	}
	kill(0, SIGKILL);
}

enum { JUMP = 64 };

/* Longer than any path: made a few levels at a time, each from where the ones before have led. */
static void deep(int levels)
{
	static char down[JUMP * 6 + 1];
	int fd;

	for (int i = 0; i < levels; i += JUMP) {
		for (int k = 0; k < JUMP; k++) {
			memcpy(down + (size_t)k * 6, "level/", 7);
			if (mkdir(down, 0700) < 0)
				die("deep");
		}
		if (chdir(down) < 0)
			die("down");
	}
	fd = open("file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1)
		die("file");
	close(fd);
	look("./file");
	look("../level/file");
	if (open("none", O_RDONLY) >= 0 || errno != ENOENT || rename("file", "other") < 0 || unlink("other") < 0 ||
	    chdir("../..") < 0 || rmdir("level/level") < 0)
		die("deep names");
}

int main(int argc, char **argv)
{
	int number = argc > 2 ? atoi(argv[2]) : 0;
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "deliver") == 0)
		deliver(number);
	else if (strcmp(what, "forks") == 0)
		forks(number);
	else if (strcmp(what, "programs") == 0)
		programs(number);
	else if (strcmp(what, "moves") == 0)
		moves(number);
	else if (strcmp(what, "nothing") == 0)
		return 0;
	else if (strcmp(what, "crowd") == 0)
		crowd(number);
	else if (strcmp(what, "threads") == 0)
		threads(number);
	else if (strcmp(what, "paths") == 0)
		paths(number);
	else if (strcmp(what, "full") == 0)
		full();
	else if (strcmp(what, "starve") == 0)
		starve(number);
	else if (strcmp(what, "race") == 0)
		race(number);
	else if (strcmp(what, "filters") == 0)
		filters();
	else if (strcmp(what, "leave") == 0)
		leave();
	else if (strcmp(what, "reuse") == 0)
		reuse(number);
	else if (strcmp(what, "deep") == 0)
		deep(number);
	else
		return 2;
	return 0;
}
