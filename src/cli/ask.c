/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"
#include <stdarg.h>
#include <stdio.h>
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

bool isle_ask(const char *format, ...)
{
	char line[16] = "";
	va_list list;
	ssize_t size;

	if (!isle_can_ask())
		return false;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputs(" [y/N] ", stderr);
	fflush(stdout);
	size = read(STDIN_FILENO, line, sizeof(line) - 1);
	return size > 0 && (line[0] == 'y' || line[0] == 'Y');
}
