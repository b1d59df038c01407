/* SPDX-License-Identifier: Apache-2.0 */
#include "wishes.h"
#include "path.h"
#include "store.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[] = "isle owners 1";

enum { SUMMARY_LENGTH_MAX = 256 };

void isle_wishes_done(struct isle_wishes *wishes)
{
	for (size_t i = 0; i < wishes->count; i++)
		free(wishes->list[i].path);
	free(wishes->list);
	free(wishes->isle);
	free(wishes->summary);
	*wishes = ISLE_WISHES_INIT;
}

int isle_wishes_add(struct isle_wishes *wishes, const struct isle_wish *wish)
{
	struct isle_wish *more = wishes->list;

	if (wishes->count == wishes->room) {
		size_t room = wishes->room ? wishes->room * 2 : 64;

		more = reallocarray(wishes->list, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		wishes->list = more;
		wishes->room = room;
	}
	more[wishes->count] = *wish;
	more[wishes->count].path = strdup(wish->path);
	if (!more[wishes->count].path)
		return -ENOMEM;
	wishes->count++;
	return 0;
}

static void add_record(struct isle_buf *buf, const char *text)
{
	isle_buf_add(buf, text, strlen(text) + 1);
}

int isle_wishes_write(const struct isle_wishes *wishes, struct isle_buf *buf)
{
	add_record(buf, magic);
	add_record(buf, wishes->isle);
	add_record(buf, wishes->summary);
	for (size_t i = 0; i < wishes->count; i++) {
		const struct isle_wish *wish = &wishes->list[i];

		isle_buf_addf(buf, "%" PRIu32 " %" PRIu32 " %" PRIo32 " ", wish->uid, wish->gid, wish->mode);
		add_record(buf, wish->path);
	}
	add_record(buf, "");
	return isle_buf_error(buf);
}

bool isle_wishes_complete(const char *data, size_t size)
{
	return size >= 2 && data[size - 1] == '\0' && data[size - 2] == '\0';
}

/* --- reading --- */

struct reader {
	const char *at, *end;
};

/* The next record, or NULL at the end. */
static const char *next(struct reader *reader)
{
	const char *record = reader->at;
	const char *nul = record < reader->end ? memchr(record, '\0', (size_t)(reader->end - record)) : NULL;

	if (!nul)
		return NULL;
	reader->at = nul + 1;
	return record;
}

static bool is_plain(const char *text)
{
	size_t length = strlen(text);

	for (const char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return length > 0 && length <= SUMMARY_LENGTH_MAX;
}

/* Digits of this base alone, at most 32 bits, and a blank. NULL: not so. */
static const char *read_number(const char *text, unsigned base, uint32_t *ret_number)
{
	const char *at = text;
	uint64_t number = 0;

	for (; *at >= '0' && *at < (char)('0' + base) && number <= UINT32_MAX; at++)
		number = number * base + (uint64_t)(*at - '0');
	if (at == text || *at != ' ' || number > UINT32_MAX)
		return NULL;
	*ret_number = (uint32_t)number;
	return at + 1;
}

static bool is_mode(uint32_t mode)
{
	if ((mode & ~(uint32_t)(S_IFMT | 07777)) != 0)
		return false;
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

static bool is_path(const char *path)
{
	const char *at = path;
	char name[NAME_MAX + 1];

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*at == '/') {
		size_t length = strcspn(at + 1, "/");

		if (length > NAME_MAX)
			return false;
		memcpy(name, at + 1, length);
		name[length] = '\0';
		if (!isle_component_valid(name))
			return false;
		at += 1 + length;
	}
	return true;
}

static int read_wish(const char *text, struct isle_wishes *wishes)
{
	struct isle_wish wish = {0};

	text = read_number(text, 10, &wish.uid);
	if (text)
		text = read_number(text, 10, &wish.gid);
	if (text)
		text = read_number(text, 8, &wish.mode);
	if (!text || wish.uid == UINT32_MAX || wish.gid == UINT32_MAX || !is_mode(wish.mode) || !is_path(text) ||
	    wishes->count == ISLE_WISHES_MAX)
		return -EBADMSG;
	wish.path = (char *)text;
	return isle_wishes_add(wishes, &wish);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct isle_wish *)a)->path, ((const struct isle_wish *)b)->path);
}

static int sort(struct isle_wishes *wishes)
{
	if (wishes->count > 0)
		qsort(wishes->list, wishes->count, sizeof(*wishes->list), compare_paths);
	for (size_t i = 1; i < wishes->count; i++)
		if (compare_paths(&wishes->list[i - 1], &wishes->list[i]) == 0)
			return -EBADMSG;
	return 0;
}

int isle_wishes_read(const char *data, size_t size, struct isle_wishes *ret_wishes)
{
	auto_wishes struct isle_wishes wishes = ISLE_WISHES_INIT;
	struct reader reader = {data, data + size};
	const char *first = size <= ISLE_WISHES_BYTES_MAX ? next(&reader) : NULL;
	const char *isle = first && strcmp(first, magic) == 0 ? next(&reader) : NULL;
	const char *summary = isle && isle_name_valid(isle) ? next(&reader) : NULL;
	const char *record = NULL;
	int r = summary && is_plain(summary) ? 0 : -EBADMSG;

	while (r >= 0 && (record = next(&reader)) && *record != '\0')
		r = read_wish(record, &wishes);
	if (r >= 0 && (!record || reader.at != reader.end))
		r = -EBADMSG;
	if (r >= 0)
		r = sort(&wishes);
	if (r < 0)
		return r;
	wishes.isle = strdup(isle);
	wishes.summary = strdup(summary);
	if (!wishes.isle || !wishes.summary)
		return -ENOMEM;
	*ret_wishes = wishes;
	wishes = ISLE_WISHES_INIT;
	return 0;
}
