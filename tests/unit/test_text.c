/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers, messages, quoting and JSON. */
#include "buf.h"
#include "config.h"
#include "error.h"
#include "io.h"
#include "json.h"
#include "quote.h"
#include "talk.h"
#include "unit.h"
#include "units.h"
#include "utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void test_buf_grows_and_ends_with_nul(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	(void)state;
	assert_null(buf.data);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(isle_buf_addf(&buf, "%03d,", i), 0);
	assert_int_equal(buf.size, 4000);
	assert_memory_equal(buf.data, "000,001,", 8);
	assert_string_equal(buf.data + 3996, "999,");
	isle_buf_cut(&buf, 4);
	assert_string_equal(buf.data, "000,");
	isle_buf_clear(&buf);
	assert_string_equal(buf.data, "");
	assert_int_equal(isle_buf_adds(&buf, "x"), 0);
	assert_int_equal(isle_buf_addc(&buf, '\0'), 0);
	assert_int_equal(isle_buf_add(&buf, "y", 1), 0);
	assert_int_equal(buf.size, 3);
	assert_memory_equal(buf.data, "x\0y", 4);
}

static void test_buf_long_format(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	char big[5000];

	(void)state;
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(isle_buf_addf(&buf, "<%s>", big), 0);
	assert_int_equal(buf.size, sizeof(big) + 1);
	assert_int_equal(buf.data[0], '<');
	assert_int_equal(buf.data[sizeof(big)], '>');
	assert_int_equal(isle_buf_error(&buf), 0);
}

static void test_buf_failure_stays(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	(void)state;
	assert_int_equal(isle_buf_adds(&buf, "kept"), 0);
	assert_null(isle_buf_reserve(&buf, SIZE_MAX - 8));
	assert_int_equal(isle_buf_error(&buf), -ENOMEM);
	assert_int_equal(isle_buf_adds(&buf, "more"), -ENOMEM);
	assert_int_equal(isle_buf_addf(&buf, "%d", 1), -ENOMEM);
	assert_string_equal(buf.data, "kept");
	assert_null(isle_buf_take(&buf));
	assert_int_equal(isle_buf_error(&buf), 0); /* empty and usable again */
	assert_int_equal(isle_buf_adds(&buf, "again"), 0);
}

static void test_buf_take(void **state)
{
	struct isle_buf buf = ISLE_BUF_INIT;
	auto_free char *empty = isle_buf_take(&buf);
	auto_free char *text = NULL;

	(void)state;
	assert_string_equal(empty, "");
	assert_int_equal(isle_buf_adds(&buf, "text"), 0);
	text = isle_buf_take(&buf);
	assert_string_equal(text, "text");
	assert_null(buf.data);
	assert_int_equal(buf.size, 0);
}

static void test_ownership_leaves(void **state)
{
	auto_free char *text = strdup("x");
	auto_free char *taken = NULL;
	int fd = 7;

	(void)state;
	taken = ptr_take(&text);
	assert_null(text);
	assert_string_equal(taken, "x");
	assert_int_equal(fd_take(&fd), 7);
	assert_int_equal(fd, -1);
}

static void test_err_text(void **state)
{
	struct isle_err err = ISLE_ERR_INIT;

	(void)state;
	assert_int_equal(isle_err_errno(&err, -EACCES, "open '%s'", "x"), -EACCES);
	assert_string_equal(err.text, "open 'x': Permission denied");
	assert_int_equal(isle_err_prefix(&err, -EACCES, "cannot commit '%s'", "etc"), -EACCES);
	assert_string_equal(err.text, "cannot commit 'etc': open 'x': Permission denied");
	assert_int_equal(err.code, -EACCES);
	isle_err_hint(&err, "try %d", 1);
	isle_err_hint(&err, "try %d", 2);
	assert_string_equal(err.hint, "try 2");
	assert_int_equal(isle_err_text(&err, -EINVAL, "again: %s", err.text), -EINVAL);
	assert_string_equal(err.text, "again: cannot commit 'etc': open 'x': Permission denied");
	assert_string_equal(err.hint, "try 2"); /* it may have been set before the text */
}

