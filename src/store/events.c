/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record on disk, all numbers in the machine's own order:
 *
 *   struct head | struct isle_identity where the type has one | the union where the type uses it | path NUL other NUL
 *   text | NUL bytes up to a multiple of 8
 */
#include "events_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "buf.h"
#include "clock.h"

struct head {
	uint32_t size; /* of the whole record, a multiple of 8 */
	uint8_t type;
	uint8_t version;
	uint16_t how;
	uint32_t process;
	uint32_t text_size;
	int64_t time;
};

struct isle_events {
	int fd;
	uint64_t offset; /* of what is not written yet */
	struct isle_buf pending;
};

/* Of the structures; a reader stops at a record of another one. */
enum { VERSION = 1 };

enum { RECORD_LIMIT = 1 << 20, UNION_SIZE = 4 * sizeof(uint64_t) };

static bool has_identity(unsigned type)
{
	return type == ISLE_EVENT_READ || type == ISLE_EVENT_KEPT;
}

static bool has_union(unsigned type)
{
	switch ((enum isle_event_type)type) {
	case ISLE_EVENT_START:
	case ISLE_EVENT_EXIT:
	case ISLE_EVENT_NAMES:
	case ISLE_EVENT_KEPT:
	case ISLE_EVENT_REFUSED:
	case ISLE_EVENT_NET:
	case ISLE_EVENT_COUNT:
	case ISLE_EVENT_END:
		return true;
	case ISLE_EVENT_RUN:
	case ISLE_EVENT_EXEC:
	case ISLE_EVENT_READ:
	case ISLE_EVENT_WRITE:
	case ISLE_EVENT_NOTE:
	case ISLE_EVENT_LOST:
		break;
	}
	return false;
}

void isle_identity_from(const struct statx *st, struct isle_identity *ret_identity)
{
	*ret_identity = (struct isle_identity){
		.dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
		.ino = st->stx_ino,
		.size = st->stx_size,
		.mtime = isle_time_ns(&st->stx_mtime),
		.ctime = isle_time_ns(&st->stx_ctime),
		.mode = st->stx_mode,
		.links = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
	};
}

bool isle_identity_same(const struct isle_identity *a, const struct isle_identity *b)
{
	if (a->mode == 0 || b->mode == 0)
		return a->mode == b->mode;
	return a->dev == b->dev && a->ino == b->ino && a->ctime == b->ctime && a->mode == b->mode &&
	       (S_ISDIR(a->mode) || a->size == b->size);
}

