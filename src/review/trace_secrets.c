/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line after a run. Most runs read no secret, so the log is first only looked at for one; what is needed to say who
 * read it is made of it when there is.
 */
#include <errno.h>
#include <string.h>

#include "map.h"
#include "path.h"
#include "quote.h"
#include "trace_internal.h"

struct found {
	struct isle_trace *trace;
	struct isle_map paths;
	struct isle_buf line;	 /* about the first one */
	enum isle_secret secret; /* what that is */
};

struct look {
	const struct isle_trace *trace;
	int64_t since;
};

static int is_secret(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	const struct look *look = data;

	(void)offset;
	if ((int64_t)run->id < look->since)
		return -ENODATA; /* of an earlier run: this one has no log */
	if (event->type != ISLE_EVENT_READ || event->then.mode == 0 ||
	    (event->how & (ISLE_READ_CONTENT | ISLE_READ_EXEC)) == 0)
		return 0;
	return isle_trace_secret(look->trace, event->path, true) != ISLE_SECRET_NONE;
}

/* "~/.ssh/id_rsa" where it is in the user's home. */
static void add_path(struct isle_buf *line, const char *path)
{
	const char *home = getenv("HOME");

	if (home == NULL || home[0] != '/' || home[1] == '\0' || !isle_path_below(path, home)) {
		isle_quote_add(line, path);
		return;
	}
	auto_free char *shorter = isle_path_join("~", path + strlen(home) + 1);
	isle_quote_add(line, shorter == NULL ? path : shorter);
}

/* The one of the most telling kind is named. */
static int take(const struct isle_trace_event *event, void *data)
{
	struct found *found = data;

	if (event->secret == ISLE_SECRET_NONE)
		return 0;
	int r = isle_map_set(&found->paths, event->event->path, found);
	if (r < 0 || (found->secret != ISLE_SECRET_NONE && found->secret <= event->secret))
		return r;
	found->secret = event->secret;
	isle_buf_clear(&found->line);
	add_path(&found->line, event->event->path);
	isle_buf_adds(&found->line, " (");
	isle_program_add(&found->line, found->trace,
			 isle_trace_program(found->trace, event->process, event->event->time));
	return isle_buf_addc(&found->line, ')');
}

char *isle_trace_secrets(const struct isle *isle, int64_t since)
{
	const struct isle_trace_options options = {.newest = true};
	auto_trace struct isle_trace trace = {.isle = isle, .options = &options};
	struct look look = {.trace = &trace, .since = since};
	struct found found = {.trace = &trace};
	char *line = NULL;

	isle_trace_find_homes(&trace);
	int r = isle_events_read_newest(isle, is_secret, &look, NULL);
	if (r <= 0)
		return NULL;
	isle_trace_done(&trace);
	if (isle_trace_load(isle, &options, &trace, NULL) >= 0 &&
	    isle_trace_events(&trace, ISLE_TRACE_READ | ISLE_TRACE_EXEC, take, &found, NULL) >= 0 &&
	    found.paths.count > 0) {
		if (found.paths.count > 1)
			isle_buf_addf(&found.line, ", %zu more", found.paths.count - 1);
		line = isle_buf_take(&found.line);
	}
	isle_buf_done(&found.line);
	isle_map_done(&found.paths);
	return line;
}
