/* SPDX-License-Identifier: Apache-2.0 */
#include "undoable.h"
#include "map.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct isle_undoable_entry {
	int64_t id, target;
	enum isle_operation_kind kind;
	bool done;	/* in the catalog */
	bool has_isle;	/* its isle is there */
	bool in_layers; /* nothing but an isle was concerned */
	bool undoable;
};

struct load {
	struct isle_undoable *undoable;
	struct isle_map isles; /* ids */
};

void isle_undoable_done(struct isle_undoable *undoable)
{
	free(undoable->list);
	*undoable = ISLE_UNDOABLE_INIT;
}

static int note(const struct isle_operation *operation, void *data)
{
	struct load *load = data;
	struct isle_undoable *undoable = load->undoable;

	if (undoable->count == undoable->room) {
		size_t room = undoable->room ? undoable->room * 2 : 64;
		struct isle_undoable_entry *list = reallocarray(undoable->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		undoable->list = list;
		undoable->room = room;
	}
	undoable->list[undoable->count++] = (struct isle_undoable_entry){
		.id = operation->id,
		.target = operation->target,
		.kind = operation->kind,
		.done = operation->state == ISLE_OPERATION_DONE,
		.has_isle = isle_map_get(&load->isles, operation->isle_id) != NULL,
	};
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t left = ((const struct isle_undoable_entry *)a)->id, right = ((const struct isle_undoable_entry *)b)->id;

	return left < right ? 1 : left > right ? -1 : 0;
}

static const struct isle_undoable_entry *find(const struct isle_undoable *undoable, int64_t id)
{
	const struct isle_undoable_entry key = {.id = id};

	return undoable->count == 0
		       ? NULL
		       : bsearch(&key, undoable->list, undoable->count, sizeof(*undoable->list), compare_ids);
}

static bool has_record(int undo, int64_t id)
{
	char name[40];

	snprintf(name, sizeof(name), "%" PRId64 "/applied", id);
	return faccessat(undo, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Oldest first: what an undo concerned is what the operation had concerned that it took back. */
static int decide(struct isle_store *store, struct isle_undoable *undoable)
{
	auto_fd int undo = openat(isle_store_fd(store), "undo", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (undo < 0)
		return -errno;
	for (size_t i = undoable->count; i-- > 0;) {
		struct isle_undoable_entry *entry = &undoable->list[i];
		const struct isle_undoable_entry *target = entry->kind == ISLE_OPERATION_UNDO
								   ? find(undoable, entry->target)
								   : NULL;

		entry->in_layers = entry->kind == ISLE_OPERATION_DISCARD || (target && target->in_layers);
		entry->undoable = entry->done && (entry->has_isle || !entry->in_layers) && has_record(undo, entry->id);
	}
	return 0;
}

int isle_undoable_load(struct isle_store *store, struct isle_catalog *catalog, struct isle_undoable *ret_undoable,
		       struct isle_err *err)
{
	auto_entries struct isle_entries entries = {0};
	auto_undoable struct isle_undoable undoable = ISLE_UNDOABLE_INIT;
	struct load load = {.undoable = &undoable, .isles = ISLE_MAP_INIT};
	int r = isle_list(store, &entries, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < entries.count && r >= 0; i++)
		r = isle_map_set(&load.isles, entries.list[i].id, &load);
	if (r >= 0)
		r = isle_catalog_operations(catalog, note, &load, err);
	if (r >= 0)
		r = decide(store, &undoable);
	isle_map_done(&load.isles);
	if (r < 0)
		return isle_err_errno(err, r, "cannot tell what can be undone");
	*ret_undoable = undoable;
	undoable = ISLE_UNDOABLE_INIT;
	return 0;
}

bool isle_undoable_is(const struct isle_undoable *undoable, int64_t id)
{
	const struct isle_undoable_entry *entry = find(undoable, id);

	return entry && entry->undoable;
}

int64_t isle_undoable_last(const struct isle_undoable *undoable)
{
	for (size_t i = 0; i < undoable->count; i++)
		if (undoable->list[i].undoable)
			return undoable->list[i].id;
	return 0;
}
