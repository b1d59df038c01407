/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random system calls, with arguments that are likely to mean something: real descriptors, paths of the view, of /proc,
 * /sys and /dev, processes of the isle, flags of many kinds. Every call of the headers is made but those that end or
 * stop the caller itself and nothing else.
 *
 * Many short-lived children, each with a seed of its own (SEED + its number), so that one of them can be played again:
 * what it does depends on that alone, and on what the others have left. Nothing is looked at here; whether the host is
 * as before is seen on the host.
 */
#include "escape.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_EACH = 300, CHILD_MS = 400, PATHS_MAX = 4096, MEMORY = 1 << 16 };

static uint64_t state;
static char *paths[PATHS_MAX];
static size_t path_count;
static unsigned char *memory;

/* xorshift64* */
static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t limit)
{
	return draw() % limit;
}

/* They end, stop or replace the caller, or wait for ever. */
static int is_pointless(const char *name)
{
	static const char *const names[] = {"exit",	     "exit_group", "pause",	      "rt_sigreturn",
					    "rt_sigsuspend", "vfork",	   "rt_sigtimedwait", "restart_syscall",
					    "sigreturn"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return 1;
	return 0;
}

static void add_path(const char *path)
{
	if (path_count < PATHS_MAX)
		paths[path_count++] = strdup(path);
}

static void add_directory(const char *path, unsigned depth)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	unsigned taken = 0;

	while (directory && (entry = readdir(directory)) && taken < 120) {
		char child[600];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		add_path(child);
		taken++;
		if (depth > 0 && entry->d_type == DT_DIR)
			add_directory(child, depth - 1);
	}
	if (directory)
		closedir(directory);
}

static void find_paths(void)
{
	static const char *const some[] = {"/",
					   ".",
					   "..",
					   "/etc/passwd",
					   "/etc/shadow",
					   "/tmp/fuzz",
					   "/bin/sh",
					   "/dev/ptmx",
					   "/run",
					   "/var/tmp",
					   "/root",
					   "fuzz-a",
					   "fuzz-b",
					   "fuzz-c/d",
					   "",
					   "/proc/1/root",
					   "/proc/self/exe",
					   "/proc/1/ns/net",
					   "/proc/1/ns/user",
					   "/proc/1/ns/mnt",
					   "/proc/self/fd/0",
					   "/proc/self/fd/1",
					   "/proc/self/fd/2"};

	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		add_path(some[i]);
	if (host("ESCAPE_DIR"))
		add_directory(host("ESCAPE_DIR"), 1);
	add_directory("/dev", 1);
	add_directory("/proc/self", 0);
	add_directory("/proc/1", 0);
	add_directory("/proc/sys/kernel", 0);
	add_directory("/proc/sys/net/ipv4", 0);
	add_directory("/proc/sys/fs", 0);
	add_directory("/proc/self/fd", 0);
	add_directory("/proc/bus", 2);
	add_directory("/proc/fs", 2);
	add_directory("/sys/kernel", 1);
	add_directory("/sys/module", 1);
	add_directory("/sys/block", 1);
	add_directory("/sys/class", 1);
	add_directory("/sys/fs/cgroup", 0);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	while (proc && (entry = readdir(proc))) {
		char path[300];

		snprintf(path, sizeof(path), "/proc/%s", entry->d_name);
		add_path(path);
	}
	if (proc)
		closedir(proc);
}

