/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"
#include "commit.h"
#include "quote.h"
#include "store.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { KEEP_DAYS = 7, MOST_DAYS = 36500 };

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

static int gc(long days)
{
	auto_store struct isle_store *store = NULL;
	struct isle_prune_result result = {0};
	struct isle_err err = ISLE_ERR_INIT;
	int64_t before = isle_catalog_now() - (int64_t)days * 86400 * 1000000000;

	if (isle_store_open(&store, &err) < 0 || isle_undo_prune(store, before, &result, &err) < 0 ||
	    isle_store_gc(store, &err) < 0)
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
		"and what was discarded.",
	.options = options,
	.plain_names = true,
	.main = gc_main,
};
