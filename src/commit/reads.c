/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isles/ID/settled: "OPERATION TIME PATH NUL" for each path that a commit has put on the host, an empty PATH for all of
 * the isle. Reads at or below PATH that are not later than TIME do not count. OPERATION is that of a discard of
 * everything, whose undo brings the changes back to the isle, and with them what they came from; 0 for a commit, whose
 * undo does not.
 */
#include "reads.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io.h"
#include "path.h"
#include "quote.h"

enum { SETTLED_LIMIT = 1 << 28, COMMAND_MAX = 300 };

struct settled_path {
	int64_t operation, time;
	const char *path;
};

struct settled {
	struct isle_buf text;
	struct settled_path *list;
	size_t count;
	int64_t all; /* the latest time of an empty path */
	struct isle_map paths;
};

static void settled_done(struct settled *settled)
{
	isle_buf_done(&settled->text);
	free(settled->list);
	isle_map_done(&settled->paths);
}
#define auto_settled __attribute__((cleanup(settled_done)))

static int parse_settled(struct settled *s)
{
	const char *end = s->text.data + s->text.size;
	size_t room = 0;

	for (char *at = s->text.data; at != NULL && at < end; at += strlen(at) + 1) {
		struct settled_path one = {0};
		int used = 0;

		if (sscanf(at, "%" SCNd64 " %" SCNd64 " %n", &one.operation, &one.time, &used) != 2 || used == 0)
			continue;
		one.path = at + used;
		if (s->count == room) {
			room = room ? room * 2 : 64;
			struct settled_path *list = reallocarray(s->list, room, sizeof(*list));

			if (!list)
				return -ENOMEM;
			s->list = list;
		}
		s->list[s->count++] = one;
		if (!*one.path && one.time > s->all)
			s->all = one.time;
	}
	for (size_t i = 0; i < s->count; i++)
		if (*s->list[i].path && isle_map_set(&s->paths, s->list[i].path, &s->list[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int read_settled(const struct isle *isle, struct settled *s)
{
	int r = isle_read_file(isle->dir, "settled", &s->text, SETTLED_LIMIT);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return parse_settled(s);
}

/* The path itself or a directory above it. */
static bool is_settled(const struct settled *s, const char *path, int64_t time)
{
	auto_free char *above = NULL;

	if (time <= s->all)
		return true;
	if (s->paths.count == 0)
		return false;
	above = strdup(path);
	while (above && *above) {
		const struct settled_path *one = isle_map_get(&s->paths, above);

		if (one && time <= one->time)
			return true;
		char *slash = strrchr(above, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

struct fold {
	struct isle_reads *reads;
	struct settled settled;
};

static void fold_done(struct fold *fold)
{
	settled_done(&fold->settled);
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

	if (is_settled(&fold->settled, event->path, event->time))
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

static int fold_write(struct fold *fold, const struct isle_event *event)
{
	bool renamed = event->how == ISLE_WRITE_RENAME;
	const char *path = renamed || event->how == ISLE_WRITE_LINK ? event->other : event->path;
	struct isle_read_path *one;

	if (is_settled(&fold->settled, path, event->time))
		return 0;
	one = get(fold->reads, path);
	if (!one)
		return -ENOMEM;
	if (one->write != 0)
		return 0;
	one->write = event->how;
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
		return fold_write(fold, event);
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
	int r = read_settled(isle, &fold.settled);

	if (r < 0)
		return isle_err_errno(err, r, "cannot read what was committed of isle '%s'", isle->name);
	r = isle_events_read(isle, fold_event, &fold, err);
	if (r < 0)
		return r;
	*ret_reads = reads;
	ret_reads->last = NULL; /* nothing is added any more; it could point into what has moved */
	reads = ISLE_READS_INIT;
	return 0;
}

struct search {
	uint32_t run, process;
	struct isle_buf command;
};

static int find_command(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct search *search = data;

	(void)offset;
	if (run->index > search->run)
		return 1;
	if (run->index != search->run || event->type != ISLE_EVENT_EXEC || event->process != search->process)
		return 0;
	isle_buf_clear(&search->command);
	isle_quote_command_add(&search->command, event->text, event->text_size);
	if (search->command.size > COMMAND_MAX) {
		size_t cut = COMMAND_MAX;

		while ((search->command.data[cut] & 0xc0) == 0x80) /* within a character */
			cut--;
		isle_buf_cut(&search->command, cut);
		isle_buf_adds(&search->command, "...");
	}
	return 0;
}

int isle_reads_command(const struct isle *isle, uint32_t run, uint32_t process, char **ret_command)
{
	struct search search = {run, process, ISLE_BUF_INIT};
	int r = isle_events_read(isle, find_command, &search, NULL);

	if (r >= 0)
		r = search.command.size == 0 ? -ENOENT : 0;
	if (r >= 0) {
		*ret_command = isle_buf_take(&search.command);
		r = *ret_command ? 0 : -ENOMEM;
	}
	isle_buf_done(&search.command);
	return r;
}

/* Leaves out what an operation that is taken back had settled. */
static void keep_lines(const struct settled *s, int64_t without, struct isle_buf *text)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct settled_path *one = &s->list[i];

		if (one->operation == without)
			continue;
		isle_buf_addf(text, "%" PRId64 " %" PRId64 " %s", one->operation, one->time, one->path);
		isle_buf_addc(text, '\0');
	}
}

static void add_line(int64_t operation, const char *path, struct isle_buf *text)
{
	isle_buf_addf(text, "%" PRId64 " %" PRId64 " %s", operation, isle_now(), path);
	isle_buf_addc(text, '\0');
}

static void add_lines(const struct isle_plan *plan, int64_t operation, struct isle_buf *text)
{
	for (size_t i = 0; i < (plan->whole ? 1 : plan->action_count); i++) {
		const char *path = plan->whole ? "" : plan->actions[i].path;

		if (path)
			add_line(operation, path, text);
	}
}

void isle_reads_settle(const struct isle *isle, const struct isle_plan *plan, int64_t operation)
{
	auto_settled struct settled s = {0};
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	bool undo = plan->kind == ISLE_OPERATION_UNDO;
	bool all = plan->action_count > 0 && plan->actions[0].kind == ISLE_ACTION_LAYER;

	if (read_settled(isle, &s) < 0 || (undo && s.count == 0))
		return;
	keep_lines(&s, undo ? plan->target : -1, &text);
	if (plan->kind == ISLE_OPERATION_COMMIT)
		add_lines(plan, 0, &text);
	else if (plan->kind == ISLE_OPERATION_DISCARD && all)
		add_line(operation, "", &text);
	if (isle_buf_error(&text) == 0 && text.size > 0)
		isle_ignore(isle_replace_file(isle->dir, "settled", text.data, text.size));
	else if (isle_buf_error(&text) == 0)
		isle_ignore(unlinkat(isle->dir, "settled", 0));
}
