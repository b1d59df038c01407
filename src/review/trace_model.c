/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and processes.
 *
 * A log is not trusted to make sense. Its processes are kept in the order in which they were recorded; a parent counts
 * as one when it was recorded before its child, so that the tree has no cycles whatever the log says. Events of a
 * process that was never recorded have none.
 *
 * The first pass also takes the ISLE_EVENT_COUNT records, which come later than what they count. Later passes look them
 * up by offset. A log may grow between two passes; what is new then belongs to no known process, and no harm is done.
 */
#include "trace_internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "account.h"
#include "path.h"

static const struct {
	const char *name;
	unsigned kind;
} kind_names[] = {
	{"exec", ISLE_TRACE_EXEC}, {"read", ISLE_TRACE_READ},	    {"write", ISLE_TRACE_WRITE},
	{"net", ISLE_TRACE_NET},   {"refused", ISLE_TRACE_REFUSED}, {"list", ISLE_TRACE_LIST},
	{"link", ISLE_TRACE_LINK}, {"missing", ISLE_TRACE_MISSING}, {"stat", ISLE_TRACE_STAT},
};

unsigned isle_trace_kind_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++)
		if (strcmp(kind_names[i].name, name) == 0)
			return kind_names[i].kind;
	return 0;
}

void isle_trace_done(struct isle_trace *trace)
{
	free(trace->runs);
	free(trace->processes);
	free(trace->execs);
	free(trace->counts);
	isle_buf_done(&trace->strings);
	for (size_t i = 0; i < ARRAY_SIZE(trace->home_memory); i++)
		free(trace->home_memory[i]);
	*trace = ISLE_TRACE_INIT;
}

/* Room for one more of size bytes each; false when out of memory. */
static bool make_room(void **list, size_t count, size_t *room, size_t size)
{
	size_t bigger = *room == 0 ? 64 : *room * 2;

	if (count < *room)
		return true;
	void *larger = reallocarray(*list, bigger, size);
	if (larger == NULL)
		return false;
	*list = larger;
	*room = bigger;
	return true;
}

#define MAKE_ROOM(list, count, room) make_room((void **)&(list), count, &(room), sizeof(*(list)))

static size_t add_string(struct isle_trace *trace, const char *string, size_t size)
{
	size_t at = trace->strings.size;

	isle_buf_add(&trace->strings, string, size);
	return at;
}

/* --- looking up --- */

static bool is_process(const struct isle_trace *trace, size_t i, size_t run, uint32_t number)
{
	return i < trace->process_count && trace->processes[i].run == run && trace->processes[i].number == number;
}

/* Numbers grow by one as a rule, so the place can be told. Where they do not, all of the run are looked at: they are in
 * growing order (add_process()). */
