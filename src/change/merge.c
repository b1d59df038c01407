/* SPDX-License-Identifier: Apache-2.0 */
#include "merge.h"
#include <string.h>

/* A stretch of each text: lines [start, end). */
struct stretch {
	size_t start, end;
};

struct merge {
	struct isle_diff one, other; /* base against either: a is the base in both */
	struct stretch in_base, in_one, in_other;
	struct isle_buf *out;
};

static void merge_done(struct merge *m)
{
	isle_diff_done(&m->one);
	isle_diff_done(&m->other);
}
#define auto_merge __attribute__((cleanup(merge_done)))

static struct isle_text text_of(const struct isle_side *side, struct stretch stretch)
{
	struct isle_text text = {.data = "", .size = 0};
	size_t i;

	if (stretch.start < stretch.end)
		text.data = side->lines[stretch.start].start;
	for (i = stretch.start; i < stretch.end; i++)
		text.size += side->lines[i].size;
	return text;
}

static bool equal(struct isle_text a, struct isle_text b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Lines that the side has put in here. */
static void take_added(const struct isle_diff *diff, struct stretch *side)
{
	while (side->end < diff->b.count && diff->b.changed[side->end])
		side->end++;
}

static void begin(struct merge *m)
{
	m->in_base.start = m->in_base.end;
	m->in_one.start = m->in_one.end;
	m->in_other.start = m->in_other.end;
}

/* One line of the base, and of a side where it is the same. */
static void pass_line(struct merge *m)
{
	size_t i = m->in_base.end++;

	m->in_one.end += !m->one.a.changed[i];
	m->in_other.end += !m->other.a.changed[i];
}

static bool both_kept(const struct merge *m)
{
	size_t i = m->in_base.end;

	return i < m->one.a.count && !m->one.a.changed[i] && !m->other.a.changed[i];
}

/* As far as there is a change of either side. */
static void next_changed(struct merge *m)
{
	begin(m);
	take_added(&m->one, &m->in_one);
	take_added(&m->other, &m->in_other);
	while (m->in_base.end < m->one.a.count && !both_kept(m)) {
		pass_line(m);
		take_added(&m->one, &m->in_one);
		take_added(&m->other, &m->in_other);
	}
}

static bool added_here(const struct isle_diff *diff, size_t at)
{
	return at < diff->b.count && diff->b.changed[at];
}

/* As far as neither side has changed anything. */
static void next_kept(struct merge *m)
{
	begin(m);
	while (both_kept(m) && !added_here(&m->one, m->in_one.end) && !added_here(&m->other, m->in_other.end))
		pass_line(m);
}

/* 1, or 0: both have changed it, and not to the same. */
static int add_changed(struct merge *m)
{
	struct isle_text base = text_of(&m->one.a, m->in_base), one = text_of(&m->one.b, m->in_one),
			 other = text_of(&m->other.b, m->in_other);
	struct isle_text taken = equal(one, base) ? other : one;

	if (!equal(one, base) && !equal(other, base) && !equal(one, other))
		return 0;
	isle_buf_add(m->out, taken.data, taken.size);
	return 1;
}

int isle_merge_lines(struct isle_text base, struct isle_text one, struct isle_text other, struct isle_buf *ret_text)
{
	auto_merge struct merge m = {.out = ret_text};
	size_t size = ret_text->size;
	int r = isle_diff_lines(base, one, &m.one);

	if (r >= 0)
		r = isle_diff_lines(base, other, &m.other);
	if (r < 0)
		return r;
	do {
		struct isle_text kept;

		next_kept(&m);
		kept = text_of(&m.one.a, m.in_base);
		isle_buf_add(ret_text, kept.data, kept.size);
		next_changed(&m);
		r = add_changed(&m);
	} while (r > 0 && m.in_base.end < m.one.a.count);
	if (r > 0 && isle_buf_error(ret_text) < 0)
		return isle_buf_error(ret_text);
	if (r == 0)
		isle_buf_cut(ret_text, size);
	return r;
}

/* --- hunks --- */

size_t isle_hunks_count(const struct isle_diff *diff)
{
	struct isle_hunk hunk;
	size_t i = 0, j = 0, count = 0;

	while (isle_diff_next_hunk(diff, ISLE_HUNK_CONTEXT, &i, &j, &hunk))
		count++;
	return count;
}

static void add_lines(struct isle_buf *out, const struct isle_side *side, size_t start, size_t end)
{
	struct isle_text text = text_of(side, (struct stretch){start, end});

	isle_buf_add(out, text.data, text.size);
}

int isle_hunks_apply(const struct isle_diff *diff, bool (*wanted)(size_t number, const void *data), const void *data,
		     struct isle_buf *ret_text)
{
	struct isle_hunk hunk;
	size_t i = 0, j = 0, done = 0, number = 0;
	int taken = 0;

	while (isle_diff_next_hunk(diff, ISLE_HUNK_CONTEXT, &i, &j, &hunk)) {
		bool take = wanted(++number, data);

		add_lines(ret_text, &diff->a, done, hunk.a);
		if (take)
			add_lines(ret_text, &diff->b, hunk.b, hunk.b_end);
		else
			add_lines(ret_text, &diff->a, hunk.a, hunk.a_end);
		done = hunk.a_end;
		taken += take;
	}
	add_lines(ret_text, &diff->a, done, diff->a.count);
	return isle_buf_adds(ret_text, "") < 0 ? isle_buf_error(ret_text) : taken;
}
