/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times whole processes as a shell sees them: posix_spawn to the return of wait4, to about 10 microseconds.
 *
 *   timeit [-n ROUNDS] [-w WARMUP] [-s MICROSECONDS] [-b COMMAND] [-v] -- [VAR=VALUE...] CMD [ARG...] [::: ...]...
 *
 *   -n  rounds that count (1)          -w  rounds before them that do not (0)
 *   -s  pause before each sample, so that what the kernel still tears down of the last one is not measured (0)
 *   -b  run by the shell before each sample, not measured
 *   -v  the commands keep stdout and stderr (else /dev/null)
 *
 * The commands take turns: each round runs each of them once, starting with another one each time, so that a slow
 * second of the machine and what one command leaves to the next hits all of them alike. One line comes out
 * for each sample: number of the command, nanoseconds, user and system microseconds of the process and what it waited
 * for, wait status, peak of resident memory in KiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMMANDS_MAX = 32 };

struct sample {
	int command, status;
	long long ns, user_us, system_us, peak_kb;
};

struct setup {
	char **command[COMMANDS_MAX];
	int count, rounds, warmup;
	useconds_t pause;
	const char *before;
	posix_spawn_file_actions_t *actions;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "timeit: %s: %s\n", what, strerror(error));
	exit(125);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static struct sample measure(char **argv, posix_spawn_file_actions_t *actions)
{
	struct sample s = {0};
	struct rusage usage;
	pid_t pid;

	for (; strchr(argv[0], '=') && argv[1]; argv++)
		putenv(argv[0]);

	long long start = now();
	int error = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);

	if (error)
		die(argv[0], error);
	while (wait4(pid, &s.status, 0, &usage) < 0)
		if (errno != EINTR)
			die("wait4", errno);
	s.ns = now() - start;
	s.user_us = microseconds(usage.ru_utime);
	s.system_us = microseconds(usage.ru_stime);
	s.peak_kb = usage.ru_maxrss;
	return s;
}

static struct sample *run_all(const struct setup *setup)
{
	struct sample *samples = calloc((size_t)setup->rounds * (size_t)setup->count, sizeof *samples), *next = samples;
	char *shell[] = {"/bin/sh", "-c", (char *)setup->before, NULL};

	if (!samples)
		die("calloc", ENOMEM);
	for (int round = -setup->warmup; round < setup->rounds; round++) {
		for (int i = 0; i < setup->count; i++) {
			int command = (i + round + setup->warmup) % setup->count;

			if (setup->before)
				measure(shell, setup->actions);
			if (setup->pause)
				usleep(setup->pause);
			struct sample s = measure(setup->command[command], setup->actions);
			s.command = command;
			if (round >= 0)
				*next++ = s;
		}
	}
	return samples;
}

static void split_commands(struct setup *setup, char **arguments)
{
	char **start = arguments;

	for (char **a = arguments;; a++) {
		if (*a && strcmp(*a, ":::") != 0)
			continue;
		if (a == start || setup->count == COMMANDS_MAX)
			die("commands", EINVAL);
		setup->command[setup->count++] = start;
		if (!*a)
			return;
		*a = NULL;
		start = a + 1;
	}
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	struct setup setup = {.rounds = 1, .actions = &quiet};
	int option;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&quiet, 1, 2);
	while ((option = getopt(argc, argv, "+n:w:s:b:v")) != -1) {
		switch (option) {
		case 'n':
			setup.rounds = (int)strtol(optarg, NULL, 10);
			break;
		case 'w':
			setup.warmup = (int)strtol(optarg, NULL, 10);
			break;
		case 's':
			setup.pause = (useconds_t)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			setup.before = optarg;
			break;
		case 'v':
			setup.actions = NULL;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc || setup.rounds < 1)
		die("usage: timeit [-n ROUNDS] [-w WARMUP] [-s US] [-b COMMAND] [-v] -- CMD... [::: CMD...]...",
		    EINVAL);
	split_commands(&setup, argv + optind);

	struct sample *samples = run_all(&setup);

	for (int i = 0; i < setup.rounds * setup.count; i++) {
		struct sample s = samples[i];

		printf("%d %lld %lld %lld %d %lld\n", s.command, s.ns, s.user_us, s.system_us, s.status, s.peak_kb);
	}
	free(samples);
	return fflush(stdout) ? 125 : 0;
}