static void test_err_null_and_empty(void **state)
{
	struct isle_err err = ISLE_ERR_INIT;

	(void)state;
	assert_int_equal(isle_err_errno(NULL, -EIO, "x"), -EIO);
	assert_int_equal(isle_err_text(NULL, -EIO, "x"), -EIO);
	assert_int_equal(isle_err_prefix(NULL, -EIO, "x"), -EIO);
	isle_err_hint(NULL, "x");
	assert_int_equal(isle_err_prefix(&err, -EIO, "alone"), -EIO);
	assert_string_equal(err.text, "alone");
}

static void test_err_is_cut_not_overrun(void **state)
{
	struct isle_err err = ISLE_ERR_INIT;
	char big[2000];

	(void)state;
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	isle_err_errno(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	isle_err_hint(&err, "%s", big);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	isle_err_prefix(&err, -EIO, "front %.700s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "front b", 7);
	err = ISLE_ERR_INIT;
	isle_err_text(&err, -EIO, "tail");
	isle_err_prefix(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

/* What say() writes to stderr, in buf. */
static void capture(struct isle_buf *buf, void (*say)(void))
{
	int saved = dup(STDERR_FILENO);
	int fds[2];

	assert_true(saved >= 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	say();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	assert_int_equal(isle_read_all(fds[0], buf, 1 << 16), 0);
	close(fds[0]);
}

static void say_all(void)
{
	struct isle_err err = ISLE_ERR_INIT;

	errno = EXDEV;
	isle_note("note %d", 1);
	isle_verbose("verbose %d", 2);
	assert_int_equal(errno, EXDEV);
	isle_err_text(&err, -EIO, "broken");
	isle_err_print(&err);
	isle_err_hint(&err, "mend it");
	isle_err_print(&err);
}

static void say_much(void)
{
	isle_note("%4000d", 1);
}

static void say_evil(void)
{
	isle_note("%s", "a\x1b[2J\xe2\x80\xae\nisle: b\tc");
}

static void test_quote_text_fill(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(isle_quote_text_fill(out, 8,
					      "ab\x01"
					      "cd"),
			 8);
	assert_memory_equal(out, "ab\\001cd", 8);
	assert_int_equal(isle_quote_text_fill(out, 5,
					      "ab\x01"
					      "cd"),
			 2);						     /* no half escape */
	assert_int_equal(isle_quote_text_fill(out, 4, "ab\xe2\x82\xac"), 2); /* no half character */
	assert_int_equal(isle_quote_text_fill(out, 0, "a"), 0);
	assert_int_equal(isle_quote_text_fill(out, 8, ""), 0);
}

static void test_talk_levels(void **state)
{
	static const char errors[] = "isle: broken\nisle: broken\nhint: mend it\n";
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	char expected[200];

	(void)state;
	assert_int_equal(isle_talk_get(), ISLE_TALK_NORMAL);
	capture(&buf, say_all);
	snprintf(expected, sizeof(expected), "isle: note 1\n%s", errors);
	assert_string_equal(buf.data, expected);

	isle_buf_clear(&buf);
	isle_talk_set(ISLE_TALK_VERBOSE);
	capture(&buf, say_all);
	snprintf(expected, sizeof(expected), "isle: note 1\nisle: verbose 2\n%s", errors);
	assert_string_equal(buf.data, expected);

	isle_buf_clear(&buf);
	isle_talk_set(ISLE_TALK_QUIET);
	capture(&buf, say_all);
	assert_string_equal(buf.data, errors);
	isle_talk_set(ISLE_TALK_NORMAL);

	isle_buf_clear(&buf);
	capture(&buf, say_much);
	assert_int_equal(buf.data[buf.size - 1], '\n');
	assert_true(buf.size < 2100);

	isle_buf_clear(&buf);
	capture(&buf, say_evil);
	assert_string_equal(buf.data, "isle: a\\033[2J\\342\\200\\256\\nisle: b\tc\n");
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		unsigned length;
		uint32_t c;
	} rows[] = {
		{"a", 1, 1, 'a'},
		{"\0", 1, 1, 0},
		{"\xc3\xa9", 2, 2, 0xe9},
		{"\xe2\x82\xac", 3, 3, 0x20ac},
		{"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
		{"\xef\xbf\xbf", 3, 3, 0xffff},
		{"", 0, 0, 0},
		{"\x80", 1, 0, 0},
		{"\xc3", 1, 0, 0},		   /* cut off */
		{"\xc3\x28", 2, 0, 0},		   /* no continuation */
		{"\xc0\x80", 2, 0, 0},		   /* overlong */
		{"\xc1\xbf", 2, 0, 0},		   /* overlong */
		{"\xe0\x9f\xbf", 3, 0, 0},	   /* overlong */
		{"\xf0\x8f\xbf\xbf", 4, 0, 0},	   /* overlong */
		{"\xed\xa0\x80", 3, 0, 0},	   /* surrogate */
		{"\xf4\x90\x80\x80", 4, 0, 0},	   /* above U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 5, 0, 0}, /* five bytes */
		{"\xff", 1, 0, 0},
	};
	uint32_t c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		c = 0;
		assert_int_equal(isle_utf8_decode(rows[i].text, rows[i].size, &c), rows[i].length);
		assert_int_equal(c, rows[i].c);
	}
	assert_true(isle_utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
	assert_true(isle_utf8_valid("", 0));
	assert_false(isle_utf8_valid("gr\xc3\xbc\xc3", 5));
	assert_false(isle_utf8_valid("ok\xffok", 5));
}

static void test_hidden_characters(void **state)
{
	static const uint32_t hidden[] = {
		0x00,	0x07,	0x1b,	0x1f,	0x7f,	 0x80,	  0x9b,	   0x9f,    0xad,    0x34f,    0x61c,
		0x115f, 0x180e, 0x200b, 0x200c, 0x200d,	 0x200e,  0x200f,  0x2028,  0x2029,  0x202a,   0x202e,
		0x2060, 0x2066, 0x2069, 0x206f, 0x3164,	 0xd800,  0xe000,  0xf8ff,  0xfdd0,  0xfe0f,   0xfeff,
		0xffa0, 0xfff9, 0xfffe, 0xffff, 0x1fffe, 0xe0001, 0xe0061, 0xe0100, 0xf0000, 0x10ffff,
	};
	static const uint32_t shown[] = {0x20,	'a',	'~',	0xa0 + 1, 0xe9,	  0x400,   0x5d0,
					 0x627, 0x20ac, 0x4e00, 0xac00,	  0xfffd, 0x1f600, 0x20000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (!isle_utf8_hidden(hidden[i]))
			fail_msg("U+%04X is shown", hidden[i]);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (isle_utf8_hidden(shown[i]))
			fail_msg("U+%04X is hidden", shown[i]);
}

static void test_quote_names(void **state)
{
	static const struct {
		const char *name, *shown;
	} rows[] = {
		{"etc/hosts", "etc/hosts"},
		{"with space", "with space"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"a->b", "a->b"},
		{"a (b", "\"a (b\""},
		{"a -> b", "\"a -> b\""},
		{"a ", "\"a \""},
		{" a", "\" a\""},
		{"a /b", "\"a /b\""},
		{"a/ b", "\"a/ b\""},
		{"a  [setuid]", "\"a  [setuid]\""},
		{"a: b", "\"a: b\""},
		{"a\xc2\xa0", "\"a\\302\\240\""},
		{"a\xe2\x80\x83z", "\"a\\342\\200\\203z\""},
		{"a\xe3\x80\x80z", "\"a\\343\\200\\200z\""},
		{"a\xe2\x88\x95z", "\"a\\342\\210\\225z\""},
		{"", "\"\""},
		{"a\nb", "\"a\\nb\""},
		{"\a\b\t\v\f\r", "\"\\a\\b\\t\\v\\f\\r\""},
		{"say \"hi\"", "\"say \\\"hi\\\"\""},
		{"back\\slash", "\"back\\\\slash\""},
		{"\x1b[31m", "\"\\033[31m\""},
		{"\x7f", "\"\\177\""},
		{"\xc2\x9b"
		 "31m",
		 "\"\\302\\23331m\""},
		{"\xe2\x80\xae"
		 "txt",
		 "\"\\342\\200\\256txt\""},
		{"\xff\xfe", "\"\\377\\376\""},
		{"ok\xc3", "\"ok\\303\""},
		{"\xef\xbb\xbf"
		 "bom",
		 "\"\\357\\273\\277bom\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct isle_buf buf = ISLE_BUF_INIT, back = ISLE_BUF_INIT;

		assert_int_equal(isle_quote_add(&buf, rows[i].name), 0);
		assert_string_equal(buf.data, rows[i].shown);
		assert_string_equal(isle_quote(rows[i].name), rows[i].shown);
		assert_int_equal(isle_unquote(buf.data, &back), 0);
		assert_string_equal(back.data, rows[i].name);
	}
}

/* A shell that is given the line runs that and nothing else. */
static void test_quote_command(void **state)
{
	static const char arguments[] =
		"a b\0'\0\n$(id)\0\"\x1b`id`\\'\0\0\xff!$x\0\\n\t\"\0plain\0~\0say \"hi\" \\ it's";
	auto_buf struct isle_buf line = ISLE_BUF_INIT;

	(void)state;
	assert_int_equal(isle_quote_command_add(&line, arguments, sizeof(arguments)), 0);
	assert_string_equal(line.data, "'a b' ''\\''' $'\\n$(id)' $'\"\\033`id`\\\\\\'' '' $'\\377!$x' $'\\\\n\\t\"' "
				       "plain '~' 'say \"hi\" \\ it'\\''s'");
}

/* What isle_quote_add() would not write is no name. */
static void test_unquote_is_strict(void **state)
{
	static const char *const rows[] = {
		"",	   "\"",	  "\"a",       "\"a\"",	    "\"a\\n",	 "\"a\\n\" ",
		"\"\\q\"", "\"\\0\"",	  "\"\\012\"", "\"\\000\"", "\"\\400\"", "\"\\19\"",
		"a\nb",	   "back\\slash", "\xff",      "\"\\\"",    "\"\\n\"x",	 "\"\\101\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_buf struct isle_buf back = ISLE_BUF_INIT;

		if (isle_unquote(rows[i], &back) != -EINVAL)
			fail_msg("%s was taken for %s", rows[i], back.data);
		assert_int_equal(back.size, 0);
	}
}

static void test_quote_ring(void **state)
{
	const char *shown[8];
	char name[2] = "a";

	(void)state;
	for (int i = 0; i < 8; i++) {
		name[0] = (char)('a' + i);
		shown[i] = isle_quote(name);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(shown[i][0], 'a' + i);
}

static void test_quote_cuts_long_names(void **state)
{
	char name[4096];
	const char *shown;
	size_t i;

	(void)state;
	memset(name, 'x', sizeof(name));
	memcpy(name, "begin", 5);
	memcpy(name + sizeof(name) - 4, "end", 4);
	shown = isle_quote(name);
	assert_true(strlen(shown) < 300);
	assert_memory_equal(shown, "begin", 5);
	assert_non_null(strstr(shown, "x...x"));
	assert_string_equal(shown + strlen(shown) - 3, "end");

	/* Neither a character nor an escape is cut, wherever the cut falls. */
	for (size_t shift = 0; shift < 5; shift++) {
		memset(name, 'x', shift);
		for (i = shift; i + 4 < 2000; i += 3)
			memcpy(name + i, "\xe2\x82\xac", 3);
		name[i] = '\0';
		shown = isle_quote(name);
		assert_true(isle_utf8_valid(shown, strlen(shown)));
		assert_non_null(strstr(shown, "\xac...\xe2"));
		memset(name + shift, 1, 1000);
		name[shift + 1000] = '\0';
		shown = isle_quote(name);
		assert_non_null(strstr(shown, "\\001...\\001"));
		assert_int_equal(shown[strlen(shown) - 1], '"');
	}
}

static void test_quote_text(void **state)
{
	static const char line[] = "\tint x = \"\\n\";\r\x1b]0;t\a\0\xff";
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	(void)state;
	assert_int_equal(isle_quote_text_add(&buf, line, sizeof(line) - 1), 0);
	assert_string_equal(buf.data, "\tint x = \"\\n\";\\r\\033]0;t\\a\\000\\377");
}

/* Runs write on a new stream; its text in *ret_text. */
static void json_text(void (*write_json)(struct isle_json *), char **ret_text)
{
	size_t size;
	FILE *out = open_memstream(ret_text, &size);
	struct isle_json j;

	assert_non_null(out);
	isle_json_init(&j, out);
	write_json(&j);
	assert_int_equal(isle_json_done(&j), 0);
	fclose(out);
}

static void write_kinds(struct isle_json *j)
{
	isle_json_object(j, NULL);
	isle_json_int(j, "n", INT64_MIN);
	isle_json_bool(j, "t", true);
	isle_json_bool(j, "f", false);
	isle_json_null(j, "z");
	isle_json_str(j, "s", "x");
	isle_json_str(j, "none", NULL);
	isle_json_array(j, "a");
	isle_json_end(j);
	isle_json_object(j, "o");
	isle_json_array(j, "b");
	isle_json_int(j, NULL, 1);
	isle_json_int(j, NULL, 2);
	isle_json_object(j, NULL);
	isle_json_end(j);
	isle_json_end(j);
	isle_json_end(j);
	isle_json_int(j, "last", 3);
	isle_json_end(j);
}

static void write_strings(struct isle_json *j)
{
	isle_json_array(j, NULL);
	isle_json_str(j, NULL, "q\" b\\ n\n t\t r\r e\x1b d\x7f");
	isle_json_str(j, NULL, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
	isle_json_str(j, NULL, "\xe2\x80\xae \xf3\xa0\x80\x81");
	isle_json_str(j, NULL, "bad\xff.");
	isle_json_path(j, NULL, "/plain");
	isle_json_path(j, NULL, "\xff");
	isle_json_end(j);
}

static void write_bytes(struct isle_json *j)
{
	isle_json_object(j, NULL);
	isle_json_path(j, "path", "/x");
	isle_json_path(j, "path", "\xff");
	isle_json_bytes(j, "b", "\xff\xfe", 2);
	isle_json_bytes(j, "b", "\xff\xfe\xfd", 3);
	isle_json_bytes(j, "b", "\xfb\xff\0\1", 4);
	isle_json_bytes(j, "b", "a\0b", 3);
	isle_json_end(j);
}

static void test_json(void **state)
{
	auto_free char *kinds = NULL;
	auto_free char *strings = NULL;
	auto_free char *bytes = NULL;

	(void)state;
	json_text(write_kinds, &kinds);
	assert_string_equal(kinds, "{\"n\":-9223372036854775808,\"t\":true,\"f\":false,\"z\":null,\"s\":\"x\","
				   "\"none\":null,\"a\":[],\"o\":{\"b\":[1,2,{}]},\"last\":3}\n");
	json_text(write_strings, &strings);
	assert_string_equal(strings, "[\"q\\\" b\\\\ n\\n t\\t r\\u000d e\\u001b d\\u007f\","
				     "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\",\"\\u202e \\udb40\\udc01\","
				     "\"bad\\ufffd.\",\"/plain\",{\"b64\":\"/w==\"}]\n");
	json_text(write_bytes, &bytes);
	assert_string_equal(bytes, "{\"path\":\"/x\",\"path_b64\":\"/w==\",\"b_b64\":\"//4=\",\"b_b64\":\"//79\","
				   "\"b_b64\":\"+/8AAQ==\",\"b\":\"a\\u0000b\"}\n");
}

static void test_json_says_that_writing_failed(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct isle_json j;

	(void)state;
	assert_non_null(full);
	isle_json_init(&j, full);
	isle_json_array(&j, NULL);
	for (int i = 0; i < 10000; i++) /* more than the stream holds: it fails before the end, too */
		isle_json_int(&j, NULL, i);
	isle_json_end(&j);
	assert_true(isle_json_done(&j) < 0);
	fclose(full);
}

static void size_is(const char *text, int64_t bytes) /* or -errno */
{
	uint64_t got = 7;
	int r = isle_size_parse(text, &got);

	assert_int_equal(r, bytes < 0 ? bytes : 0);
	assert_int_equal(got, bytes < 0 ? 7 : bytes);
}

static void test_sizes(void **state)
{
	static const char *const wrong[] = {"",	   "K",	 "-1",	 "+1",	 "1KK", "1.K", ".5K",
					    "1e3", "1 ", "1  K", "0x10", "inf", "1iB"};

	(void)state;
	size_is("0", 0);
	size_is("1500", 1500);
	size_is("1500B", 1500);
	size_is("2K", 2048);
	size_is("2k", 2048);
	size_is("2KiB", 2048);
	size_is("2kB", 2000);
	size_is("1.5 M", 3 << 19);
	size_is("3G", 3LL << 30);
	size_is("10GB", 10000000000);
	size_is("1T", 1LL << 40);
	size_is("7E", 7LL << 60);
	size_is("8E", -ERANGE);
	size_is("99999999999999999999999999999999999999", -ERANGE);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		size_is(wrong[i], -EINVAL);
}

static void span_is(const char *text, int64_t seconds, const char *shown)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int64_t ns = 7;
	int r = isle_span_parse(text, &ns);

	assert_int_equal(r, seconds < 0 ? seconds : 0);
	if (seconds < 0) {
		assert_int_equal(ns, 7);
		return;
	}
	assert_int_equal(ns, seconds * 1000000000);
	isle_span_add(&buf, ns);
	assert_string_equal(buf.data, shown);
}

static void test_spans(void **state)
{
	static const char *const wrong[] = {"", "d", "-1", "1dd", "1 q", "soon", "1e3", "1D"};

	(void)state;
	span_is("0", 0, "0 seconds");
	span_is("1", 86400, "1 day");
	span_is("7d", 7 * 86400, "7 days");
	span_is("2w", 14 * 86400, "14 days");
	span_is("1.5 h", 5400, "90 minutes");
	span_is("90s", 90, "90 seconds");
	span_is("90m", 5400, "90 minutes");
	span_is("1y", 365 * 86400, "1 year");
	span_is("100y", 36500LL * 86400, "100 years");
	span_is("101y", -ERANGE, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		span_is(wrong[i], -EINVAL, NULL);
}

static void test_configuration(void **state)
{
	static const char text[] =
		"# a = b\n\n  gc.age=3d \r\nrun.when = allow any ./a = b; deny any . # no comment\nx-1 = \tcaf\xc3\xa9";
	static const char *const wrong[] = {"a", "= b", "a =", "A = b", "a b = c", "a = \x1b[2J", "a_b = c", "a: b"};
	auto_config struct isle_config config = ISLE_CONFIG_INIT;
	struct isle_err err = ISLE_ERR_INIT;

	(void)state;
	assert_int_equal(isle_config_parse(text, sizeof(text) - 1, "f", &config, &err), 0);
	assert_int_equal(config.count, 3);
	assert_string_equal(config.list[0].key, "gc.age");
	assert_string_equal(config.list[0].value, "3d");
	assert_int_equal(config.list[0].number, 3);
	assert_string_equal(config.list[1].value, "allow any ./a = b; deny any . # no comment");
	assert_string_equal(config.list[2].key, "x-1");
	assert_string_equal(config.list[2].value, "caf\xc3\xa9");
	assert_string_equal(config.list[2].file, "f");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(isle_config_parse(wrong[i], strlen(wrong[i]), "g", &config, &err), -EINVAL);
		assert_non_null(strstr(err.text, "g:1: "));
	}
	assert_int_equal(isle_config_parse("a = b\0c", 7, "g", &config, &err), -EINVAL);
	assert_int_equal(config.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows_and_ends_with_nul),
		cmocka_unit_test(test_buf_long_format),
		cmocka_unit_test(test_buf_failure_stays),
		cmocka_unit_test(test_buf_take),
		cmocka_unit_test(test_ownership_leaves),
		cmocka_unit_test(test_err_text),
		cmocka_unit_test(test_err_null_and_empty),
		cmocka_unit_test(test_err_is_cut_not_overrun),
		cmocka_unit_test(test_talk_levels),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_hidden_characters),
		cmocka_unit_test(test_quote_names),
		cmocka_unit_test(test_quote_command),
		cmocka_unit_test(test_unquote_is_strict),
		cmocka_unit_test(test_quote_ring),
		cmocka_unit_test(test_quote_cuts_long_names),
		cmocka_unit_test(test_quote_text),
		cmocka_unit_test(test_quote_text_fill),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_says_that_writing_failed),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_configuration),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
