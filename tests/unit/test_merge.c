/* SPDX-License-Identifier: Apache-2.0 */
/* Three-way merges and hunks: by a table, and by random edits whose result is known because they lie apart. */
#include "merge.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

static struct isle_text text_of(const char *string)
{
	return (struct isle_text){string, strlen(string)};
}

static struct isle_text buf_text(const struct isle_buf *buf)
{
	return (struct isle_text){buf->data ? buf->data : "", buf->size};
}

/* wanted NULL: a conflict. Both ways round. */
static void merges_to(const char *base, const char *one, const char *other, const char *wanted)
{
	for (int turn = 0; turn < 2; turn++) {
		auto_buf struct isle_buf out = ISLE_BUF_INIT;
		int r = isle_merge_lines(text_of(base), text_of(turn ? other : one), text_of(turn ? one : other), &out);

		if (r != (wanted != NULL) ||
		    (wanted && (out.size != strlen(wanted) || memcmp(out.data ? out.data : "", wanted, out.size) != 0)))
			fail_msg("base [%s] one [%s] other [%s]: %d [%.*s] instead of [%s]", base, one, other, r,
				 (int)out.size, out.data ? out.data : "", wanted ? wanted : "a conflict");
		if (r == 0)
			assert_int_equal(out.size, 0);
	}
}

static void test_table(void **state)
{
	(void)state;
	merges_to("", "", "", "");
	merges_to("", "a\n", "", "a\n");
	merges_to("", "a\n", "a\n", "a\n");
	merges_to("", "a\n", "b\n", NULL);
	merges_to("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n");
	merges_to("a\nb\nc\n", "a\nB\nc\n", "a\nX\nc\n", NULL);
	merges_to("a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", "a\nB\nc\n");
	/* What touches may belong together. */
	merges_to("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", NULL);
	merges_to("a\nb\nc\n", "a\nx\nb\nc\n", "a\nB\nc\n", NULL);
	/* Both at the end. */
	merges_to("a\nb\n", "a\nb\nx\n", "a\nb\ny\n", NULL);
	merges_to("a\nb\nc\n", "x\na\nb\nc\n", "a\nb\nc\ny\n", "x\na\nb\nc\ny\n");
	/* Deleted here, changed there. */
	merges_to("a\nb\nc\n", "a\nc\n", "a\nB\nc\n", NULL);
	merges_to("a\nb\nc\nd\ne\n", "c\nd\ne\n", "a\nb\nc\nd\nE\n", "c\nd\nE\n");
	merges_to("a\nb\nc\n", "", "a\nb\nc\n", "");
	merges_to("a\nb\nc\n", "", "a\nb\nC\n", NULL);
	merges_to("a\nb\n", "", "", "");
	/* The newline at the end counts. */
	merges_to("a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n");
	merges_to("a\nb\nc", "a\nb\nc\nd", "a\nb\nc\n", NULL);
	merges_to("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n");
}

static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* One edit of `lines` lines from number `at` on, into side; the others get them as they are. */
static void edit(struct isle_buf *side, unsigned at, unsigned lines, unsigned round)
{
	switch (rnd(3)) {
	case 0: /* removed */
		break;
	case 1: /* put in */
		isle_buf_addf(side, "new %u.%u\n", round, at);
		for (unsigned i = 0; i < lines; i++)
			isle_buf_addf(side, "line %u\n", at + i);
		break;
	default:
		for (unsigned i = 0; i < lines + rnd(3); i++)
			isle_buf_addf(side, "changed %u.%u.%u\n", round, at, i);
	}
}

static void test_apart(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct isle_buf texts[4] = {ISLE_BUF_INIT, ISLE_BUF_INIT, ISLE_BUF_INIT, ISLE_BUF_INIT};
		auto_buf struct isle_buf out = ISLE_BUF_INIT;
		unsigned at = 0;

		seed = round;
		for (unsigned part = 0; part < 20; part++) {
			unsigned lines = 1 + rnd(4), who = rnd(4);
			size_t before = texts[3].size;

			for (unsigned k = 0; k < 4; k++)
				isle_buf_addf(&texts[k], "line %u\n", at);
			at++;
			before = texts[3].size;
			if (who == 1 || who == 2)
				edit(&texts[3], at, lines, round);
			for (unsigned k = 0; k < 4; k++) {
				if (k == who && (who == 1 || who == 2))
					isle_buf_add(&texts[k], texts[3].data + before, texts[3].size - before);
				else if (k < 3 || who == 0 || who == 3)
					for (unsigned i = 0; i < lines; i++)
						isle_buf_addf(&texts[k], "line %u\n", at + i);
			}
			at += lines;
		}
		assert_int_equal(isle_merge_lines(buf_text(&texts[0]), buf_text(&texts[1]), buf_text(&texts[2]), &out),
				 1);
		assert_int_equal(out.size, texts[3].size);
		assert_memory_equal(out.data, texts[3].data, out.size);
		for (unsigned k = 0; k < 4; k++)
			isle_buf_done(&texts[k]);
	}
}

