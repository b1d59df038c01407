/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line diff: what its hunks say is carried out here, by a reader of unified diffs that shares no code with it.
 */
#include "buf.h"
#include "diff.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct output {
	struct isle_buf text;
	size_t hunks;
};

static int print(enum isle_diff_part part, const char *text, size_t size, void *arg)
{
	static const char prefixes[] = {[ISLE_DIFF_SAME] = ' ', [ISLE_DIFF_REMOVED] = '-', [ISLE_DIFF_ADDED] = '+'};
	struct output *out = arg;

	out->hunks += part == ISLE_DIFF_HUNK;
	if (part != ISLE_DIFF_HUNK && part != ISLE_DIFF_NO_NEWLINE)
		isle_buf_addc(&out->text, prefixes[part]);
	isle_buf_add(&out->text, text, size);
	return isle_buf_addc(&out->text, '\n');
}

static struct isle_text text_of(const char *string)
{
	return (struct isle_text){string, strlen(string)};
}

/* The next line of a text, with its newline; its size, 0 at the end. */
static size_t take_line(struct isle_text *text, const char **ret_line)
{
	const char *newline = memchr(text->data, '\n', text->size);
	size_t size = newline ? (size_t)(newline + 1 - text->data) : text->size;

	*ret_line = text->data;
	text->data += size;
	text->size -= size;
	return size;
}

static void copy_lines(struct isle_text *from, struct isle_buf *to, size_t *at, size_t until)
{
	const char *line;
	size_t size;

	for (; *at < until; ++*at) {
		size = take_line(from, &line);
		assert_true(size > 0);
		isle_buf_add(to, line, size);
	}
}

/* One line of a hunk: checks it against a, and adds what b has. */
static void apply_line(struct isle_text *a, struct isle_buf *b, const char *line, size_t size, bool newline)
{
	auto_buf struct isle_buf want = ISLE_BUF_INIT;
	const char *have;
	size_t have_size;

	isle_buf_add(&want, line + 1, size - 1);
	if (newline)
		isle_buf_addc(&want, '\n');
	if (*line != '+') {
		have_size = take_line(a, &have);
		assert_int_equal(have_size, want.size);
		assert_memory_equal(have, want.data, have_size);
	}
	if (*line != '-')
		isle_buf_add(b, want.data, want.size);
}

/* Applies a unified diff to a. */
static void apply(struct isle_text a, struct isle_text diff, struct isle_buf *b)
{
	size_t at = 0;
	const char *line;
	size_t size = take_line(&diff, &line);

	while (size > 0) {
		size_t start, count, start_b, count_b, used = 0;

		assert_int_equal(sscanf(line, "@@ -%zu,%zu +%zu,%zu @@\n", &start, &count, &start_b, &count_b), 4);
		copy_lines(&a, b, &at, count ? start - 1 : start);
		while ((size = take_line(&diff, &line)) > 0 && *line != '@') {
			bool newline = diff.size == 0 || diff.data[0] != '\\';

			apply_line(&a, b, line, size - 1, newline);
			used += *line != '+';
			at += *line != '+';
			if (!newline)
				take_line(&diff, &line);
		}
		assert_int_equal(used, count);
	}
	isle_buf_add(b, a.data, a.size);
}

static void check(struct isle_text a, struct isle_text b, struct output *out)
{
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	auto_buf struct isle_buf result = ISLE_BUF_INIT;

	assert_int_equal(isle_diff_lines(a, b, &diff), 0);
	assert_int_equal(isle_diff_unified(&diff, 3, print, out), 0);
	apply(a, (struct isle_text){out->text.data ? out->text.data : "", out->text.size}, &result);
	assert_int_equal(result.size, b.size);
	assert_memory_equal(result.data ? result.data : "", b.data, b.size);
}

static void check_output(const char *a, const char *b, const char *want)
{
	struct output out = {0};

	check(text_of(a), text_of(b), &out);
	assert_string_equal(out.text.data ? out.text.data : "", want);
	isle_buf_done(&out.text);
}

static void test_output(void **state)
{
	(void)state;
	check_output("", "", "");
	check_output("a\n", "a\n", "");
	check_output("", "a\n", "@@ -0,0 +1,1 @@\n+a\n");
	check_output("a\n", "", "@@ -1,1 +0,0 @@\n-a\n");
	check_output("a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n");
	check_output("a\nb", "a\nc",
		     "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n");
	check_output("1\n2\n3\n4\n5\n", "1\n2\n3\nx\n4\n5\n", "@@ -1,5 +1,6 @@\n 1\n 2\n 3\n+x\n 4\n 5\n");
	check_output("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n2\n3\n4\n5\n6\n7\n8\n0\n",
		     "@@ -1,4 +1,4 @@\n-1\n+0\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+0\n");
	check_output("1\n2\n3\n4\n5\n6\n7\n8\n", "0\n2\n3\n4\n5\n6\n7\n0\n",
		     "@@ -1,8 +1,8 @@\n-1\n+0\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+0\n");
	/* what was added shows at the end of equal lines */
	check_output("{\n}\n", "{\n}\n{\n}\n", "@@ -1,2 +1,4 @@\n {\n }\n+{\n+}\n");
}

