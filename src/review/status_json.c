/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of `status` and `diff`. Keys are a contract; new ones may be added.
 */
#include "json.h"
#include "path.h"
#include "quote.h"
#include "review_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* For a list, longer texts are not read to count their lines. */
enum { COUNTED_MAX = 8 << 20 };

void isle_put_time(struct isle_json *json, const char *key, const struct statx_timestamp *stamp)
{
	time_t seconds = (time_t)stamp->tv_sec;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	struct tm tm;

	/* RFC 3339 has four digits for the year; a file may say anything. */
	if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		isle_json_null(json, key);
		return;
	}
	isle_buf_addf(&buf, "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		      tm.tm_hour, tm.tm_min, tm.tm_sec, stamp->tv_nsec);
	isle_json_str(json, key, buf.data);
}

static void put_mode(struct isle_json *json, const char *key, uint32_t mode)
{
	char text[8];

	snprintf(text, sizeof(text), "%04o", mode & 07777);
	isle_json_str(json, key, text);
}

static void put_target(struct isle_json *json, const struct isle_review *review, const struct isle_change *change,
		       enum isle_change_side side)
{
	const char *name = NULL;
	auto_fd int dir = isle_change_at(review->isle, review->layers, change, side, &name);
	auto_free char *target = NULL;

	if (dir >= 0 && isle_readlink(dir, name, &target) >= 0)
		isle_json_path(json, "target", target);
}

static void put_side(struct isle_json *json, const struct isle_review *review, const struct isle_change *change,
		     enum isle_change_side side)
{
	const struct isle_stat *st = side == ISLE_BEFORE ? &change->before : &change->after;
	const char *key = side == ISLE_BEFORE ? "before" : "after";

	if (!st->mode) {
		isle_json_null(json, key);
		return;
	}
	isle_json_object(json, key);
	isle_json_int(json, "size", (int64_t)st->size);
	put_mode(json, "mode", st->mode);
	uint32_t uid = st->uid;
	uint32_t gid = st->gid;
	if (side == ISLE_AFTER)
		isle_ignore(isle_change_owner(change, &uid, &gid));
	isle_json_int(json, "uid", uid);
	isle_json_int(json, "gid", gid);
	isle_put_time(json, "mtime", &st->mtime);
	if (change->kind == ISLE_REPLACE)
		isle_json_str(json, "type", isle_type_name(st->mode));
	if (S_ISLNK(st->mode))
		put_target(json, review, change, side);
	isle_json_end(json);
}

static void put_marks(struct isle_json *json, unsigned marks)
{
	isle_json_array(json, "marks");
	for (unsigned bit = 1; bit <= marks; bit <<= 1)
		if (marks & bit)
			isle_json_str(json, NULL, isle_mark_name(bit));
	isle_json_end(json);
}

static bool is_content(const struct isle_change *change)
{
	return change->kind == ISLE_CREATE || change->kind == ISLE_DELETE || change->diff & ISLE_DIFF_CONTENT;
}

static bool is_tree(const struct isle_change *change)
{
	if (change->kind == ISLE_DELETE)
		return S_ISDIR(change->before.mode);
	return (change->kind == ISLE_CREATE && S_ISDIR(change->after.mode)) ||
	       (change->kind == ISLE_REPLACE && (S_ISDIR(change->before.mode) || S_ISDIR(change->after.mode)));
}

static void put_lines(struct isle_json *json, const struct isle_diff *diff)
{
	isle_json_object(json, "lines");
	isle_json_int(json, "added", (int64_t)diff->added);
	isle_json_int(json, "removed", (int64_t)diff->removed);
	isle_json_end(json);
}

static int count_lines(struct isle_json *json, const struct isle_review *review, const struct isle_change *change)
{
	auto_contents struct isle_contents contents = ISLE_CONTENTS_INIT;
	int r;

	if (!isle_has_content(change) || change->before.size > COUNTED_MAX || change->after.size > COUNTED_MAX)
		return 0;
	r = isle_contents_compare(review, change, &contents);
	if (r >= 0 && contents.state == ISLE_CONTENT_TEXT)
		put_lines(json, &contents.diff);
	return r;
}

static int put_patch(struct isle_json *json, const struct isle_review *review, const struct isle_change *change)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	struct isle_review raw = *review;
	int r;

	raw.flags &= ~(ISLE_REVIEW_COLOUR | ISLE_REVIEW_ESCAPE);
	r = isle_patch_add_removal(&raw, change, &buf);
	if (r >= 0)
		r = isle_patch_add(&raw, change, &buf);
	if (r >= 0)
		isle_json_bytes(json, "patch", buf.data ? buf.data : "", buf.size);
	return r;
}

