/* SPDX-License-Identifier: Apache-2.0 */
#include "notes.h"

#include <errno.h>
#include <string.h>

#include "events.h"

void isle_notes_done(struct isle_notes *notes)
{
	for (size_t i = 0; i < notes->by_path.room; i++) {
		struct isle_path_note *note = notes->by_path.slots[i].value;

		if (notes->by_path.slots[i].key == NULL)
			continue;
		free(note->owner);
		free(note->from);
		free(note);
	}
	isle_map_done(&notes->by_path);
}

static struct isle_path_note *get_note(struct isle_notes *notes, const char *path)
{
	struct isle_path_note *note = isle_map_get(&notes->by_path, path);

	if (note != NULL)
		return note;
	note = calloc(1, sizeof(*note));
	if (note != NULL && isle_map_set(&notes->by_path, path, note) < 0) {
		free(note);
		return NULL;
	}
	return note;
}

static int set_text(char **text, const char *value)
{
	free(*text);
	*text = strdup(value);
	return *text == NULL ? -ENOMEM : 0;
}

/* A directory came to be at event->other; by way of another one that the isle had moved before, or was made there. */
static int take_moved(struct isle_notes *notes, const struct isle_event *event)
{
	struct isle_path_note *before = isle_map_get(&notes->by_path, event->path);
	const char *from = before != NULL && before->from != NULL ? before->from : event->path;
	struct isle_path_note *note;

	if (event->type == ISLE_EVENT_WRITE && from == event->path)
		return 0; /* the kernel renamed it: the change says so itself */
	note = get_note(notes, event->other);
	return note == NULL ? -ENOMEM : set_text(&note->from, from);
}

static int take(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	(void)run;
	(void)offset;
	if ((event->type == ISLE_EVENT_NOTE && event->how == ISLE_NOTE_MOVED_TREE) ||
	    (event->type == ISLE_EVENT_WRITE && event->how == ISLE_WRITE_RENAME))
		return take_moved(data, event);
	if (event->type != ISLE_EVENT_NOTE || (event->how != ISLE_NOTE_LINK_SPLIT && event->how != ISLE_NOTE_OWNER))
		return 0;
	struct isle_path_note *note = get_note(data, event->path);
	if (note == NULL)
		return -ENOMEM;
	if (event->how == ISLE_NOTE_LINK_SPLIT) {
		note->split = true;
		return 0;
	}
	return set_text(&note->owner, event->other);
}

int isle_notes_load(const struct isle *isle, struct isle_notes *ret_notes, struct isle_err *err)
{
	auto_notes struct isle_notes notes = ISLE_NOTES_INIT;
	int r = isle_events_read(isle, take, &notes, err);

	if (r < 0)
		return r;
	*ret_notes = notes;
	notes = ISLE_NOTES_INIT;
	return 0;
}

const struct isle_path_note *isle_notes_find(const struct isle_notes *notes, const char *path)
{
	return notes == NULL ? NULL : isle_map_get(&notes->by_path, path);
}
