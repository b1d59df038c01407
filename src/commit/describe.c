/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for people and for programs. */
#include "clock.h"
#include "json.h"
#include "plan.h"
#include "quote.h"
#include "writers.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

static const char *compose_name(unsigned compose)
{
	static const char *const names[] = {NULL, "append", "merge", "hunks"};

	return compose < ARRAY_SIZE(names) ? names[compose] : "unknown";
}

static const char *verb_of(const struct isle_action *action)
{
	if (action->compose)
		return compose_name(action->compose);
	switch (action->kind) {
	case ISLE_ACTION_REMOVE:
		return "remove";
	case ISLE_ACTION_CREATE:
		return "create";
	case ISLE_ACTION_EXCHANGE:
		return "replace";
	case ISLE_ACTION_WRITE:
		return "write";
	case ISLE_ACTION_META:
		return "metadata";
	case ISLE_ACTION_TAKE:
	case ISLE_ACTION_PLACE:
		return "rename";
	case ISLE_ACTION_DROP:
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
	case ISLE_ACTION_REVERT:
		return "drop";
	case ISLE_ACTION_RESTORE:
		return "restore";
	}
	return "";
}

enum { PRINT_PART = 1 << 16 };

static void add_padded(struct isle_buf *buf, const char *verb)
{
	static const char spaces[] = "          ";
	size_t size = strlen(verb);

	isle_buf_add(buf, verb, size);
	isle_buf_adds(buf, spaces + (size < sizeof(spaces) - 2 ? size : sizeof(spaces) - 2));
}

static int print_part(struct isle_buf *buf, FILE *out)
{
	if (isle_buf_error(buf) < 0)
		return -ENOMEM;
	if (buf->size > 0 && fwrite(buf->data, buf->size, 1, out) != 1)
		return -EIO;
	isle_buf_clear(buf);
	return 0;
}

int isle_plan_print(const struct isle_plan *plan, FILE *out)
{
	auto_free char *summary = isle_summary_text(&plan->summary);
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	size_t i;
	int r = 0;

	if (!summary)
		return -ENOMEM;
	for (i = 0; i < plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &plan->actions[i];

		if (action->flags & ISLE_ACTION_HIDDEN)
			continue;
		add_padded(&buf, verb_of(action));
		if (action->kind == ISLE_ACTION_PLACE) {
			isle_quote_add(&buf, action->from);
			isle_buf_adds(&buf, " -> ");
		}
		isle_quote_add(&buf, action->path);
		if (S_ISDIR(action->new.mode ? action->new.mode : action->old.mode))
			isle_buf_adds(&buf, "/");
		isle_buf_addc(&buf, '\n');
		if (buf.size >= PRINT_PART)
			r = print_part(&buf, out);
	}
	if (r >= 0)
		r = print_part(&buf, out);
	if (r < 0)
		return r;
	if (fprintf(out, "plan %s: %s\n", plan->id, summary) < 0 || fflush(out) != 0)
		return -EIO;
	return 0;
}

void isle_stat_json(struct isle_json *j, const char *key, const struct isle_stat *st)
{
	char mode[16];

	if (st->mode == 0) {
		isle_json_null(j, key);
		return;
	}
	snprintf(mode, sizeof(mode), "%04o", st->mode & 07777);
	isle_json_object(j, key);
	isle_json_str(j, "type", isle_type_name(st->mode));
	isle_json_int(j, "dev", (int64_t)makedev((unsigned)(st->dev >> 32), (unsigned)st->dev));
	isle_json_int(j, "ino", (int64_t)st->ino);
	isle_json_int(j, "size", (int64_t)st->size);
	isle_json_str(j, "mode", mode);
	isle_json_int(j, "uid", st->uid);
	isle_json_int(j, "gid", st->gid);
	isle_json_int(j, "mtime_ns", isle_time_ns(&st->mtime));
	isle_json_int(j, "ctime_ns", isle_time_ns(&st->ctime));
	isle_json_end(j);
}

static void json_strings(struct isle_json *j, const char *key, const char *const *list)
{
	isle_json_array(j, key);
	for (; list && *list; list++)
		isle_json_path(j, NULL, *list);
	isle_json_end(j);
}

