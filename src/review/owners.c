/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owners that an isle was asked for and could not give (--fake-owner): for `isle commit --user`; and as commands
 * for whoever can: numbers, since names are the machine's, and chown(1) -h, which follows no link at the end of a path.
 */
#include "buf.h"
#include "change.h"
#include "notes.h"
#include "quote.h"
#include "review_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Writable for its owner, a file has the owner that was asked for on itself, as an attribute. */
const char *isle_noted_owner(const struct isle_change *change, const struct isle_path_note *note)
{
	bool has_attribute = (S_ISREG(change->after.mode) || S_ISDIR(change->after.mode)) &&
			     (change->after.mode & 0200) != 0;
	char own[32];

	if (note == NULL || note->owner == NULL || has_attribute)
		return NULL;
	snprintf(own, sizeof(own), "%u:%u", geteuid(), getegid());
	return strcmp(note->owner, own) == 0 ? NULL : note->owner; /* or taken back */
}

/* "UID:GID" */
static bool read_owner(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
	unsigned uid = 0, gid = 0;
	int end = 0;

	if (text[strspn(text, "0123456789:")] != '\0' || sscanf(text, "%u:%u%n", &uid, &gid, &end) != 2 ||
	    text[end] != '\0')
		return false;
	*ret_uid = uid;
	*ret_gid = gid;
	return true;
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

bool isle_wished_owner(const struct isle_change *change, const struct isle_path_note *note, uint32_t *ret_uid,
		       uint32_t *ret_gid)
{
	const char *noted = isle_noted_owner(change, note);

	if (change->kind == ISLE_DELETE)
		return false;
	return isle_change_owner(change, ret_uid, ret_gid) || (noted != NULL && read_owner(noted, ret_uid, ret_gid));
}

int isle_review_wished(const struct isle_review *review, isle_wished_fn *each, void *data)
{
	auto_shown struct isle_shown shown = {0};
	int r = isle_review_select(review, ISLE_SELECT_INSIDE, &shown);

	for (size_t i = 0; r >= 0 && i < shown.count; i++) {
		const struct isle_change *change = shown.list[i];
		uint32_t uid = 0, gid = 0;

		if (isle_wished_owner(change, isle_notes_find(review->notes, change->path), &uid, &gid))
			r = each(change, uid, gid, data);
	}
	return r;
}

static int add_owner(const struct isle_change *change, uint32_t uid, uint32_t gid, void *data)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu32 ":%" PRIu32, uid, gid);
	return add_command(data, text, change->path);
}

int isle_review_owners(const struct isle_review *review)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_review_wished(review, add_owner, &text);

	if (r < 0 || text.size == 0)
		return r;
	return fwrite(text.data, 1, text.size, review->out) == text.size ? 0 : -errno;
}

static char type_letter(uint32_t mode)
{
	return S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISFIFO(mode) ? 'p' : S_ISSOCK(mode) ? 's' : '-';
}

int isle_wishes_print(const struct isle_wishes *wishes, FILE *out)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	for (size_t i = 0; i < wishes->count; i++) {
		const struct isle_wish *wish = &wishes->list[i];

		isle_buf_addf(&text, "  %c%04" PRIo32 "  ", type_letter(wish->mode), wish->mode & 07777);
		isle_owner_add(&text, wish->uid, wish->gid);
		isle_buf_adds(&text, "  ");
		isle_quote_add(&text, wish->path);
		isle_buf_addc(&text, '\n');
	}
	if (isle_buf_error(&text) < 0 || text.size == 0)
		return isle_buf_error(&text);
	return fwrite(text.data, 1, text.size, out) == text.size ? 0 : -errno;
}
