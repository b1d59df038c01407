/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into the log, once for each path and kind.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "kernel.h"
#include "listener.h"
#include "names.h"

/* Bits of isle_known_slot beside enum isle_read. */
enum {
	WRITTEN = 1 << 8,
	MOVED = 1 << 9,
	COPIED = 1 << 10, /* the isle's own, but the content is the host's still */
	GONE = 1 << 11,	  /* renamed away, and that is on record */
	WRITER = 1 << 12, /* above that bit: how many processes are on record as having changed it */
	WRITERS = 8,
};

static struct isle_known_slot *slot_of(struct isle_guide *guide, const char *path)
{
	return isle_known_slot(&guide->recorded, isle_siphash(&guide->key, path, strlen(path)));
}

uint32_t isle_guide_process(struct isle_guide *guide, const struct isle_call *call)
{
	const struct isle_process *p = isle_processes_find(&guide->processes, call->tid, guide->listener,
							   call->notif.id);

	return p == NULL ? 0 : p->number;
}

/* Said once; from then on the record does not prove anything. */
int isle_guide_lose(struct isle_guide *guide, const char *why)
{
	const struct isle_event event = {.type = ISLE_EVENT_LOST, .other = why};

	if (guide->lost)
		return 0;
	guide->lost = true;
	return isle_events_add(guide->events, &event, NULL);
}

/* Which object the host has there: another number, and it is another one. */
static uint32_t state_of(const struct isle_guide *guide, const struct isle_identity *then)
{
	const uint64_t object[3] = {then->mode == 0 ? 0 : then->dev, then->mode == 0 ? 0 : then->ino, then->mode != 0};

	return (uint32_t)isle_siphash(&guide->key, object, sizeof(object)) | 1;
}

static int record_names(struct isle_guide *guide, const struct isle_sight *sight)
{
	struct isle_event event = {.type = ISLE_EVENT_NAMES, .path = sight->host};
	auto_fd int dir = open(sight->host, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0 || isle_names_hash(dir, &event.names.hash) < 0)
		return 0; /* nor could the isle list it; else times alone will have to tell */
	return isle_events_add(guide->events, &event, NULL);
}

/* The host put something else there since the last look. What the isle read first is what counts for a commit; what it
 * reads from now on should be what is there. */
static int note_moved(struct isle_guide *guide, struct isle_known_slot *slot, const struct isle_sight *sight)
{
	const struct isle_event event = {.type = ISLE_EVENT_NOTE,
					 .how = ISLE_NOTE_HOST_MOVED,
					 .path = sight->host,
					 .other = "the host replaced, created or removed it during the run"};
	bool first = (slot->bits & MOVED) == 0;

	slot->bits |= MOVED;
	if (guide->options.refresh != NULL && guide->refreshed != guide->second) {
		guide->refreshed = guide->second;
		guide->options.refresh(guide->options.data);
	}
	return first ? isle_events_add(guide->events, &event, NULL) : 0;
}

static bool is_stale(const struct isle_sight *sight)
{
	return sight->origin == ISLE_ORIGIN_HOST && (sight->mode == 0) != (sight->then.mode == 0);
}

void isle_guide_copied(struct isle_guide *guide, const struct isle_sight *sight)
{
	struct isle_known_slot *slot = NULL;

	if (sight->origin == ISLE_ORIGIN_HOST && S_ISREG(sight->mode))
		slot = slot_of(guide, sight->host);
	if (slot != NULL)
		slot->bits |= COPIED;
}

/* The isle's own file of which the content is the host's. */
static bool is_copied(const struct isle_guide *guide, const struct isle_sight *sight, unsigned how)
{
	const struct isle_known_slot *slot;

	if (sight->mode == 0 || (how & (ISLE_READ_CONTENT | ISLE_READ_EXEC)) == 0)
		return false;
	slot = isle_known_find(&guide->recorded, isle_siphash(&guide->key, sight->host, strlen(sight->host)));
	return slot != NULL && (slot->bits & COPIED) != 0;
}

