/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line goes out in one write(2), so that lines of several processes on one terminal do not mix. There is no
 * buffer to flush, and errno survives: a note may stand between a failure and its report.
 */
#include "talk.h"
#include "io.h"
#include "talk_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum isle_talk_level talk_level = ISLE_TALK_NORMAL;

void isle_talk_set(enum isle_talk_level level)
{
	talk_level = level;
}

enum isle_talk_level isle_talk_get(void)
{
	return talk_level;
}

void isle_talk_line(const char *prefix, const char *text)
{
	char line[2048];
	int saved = errno;
	int size = snprintf(line, sizeof(line) - 1, "%s%s", prefix, text);

	if (size > (int)sizeof(line) - 2)
		size = (int)sizeof(line) - 2;
	if (size >= 0) {
		line[size] = '\n';
		/* Nowhere is left to say that stderr cannot be written. */
		(void)!isle_write_all(STDERR_FILENO, line, (size_t)size + 1);
	}
	errno = saved;
}

static void say(enum isle_talk_level least, const char *format, va_list args)
{
	char text[1984];
	int saved = errno;

	if (talk_level < least)
		return;
	vsnprintf(text, sizeof(text), format, args);
	isle_talk_line("isle: ", text);
	errno = saved;
}

void isle_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ISLE_TALK_NORMAL, format, args);
	va_end(args);
}

void isle_verbose(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ISLE_TALK_VERBOSE, format, args);
	va_end(args);
}
