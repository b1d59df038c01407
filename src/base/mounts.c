/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be reached. The kernel lists every mount with its parent and with its mount point as a path. With
 * siblings (mounts of one parent) put into path order, one pass finds those that another sibling covers:
 *
 * 1. A mount is covered when a sibling lies at a proper ancestor of its point, whichever came first: a look-up meets
 *    the ancestor before it. Of siblings at one point the later one wins.
 * 2. A mount at "/" whose parent is listed lies over the root of the process, where no look-up goes: covered.
 * 3. A mount is reachable when it is not covered and its parent is reachable or not listed (the parent of the root
 *    of the process never is).
 * 4. A reachable mount is left out of the list when a reachable child lies at its own point: the top of a stack.
 *
 * The text may be anything: a line that does not parse is left out, duplicate numbers and cycles of parents end as
 * "not reachable". The work is O(n log n).
 */
#include "mounts.h"
#include "io.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

enum { MOUNTINFO_MAX = 256 * 1024 * 1024 };

enum state {
	STATE_UNKNOWN = 0,
	STATE_ASKED, /* on the chain that is being followed */
	STATE_YES,
	STATE_NO,
};

/* A mount while the list is being made. */
struct candidate {
	struct isle_mount mount;
	size_t order; /* line in the text */
	enum state state;
	bool stacked; /* a child lies at the same point */
};

struct candidates {
	struct candidate *list; /* sorted by id once parsed */
	size_t count;
};

static void cleanup_candidates(const struct candidates *all)
{
	free(all->list);
}

/* Cuts the next field off *text; a field can be empty. NULL at the end of the line. */
static char *take_field(char **text)
{
	char *field = *text;
	char *space;

	if (!field)
		return NULL;
	space = strchr(field, ' ');
	if (space)
		*space++ = '\0';
	*text = space;
	return field;
}

static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	if (errno != 0 || *ret > max)
		return -ERANGE;
	return *end == '\0' ? 0 : -EINVAL;
}

static bool is_octal(const char *s)
{
	return s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7';
}

