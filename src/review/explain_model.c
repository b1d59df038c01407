/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering what is known about one path.
 *
 * A file may have been written under another name than the one it has now: in a directory that was renamed, or as a
 * temporary file that was renamed over it. So the renames of the logs are followed back first, from the newest to the
 * oldest; each gives the name that the path had until then. Writes are numbered in the order of the logs for that.
 */
#include "explain_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "map.h"
#include "path.h"
#include "select.h"

enum { KEPT_MOST = 1000, RENAMES_MOST = 100000 };

struct rename {
	uint64_t number; /* of the write */
	char *from, *to;
};

/* The path's name up to the write of this number (and after the one before it in the list). */
struct name {
	uint64_t until;
	char *path;
};

struct gather {
	struct isle_explain *explain;
	uint64_t number; /* of the last write */
	struct rename *renames;
	size_t rename_count, rename_room;
	struct name *names; /* newest first */
	size_t name_count, name_room;
	struct isle_map programs; /* program -> index + 1 in explain->writers */
};

/* --- keeping events --- */

static void kept_free(struct isle_kept_event *kept)
{
	free(kept->memory);
	free(kept);
}

static void kept_done(struct isle_kept_events *events)
{
	for (size_t i = 0; i < events->count; i++)
		kept_free(events->list[i]);
	free(events->list);
}

/* The event with strings of its own; its text is not kept. */
static struct isle_kept_event *copy_event(const struct isle_trace_event *found)
{
	size_t path_size = strlen(found->event->path) + 1, other_size = strlen(found->event->other) + 1;
	struct isle_kept_event *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return NULL;
	kept->memory = malloc(path_size + other_size);
	if (kept->memory == NULL) {
		kept_free(kept);
		return NULL;
	}
	memcpy(kept->memory, found->event->path, path_size);
	memcpy(kept->memory + path_size, found->event->other, other_size);
	kept->event = *found->event;
	kept->event.path = kept->memory;
	kept->event.other = kept->memory + path_size;
	kept->event.text = "";
	kept->event.text_size = 0;
	kept->found = *found;
	kept->found.event = &kept->event;
	return kept;
}

static int keep(struct isle_kept_events *events, const struct isle_trace_event *found)
{
	if (events->count == KEPT_MOST) {
		events->more++;
		return 0;
	}
	if (events->count == events->room) {
		size_t room = events->room == 0 ? 8 : events->room * 2;
		struct isle_kept_event **larger = reallocarray(events->list, room, sizeof(struct isle_kept_event *));

		if (larger == NULL)
			return -ENOMEM;
		events->list = larger;
		events->room = room;
	}
	struct isle_kept_event *kept = copy_event(found);
	if (kept == NULL)
		return -ENOMEM;
	events->list[events->count++] = kept;
	return 0;
}

/* --- the names it had --- */

static int note_rename(const struct isle_trace_event *found, void *data)
{
	struct gather *g = data;
	const struct isle_event *event = found->event;

	g->number++;
	if (event->how != ISLE_WRITE_RENAME || g->rename_count == RENAMES_MOST)
		return 0;
	if (g->rename_count == g->rename_room) {
		size_t room = g->rename_room == 0 ? 64 : g->rename_room * 2;
		struct rename *larger = reallocarray(g->renames, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		g->renames = larger;
		g->rename_room = room;
	}
	struct rename *new = &g->renames[g->rename_count];
	*new = (struct rename){.number = g->number, .from = strdup(event->path), .to = strdup(event->other)};
	g->rename_count++;
	return new->from == NULL || new->to == NULL ? -ENOMEM : 0;
}

static int add_name(struct gather *g, uint64_t until, char *path)
{
	if (path == NULL)
		return -ENOMEM;
	if (g->name_count == g->name_room) {
		size_t room = g->name_room == 0 ? 8 : g->name_room * 2;
		struct name *larger = reallocarray(g->names, room, sizeof(*larger));

		if (larger == NULL) {
			free(path);
			return -ENOMEM;
		}
		g->names = larger;
		g->name_room = room;
	}
	g->names[g->name_count++] = (struct name){.until = until, .path = path};
	return 0;
}

static int follow_renames(struct gather *g)
{
	int r = add_name(g, UINT64_MAX, strdup(g->explain->path));

	for (size_t i = g->rename_count; i > 0 && r >= 0; i--) {
		const struct rename *rename = &g->renames[i - 1];
		const char *name = g->names[g->name_count - 1].path;

		if (!isle_path_below(name, rename->to))
			continue;
		const char *rest = name + strlen(rename->to);
		r = add_name(g, rename->number,
			     *rest == '\0' ? strdup(rename->from) : isle_path_join(rename->from, rest + 1));
	}
	return r;
}

/* The path's name when the write of this number was done. */
static const char *name_at(const struct gather *g, uint64_t number)
{
	size_t low = 0, high = g->name_count;

	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;

		if (g->names[middle].until >= number)
			low = middle;
		else
			high = middle;
	}
	return g->names[low].path;
}

