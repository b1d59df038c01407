/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growable byte buffer. Always followed by a NUL byte that is not counted, so that `data` is a string when
 * the content has no NUL of its own.
 *
 * Appending to a buffer that once failed does nothing and fails again, so a sequence of appends needs one
 * check at its end: isle_buf_error().
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>

struct isle_buf {
	char *data; /* NULL until the first append */
	size_t size;
	size_t room;
	int error; /* 0 or -ENOMEM */
};

#define ISLE_BUF_INIT ((struct isle_buf){0})

void isle_buf_done(struct isle_buf *buf);
#define auto_buf __attribute__((cleanup(isle_buf_done)))

int isle_buf_add(struct isle_buf *buf, const void *data, size_t size);
int isle_buf_adds(struct isle_buf *buf, const char *string);
int isle_buf_addc(struct isle_buf *buf, char c);
int isle_buf_addf(struct isle_buf *buf, const char *format, ...) isle_printf(2, 3);
/* Makes room for size more bytes and returns where they go, NULL when out of memory. isle_buf_grew() then says how
 * many of them were written. */
char *isle_buf_reserve(struct isle_buf *buf, size_t size) isle_must_check;
void isle_buf_grew(struct isle_buf *buf, size_t size);
/* Makes the content empty and keeps the memory. */
void isle_buf_clear(struct isle_buf *buf);
/* Cuts the content to size bytes (size <= buf->size). */
void isle_buf_cut(struct isle_buf *buf, size_t size);
/* 0, or -ENOMEM if any append failed. */
int isle_buf_error(const struct isle_buf *buf) isle_must_check;
/* Hands the bytes over as a NUL-terminated heap string and empties the buffer; NULL if an append failed. */
char *isle_buf_take(struct isle_buf *buf);
