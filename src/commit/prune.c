/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what undo needs.
 *
 * 1. Under the commit lock and after recovery, so no operation is on its way. While somebody is asked the lock is free;
 *    after a yes all is read anew, and what goes beyond the age limit is what was asked about.
 * 2. Only records of operations that were done whole are taken. One without `applied` was rolled back, and what is in
 *    it could not be put back: that is user data, and stays.
 * 3. All are read first, and sorted by when they ended: a limit takes the oldest, and one that is younger than the
 *    age limit only with a yes.
 * 4. What lies in places goes first and the record, by one rename, last: the plan in it says where the places are, so a
 *    prune that was killed is repeated by the next one.
 */
#include "kernel.h"
#include "path.h"
#include "quote.h"
#include "talk.h"
#include "touched.h"
#include "transaction_internal.h"
#include "usage.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
	struct isle_prune_record told;
	char *isle, *summary;
	enum { KEEP, GO } fate;
};

struct prune {
	struct isle_store *store;
	struct isle_catalog *catalog;
	const struct isle_prune_options *options;
	struct isle_err *err;
	int undo; /* STORE/undo */
	int lock;
	int64_t *done; /* operations of the state DONE, newest first */
	size_t done_count, done_room;
	struct record *records; /* oldest first once they are all read */
	size_t count, room;
	size_t young_first, young_end;
	struct isle_prune_result result;
};

/* Nothing is open yet. */
#define PRUNE_INIT(of_store, of_options, of_err)                                                                       \
	{                                                                                                              \
		.store = (of_store), .options = (of_options), .undo = -1, .lock = -1, .err = (of_err)                  \
	}

static void prune_done(struct prune *prune)
{
	for (size_t i = 0; i < prune->count; i++) {
		free(prune->records[i].isle);
		free(prune->records[i].summary);
	}
	free(prune->records);
	free(prune->done);
	isle_catalog_cleanup(&prune->catalog);
	isle_cleanup_fd(&prune->undo);
	isle_cleanup_fd(&prune->lock);
}
#define auto_prune __attribute__((cleanup(prune_done)))