static int socket_of(int family, int type)
{
	return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A few of each kind, beside 0 to 2. */
static void open_things(void)
{
	static const int families[][2] = {{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM}, {AF_NETLINK, SOCK_RAW},
					  {AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM}, {AF_INET6, SOCK_DGRAM}};
	int pair[2];

	for (unsigned i = 0; i < 8; i++) {
		int flags = below(3) == 0 ? O_PATH : below(2) ? O_RDONLY : O_RDWR;

		(void)!open(paths[below(path_count)], flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
	(void)!epoll_create1(EPOLL_CLOEXEC);
	(void)eventfd(0, EFD_NONBLOCK);
	(void)timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	(void)memfd_create("fuzz", MFD_ALLOW_SEALING);
	(void)syscall(SYS_pidfd_open, 1, 0);
	(void)syscall(SYS_pidfd_open, getpid(), 0);
	(void)!posix_openpt(O_RDWR | O_NOCTTY);
	size_t kind = below(ARRAY_SIZE(families));
	(void)socket_of(families[kind][0], families[kind][1]);
}

static long some_process(void)
{
	switch (below(6)) {
	case 0:
		return 1;
	case 1:
		return getsid(0);
	case 2:
		return getpid();
	case 3:
		return 0;
	case 4:
		return (long)below(40);
	default:
		return (long)below(70000);
	}
}

static long some_flags(void)
{
	long flags = 1L << below(32);

	if (below(2))
		flags |= 1L << below(20);
	if (below(4) == 0)
		flags |= 1L << below(12);
	return flags;
}

/* Memory that holds a path, small numbers or noise; what lies there is left over from call to call. */
static long some_memory(void)
{
	unsigned char *at = memory + below(MEMORY - 4096) / 8 * 8;

	switch (below(5)) {
	case 0:
		memset(at, 0, 256);
		break;
	case 1:
		for (unsigned i = 0; i < 256; i++)
			at[i] = (unsigned char)draw();
		break;
	case 2:
		for (unsigned i = 0; i < 16; i++)
			((uint32_t *)(void *)at)[i] = (uint32_t)below(20);
		break;
	case 3:
		for (unsigned i = 0; i < 8; i++)
			((uint64_t *)(void *)at)[i] = (uint64_t)(uintptr_t)(memory + below(MEMORY));
		break;
	default:
		break;
	}
	return (long)(uintptr_t)at;
}

static long some_argument(unsigned position)
{
	switch (below(position == 0 ? 6 : 10)) {
	case 0:
	case 1:
		return (long)below(24); /* a descriptor, a small number */
	case 2:
	case 3:
		return (long)(uintptr_t)paths[below(path_count)];
	case 4:
		return some_process();
	case 5:
		return below(2) ? -100 /* AT_FDCWD */ : (long)below(3);
	case 6:
	case 7:
		return some_memory();
	case 8:
		return some_flags();
	default:
		return below(3) ? (long)below(4096) : (long)draw();
	}
}

/* Only to the isle's own: a random number could be everybody (-1) or a group, which would end the fuzzer. */
static void restrict_target(const char *name, long *a)
{
	static const char *const senders[] = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"};

	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		if (strcmp(senders[i], name) != 0)
			continue;
		a[0] = below(2) ? 1 : below(2) ? getsid(0) : getpid();
		/* A leader that ends or stands still ends the run; life-cycle tests show that nothing is left then. */
		if (a[0] == getsid(0)) {
			a[1] = strstr(name, "tg") ? a[0] : SIGURG;
			a[2] = strstr(name, "tg") ? SIGURG : a[2];
		}
	}
	if (strcmp(name, "clone") == 0)
		a[0] = (long)(0x7e020000UL & (unsigned long)some_flags()) | SIGCHLD;
	if (strcmp(name, "prlimit64") == 0 && a[0] == 0)
		a[0] = 1;
	if (strcmp(name, "nanosleep") == 0 || strcmp(name, "clock_nanosleep") == 0)
		a[0] = a[1] = a[2] = 0;
}

static void wake(int number)
{
	(void)number;
}

/* A signal every few milliseconds ends the calls that wait. */
static void wake_often(void)
{
	struct sigaction action = {.sa_handler = wake};
	struct itimerval often = {{0, 3000}, {0, 3000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void make_calls(unsigned long seed)
{
	struct rlimit files = {256, 256}, size = {1 << 24, 1 << 24};

	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_FSIZE, &size);
	for (int number = 1; number < 32; number++)
		if (number != SIGKILL && number != SIGSTOP && number != SIGSEGV && number != SIGALRM)
			signal(number, SIG_IGN);
	open_things();
	wake_often();
	for (unsigned i = 0; i < CALLS_EACH; i++) {
		const struct call_name *call = &call_names[below(call_count)];
		long a[6];

		for (unsigned k = 0; k < 6; k++)
			a[k] = some_argument(k);
		if (is_pointless(call->name))
			continue;
		restrict_target(call->name, a);
		pid_t self = getpid();
		(void)syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (getpid() != self)
			_exit(0); /* a child of ours */
	}
	_exit(0);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Children and what they have started: all have the runner as their subreaper. */
static void end_children(void)
{
	for (unsigned i = 0; i < 50 && waitpid(-1, NULL, WNOHANG) >= 0; i++) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while (proc && (entry = readdir(proc))) {
			char path[300], text[256] = "";
			const char *after;
			int parent = 0;

			snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
			int fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC)
										    : -1;
			if (fd < 0)
				continue;
			if (read(fd, text, sizeof(text) - 1) > 0 && (after = strrchr(text, ')')) &&
			    sscanf(after, ") %*c %d", &parent) == 1 && parent == getpid())
				kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
			close(fd);
		}
		if (proc)
			closedir(proc);
		usleep(1000);
	}
}

int fuzz(unsigned long seed, unsigned seconds, unsigned long only)
{
	double end = now() + seconds;
	unsigned long number = only ? only : 1;

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	find_paths();
	fprintf(stderr, "fuzz: seed %lu, %zu calls, %zu paths\n", seed, call_count, path_count);
	for (; now() < end; number++) {
		double limit = now() + CHILD_MS / 1000.0;
		pid_t pid = fork();

		if (pid == 0)
			make_calls(seed + number);
		while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && now() < limit)
			usleep(500);
		end_children();
		if (only)
			break;
	}
	fprintf(stderr, "fuzz: %lu children, the last was %lu\n", number - (only ? only : 1) + (only != 0),
		number - !only);
	return 0;
}
