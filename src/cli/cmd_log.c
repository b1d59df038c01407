/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"
#include "json.h"
#include "quote.h"
#include "recovered.h"
#include "undoable.h"
#include "verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct isle_option options[] = {
	{"json", 0, NULL, "as one JSON document", 'j'},
	{"runs", 'r', NULL, "the commands that were run instead", 'r'},
	{0},
};

static void format_time(int64_t ns, char text[32])
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (ns == 0 || !localtime_r(&seconds, &tm) || strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, 32, "-");
}

struct out {
	struct isle_undoable undoable;
	struct isle_json json;
};

/* "final": done, and what undo would need is gone; not by gc, but with the isle. */
static const char *state_word(const struct out *out, const struct isle_operation *operation)
{
	return operation->state == ISLE_OPERATION_DONE && !isle_undoable_is(&out->undoable, operation->id)
		       ? "final"
		       : isle_operation_state_name(operation->state);
}

static int print_operation(const struct isle_operation *operation, void *data)
{
	char time[32], kind[40];

	format_time(operation->start, time);
	snprintf(kind, sizeof(kind), operation->target ? "%s of %" PRId64 : "%s",
		 isle_operation_kind_name(operation->kind), operation->target);
	if (printf("%-5" PRId64 " %s  %-12s  %-11s  %-20s  %s\n", operation->id, time, kind,
		   state_word(data, operation), isle_quote(operation->name), operation->summary) < 0)
		return -EIO;
	return 0;
}

static int json_operation(const struct isle_operation *operation, void *data)
{
	struct out *out = data;
	struct isle_json *j = &out->json;

	isle_json_object(j, NULL);
	isle_json_int(j, "operation", operation->id);
	isle_json_str(j, "kind", isle_operation_kind_name(operation->kind));
	isle_json_str(j, "state", isle_operation_state_name(operation->state));
	isle_json_bool(j, "undoable", isle_undoable_is(&out->undoable, operation->id));
	isle_json_str(j, "isle", operation->name);
	isle_json_str(j, "isle_id", operation->isle_id);
	isle_json_str(j, "plan", operation->plan_id);
	if (operation->target)
		isle_json_int(j, "undoes", operation->target);
	isle_json_int(j, "start_ns", operation->start);
	isle_json_int(j, "end_ns", operation->end);
	isle_json_int(j, "entries", operation->entries);
	isle_json_int(j, "bytes", operation->bytes);
	isle_json_str(j, "summary", operation->summary);
	isle_json_end(j);
	return 0;
}

static int print_run(const struct isle_run_record *run, void *data)
{
	char time[32];

	(void)data;
	format_time(run->start, time);
	printf("%s  %-20s  %3d ", time, isle_quote(run->name), run->status);
	for (size_t i = 0; run->argv[i]; i++)
		printf(" %s", isle_quote(run->argv[i]));
	return printf("\n") < 0 ? -EIO : 0;
}

static int json_run(const struct isle_run_record *run, void *data)
{
	struct isle_json *j = data;

	isle_json_object(j, NULL);
	isle_json_str(j, "isle", run->name);
	isle_json_str(j, "isle_id", run->isle_id);
	isle_json_array(j, "argv");
	for (size_t i = 0; run->argv[i]; i++)
		isle_json_path(j, NULL, run->argv[i]);
	isle_json_end(j);
	isle_json_path(j, "cwd", run->cwd);
	isle_json_int(j, "start_ns", run->start);
	isle_json_int(j, "end_ns", run->end);
	isle_json_int(j, "status", run->status);
	isle_json_end(j);
	return 0;
}

static int list(struct isle_catalog *catalog, struct out *out, bool runs, bool json, struct isle_err *err)
{
	struct isle_json *j = &out->json;
	int r;

	if (!json) {
		r = runs ? isle_catalog_runs(catalog, NULL, print_run, NULL, err)
			 : isle_catalog_operations(catalog, print_operation, out, err);
		return r < 0 ? r : fflush(stdout) != 0 ? isle_err_errno(err, -errno, "stdout") : 0;
	}
	isle_json_init(j, stdout);
	isle_json_object(j, NULL);
	isle_json_int(j, "version", 1);
	isle_json_array(j, runs ? "runs" : "operations");
	r = runs ? isle_catalog_runs(catalog, NULL, json_run, j, err)
		 : isle_catalog_operations(catalog, json_operation, out, err);
	isle_json_end(j);
	isle_json_end(j);
	if (r < 0)
		return r;
	r = isle_json_done(j);
	return r < 0 ? isle_err_errno(err, r, "stdout") : 0;
}

static int show(bool runs, bool json)
{
	auto_store struct isle_store *store = NULL;
	auto_catalog struct isle_catalog *catalog = NULL;
	struct isle_err err = ISLE_ERR_INIT;
	struct out out = {.undoable = ISLE_UNDOABLE_INIT};
	int r = isle_store_open_to_look(&store, &err);

	if (r >= 0)
		r = isle_catalog_open(store, &catalog, &err);
	if (r >= 0 && !runs)
		r = isle_undoable_load(store, catalog, &out.undoable, &err);
	if (r >= 0)
		r = list(catalog, &out, runs, json, &err);
	isle_undoable_done(&out.undoable);
	return r < 0 ? isle_fail(&err) : ISLE_EXIT_OK;
}

static int log_main(int argc, char **argv)
{
	struct isle_args args;
	bool json = false, runs = false;
	int id;

	isle_args_init(&args, &isle_verb_log, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 'j')
			json = true;
		else
			runs = true;
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_log, "takes no argument");
	return show(runs, json);
}

const struct isle_verb isle_verb_log = {
	.name = "log",
	.synopsis = "[--runs] [--json]",
	.summary = "operations, newest first",
	.more = "Of each: its number, when, what, its state, the isle and what it changed. What is 'done' can still be "
		"undone;\n"
		"not what is undone already, pruned (by isle gc) or final (its isle was removed).",
	.options = options,
	.plain_names = true,
	.main = log_main,
};
