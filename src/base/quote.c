/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text is taken apart into units: a character of UTF-8, or one byte that is no part of one. A unit is shown as it is
 * or escaped as a whole, so that cutting between units never cuts an escape or a character.
 */
#include "quote.h"
#include "utf8.h"
#include <errno.h>
#include <string.h>

enum {
	UNIT_MAX = 16, /* four bytes as \ooo */
	SHOWN_MAX = 240,
	RING = 8,
};

enum style {
	STYLE_NAME, /* in double quotes: " and \ are escaped as well */
	STYLE_TEXT, /* a line of content: tab, " and \ stay */
};

/* True if the unit of length bytes at s (c is its character, when valid) must not be shown as it is. */
static bool must_escape(bool valid, uint32_t c, enum style style)
{
	if (!valid)
		return true;
	if (style == STYLE_TEXT && c == '\t')
		return false;
	if (style == STYLE_NAME && (c == '"' || c == '\\'))
		return true;
	return isle_utf8_hidden(c) || (style == STYLE_NAME && isle_utf8_misleads(c));
}

/* True if a line could not tell where the name ends, or what in it is the name and what is told about it: "a -> b",
 * "a  [setuid]", "a (new)", "a: b", a blank at an end of it or of one of its components. */
static bool is_doubtful(const char *name, size_t size)
{
	for (const char *at = memchr(name, ' ', size); at != NULL;
	     at = memchr(at + 1, ' ', size - (size_t)(at + 1 - name))) {
		char before = at == name ? '\0' : at[-1], after = at + 1 == name + size ? '\0' : at[1];

		if (before == '\0' || before == '/' || before == ':' || after == '\0' || strchr(" /([", after) != NULL)
			return true;
		if (strncmp(at, " -> ", 4) == 0)
			return true;
	}
	return false;
}

static const char escaped[] = "\a\b\t\n\v\f\r\"\\";
static const char letters[] = "abtnvfr\"\\";

static size_t put_octal(unsigned char byte, char *out)
{
	out[0] = '\\';
	out[1] = (char)('0' + (byte >> 6));
	out[2] = (char)('0' + (byte >> 3 & 7));
	out[3] = (char)('0' + (byte & 7));
	return 4;
}

static size_t put_escape(const char *s, unsigned length, char out[UNIT_MAX])
{
	const char *known = *s ? strchr(escaped, *s) : NULL;
	size_t size = 0;

	if (known) {
		out[0] = '\\';
		out[1] = letters[known - escaped];
		return 2;
	}
	for (unsigned i = 0; i < length; i++)
		size += put_octal((unsigned char)s[i], out + size);
	return size;
}

/* Renders the first unit of s (size > 0 bytes): the bytes it has, and in *ret_size how many out has got. */
static unsigned render(const char *s, size_t size, enum style style, char out[UNIT_MAX], size_t *ret_size)
{
	uint32_t c = 0;
	unsigned length = isle_utf8_decode(s, size, &c);
	bool valid = length > 0;

	if (!valid)
		length = 1;
	if (must_escape(valid, c, style)) {
		*ret_size = put_escape(s, length, out);
	} else {
		memcpy(out, s, length);
		*ret_size = length;
	}
	return length;
}

