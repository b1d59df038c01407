/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants: data is NULL and room 0, or data has room bytes, size < room and data[size] is NUL. After a failure
 * the content is what it was, and only isle_buf_done() and isle_buf_take() leave the failed state.
 */
#include "buf.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROOM_FIRST = 64 };

static int fail(struct isle_buf *buf)
{
	buf->error = -ENOMEM;
	return -ENOMEM;
}

void isle_buf_done(struct isle_buf *buf)
{
	free(buf->data);
	*buf = ISLE_BUF_INIT;
}

char *isle_buf_reserve(struct isle_buf *buf, size_t size)
{
	size_t need, room;
	char *data;

	if (buf->error < 0)
		return NULL;
	if (__builtin_add_overflow(buf->size, size, &need) || __builtin_add_overflow(need, 1, &need) ||
	    need > SIZE_MAX / 2) {
		fail(buf);
		return NULL;
	}
	if (need > buf->room) {
		room = buf->room ? buf->room : ROOM_FIRST;
		while (room < need)
			room *= 2;
		data = realloc(buf->data, room);
		if (!data) {
			fail(buf);
			return NULL;
		}
		buf->data = data;
		buf->room = room;
		buf->data[buf->size] = '\0';
	}
	return buf->data + buf->size;
}

void isle_buf_grew(struct isle_buf *buf, size_t size)
{
	assert(size < buf->room - buf->size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

int isle_buf_add(struct isle_buf *buf, const void *data, size_t size)
{
	char *end = isle_buf_reserve(buf, size);

	if (!end)
		return buf->error;
	if (size > 0)
		memcpy(end, data, size);
	isle_buf_grew(buf, size);
	return 0;
}

int isle_buf_adds(struct isle_buf *buf, const char *string)
{
	return isle_buf_add(buf, string, strlen(string));
}

int isle_buf_addc(struct isle_buf *buf, char c)
{
	return isle_buf_add(buf, &c, 1);
}

int isle_buf_addf(struct isle_buf *buf, const char *format, ...)
{
	va_list args, again;
	size_t room;
	char *end = isle_buf_reserve(buf, 0);
	int size;

	if (!end)
		return buf->error;
	room = buf->room - buf->size;
	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(end, room, format, args);
	va_end(args);
	if (size >= 0 && (size_t)size >= room) {
		end = isle_buf_reserve(buf, (size_t)size);
		size = end ? vsnprintf(end, (size_t)size + 1, format, again) : -1;
	}
	va_end(again);
	if (size < 0) {
		buf->data[buf->size] = '\0';
		return fail(buf);
	}
	isle_buf_grew(buf, (size_t)size);
	return 0;
}

void isle_buf_clear(struct isle_buf *buf)
{
	isle_buf_cut(buf, 0);
}

void isle_buf_cut(struct isle_buf *buf, size_t size)
{
	assert(size <= buf->size);
	buf->size = size;
	if (buf->data)
		buf->data[size] = '\0';
}

int isle_buf_error(const struct isle_buf *buf)
{
	return buf->error;
}

char *isle_buf_take(struct isle_buf *buf)
{
	char *data = NULL;

	if (isle_buf_reserve(buf, 0))
		data = ptr_take(&buf->data);
	isle_buf_done(buf);
	return data;
}