/* The isle's own file that was the host's of another name. */
static int read_carried(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight,
			unsigned how)
{
	struct isle_sight host = {.mode = sight->mode, .origin = ISLE_ORIGIN_HOST};
	struct statx st;

	if (sight->mode == 0 || (how & (ISLE_READ_CONTENT | ISLE_READ_EXEC)) == 0 ||
	    !isle_carried_find(&guide->carried, sight->view, host.host, sizeof(host.host)) ||
	    isle_statx(AT_FDCWD, host.host, &st) < 0 || !S_ISREG(st.stx_mode))
		return 0;
	isle_identity_from(&st, &host.then);
	return isle_guide_read(guide, call, &host, how);
}

int isle_guide_read(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight,
		    unsigned how)
{
	struct isle_event event = {.type = ISLE_EVENT_READ, .path = sight->host};
	struct isle_identity then = sight->then;
	struct statx st;

	if (sight->origin == ISLE_ORIGIN_OWN) {
		if (!is_copied(guide, sight, how))
			return read_carried(guide, call, sight, how);
		if (isle_statx(AT_FDCWD, sight->host, &st) < 0)
			return 0;
		isle_identity_from(&st, &then);
	}
	event.then = then;
	if (sight->mode == 0) {
		how = ISLE_READ_LOOKUP;
		/* The view says that it is missing, so that is what was seen. */
		event.then = (struct isle_identity){0};
	}
	struct isle_known_slot *slot = slot_of(guide, sight->host);
	if (slot == NULL)
		return isle_guide_lose(guide, "too many paths");
	uint32_t state = state_of(guide, &then);
	if (slot->state == 0)
		slot->state = state;
	if (slot->state != state || is_stale(sight)) {
		int r = note_moved(guide, slot, sight);

		if (r < 0)
			return r;
		slot->state = state;
	}
	if ((slot->bits & how) == how)
		return 0;
	event.how = how & ~slot->bits;
	event.process = isle_guide_process(guide, call);
	int r = isle_events_add(guide->events, &event, NULL);
	if (r >= 0 && (event.how & ISLE_READ_LIST) != 0)
		r = record_names(guide, sight);
	if (r >= 0)
		slot->bits |= how;
	return r;
}

bool isle_guide_is_written(const struct isle_guide *guide, const char *view)
{
	const struct isle_known_slot *slot = isle_known_find(&guide->recorded,
							     isle_siphash(&guide->key, view, strlen(view)));

	return slot != NULL && (slot->bits & WRITTEN) != 0;
}

/* A rename that gives a known name takes one away, which nothing else may tell. 1: for the first time. */
static int note_gone(struct isle_guide *guide, const char *view)
{
	struct isle_known_slot *slot = slot_of(guide, view);
	bool first;

	if (slot == NULL)
		return -ENOMEM;
	first = (slot->bits & (WRITTEN | GONE)) == 0;
	slot->bits = (slot->bits & (WRITER - 1)) | GONE;
	return first;
}

/* What was there, or its content, is no more. */
static bool is_another(unsigned how)
{
	return how == ISLE_WRITE_CREATE || how == ISLE_WRITE_TRUNCATE || how == ISLE_WRITE_REMOVE ||
	       how == ISLE_WRITE_MKDIR || how == ISLE_WRITE_SYMLINK || how == ISLE_WRITE_NODE;
}

/* Others than the first who change a path are on record, too, up to so many that a log of a thousand shells that append
 * to one file stays small. 1: this process has not changed it yet, and there is room. */
static int note_writer(struct isle_guide *guide, const char *path, uint32_t process)
{
	const uint64_t who[2] = {isle_siphash(&guide->key, path, strlen(path)), process};
	struct isle_known_slot *slot = slot_of(guide, path), *writer;

	if (slot == NULL)
		return -ENOMEM;
	if (process == 0 || slot->bits / WRITER >= WRITERS)
		return 0;
	writer = isle_known_slot(&guide->recorded, isle_siphash(&guide->key, who, sizeof(who)));
	if (writer == NULL)
		return -ENOMEM;
	if (writer->bits != 0)
		return 0;
	writer->bits = WRITTEN;
	slot = slot_of(guide, path); /* it can have moved */
	if (slot != NULL)
		slot->bits += WRITER;
	return slot != NULL ? 1 : -ENOMEM;
}

