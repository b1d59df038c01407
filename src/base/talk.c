/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line goes out in one write(2), so that lines of several processes on one terminal do not mix. There is no
 * buffer to flush, and errno survives: a note may stand between a failure and its report. Names have been through
 * isle_quote() already; should one have slipped by, the line still keeps to what can be shown.
 */
#include "talk.h"
#include "io.h"
#include "quote.h"
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
	char line[4096];
	int saved = errno;
	size_t size = strlen(prefix);

	memcpy(line, prefix, size);
	size += isle_quote_text_fill(line + size, sizeof(line) - 1 - size, text);
	line[size++] = '\n';
	isle_ignore(isle_write_all(STDERR_FILENO, line, size)); /* nowhere is left to say that it failed */
	errno = saved;
}

static void say(enum isle_talk_level least, const char *format, va_list args)
{
	char text[2048];
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
