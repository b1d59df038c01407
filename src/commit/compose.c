/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts are held in memory whole, so they are limited; what is appended is copied in pieces, so logs of any size are
 * merged. Whatever cannot be read, is too big, has NUL bytes or no known base is not composed: it stays a conflict.
 */
#include "compose.h"
#include "io.h"
#include "merge.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_LIMIT = 16 << 20, BLOCK = 64 << 10 };

/* --- pieces of files --- */

/* Up to size bytes; fewer only at the end of the file. */
static ssize_t read_at(int fd, char *to, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, to + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* 1: the first size bytes of both are there and equal. */
static int same_start(int a, int b, uint64_t size)
{
	auto_free char *block = malloc(2 * (size_t)BLOCK);
	uint64_t at = 0;

	if (!block)
		return -ENOMEM;
	while (at < size) {
		size_t wanted = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		ssize_t n = read_at(a, block, wanted, at), m = read_at(b, block + BLOCK, wanted, at);

		if (n < 0 || m < 0)
			return (int)(n < 0 ? n : m);
		if ((size_t)n != wanted || (size_t)m != wanted || memcmp(block, block + BLOCK, wanted) != 0)
			return 0;
		at += wanted;
	}
	return 1;
}

/* Appends what `from` has from offset on to `to`, which is at its end. */
static int copy_rest(int from, uint64_t offset, int to)
{
	auto_free char *block = malloc(BLOCK);
	int r = block ? 0 : -ENOMEM;

	while (r >= 0) {
		ssize_t n = read_at(from, block, BLOCK, offset);

		if (n <= 0)
			return (int)n;
		r = isle_write_all(to, block, (size_t)n);
		offset += (uint64_t)n;
	}
	return r;
}

static int read_text(int fd, struct isle_buf *buf)
{
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : isle_read_all(fd, buf, TEXT_LIMIT);

	return r < 0 ? r : isle_buf_adds(buf, "");
}

static struct isle_text text_of(const struct isle_buf *buf)
{
	return (struct isle_text){.data = buf->data, .size = buf->size};
}

/* --- what is to be composed --- */

struct sides {
	int host, isle;
};

static void sides_done(struct sides *sides)
{
	isle_cleanup_fd(&sides->host);
	isle_cleanup_fd(&sides->isle);
}
#define auto_sides __attribute__((cleanup(sides_done)))

static int open_sides(struct isle_builder *b, const struct isle_change *change, struct sides *ret_sides)
{
	auto_sides struct sides sides = {.host = isle_change_open_before(&b->layers, change),
					 .isle = isle_change_open_after(b->isle, &b->layers, change)};

	struct isle_stat now;
	int r = sides.host < 0 ? sides.host : sides.isle < 0 ? sides.isle : isle_look(sides.host, "", &now);

	if (r < 0)
		return r;
	if (!isle_same_object(&now, &change->before))
		return -ESTALE;
	*ret_sides = sides;
	sides = (struct sides){-1, -1};
	return 0;
}

static const struct isle_base *base_of(struct isle_builder *b, const struct isle_change *change)
{
	if (!b->has_bases) {
		struct isle_err err = ISLE_ERR_INIT;

		/* What cannot be read is not known: then nothing is merged. */
		b->has_bases = true;
		if (isle_bases_load(b->isle, &b->bases, &err) < 0)
			isle_err_print(&err);
	}
	return isle_bases_find(&b->bases, isle_change_host(change));
}

/* A plain file of one name on both sides, with data of its own. */
static bool is_plain_change(const struct isle_builder *b, const struct isle_change *change)
{
	return (change->kind == ISLE_MODIFY || change->kind == ISLE_CREATE) && S_ISREG(change->before.mode) &&
	       S_ISREG(change->after.mode) && (change->diff & ISLE_DIFF_CONTENT) && !change->metacopy &&
	       !change->from && change->upper && change->link_group == 0 &&
	       b->layers.list[change->layer].kind != ISLE_LAYER_FILE;
}

/* Whose metadata it gets: 1 and *ret_what, 0: both have changed it, or it cannot be told. */
static int compose_metadata(const struct isle_change *change, const struct isle_base *base, unsigned *ret_what)
{
	const unsigned unknown = ISLE_META_OWNER | ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS;
	uint32_t then = base->then.mode & 07777, now = change->before.mode & 07777, isle = change->after.mode & 07777;

	if (change->brief || (change->diff & unknown))
		return 0;
	if (isle != then && now != then && isle != now)
		return 0;
	*ret_what = isle != then ? ISLE_APPLY_MODE : 0;
	return 1;
}

static int can_append(const struct isle_change *change, const struct isle_base *base, const struct sides *sides)
{
	if (base->then.size > change->before.size || base->then.size > change->after.size)
		return 0;
	return same_start(sides->host, sides->isle, base->then.size);
}

/* 1: clean, and in *ret_text if that is not NULL. */
static int merge(const struct isle *isle, const struct isle_base *base, const struct sides *sides,
		 struct isle_buf *ret_text)
{
	auto_buf struct isle_buf then = ISLE_BUF_INIT, now = ISLE_BUF_INIT, ours = ISLE_BUF_INIT, out = ISLE_BUF_INIT;
	int r = isle_buf_adds(&then, "");

	if (r >= 0)
		r = isle_base_read(isle, base, &then);
	if (r >= 0)
		r = read_text(sides->host, &now);
	if (r >= 0)
		r = read_text(sides->isle, &ours);
	if (r < 0)
		return r == -ENODATA || r == -EFBIG ? 0 : r;
	if (isle_text_binary(text_of(&then)) || isle_text_binary(text_of(&now)) || isle_text_binary(text_of(&ours)))
		return 0;
	r = isle_merge_lines(text_of(&then), text_of(&now), text_of(&ours), ret_text ? ret_text : &out);
	return r == -E2BIG ? 0 : r;
}

bool isle_compose_has_text(struct isle_builder *b, const struct isle_change *change)
{
	const struct isle_base *base = base_of(b, change);

	return base && base->content && change->before.size <= TEXT_LIMIT && change->after.size <= TEXT_LIMIT;
}

int isle_compose_sides(struct isle_builder *b, const struct isle_change *change, enum isle_compose how,
		       struct isle_composition *ret_composition)
{
	struct isle_composition composition = {.how = how};
	auto_sides struct sides sides = {-1, -1};
	const struct isle_base *base;
	int r;

	if (!is_plain_change(b, change))
		return 0;
	base = base_of(b, change);
	if (!base || !S_ISREG(base->then.mode) || !compose_metadata(change, base, &composition.what))
		return 0;
	composition.base_size = base->then.size;
	r = open_sides(b, change, &sides);
	if (r >= 0)
		r = how == ISLE_COMPOSE_MERGE ? merge(b->isle, base, &sides, NULL) : can_append(change, base, &sides);
	/* What cannot be read cannot be merged: no failure of the commit. */
	if (r == -ENOMEM)
		return isle_err_errno(b->err, r, "cannot merge '%s'", isle_quote(change->path));
	if (r <= 0)
		return 0;
	*ret_composition = composition;
	return 1;
}

int isle_compose_log(struct isle_builder *b, const struct isle_change *change, struct isle_composition *ret_composition)
{
	if (b->logs.count == 0) {
		int r = isle_globs_parse(b->options->logs ? b->options->logs : ISLE_LOG_PATTERNS, &b->logs);

		if (r < 0)
			return isle_err_errno(b->err, r, "cannot plan the commit");
	}
	if (!isle_globs_match(&b->logs, change->path))
		return 0;
	return isle_compose_sides(b, change, ISLE_COMPOSE_APPEND, ret_composition);
}

/* --- hunks --- */

int isle_hunk_listed(const char *numbers, size_t number)
{
	const char *at = numbers;
	int listed = 0;

	do {
		unsigned long first, last;
		char *end;

		if (*at < '1' || *at > '9')
			return -EINVAL;
		first = last = strtoul(at, &end, 10);
		if (*end == '-' && end[1] >= '1' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last > UINT32_MAX || (*end != ',' && *end != '\0'))
			return -EINVAL;
		listed |= number >= first && number <= last;
		at = end;
	} while (*at++ == ',');
	return listed;
}

static bool is_listed(size_t number, const void *data)
{
	return isle_hunk_listed(data, number) > 0;
}

static const char *hunks_of(const struct isle_builder *b, const struct isle_change *change)
{
	const struct isle_hunks *hunks = b->options->hunks;

	for (; hunks && hunks->path; hunks++)
		if (strcmp(hunks->path, change->path) == 0)
			return hunks->numbers;
	return NULL;
}

/* The number of the last hunk that is listed. */
static size_t last_listed(const char *numbers)
{
	size_t last = 0;

	for (const char *at = numbers; *at; at++)
		if (at == numbers || at[-1] == ',' || at[-1] == '-') {
			size_t number = strtoul(at, NULL, 10);

			last = number > last ? number : last;
		}
	return last;
}

/* The host's text with the hunks. *ret_all: there are no others. -ERANGE: there is not one of that number. */
static int take_hunks(const struct sides *sides, const char *numbers, struct isle_buf *ret_text, bool *ret_all)
{
	auto_buf struct isle_buf now = ISLE_BUF_INIT, ours = ISLE_BUF_INIT;
	auto_diff struct isle_diff diff = ISLE_DIFF_INIT;
	int r = read_text(sides->host, &now);

	if (r >= 0)
		r = read_text(sides->isle, &ours);
	if (r >= 0 && (isle_text_binary(text_of(&now)) || isle_text_binary(text_of(&ours))))
		r = -EILSEQ;
	if (r >= 0)
		r = isle_diff_lines(text_of(&now), text_of(&ours), &diff);
	if (r >= 0 && last_listed(numbers) > isle_hunks_count(&diff))
		r = -ERANGE;
	if (r >= 0)
		r = isle_hunks_apply(&diff, is_listed, numbers, ret_text);
	if (r >= 0 && ret_all)
		*ret_all = (size_t)r == isle_hunks_count(&diff);
	return r < 0 ? r : 0;
}

int isle_compose_hunks(struct isle_builder *b, const struct isle_change *change,
		       struct isle_composition *ret_composition)
{
	const char *numbers = hunks_of(b, change), *path;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_sides struct sides sides = {-1, -1};
	bool all = false;
	int r;

	if (!numbers)
		return 0;
	path = isle_quote(change->path);
	if (change->kind != ISLE_MODIFY || !is_plain_change(b, change))
		return isle_err_text(b->err, -EINVAL, "'%s' cannot be committed by hunks: it is not a changed text %s",
				     path, "file of one name");
	r = open_sides(b, change, &sides);
	if (r >= 0)
		r = take_hunks(&sides, numbers, &text, &all);
	if (r == -ERANGE)
		return isle_err_text(b->err, -EINVAL, "'%s' has no hunk %zu", path, last_listed(numbers));
	if (r == -EILSEQ || r == -EFBIG || r == -E2BIG)
		return isle_err_text(b->err, r, "'%s' cannot be committed by hunks: it is %s", path,
				     r == -EILSEQ ? "no text" : "too big");
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot compare '%s' by hunks", path);
	if (all)
		return 0;
	*ret_composition = (struct isle_composition){.how = ISLE_COMPOSE_HUNKS, .hunks = numbers};
	return 1;
}

bool isle_compose_is_hunked(const struct isle_builder *b, const struct isle_change *change)
{
	return hunks_of(b, change) != NULL;
}

int isle_compose_check_hunks(struct isle_builder *b)
{
	const struct isle_hunks *hunks = b->options->hunks;

	for (; hunks && hunks->path; hunks++)
		if (isle_changes_find(&b->changes, hunks->path) < 0)
			return isle_err_text(b->err, -ENOENT, "the isle has no change of '%s' to take hunks of",
					     isle_quote(hunks->path));
	return 0;
}

int isle_compose_note(struct isle_builder *b, size_t i, const struct isle_composition *composition)
{
	if (!b->composed)
		b->composed = calloc(b->changes.count + 1, sizeof(*b->composed));
	if (!b->composed)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	b->composed[i] = *composition;
	return 0;
}

/* --- making it --- */

static int replace_content(int fd, const struct isle_buf *text)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return isle_write_all(fd, text->data, text->size);
}