int isle_guide_write(struct isle_guide *guide, const struct isle_call *call, const char *view, unsigned how,
		     const char *other)
{
	struct isle_event event = {.type = ISLE_EVENT_WRITE, .how = how, .path = view, .other = other};
	const char *changed = how == ISLE_WRITE_RENAME || how == ISLE_WRITE_LINK ? other : view;
	int gone = how == ISLE_WRITE_RENAME ? note_gone(guide, view) : 0;
	int another;
	struct isle_known_slot *slot;

	guide->wrote = true;
	if (is_another(how) && isle_carried_replace(&guide->carried, view) == -ENOMEM)
		return -ENOMEM;
	event.process = isle_guide_process(guide, call);
	another = note_writer(guide, changed, event.process);
	slot = slot_of(guide, changed);
	if (slot == NULL || gone < 0 || another < 0)
		return isle_guide_lose(guide, "too many paths");
	if (how != ISLE_WRITE_METADATA && how != ISLE_WRITE_OPEN && how != ISLE_WRITE_APPEND)
		slot->bits &= ~(uint32_t)COPIED;
	if (how == ISLE_WRITE_REMOVE) /* what comes there next is another file */
		slot->bits &= WRITER - 1;
	if ((slot->bits & WRITTEN) != 0 && !gone && !another)
		return 0;
	slot->bits |= WRITTEN;
	return isle_events_add(guide->events, &event, NULL);
}

int isle_guide_refuse(struct isle_guide *guide, const struct isle_call *call, const struct isle_event *event)
{
	struct isle_event of_caller = *event;

	of_caller.process = isle_guide_process(guide, call);
	uint64_t who[3] = {of_caller.process, event->how, (uint64_t)event->refused.error};
	uint64_t key = isle_siphash(&guide->key, event->path, strlen(event->path)) * 3 ^
		       isle_siphash(&guide->key, who, sizeof(who));
	struct isle_known_slot *slot = isle_known_slot(&guide->recorded, key);
	return slot == NULL ? isle_guide_lose(guide, "too many refusals") : isle_guide_repeat(guide, slot, &of_caller);
}

static int note_links(struct isle_guide *guide, const struct isle_sight *sight)
{
	const struct isle_event event = {.type = ISLE_EVENT_NOTE,
					 .how = ISLE_NOTE_LINK_SPLIT,
					 .path = sight->view,
					 .other = "written through one of several hard links"};

	return sight->then.links > 1 ? isle_events_add(guide->events, &event, NULL) : 0;
}

/* Where on the host the file comes from that the isle gives another name. */
static bool host_of(const struct isle_guide *guide, const struct isle_sight *sight, char *host, size_t room)
{
	bool file = S_ISREG(sight->mode);

	if (file && (sight->origin == ISLE_ORIGIN_HOST || is_copied(guide, sight, ISLE_READ_CONTENT))) {
		snprintf(host, room, "%s", sight->host);
		return true;
	}
	return (file || S_ISDIR(sight->mode)) && isle_carried_find(&guide->carried, sight->view, host, room);
}

/* What cannot be remembered is read now. */
static int carry(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *from,
		 const char *host, const char *to)
{
	bool tree = S_ISDIR(from->mode);
	int r = isle_carried_add(&guide->carried, to, host, tree ? ISLE_CARRIED_TREE : ISLE_CARRIED_FILE);

	if (r != -E2BIG)
		return r;
	return tree ? isle_guide_lose(guide, "too many renamed directories")
		    : isle_guide_read(guide, call, from, ISLE_READ_CONTENT);
}

int isle_guide_carry(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *from,
		     const struct isle_sight *to, unsigned flags)
{
	char host[PATH_MAX];
	char back[PATH_MAX];
	bool swap = (flags & RENAME_EXCHANGE) != 0;
	bool there = host_of(guide, from, host, sizeof(host));
	bool here = swap && host_of(guide, to, back, sizeof(back));

	if ((!there && !here && guide->carried.count == 0) || strcmp(from->view, to->view) == 0 ||
	    (swap && to->mode == 0) || ((flags & RENAME_NOREPLACE) != 0 && to->mode != 0))
		return 0;
	int r = swap ? isle_carried_exchange(&guide->carried, from->view, to->view)
		     : isle_carried_rename(&guide->carried, from->view, to->view);
	if (r == -E2BIG)
		r = isle_guide_lose(guide, "too many renamed files");
	if (r >= 0 && there)
		r = carry(guide, call, from, host, to->view);
	if (r >= 0 && here)
		r = carry(guide, call, to, back, from->view);
	isle_guide_renamed(guide, call);
	return r;
}