static int note_done(const struct isle_operation *operation, void *data)
{
	struct prune *prune = data;

	if (operation->state != ISLE_OPERATION_DONE)
		return 0;
	if (prune->done_count == prune->done_room) {
		size_t room = prune->done_room ? prune->done_room * 2 : 64;
		int64_t *more = reallocarray(prune->done, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		prune->done = more;
		prune->done_room = room;
	}
	prune->done[prune->done_count++] = operation->id;
	return 0;
}

static int compare_descending(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? 1 : left > right ? -1 : 0;
}

static bool is_done(const struct prune *prune, int64_t id)
{
	return prune->done_count &&
	       bsearch(&id, prune->done, prune->done_count, sizeof(*prune->done), compare_descending) != NULL;
}

/* Calls fn for each place in which the operation has parked something, with its directory. */
static int for_each_place(struct prune *prune, const struct isle_plan *plan, int64_t id,
			  int (*fn)(struct prune *prune, const struct isle_plan *plan, const struct isle_site *site,
				    int64_t id, int dir))
{
	int r = 0;

	for (size_t i = 0; i < plan->site_count && r >= 0; i++) {
		const struct isle_site *site = &plan->sites[i];
		auto_fd int dir = -1;

		if (!site->place)
			continue;
		/* Others control the way: what lies there is left alone. */
		if (isle_place_check(site->place, NULL) < 0) {
			isle_verbose("%s is left as it is: others control a directory on the way to it",
				     isle_quote(site->place));
			continue;
		}
		dir = isle_parking_open(prune->store, plan, site, id, 0);
		if (dir != -ENOENT)
			r = dir < 0 ? dir : fn(prune, plan, site, id, dir);
	}
	return r;
}

static int remove_place(struct prune *prune, const struct isle_plan *plan, const struct isle_site *site, int64_t id,
			int dir)
{
	int r = isle_tx_empty(dir);

	return r < 0 ? r : isle_parking_remove(prune->store, plan, site, id);
}

/* The directory that holds places of layers. */
static size_t parent_size(const char *place)
{
	const char *slash = strrchr(place, '/');

	return slash ? (size_t)(slash - place) : 0;
}

/* The last record is the one that is being read. Sites whose places lie beside each other share what they have parked.
 */
static int measure_place(struct prune *prune, const struct isle_plan *plan, const struct isle_site *site, int64_t id,
			 int dir)
{
	size_t size = parent_size(site->place);

	(void)id;
	for (const struct isle_site *other = plan->sites; other < site; other++)
		if (other->place && parent_size(other->place) == size && memcmp(other->place, site->place, size) == 0)
			return 0;
	return isle_tree_usage(dir, ".", &prune->records[prune->count - 1].told.bytes);
}

/* --- reading them --- */

static int read_record(struct prune *prune, int64_t id, const struct isle_plan *plan, int64_t end)
{
	struct record *record;
	char name[24];
	int r;

	if (prune->count == prune->room) {
		size_t room = prune->room ? prune->room * 2 : 64;
		struct record *more = reallocarray(prune->records, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		prune->records = more;
		prune->room = room;
	}
	record = &prune->records[prune->count++];
	*record = (struct record){
		.told = {.id = id, .end = end, .kind = plan->kind, .undoable = is_done(prune, id)},
		.isle = strdup(plan->isle_name),
		.summary = isle_plan_summary(plan),
	};
	if (!record->isle || !record->summary)
		return -ENOMEM;
	record->told.isle = record->isle;
	record->told.summary = record->summary;
	snprintf(name, sizeof(name), "%" PRId64, id);
	r = isle_tree_usage(prune->undo, name, &record->told.bytes);
	return r < 0 ? r : for_each_place(prune, plan, id, measure_place);
}

static int look_at(struct prune *prune, const char *name)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	int64_t end = 0;
	char *rest;
	int64_t id = strtoll(name, &rest, 10);
	int r;

	if (*rest || id <= 0)
		return 0;
	if (isle_operation_load(prune->store, id, &plan, &end, NULL) < 0) {
		prune->result.stuck++;
		return 0;
	}
	r = read_record(prune, id, &plan, end);
	return r < 0 ? isle_err_errno(prune->err, r, "cannot read the record of operation %" PRId64, id) : 0;
}

static int compare_ends(const void *a, const void *b)
{
	const struct isle_prune_record *left = &((const struct record *)a)->told;
	const struct isle_prune_record *right = &((const struct record *)b)->told;

	if (left->end != right->end)
		return left->end < right->end ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

static int look_at_all(struct prune *prune)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(prune->undo, ".", &r);
	const struct dirent *e;

	if (r < 0)
		return isle_err_errno(prune->err, r, "cannot list the records of operations");
	while ((e = isle_next_entry(stream, &r)))
		r = look_at(prune, e->d_name);
	if (prune->count > 0)
		qsort(prune->records, prune->count, sizeof(*prune->records), compare_ends);
	return r;
}

/* --- deciding --- */

/* The oldest of those from first on, as many as have to go for the rest to be within the limit. */
static size_t over_limit(const struct prune *prune, size_t first)
{
	uint64_t bytes = 0;
	size_t end = first;

	for (size_t i = first; i < prune->count; i++)
		bytes += prune->records[i].told.bytes;
	for (; end < prune->count && bytes > prune->options->max_bytes; end++)
		bytes -= prune->records[end].told.bytes;
	return end;
}

/* What is old goes. What else would have to, for the limit, is younger: from young_first to young_end. */
static void decide(struct prune *prune)
{
	size_t old = 0;

	while (old < prune->count && prune->records[old].told.end <= prune->options->before)
		prune->records[old++].fate = GO;
	prune->young_first = old;
	prune->young_end = over_limit(prune, old);
}

/* 1: all of it may go. */
static int ask_about_young(const struct prune *prune)
{
	size_t count = prune->young_end - prune->young_first;
	auto_free struct isle_prune_record *young = calloc(count, sizeof(*young));

	if (!young)
		return isle_err_errno(prune->err, -ENOMEM, "cannot list the records of operations");
	for (size_t i = 0; i < count; i++)
		young[i] = prune->records[prune->young_first + i].told;
	return prune->options->confirm(young, count, prune->options->data);
}

/* Of what is over the limit now goes what was asked about. Both are in the same order. */
static void agree(struct prune *prune, const struct prune *asked)
{
	size_t j = asked->young_first;

	for (size_t i = prune->young_first; i < prune->young_end; i++) {
		while (j < asked->young_end && compare_ends(&asked->records[j], &prune->records[i]) < 0)
			j++;
		if (j < asked->young_end && asked->records[j].told.id == prune->records[i].told.id)
			prune->records[i].fate = GO;
	}
}

/* --- doing it --- */

static int set_pruned(struct prune *prune, int64_t id, struct isle_err *err)
{
	return isle_catalog_operation_set(prune->catalog, id, ISLE_OPERATION_PRUNED, 0, err);
}

/* What a gc has freed before the power went, or before a full disk let it say so. */
static void settle_lost(struct prune *prune)
{
	for (size_t i = 0; i < prune->done_count; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%" PRId64, prune->done[i]);
		if (faccessat(prune->undo, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			isle_ignore(set_pruned(prune, prune->done[i], NULL));
	}
}

static int free_record(struct prune *prune, const struct record *record)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	int64_t id = record->told.id, end;
	char name[24], trash[40];
	bool late;
	int r = isle_operation_load(prune->store, id, &plan, &end, prune->err);

	if (r >= 0 && record->told.undoable)
		r = set_pruned(prune, id, prune->err);
	late = r < 0 && isle_is_no_room(r);
	if (r < 0 && !late)
		return r;
	r = for_each_place(prune, &plan, id, remove_place); /* on a full disk, first the room and then the note */
	snprintf(name, sizeof(name), "%" PRId64, id);
	snprintf(trash, sizeof(trash), "trash/undo-%" PRId64, id);
	if (r >= 0)
		r = isle_renameat2(prune->undo, name, isle_store_fd(prune->store), trash, 0);
	if (r >= 0 && late)
		r = isle_remove_tree(isle_store_fd(prune->store), trash);
	if (r < 0)
		return isle_err_errno(prune->err, r, "cannot remove the record of operation %" PRId64, id);
	return late ? set_pruned(prune, id, prune->err) : 0;
}

static int carry_out(struct prune *prune)
{
	struct isle_prune_result *result = &prune->result;
	int r = 0;

	for (size_t i = 0; i < prune->count && r >= 0; i++) {
		const struct record *record = &prune->records[i];

		if (record->fate == KEEP) {
			result->kept++;
			result->kept_bytes += record->told.bytes;
			continue;
		}
		if (!(prune->options->flags & ISLE_PRUNE_DRY))
			r = free_record(prune, record);
		if (r < 0)
			break;
		result->removed++;
		result->lost += record->told.undoable;
		result->removed_bytes += record->told.bytes;
		if (prune->options->each)
			prune->options->each(&record->told, prune->options->data);
	}
	return r;
}

/* No undo asks for what is older than the records that are left, and no isle for what is older than itself. */
static int forget_touched(struct prune *prune)
{
	auto_entries struct isle_entries entries = {0};
	int64_t limit = prune->options->before;
	size_t i;
	int r = isle_list(prune->store, &entries, prune->err);

	if (r < 0)
		return r;
	for (i = 0; i < entries.count; i++)
		if (isle_created(entries.list[i].id) < limit)
			limit = isle_created(entries.list[i].id);
	r = isle_touched_forget(prune->store, limit);
	return r < 0 ? isle_err_errno(prune->err, r, "cannot forget what earlier operations touched") : 0;
}

static int read_all(struct prune *prune)
{
	auto_fd int live = -1;
	int r = isle_operation_lock(prune->store, NULL, 0, &live, &prune->lock, prune->err);

	if (r < 0)
		return r;
	prune->undo = openat(isle_store_fd(prune->store), "undo", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (prune->undo < 0)
		return isle_err_errno(prune->err, -errno, "cannot open the records of operations");
	r = isle_catalog_open(prune->store, &prune->catalog, prune->err);
	if (r >= 0)
		r = isle_catalog_operations(prune->catalog, note_done, prune, prune->err);
	if (r >= 0)
		r = look_at_all(prune);
	if (r >= 0)
		decide(prune);
	return r < 0 ? r : 0;
}

static int finish(struct prune *prune, struct isle_prune_result *ret_result)
{
	bool dry = (prune->options->flags & ISLE_PRUNE_DRY) != 0;
	int r;

	if (!dry)
		settle_lost(prune);
	r = carry_out(prune);
	if (r >= 0 && !dry)
		r = forget_touched(prune);
	*ret_result = prune->result;
	return r < 0 ? r : 0;
}

int isle_undo_prune(struct isle_store *store, const struct isle_prune_options *options,
		    struct isle_prune_result *ret_result, struct isle_err *err)
{
	auto_prune struct prune first = PRUNE_INIT(store, options, err), again = PRUNE_INIT(store, options, err);
	int yes, r = read_all(&first);

	if (r < 0)
		return r;
	if (first.young_end == first.young_first || !options->confirm)
		return finish(&first, ret_result);
	if (options->flags & ISLE_PRUNE_ASKS) {
		isle_cleanup_fd(&first.lock);
		first.lock = -1;
	}
	yes = ask_about_young(&first);
	if (yes < 0)
		return yes;
	if (!(options->flags & ISLE_PRUNE_ASKS)) {
		if (yes)
			agree(&first, &first);
		return finish(&first, ret_result);
	}
	r = read_all(&again);
	if (r < 0)
		return r;
	if (yes)
		agree(&again, &first);
	return finish(&again, ret_result);
}
