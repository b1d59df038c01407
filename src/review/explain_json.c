/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle explain --json`. Events and processes are written as `isle trace --json` writes them. Keys are a contract; new
 * ones may be added.
 */
#include <errno.h>
#include <string.h>

#include "explain_internal.h"

static void put_marks(struct isle_json *json, unsigned marks)
{
	isle_json_array(json, "marks");
	for (unsigned bit = 1; bit <= marks; bit <<= 1)
		if ((marks & bit) != 0)
			isle_json_str(json, NULL, isle_mark_name((enum isle_mark)bit));
	isle_json_end(json);
}

static void put_change(struct isle_json *json, const char *key, const struct isle_change *change)
{
	if (change == NULL) {
		isle_json_null(json, key);
		return;
	}
	isle_json_object(json, key);
	isle_json_path(json, "path", change->path);
	isle_json_str(json, "kind", isle_change_kind_name(change->kind));
	if (change->kind == ISLE_RENAME)
		isle_json_path(json, "from", change->from);
	isle_json_str(json, "type",
		      isle_type_name(change->kind == ISLE_DELETE ? change->before.mode : change->after.mode));
	put_marks(json, change->marks);
	isle_json_end(json);
}

static void put_events(struct isle_json *json, const char *key, const struct isle_kept_events *events,
		       void (*put)(struct isle_json *json, const struct isle_trace_event *event))
{
	isle_json_array(json, key);
	for (size_t i = 0; i < events->count; i++)
		put(json, &events->list[i]->found);
	isle_json_end(json);
}

static bool is_member(const struct isle_trace_process *process, const struct isle_trace_process *const *list,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == process)
			return true;
	return false;
}

enum { PROCESSES_MOST = 256 };

/* Those of the events, with all above them, each once. */
static size_t add_processes(const struct isle_explain *explain, const struct isle_kept_events *events,
			    const struct isle_trace_process **list, size_t count)
{
	for (size_t i = 0; i < events->count; i++) {
		const struct isle_trace_process *process = events->list[i]->found.process;

		while (process != NULL && count < PROCESSES_MOST && !is_member(process, list, count)) {
			list[count++] = process;
			process = process->parent == 0 ? NULL : &explain->trace.processes[process->parent - 1];
		}
	}
	return count;
}

static void put_processes(struct isle_json *json, const struct isle_explain *explain)
{
	const struct isle_trace_process *list[PROCESSES_MOST];
	size_t count = add_processes(explain, &explain->writes, list, 0);

	count = add_processes(explain, &explain->reads, list, count);
	count = add_processes(explain, &explain->refused, list, count);
	isle_json_array(json, "processes");
	for (size_t i = 0; i < count; i++)
		isle_trace_put_process(json, &explain->trace, list[i]);
	isle_json_end(json);
}

static void put_findings(struct isle_json *json, const char *key, const struct isle_findings *findings)
{
	isle_json_array(json, key);
	for (size_t i = 0; i < findings->count; i++) {
		isle_json_object(json, NULL);
		isle_json_path(json, "path", findings->list[i].path);
		isle_json_str(json, "case", findings->list[i].kind);
		if (findings->list[i].why != NULL)
			isle_json_path(json, "why", findings->list[i].why);
		if (findings->list[i].marks != 0)
			put_marks(json, findings->list[i].marks);
		isle_json_end(json);
	}
	isle_json_end(json);
}

static void put_commit(struct isle_json *json, const struct isle_explain *explain)
{
	if (!explain->checked) {
		isle_json_null(json, "commit");
		return;
	}
	isle_json_object(json, "commit");
	if (explain->commit_err.code != 0)
		isle_json_path(json, "error", explain->commit_err.text);
	put_findings(json, "conflicts", &explain->commit.conflicts);
	put_findings(json, "flagged", &explain->commit.flagged);
	put_findings(json, "notes", &explain->commit.notes);
	isle_json_end(json);
}

static void put_base(struct isle_json *json, const struct isle_explain *explain)
{
	if (explain->base == NULL) {
		isle_json_null(json, "base");
		return;
	}
	isle_json_object(json, "base");
	isle_json_bool(json, "kept", explain->base->content);
	isle_json_int(json, "size", (int64_t)explain->base->then.size);
	isle_json_end(json);
}

static void put_below(struct isle_json *json, const struct isle_explain *explain)
{
	isle_json_object(json, "below");
	for (size_t kind = 0; kind < ARRAY_SIZE(explain->below); kind++)
		isle_json_int(json, isle_change_kind_name((enum isle_change_kind)kind), (int64_t)explain->below[kind]);
	isle_json_int(json, "flagged", (int64_t)explain->below_flagged);
	isle_json_int(json, "reads", (int64_t)explain->below_read);
	isle_json_array(json, "writers");
	for (size_t i = 0; i < explain->writer_count; i++) {
		isle_json_object(json, NULL);
		isle_json_path(json, "program", explain->writers[i].program);
		isle_json_int(json, "count", (int64_t)explain->writers[i].count);
		isle_json_end(json);
	}
	isle_json_end(json);
	isle_json_end(json);
}

static void put_since(struct isle_json *json, const struct isle_explain *explain)
{
	if (explain->reads.count == 0 || isle_explain_since(explain->reads.list[0]) == ISLE_SINCE_UNKNOWN)
		isle_json_null(json, "changed_since_read");
	else
		isle_json_bool(json, "changed_since_read",
			       isle_explain_since(explain->reads.list[0]) == ISLE_SINCE_CHANGED);
}

static void put_near(struct isle_json *json, const struct isle_explain *explain)
{
	isle_json_array(json, "near");
	for (size_t i = 0; i < ISLE_EXPLAIN_NEAR && explain->near[i] != NULL; i++)
		isle_json_path(json, NULL, explain->near[i]);
	isle_json_end(json);
}

int isle_explain_json(const struct isle_explain_options *options, FILE *out, struct isle_err *err)
{
	auto_explain struct isle_explain explain = ISLE_EXPLAIN_INIT;
	struct isle_json json;
	int r = isle_explain_load(options, &explain, err);

	if (r < 0)
		return r;
	isle_json_init(&json, out);
	isle_json_object(&json, NULL);
	isle_json_int(&json, "version", 1);
	isle_json_str(&json, "isle", options->isle->name);
	isle_json_path(&json, "path", explain.path);
	isle_json_bool(&json, "known", isle_explain_known(&explain));
	put_change(&json, "change", explain.change);
	put_change(&json, "within", explain.within);
	put_events(&json, "writes", &explain.writes, isle_trace_put_write);
	put_events(&json, "read_before", &explain.before, isle_trace_put_read);
	put_events(&json, "reads", &explain.reads, isle_trace_put_read);
	put_since(&json, &explain);
	put_events(&json, "refused", &explain.refused, isle_trace_put_refused);
	put_events(&json, "notes", &explain.notes, isle_trace_put_note);
	put_processes(&json, &explain);
	put_below(&json, &explain);
	put_base(&json, &explain);
	put_commit(&json, &explain);
	put_near(&json, &explain);
	isle_json_end(&json);
	r = isle_json_done(&json);
	if (r < 0)
		return isle_err_errno(err, r, "cannot print the explanation");
	return isle_explain_known(&explain) ? 0 : 1;
}