int isle_guide_carry_tree(struct isle_guide *guide, const char *from, const char *to)
{
	int r = isle_carried_add(&guide->carried, to, from, ISLE_CARRIED_TREE);

	return r == -E2BIG ? isle_guide_lose(guide, "too many renamed directories") : r;
}

int isle_guide_keep(struct isle_guide *guide, const struct isle_sight *sight)
{
	struct isle_event event = {.type = ISLE_EVENT_KEPT, .path = sight->host, .then = sight->then};
	auto_fd int file = -1;
	struct statx st;

	if (sight->origin != ISLE_ORIGIN_HOST || !S_ISREG(sight->then.mode))
		return 0;
	if (sight->then.size <= ISLE_BASE_FILE_LIMIT)
		file = open(sight->host, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	/* What was opened may be another file by now. */
	if (file >= 0 && isle_statx(file, "", &st) >= 0) {
		struct isle_identity now;

		isle_identity_from(&st, &now);
		if (isle_identity_same(&now, &sight->then))
			isle_ignore(isle_base_keep(guide->options.isle, file, &event.kept.offset, &event.kept.size));
	}
	return isle_events_add(guide->events, &event, NULL);
}

int isle_guide_split(struct isle_guide *guide, const struct isle_sight *sight)
{
	if (sight->origin != ISLE_ORIGIN_HOST || !S_ISREG(sight->then.mode) || !guide->user)
		return 0;
	return note_links(guide, sight);
}

int isle_guide_repeat(struct isle_guide *guide, struct isle_known_slot *slot, const struct isle_event *event)
{
	if (slot->state != 0) {
		guide->repeated[slot->state - 1].times++;
		return 0;
	}
	if (guide->repeated_count == guide->repeated_room) {
		size_t room = guide->repeated_room == 0 ? 16 : guide->repeated_room * 2;
		struct isle_repeated *list = reallocarray(guide->repeated, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		guide->repeated = list;
		guide->repeated_room = room;
	}
	uint64_t offset = 0;
	int r = isle_events_add(guide->events, event, &offset);
	if (r < 0)
		return r;
	guide->repeated[guide->repeated_count++] = (struct isle_repeated){offset, 1};
	slot->state = (uint32_t)guide->repeated_count;
	return 0;
}

void isle_guide_count(struct isle_guide *guide)
{
	for (size_t i = 0; i < guide->repeated_count; i++) {
		struct isle_event event = {.type = ISLE_EVENT_COUNT};

		event.counted.offset = guide->repeated[i].offset;
		event.counted.times = guide->repeated[i].times;
		if (event.counted.times > 1)
			isle_ignore(isle_events_add(guide->events, &event, NULL));
	}
	guide->repeated_count = 0;
}

static void begin_move(struct isle_guide *guide, const struct isle_call *call, enum isle_moving what)
{
	if (guide->moving.tid == 0 || guide->moving.what < what)
		guide->moving.what = what;
	guide->moving.tid = call->tid;
	guide->moving.since = guide->second;
}

static void forget(struct isle_guide *guide, enum isle_moving what)
{
	isle_processes_moved(&guide->processes);
	if (what >= ISLE_MOVING_REMOVED)
		isle_near_forget(&guide->near);
	if (what < ISLE_MOVING_NAMES)
		return;
	isle_glance_forget(&guide->seen);
	isle_origins_forget(&guide->origins);
}

void isle_guide_renamed(struct isle_guide *guide, const struct isle_call *call)
{
	forget(guide, ISLE_MOVING_NAMES);
	begin_move(guide, call, ISLE_MOVING_NAMES);
}

void isle_guide_removed(struct isle_guide *guide, const struct isle_call *call, const char *view)
{
	isle_origins_forget_below(&guide->origins, view);
	forget(guide, ISLE_MOVING_REMOVED);
	begin_move(guide, call, ISLE_MOVING_REMOVED);
}

void isle_guide_directory_changes(struct isle_guide *guide, const struct isle_call *call)
{
	forget(guide, ISLE_MOVING_DIRECTORY);
	begin_move(guide, call, ISLE_MOVING_DIRECTORY);
}

void isle_guide_settle(struct isle_guide *guide, const struct isle_call *call)
{
	if (guide->moving.tid == 0 || (guide->moving.tid != call->tid && guide->moving.since == guide->second))
		return;
	guide->moving.tid = 0;
	forget(guide, guide->moving.what);
}
