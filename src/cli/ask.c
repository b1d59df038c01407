/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"
#include <ctype.h>
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

int isle_read_answer(char *line, size_t room)
{
	const struct sigaction stop = {.sa_handler = interrupted}; /* without SA_RESTART: the question is over */
	struct sigaction before;
	char rest[64];
	ssize_t size, more;

	sigaction(SIGINT, &stop, &before);
	more = size = read(STDIN_FILENO, line, room - 1);
	if (size > 0 && line[size - 1] != '\n') /* a long line is no answer, and neither is its end */
		while ((more = read(STDIN_FILENO, rest, sizeof(rest))) > 0 && rest[more - 1] != '\n')
			;
	sigaction(SIGINT, &before, NULL);
	if (more <= 0) {
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
	fputs(" [y/N] ", stderr);
	fflush(stdout);
	return isle_read_answer(line, sizeof(line)) > 0 && (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);
}
