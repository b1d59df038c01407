/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owners that an isle was asked for and could not give (--fake-owner), as commands for whoever can: numbers, since
 * names are the machine's, and chown(1) -h, which follows no link at the end of a path.
 */
#include "buf.h"
#include "change.h"
#include "notes.h"
#include "quote.h"
#include "review_internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_owner(const char *text)
{
	size_t uid = strspn(text, "0123456789");

	return uid > 0 && text[uid] == ':' && text[uid + 1] != '\0' &&
	       strspn(text + uid + 1, "0123456789") == strlen(text + uid + 1);
}

/* In single quotes a shell takes nothing for anything else. A name that a terminal could take for something else is for
 * people to deal with: a comment. */
static int add_command(struct isle_buf *buf, const char *owner, const char *path)
{
	auto_buf struct isle_buf shown = ISLE_BUF_INIT;
	int r = isle_quote_add(&shown, path);

	if (r < 0)
		return r;
	if (strchr(shown.data, '\\') != NULL) {
		isle_buf_addf(buf, "# chown -h %s: %s\n", owner, shown.data);
		return isle_buf_error(buf);
	}
	isle_buf_addf(buf, "chown -h %s -- '", owner);
	for (; *path != '\0'; path++) {
		if (*path == '\'')
			isle_buf_adds(buf, "'\\''");
		else
			isle_buf_addc(buf, *path);
	}
	isle_buf_adds(buf, "'\n");
	return isle_buf_error(buf);
}

static int add_owner(const struct isle_review *review, const struct isle_change *change, struct isle_buf *buf)
{
	const struct isle_path_note *note = isle_notes_find(review->notes, change->path);
	char text[32];
	uint32_t uid;
	uint32_t gid;

	if (change->kind == ISLE_DELETE)
		return 0;
	if (isle_change_owner(change, &uid, &gid)) {
		snprintf(text, sizeof(text), "%u:%u", uid, gid);
		return add_command(buf, text, change->path);
	}
	return note != NULL && note->owner != NULL && is_owner(note->owner)
		       ? add_command(buf, note->owner, change->path)
		       : 0;
}

int isle_review_owners(const struct isle_review *review)
{
	auto_shown struct isle_shown shown = {0};
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_review_select(review, ISLE_SELECT_INSIDE, &shown);

	for (size_t i = 0; r >= 0 && i < shown.count; i++)
		r = add_owner(review, shown.list[i], &text);
	if (r < 0 || text.size == 0)
		return r;
	return fwrite(text.data, 1, text.size, review->out) == text.size ? 0 : -errno;
}
