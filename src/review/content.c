/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of changed files, read whole but never more than ISLE_CONTENT_LIMIT bytes: a sparse file of a terabyte is
 * told by its size and not read.
 */
#include "io.h"
#include "path.h"
#include "review_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void isle_content_done(struct isle_content *content)
{
	isle_buf_done(&content->buf);
	*content = ISLE_CONTENT_INIT;
}

static int read_plain(int fd, struct isle_content *content)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > ISLE_CONTENT_LIMIT) {
		content->state = ISLE_CONTENT_LARGE;
		return 0;
	}
	r = isle_read_all(fd, &content->buf, ISLE_CONTENT_LIMIT);
	if (r == -EFBIG) {
		content->state = ISLE_CONTENT_LARGE;
		return 0;
	}
	if (r >= 0 && isle_text_binary(isle_content_text(content)))
		content->state = ISLE_CONTENT_BINARY;
	return r < 0 ? r : 0;
}

int isle_content_read(const struct isle_review *review, const struct isle_change *change, enum isle_change_side side,
		      struct isle_content *ret_content)
{
	auto_content struct isle_content content = ISLE_CONTENT_INIT;
	const struct isle_stat *st = side == ISLE_BEFORE ? &change->before : &change->after;
	auto_fd int fd = -1;
	int r = 0;

	if (S_ISREG(st->mode)) {
		fd = side == ISLE_BEFORE ? isle_change_open_before(review->layers, change)
					 : isle_change_open_after(review->isle, review->layers, change);
		r = fd < 0 ? fd : read_plain(fd, &content);
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		content.state = ISLE_CONTENT_UNREADABLE;
	*ret_content = content;
	content = ISLE_CONTENT_INIT;
	return 0;
}

void isle_contents_done(struct isle_contents *contents)
{
	isle_content_done(&contents->before);
	isle_content_done(&contents->after);
	isle_diff_done(&contents->diff);
}

int isle_contents_compare(const struct isle_review *review, const struct isle_change *change,
			  struct isle_contents *ret_contents)
{
	struct isle_contents c = ISLE_CONTENTS_INIT;
	int r = 0;

	/* What was there before a CREATE is not what the isle changed. */
	if (change->kind != ISLE_CREATE)
		r = isle_content_read(review, change, ISLE_BEFORE, &c.before);
	if (r >= 0 && change->kind != ISLE_DELETE)
		r = isle_content_read(review, change, ISLE_AFTER, &c.after);
	c.state = c.before.state > c.after.state ? c.before.state : c.after.state;
	if (r >= 0 && c.state == ISLE_CONTENT_TEXT)
		r = isle_diff_lines(isle_content_text(&c.before), isle_content_text(&c.after), &c.diff);
	if (r == -E2BIG) {
		c.state = ISLE_CONTENT_LARGE;
		r = 0;
	}
	if (r < 0)
		isle_contents_done(&c);
	else
		*ret_contents = c;
	return r;
}

bool isle_has_content(const struct isle_change *change)
{
	switch (change->kind) {
	case ISLE_CREATE:
		return S_ISREG(change->after.mode);
	case ISLE_DELETE:
		return S_ISREG(change->before.mode);
	case ISLE_MODIFY:
	case ISLE_RENAME:
		return S_ISREG(change->after.mode) && (change->diff & ISLE_DIFF_CONTENT);
	case ISLE_REPLACE:
	case ISLE_READ_ONLY:
	case ISLE_METADATA:
		return false;
	}
	return false;
}
