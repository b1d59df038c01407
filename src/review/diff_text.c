/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle diff` as text: what is removed first, so that a patch never makes what is still in the way of something else.
 */
#include "review_internal.h"
#include <errno.h>

static int print_each(const struct isle_review *review, const struct isle_shown *shown,
		      int (*add)(const struct isle_review *, const struct isle_change *, struct isle_buf *))
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	for (size_t i = 0; i < shown->count; i++) {
		int r = add(review, shown->list[i], &buf);

		if (r < 0)
			return r;
		if (buf.size && fwrite(buf.data, 1, buf.size, review->out) < buf.size)
			return errno ? -errno : -EIO;
		isle_buf_clear(&buf);
	}
	return 0;
}

int isle_review_diff(const struct isle_review *review)
{
	auto_shown struct isle_shown shown = {0};
	int r = isle_review_select(review, ISLE_SELECT_INSIDE, &shown);

	if (r >= 0)
		r = print_each(review, &shown, isle_patch_add_removal);
	if (r >= 0)
		r = print_each(review, &shown, isle_patch_add);
	return r;
}
