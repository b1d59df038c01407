/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line differences in bounded time.
 *
 * 1. Each line gets a number, equal for equal lines, from a hash table with a random seed, so that a file cannot be
 *    made to collide. After that no text is looked at.
 * 2. What both sides begin and end with is cut off. Lines that the other side does not have at all are marked
 *    as changed and left out; that takes nothing from the longest common sequence of the rest.
 * 3. The rest is divided by Myers' middle snake, from both ends at once, with a stack of boxes in place of recursion.
 * 4. A box whose search costs more than BOX_COST steps of D is divided where it has come furthest; when all
 *    boxes together have cost STEPS_MAX, what is left is shown as replaced as a whole. Both set `coarse`. The
 *    result is right in any case: only which lines count as equal is chosen less well.
 * 5. Runs of changed lines are moved down as far as they go, where equal lines let them: insertions in lists then show
 *    at their end, as readers of diffs are used to.
 */
#include "diff.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { BOX_COST = 2048 };
static const uint64_t steps_max = 150u * 1000 * 1000;
static const ptrdiff_t beyond = PTRDIFF_MAX / 2;
static const size_t text_max = (size_t)1 << 30;

/* --- lines and their numbers --- */

static int split(struct isle_text text, struct isle_side *side)
{
	const char *at = text.data, *end = text.data + text.size;
	size_t count = 0;

	for (const char *p = at; p < end; count++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	if (count > ISLE_DIFF_LINES_MAX)
		return -E2BIG;
	side->lines = calloc(count + 1, sizeof(*side->lines));
	side->changed = calloc(count + 1, sizeof(*side->changed));
	if (!side->lines || !side->changed)
		return -ENOMEM;
	side->count = count;
	for (size_t i = 0; i < count; i++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		side->lines[i].start = at;
		side->lines[i].size = (uint32_t)((newline ? newline + 1 : end) - at);
		at += side->lines[i].size;
	}
	return 0;
}

struct table {
	uint32_t *slots; /* number of the line's class + 1 */
	size_t mask;
	const struct isle_line **first; /* of each class */
	uint32_t classes;
	uint64_t seed[2];
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const struct table *table, const char *data, size_t size)
{
	uint64_t state = table->seed[0] ^ size;

	for (; size >= 8; data += 8, size -= 8) {
		uint64_t word;

		memcpy(&word, data, 8);
		state = mix(state ^ word, table->seed[1]);
	}
	if (size > 0) {
		uint64_t word = 0;

		memcpy(&word, data, size);
		state = mix(state ^ word, table->seed[1]);
	}
	return mix(state, table->seed[0] | 1);
}

static int table_init(struct table *table, size_t lines)
{
	size_t room = 16;

	while (room < lines * 2)
		room *= 2;
	table->slots = calloc(room, sizeof(*table->slots));
	table->first = calloc(lines + 1, sizeof(struct isle_line *));
	table->mask = room - 1;
	if (!table->slots || !table->first)
		return -ENOMEM;
	if (getrandom(table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed[0] = (uintptr_t)table ^ (uintptr_t)table->slots;
	table->seed[1] |= (uint64_t)1 << 63 | 1;
	return 0;
}

static void number(struct table *table, struct isle_side *side)
{
	for (size_t i = 0; i < side->count; i++) {
		struct isle_line *line = &side->lines[i];
		size_t slot = hash(table, line->start, line->size) & table->mask;

		for (; table->slots[slot]; slot = (slot + 1) & table->mask) {
			const struct isle_line *other = table->first[table->slots[slot] - 1];

			if (other->size == line->size && memcmp(other->start, line->start, line->size) == 0)
				break;
		}
		if (!table->slots[slot]) {
			table->first[table->classes] = line;
			table->slots[slot] = ++table->classes;
		}
		line->id = table->slots[slot] - 1;
	}
}

static int number_lines(struct isle_diff *diff, uint32_t *ret_classes)
{
	struct table table = {0};
	int r = table_init(&table, diff->a.count + diff->b.count);

	if (r >= 0) {
		number(&table, &diff->a);
		number(&table, &diff->b);
		*ret_classes = table.classes;
	}
	free(table.slots);
	free(table.first);
	return r;
}

/* --- the search --- */

/* One side without the lines that cannot match. */
struct sequence {
	uint32_t *ids;
	uint32_t *at; /* index of the line */
	ptrdiff_t count;
	bool *changed;
};

struct box {
	ptrdiff_t a, a_end, b, b_end;
};

struct search {
	struct sequence a, b;
	ptrdiff_t *forward, *backward; /* furthest x on each diagonal, indexed by diagonal x - y */
	struct box *stack;
	size_t depth, room;
	uint64_t steps;
	bool coarse;
};

static int filter(const struct isle_side *side, size_t from, size_t to, const bool *other_has,
		  struct sequence *sequence)
{
	sequence->ids = calloc(to - from + 1, sizeof(*sequence->ids));
	sequence->at = calloc(to - from + 1, sizeof(*sequence->at));
	sequence->changed = side->changed;
	if (!sequence->ids || !sequence->at)
		return -ENOMEM;
	for (size_t i = from; i < to; i++) {
		if (!other_has[side->lines[i].id]) {
			side->changed[i] = true;
			continue;
		}
		sequence->ids[sequence->count] = side->lines[i].id;
		sequence->at[sequence->count++] = (uint32_t)i;
	}
	return 0;
}

static void mark_range(const struct sequence *sequence, ptrdiff_t from, ptrdiff_t to)
{
	for (; from < to; from++)
		sequence->changed[sequence->at[from]] = true;
}

struct split_point {
	ptrdiff_t x, y;
};

/* The state of one box's search: diagonals k = x - y, of which [low, high] are inside the box. */
struct fronts {
	struct box box;
	ptrdiff_t low, high;
	ptrdiff_t forward_low, forward_high, backward_low, backward_high;
	bool odd;
};

/* One more difference from the top left. True when the fronts have met. */
static bool go_forward(struct search *s, struct fronts *f, struct split_point *point)
{
	ptrdiff_t *v = s->forward;

	if (f->forward_low > f->low)
		v[--f->forward_low - 1] = -1;
	else
		f->forward_low++;
	if (f->forward_high < f->high)
		v[++f->forward_high + 1] = -1;
	else
		f->forward_high--;
	for (ptrdiff_t k = f->forward_high; k >= f->forward_low; k -= 2) {
		ptrdiff_t x = v[k - 1] >= v[k + 1] ? v[k - 1] + 1 : v[k + 1];
		ptrdiff_t y = x - k;

		for (; x < f->box.a_end && y < f->box.b_end && s->a.ids[x] == s->b.ids[y]; s->steps++)
			x++, y++;
		v[k] = x;
		if (f->odd && f->backward_low <= k && k <= f->backward_high && s->backward[k] <= x) {
			*point = (struct split_point){x, y};
			return true;
		}
	}
	s->steps += (uint64_t)(f->forward_high - f->forward_low) / 2 + 1;
	return false;
}

static bool go_backward(struct search *s, struct fronts *f, struct split_point *point)
{
	ptrdiff_t *v = s->backward;

	if (f->backward_low > f->low)
		v[--f->backward_low - 1] = beyond;
	else
		f->backward_low++;
	if (f->backward_high < f->high)
		v[++f->backward_high + 1] = beyond;
	else
		f->backward_high--;
	for (ptrdiff_t k = f->backward_high; k >= f->backward_low; k -= 2) {
		ptrdiff_t x = v[k - 1] < v[k + 1] ? v[k - 1] : v[k + 1] - 1;
		ptrdiff_t y = x - k;

		for (; x > f->box.a && y > f->box.b && s->a.ids[x - 1] == s->b.ids[y - 1]; s->steps++)
			x--, y--;
		v[k] = x;
		if (!f->odd && f->forward_low <= k && k <= f->forward_high && x <= s->forward[k]) {
			*point = (struct split_point){x, y};
			return true;
		}
	}
	s->steps += (uint64_t)(f->backward_high - f->backward_low) / 2 + 1;
	return false;
}

/* Where the forward front has come furthest: not on the shortest way, but on a way. */
static struct split_point furthest(const struct search *s, const struct fronts *f)
{
	struct split_point best = {f->box.a, f->box.b};

	for (ptrdiff_t k = f->forward_high; k >= f->forward_low; k -= 2) {
		ptrdiff_t x = s->forward[k] < f->box.a_end ? s->forward[k] : f->box.a_end;
		ptrdiff_t y = x - k;

		if (y > f->box.b_end) {
			y = f->box.b_end;
			x = y + k;
		}
		if (x >= f->box.a && y >= f->box.b && x + y > best.x + best.y)
			best = (struct split_point){x, y};
	}
	return best;
}

static struct split_point divide(struct search *s, const struct box *box)
{
	ptrdiff_t forward = box->a - box->b, backward = box->a_end - box->b_end;
	struct fronts f = {
		.box = *box,
		.low = box->a - box->b_end,
		.high = box->a_end - box->b,
		.forward_low = forward,
		.forward_high = forward,
		.backward_low = backward,
		.backward_high = backward,
		.odd = ((forward - backward) & 1) != 0,
	};
	struct split_point point = {0, 0};

	s->forward[forward] = box->a;
	s->backward[backward] = box->a_end;
	for (int cost = 0; cost < BOX_COST; cost++)
		if (go_forward(s, &f, &point) || go_backward(s, &f, &point))
			return point;
	s->coarse = true;
	return furthest(s, &f);
}

static int push(struct search *s, struct box box)
{
	if (s->depth == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct box *stack = reallocarray(s->stack, room, sizeof(*stack));

		if (!stack)
			return -ENOMEM;
		s->stack = stack;
		s->room = room;
	}
	s->stack[s->depth++] = box;
	return 0;
}

static void trim(const struct search *s, struct box *box)
{
	while (box->a < box->a_end && box->b < box->b_end && s->a.ids[box->a] == s->b.ids[box->b])
		box->a++, box->b++;
	while (box->a < box->a_end && box->b < box->b_end && s->a.ids[box->a_end - 1] == s->b.ids[box->b_end - 1])
		box->a_end--, box->b_end--;
}

/* Dividing there would leave the box as it is. */
static bool is_corner(const struct box *box, struct split_point point)
{
	return (point.x == box->a && point.y == box->b) || (point.x == box->a_end && point.y == box->b_end);
}

static int solve(struct search *s)
{
	int r = push(s, (struct box){0, s->a.count, 0, s->b.count});

	while (r >= 0 && s->depth > 0) {
		struct box box = s->stack[--s->depth];
		struct split_point point;

		trim(s, &box);
		if (s->steps > steps_max && box.a < box.a_end && box.b < box.b_end)
			s->coarse = true;
		if (box.a == box.a_end || box.b == box.b_end || s->steps > steps_max) {
			mark_range(&s->a, box.a, box.a_end);
			mark_range(&s->b, box.b, box.b_end);
			continue;
		}
		point = divide(s, &box);
		if (is_corner(&box, point)) {
			mark_range(&s->a, box.a, box.a_end);
			mark_range(&s->b, box.b, box.b_end);
			continue;
		}
		r = push(s, (struct box){point.x, box.a_end, point.y, box.b_end});
		if (r >= 0)
			r = push(s, (struct box){box.a, point.x, box.b, point.y});
	}
	return r;
}

static int search_init(struct search *s)
{
	/* Diagonals run from -b.count - 1 to a.count + 1. */
	size_t diagonals = (size_t)(s->a.count + s->b.count) + 3;

	s->forward = calloc(diagonals, sizeof(*s->forward));
	s->backward = calloc(diagonals, sizeof(*s->backward));
	if (!s->forward || !s->backward)
		return -ENOMEM;
	s->forward += s->b.count + 1;
	s->backward += s->b.count + 1;
	return 0;
}

static void search_done(struct search *s, bool has_fronts)
{
	if (has_fronts) {
		s->forward -= s->b.count + 1;
		s->backward -= s->b.count + 1;
	}
	free(s->forward);
	free(s->backward);
	free(s->a.ids);
	free(s->a.at);
	free(s->b.ids);
	free(s->b.at);
	free(s->stack);
}

static void note_classes(const struct isle_side *side, size_t from, size_t to, bool *has)
{
	for (size_t i = from; i < to; i++)
		has[side->lines[i].id] = true;
}

static int find_changes(struct isle_diff *diff, uint32_t classes)
{
	struct isle_side *a = &diff->a, *b = &diff->b;
	size_t from = 0, a_end = a->count, b_end = b->count;
	auto_free bool *in_a = calloc(classes + 1, sizeof(bool)), *in_b = calloc(classes + 1, sizeof(bool));
	struct search search = {0};
	bool ready = false;
	int r;

	if (!in_a || !in_b)
		return -ENOMEM;
	while (from < a_end && from < b_end && a->lines[from].id == b->lines[from].id)
		from++;
	while (a_end > from && b_end > from && a->lines[a_end - 1].id == b->lines[b_end - 1].id)
		a_end--, b_end--;
	note_classes(a, from, a_end, in_a);
	note_classes(b, from, b_end, in_b);
	r = filter(a, from, a_end, in_b, &search.a);
	if (r >= 0)
		r = filter(b, from, b_end, in_a, &search.b);
	if (r >= 0)
		r = search_init(&search);
	ready = r >= 0;
	if (r >= 0)
		r = solve(&search);
	diff->coarse = search.coarse;
	search_done(&search, ready);
	return r;
}

/* --- making it readable --- */

static void slide_down(struct isle_side *side)
{
	size_t end;

	for (size_t start = 0; start < side->count; start = end) {
		end = start + 1;
		if (!side->changed[start])
			continue;
		while (end < side->count && side->changed[end])
			end++;
		while (end < side->count && side->lines[start].id == side->lines[end].id) {
			side->changed[start++] = false;
			side->changed[end++] = true;
			while (end < side->count && side->changed[end])
				end++;
		}
	}
}

static uint64_t count_changed(const struct isle_side *side)
{
	uint64_t count = 0;

	for (size_t i = 0; i < side->count; i++)
		count += side->changed[i];
	return count;
}

int isle_diff_lines(struct isle_text a, struct isle_text b, struct isle_diff *ret_diff)
{
	struct isle_diff diff = ISLE_DIFF_INIT;
	uint32_t classes = 0;
	int r = a.size > text_max || b.size > text_max ? -E2BIG : split(a, &diff.a);

	if (r >= 0)
		r = split(b, &diff.b);
	if (r >= 0 && diff.a.count + diff.b.count > ISLE_DIFF_LINES_MAX)
		r = -E2BIG;
	if (r >= 0)
		r = number_lines(&diff, &classes);
	if (r >= 0)
		r = find_changes(&diff, classes);
	if (r < 0) {
		isle_diff_done(&diff);
		return r;
	}
	slide_down(&diff.a);
	slide_down(&diff.b);
	diff.removed = count_changed(&diff.a);
	diff.added = count_changed(&diff.b);
	*ret_diff = diff;
	return 0;
}

void isle_diff_done(struct isle_diff *diff)
{
	free(diff->a.lines);
	free(diff->a.changed);
	free(diff->b.lines);
	free(diff->b.changed);
	*diff = ISLE_DIFF_INIT;
}

bool isle_text_binary(struct isle_text text)
{
	return text.size > 0 && memchr(text.data, '\0', text.size) != NULL;
}

/* --- the unified form --- */

struct printer {
	const struct isle_diff *diff;
	isle_diff_print *print;
	void *arg;
};

static int print_line(const struct printer *p, enum isle_diff_part part, const struct isle_line *line)
{
	static const char none[] = "\\ No newline at end of file";
	bool ends = line->size > 0 && line->start[line->size - 1] == '\n';
	int r = p->print(part, line->start, line->size - (ends ? 1 : 0), p->arg);

	if (r < 0 || ends)
		return r;
	return p->print(ISLE_DIFF_NO_NEWLINE, none, sizeof(none) - 1, p->arg);
}

static int print_head(const struct printer *p, const struct isle_hunk *h)
{
	char head[128];
	/* An empty range is named by the line before it. */
	int size = snprintf(head, sizeof(head), "@@ -%zu,%zu +%zu,%zu @@", h->a + (h->a < h->a_end), h->a_end - h->a,
			    h->b + (h->b < h->b_end), h->b_end - h->b);

	return p->print(ISLE_DIFF_HUNK, head, (size_t)size, p->arg);
}

static int print_hunk(const struct printer *p, const struct isle_hunk *h)
{
	const struct isle_side *a = &p->diff->a, *b = &p->diff->b;
	size_t i = h->a, j = h->b;
	int r = print_head(p, h);

	while (r >= 0 && (i < h->a_end || j < h->b_end)) {
		if (i < h->a_end && a->changed[i])
			r = print_line(p, ISLE_DIFF_REMOVED, &a->lines[i++]);
		else if (j < h->b_end && b->changed[j])
			r = print_line(p, ISLE_DIFF_ADDED, &b->lines[j++]);
		else {
			r = print_line(p, ISLE_DIFF_SAME, &a->lines[i++]);
			j++;
		}
	}
	return r;
}

/* Goes over equal lines, at most most of them; how many. */
static size_t pass_equal(const struct isle_diff *diff, size_t *i, size_t *j, size_t most)
{
	size_t passed = 0;

	while (passed < most && *i < diff->a.count && *j < diff->b.count && !diff->a.changed[*i] &&
	       !diff->b.changed[*j]) {
		++*i, ++*j;
		passed++;
	}
	return passed;
}

static void pass_changed(const struct isle_diff *diff, size_t *i, size_t *j)
{
	while (*i < diff->a.count && diff->a.changed[*i])
		++*i;
	while (*j < diff->b.count && diff->b.changed[*j])
		++*j;
}

int isle_diff_next_hunk(const struct isle_diff *diff, size_t context, size_t *i, size_t *j, struct isle_hunk *ret_hunk)
{
	size_t equal = pass_equal(diff, i, j, SIZE_MAX), before = equal < context ? equal : context;
	struct isle_hunk hunk = {.a = *i - before, .b = *j - before};

	if (*i == diff->a.count && *j == diff->b.count)
		return 0;
	do {
		pass_changed(diff, i, j);
		hunk.a_end = *i;
		hunk.b_end = *j;
		/* Changes with so few lines between them are one hunk. */
		equal = pass_equal(diff, i, j, 2 * context);
	} while ((*i < diff->a.count && diff->a.changed[*i]) || (*j < diff->b.count && diff->b.changed[*j]));
	equal = equal < context ? equal : context;
	hunk.a_end += equal;
	hunk.b_end += equal;
	/* What was passed beyond the context may be context of the next hunk. */
	*i = hunk.a_end;
	*j = hunk.b_end;
	*ret_hunk = hunk;
	return 1;
}

int isle_diff_unified(const struct isle_diff *diff, size_t context, isle_diff_print *print, void *arg)
{
	struct printer p = {diff, print, arg};
	struct isle_hunk hunk;
	size_t i = 0, j = 0;
	int r = 0;

	while (r >= 0 && isle_diff_next_hunk(diff, context, &i, &j, &hunk))
		r = print_hunk(&p, &hunk);
	return r < 0 ? r : 0;
}
