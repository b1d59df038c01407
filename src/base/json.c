/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not printable ASCII of JSON's own, or is hidden on a terminal (utf8.h), goes out as \uXXXX: the stream is
 * the same data, and harmless to look at. One thread writes, so the stream is not locked for each of its parts.
 */
#include "json.h"
#include "quote.h"
#include "utf8.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

void isle_json_init(struct isle_json *j, FILE *out)
{
	*j = (struct isle_json){.out = out};
}

static void put_unicode(FILE *out, uint32_t c)
{
	if (c >= 0x10000) {
		c -= 0x10000;
		fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
	} else {
		fprintf(out, "\\u%04" PRIx32, c);
	}
}

/* Nearly all there is. */
static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Puts what text[0..size) says between quotes; suffix belongs to it. */
static void put_string(FILE *out, const char *text, size_t size, const char *suffix)
{
	size_t plain = 0; /* bytes before i that have not been written */
	unsigned length;
	uint32_t c;

	putc_unlocked('"', out);
	for (size_t i = 0; i < size; i += length) {
		if (is_plain(text[i])) {
			length = 1;
			plain++;
			continue;
		}
		length = isle_utf8_decode(text + i, size - i, &c);
		if (length > 0 && c != '"' && c != '\\' && !isle_utf8_hidden(c)) {
			plain += length;
			continue;
		}
		fwrite_unlocked(text + i - plain, 1, plain, out);
		plain = 0;
		if (length == 0) {
			c = 0xfffd;
			length = 1;
		}
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (char)c);
		else if (c == '\n')
			fputs_unlocked("\\n", out);
		else if (c == '\t')
			fputs_unlocked("\\t", out);
		else
			put_unicode(out, c);
	}
	fwrite_unlocked(text + size - plain, 1, plain, out);
	fputs_unlocked(suffix, out);
	putc_unlocked('"', out);
}

/* The comma before a value, and its key. */
static void put_key(struct isle_json *j, const char *key, const char *suffix)
{
	if (j->some[j->depth])
		putc_unlocked(',', j->out);
	j->some[j->depth] = true;
	if (key) {
		put_string(j->out, key, strlen(key), suffix);
		putc_unlocked(':', j->out);
	}
}

static void begin(struct isle_json *j, const char *key, char open, char close)
{
	assert(j->depth + 1 < ISLE_JSON_DEPTH);
	put_key(j, key, "");
	putc_unlocked(open, j->out);
	j->depth++;
	j->some[j->depth] = false;
	j->close[j->depth] = close;
}

void isle_json_object(struct isle_json *j, const char *key)
{
	begin(j, key, '{', '}');
}

void isle_json_array(struct isle_json *j, const char *key)
{
	begin(j, key, '[', ']');
}

void isle_json_end(struct isle_json *j)
{
	assert(j->depth > 0);
	putc_unlocked(j->close[j->depth], j->out);
	j->depth--;
}

void isle_json_str(struct isle_json *j, const char *key, const char *value)
{
	if (!value) {
		isle_json_null(j, key);
		return;
	}
	put_key(j, key, "");
	put_string(j->out, value, strlen(value), "");
}

void isle_json_int(struct isle_json *j, const char *key, int64_t value)
{
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char digits[20];
	size_t at = sizeof(digits);

	put_key(j, key, "");
	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0)
		putc_unlocked('-', j->out);
	fwrite_unlocked(digits + at, 1, sizeof(digits) - at, j->out);
}

void isle_json_bool(struct isle_json *j, const char *key, bool value)
{
	put_key(j, key, "");
	fputs_unlocked(value ? "true" : "false", j->out);
}

void isle_json_null(struct isle_json *j, const char *key)
{
	put_key(j, key, "");
	fputs_unlocked("null", j->out);
}

static void put_base64(FILE *out, const char *bytes, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = (const unsigned char *)bytes;
	uint32_t group;
	size_t left;

	putc_unlocked('"', out);
	for (size_t i = 0; i < size; i += 3) {
		left = size - i;
		group = (uint32_t)s[i] << 16;
		group |= left > 1 ? (uint32_t)s[i + 1] << 8 : 0;
		group |= left > 2 ? (uint32_t)s[i + 2] : 0;
		putc_unlocked(digits[group >> 18], out);
		putc_unlocked(digits[group >> 12 & 63], out);
		putc_unlocked(left > 1 ? digits[group >> 6 & 63] : '=', out);
		putc_unlocked(left > 2 ? digits[group & 63] : '=', out);
	}
	putc_unlocked('"', out);
}

void isle_json_bytes(struct isle_json *j, const char *key, const char *value, size_t size)
{
	if (isle_utf8_valid(value, size)) {
		put_key(j, key, "");
		put_string(j->out, value, size, "");
	} else if (key) {
		put_key(j, key, "_b64");
		put_base64(j->out, value, size);
	} else { /* in an array there is no key that could say so */
		isle_json_object(j, NULL);
		put_key(j, "b64", "");
		put_base64(j->out, value, size);
		isle_json_end(j);
	}
}

void isle_json_path(struct isle_json *j, const char *key, const char *path)
{
	isle_json_bytes(j, key, path, strlen(path));
}

int isle_json_done(struct isle_json *j)
{
	assert(j->depth == 0);
	putc_unlocked('\n', j->out);
	if (fflush(j->out) != 0)
		return errno > 0 ? -errno : -EIO;
	return ferror(j->out) ? -EIO : 0;
}