static void test_shortest(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned removed, added;
	} cases[] = {
		{"a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", 3, 2}, /* Myers' example: D = 5 */
		{"a\nb\nc\n", "x\ny\nz\n", 3, 3},
		{"a\nb\nc\nd\n", "b\nc\nd\na\n", 1, 1},
		{"a\na\na\n", "a\na\n", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_diff struct isle_diff diff = ISLE_DIFF_INIT;

		assert_int_equal(isle_diff_lines(text_of(cases[i].a), text_of(cases[i].b), &diff), 0);
		assert_int_equal(diff.removed, cases[i].removed);
		assert_int_equal(diff.added, cases[i].added);
		assert_false(diff.coarse);
	}
}

/* Length of a longest common sequence, by the table. */
static size_t common(const char *a, const char *b, size_t n, size_t m)
{
	size_t table[65][65] = {0};

	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			size_t best = table[i - 1][j] > table[i][j - 1] ? table[i - 1][j] : table[i][j - 1];

			table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1 : best;
		}
	return table[n][m];
}

static uint64_t random_state = 1;

static unsigned next_random(unsigned below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % below;
}

static size_t random_letters(char *letters, unsigned most, unsigned kinds)
{
	size_t count = next_random(most + 1);

	for (size_t i = 0; i < count; i++)
		letters[i] = (char)('a' + next_random(kinds));
	return count;
}

static void make_text(const char *letters, size_t count, bool newline, struct isle_buf *text)
{
	for (size_t i = 0; i < count; i++) {
		isle_buf_addc(text, letters[i]);
		if (i + 1 < count || newline)
			isle_buf_addc(text, '\n');
	}
}

static struct isle_text buf_text(const struct isle_buf *buf)
{
	return (struct isle_text){buf->data ? buf->data : "", buf->size};
}

/* Random pairs: the diff applied to the first gives the second, and no shorter one exists. */
static void test_random(void **state)
{
	(void)state;
	for (int round = 0; round < 4000; round++) {
		auto_buf struct isle_buf a = ISLE_BUF_INIT, b = ISLE_BUF_INIT;
		auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
		struct output out = {0};
		char x[64], y[64];
		unsigned kinds = 1 + next_random(6);
		size_t n = random_letters(x, 40, kinds), m = random_letters(y, 40, kinds);
		bool same_end = next_random(4) > 0;

		make_text(x, n, true, &a);
		make_text(y, m, same_end, &b);
		check(buf_text(&a), buf_text(&b), &out);
		isle_buf_done(&out.text);
		assert_int_equal(isle_diff_lines(buf_text(&a), buf_text(&b), &diff), 0);
		if (same_end)
			assert_int_equal(diff.removed + diff.added, n + m - 2 * common(x, y, n, m));
	}
}

static void many_lines(struct isle_buf *buf, size_t count, unsigned kinds)
{
	for (size_t i = 0; i < count; i++)
		isle_buf_addf(buf, "%u\n", next_random(kinds));
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Two long texts of few kinds of lines in no order are the worst there is: it ends, it says so, and it is right. */
static void test_worst(void **state)
{
	auto_buf struct isle_buf a = ISLE_BUF_INIT, b = ISLE_BUF_INIT;
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	struct output out = {0};
	double start = seconds();

	(void)state;
	many_lines(&a, 200000, 50);
	many_lines(&b, 200000, 50);
	assert_int_equal(isle_diff_lines(buf_text(&a), buf_text(&b), &diff), 0);
	assert_true(diff.coarse);
	check(buf_text(&a), buf_text(&b), &out);
	isle_buf_done(&out.text);
	assert_true(seconds() - start < 30);
}

static void test_limits(void **state)
{
	struct isle_text huge = {"", (size_t)2 << 30};
	struct isle_text lines = {NULL, ISLE_DIFF_LINES_MAX + 1};
	auto_free char *newlines = malloc(lines.size);
	struct isle_diff diff;

	(void)state;
	assert_non_null(newlines);
	memset(newlines, '\n', lines.size);
	lines.data = newlines;
	assert_int_equal(isle_diff_lines(huge, text_of(""), &diff), -E2BIG);
	assert_int_equal(isle_diff_lines(lines, text_of(""), &diff), -E2BIG);
	assert_true(isle_text_binary((struct isle_text){"a\0b", 3}));
	assert_false(isle_text_binary(text_of("\xff\x01")));
	assert_false(isle_text_binary(text_of("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output), cmocka_unit_test(test_shortest), cmocka_unit_test(test_random),
		cmocka_unit_test(test_worst),  cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
