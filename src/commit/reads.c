/* SPDX-License-Identifier: Apache-2.0 */
#include "reads.h"
#include "settled.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io.h"
#include "path.h"
#include "quote.h"

enum { COMMAND_MAX = 300 };

struct fold {
	struct isle_reads *reads;
	struct isle_settled settled;
};

static void fold_done(struct fold *fold)
{
	isle_settled_done(&fold->settled);
}

void isle_reads_done(struct isle_reads *reads)
{
	isle_map_done(&reads->paths);
	isle_pool_done(&reads->pool);
	*reads = ISLE_READS_INIT;
}

const struct isle_read_path *isle_reads_find(const struct isle_reads *reads, const char *path)
{
	return isle_map_get(&reads->paths, path);
}

static struct isle_read_path *get(struct isle_reads *reads, const char *path)
{
	struct isle_read_path *one = isle_map_get(&reads->paths, path);

	if (one)
		return one;
	one = isle_pool_alloc(&reads->pool, sizeof(*one) + strlen(path) + 1);
	if (!one)
		return NULL;
	memcpy(one->path, path, strlen(path) + 1);
	if (isle_map_set(&reads->paths, one->path, one) < 0)
		return NULL;
	if (!reads->last)
		reads->last = &reads->first;
	*reads->last = one;
	reads->last = &one->next;
	return one;
}

static int set_state(struct isle_reads *reads, const struct isle_event *event, struct isle_read_state **state)
{
	if (!*state)
		*state = isle_pool_alloc(&reads->pool, sizeof(**state));
	if (!*state)
		return -ENOMEM;
	(*state)->then = event->then;
	(*state)->time = event->time;
	return 0;
}

static int take_first(struct isle_reads *reads, const struct isle_event *event, struct isle_read_state **first)
{
	return *first && (*first)->time <= event->time ? 0 : set_state(reads, event, first);
}

static int fold_read(struct fold *fold, const struct isle_events_run *run, const struct isle_event *event)
{
	struct isle_read_path *one;
	int r = 0;

	if (isle_settled_has(&fold->settled, event->path, event->time))
		return 0;
	one = get(fold->reads, event->path);
	if (!one)
		return -ENOMEM;
	if (one->how == 0) {
		one->run = run->index;
		one->process = event->process;
	}
	one->how |= event->how;
	if (event->how & (ISLE_READ_CONTENT | ISLE_READ_EXEC | ISLE_READ_LINK | ISLE_READ_STAT))
		r = take_first(fold->reads, event, &one->content);
	if (r >= 0 && (event->how & ISLE_READ_LIST))
		r = take_first(fold->reads, event, &one->list);
	if (r >= 0 && (event->how & ISLE_READ_LOOKUP))
		r = take_first(fold->reads, event, &one->lookup);
	return r;
}

static int fold_write(struct fold *fold, const struct isle_events_run *run, const struct isle_event *event)
{
	bool renamed = event->how == ISLE_WRITE_RENAME;
	const char *path = renamed || event->how == ISLE_WRITE_LINK ? event->other : event->path;
	struct isle_read_path *one;

	if (isle_settled_has(&fold->settled, path, event->time))
		return 0;
	one = get(fold->reads, path);
	if (!one)
		return -ENOMEM;
	if (one->write != 0)
		return 0;
	one->write = event->how;
	if (one->how == 0) {
		one->run = run->index;
		one->process = event->process;
	}
	if (renamed) {
		one->from = get(fold->reads, event->path);
		return one->from ? 0 : -ENOMEM;
	}
	return 0;
}

static int fold_event(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct fold *fold = data;
	struct isle_read_path *one;

	(void)offset;
	switch (event->type) {
	case ISLE_EVENT_RUN:
		fold->reads->runs++;
		fold->reads->untracked += event->how == ISLE_TRACK_NONE && event->time > fold->settled.all;
		return 0;
	case ISLE_EVENT_LOST:
		fold->reads->lost += event->time > fold->settled.all;
		return 0;
	case ISLE_EVENT_READ:
		return fold_read(fold, run, event);
	case ISLE_EVENT_WRITE:
		return fold_write(fold, run, event);
	case ISLE_EVENT_NAMES:
		one = isle_map_get(&fold->reads->paths, event->path);
		if (one && one->names == 0)
			one->names = event->names.hash;
		return 0;
	case ISLE_EVENT_KEPT:
		one = get(fold->reads, event->path);
		return one ? set_state(fold->reads, event, &one->kept) : -ENOMEM;
	default:
		return 0;
	}
}

int isle_reads_load(const struct isle *isle, struct isle_reads *ret_reads, struct isle_err *err)
{
	auto_reads struct isle_reads reads = ISLE_READS_INIT;
	__attribute__((cleanup(fold_done))) struct fold fold = {.reads = &reads};
	int r = isle_settled_load(isle, &fold.settled, err);

	if (r >= 0)
		r = isle_events_read(isle, fold_event, &fold, err);
	if (r < 0)
		return r;
	*ret_reads = reads;
	ret_reads->last = NULL; /* nothing is added any more; it could point into what has moved */
	reads = ISLE_READS_INIT;
	return 0;
}

/* --- commands --- */

struct search {
	struct isle_reads_who *list; /* sorted by run and `at` */
	size_t count;
};

static int compare_at(const void *a, const void *b)
{
	const struct isle_reads_who *x = a, *y = b;

	return x->run != y->run ? (x->run < y->run ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

/* The words of a command, for people. */
static char *command_text(const struct isle_event *event)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	isle_quote_command_add(&text, event->text, event->text_size);
	if (text.size > COMMAND_MAX) {
		size_t cut = COMMAND_MAX;

		while ((text.data[cut] & 0xc0) == 0x80) /* within a character */
			cut--;
		isle_buf_cut(&text, cut);
		isle_buf_adds(&text, "...");
	}
	return isle_buf_take(&text);
}

static int take_command(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct search *search = data;
	const struct isle_reads_who key = {.run = run->index, .at = event->process};
	struct isle_reads_who *who, *end = search->list + search->count;

	(void)offset;
	if (event->type != ISLE_EVENT_EXEC && event->type != ISLE_EVENT_START)
		return 0;
	who = bsearch(&key, search->list, search->count, sizeof(key), compare_at);
	while (who && who > search->list && compare_at(who - 1, &key) == 0)
		who--;
	for (; who && who < end && compare_at(who, &key) == 0; who++) {
		if (event->type == ISLE_EVENT_START) {
			who->above = event->start.parent;
			continue;
		}
		free(who->command);
		who->command = command_text(event);
		if (!who->command)
			return -ENOMEM;
	}
	return 0;
}

void isle_reads_commands(const struct isle *isle, struct isle_reads_who *list, size_t count)
{
	enum { FORKS_MAX = 32 }; /* of a process that runs no program of its own */
	struct search search = {.list = list, .count = count};
	bool again = true;

	for (size_t i = 0; i < count; i++)
		list[i].at = list[i].process;
	for (unsigned pass = 0; again && pass < FORKS_MAX; pass++) {
		qsort(list, count, sizeof(*list), compare_at);
		if (isle_events_read(isle, take_command, &search, NULL) < 0)
			break;
		again = false;
		for (size_t i = 0; i < count; i++) {
			if (list[i].command || list[i].above == 0)
				continue;
			list[i].at = list[i].above;
			list[i].above = 0;
			again = true;
		}
	}
}
