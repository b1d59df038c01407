/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each setter formats into a buffer of its own first, so that the present text may be among its arguments. What
 * does not fit is cut at the end: the beginning says what was being done.
 */
#include "error.h"
#include "talk.h"
#include "talk_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies as much of from as fits behind the first used bytes of a text of room bytes. */
static size_t append(char *text, size_t room, size_t used, const char *from)
{
	size_t size = strlen(from);

	if (size > room - 1 - used)
		size = room - 1 - used;
	memcpy(text + used, from, size);
	text[used + size] = '\0';
	return used + size;
}

int isle_err_errno(struct isle_err *err, int code, const char *format, ...)
{
	char text[sizeof(err->text)];
	size_t used;
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = append(err->text, sizeof(err->text), 0, text);
	used = append(err->text, sizeof(err->text), used, ": ");
	append(err->text, sizeof(err->text), used, strerror(-code));
	err->code = code;
	return code;
}

int isle_err_text(struct isle_err *err, int code, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	append(err->text, sizeof(err->text), 0, text);
	err->code = code;
	return code;
}

int isle_err_prefix(struct isle_err *err, int code, const char *format, ...)
{
	char old[sizeof(err->text)];
	char text[sizeof(err->text)];
	size_t used;
	va_list args;

	if (!err)
		return code;
	append(old, sizeof(old), 0, err->text);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = append(err->text, sizeof(err->text), 0, text);
	if (old[0] != '\0') {
		used = append(err->text, sizeof(err->text), used, ": ");
		append(err->text, sizeof(err->text), used, old);
	}
	err->code = code;
	return code;
}

void isle_err_hint(struct isle_err *err, const char *format, ...)
{
	char hint[sizeof(err->hint)];
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(hint, sizeof(hint), format, args);
	va_end(args);
	append(err->hint, sizeof(err->hint), 0, hint);
}

void isle_err_print(const struct isle_err *err)
{
	isle_talk_line("isle: ", err->text);
	if (err->hint[0] != '\0')
		isle_talk_line("hint: ", err->hint);
}

bool isle_is_no_room(int code)
{
	return code == -ENOSPC || code == -EDQUOT;
}
