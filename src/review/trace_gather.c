/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the text of a trace says besides the tree: reads by directory, and the lists of likely secrets, refusals and
 * network use, each line with the process that came first.
 *
 * A path that several runs read, or one in several ways, counts once. For that a 64-bit hash of each path is kept and
 * not the path; it starts from a random number, so that nobody can prepare paths that are taken for another. Likely
 * secrets are compared as they are.
 */
#include "trace_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "map.h"
#include "quote.h"

enum {
	LINES_MOST = 10000, /* of one list */
	SECRETS_MOST = 500000,
	HOME_FILES_SHOWN = 20,
};

/* --- a set of numbers --- */

struct set {
	uint64_t *slots; /* 0: free */
	size_t room, count;
	uint64_t seed;
};

static uint64_t hash(const struct set *set, const char *path, unsigned kind)
{
	uint64_t h = set->seed ^ kind;

	for (; *path != '\0'; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3U;
	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15U;
	h ^= h >> 29;
	return h == 0 ? 1 : h;
}

/* Where this number is, or would be. */
static uint64_t *find_slot(const struct set *set, uint64_t number)
{
	size_t i = number & (set->room - 1);

	while (set->slots[i] != 0 && set->slots[i] != number)
		i = (i + 1) & (set->room - 1);
	return &set->slots[i];
}

static int grow(struct set *set)
{
	struct set bigger = {.room = set->room == 0 ? 1024 : set->room * 2, .count = set->count, .seed = set->seed};

	if (bigger.seed == 0 && getrandom(&bigger.seed, sizeof(bigger.seed), GRND_NONBLOCK) < 0)
		bigger.seed = (uintptr_t)set; /* early in the boot */
	bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < set->room; i++)
		if (set->slots[i] != 0)
			*find_slot(&bigger, set->slots[i]) = set->slots[i];
	free(set->slots);
	*set = bigger;
	return 0;
}

/* 1 when it is new, 0 when not. */
static int add_to_set(struct set *set, const char *path, unsigned kind)
{
	if (set->count + 1 > set->room / 4 * 3) {
		int r = grow(set);

		if (r < 0)
			return r;
	}
	uint64_t number = hash(set, path, kind);
	uint64_t *slot = find_slot(set, number);
	if (*slot != 0)
		return 0;
	*slot = number;
	set->count++;
	return 1;
}

/* --- gathering --- */

struct gather {
	struct isle_trace *trace;
	struct isle_seen *seen;
	struct set paths;
	struct isle_map directories; /* path -> struct isle_seen_directory */
	struct isle_map lines;	     /* list and text -> index + 1 */
	struct isle_map homes;	     /* home directory -> number of lines */
	struct isle_seen_directory *last;
	struct isle_buf text;
};

/* Adds a line, or counts one that is there. */
static int add_line(struct gather *g, struct isle_seen_lines *list, const struct isle_trace_event *event,
		    unsigned order)
{
	auto_buf struct isle_buf key = ISLE_BUF_INIT;
	uintptr_t found;

	isle_buf_addf(&key, "%p ", (const void *)list);
	isle_buf_add(&key, g->text.data, g->text.size);
	if (isle_buf_error(&key) < 0 || isle_buf_error(&g->text) < 0)
		return -ENOMEM;
	found = (uintptr_t)isle_map_get(&g->lines, key.data);
	if (found != 0) {
		list->list[found - 1].times += event->times;
		return 0;
	}
	if (list->count >= (list == &g->seen->secrets ? SECRETS_MOST : LINES_MOST)) {
		list->more++;
		return 0;
	}
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 16 : list->room * 2;
		struct isle_seen_line *larger = reallocarray(list->list, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		list->list = larger;
		list->room = room;
	}
	struct isle_seen_line *line = &list->list[list->count];
	*line = (struct isle_seen_line){.time = event->event->time, .times = event->times, .order = order};
	line->process = event->process == NULL ? 0 : (size_t)(event->process - g->trace->processes) + 1;
	line->text = strdup(g->text.data);
	if (line->text == NULL)
		return -ENOMEM;
	list->count++;
	return isle_map_set(&g->lines, key.data, (void *)(uintptr_t)list->count);
}

