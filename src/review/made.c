/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the map: &mine or &others. An event of one of the processes outdoes those of others, since it wrote there,
 * too. What was put on the host meanwhile is not what a change of the isle is about (settled.h).
 */
#include "made.h"
#include "path.h"
#include "quote.h"
#include "settled.h"
#include "trace_internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static char mine, others;

void isle_made_done(struct isle_made *made)
{
	isle_map_done(&made->paths);
	*made = ISLE_MADE_INIT;
}

struct gather {
	struct isle_made *made;
	const struct isle_settled *settled;
};

static int set(struct isle_made *made, const char *path, const char *end, void *who)
{
	auto_free char *key = NULL;

	if (asprintf(&key, "%s%s", path, end) < 0)
		return -ENOMEM;
	return who == &others && isle_map_get(&made->paths, key) ? 0 : isle_map_set(&made->paths, key, who);
}

static int take(const struct isle_trace_event *found, void *data)
{
	const struct gather *g = data;
	const struct isle_event *event = found->event;
	void *who = found->process && found->process->chosen ? &mine : &others;
	bool renamed = event->how == ISLE_WRITE_RENAME, linked = event->how == ISLE_WRITE_LINK;
	const char *path = linked ? event->other : event->path;
	int r = 0;

	if (!isle_settled_has(g->settled, path, event->time)) {
		r = set(g->made, path, "", who);
		if (r >= 0 && renamed)
			r = set(g->made, path, "/", who);
	}
	if (r < 0 || !renamed || isle_settled_has(g->settled, event->other, event->time))
		return r;
	r = set(g->made, event->other, "", who);
	return r < 0 ? r : set(g->made, event->other, "/", who);
}

static bool any_chosen(const struct isle_trace *trace)
{
	for (size_t i = 0; i < trace->process_count; i++)
		if (trace->processes[i].chosen)
			return true;
	return false;
}

static void find_unrecorded(const struct isle_trace *trace, const struct isle_settled *settled, struct isle_made *made)
{
	for (size_t i = 0; i < trace->run_count && made->unrecorded == 0; i++) {
		const struct isle_trace_run *run = &trace->runs[i];

		if ((run->track == ISLE_TRACK_NONE || run->lost) && run->start > settled->all)
			made->unrecorded = run->number;
	}
}

static int load_one(const struct isle *isle, const char *process, const struct isle_settled *settled,
		    struct isle_made *made, struct isle_err *err)
{
	const struct isle_trace_options chosen = {.process = process}, everything = {0};
	auto_trace struct isle_trace trace = ISLE_TRACE_INIT;
	struct gather gather = {.made = made, .settled = settled};
	int r = isle_trace_load(isle, &chosen, &trace, err);

	if (r < 0)
		return r;
	find_unrecorded(&trace, settled, made);
	if (!any_chosen(&trace)) {
		isle_err_hint(err, "'isle trace --all %s' lists them", isle->name);
		return isle_err_text(err, -ESRCH, "no process of isle '%s' is on record as '%s'", isle->name,
				     isle_quote(process));
	}
	trace.options = &everything; /* what others wrote counts as well */
	r = isle_trace_events(&trace, ISLE_TRACE_WRITE, take, &gather, err);
	return r < 0 && !err->code ? isle_err_errno(err, r, "cannot tell who made what in isle '%s'", isle->name) : r;
}

int isle_made_load(const struct isle *isle, const char *const *processes, struct isle_made *ret_made,
		   struct isle_err *err)
{
	auto_settled struct isle_settled settled = ISLE_SETTLED_INIT;
	auto_made struct isle_made made = ISLE_MADE_INIT;
	int r = isle_settled_load(isle, &settled, err);

	for (; r >= 0 && *processes; processes++)
		r = load_one(isle, *processes, &settled, &made, err);
	if (r < 0)
		return r;
	*ret_made = made;
	made = ISLE_MADE_INIT;
	return 0;
}

bool isle_made_has(const struct isle_made *made, const struct isle_change *change)
{
	const void *who = isle_map_get(&made->paths, change->path);
	auto_free char *above = who ? NULL : strdup(change->path);
	char *slash;

	while (!who && above && (slash = strrchr(above, '/'))) {
		slash[1] = '\0';
		who = isle_map_get(&made->paths, above);
		*slash = '\0';
	}
	return who == &mine;
}
