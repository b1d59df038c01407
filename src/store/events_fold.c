/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An isle that is used for a thousand runs of the same program has a thousand logs that say the same: which files of
 * the system it read. What a commit needs of them is when a path was first read, and in which state; what people want
 * of old runs is their processes, and what was new.
 *
 * 1. A read is dropped only when a record that is kept says the same of the same path, earlier and in the same epoch:
 *    the same state of the same object, read in all of the same ways. An epoch lies between two boundaries.
 * 2. Logs without an end (killed, still running) and incomplete ones stay as they are, but count as earlier records.
 * 3. The new log has its name when it is on the disk whole; until then the old one has.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "events_internal.h"
#include "io.h"
#include "map.h"

enum {
	PATHS_MOST = 500000, /* beyond that, nothing more is dropped */
	LOG_LIMIT = 1 << 28,
};

/* What is known of a path in this epoch. */
struct known {
	struct isle_identity then;
	int64_t time; /* of the earliest record of this state */
	size_t epoch;
	unsigned how;	/* enum isle_read, of this state */
	uint64_t names; /* 0: not listed */
};

struct moved {
	uint64_t from, to;
};

struct fold {
	const struct isle_events_boundaries *boundaries;
	struct isle_map known;
	/* of one log */
	bool ended, lost;
	bool rewrite;
	struct isle_buf out;
	struct moved *moved; /* offsets of kept records, growing */
	size_t moved_count, moved_room;
	uint64_t dropped;
};