/* Replaces \ooo by its byte, in place. \000 cannot be in a name and stays as it is. */
static const char *unescape(char *field)
{
	const char *from = field;
	char *to = field;
	int value;

	while (*from) {
		value = 0;
		if (is_octal(from))
			value = (from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0');
		if (value != 0) {
			*to++ = (char)value;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return field;
}

static unsigned long option_flags(const char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {{"ro", MS_RDONLY}, {"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}};
	unsigned long flags = 0;
	size_t size;

	for (const char *p = options; *p; p += size + (p[size] == ',')) {
		size = strcspn(p, ",");
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (strlen(known[i].name) == size && memcmp(p, known[i].name, size) == 0)
				flags |= known[i].flag;
	}
	return flags;
}

static int parse_device(char *field, dev_t *ret_dev)
{
	char *colon = strchr(field, ':');
	unsigned long major, minor;

	if (!colon)
		return -EINVAL;
	*colon++ = '\0';
	if (parse_number(field, UINT_MAX, &major) < 0 || parse_number(colon, UINT_MAX, &minor) < 0)
		return -EINVAL;
	*ret_dev = makedev((unsigned)major, (unsigned)minor);
	return 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static int parse_line(char *line, struct isle_mount *ret_mount)
{
	struct isle_mount mount = {0};
	char *head[6], *tail[3];
	const char *option;
	unsigned long id, parent;

	for (size_t i = 0; i < ARRAY_SIZE(head); i++)
		if (!(head[i] = take_field(&line)))
			return -EINVAL;
	do {
		if (!(option = take_field(&line)))
			return -EINVAL;
	} while (strcmp(option, "-") != 0);
	for (size_t i = 0; i < ARRAY_SIZE(tail); i++)
		if (!(tail[i] = take_field(&line)))
			return -EINVAL;
	if (parse_number(head[0], INT_MAX, &id) < 0 || parse_number(head[1], INT_MAX, &parent) < 0 ||
	    parse_device(head[2], &mount.dev) < 0 || head[4][0] != '/')
		return -EINVAL;
	mount.id = (int)id;
	mount.parent_id = (int)parent;
	mount.root = unescape(head[3]);
	mount.point = unescape(head[4]);
	mount.options = unescape(head[5]);
	mount.type = unescape(tail[0]);
	mount.source = unescape(tail[1]);
	mount.super_options = unescape(tail[2]);
	mount.flags = option_flags(mount.options) | (option_flags(mount.super_options) & MS_RDONLY);
	*ret_mount = mount;
	return 0;
}

/* Cuts text into candidates; text is changed, and the strings stay in it. */
static int parse_text(char *text, size_t size, struct candidates *ret_all)
{
	size_t lines = 1;
	char *line, *end;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	ret_all->list = calloc(lines, sizeof(*ret_all->list));
	if (!ret_all->list)
		return -ENOMEM;
	for (line = text; line < text + size; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + size - line));
		if (!end)
			end = text + size;
		*end = '\0';
		if (strlen(line) != (size_t)(end - line))
			continue; /* a NUL byte */
		if (parse_line(line, &ret_all->list[ret_all->count].mount) < 0)
			continue;
		ret_all->list[ret_all->count].order = ret_all->count;
		ret_all->count++;
	}
	return 0;
}

/* As strcmp(), but "/" comes before every other byte: what lies below a path follows it directly. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (*a == '\0' || *b == '\0')
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_ids(const void *va, const void *vb)
{
	const struct candidate *a = va, *b = vb;

	if (a->mount.id != b->mount.id)
		return a->mount.id < b->mount.id ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_siblings(const void *va, const void *vb)
{
	const struct candidate *a = *(struct candidate *const *)va, *b = *(struct candidate *const *)vb;
	int r;

	if (a->mount.parent_id != b->mount.parent_id)
		return a->mount.parent_id < b->mount.parent_id ? -1 : 1;
	r = compare_paths(a->mount.point, b->mount.point);
	if (r != 0)
		return r;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_points(const void *va, const void *vb)
{
	const struct isle_mount *a = va, *b = vb;

	return strcmp(a->point, b->point);
}

static struct candidate *parent_of(const struct candidates *all, const struct candidate *child)
{
	size_t low = 0, high = all->count, middle;

	if (child->mount.parent_id == child->mount.id)
		return NULL;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (all->list[middle].mount.id < child->mount.parent_id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < all->count && all->list[low].mount.id == child->mount.parent_id)
		return &all->list[low];
	return NULL;
}

static bool is_root(const struct candidate *c)
{
	return strcmp(c->mount.point, "/") == 0;
}

/* Rules 1 and 2: marks what a sibling covers. */
static int mark_covered(const struct candidates *all)
{
	auto_free struct candidate **sorted = calloc(all->count + 1, sizeof(*sorted));
	const struct candidate *cover = NULL;
	struct candidate *c;
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < all->count; i++) {
		c = &all->list[i];
		if (!is_root(c))
			sorted[count++] = c;
		else if (parent_of(all, c))
			c->state = STATE_NO;
	}
	qsort(sorted, count, sizeof(struct candidate *), compare_siblings);
	for (size_t i = 0; i < count; i++) {
		c = sorted[i];
		if (i + 1 < count && sorted[i + 1]->mount.parent_id == c->mount.parent_id &&
		    strcmp(sorted[i + 1]->mount.point, c->mount.point) == 0)
			c->state = STATE_NO;
		else if (cover && cover->mount.parent_id == c->mount.parent_id &&
			 isle_path_below(c->mount.point, cover->mount.point))
			c->state = STATE_NO;
		else
			cover = c;
	}
	return 0;
}

/* Rule 3 for one mount and all its ancestors. */
static void ask(const struct candidates *all, struct candidate *first)
{
	struct candidate *c = first;
	enum state answer;

	while (c && c->state == STATE_UNKNOWN) {
		c->state = STATE_ASKED;
		c = parent_of(all, c);
	}
	answer = !c || c->state == STATE_YES ? STATE_YES : STATE_NO;
	for (c = first; c && c->state == STATE_ASKED; c = parent_of(all, c))
		c->state = answer;
}

/* Rules 3 and 4. */
static void mark_reachable(const struct candidates *all)
{
	struct candidate *parent;

	for (size_t i = 0; i < all->count; i++)
		ask(all, &all->list[i]);
	for (size_t i = 0; i < all->count; i++) {
		if (all->list[i].state != STATE_YES)
			continue;
		parent = parent_of(all, &all->list[i]);
		if (parent && strcmp(parent->mount.point, all->list[i].mount.point) == 0)
			parent->stacked = true;
	}
}

/* Stores the reachable ones in *ret_mounts, sorted by point. */
static int collect(const struct candidates *all, struct isle_mounts *ret_mounts)
{
	struct isle_mount *list = calloc(all->count + 1, sizeof(*list));
	size_t count = 0, kept = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].state == STATE_YES && !all->list[i].stacked)
			list[count++] = all->list[i].mount;
	qsort(list, count, sizeof(*list), compare_points);
	/* One point twice is not to be had from a kernel, but is from hostile text. */
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(list[kept - 1].point, list[i].point) != 0)
			list[kept++] = list[i];
	ret_mounts->list = list;
	ret_mounts->count = kept;
	return 0;
}

