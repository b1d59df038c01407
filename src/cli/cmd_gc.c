/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"
#include "clock.h"
#include "commit.h"
#include "events.h"
#include "quote.h"
#include "store.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_DAYS = 7, MOST_DAYS = 36500, KEEP_LOGS = 20 };

static const struct isle_option options[] = {
	{"keep", 'k', "DAYS", "keep what undo needs of the last DAYS; 7 is the default", 'k'},
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

static int parse_days(const char *text, long *ret_days)
{
	char *end;

	errno = 0;
	*ret_days = strtol(text, &end, 10);
	return errno || end == text || *end || *ret_days < 0 || *ret_days > MOST_DAYS ? -EINVAL : 0;
}

static void tell(const struct isle_store *store, const struct isle_prune_result *result, long days)
{
	if (result->removed)
		isle_note("%" PRIu64 " operation%s can no longer be undone", result->removed,
			  result->removed == 1 ? "" : "s");
	if (result->kept)
		isle_note("kept what undo needs of %" PRIu64
			  " operation%s of the last %ld day%s; --keep 0 frees that, too",
			  result->kept, result->kept == 1 ? "" : "s", days, days == 1 ? "" : "s");
	if (result->stuck)
		isle_note("%s/undo holds what %" PRIu64 " interrupted operation%s could not put back",
			  isle_quote(isle_store_path(store)), result->stuck, result->stuck == 1 ? "" : "s");
}

/* When reads may have ceased to count: at commits of this isle, and at what took them back. */
struct moments {
	const char *isle_id;
	int64_t *list;
	size_t count, room;
};

static int add_moments(const struct isle_operation *operation, void *data)
{
	struct moments *moments = data;

	if (strcmp(operation->isle_id, moments->isle_id) != 0)
		return 0;
	if (moments->count + 2 > moments->room) {
		size_t room = moments->room == 0 ? 16 : moments->room * 2;
		int64_t *larger = reallocarray(moments->list, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		moments->list = larger;
		moments->room = room;
	}
	moments->list[moments->count++] = operation->start;
	moments->list[moments->count++] = operation->end;
	return 0;
}

static int compare_moments(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* An isle in which something runs is left for the next time. */
static int fold_logs(struct isle_catalog *catalog, const struct isle *isle, uint64_t *saved, struct isle_err *err)
{
	struct moments moments = {.isle_id = isle->id};
	struct isle_events_boundaries boundaries;
	auto_fd int lock = isle_lock(isle, ISLE_LOCK_NOWAIT, NULL);
	uint64_t bytes = 0;

	if (lock < 0)
		return 0;
	int r = isle_catalog_operations(catalog, add_moments, &moments, err);
	if (moments.count > 0)
		qsort(moments.list, moments.count, sizeof(*moments.list), compare_moments);
	boundaries = (struct isle_events_boundaries){moments.list, moments.count};
	if (r >= 0)
		r = isle_events_fold(isle, KEEP_LOGS, &boundaries, &bytes, err);
	*saved += bytes;
	free(moments.list);
	return r;
}

static int fold_all(struct isle_store *store, struct isle_err *err)
{
	auto_catalog struct isle_catalog *catalog = NULL;
	auto_entries struct isle_entries entries = {0};
	uint64_t saved = 0;
	int r = isle_catalog_open(store, &catalog, err);

	if (r >= 0)
		r = isle_list(store, &entries, err);
	for (size_t i = 0; i < entries.count && r >= 0; i++) {
		auto_isle struct isle *isle = NULL;

		r = isle_find_exact(store, entries.list[i].name, &isle, err);
		if (r >= 0)
			r = fold_logs(catalog, isle, &saved, err);
		else if (r == -ENOENT)
			r = 0; /* removed meanwhile */
	}
	if (saved > 0)
		isle_verbose("made the logs of old runs %" PRIu64 " bytes smaller", saved);
	return r < 0 ? r : 0;
}

static int gc(long days)
{
	auto_store struct isle_store *store = NULL;
	struct isle_prune_result result = {0};
	struct isle_err err = ISLE_ERR_INIT;
	int64_t before = isle_now() - (int64_t)days * 86400 * 1000000000;

	if (isle_store_open(&store, &err) < 0 || isle_undo_prune(store, before, &result, &err) < 0 ||
	    fold_all(store, &err) < 0 || isle_store_gc(store, &err) < 0)
		return isle_fail(&err);
	tell(store, &result, days);
	return ISLE_EXIT_OK;
}

static int gc_main(int argc, char **argv)
{
	struct isle_args args;
	long days = KEEP_DAYS;
	int id;

	isle_args_init(&args, &isle_verb_gc, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 'q')
			isle_talk_set(ISLE_TALK_QUIET);
		else if (parse_days(args.value, &days) < 0)
			return isle_usage(&isle_verb_gc, "%s is no number of days", isle_quote(args.value));
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_gc, "takes no operand");
	return gc(days);
}

const struct isle_verb isle_verb_gc = {
	.name = "gc",
	.synopsis = "[--keep DAYS]",
	.summary = "free the space of what was removed, discarded or replaced",
	.more = "Removed isles are deleted, and what 'isle undo' would need of older operations: what commits "
		"replaced\n"
		"and what was discarded. The logs of all but the last 20 runs of an isle lose the reads that an\n"
		"earlier run had made, too.",
	.options = options,
	.plain_names = true,
	.main = gc_main,
};
