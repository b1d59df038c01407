/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"
#include "clock.h"
#include "commit.h"
#include "events.h"
#include "quote.h"
#include "settings.h"
#include "store.h"
#include "talk.h"
#include "units.h"
#include "usage.h"
#include "verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_LOGS = 20, TOLD_MAX = 20, TOLD_BYTES = 1 << 16, NOT_SAID = -1 };

static const struct isle_option options[] = {
	{"keep", 'k', "AGE", "keep what undo needs of the last AGE (12h, 7d, 2w); 7 days is the default", 'k'},
	{"max-size", 's', "SIZE", "then free the oldest until the rest takes at most SIZE (500M, 10G)", 's'},
	{"yes", 'y', NULL, "for --max-size free also what is younger than AGE, without asking", 'y'},
	{"dry-run", 'n', NULL, "only tell what would be freed", 'n'},
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

struct gc {
	int64_t keep; /* ns */
	uint64_t max_bytes;
	bool sized; /* max_bytes was said */
	bool yes, dry;
	uint64_t trash; /* bytes of removed isles, as far as they lie in the store */
	uint64_t told;	/* operations */
	bool refused;	/* to go beyond the age limit */
};

static char *size_text(uint64_t bytes)
{
	struct isle_buf buf = ISLE_BUF_INIT;

	isle_size_add(&buf, bytes);
	return isle_buf_take(&buf);
}

static char *span_text(int64_t ns)
{
	struct isle_buf buf = ISLE_BUF_INIT;

	isle_span_add(&buf, ns < 0 ? 0 : ns);
	return isle_buf_take(&buf);
}

static void tell_record(const struct isle_prune_record *record, const char *word)
{
	auto_free char *size = size_text(record->bytes), *age = span_text(isle_now() - record->end);

	isle_note("%s operation %" PRId64 ", %s of isle '%s' %s ago (%s): %s", word, record->id,
		  isle_operation_kind_name(record->kind), isle_quote(record->isle), age ? age : "?", record->summary,
		  size ? size : "?");
}

static void tell_each(const struct isle_prune_record *record, void *data)
{
	struct gc *gc = data;

	if (gc->told++ < TOLD_MAX)
		tell_record(record, gc->dry ? "would free" : "freed");
}

static bool confirm(const struct isle_prune_record *records, size_t count, void *data)
{
	struct gc *gc = data;
	auto_free char *age = span_text(gc->keep);
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += records[i].bytes;
	auto_free char *size = size_text(bytes);
	if (!gc->yes && !gc->dry && isle_can_ask()) {
		for (size_t i = 0; i < count && i < TOLD_MAX; i++)
			tell_record(&records[i], "over the limit:");
		if (count > TOLD_MAX)
			isle_note("... and %zu more", count - TOLD_MAX);
		gc->yes = isle_ask("free what undo needs of %zu operation%s of the last %s, too (%s)?", count,
				   count == 1 ? "" : "s", age ? age : "?", size ? size : "?");
	}
	gc->refused = !gc->yes;
	return gc->yes;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void tell(const struct isle_store *store, const struct gc *gc, const struct isle_prune_result *result)
{
	auto_free char *age = span_text(gc->keep), *limit = size_text(gc->max_bytes);
	auto_free char *removed = size_text(result->removed_bytes), *trash = size_text(gc->trash);
	auto_free char *kept = size_text(result->kept_bytes);

	if (gc->trash > TOLD_BYTES)
		isle_note("%s %s of removed isles", gc->dry ? "would free" : "freed", trash ? trash : "?");
	if (gc->told > TOLD_MAX)
		isle_note("... and %" PRIu64 " more", gc->told - TOLD_MAX);
	if (result->removed)
		isle_note("%s %s of %" PRIu64 " operation%s; %" PRIu64 " %s no longer be undone",
			  gc->dry ? "would free" : "freed", removed ? removed : "?", result->removed,
			  plural(result->removed), result->lost, gc->dry ? "could" : "can");
	if (result->kept)
		isle_note("kept what undo needs of %" PRIu64 " operation%s of the last %s (%s)%s", result->kept,
			  plural(result->kept), age ? age : "?", kept ? kept : "?",
			  gc->max_bytes == UINT64_MAX ? "; --keep 0 frees that, too" : "");
	if (gc->refused)
		isle_note("that is more than %s: nothing younger than %s goes without --yes", limit ? limit : "?",
			  age ? age : "?");
	if (result->stuck)
		isle_note("%s/undo holds what %" PRIu64 " interrupted operation%s could not put back",
			  isle_quote(isle_store_path(store)), result->stuck, plural(result->stuck));
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

static int run(struct gc *gc)
{
	auto_store struct isle_store *store = NULL;
	struct isle_prune_result result = {0};
	struct isle_err err = ISLE_ERR_INIT;
	const struct isle_prune_options how = {
		.before = isle_now() - gc->keep,
		.max_bytes = gc->max_bytes,
		.flags = gc->dry		      ? ISLE_PRUNE_DRY
			 : !gc->yes && isle_can_ask() ? ISLE_PRUNE_ASKS
						      : 0,
		.confirm = confirm,
		.each = tell_each,
		.data = gc,
	};

	if (isle_store_open(&store, &err) < 0)
		return isle_fail(&err);
	isle_ignore(isle_tree_usage(isle_store_fd(store), "trash", &gc->trash));
	/* The trash first: on a full disk nothing else has room. And last, what was put there meanwhile. */
	if ((!gc->dry && isle_store_gc(store, &err) < 0) || isle_undo_prune(store, &how, &result, &err) < 0 ||
	    (!gc->dry && (isle_store_gc(store, &err) < 0 || fold_all(store, &err) < 0)))
		return isle_fail(&err);
	tell(store, gc, &result);
	return ISLE_EXIT_OK;
}

/* What the command line does not say is said by the configuration. */
static int configure(struct gc *gc)
{
	auto_settings struct isle_settings settings = {0};
	struct isle_err err = ISLE_ERR_INIT;

	if (isle_settings_read(&settings, &err) < 0)
		return isle_fail(&err);
	if (gc->keep == NOT_SAID)
		gc->keep = settings.keep_age;
	if (!gc->sized)
		gc->max_bytes = settings.max_bytes;
	return run(gc);
}

static int set_option(struct gc *gc, int id, const char *value)
{
	switch (id) {
	case 'k':
		return isle_span_parse(value, &gc->keep) < 0
			       ? isle_usage(&isle_verb_gc, "%s is no age (12h, 7d, 2w)", isle_quote(value))
			       : 0;
	case 's':
		gc->sized = true;
		return isle_size_parse(value, &gc->max_bytes) < 0
			       ? isle_usage(&isle_verb_gc, "%s is no size (500M, 10G)", isle_quote(value))
			       : 0;
	case 'y':
		gc->yes = true;
		return 0;
	case 'n':
		gc->dry = true;
		return 0;
	default:
		isle_talk_set(ISLE_TALK_QUIET);
		return 0;
	}
}

static int gc_main(int argc, char **argv)
{
	struct gc gc = {.keep = NOT_SAID};
	struct isle_args args;
	int id;

	isle_args_init(&args, &isle_verb_gc, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		if (set_option(&gc, id, args.value) != 0)
			return ISLE_EXIT_USAGE;
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count)
		return isle_usage(&isle_verb_gc, "takes no operand");
	return configure(&gc);
}

const struct isle_verb isle_verb_gc = {
	.name = "gc",
	.synopsis = "[--keep AGE] [--max-size SIZE] [--yes] [--dry-run]",
	.summary = "free the space of what was removed, discarded or replaced",
	.more = "Removed isles are deleted, and what 'isle undo' would need of older operations: what commits "
		"replaced\n"
		"and what was discarded. What is younger than AGE goes only for --max-size, and with a yes.\n"
		"The logs of all but the last 20 runs of an isle lose the reads that an earlier run had made, too.",
	.options = options,
	.plain_names = true,
	.main = gc_main,
};