/* Takes text over, also when it fails. */
static int parse_taken(char *text, size_t size, struct isle_mounts *ret_mounts)
{
	__attribute__((cleanup(cleanup_candidates))) struct candidates all = {0};
	struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_free char *owned = text;
	int r;

	r = parse_text(text, size, &all);
	if (r < 0)
		return r;
	qsort(all.list, all.count, sizeof(*all.list), compare_ids);
	r = mark_covered(&all);
	if (r < 0)
		return r;
	mark_reachable(&all);
	r = collect(&all, &mounts);
	if (r < 0)
		return r;
	mounts.text = ptr_take(&owned);
	*ret_mounts = mounts;
	return 0;
}

int isle_mounts_read(struct isle_mounts *ret_mounts)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	size_t size;
	char *text;
	int r;

	r = isle_read_file(AT_FDCWD, "/proc/self/mountinfo", &buf, MOUNTINFO_MAX);
	if (r < 0)
		return r;
	size = buf.size;
	text = isle_buf_take(&buf);
	return text ? parse_taken(text, size, ret_mounts) : -ENOMEM;
}

int isle_mounts_parse(const char *text, size_t size, struct isle_mounts *ret_mounts)
{
	char *copy = malloc(size + 1);

	if (!copy)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return parse_taken(copy, size, ret_mounts);
}

void isle_mounts_done(struct isle_mounts *mounts)
{
	free(mounts->list);
	free(mounts->text);
	*mounts = ISLE_MOUNTS_INIT;
}

/* As strcmp(point, the first size bytes of path). */
static int compare_prefix(const char *point, const char *path, size_t size)
{
	int r = strncmp(point, path, size);

	return r != 0 ? r : point[size] != '\0';
}

/* The first mount that does not come before the first size bytes of path. */
static size_t lower_bound(const struct isle_mounts *mounts, const char *path, size_t size)
{
	size_t low = 0, high = mounts->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare_prefix(mounts->list[middle].point, path, size) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct isle_mount *isle_mounts_find(const struct isle_mounts *mounts, const char *path)
{
	size_t size = strlen(path), at;

	while (size > 0) {
		at = lower_bound(mounts, path, size);
		if (at < mounts->count && compare_prefix(mounts->list[at].point, path, size) == 0)
			return &mounts->list[at];
		if (size == 1)
			break;
		do
			size--;
		while (size > 1 && path[size] != '/');
	}
	return NULL;
}

bool isle_mounts_below(const struct isle_mounts *mounts, const char *path)
{
	size_t size = strlen(path);

	/* Between a path and what lies below it there can be others: "/a", "/a b", "/a/c". */
	for (size_t i = lower_bound(mounts, path, size); i < mounts->count; i++) {
		if (strncmp(mounts->list[i].point, path, size) != 0)
			break;
		if (mounts->list[i].point[size] != '\0' && isle_path_below(mounts->list[i].point, path))
			return true;
	}
	return false;
}