static void json_action(struct isle_json *j, const struct isle_action *action)
{
	unsigned bit;

	isle_json_object(j, NULL);
	isle_json_str(j, "action", isle_action_name(action->kind));
	isle_json_str(j, "kind", isle_change_kind_name(action->change));
	isle_json_path(j, "path", action->path);
	if (action->kind == ISLE_ACTION_PLACE || action->kind == ISLE_ACTION_TAKE)
		isle_json_path(j, action->kind == ISLE_ACTION_PLACE ? "from" : "to", action->from);
	if (action->compose)
		isle_json_str(j, "compose", compose_name(action->compose));
	if (action->compose == ISLE_COMPOSE_APPEND)
		isle_json_int(j, "from_byte", (int64_t)action->base_size);
	if (action->hunks)
		isle_json_str(j, "hunks", action->hunks);
	isle_stat_json(j, "relies_on", &action->old);
	isle_stat_json(j, "becomes", &action->new);
	isle_json_array(j, "marks");
	for (bit = 1; bit < ISLE_MARKS_END; bit <<= 1)
		if (action->marks & bit)
			isle_json_str(j, NULL, isle_mark_name((enum isle_mark)bit));
	isle_json_end(j);
	isle_json_end(j);
}

static void json_conflict(struct isle_json *j, const struct isle_finding *conflict)
{
	unsigned how;

	isle_json_object(j, NULL);
	isle_json_path(j, "path", conflict->path);
	isle_json_str(j, "change", isle_change_kind_name(conflict->change));
	isle_json_str(j, "case", conflict->kind);
	isle_json_path(j, "why", conflict->why);
	isle_json_str(j, "choice", isle_on_conflict_name(conflict->choice));
	isle_json_array(j, "choices");
	for (how = 0; how < ISLE_CONFLICT_COUNT; how++)
		if (conflict->choices & 1U << how)
			isle_json_str(j, NULL, isle_on_conflict_name((enum isle_on_conflict)how));
	isle_json_end(j);
	isle_stat_json(j, "now", &conflict->now);
	isle_stat_json(j, "isle", &conflict->isle);
	isle_json_end(j);
}

static void json_ways(struct isle_json *j, const struct isle_commit_options *options)
{
	const struct isle_hunks *hunks = options->hunks;

	isle_json_str(j, "replace", isle_replace_name(options->replace));
	if (options->logs)
		json_strings(j, "append", options->logs);
	else
		isle_json_null(j, "append");
	isle_json_array(j, "hunks");
	for (; hunks && hunks->path; hunks++) {
		isle_json_object(j, NULL);
		isle_json_path(j, "path", hunks->path);
		isle_json_str(j, "numbers", hunks->numbers);
		isle_json_end(j);
	}
	isle_json_end(j);
}

/* What comes in when a conflict that it waits for is decided. */
static void json_left_out(struct isle_json *j, const struct isle_finding *note)
{
	if (strcmp(note->kind, "left out") != 0)
		return;
	isle_json_object(j, NULL);
	isle_json_path(j, "path", note->path);
	isle_json_path(j, "why", note->why);
	isle_json_end(j);
}

int isle_plan_print_json(const struct isle_plan *plan, const struct isle_commit_options *options,
			 const struct isle_commit_result *result, FILE *out)
{
	const struct isle_select *select = &options->select;
	struct isle_json j;
	size_t i;

	isle_json_init(&j, out);
	isle_json_object(&j, NULL);
	isle_json_int(&j, "version", 1);
	isle_json_str(&j, "id", isle_plan_key(plan));
	isle_json_str(&j, "isle", plan->isle_name);
	isle_json_str(&j, "isle_id", plan->isle_id);
	json_strings(&j, "paths", select->paths);
	json_strings(&j, "except", select->except);
	isle_json_array(&j, "kinds");
	for (int kind = ISLE_CREATE; kind <= ISLE_METADATA; kind++)
		if (select->kinds & 1U << kind)
			isle_json_str(&j, NULL, isle_change_kind_name((enum isle_change_kind)kind));
	isle_json_end(&j);
	json_strings(&j, "by", select->by);
	json_ways(&j, options);
	isle_json_array(&j, "conflicts");
	for (i = 0; i < result->conflicts.count; i++)
		json_conflict(&j, &result->conflicts.list[i]);
	isle_json_end(&j);
	isle_json_array(&j, "left_out");
	for (i = 0; i < result->notes.count; i++)
		json_left_out(&j, &result->notes.list[i]);
	isle_json_end(&j);
	isle_writable_json(result, &j);
	isle_json_array(&j, "actions");
	for (i = 0; i < plan->action_count; i++)
		json_action(&j, &plan->actions[i]);
	isle_json_end(&j);
	isle_json_end(&j);
	return isle_json_done(&j);
}
