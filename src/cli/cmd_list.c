/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle list. Cheap for a thousand isles: an isle costs opening its directory and a try of its lock; what it
 * changed is looked at with -l only.
 */
#include "boot.h"
#include "change.h"
#include "json.h"
#include "layer.h"
#include "recovered.h"
#include "run.h"
#include "store.h"
#include "verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct isle_option options[] = {
	{"long", 'l', NULL, "also how many changes each holds, and their bytes", 'l'},
	{"json", 0, NULL, "as one JSON document", 'j'},
	{"null", 'z', NULL, "names only, each ended by a NUL byte", 'z'},
	{0},
};

enum list_flags { LIST_LONG = 1 << 0, LIST_JSON = 1 << 1, LIST_NULL = 1 << 2 };

struct row {
	const struct isle_entry *entry;
	const char *state;
	bool counted;
	uint64_t changes, bytes;
};

static int count_changes(const struct isle_store *store, const struct isle *isle, struct row *row, struct isle_err *err)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_changes struct isle_changes changes = ISLE_CHANGES_INIT;
	int r = isle_layers_read(isle, &layers, err);

	if (r < 0)
		return r;
	r = isle_changes_scan(store, isle, &layers, 0, &changes, err);
	if (r < 0)
		return r;
	row->counted = true;
	row->changes = changes.count;
	for (size_t i = 0; i < changes.count; i++)
		row->bytes += changes.list[i].bytes;
	return 0;
}

/* -ENOENT: it was removed meanwhile. */
static int fill_row(struct isle_store *store, unsigned flags, struct row *row, struct isle_err *err)
{
	auto_isle struct isle *isle = NULL;
	int r = isle_find_exact(store, row->entry->name, &isle, err);

	if (r < 0)
		return r;
	row->state = isle_is_mounted(isle) ? "running" : isle_is_torn(isle) ? "torn" : "idle";
	return flags & LIST_LONG ? count_changes(store, isle, row, err) : 0;
}

static void print_age(int64_t created)
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
	int64_t age = (int64_t)time(NULL) - created / 1000000000;
	size_t i = 0;

	if (age < 0)
		age = 0;
	while (i < ARRAY_SIZE(units) && age < units[i].seconds)
		i++;
	if (i < ARRAY_SIZE(units))
		printf("%4" PRId64 "%c", age / units[i].seconds, units[i].letter);
	else
		printf("%4" PRId64 "s", age);
}

static void print_row(const struct row *row, int width)
{
	printf("%-*s  ", width, row->entry->name);
	print_age(isle_created(row->entry->id));
	if (row->counted)
		printf("  %-7s  %7" PRIu64 "  %12" PRIu64 "\n", row->state, row->changes, row->bytes);
	else
		printf("  %s\n", row->state);
}

static void json_row(struct isle_json *json, const struct row *row)
{
	int64_t created = isle_created(row->entry->id);
	time_t seconds = (time_t)(created / 1000000000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	isle_json_object(json, NULL);
	isle_json_str(json, "isle", row->entry->name);
	isle_json_str(json, "id", row->entry->id);
	isle_json_str(json, "created", text);
	isle_json_str(json, "state", row->state);
	if (row->counted) {
		isle_json_int(json, "changes", (int64_t)row->changes);
		isle_json_int(json, "bytes", (int64_t)row->bytes);
	}
	isle_json_end(json);
}

static void print_names(const struct isle_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		fwrite(entries->list[i].name, 1, strlen(entries->list[i].name) + 1, stdout);
}

static int name_width(const struct isle_entries *entries)
{
	size_t width = strlen("NAME");

	for (size_t i = 0; i < entries->count; i++)
		if (strlen(entries->list[i].name) > width)
			width = strlen(entries->list[i].name);
	return (int)width;
}

static int print_list(struct isle_store *store, const struct isle_entries *entries, unsigned flags)
{
	int width = name_width(entries);
	int status = ISLE_EXIT_OK;
	struct isle_json json;

	if (flags & LIST_JSON) {
		isle_json_init(&json, stdout);
		isle_json_object(&json, NULL);
		isle_json_int(&json, "version", 1);
		isle_json_array(&json, "isles");
	} else if (entries->count) {
		printf("%-*s    AGE  STATE%s\n", width, "NAME", flags & LIST_LONG ? "    CHANGES         BYTES" : "");
	}
	for (size_t i = 0; i < entries->count; i++) {
		struct row row = {.entry = &entries->list[i], .state = "unknown"};
		struct isle_err err = ISLE_ERR_INIT;
		int r = fill_row(store, flags, &row, &err);

		if (r == -ENOENT && !err.code)
			continue;
		if (r < 0)
			status = isle_fail(&err);
		if (flags & LIST_JSON)
			json_row(&json, &row);
		else
			print_row(&row, width);
	}
	if (!(flags & LIST_JSON))
		return status;
	isle_json_end(&json);
	isle_json_end(&json);
	return isle_json_done(&json) < 0 ? ISLE_EXIT_FAILED : status;
}

static int list_main(int argc, char **argv)
{
	auto_store struct isle_store *store = NULL;
	auto_entries struct isle_entries entries = {0};
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_args args;
	unsigned flags = 0;
	int id;

	isle_args_init(&args, &isle_verb_list, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		flags |= id == 'l' ? LIST_LONG : id == 'j' ? LIST_JSON : LIST_NULL;
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_list, "takes no argument");
	if (flags & LIST_JSON && flags & LIST_NULL)
		return isle_usage(&isle_verb_list, "--json and --null exclude each other");
	if (isle_store_open_to_look(&store, &err) < 0 || isle_list(store, &entries, &err) < 0)
		return isle_fail(&err);
	if (flags & LIST_NULL) {
		print_names(&entries);
		return ISLE_EXIT_OK;
	}
	return print_list(store, &entries, flags);
}

const struct isle_verb isle_verb_list = {
	.name = "list",
	.synopsis = "[-l] [--json | -z]",
	.summary = "the isles, newest first",
	.more = "STATE is running while a command runs in the isle or it is kept mounted (--linger of isle run),\n"
		"torn when the machine went down during a run (what the isle holds may be incomplete), else idle.",
	.options = options,
	.plain_names = true,
	.main = list_main,
};