/* The leading bytes of s that are ASCII and shown as they are in either style: nearly all there are. */
static size_t count_plain(const char *s, size_t size)
{
	size_t n = 0;

	while (n < size && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

/* Bytes that name takes when rendered; *ret_plain is true when no unit is escaped. */
static size_t measure(const char *name, size_t size, bool *ret_plain)
{
	char unit[UNIT_MAX];
	size_t total = count_plain(name, size), part;
	unsigned length;

	*ret_plain = size > 0 && !is_doubtful(name, size); /* an empty name is shown as "" */
	for (size_t i = total; i < size; i += length) {
		length = render(name + i, size - i, STYLE_NAME, unit, &part);
		if (part != length)
			*ret_plain = false;
		total += part;
	}
	return total;
}

static int add_rendered(struct isle_buf *buf, const char *text, size_t size, enum style style)
{
	size_t plain = count_plain(text, size), part;
	char unit[UNIT_MAX];
	unsigned length;

	isle_buf_add(buf, text, plain);
	for (size_t i = plain; i < size; i += length) {
		length = render(text + i, size - i, style, unit, &part);
		isle_buf_add(buf, unit, part);
	}
	return isle_buf_error(buf);
}

int isle_quote_add(struct isle_buf *buf, const char *name)
{
	size_t size = strlen(name);
	bool plain;

	measure(name, size, &plain);
	if (plain)
		return isle_buf_add(buf, name, size);
	isle_buf_addc(buf, '"');
	add_rendered(buf, name, size, STYLE_NAME);
	return isle_buf_addc(buf, '"');
}

/* The byte that the escape after a backslash stands for; *ret_length characters of it. 0: there is no such. */
static char read_escape(const char *text, size_t *ret_length)
{
	const char *known = *text ? strchr(letters, *text) : NULL;
	unsigned value = 0, i;

	*ret_length = 1;
	if (known)
		return escaped[known - letters];
	for (i = 0; i < 3; i++) {
		if (text[i] < '0' || text[i] > (i == 0 ? '3' : '7'))
			return 0;
		value = value << 3 | (unsigned)(text[i] - '0');
	}
	*ret_length = 3;
	return (char)value;
}

static int unquote(const char *text, struct isle_buf *name)
{
	size_t length;
	char c;

	if (*text != '"')
		return isle_buf_adds(name, text);
	for (text++; *text && *text != '"'; text += length) {
		length = 1;
		c = *text;
		if (c == '\\') {
			c = read_escape(++text, &length);
			if (c == 0)
				return -EINVAL;
		}
		isle_buf_addc(name, c);
	}
	return *text == '"' && text[1] == '\0' ? isle_buf_adds(name, "") : -EINVAL;
}

int isle_unquote(const char *text, struct isle_buf *ret_name)
{
	auto_buf struct isle_buf name = ISLE_BUF_INIT, again = ISLE_BUF_INIT;
	int r = unquote(text, &name);

	/* What would be shown otherwise is not what was shown. */
	if (r >= 0)
		r = isle_quote_add(&again, name.data);
	if (r >= 0 && strcmp(again.data, text) != 0)
		r = -EINVAL;
	return r < 0 ? r : isle_buf_adds(ret_name, name.data);
}

const char *isle_quote(const char *name)
{
	static char ring[RING][SHOWN_MAX + 3 + 2 * UNIT_MAX];
	static unsigned next;
	char *start = ring[next++ % RING], *out = start;
	char unit[UNIT_MAX];
	size_t size = strlen(name), seen = 0, part, total;
	unsigned length;
	bool plain, cut = false;

	total = measure(name, size, &plain);
	if (!plain)
		*out++ = '"';
	for (size_t i = 0; i < size; i += length) {
		length = render(name + i, size - i, STYLE_NAME, unit, &part);
		/* Of a long name, the first half and the last half of what fits. */
		if (total <= SHOWN_MAX || seen + part <= SHOWN_MAX / 2 || total - seen <= SHOWN_MAX / 2) {
			out = mempcpy(out, unit, part);
		} else if (!cut) {
			out = mempcpy(out, "...", 3);
			cut = true;
		}
		seen += part;
	}
	if (!plain)
		*out++ = '"';
	*out = '\0';
	return start;
}

int isle_quote_text_add(struct isle_buf *buf, const char *text, size_t size)
{
	return add_rendered(buf, text, size, STYLE_TEXT);
}

size_t isle_quote_text_fill(char *out, size_t room, const char *text)
{
	char unit[UNIT_MAX];
	size_t left = strlen(text), used = 0, part;
	unsigned length;

	while (left > 0) {
		length = render(text, left, STYLE_TEXT, unit, &part);
		if (part > room - used)
			break;
		memcpy(out + used, unit, part);
		used += part;
		text += length;
		left -= length;
	}
	return used;
}

bool isle_utf8_valid(const char *text, size_t size)
{
	uint32_t c;
	unsigned length;

	for (size_t i = 0; i < size; i += length) {
		length = isle_utf8_decode(text + i, size - i, &c);
		if (length == 0)
			return false;
	}
	return true;
}

/* True if a shell would take the word for something else than itself. */
static bool needs_quotes(const char *word)
{
	return strpbrk(word, " '`$&|;<>()*?[]{}#!~\\") != NULL;
}

/* What isle_quote_add() put into double quotes, where a shell would still look for $(...): in $'...' instead. */
static void requote(struct isle_buf *buf, size_t start)
{
	auto_free char *quoted = strndup(buf->data + start + 1, buf->size - start - 2);

	isle_buf_cut(buf, start);
	if (quoted == NULL) {
		buf->error = -ENOMEM;
		return;
	}
	isle_buf_adds(buf, "$'");
	for (const char *c = quoted; *c != '\0'; c++) {
		if (*c == '\'')
			isle_buf_addc(buf, '\\');
		if (*c == '\\' && c[1] == '"')
			continue;
		isle_buf_addc(buf, *c);
		if (*c == '\\')
			isle_buf_addc(buf, *++c);
	}
	isle_buf_addc(buf, '\'');
}

/* True if isle_quote_add() has escaped nothing but quotes and backslashes. */
static bool is_printable(const char *quoted, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (quoted[i] == '\\' && quoted[++i] != '"' && quoted[i] != '\\')
			return false;
	return true;
}

/* One argument: as it is, in single quotes, or with C escapes in $'...' where it is not printable. */
static void add_argument(struct isle_buf *buf, const char *argument)
{
	size_t start = buf->size;

	isle_quote_add(buf, argument);
	if (buf->error != 0)
		return;
	if (buf->data[start] == '"' && !is_printable(buf->data + start, buf->size - start)) {
		requote(buf, start);
		return;
	}
	if (buf->data[start] != '"' && !needs_quotes(argument))
		return;
	isle_buf_cut(buf, start);
	isle_buf_addc(buf, '\'');
	for (const char *c = argument; *c != '\0'; c++) {
		if (*c == '\'')
			isle_buf_adds(buf, "'\\''");
		else
			isle_buf_addc(buf, *c);
	}
	isle_buf_addc(buf, '\'');
}

int isle_quote_command_add(struct isle_buf *buf, const char *argv, size_t size)
{
	for (size_t at = 0; at < size; at += strlen(argv + at) + 1) {
		if (at > 0)
			isle_buf_addc(buf, ' ');
		add_argument(buf, argv + at);
	}
	return isle_buf_error(buf);
}
