/* SPDX-License-Identifier: Apache-2.0 */
/* isle_events_parse(): records follow each other, and their strings lie within them. */
#include "events.h"
#include "fuzz.h"
#include <string.h>

struct seen {
	const char *log;
	size_t size;
	uint64_t offset; /* of the last record */
	unsigned count;
	unsigned stop_at;
};

/* A string that starts in the record at offset and ends in the log. */
static void check_string(const struct seen *seen, const char *string, uint64_t offset)
{
	must(string > seen->log + offset && string < seen->log + seen->size);
	must(memchr(string, '\0', (size_t)(seen->log + seen->size - string)) != NULL);
}

static int check(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct seen *seen = data;

	must(event->type >= ISLE_EVENT_RUN && event->type <= ISLE_EVENT_END);
	must(run->ended == (event->type == ISLE_EVENT_END));
	must(run->id == 7 && run->index == 3);
	must(offset < seen->size && offset % 8 == 0);
	must(seen->count == 0 ? offset == 0 : offset > seen->offset);
	check_string(seen, event->path, offset);
	check_string(seen, event->other, offset);
	must(event->path < event->other && event->other < event->text);
	must(event->text_size <= seen->size - (size_t)(event->text - seen->log));
	must(event->text_size == 0 || event->text[event->text_size - 1] == '\0');
	seen->offset = offset;
	return ++seen->count == seen->stop_at ? 5 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct isle_events_run run = {.id = 7, .index = 3};
	struct seen all = {.log = (const char *)data, .size = size}, one = {.log = (const char *)data, .size = size};

	must(isle_events_parse(data, size, &run, check, &all) == 0);
	one.stop_at = 1;
	must(isle_events_parse(data, size, &run, check, &one) == (all.count > 0 ? 5 : 0));
	must(one.count == (all.count > 0));
	return 0;
}
