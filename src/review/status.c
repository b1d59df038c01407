/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle status` and the summary of a run, as text. One line for each change:
 *
 *   A  /usr/share/foo/  (123 entries, 4.5 MB)
 *   M  /usr/bin/foo  [setuid]
 *   R  /new  <- /old
 *
 * Flagged changes come first, and one inside a new directory has its own line. Deletions are never folded into
 * anything but their own directory, whose line says how much it holds.
 */
#include "quote.h"
#include "review_internal.h"
#include "units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_LINES = 8 };

/* Each mark in marks, after what separates it from the one before. Returns the separator for the next. */
static const char *add_mark_names(struct isle_buf *buf, unsigned marks, const char *separator)
{
	for (unsigned bit = 1; bit <= marks; bit <<= 1) {
		if (!(marks & bit))
			continue;
		isle_buf_adds(buf, separator);
		isle_buf_adds(buf, isle_mark_name(bit));
		separator = ", ";
	}
	return separator;
}

/* "[setuid, credential]"; of a new directory first its own, then what is in it: "[setgid-directory, holds setuid]". */
static void add_marks(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	bool tree = S_ISDIR(change->after.mode) && change->kind != ISLE_METADATA;
	unsigned own = tree ? change->own_marks : change->marks;

	if (!change->marks)
		return;
	isle_buf_adds(buf, isle_colour(review, isle_is_flagged(change) ? ISLE_ALARM : ISLE_BOLD));
	const char *separator = add_mark_names(buf, own, "  [");
	add_mark_names(buf, change->marks & ~own, *separator == ',' ? ", holds " : "  [holds ");
	isle_buf_addc(buf, ']');
	isle_buf_adds(buf, isle_colour(review, ISLE_PLAIN));
}

static const char *moved_text(enum isle_moved moved)
{
	switch (moved) {
	case ISLE_MOVED_NO:
	case ISLE_MOVED_METADATA:
		return NULL;
	case ISLE_MOVED_CHANGED:
		return "changed on the host since";
	case ISLE_MOVED_DELETED:
		return "deleted on the host since";
	case ISLE_MOVED_CREATED:
		return "made or replaced on the host, too";
	}
	return NULL;
}

static void add_tree_size(const struct isle_change *change, struct isle_buf *buf)
{
	isle_buf_addf(buf, "  (%" PRIu64 " %s, ", change->entries, change->entries == 1 ? "entry" : "entries");
	isle_size_add(buf, change->bytes);
	isle_buf_addc(buf, ')');
}

static void add_detail(const struct isle_change *change, struct isle_buf *buf)
{
	const struct isle_stat *before = &change->before, *after = &change->after;

	if (change->kind == ISLE_RENAME) {
		isle_buf_adds(buf, "  <- ");
		isle_quote_add(buf, change->from);
	}
	if (change->kind == ISLE_REPLACE)
		isle_buf_addf(buf, "  %s -> %s", isle_type_name(before->mode), isle_type_name(after->mode));
	if (S_ISDIR(after->mode) || S_ISDIR(before->mode)) {
		if (change->kind == ISLE_CREATE || change->kind == ISLE_DELETE || change->kind == ISLE_REPLACE)
			add_tree_size(change, buf);
	}
	if (change->kind == ISLE_METADATA || change->kind == ISLE_RENAME || change->kind == ISLE_MODIFY) {
		if ((change->diff & ISLE_META_MODE) && before->mode && !S_ISLNK(after->mode))
			isle_buf_addf(buf, "  mode %04o -> %04o", before->mode & 07777, after->mode & 07777);
		if ((change->diff & ISLE_META_OWNER) && before->mode) {
			isle_buf_adds(buf, "  owner ");
			isle_owner_add(buf, before->uid, before->gid);
			isle_buf_adds(buf, " -> ");
			uint32_t uid = after->uid;
			uint32_t gid = after->gid;
			isle_ignore(isle_change_owner(change, &uid, &gid));
			isle_owner_add(buf, uid, gid);
		}
		if (change->diff & ISLE_META_ACL)
			isle_buf_adds(buf, "  acl");
		if (change->diff & ISLE_META_CAPS)
			isle_buf_adds(buf, "  capabilities");
		if (change->diff & ISLE_META_XATTR)
			isle_buf_adds(buf, "  xattrs");
	}
}

static void add_links(const struct isle_change *change, const struct isle_path_note *note, struct isle_buf *buf)
{
	uint32_t others = change->before.nlink - 1;

	if (change->kind != ISLE_MODIFY || change->before.nlink < 2)
		return;
	if (note != NULL && note->split)
		isle_buf_addf(buf, "  (%u other name%s on the host keep%s the old content)", others,
			      others == 1 ? "" : "s", others == 1 ? "s" : "");
	else
		isle_buf_addf(buf, change->link_group ? "  (%u hard links)" : "  (parts from its %u hard links)",
			      change->before.nlink);
}

/* The owner that was asked for: on the object itself, or where it cannot be there (a link, a file that its owner may
 * not write to) in the log. A metadata change shows it as such (add_detail()). */
static void add_owner(const struct isle_change *change, const struct isle_path_note *note, struct isle_buf *buf)
{
	const char *noted = isle_noted_owner(change, note);
	uint32_t uid;
	uint32_t gid;

	if (isle_change_owner(change, &uid, &gid)) {
		if (change->kind == ISLE_CREATE || change->kind == ISLE_REPLACE) {
			isle_buf_adds(buf, "  (owner wanted: ");
			isle_owner_add(buf, uid, gid);
			isle_buf_addc(buf, ')');
		}
	} else if (noted != NULL) {
		isle_buf_adds(buf, "  (owner wanted: ");
		isle_quote_add(buf, noted);
		isle_buf_addc(buf, ')');
	}
}

static bool is_moved_tree(const struct isle_change *change, const struct isle_path_note *note)
{
	return change->kind == ISLE_CREATE && S_ISDIR(change->after.mode) && note != NULL && note->from != NULL;
}

static void add_notes(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	const struct isle_path_note *note = isle_notes_find(review->notes, change->path);
	const char *moved = moved_text(change->moved);

	if (change->kind == ISLE_METADATA && !(change->diff & ~ISLE_META_MTIME))
		isle_buf_adds(buf, "  times");
	if (change->blind)
		isle_buf_adds(buf, "  (cannot be read: what is in it is not shown)");
	add_links(change, note, buf);
	add_owner(change, note, buf);
	if (is_moved_tree(change, note)) {
		isle_buf_adds(buf, "  (was ");
		isle_quote_add(buf, note->from);
		isle_buf_addc(buf, ')');
	}
	if (moved)
		isle_buf_addf(buf, "  (%s)", moved);
}

static int add_line(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	bool directory = S_ISDIR(change->kind == ISLE_DELETE ? change->before.mode : change->after.mode);

	isle_buf_addf(buf, "%s%c%s  ", isle_colour(review, isle_kind_colour(change->kind)),
		      isle_kind_letter(change->kind), isle_colour(review, ISLE_PLAIN));
	isle_quote_add(buf, change->path);
	if (directory && change->path[1])
		isle_buf_addc(buf, '/');
	add_detail(change, buf);
	add_notes(review, change, buf);
	add_marks(review, change, buf);
	isle_buf_addc(buf, '\n');
	return isle_buf_error(buf);
}

static int print_nul(const struct isle_review *review, const struct isle_shown *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		const struct isle_change *change = shown->list[i];

		fprintf(review->out, "%c %s", isle_kind_letter(change->kind), change->path);
		fputc('\0', review->out);
		if (change->kind == ISLE_RENAME) {
			fputs(change->from, review->out);
			fputc('\0', review->out);
		}
	}
	return 0;
}

static int print_lines(const struct isle_review *review, const struct isle_shown *shown, size_t limit)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	for (size_t i = 0; i < shown->count && i < limit; i++) {
		int r = add_line(review, shown->list[i], &buf);

		if (r < 0)
			return r;
		fwrite(buf.data, 1, buf.size, review->out);
		isle_buf_clear(&buf);
	}
	return 0;
}

/* --- the sums --- */

struct sums {
	size_t kinds[ISLE_METADATA + 1];
	uint64_t bytes;
	size_t flagged;
	unsigned marks;
};

static struct sums add_up(const struct isle_shown *shown)
{
	struct sums sums = {.bytes = isle_shown_bytes(shown)};

	for (size_t i = 0; i < shown->count; i++) {
		const struct isle_change *change = shown->list[i];

		sums.kinds[change->kind]++;
		sums.flagged += isle_is_flagged(change);
		sums.marks |= change->marks & ISLE_MARKS_FLAGGED;
	}
	return sums;
}

static void add_sums(const struct sums *sums, struct isle_buf *buf)
{
	static const char *const names[] = {
		[ISLE_CREATE] = "new",	   [ISLE_MODIFY] = "modified",	[ISLE_DELETE] = "deleted",
		[ISLE_RENAME] = "renamed", [ISLE_REPLACE] = "replaced", [ISLE_METADATA] = "metadata",
	};
	const char *separator = "";

	for (size_t kind = 0; kind < ARRAY_SIZE(names); kind++) {
		if (!sums->kinds[kind])
			continue;
		isle_buf_addf(buf, "%s%zu %s", separator, sums->kinds[kind], names[kind]);
		separator = ", ";
	}
	if (sums->bytes) {
		isle_buf_adds(buf, "; ");
		isle_size_add(buf, sums->bytes);
	}
	if (sums->flagged)
		isle_buf_addf(buf, "; %zu flagged", sums->flagged);
}

char *isle_review_sums(const struct isle_review *review)
{
	auto_shown struct isle_shown shown = {0};
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	struct sums sums;

	if (isle_review_select(review, 0, &shown) < 0)
		return NULL;
	sums = add_up(&shown);
	add_sums(&sums, &buf);
	return isle_buf_take(&buf);
}

static int print_sums(const struct isle_review *review, const char *before)
{
	auto_free char *sums = isle_review_sums(review);

	if (!sums)
		return -ENOMEM;
	fprintf(review->out, "%s%s%s%s\n", before, isle_colour(review, ISLE_BOLD), sums,
		isle_colour(review, ISLE_PLAIN));
	return 0;
}

int isle_review_status(const struct isle_review *review)
{
	unsigned flags = ISLE_SELECT_FLAGGED_FIRST | ISLE_SELECT_FLAGGED_INSIDE;
	auto_shown struct isle_shown shown = {0};
	int r;

	if (review->flags & ISLE_REVIEW_ALL)
		flags |= ISLE_SELECT_INSIDE;
	if (review->flags & ISLE_REVIEW_NUL)
		flags &= ~ISLE_SELECT_FLAGGED_FIRST;
	r = isle_review_select(review, flags, &shown);
	if (r < 0)
		return r;
	if (review->flags & ISLE_REVIEW_NUL)
		return print_nul(review, &shown);
	if (shown.count == 0) {
		fputs("no changes\n", review->out);
		return 0;
	}
	r = print_lines(review, &shown, SIZE_MAX);
	return r < 0 ? r : print_sums(review, "");
}

/* --- the end of a run --- */

static bool matters(const struct isle_change *change)
{
	return isle_is_flagged(change) || change->kind == ISLE_DELETE || change->kind == ISLE_REPLACE ||
	       change->moved == ISLE_MOVED_CHANGED || change->moved == ISLE_MOVED_DELETED ||
	       change->moved == ISLE_MOVED_CREATED;
}

/* Flagged ones, then deletions and conflicts, then the largest of the rest. */
static int compare_weight(const void *a, const void *b)
{
	const struct isle_change *x = *(const struct isle_change *const *)a, *y = *(const struct isle_change *const *)b;
	int order = isle_is_flagged(y) - isle_is_flagged(x);

	if (order == 0)
		order = matters(y) - matters(x);
	if (order == 0)
		order = (y->bytes > x->bytes) - (y->bytes < x->bytes);
	return order ? order : strcmp(x->path, y->path);
}

int isle_review_summary(const struct isle_review *review)
{
	auto_shown struct isle_shown shown = {0};
	int r = isle_review_select(review, ISLE_SELECT_FLAGGED_INSIDE, &shown);

	if (r < 0 || shown.count == 0)
		return r;
	r = print_sums(review, "");
	if (r < 0)
		return r;
	qsort(shown.list, shown.count, sizeof(*shown.list), compare_weight);
	r = print_lines(review, &shown, SUMMARY_LINES);
	if (r >= 0 && shown.count > SUMMARY_LINES)
		fprintf(review->out, "   and %zu more\n", shown.count - SUMMARY_LINES);
	return r;
}