static size_t epoch_of(const struct fold *fold, int64_t time)
{
	size_t low = 0, high = fold->boundaries->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fold->boundaries->list[middle] <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL when there are too many, or out of memory: then the record is kept. */
static struct known *get_known(struct fold *fold, const char *path, size_t epoch)
{
	struct known *known = isle_map_get(&fold->known, path);

	if (known == NULL) {
		known = fold->known.count < PATHS_MOST ? calloc(1, sizeof(*known)) : NULL;
		if (known == NULL)
			return NULL;
		known->epoch = epoch;
		if (isle_map_set(&fold->known, path, known) < 0) {
			free(known);
			return NULL;
		}
	}
	if (known->epoch != epoch)
		*known = (struct known){.epoch = epoch};
	return known;
}

/* True if an earlier record says all of it. */
static bool is_known_read(struct fold *fold, const struct isle_event *event)
{
	struct known *known = get_known(fold, event->path, epoch_of(fold, event->time));

	if (known == NULL)
		return false;
	bool same = isle_identity_same(&known->then, &event->then) && known->then.links == event->then.links;
	/* Of two runs at once, the later log may have the earlier read. */
	if (known->how == 0 || !same || event->time < known->time) {
		known->then = event->then;
		known->time = event->time;
		known->how = event->how;
		return false;
	}
	bool all = (event->how & ~known->how) == 0;
	known->how |= event->how;
	return all;
}

static bool is_known_listing(struct fold *fold, const struct isle_event *event)
{
	struct known *known = get_known(fold, event->path, epoch_of(fold, event->time));

	if (known == NULL)
		return false;
	bool same = known->names == event->names.hash && known->names != 0;
	known->names = event->names.hash;
	return same;
}

static bool is_known(struct fold *fold, const struct isle_event *event)
{
	if (event->type == ISLE_EVENT_READ)
		return is_known_read(fold, event);
	return event->type == ISLE_EVENT_NAMES && is_known_listing(fold, event);
}

static const struct moved *find_moved(const struct fold *fold, uint64_t offset)
{
	size_t low = 0, high = fold->moved_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fold->moved[middle].from == offset)
			return &fold->moved[middle];
		if (fold->moved[middle].from < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int note_moved(struct fold *fold, uint64_t from)
{
	if (fold->moved_count == fold->moved_room) {
		size_t room = fold->moved_room == 0 ? 256 : fold->moved_room * 2;
		struct moved *larger = reallocarray(fold->moved, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		fold->moved = larger;
		fold->moved_room = room;
	}
	fold->moved[fold->moved_count++] = (struct moved){from, fold->out.size};
	return 0;
}

static int add_note(struct fold *fold, int64_t time)
{
	char text[100];
	struct isle_event note = {.type = ISLE_EVENT_NOTE, .how = ISLE_NOTE_FOLDED, .time = time, .other = text};

	snprintf(text, sizeof(text), "%llu reads that earlier runs had made, too, are not in this log any more",
		 (unsigned long long)fold->dropped);
	return isle_event_encode(&fold->out, &note);
}

/* Appends a record to the new log; a count of a record that was dropped is dropped, too. */
static int copy_record(struct fold *fold, const struct isle_event *event, uint64_t offset)
{
	struct isle_event copy = *event;
	int r = note_moved(fold, offset);

	if (r >= 0 && event->type == ISLE_EVENT_END && fold->dropped > 0)
		r = add_note(fold, event->time);
	if (event->type == ISLE_EVENT_COUNT) {
		const struct moved *moved = find_moved(fold, event->counted.offset);

		if (moved == NULL)
			return 0;
		copy.counted.offset = moved->to;
	}
	return r < 0 ? r : isle_event_encode(&fold->out, &copy);
}

static int take(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct fold *fold = data;
	bool known = is_known(fold, event);

	(void)run;
	if (!fold->rewrite)
		return 0;
	if (!known)
		return copy_record(fold, event, offset);
	fold->dropped++;
	return 0;
}

static int look(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct fold *fold = data;

	(void)offset;
	fold->ended = run->ended;
	fold->lost |= event->type == ISLE_EVENT_LOST;
	return 0;
}

static int fold_log(struct fold *fold, int dir, const char *name, uint64_t *saved)
{
	const struct isle_events_run run = {0};
	auto_buf struct isle_buf log = ISLE_BUF_INIT;
	int r = isle_read_file(dir, name, &log, LOG_LIMIT);

	if (r < 0)
		return r == -EFBIG ? 0 : r;
	fold->ended = fold->lost = false;
	fold->dropped = fold->moved_count = 0;
	isle_buf_clear(&fold->out);
	r = isle_events_parse(log.data, log.size, &run, look, fold);
	fold->rewrite = fold->ended && !fold->lost;
	if (r >= 0)
		r = isle_events_parse(log.data, log.size, &run, take, fold);
	if (r < 0 || fold->dropped == 0 || fold->out.size >= log.size)
		return r;
	*saved += log.size - fold->out.size;
	return isle_replace_file_synced(dir, name, fold->out.data, fold->out.size);
}

static void fold_done(struct fold *fold)
{
	for (size_t i = 0; i < fold->known.room; i++)
		if (fold->known.slots[i].key != NULL)
			free(fold->known.slots[i].value);
	isle_map_done(&fold->known);
	isle_buf_done(&fold->out);
	free(fold->moved);
}

int isle_events_fold(const struct isle *isle, unsigned keep, const struct isle_events_boundaries *boundaries,
		     uint64_t *ret_saved, struct isle_err *err)
{
	struct fold fold = {.boundaries = boundaries};
	auto_fd int dir = openat(isle->dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent **names = NULL;
	uint64_t saved = 0;
	int r = 0;

	*ret_saved = 0;
	if (dir < 0)
		return errno == ENOENT ? 0 : isle_err_errno(err, -errno, "cannot read what isle '%s' did", isle->name);
	int count = scandirat(dir, ".", &names, isle_event_is_log, alphasort);
	if (count < 0)
		return isle_err_errno(err, -errno, "cannot read what isle '%s' did", isle->name);
	for (int i = 0; i < count; i++) {
		if (r >= 0 && i < count - (int)keep)
			r = fold_log(&fold, dir, names[i]->d_name, &saved);
		free(names[i]);
	}
	free(names);
	fold_done(&fold);
	if (r < 0)
		return isle_err_errno(err, r, "cannot make the logs of isle '%s' smaller", isle->name);
	*ret_saved = saved;
	return 0;
}
