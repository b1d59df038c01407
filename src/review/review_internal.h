/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of src/review share.
 */
#include "buf.h"
#include "diff.h"
#include "meta.h"
#include "review.h"

/* --- select.c: which changes are shown, in which order ------------------------------------------------------------ */

struct isle_shown {
	const struct isle_change **list;
	size_t count;
};

enum isle_select_flags {
	ISLE_SELECT_INSIDE = 1 << 0,	     /* what is inside new and deleted directories, too */
	ISLE_SELECT_FLAGGED_INSIDE = 1 << 1, /* ... if it is flagged */
	ISLE_SELECT_FLAGGED_FIRST = 1 << 2,
	ISLE_SELECT_DELETED_FIRST = 1 << 3,
};

int isle_review_select(const struct isle_review *review, unsigned flags, struct isle_shown *ret_shown) isle_must_check;
void isle_shown_done(struct isle_shown *shown);
#define auto_shown __attribute__((cleanup(isle_shown_done)))

/* True for what became a directory or ceased to be one, and for all that is below such a path. */
bool isle_in_swapped_directory(const struct isle_review *review, const struct isle_change *change);

/* Of the data that are new or modified. Of a selection without ISLE_SELECT_INSIDE, or some count twice. */
uint64_t isle_shown_bytes(const struct isle_shown *shown);

static inline bool isle_is_flagged(const struct isle_change *change)
{
	return change->marks & ISLE_MARKS_FLAGGED;
}

/* --- owners.c ---------------------------------------------------------------------------------------------------- */

/* The owner that was asked for ("UID:GID"), of what cannot have it on itself: from the log, or NULL. */
const char *isle_noted_owner(const struct isle_change *change, const struct isle_path_note *note);
/* True if an owner was asked for: an attribute of the layer's object says so, or the log. */
bool isle_wished_owner(const struct isle_change *change, const struct isle_path_note *note, uint32_t *ret_uid,
		       uint32_t *ret_gid);

/* --- colour.c ----------------------------------------------------------------------------------------------------- */

enum isle_colour {
	ISLE_PLAIN,
	ISLE_BOLD,
	ISLE_RED,
	ISLE_GREEN,
	ISLE_YELLOW,
	ISLE_BLUE,
	ISLE_MAGENTA,
	ISLE_CYAN,
	ISLE_ALARM
};

/* The escape sequence, or "" without ISLE_REVIEW_COLOUR. */
const char *isle_colour(const struct isle_review *review, enum isle_colour colour);
enum isle_colour isle_kind_colour(enum isle_change_kind kind);
char isle_kind_letter(enum isle_change_kind kind);

/* --- describe.c: metadata in words -------------------------------------------------------------------------------- */

/* "file", "directory", ... as in the JSON. */
/* "root(0):staff(50)" */
void isle_owner_add(struct isle_buf *buf, uint32_t uid, uint32_t gid);
void isle_acl_add(struct isle_buf *buf, const void *value, size_t size);
void isle_caps_add(struct isle_buf *buf, const void *value, size_t size);
/* One line for each difference of the metadata that diff (enum isle_meta_diff) names: "mode 0644 -> 0755". Without
 * before what is out of the ordinary on the other side. */
int isle_describe_meta(struct isle_buf *buf, const struct isle_meta *before, const struct isle_meta *after,
		       unsigned diff) isle_must_check;

/* --- content.c ---------------------------------------------------------------------------------------------------- */

enum isle_content_state { ISLE_CONTENT_TEXT, ISLE_CONTENT_BINARY, ISLE_CONTENT_LARGE, ISLE_CONTENT_UNREADABLE };

struct isle_content {
	enum isle_content_state state;
	struct isle_buf buf; /* TEXT only */
};

#define ISLE_CONTENT_INIT ((struct isle_content){0})

enum { ISLE_CONTENT_LIMIT = 64 << 20 };

/* One side of a change, a plain file; an absent side is an empty text. */
int isle_content_read(const struct isle_review *review, const struct isle_change *change, enum isle_change_side side,
		      struct isle_content *ret_content) isle_must_check;
void isle_content_done(struct isle_content *content);
#define auto_content __attribute__((cleanup(isle_content_done)))

static inline struct isle_text isle_content_text(const struct isle_content *content)
{
	return (struct isle_text){content->buf.data ? content->buf.data : "", content->buf.size};
}

/* Both sides and their differences. state is the worse of the two; diff is filled for TEXT. */
struct isle_contents {
	enum isle_content_state state;
	struct isle_content before, after;
	struct isle_diff diff;
};

#define ISLE_CONTENTS_INIT ((struct isle_contents){0})

int isle_contents_compare(const struct isle_review *review, const struct isle_change *change,
			  struct isle_contents *ret_contents) isle_must_check;
void isle_contents_done(struct isle_contents *contents);
#define auto_contents __attribute__((cleanup(isle_contents_done)))

/* True if the change is about the data of a plain file. */
bool isle_has_content(const struct isle_change *change);

/* --- status_json.c ------------------------------------------------------------------------------------------------ */

struct isle_json;

/* As in RFC 3339; null where that has no words for it. */
void isle_put_time(struct isle_json *json, const char *key, const struct statx_timestamp *stamp);

/* --- patch.c ------------------------------------------------------------------------------------------------------ */

/* Appends the patch of one change and its readable lines. */
int isle_patch_add(const struct isle_review *review, const struct isle_change *change,
		   struct isle_buf *buf) isle_must_check;
/* The removing half of what is deleted or replaced. */
int isle_patch_add_removal(const struct isle_review *review, const struct isle_change *change,
			   struct isle_buf *buf) isle_must_check;
