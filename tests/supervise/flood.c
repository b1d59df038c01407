/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that make it hard for a supervisor; tests/supervise/robust.sh. Each ends with 0 when all went as natively.
 *
 *   deliver N     reads f0 ... fN-1 and says so after each
 *   forks N       N processes, one after the other, that each look for a name
 *   crowd N       N processes at once that each open two files
 *   threads N     N threads that each open a file
 *   paths N       looks for N names that are not there
 *   full          uses up its descriptors and opens f0 with the last
 *   starve N      fills the disk and reads f0 ... fN-1, the second half with room again; says which it got
 *   race SECONDS  a thread rewrites the path while another opens it: f0 and f1
 *   filters       has filters of its own, wants a listener of its own
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

int main(int argc, char **argv)
{
	int number = argc > 2 ? atoi(argv[2]) : 0;
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "deliver") == 0)
		deliver(number);
	else if (strcmp(what, "forks") == 0)
		forks(number);
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
	else
		return 2;
	return 0;
}