static void put_owner(struct isle_json *json, const struct isle_change *change, const struct isle_path_note *note)
{
	uint32_t uid = 0, gid = 0;
	char text[32];

	if (!isle_wished_owner(change, note, &uid, &gid))
		return;
	snprintf(text, sizeof(text), "%u:%u", uid, gid);
	isle_json_str(json, "owner_wanted", text);
}

static void put_change(struct isle_json *json, const struct isle_review *review, const struct isle_change *change)
{
	uint32_t mode = change->kind == ISLE_DELETE ? change->before.mode : change->after.mode;
	const struct isle_path_note *note = isle_notes_find(review->notes, change->path);

	isle_json_path(json, "path", change->path);
	isle_json_str(json, "kind", isle_change_kind_name(change->kind));
	if (change->kind == ISLE_RENAME)
		isle_json_path(json, "from", change->from);
	isle_json_str(json, "type", isle_type_name(mode));
	isle_json_bool(json, "content", is_content(change));
	put_side(json, review, change, ISLE_BEFORE);
	put_side(json, review, change, ISLE_AFTER);
	if (is_tree(change)) {
		isle_json_int(json, "entries", (int64_t)change->entries);
		isle_json_int(json, "bytes", (int64_t)change->bytes);
	}
	put_marks(json, change->marks);
	if (isle_moved_name(change->moved))
		isle_json_str(json, "moved", isle_moved_name(change->moved));
	if (change->blind)
		isle_json_bool(json, "unreadable", true);
	if (note != NULL && note->split && change->before.nlink > 1)
		isle_json_int(json, "links_left", change->before.nlink - 1);
	put_owner(json, change, note);
	if (note != NULL && note->from != NULL && change->kind == ISLE_CREATE && S_ISDIR(mode))
		isle_json_path(json, "moved_from", note->from);
}

static int put_summary(struct isle_json *json, const struct isle_review *review, const struct isle_shown *shown)
{
	auto_shown struct isle_shown folded = {0};
	uint64_t kinds[ISLE_METADATA + 1] = {0};
	int r = isle_review_select(review, 0, &folded);

	if (r < 0)
		return r;
	for (size_t i = 0; i < shown->count; i++)
		kinds[shown->list[i]->kind]++;
	isle_json_object(json, "summary");
	for (size_t kind = 0; kind <= ISLE_METADATA; kind++)
		isle_json_int(json, isle_change_kind_name(kind), (int64_t)kinds[kind]);
	isle_json_int(json, "bytes", (int64_t)isle_shown_bytes(&folded));
	isle_json_end(json);
	return 0;
}

enum json_kind { JSON_STATUS, JSON_DIFF };

static int put_details(struct isle_json *json, const struct isle_review *review, const struct isle_change *change,
		       enum json_kind kind)
{
	int r;

	isle_json_object(json, NULL);
	put_change(json, review, change);
	r = count_lines(json, review, change);
	if (r >= 0 && kind == JSON_DIFF)
		r = put_patch(json, review, change);
	isle_json_end(json);
	return r;
}

static int put_document(const struct isle_review *review, unsigned select, enum json_kind kind)
{
	auto_shown struct isle_shown shown = {0};
	struct isle_json json;
	int r = isle_review_select(review, select, &shown);

	if (r < 0)
		return r;
	isle_json_init(&json, review->out);
	isle_json_object(&json, NULL);
	isle_json_int(&json, "version", 1);
	isle_json_str(&json, "isle", review->isle->name);
	isle_json_array(&json, "changes");
	for (size_t i = 0; r >= 0 && i < shown.count; i++)
		r = put_details(&json, review, shown.list[i], kind);
	isle_json_end(&json);
	if (r >= 0)
		r = put_summary(&json, review, &shown);
	isle_json_end(&json);
	return r < 0 ? r : isle_json_done(&json);
}

int isle_review_status_json(const struct isle_review *review)
{
	return put_document(review, review->flags & ISLE_REVIEW_ALL ? ISLE_SELECT_INSIDE : 0, JSON_STATUS);
}

int isle_review_diff_json(const struct isle_review *review)
{
	return put_document(review, ISLE_SELECT_INSIDE, JSON_DIFF);
}