static int merge_into(struct isle_transaction *tx, const struct isle_action *action, const struct sides *sides,
		      struct isle_buf *text)
{
	auto_bases struct isle_bases bases = {0};
	const struct isle_base *base;
	int r = isle_bases_load(tx->isle, &bases, tx->err);

	if (r < 0)
		return r;
	base = isle_bases_find(&bases, action->path);
	r = base ? merge(tx->isle, base, sides, text) : 0;
	return r == 0 ? -ESTALE : r;
}

/* sides->host is the new file, which has the host's content so far. */
static int compose(struct isle_transaction *tx, const struct isle_action *action, const struct sides *sides)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = -EINVAL;

	switch ((enum isle_compose)action->compose) {
	case ISLE_COMPOSE_NONE:
		return -EINVAL;
	case ISLE_COMPOSE_APPEND:
		r = same_start(sides->host, sides->isle, action->base_size);
		if (r <= 0)
			return r < 0 ? r : -ESTALE;
		if (lseek(sides->host, 0, SEEK_END) < 0)
			return -errno;
		return copy_rest(sides->isle, action->base_size, sides->host);
	case ISLE_COMPOSE_MERGE:
		r = merge_into(tx, action, sides, &text);
		break;
	case ISLE_COMPOSE_HUNKS:
		r = take_hunks(sides, action->hunks, &text, NULL);
		break;
	}
	return r < 0 ? r : replace_content(sides->host, &text);
}