ssize_t isle_trace_find(const struct isle_trace *trace, size_t run, uint32_t number)
{
	if (run >= trace->run_count || number == 0)
		return -1;
	size_t low = trace->runs[run].first, high = low + trace->runs[run].count;
	size_t guess = low + number - 1;

	if (guess < high && is_process(trace, guess, run, number))
		return (ssize_t)guess;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trace->processes[middle].number == number)
			return (ssize_t)middle;
		if (trace->processes[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static uint64_t count_of(const struct isle_trace *trace, size_t run, uint64_t offset)
{
	size_t low = 0, high = trace->count_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct isle_trace_count *c = &trace->counts[middle];

		if (c->run == run && c->offset == offset)
			return c->times;
		if (c->run < run || (c->run == run && c->offset < offset))
			low = middle + 1;
		else
			high = middle;
	}
	return 1;
}

/* Events come in the order of time, so the search goes on where the last one ended. */
const struct isle_trace_exec *isle_trace_program(const struct isle_trace *trace,
						 const struct isle_trace_process *process, int64_t time)
{
	if (process == NULL || process->program == 0)
		return NULL;
	struct isle_trace_process *source = &trace->processes[process->program - 1];
	uint32_t found = source->seen_exec;

	if (time == 0)
		return &trace->execs[source->last_exec - 1];
	if (found == 0 || trace->execs[found - 1].time > time)
		found = source->first_exec;
	for (uint32_t next = trace->execs[found - 1].next; next != 0 && trace->execs[next - 1].time <= time;
	     next = trace->execs[next - 1].next)
		found = next;
	source->seen_exec = found;
	return &trace->execs[found - 1];
}

enum isle_secret isle_trace_secret(const struct isle_trace *trace, const char *path, bool exists)
{
	enum isle_secret secret = exists ? isle_secret_of(path) : ISLE_SECRET_NONE;

	if (secret == ISLE_SECRET_NONE && exists && isle_secret_home(path, trace->homes))
		secret = ISLE_SECRET_HOME;
	return secret;
}

/* --- the first pass --- */

/* The run of a record; a new one when it is the first of its log. NULL when out of memory. */
static struct isle_trace_run *get_run(struct isle_trace *trace, const struct isle_events_run *run)
{
	if (trace->run_count > 0 && trace->runs[trace->run_count - 1].id == run->id)
		return &trace->runs[trace->run_count - 1];
	if (!MAKE_ROOM(trace->runs, trace->run_count, trace->run_room))
		return NULL;
	struct isle_trace_run *new = &trace->runs[trace->run_count++];
	*new = (struct isle_trace_run){.id = run->id,
				       .number = run->index + 1,
				       .start = (int64_t)run->id,
				       .status = -1,
				       .received = -1,
				       .sent = -1};
	new->first = trace->process_count;
	return new;
}

/* The process of this number, made where it is not known. NULL: out of memory, or out of order. */
static struct isle_trace_process *add_process(struct isle_trace *trace, struct isle_trace_run *run, uint32_t number)
{
	size_t index = (size_t)(run - trace->runs);
	ssize_t found = isle_trace_find(trace, index, number);

	if (found >= 0)
		return &trace->processes[found];
	if (number == 0 || (run->count > 0 && trace->processes[trace->process_count - 1].number > number))
		return NULL;
	if (!MAKE_ROOM(trace->processes, trace->process_count, trace->process_room)) {
		trace->strings.error = -ENOMEM;
		return NULL;
	}
	struct isle_trace_process *new = &trace->processes[trace->process_count++];
	*new = (struct isle_trace_process){.run = (uint32_t)index, .number = number, .status = -1, .cpu_us = -1};
	run->count++;
	return new;
}

static void take_start(struct isle_trace *trace, struct isle_trace_run *run, const struct isle_event *event)
{
	struct isle_trace_process *process = add_process(trace, run, event->process);

	if (process == NULL)
		return;
	process->start = event->time;
	process->pid = event->start.pid;
	process->uid = event->start.uid;
	process->parent_number = event->start.parent;
}

static void take_exec(struct isle_trace *trace, struct isle_trace_run *run, const struct isle_event *event)
{
	struct isle_trace_process *process = add_process(trace, run, event->process);

	if (process == NULL)
		return;
	if (!MAKE_ROOM(trace->execs, trace->exec_count, trace->exec_room)) {
		trace->strings.error = -ENOMEM;
		return;
	}
	struct isle_trace_exec *exec = &trace->execs[trace->exec_count++];
	*exec = (struct isle_trace_exec){.time = event->time, .argv_size = event->text_size};
	exec->path = add_string(trace, event->path, strlen(event->path) + 1);
	/* Most programs stay where the one before was. */
	if (trace->cwd == 0 || strcmp(isle_trace_string(trace, trace->cwd), event->other) != 0)
		trace->cwd = add_string(trace, event->other, strlen(event->other) + 1);
	exec->cwd = trace->cwd;
	exec->argv = add_string(trace, event->text, event->text_size);
	if (process->last_exec != 0)
		trace->execs[process->last_exec - 1].next = (uint32_t)trace->exec_count;
	else
		process->first_exec = (uint32_t)trace->exec_count;
	process->last_exec = (uint32_t)trace->exec_count;
	if (process->start == 0)
		process->start = event->time;
}

static void take_exit(struct isle_trace *trace, struct isle_trace_run *run, const struct isle_event *event)
{
	struct isle_trace_process *process = add_process(trace, run, event->process);

	if (process == NULL)
		return;
	process->end = event->time;
	process->status = event->end.status;
	process->cpu_us = event->end.cpu_us;
	process->acted |= event->end.status != -1 && WIFSIGNALED(event->end.status);
}

static void take_run(struct isle_trace *trace, struct isle_trace_run *run, const struct isle_event *event)
{
	run->begun = true;
	run->start = event->time;
	run->track = event->how <= ISLE_TRACK_FULL ? (enum isle_track)event->how : ISLE_TRACK_READS;
	run->directory = add_string(trace, event->path, strlen(event->path) + 1);
	run->argv = add_string(trace, event->text, event->text_size);
	run->argv_size = event->text_size;
}

static void take_count(struct isle_trace *trace, const struct isle_trace_run *run, const struct isle_event *event)
{
	if (!MAKE_ROOM(trace->counts, trace->count_count, trace->count_room)) {
		trace->strings.error = -ENOMEM;
		return;
	}
	trace->counts[trace->count_count++] = (struct isle_trace_count){
		.run = (uint32_t)(run - trace->runs), .offset = event->counted.offset, .times = event->counted.times};
}

static int take(const struct isle_events_run *in, const struct isle_event *event, uint64_t offset, void *data)
{
	struct isle_trace *trace = data;
	struct isle_trace_run *run = get_run(trace, in);

	(void)offset;
	if (run == NULL)
		return -ENOMEM;
	switch (event->type) {
	case ISLE_EVENT_RUN:
		take_run(trace, run, event);
		break;
	case ISLE_EVENT_START:
		take_start(trace, run, event);
		break;
	case ISLE_EVENT_EXEC:
		take_exec(trace, run, event);
		break;
	case ISLE_EVENT_EXIT:
		take_exit(trace, run, event);
		break;
	case ISLE_EVENT_COUNT:
		take_count(trace, run, event);
		break;
	case ISLE_EVENT_LOST:
		run->lost = true;
		run->why = add_string(trace, event->other, strlen(event->other) + 1);
		break;
	case ISLE_EVENT_END:
		run->ended = true;
		run->end = event->time;
		run->status = event->end.status;
		run->received = event->end.received;
		run->sent = event->end.sent;
		break;
	case ISLE_EVENT_READ:
	case ISLE_EVENT_NAMES:
	case ISLE_EVENT_WRITE:
	case ISLE_EVENT_KEPT:
	case ISLE_EVENT_REFUSED:
	case ISLE_EVENT_NET:
	case ISLE_EVENT_NOTE:
		break;
	}
	return isle_buf_error(&trace->strings);
}

/* Later counts of one record replace earlier ones. */
static int compare_counts(const void *a, const void *b)
{
	const struct isle_trace_count *x = a, *y = b;

	if (x->run != y->run)
		return x->run < y->run ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->times < y->times ? 1 : x->times > y->times ? -1 : 0;
}

static void sort_counts(struct isle_trace *trace)
{
	size_t kept = 0;

	if (trace->count_count == 0)
		return;
	qsort(trace->counts, trace->count_count, sizeof(*trace->counts), compare_counts);
	for (size_t i = 1; i < trace->count_count; i++) {
		const struct isle_trace_count *last = &trace->counts[kept], *next = &trace->counts[i];

		if (last->run != next->run || last->offset != next->offset)
			trace->counts[++kept] = *next;
	}
	trace->count_count = kept + 1;
}

/* --- what the options choose --- */

static bool fits_name(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	return fnmatch(pattern, path, 0) == 0 || (slash != NULL && fnmatch(pattern, slash + 1, 0) == 0);
}

/* "npm install *": of the words of a command line. */
static bool fits_words(const char *pattern, const char *argv, size_t size)
{
	auto_free char *words = malloc(size + 1);

	if (words == NULL || size == 0 || strchr(pattern, ' ') == NULL)
		return false;
	for (size_t i = 0; i < size; i++)
		words[i] = argv[i] == '\0' ? ' ' : argv[i];
	words[size - 1] = '\0';
	return fnmatch(pattern, words, 0) == 0;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static bool is_chosen(const struct isle_trace *trace, const struct isle_trace_process *process)
{
	const char *pattern = trace->options->process;

	if (pattern == NULL)
		return true;
	if (is_number(pattern))
		return strtoul(pattern, NULL, 10) == (unsigned long)process->pid;
	for (uint32_t i = process->first_exec; i != 0; i = trace->execs[i - 1].next) {
		const struct isle_trace_exec *exec = &trace->execs[i - 1];

		const char *argv = isle_trace_string(trace, exec->argv);

		if (fits_name(pattern, isle_trace_string(trace, exec->path)) ||
		    (exec->argv_size > 0 && fits_name(pattern, argv)) || fits_words(pattern, argv, exec->argv_size))
			return true;
	}
	return false;
}

bool isle_trace_run_chosen(const struct isle_trace *trace, const struct isle_trace_run *run)
{
	return trace->options->run == 0 || trace->options->run == run->number;
}

static void link_processes(struct isle_trace *trace)
{
	for (size_t i = 0; i < trace->process_count; i++) {
		struct isle_trace_process *process = &trace->processes[i];
		ssize_t parent = isle_trace_find(trace, process->run, process->parent_number);

		process->parent = parent >= 0 && (size_t)parent < i ? (uint32_t)parent + 1 : 0;
		process->program = process->first_exec != 0 ? (uint32_t)i + 1
				   : process->parent != 0   ? trace->processes[parent].program
							    : 0;
		process->chosen = (process->parent != 0 && trace->processes[parent].chosen) ||
				  is_chosen(trace, process);
	}
	/* From the last to the first, so that children are in order. */
	for (size_t i = trace->process_count; i > 0; i--) {
		struct isle_trace_process *process = &trace->processes[i - 1];

		if (process->parent == 0)
			continue;
		process->next_sibling = trace->processes[process->parent - 1].first_child;
		trace->processes[process->parent - 1].first_child = (uint32_t)i;
	}
}

/* Whose homes are not those of another: the user's, and that of the user who called sudo; and where a run was started.
 */
void isle_trace_find_homes(struct isle_trace *trace)
{
	const char *home = getenv("HOME"), *sudo = getenv("SUDO_UID");
	size_t count = 0;

	trace->home_memory[0] = isle_account_home(getuid());
	trace->home_memory[1] = sudo != NULL && is_number(sudo) ? isle_account_home((uid_t)strtoul(sudo, NULL, 10))
								: NULL;
	trace->home_memory[2] = home != NULL && home[0] == '/' && home[1] != '\0' ? strdup(home) : NULL;
	if (trace->run_count > 0 && trace->runs[0].begun)
		trace->home_memory[3] = strdup(isle_trace_string(trace, trace->runs[0].directory));
	for (size_t i = 0; i < ARRAY_SIZE(trace->home_memory); i++)
		if (trace->home_memory[i] != NULL && strcmp(trace->home_memory[i], "/") != 0)
			trace->homes[count++] = trace->home_memory[i];
}

static int read_logs(const struct isle_trace *trace, isle_events_each *each, void *data, struct isle_err *err)
{
	return trace->options->newest ? isle_events_read_newest(trace->isle, each, data, err)
				      : isle_events_read(trace->isle, each, data, err);
}

int isle_trace_load(const struct isle *isle, const struct isle_trace_options *options, struct isle_trace *ret_trace,
		    struct isle_err *err)
{
	auto_trace struct isle_trace trace = {.isle = isle, .options = options};

	isle_buf_addc(&trace.strings, '\0'); /* offset 0 is the empty string */
	int r = read_logs(&trace, take, &trace, err);
	if (r < 0)
		return r;
	if (options->run > 0 && (trace.run_count == 0 || trace.runs[trace.run_count - 1].number < options->run)) {
		if (trace.run_count > 0)
			isle_err_hint(err, "the last one on record is run %u", trace.runs[trace.run_count - 1].number);
		return isle_err_text(err, -ENOENT, "isle '%s' has no run %u", isle->name, options->run);
	}
	sort_counts(&trace);
	link_processes(&trace);
	isle_trace_find_homes(&trace);
	*ret_trace = trace;
	trace = ISLE_TRACE_INIT;
	return 0;
}

/* --- later passes --- */

struct pass {
	struct isle_trace *trace;
	size_t run; /* index of the last one */
	unsigned kinds;
	isle_trace_each *each;
	void *data;
};

static unsigned read_kind(const struct isle_event *event)
{
	if (event->then.mode == 0)
		return ISLE_TRACE_MISSING;
	if (event->how & ISLE_READ_CONTENT)
		return ISLE_TRACE_READ;
	if (event->how & ISLE_READ_EXEC)
		return ISLE_TRACE_EXEC;
	if (event->how & ISLE_READ_LIST)
		return ISLE_TRACE_LIST;
	return event->how & ISLE_READ_LINK ? ISLE_TRACE_LINK : ISLE_TRACE_STAT;
}

static unsigned kind_of(const struct isle_event *event)
{
	switch (event->type) {
	case ISLE_EVENT_READ:
		return read_kind(event);
	case ISLE_EVENT_WRITE:
		return ISLE_TRACE_WRITE;
	case ISLE_EVENT_REFUSED:
		return ISLE_TRACE_REFUSED;
	case ISLE_EVENT_NET:
		return ISLE_TRACE_NET;
	case ISLE_EVENT_NOTE:
		return ISLE_TRACE_NOTE;
	case ISLE_EVENT_RUN:
	case ISLE_EVENT_START:
	case ISLE_EVENT_EXEC:
	case ISLE_EVENT_EXIT:
	case ISLE_EVENT_NAMES:
	case ISLE_EVENT_KEPT:
	case ISLE_EVENT_COUNT:
	case ISLE_EVENT_LOST:
	case ISLE_EVENT_END:
		break;
	}
	return 0;
}

static bool fits_path(const char *pattern, const char *path)
{
	const char *slash;

	if (*path == '\0')
		return false;
	if (*pattern == '/')
		return isle_path_below(path, pattern) || fnmatch(pattern, path, 0) == 0;
	slash = strrchr(path, '/');
	return fnmatch(pattern, slash != NULL ? slash + 1 : path, 0) == 0;
}

static bool is_wanted(const struct isle_trace *trace, const struct isle_trace_event *found)
{
	const char *pattern = trace->options->path;

	if (!isle_trace_run_chosen(trace, found->run))
		return false;
	if (trace->options->process != NULL && (found->process == NULL || !found->process->chosen))
		return false;
	return pattern == NULL || fits_path(pattern, found->event->path) || fits_path(pattern, found->event->other);
}

static int pass_on(const struct isle_events_run *in, const struct isle_event *event, uint64_t offset, void *data)
{
	struct pass *pass = data;
	struct isle_trace *trace = pass->trace;
	struct isle_trace_event found = {.event = event, .kind = kind_of(event)};

	while (pass->run < trace->run_count && trace->runs[pass->run].id != in->id)
		pass->run++;
	if (pass->run == trace->run_count)
		return 1; /* a run that began after the first pass */
	if (pass->kinds != 0 && (found.kind & pass->kinds) == 0)
		return 0;
	ssize_t process = isle_trace_find(trace, pass->run, event->process);
	found.run = &trace->runs[pass->run];
	found.process = process >= 0 ? &trace->processes[process] : NULL;
	if (!is_wanted(trace, &found))
		return 0;
	found.times = count_of(trace, pass->run, offset);
	if (found.kind & (ISLE_TRACE_READ | ISLE_TRACE_EXEC))
		found.secret = isle_trace_secret(trace, event->path, true);
	return pass->each(&found, pass->data);
}

int isle_trace_events(struct isle_trace *trace, unsigned kinds, isle_trace_each *each, void *data, struct isle_err *err)
{
	struct pass pass = {.trace = trace, .kinds = kinds, .each = each, .data = data};
	int r = read_logs(trace, pass_on, &pass, err);

	return r < 0 ? r : 0;
}