static void gather_done(struct gather *g)
{
	for (size_t i = 0; i < g->rename_count; i++) {
		free(g->renames[i].from);
		free(g->renames[i].to);
	}
	for (size_t i = 0; i < g->name_count; i++)
		free(g->names[i].path);
	free(g->renames);
	free(g->names);
	isle_map_done(&g->programs);
}

/* --- what concerns it --- */

static bool is_renamed_to(const struct isle_event *event, const char *name)
{
	bool two = event->how == ISLE_WRITE_RENAME || event->how == ISLE_WRITE_LINK;

	return two && strcmp(event->other, name) == 0;
}

static int count_writer(struct gather *g, const struct isle_trace_event *found)
{
	struct isle_explain *explain = g->explain;
	auto_buf struct isle_buf name = ISLE_BUF_INIT;
	uintptr_t index;

	isle_program_add(&name, &explain->trace,
			 isle_trace_program(&explain->trace, found->process, found->event->time));
	if (isle_buf_error(&name) < 0)
		return -ENOMEM;
	index = (uintptr_t)isle_map_get(&g->programs, name.data);
	if (index != 0) {
		explain->writers[index - 1].count++;
		return 0;
	}
	if (explain->writer_count == explain->writer_room) {
		size_t room = explain->writer_room == 0 ? 8 : explain->writer_room * 2;
		struct isle_explain_writer *larger = reallocarray(explain->writers, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		explain->writers = larger;
		explain->writer_room = room;
	}
	explain->writers[explain->writer_count++] = (struct isle_explain_writer){isle_buf_take(&name), 1};
	const char *program = explain->writers[explain->writer_count - 1].program;
	return program == NULL ? -ENOMEM
			       : isle_map_set(&g->programs, program, (void *)(uintptr_t)explain->writer_count);
}

static int take_write(struct gather *g, const struct isle_trace_event *found)
{
	const struct isle_event *event = found->event;
	const char *name = name_at(g, ++g->number), *changed = event->path;

	/* After a rename the path has the new name, before it the old one: both are its own. */
	if (strcmp(event->path, name) == 0 || is_renamed_to(event, name) ||
	    is_renamed_to(event, name_at(g, g->number + 1)))
		return keep(&g->explain->writes, found);
	if (event->how == ISLE_WRITE_RENAME || event->how == ISLE_WRITE_LINK)
		changed = event->other;
	if (isle_path_below(changed, name))
		return count_writer(g, found);
	return 0;
}

/* True if the text names the path: it is there, and goes on before and after it as no path would. */
static bool mentions(const char *text, const char *path)
{
	size_t size = strlen(path);

	for (const char *at = strstr(text, path); at != NULL; at = strstr(at + 1, path)) {
		bool starts = at == text || strchr(" '\"=:,(", at[-1]) != NULL;

		if (starts && (at[size] == '\0' || strchr(" '\"/:,)", at[size]) != NULL))
			return true;
	}
	return false;
}

static int take_event(const struct isle_trace_event *found, void *data)
{
	struct gather *g = data;
	struct isle_explain *explain = g->explain;
	const struct isle_event *event = found->event;

	if (event->type == ISLE_EVENT_WRITE)
		return take_write(g, found);
	if (event->type == ISLE_EVENT_REFUSED)
		return mentions(event->path, explain->path) || mentions(event->other, explain->path)
			       ? keep(&explain->refused, found)
			       : 0;
	if (event->type != ISLE_EVENT_READ && event->type != ISLE_EVENT_NOTE)
		return 0;
	if (strcmp(event->path, explain->path) == 0)
		return keep(event->type == ISLE_EVENT_READ ? &explain->reads : &explain->notes, found);
	if (event->type == ISLE_EVENT_READ && event->then.mode != 0 && isle_path_below(event->path, explain->path))
		explain->below_read++;
	return 0;
}

/* --- what the process had read --- */

/* The process of the first write, or one above it, had read that. */
static bool is_of_writer(const struct isle_explain *explain, const struct isle_trace_event *found)
{
	const struct isle_kept_event *write = explain->writes.list[0];
	const struct isle_trace_process *process = write->found.process;

	if (found->run != write->found.run || found->event->time > write->event.time)
		return false;
	while (process != NULL && process != found->process)
		process = process->parent == 0 ? NULL : &explain->trace.processes[process->parent - 1];
	return process != NULL;
}

static int take_before(const struct isle_trace_event *found, void *data)
{
	struct isle_explain *explain = data;

	if (found->process == NULL || !is_of_writer(explain, found))
		return 0;
	if (found->secret == ISLE_SECRET_NONE && isle_usual_read(found->event->path)) {
		explain->before_usual++;
		return 0;
	}
	return keep(&explain->before, found);
}

/* Secrets first, then in the order of time. */
static int compare_before(const void *a, const void *b)
{
	const struct isle_kept_event *x = *(struct isle_kept_event *const *)a, *y = *(struct isle_kept_event *const *)b;
	int order = (y->found.secret != ISLE_SECRET_NONE) - (x->found.secret != ISLE_SECRET_NONE);

	if (order != 0)
		return order;
	return x->event.time < y->event.time ? -1 : x->event.time > y->event.time;
}

static int compare_writers(const void *a, const void *b)
{
	const struct isle_explain_writer *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count;
}

static int gather(struct isle_explain *explain, struct isle_err *err)
{
	struct gather g = {.explain = explain};
	int r = isle_trace_events(&explain->trace, ISLE_TRACE_WRITE, note_rename, &g, err);

	g.number = 0;
	if (r >= 0)
		r = follow_renames(&g);
	if (r >= 0)
		r = isle_trace_events(&explain->trace, 0, take_event, &g, err);
	if (r >= 0 && explain->writes.count > 0 && explain->writes.list[0]->found.process != NULL)
		r = isle_trace_events(&explain->trace, ISLE_TRACE_READ | ISLE_TRACE_EXEC, take_before, explain, err);
	gather_done(&g);
	if (explain->before.count > 0)
		qsort(explain->before.list, explain->before.count, sizeof(struct isle_kept_event *), compare_before);
	if (explain->writer_count > 0)
		qsort(explain->writers, explain->writer_count, sizeof(*explain->writers), compare_writers);
	return r;
}

/* --- changes --- */

static void find_within(struct isle_explain *explain)
{
	const struct isle_changes *changes = explain->options->changes;
	auto_free char *above = strdup(explain->path);
	char *slash;

	while (above != NULL && (slash = strrchr(above, '/')) != NULL && slash != above) {
		*slash = '\0';
		ssize_t found = isle_changes_find(changes, above);
		const struct isle_change *change = found < 0 ? NULL : &changes->list[found];

		if (change != NULL && (change->kind == ISLE_DELETE || change->kind == ISLE_RENAME)) {
			explain->within = change;
			return;
		}
	}
}

/* The index of the path's change, that of a rename away from it where it has none; -1: none. */
static ssize_t find_own(const struct isle_changes *changes, const char *path)
{
	ssize_t found = isle_changes_find(changes, path);

	if (found < 0) {
		for (size_t i = 0; i < changes->count; i++)
			if (changes->list[i].kind == ISLE_RENAME && strcmp(changes->list[i].from, path) == 0)
				return (ssize_t)i;
		return -1;
	}
	/* Of a rename onto something, the deletion of that comes first. */
	size_t next = (size_t)found + 1;
	if (changes->list[found].kind == ISLE_DELETE && next < changes->count &&
	    strcmp(changes->list[next].path, path) == 0)
		return (ssize_t)next;
	return found;
}

static void find_changes(struct isle_explain *explain)
{
	const struct isle_changes *changes = explain->options->changes;
	ssize_t own = find_own(changes, explain->path);
	size_t begin, end;

	if (own >= 0)
		explain->change = &changes->list[own];
	else
		find_within(explain);
	isle_changes_below(changes, explain->path, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		explain->below[changes->list[i].kind]++;
		explain->below_flagged += (changes->list[i].marks & ISLE_MARKS_FLAGGED) != 0 &&
					  !S_ISDIR(changes->list[i].after.mode);
	}
	explain->below_count = end - begin;
}

static void check(struct isle_explain *explain)
{
	const char *paths[] = {explain->change->path, NULL};
	const struct isle_commit_options options = {.select.paths = paths, .logs = explain->options->logs};

	explain->checked = true;
	if (isle_check(explain->options->store, explain->options->isle, &options, &explain->commit,
		       &explain->commit_err) < 0 &&
	    explain->commit_err.code == 0)
		explain->commit_err.code = -EIO;
}

bool isle_explain_known(const struct isle_explain *explain)
{
	return explain->change != NULL || explain->within != NULL || explain->below_count > 0 ||
	       explain->below_read > 0 || explain->writes.count > 0 || explain->reads.count > 0 ||
	       explain->refused.count > 0 || explain->writer_count > 0;
}

static int consider(const struct isle_trace_event *found, void *data)
{
	isle_explain_consider(data, found->event->path);
	return 0;
}

static int find_near(struct isle_explain *explain, struct isle_err *err)
{
	const struct isle_changes *changes = explain->options->changes;

	for (size_t i = 0; i < changes->count; i++)
		isle_explain_consider(explain, changes->list[i].path);
	return isle_trace_events(&explain->trace, ISLE_TRACE_WRITE | ISLE_TRACE_READ | ISLE_TRACE_LIST, consider,
				 explain, err);
}

/* --- loading --- */

static void forget(struct isle_explain *explain)
{
	kept_done(&explain->writes);
	kept_done(&explain->reads);
	kept_done(&explain->before);
	kept_done(&explain->refused);
	kept_done(&explain->notes);
	for (size_t i = 0; i < explain->writer_count; i++)
		free(explain->writers[i].program);
	free(explain->writers);
	isle_commit_result_done(&explain->commit);
	for (size_t i = 0; i < ISLE_EXPLAIN_NEAR; i++)
		free(explain->near[i]);
}

void isle_explain_done(struct isle_explain *explain)
{
	forget(explain);
	isle_bases_done(&explain->bases);
	isle_trace_done(&explain->trace);
	*explain = ISLE_EXPLAIN_INIT;
}

static int load_path(struct isle_explain *explain, const char *path, struct isle_err *err)
{
	struct isle_explain fresh = {.options = explain->options, .path = path};

	forget(explain);
	fresh.trace = explain->trace;
	fresh.bases = explain->bases;
	*explain = fresh;
	explain->trace.options = &explain->trace_options;
	find_changes(explain);
	int r = gather(explain, err);
	if (r >= 0)
		explain->base = isle_bases_find(&explain->bases,
						explain->change == NULL ? path : isle_change_host(explain->change));
	return r;
}

int isle_explain_load(const struct isle_explain_options *options, struct isle_explain *ret_explain,
		      struct isle_err *err)
{
	struct isle_explain *explain = ret_explain;
	int r;

	*explain = (struct isle_explain){.options = options};
	r = isle_trace_load(options->isle, &explain->trace_options, &explain->trace, err);
	if (r >= 0)
		r = isle_bases_load(options->isle, &explain->bases, err);
	for (size_t i = 0; i < options->path_count && r >= 0; i++) {
		r = load_path(explain, options->paths[i], err);
		if (r >= 0 && isle_explain_known(explain))
			break;
	}
	if (r >= 0 && explain->change != NULL)
		check(explain);
	if (r >= 0 && !isle_explain_known(explain))
		r = find_near(explain, err);
	return r;
}

enum isle_since isle_explain_since(const struct isle_kept_event *read)
{
	struct isle_identity now = {0};
	struct statx st;

	if (statx(AT_FDCWD, read->event.path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) == 0)
		isle_identity_from(&st, &now);
	else if (errno != ENOENT && errno != ENOTDIR)
		return ISLE_SINCE_UNKNOWN;
	return isle_identity_same(&read->event.then, &now) ? ISLE_SINCE_SAME : ISLE_SINCE_CHANGED;
}