int isle_events_create(const struct isle *isle, struct isle_events **ret_events)
{
	int64_t start = isle_now();
	char name[48];
	int fd = -1;

	for (unsigned attempt = 0; attempt < 1000; attempt++, start++) {
		snprintf(name, sizeof(name), "events/%016llx", (unsigned long long)start);
		fd = openat(isle->dir, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || (errno != EEXIST && errno != ENOENT))
			break;
		if (errno == ENOENT && mkdirat(isle->dir, "events", 0700) < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return -errno;
	struct isle_events *events = calloc(1, sizeof(*events));
	if (events == NULL) {
		close(fd);
		return -ENOMEM;
	}
	events->fd = fd;
	*ret_events = events;
	return 0;
}

int isle_event_encode(struct isle_buf *out, const struct isle_event *event)
{
	static const char zeros[8];
	size_t start = out->size;
	struct head head = {.version = VERSION,
			    .type = (uint8_t)event->type,
			    .how = (uint16_t)event->how,
			    .process = event->process};

	head.time = event->time == 0 ? isle_now() : event->time;
	head.text_size = (uint32_t)event->text_size;
	isle_buf_add(out, &head, sizeof(head));
	if (has_identity(event->type))
		isle_buf_add(out, &event->then, sizeof(event->then));
	if (has_union(event->type))
		isle_buf_add(out, event->room, UNION_SIZE);
	isle_buf_add(out, event->path == NULL ? "" : event->path, event->path == NULL ? 1 : strlen(event->path) + 1);
	isle_buf_add(out, event->other == NULL ? "" : event->other,
		     event->other == NULL ? 1 : strlen(event->other) + 1);
	if (event->text_size > 0)
		isle_buf_add(out, event->text, event->text_size);
	isle_buf_add(out, zeros, 8 - (out->size - start) % 8);
	if (out->error != 0)
		return out->error;
	head.size = (uint32_t)(out->size - start);
	if (head.size > RECORD_LIMIT) {
		isle_buf_cut(out, start);
		return -E2BIG;
	}
	memcpy(out->data + start, &head, sizeof(head));
	return 0;
}

int isle_events_add(struct isle_events *events, const struct isle_event *event, uint64_t *ret_offset)
{
	size_t start = events->pending.size;
	int r = isle_event_encode(&events->pending, event);

	if (r >= 0 && ret_offset != NULL)
		*ret_offset = events->offset + start;
	return r;
}

/* What a write that broke off has put there is cut off again: a reader would stop at it. */
int isle_events_flush(struct isle_events *events)
{
	struct isle_buf *out = &events->pending;

	if (out->size == 0)
		return 0;
	ssize_t n = write(events->fd, out->data, out->size);
	if (n == (ssize_t)out->size) {
		events->offset += out->size;
		isle_buf_clear(out);
		return 0;
	}
	int r = n < 0 ? -errno : -ENOSPC;
	isle_ignore(ftruncate(events->fd, (off_t)events->offset));
	return r;
}

void isle_events_close(struct isle_events *events)
{
	if (events == NULL)
		return;
	isle_ignore(isle_events_flush(events));
	close(events->fd);
	isle_buf_done(&events->pending);
	free(events);
}

/* Points the strings of an event into its record. False when they do not lie within it. */
static bool take_strings(const char *at, size_t room, size_t text_size, struct isle_event *event)
{
	const char *end = memchr(at, '\0', room);

	if (end == NULL)
		return false;
	event->path = at;
	room -= (size_t)(end + 1 - at);
	at = end + 1;
	end = memchr(at, '\0', room);
	if (end == NULL)
		return false;
	event->other = at;
	room -= (size_t)(end + 1 - at);
	at = end + 1;
	if (text_size > room || (text_size > 0 && at[text_size - 1] != '\0'))
		return false;
	event->text = at;
	event->text_size = text_size;
	return true;
}

/* The size of the record at `at`, 0 when there is no whole one. */
static size_t decode(const char *at, size_t room, struct isle_event *event)
{
	struct head head;
	size_t used = sizeof(head);

	if (room < sizeof(head))
		return 0;
	memcpy(&head, at, sizeof(head));
	if (head.version != VERSION || head.size < sizeof(head) || head.size > room || head.size > RECORD_LIMIT ||
	    head.size % 8 != 0 || head.type < ISLE_EVENT_RUN || head.type > ISLE_EVENT_END)
		return 0;
	*event = (struct isle_event){.type = (enum isle_event_type)head.type, .how = head.how, .time = head.time};
	event->process = head.process;
	if (has_identity(head.type)) {
		if (head.size - used < sizeof(event->then))
			return 0;
		memcpy(&event->then, at + used, sizeof(event->then));
		used += sizeof(event->then);
	}
	if (has_union(head.type)) {
		if (head.size - used < UNION_SIZE)
			return 0;
		memcpy(event->room, at + used, UNION_SIZE);
		used += UNION_SIZE;
	}
	return take_strings(at + used, head.size - used, head.text_size, event) ? head.size : 0;
}

int isle_events_parse(const void *log, size_t size, const struct isle_events_run *run, isle_events_each *each,
		      void *data)
{
	struct isle_events_run known = *run;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		struct isle_event event;
		size_t used = decode((const char *)log + at, size - at, &event);

		if (used == 0)
			break;
		known.ended = event.type == ISLE_EVENT_END;
		r = each(&known, &event, at, data);
		at += used;
	}
	return r;
}

static int read_one(int dir, const char *name, unsigned index, isle_events_each *each, void *data)
{
	struct isle_events_run run = {.id = strtoull(name, NULL, 16), .index = index};
	auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct statx st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return -errno;
	if (!S_ISREG(st.stx_mode) || st.stx_size == 0)
		return 0;
	void *map = mmap(NULL, st.stx_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	int r = isle_events_parse(map, st.stx_size, &run, each, data);
	munmap(map, st.stx_size);
	return r;
}

int isle_event_is_log(const struct dirent *entry)
{
	return strlen(entry->d_name) == 16 && strspn(entry->d_name, "0123456789abcdef") == 16;
}

/* The logs from the one of index `first` on, counted from the end where it is negative. */
static int read_logs(const struct isle *isle, int first, isle_events_each *each, void *data, struct isle_err *err)
{
	auto_fd int dir = openat(isle->dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent **names = NULL;
	int r = 0;

	if (dir < 0)
		return errno == ENOENT ? 0 : isle_err_errno(err, -errno, "cannot read what isle '%s' did", isle->name);
	int count = scandirat(dir, ".", &names, isle_event_is_log, alphasort);
	if (count < 0)
		return isle_err_errno(err, -errno, "cannot read what isle '%s' did", isle->name);
	if (first < 0)
		first += count;
	for (int i = 0; i < count; i++) {
		if (r == 0 && i >= first) {
			r = read_one(dir, names[i]->d_name, (unsigned)i, each, data);
			if (r < 0)
				isle_err_errno(err, r, "cannot read what isle '%s' did", isle->name);
		}
		free(names[i]);
	}
	free(names);
	return r;
}

int isle_events_read(const struct isle *isle, isle_events_each *each, void *data, struct isle_err *err)
{
	return read_logs(isle, 0, each, data, err);
}

int isle_events_read_newest(const struct isle *isle, isle_events_each *each, void *data, struct isle_err *err)
{
	return read_logs(isle, -1, each, data, err);
}