static int give_metadata(const struct isle_action *action, const struct isle_meta *host, int to)
{
	struct isle_meta meta = *host; /* borrows the attributes */

	if (action->what & ISLE_APPLY_MODE)
		meta.st.stx_mode = action->new_meta->st.stx_mode;
	return isle_meta_apply(to, "", &meta, ISLE_APPLY_OWNER | ISLE_APPLY_MODE | ISLE_APPLY_XATTRS);
}

int isle_compose_prepare(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *to,
			 struct isle_stat *ret_made)
{
	const int plain = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_sides struct sides sides = {-1, -1};
	auto_fd int now = -1;
	struct isle_spot host, source;
	struct isle_stat st = {0};
	int r = isle_spot_target(tx, action, &host);

	if (r >= 0) {
		now = openat(host.dir, host.name, O_RDONLY | plain);
		r = now < 0 ? -errno : isle_look(now, "", &st);
	}
	if (r >= 0)
		r = isle_same_object(&st, &action->old) ? isle_meta_read(now, "", &meta) : -ESTALE;
	if (r >= 0)
		r = isle_spot_source(tx, action, &source);
	if (r < 0)
		return r;
	sides.isle = openat(source.dir, source.name, O_RDONLY | plain);
	if (sides.isle < 0)
		return -errno;
	sides.host = openat(to->dir, to->name, O_RDWR | O_CREAT | O_EXCL | plain, 0600);
	if (sides.host < 0)
		return -errno;
	r = isle_copy_data(now, sides.host);
	if (r >= 0)
		r = compose(tx, action, &sides);
	if (r >= 0)
		r = give_metadata(action, &meta, sides.host);
	return r < 0 ? r : isle_look(sides.host, "", ret_made);
}