static const char *name_of(const struct isle_trace *trace, const struct isle_trace_exec *exec)
{
	const char *path = isle_trace_string(trace, exec->path), *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static void note_program(struct gather *g, struct isle_seen_directory *directory, const struct isle_trace_event *event)
{
	const struct isle_trace *trace = g->trace;
	const struct isle_trace_exec *exec = isle_trace_program(trace, event->process, event->event->time);

	if (exec == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(directory->programs); i++) {
		uint32_t known = directory->programs[i];

		if (known == 0) {
			directory->programs[i] = (uint32_t)(exec - trace->execs) + 1;
			return;
		}
		if (strcmp(name_of(trace, &trace->execs[known - 1]), name_of(trace, exec)) == 0)
			return;
	}
	directory->more = true;
}

/* The directory that holds the path; made when it is new, NULL when out of memory. */
static struct isle_seen_directory *get_directory(struct gather *g, const char *path)
{
	struct isle_seen *seen = g->seen;
	const char *slash = strrchr(path, '/');
	size_t size = slash == NULL ? 0 : (size_t)(slash - path);

	if (g->last != NULL && strncmp(g->last->path, path, size) == 0 && g->last->path[size] == '\0')
		return g->last;
	auto_free char *name = strndup(path, size);
	struct isle_seen_directory *found = name == NULL ? NULL : isle_map_get(&g->directories, name);
	if (found != NULL || name == NULL)
		return g->last = found;
	if (seen->directory_count == seen->directory_room) {
		size_t room = seen->directory_room == 0 ? 64 : seen->directory_room * 2;
		struct isle_seen_directory **larger = reallocarray(seen->directories, room,
								   sizeof(struct isle_seen_directory *));

		if (larger == NULL)
			return NULL;
		seen->directories = larger;
		seen->directory_room = room;
	}
	struct isle_seen_directory *new = calloc(1, sizeof(*new));
	if (new == NULL)
		return NULL;
	seen->directories[seen->directory_count++] = new;
	new->path = ptr_take(&name);
	if (isle_map_set(&g->directories, new->path, new) < 0)
		return NULL;
	return g->last = new;
}

/* Of another user's home, the first files have lines of their own. */
static bool has_own_line(struct gather *g, const struct isle_trace_event *event)
{
	const char *path = event->event->path;
	const char *end = strchrnul(path + 1, '/');
	uintptr_t lines;

	if (event->secret != ISLE_SECRET_HOME || g->trace->options->all)
		return true;
	if (strncmp(path, "/home/", 6) == 0)
		end = strchrnul(end + 1, '/');
	auto_free char *home = strndup(path, (size_t)(end - path));
	if (home == NULL)
		return true;
	lines = (uintptr_t)isle_map_get(&g->homes, home) + 1;
	isle_ignore(isle_map_set(&g->homes, home, (void *)lines)); /* at worst a line too many */
	return lines <= HOME_FILES_SHOWN;
}

static int take_secret(struct gather *g, const struct isle_trace_event *event)
{
	isle_buf_clear(&g->text);
	isle_buf_addf(&g->text, "%-20s  ", isle_secret_name(event->secret));
	isle_quote_add(&g->text, event->event->path);
	return add_line(g, &g->seen->secrets, event, event->secret);
}

static int take_file(struct gather *g, const struct isle_trace_event *event)
{
	const char *path = event->event->path;
	struct isle_seen *seen = g->seen;

	if (event->secret != ISLE_SECRET_NONE && has_own_line(g, event))
		return take_secret(g, event);
	int r = add_to_set(&g->paths, path, ISLE_TRACE_READ);
	if (r <= 0)
		return r;
	if (event->secret == ISLE_SECRET_NONE && isle_usual_read(path)) {
		seen->usual++;
		return 0;
	}
	struct isle_seen_directory *directory = get_directory(g, path);
	if (directory == NULL)
		return -ENOMEM;
	seen->files++;
	free(directory->name);
	directory->name = ++directory->files == 1 ? strdup(path) : NULL;
	note_program(g, directory, event);
	return 0;
}

static int count(struct gather *g, const struct isle_trace_event *event, uint64_t *sum)
{
	int r = add_to_set(&g->paths, event->event->path, event->kind);

	if (r > 0)
		(*sum)++;
	return r < 0 ? r : 0;
}

static void add_detail(struct isle_buf *text, const char *detail)
{
	if (*detail == '\0')
		return;
	isle_buf_adds(text, ": ");
	isle_quote_text_add(text, detail, strlen(detail));
}

static int take_refused(struct gather *g, const struct isle_trace_event *event)
{
	const struct isle_event *e = event->event;

	isle_buf_clear(&g->text);
	isle_quote_text_add(&g->text, e->path, strlen(e->path));
	if (e->refused.error > 0)
		add_detail(&g->text, strerror(e->refused.error));
	add_detail(&g->text, e->other);
	return add_line(g, &g->seen->refused, event, 0);
}

static int take_net(struct gather *g, const struct isle_trace_event *event)
{
	isle_buf_clear(&g->text);
	isle_buf_addf(&g->text, "%-8s ", isle_net_act_name(event->event->net.act));
	isle_address_add(&g->text, event->event);
	return add_line(g, &g->seen->net, event, 0);
}

static int take_note(struct gather *g, const struct isle_trace_event *event)
{
	isle_buf_clear(&g->text);
	isle_note_add(&g->text, event->event);
	return add_line(g, &g->seen->notes, event, 0);
}

static int take(const struct isle_trace_event *event, void *data)
{
	struct gather *g = data;

	if (event->process != NULL && event->kind != 0) {
		event->process->touched = true;
		event->process->acted |= event->kind == ISLE_TRACE_WRITE || event->kind == ISLE_TRACE_REFUSED ||
					 event->kind == ISLE_TRACE_NET;
	}
	switch (event->kind) {
	case ISLE_TRACE_READ:
	case ISLE_TRACE_EXEC:
		return take_file(g, event);
	case ISLE_TRACE_LIST:
		return count(g, event, &g->seen->listed);
	case ISLE_TRACE_LINK:
		return count(g, event, &g->seen->links);
	case ISLE_TRACE_MISSING:
		return count(g, event, &g->seen->missing);
	case ISLE_TRACE_STAT:
		return count(g, event, &g->seen->looked);
	case ISLE_TRACE_REFUSED:
		return take_refused(g, event);
	case ISLE_TRACE_NET:
		return take_net(g, event);
	case ISLE_TRACE_NOTE:
		return take_note(g, event);
	default:
		return 0;
	}
}

/* --- in order --- */

static int compare_lines(const void *a, const void *b)
{
	const struct isle_seen_line *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->time < y->time ? -1 : x->time > y->time;
}

/* By component: what is below a directory follows it at once. */
static int compare_paths(const char *a, const char *b)
{
	for (; *a == *b && *a != '\0'; a++)
		b++;
	int x = *a == '/' ? 1 : *a == '\0' ? 0 : (unsigned char)*a + 2;
	int y = *b == '/' ? 1 : *b == '\0' ? 0 : (unsigned char)*b + 2;
	return x - y;
}

static int compare_directories(const void *a, const void *b)
{
	const struct isle_seen_directory *x = *(struct isle_seen_directory *const *)a;
	const struct isle_seen_directory *y = *(struct isle_seen_directory *const *)b;

	return compare_paths(x->path, y->path);
}

static void sort_lines(struct isle_seen_lines *lines)
{
	if (lines->count > 0)
		qsort(lines->list, lines->count, sizeof(*lines->list), compare_lines);
}

static void lines_done(struct isle_seen_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->list[i].text);
	free(lines->list);
}

void isle_seen_done(struct isle_seen *seen)
{
	for (size_t i = 0; i < seen->directory_count; i++) {
		free(seen->directories[i]->path);
		free(seen->directories[i]->name);
		free(seen->directories[i]);
	}
	free(seen->directories);
	lines_done(&seen->secrets);
	lines_done(&seen->refused);
	lines_done(&seen->net);
	lines_done(&seen->notes);
	*seen = (struct isle_seen){0};
}

int isle_trace_gather(struct isle_trace *trace, struct isle_seen *ret_seen, struct isle_err *err)
{
	auto_seen struct isle_seen seen = {0};
	struct gather g = {.trace = trace, .seen = &seen};
	int r = isle_trace_events(trace, 0, take, &g, err);

	free(g.paths.slots);
	isle_map_done(&g.directories);
	isle_map_done(&g.lines);
	isle_map_done(&g.homes);
	isle_buf_done(&g.text);
	if (r < 0)
		return r;
	if (seen.directory_count > 0)
		qsort(seen.directories, seen.directory_count, sizeof(struct isle_seen_directory *),
		      compare_directories);
	sort_lines(&seen.secrets);
	*ret_seen = seen;
	seen = (struct isle_seen){0};
	return 0;
}
