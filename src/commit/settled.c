/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isles/ID/settled: lines "OPERATION TIME MARK PATH" that end in NUL, one for each path that a commit has put on the
 * host, with an empty PATH for all of the isle. What was done to PATH not later than TIME does not count. MARK:
 *
 *   /  nor what was done below PATH
 *   =  PATH alone: a directory of which the metadata were committed, or that was made or renamed; what was done in it
 *      has lines of its own
 *
 * OPERATION is that of a discard of everything, whose undo brings the changes back to the isle, and with them what they
 * came from; 0 for a commit, whose undo does not.
 */
#include "settled.h"
#include "clock.h"
#include "io.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SETTLED_LIMIT = 1 << 28 };

struct isle_settled_path {
	int64_t itself, below; /* nothing not later counts */
};

struct line {
	int64_t operation, time;
	bool alone;
	const char *path;
};

void isle_settled_done(struct isle_settled *settled)
{
	isle_buf_done(&settled->text);
	isle_map_done(&settled->paths);
	isle_pool_done(&settled->pool);
	*settled = ISLE_SETTLED_INIT;
}

/* --- reading --- */

/* The line at *at, which is moved behind it; skips what makes no sense. False at the end. */
static bool next_line(const struct isle_settled *s, const char **at, struct line *line)
{
	const char *end = s->text.data + s->text.size, *text;

	while ((text = *at) && text < end) {
		char mark = '\0';
		int used = 0;

		*at = text + strlen(text) + 1;
		*line = (struct line){0};
		if (sscanf(text, "%" SCNd64 " %" SCNd64 " %c %n", &line->operation, &line->time, &mark, &used) != 3 ||
		    used == 0)
			continue;
		line->alone = mark == '=';
		line->path = text + used;
		return true;
	}
	return false;
}

static void put_line(const struct line *line, struct isle_buf *text)
{
	isle_buf_addf(text, "%" PRId64 " %" PRId64 " %c %s", line->operation, line->time, line->alone ? '=' : '/',
		      line->path);
	isle_buf_addc(text, '\0');
}

static void not_before(int64_t *time, const struct line *line)
{
	if (line->time > *time)
		*time = line->time;
}

static int take_line(struct isle_settled *s, const struct line *line)
{
	struct isle_settled_path *one = isle_map_get(&s->paths, line->path);
	int r = 0;

	if (!*line->path) {
		not_before(&s->all, line);
		return 0;
	}
	if (!one) {
		one = isle_pool_alloc(&s->pool, sizeof(*one));
		r = one ? isle_map_set(&s->paths, line->path, one) : -ENOMEM;
	}
	if (r < 0)
		return r;
	not_before(&one->itself, line);
	if (!line->alone)
		not_before(&one->below, line);
	return 0;
}

static int load_text(const struct isle *isle, struct isle_settled *s)
{
	int r = isle_read_file(isle->dir, "settled", &s->text, SETTLED_LIMIT);

	return r == -ENOENT ? 0 : r;
}

int isle_settled_load(const struct isle *isle, struct isle_settled *ret_settled, struct isle_err *err)
{
	auto_settled struct isle_settled s = ISLE_SETTLED_INIT;
	int r = load_text(isle, &s);
	const char *at = s.text.data;
	struct line line;

	while (r >= 0 && next_line(&s, &at, &line))
		r = take_line(&s, &line);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read what was committed of isle '%s'", isle->name);
	*ret_settled = s;
	s = ISLE_SETTLED_INIT;
	return 0;
}

bool isle_settled_has(const struct isle_settled *settled, const char *path, int64_t time)
{
	auto_free char *above = NULL;
	bool itself = true;
	char *slash;

	if (time <= settled->all)
		return true;
	if (settled->paths.count > 0)
		above = strdup(path);
	for (; above && *above; itself = false) {
		const struct isle_settled_path *one = isle_map_get(&settled->paths, above);

		if (one && time <= (itself ? one->itself : one->below))
			return true;
		slash = strrchr(above, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

/* --- writing --- */

/* Leaves out what an operation that is taken back had settled. */
static void keep_lines(const struct isle_settled *s, const struct isle_plan *plan, struct isle_buf *text)
{
	const char *at = s->text.data;
	struct line line;

	while (next_line(s, &at, &line))
		if (plan->kind != ISLE_OPERATION_UNDO || line.operation != (int64_t)plan->target)
			put_line(&line, text);
}

/* What is in a directory has actions of its own. */
static bool is_alone(const struct isle_action *action)
{
	return action->kind == ISLE_ACTION_META || action->kind == ISLE_ACTION_PLACE ||
	       action->prepare == ISLE_PREPARE_MKDIR;
}

static void add_committed(const struct isle_plan *plan, struct isle_buf *text)
{
	struct line line = {.time = isle_now(), .path = ""};

	if (plan->whole)
		put_line(&line, text);
	for (size_t i = 0; i < plan->action_count && !plan->whole; i++) {
		line.path = plan->actions[i].path;
		line.alone = is_alone(&plan->actions[i]);
		if (line.path)
			put_line(&line, text);
	}
}

void isle_settled_add(const struct isle *isle, const struct isle_plan *plan, int64_t operation)
{
	auto_settled struct isle_settled s = ISLE_SETTLED_INIT;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	bool all = plan->action_count > 0 && plan->actions[0].kind == ISLE_ACTION_LAYER;

	if (load_text(isle, &s) < 0 || (plan->kind == ISLE_OPERATION_UNDO && s.text.size == 0))
		return;
	keep_lines(&s, plan, &text);
	if (plan->kind == ISLE_OPERATION_COMMIT)
		add_committed(plan, &text);
	else if (plan->kind == ISLE_OPERATION_DISCARD && all)
		put_line(&(struct line){.operation = operation, .time = isle_now(), .path = ""}, &text);
	if (isle_buf_error(&text) == 0 && text.size > 0)
		isle_ignore(isle_replace_file(isle->dir, "settled", text.data, text.size));
	else if (isle_buf_error(&text) == 0)
		isle_ignore(unlinkat(isle->dir, "settled", 0));
}
