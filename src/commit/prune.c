/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what undo needs.
 *
 * 1. Under the commit lock and after recovery, so no operation is on its way.
 * 2. Only records of operations that were done whole are taken. One without `applied` was rolled back, and what is in
 * it could not be put back: that is user data, and stays.
 * 3. What lies in places goes first and the record, by one rename, last: the plan in it says where the places are, so a
 *    prune that was killed is repeated by the next one.
 */
#include "kernel.h"
#include "path.h"
#include "transaction_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prune {
	struct isle_store *store;
	struct isle_catalog *catalog;
	struct isle_err *err;
	int undo; /* STORE/undo */
	int64_t before;
	int64_t *done; /* operations of the state DONE, newest first */
	size_t done_count, done_room;
	struct isle_prune_result result;
};

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

/* What the operation has parked in places on other file systems. */
static int remove_places(struct prune *prune, const struct isle_plan *plan, int64_t id)
{
	for (size_t i = 0; i < plan->site_count; i++) {
		const struct isle_site *site = &plan->sites[i];
		auto_fd int dir = -1;
		int r;

		if (!site->place)
			continue;
		dir = isle_parking_open(prune->store, plan, site, id, 0);
		if (dir == -ENOENT)
			continue;
		r = dir < 0 ? dir : isle_tx_empty(dir);
		if (r >= 0)
			r = isle_parking_remove(prune->store, plan, site, id);
		if (r < 0)
			return r;
	}
	return 0;
}

static int prune_record(struct prune *prune, const struct isle_plan *plan, int64_t id)
{
	char name[24], trash[40];
	int r = 0;

	if (prune->done_count && bsearch(&id, prune->done, prune->done_count, sizeof(*prune->done), compare_descending))
		r = isle_catalog_operation_set(prune->catalog, id, ISLE_OPERATION_PRUNED, 0, prune->err);
	if (r < 0)
		return r;
	r = remove_places(prune, plan, id);
	snprintf(name, sizeof(name), "%" PRId64, id);
	snprintf(trash, sizeof(trash), "trash/undo-%" PRId64, id);
	if (r >= 0)
		r = isle_renameat2(prune->undo, name, isle_store_fd(prune->store), trash, 0);
	if (r < 0)
		return isle_err_errno(prune->err, r, "cannot remove the record of operation %" PRId64, id);
	prune->result.removed++;
	return 0;
}

static int look_at(struct prune *prune, const char *name)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	int64_t end = 0;
	char *rest;
	int64_t id = strtoll(name, &rest, 10);

	if (*rest || id <= 0)
		return 0;
	if (isle_operation_load(prune->store, id, &plan, &end, NULL) < 0) {
		prune->result.stuck++;
		return 0;
	}
	if (end > prune->before) {
		prune->result.kept++;
		return 0;
	}
	return prune_record(prune, &plan, id);
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
	return r;
}

int isle_undo_prune(struct isle_store *store, int64_t before, struct isle_prune_result *ret_result,
		    struct isle_err *err)
{
	auto_catalog struct isle_catalog *catalog = NULL;
	auto_fd int live = -1;
	auto_fd int lock = -1;
	auto_fd int undo = -1;
	auto_free int64_t *done = NULL;
	struct prune prune = {.store = store, .before = before, .err = err};
	int r = isle_operation_lock(store, NULL, 0, &live, &lock, err);

	if (r < 0)
		return r;
	undo = openat(isle_store_fd(store), "undo", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (undo < 0)
		return isle_err_errno(err, -errno, "cannot open the records of operations");
	r = isle_catalog_open(store, &catalog, err);
	if (r < 0)
		return r;
	prune.catalog = catalog;
	prune.undo = undo;
	r = isle_catalog_operations(catalog, note_done, &prune, err);
	done = prune.done;
	if (r < 0)
		return r;
	r = look_at_all(&prune);
	*ret_result = prune.result;
	return r;
}
