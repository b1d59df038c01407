/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"
#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

int isle_fail(const struct isle_err *err)
{
	isle_err_print(err);
	return ISLE_EXIT_FAILED;
}

bool isle_can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static void interrupted(int signal)
{
	(void)signal;
}

/* Waits for a line with SIGINT let through: blocked from before the question on, it is not missed and kills nobody. */
static bool line_comes(const sigset_t *mask)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return ppoll(&input, 1, NULL, mask) > 0;
}

/* A line, without what of it has no room: a long one is no answer, and neither is its end. */
static ssize_t read_line(char *line, size_t room)
{
	ssize_t size = read(STDIN_FILENO, line, room - 1), more = size;
	char rest[64];

	if (size > 0 && line[size - 1] != '\n')
		while ((more = read(STDIN_FILENO, rest, sizeof(rest))) > 0 && rest[more - 1] != '\n')
			;
	return more <= 0 ? -1 : size;
}

int isle_read_answer(const char *question, char *line, size_t room)
{
	const struct sigaction stop = {.sa_handler = interrupted};
	struct sigaction before;
	sigset_t interrupt, mask, open;
	ssize_t size;

	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &mask);
	sigaction(SIGINT, &stop, &before);
	fputs(question, stderr);
	open = mask;
	sigdelset(&open, SIGINT);
	size = line_comes(&open) ? read_line(line, room) : -1;
	sigaction(SIGINT, &before, NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (size < 0) {
		fputc('\n', stderr);
		return -1;
	}
	while (size > 0 && isspace((unsigned char)line[size - 1]))
		size--;
	line[size] = '\0';
	return (int)size;
}

bool isle_ask(const char *format, ...)
{
	char line[16];
	va_list list;

	if (!isle_can_ask())
		return false;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fflush(stdout);
	return isle_read_answer(" [y/N] ", line, sizeof(line)) > 0 &&
	       (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);
}
