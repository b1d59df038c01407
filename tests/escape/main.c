/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   escape [-j N] [-o FD] ROWS                  the attempts in this file; results to FD, 2 if not said
 *   escape --fuzz SEED SECONDS [CHILD]          random calls (fuzz.c)
 *   escape --handle FILE                        (on the host) prints the handle of FILE for ESCAPE_HANDLE
 *
 * A line of ROWS is NAME, what is expected and the steps, separated by tabs. For each a line goes out: OK, ESCAPED or
 * UNTRIED, the name, what was seen. Exit status 0 when all lines were read; the reader judges.
 */
#include "escape.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 32, LIMIT_S = 20 };

/* What a child tells the runner, in memory that both have. */
struct slot {
	pid_t pid;
	char name[128];
	char seen[256];
	enum outcome outcome;
	int killed_is_fine;
};

static struct slot *slots, *mine;
static int report = 2;

void tell(const char *format, ...)
{
	va_list args;
	size_t used = mine ? strlen(mine->seen) : 0;

	va_start(args, format);
	if (!mine) {
		vprintf(format, args);
		printf("\n");
	} else if (used + 3 < sizeof(mine->seen)) {
		if (used)
			used += (size_t)snprintf(mine->seen + used, sizeof(mine->seen) - used, "; ");
		vsnprintf(mine->seen + used, sizeof(mine->seen) - used, format, args);
	}
	va_end(args);
}

int refused(long result, int error, int other)
{
	int code = errno;

	if (result < 0 && (code == error || (other && code == other)))
		return REFUSED;
	if (result < 0)
		tell("%s", error_name(code));
	return ESCAPED;
}

const char *host(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

int scratch(char *path, size_t size)
{
	if (!host("ESCAPE_DIR"))
		return -1;
	snprintf(path, size, "%s/escape-XXXXXX", host("ESCAPE_DIR"));
	return mkstemp(path);
}

/* These say that a row is wrong rather than that it was refused, unless it names them. */
static int is_mistake(int error)
{
	return error == EFAULT || error == EBADF || error == EINVAL || error == ENOTSOCK;
}

/* `expected` is a list: names of errors, "refused" for any, "own" for success that concerns the isle alone. */
static enum outcome judge(char *expected, long result)
{
	char *word;

	if (result == STEPS_UNTRIED)
		return UNTRIED;
	tell("%s", result < 0 ? error_name((int)-result) : "done");
	while ((word = strsep(&expected, ","))) {
		if (result >= 0 && strcmp(word, "own") == 0)
			return REFUSED;
		if (result < 0 &&
		    (error_number(word) == -result || (strcmp(word, "refused") == 0 && !is_mistake((int)-result))))
			return REFUSED;
	}
	return result < 0 && is_mistake((int)-result) ? UNTRIED : ESCAPED;
}

static void child(char *expected, char *steps)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	alarm(LIMIT_S);
	enum outcome outcome = judge(expected, run_steps(steps));

	_exit(outcome);
}

static void report_slot(struct slot *s, int status)
{
	static const char *const words[] = {"OK", "ESCAPED", "UNTRIED", "ABSENT"};
	enum outcome outcome = WIFEXITED(status) ? (enum outcome)WEXITSTATUS(status) : UNTRIED;

	if (WIFSIGNALED(status)) {
		snprintf(s->seen, sizeof(s->seen), "killed by signal %d", WTERMSIG(status));
		/* an i386 call on a kernel without that table: SIGSEGV */
		if (WTERMSIG(status) == SIGSYS || s->killed_is_fine)
			outcome = REFUSED;
	}
	if (outcome < REFUSED || outcome > ABSENT)
		outcome = UNTRIED;
	dprintf(report, "%s\t%s\t%s\n", words[outcome], s->name, s->seen);
	s->pid = 0;
}

static void await_one(size_t jobs)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	for (size_t i = 0; i < jobs; i++)
		if (slots[i].pid == pid)
			report_slot(&slots[i], status);
}

static void start(struct slot *s, char *line)
{
	char *name = strsep(&line, "\t"), *expected = strsep(&line, "\t");

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	if (!expected || !line) {
		snprintf(s->seen, sizeof(s->seen), "not a row");
		report_slot(s, UNTRIED << 8);
		return;
	}
	s->killed_is_fine = strstr(expected, "killed") != NULL;
	mine = s;
	pid_t pid = fork();
	if (pid == 0)
		child(expected, line);
	s->pid = pid;
	mine = NULL;
	if (pid < 0)
		report_slot(s, UNTRIED << 8);
}

/* Waits for a free slot. */
static struct slot *free_slot(size_t jobs)
{
	for (;;) {
		for (size_t i = 0; i < jobs; i++)
			if (slots[i].pid <= 0)
				return &slots[i];
		await_one(jobs);
	}
}

/* All of the file, so that no attempt finds it open. */
static char *read_rows(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t length = file ? getdelim(&text, &room, '\0', file) : -1;

	if (file)
		fclose(file);
	return length < 0 ? NULL : text;
}

static int run_rows(const char *path, size_t jobs)
{
	char *rows = read_rows(path), *line;

	slots = mmap(NULL, sizeof(*slots) * JOBS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!rows || slots == MAP_FAILED)
		return 2;
	while ((line = strsep(&rows, "\n")))
		if (*line)
			start(free_slot(jobs), line);
	for (size_t i = 0; i < jobs; i++)
		while (slots[i].pid > 0)
			await_one(jobs);
	dprintf(report, "END\n");
	return 0;
}

static int print_handle(const char *path)
{
	union {
		struct file_handle handle;
		unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &file.handle, &mount_id, 0) < 0)
		return 1;
	printf("%d:", file.handle.handle_type);
	for (unsigned i = 0; i < file.handle.handle_bytes; i++)
		printf("%02x", file.handle.f_handle[i]);
	printf("\n");
	return 0;
}

/* On the host an attempt would work, and do harm. ESCAPE_PIDNS is the host's process namespace. */
static void be_inside(void)
{
	char link[64] = "";

	if (readlink("/proc/self/ns/pid", link, sizeof(link) - 1) >= 0 && strcmp(link, "pid:[4026531836]") != 0 &&
	    host("ESCAPE_PIDNS") && strcmp(host("ESCAPE_PIDNS"), link) != 0)
		return;
	fprintf(stderr, "escape: this is not the inside of an isle\n");
	exit(2);
}

int main(int argc, char **argv)
{
	size_t jobs = 1;
	int option;

	if (argc == 3 && strcmp(argv[1], "--handle") == 0)
		return print_handle(argv[2]);
	be_inside();
	if (argc >= 4 && strcmp(argv[1], "--fuzz") == 0)
		return fuzz(strtoul(argv[2], NULL, 0), (unsigned)strtoul(argv[3], NULL, 0),
			    argc > 4 ? strtoul(argv[4], NULL, 0) : 0);
	while ((option = getopt(argc, argv, "j:o:")) != -1) {
		if (option == 'j')
			jobs = strtoul(optarg, NULL, 10);
		else if (option == 'o')
			report = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind + 1 != argc || jobs < 1 || jobs > JOBS_MAX)
		return 2;
	return run_rows(argv[optind], jobs);
}