static void random_text(struct isle_buf *buf)
{
	unsigned lines = rnd(12);

	isle_buf_clear(buf);
	isle_buf_adds(buf, "");
	for (unsigned i = 0; i < lines; i++)
		isle_buf_addf(buf, "%u%s", rnd(3), i + 1 < lines || rnd(4) ? "\n" : "");
}

static void same(const struct isle_buf *a, const struct isle_buf *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->data ? a->data : "", b->data ? b->data : "", a->size);
}

/* What must hold for any three texts. */
static void test_laws(void **state)
{
	auto_buf struct isle_buf base = ISLE_BUF_INIT, one = ISLE_BUF_INIT, other = ISLE_BUF_INIT;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		auto_buf struct isle_buf ab = ISLE_BUF_INIT, ba = ISLE_BUF_INIT, alone = ISLE_BUF_INIT,
					 same_both = ISLE_BUF_INIT;
		int r;

		seed = round;
		random_text(&base);
		random_text(&one);
		random_text(&other);
		r = isle_merge_lines(buf_text(&base), buf_text(&one), buf_text(&other), &ab);
		assert_int_equal(isle_merge_lines(buf_text(&base), buf_text(&other), buf_text(&one), &ba), r);
		same(&ab, &ba);
		assert_int_equal(isle_merge_lines(buf_text(&base), buf_text(&one), buf_text(&base), &alone), 1);
		same(&alone, &one);
		assert_int_equal(isle_merge_lines(buf_text(&base), buf_text(&one), buf_text(&one), &same_both), 1);
		same(&same_both, &one);
	}
}

static bool in_mask(size_t number, const void *data)
{
	return *(const unsigned *)data & 1U << (number - 1);
}

/* Hunk by hunk, the second text comes about; and each by itself has its lines only. */
static void test_hunks(void **state)
{
	auto_buf struct isle_buf a = ISLE_BUF_INIT, b = ISLE_BUF_INIT, expected = ISLE_BUF_INIT;
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	unsigned i, mask;

	(void)state;
	for (i = 0; i < 40; i++) {
		isle_buf_addf(&a, "%u\n", i);
		isle_buf_addf(&b, i % 10 == 5 ? "changed %u\n" : "%u\n", i);
	}
	assert_int_equal(isle_diff_lines(buf_text(&a), buf_text(&b), &diff), 0);
	assert_int_equal(isle_hunks_count(&diff), 4);
	for (mask = 0; mask < 16; mask++) {
		auto_buf struct isle_buf out = ISLE_BUF_INIT;

		isle_buf_clear(&expected);
		for (i = 0; i < 40; i++)
			isle_buf_addf(&expected, i % 10 == 5 && (mask & 1U << i / 10) ? "changed %u\n" : "%u\n", i);
		assert_int_equal(isle_hunks_apply(&diff, in_mask, &mask, &out), __builtin_popcount(mask));
		same(&out, &expected);
	}
}

static void test_all_hunks_are_the_other_text(void **state)
{
	auto_buf struct isle_buf a = ISLE_BUF_INIT, b = ISLE_BUF_INIT;

	(void)state;
	for (unsigned round = 0; round < 5000; round++) {
		auto_buf struct isle_buf all = ISLE_BUF_INIT, none = ISLE_BUF_INIT;
		auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
		unsigned everything = ~0U, nothing = 0;

		seed = round;
		random_text(&a);
		random_text(&b);
		assert_int_equal(isle_diff_lines(buf_text(&a), buf_text(&b), &diff), 0);
		assert_int_equal(isle_hunks_apply(&diff, in_mask, &everything, &all), (int)isle_hunks_count(&diff));
		same(&all, &b);
		assert_int_equal(isle_hunks_apply(&diff, in_mask, &nothing, &none), 0);
		same(&none, &a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_laws),
		cmocka_unit_test(test_hunks),
		cmocka_unit_test(test_all_hunks_are_the_other_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
