/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which deletion and which creation are one rename?
 *
 * Directories and files whose data were not copied say so themselves (overlay.redirect). Of other plain files a
 * rename leaves a whiteout at the old name and a copied-up file at the new one. They are paired
 *   1. by the redirect of a metacopy file, when what it leads to is gone in the isle;
 *   2. by the origin handle, which is that of the deleted host file (root only);
 *   3. by equal size, mtime and mode, and then equal data. Empty files are all alike and never paired so, nor are
 *      files with several names, of which the others would come along. Only where there is one candidate: in the same
 *      directory, or of the same name in another. The bytes compared for 3 are bounded; past that a rename stays a
 *      deletion and a creation, which is no less right.
 *
 * A copied-up file that is new in the isle, unpaired, and could have lost its counterpart only by the host's doing is
 * a MODIFY of something the host has deleted since, or renamed: then the original is still there, but under no name at
 * which the isle has anything.
 */
#include "change_internal.h"
#include "kernel.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const uint64_t compare_budget = 256u << 20;

/* The deletions, to be found by host path or by size and time. */
struct index {
	struct isle_change **list;
	size_t count;
};

struct parent {
	char *path; /* NULL: none */
	unsigned layer;
	int fd;
};

struct pairing {
	const struct isle *isle;
	const struct isle_layers *layers;
	struct isle_change *changes;
	struct isle_candidate *infos;
	const struct isle_met *met;
	size_t count;
	bool *drop;
	struct index by_path, by_data;
	struct parent parents[2]; /* before, after */
	uint64_t budget;
};

static void parent_done(struct parent *parent)
{
	if (parent->path)
		isle_cleanup_fd(&parent->fd);
	free(parent->path);
	parent->path = NULL;
}

static int compare_by_path(const void *a, const void *b)
{
	return strcmp(isle_change_host(*(struct isle_change *const *)a),
		      isle_change_host(*(struct isle_change *const *)b));
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_by_data(const void *a, const void *b)
{
	const struct isle_stat *x = &(*(struct isle_change *const *)a)->before;
	const struct isle_stat *y = &(*(struct isle_change *const *)b)->before;
	int order = compare_numbers(x->size, y->size);

	if (order == 0)
		order = compare_numbers(x->mtime.tv_sec, y->mtime.tv_sec);
	return order ? order : compare_numbers(x->mtime.tv_nsec, y->mtime.tv_nsec);
}

static int build_index(struct pairing *p, struct index *index, bool files_only,
		       int (*compare)(const void *, const void *))
{
	index->list = calloc(p->count ? p->count : 1, sizeof(struct isle_change *));
	if (!index->list)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++) {
		struct isle_change *change = &p->changes[i];

		if (change->kind != ISLE_DELETE)
			continue;
		if (files_only && (!S_ISREG(change->before.mode) || p->infos[i].inside))
			continue;
		index->list[index->count++] = change;
	}
	if (index->count > 1)
		qsort(index->list, index->count, sizeof(*index->list), compare);
	return 0;
}

static struct isle_change *find_deleted(const struct pairing *p, const char *path)
{
	struct isle_change key = {.path = (char *)path}, *wanted = &key;
	struct isle_change **found = bsearch(&wanted, p->by_path.list, p->by_path.count, sizeof(wanted),
					     compare_by_path);

	return found ? *found : NULL;
}

/* The deletion of this path or of a directory above it. */
static int find_deleted_above(const struct pairing *p, const char *path, struct isle_change **ret_deleted)
{
	auto_free char *above = strdup(path);

	if (!above)
		return -ENOMEM;
	*ret_deleted = NULL;
	for (;;) {
		char *slash;

		*ret_deleted = find_deleted(p, above);
		slash = strrchr(above, '/');
		if (*ret_deleted || !slash || slash == above)
			return 0;
		*slash = '\0';
	}
}

static void make_rename(struct pairing *p, struct isle_change *made, struct isle_change *deleted, unsigned diff)
{
	made->kind = ISLE_RENAME;
	made->diff = diff;
	if (!deleted)
		return;
	if (!made->from)
		made->from = strdup(isle_change_host(deleted));
	made->before = deleted->before;
	made->moved = isle_later(&made->before.ctime, &made->base) ? ISLE_MOVED_CHANGED : ISLE_MOVED_NO;
	p->drop[deleted - p->changes] = true;
}

static unsigned stat_diff(const struct isle_stat *a, const struct isle_stat *b)
{
	unsigned diff = 0;

	if (a->mode != b->mode)
		diff |= ISLE_META_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		diff |= ISLE_META_OWNER;
	if (a->mtime.tv_sec != b->mtime.tv_sec || a->mtime.tv_nsec != b->mtime.tv_nsec)
		diff |= ISLE_META_MTIME;
	if (a->size != b->size)
		diff |= ISLE_META_SIZE | ISLE_DIFF_CONTENT;
	return diff;
}

/* Opens both sides and says how they differ, data included. */
static int compare_files(const struct pairing *p, const struct isle_change *made, const struct isle_change *deleted,
			 unsigned *ret_diff)
{
	auto_fd int after = isle_change_open_after(p->isle, p->layers, made);
	auto_fd int before = isle_change_open_before(p->layers, deleted);
	unsigned diff = 0;
	int r = after < 0 ? after : before;

	if (r >= 0)
		r = isle_compare((struct isle_object){.dir = after, .name = ""},
				 (struct isle_object){.dir = before, .name = ""}, ISLE_COMPARE_NO_DATA, &diff);
	if (r < 0)
		return r;
	if (made->after.size != deleted->before.size) {
		diff |= ISLE_META_SIZE | ISLE_DIFF_CONTENT;
	} else {
		r = isle_same_data(after, before, made->after.size);
		if (r < 0)
			return r;
		diff |= r ? 0 : ISLE_DIFF_CONTENT;
	}
	*ret_diff = diff;
	return 0;
}

/* The directory of one side, found once for all that follow in it. */
static int at_parent(struct pairing *p, const struct isle_change *change, enum isle_change_side side,
		     struct isle_object *ret_object)
{
	struct parent *parent = &p->parents[side == ISLE_AFTER];
	const char *path = side == ISLE_AFTER ? change->upper : isle_change_host(change);
	const char *slash = strrchr(path, '/'), *name;
	size_t size = slash ? (size_t)(slash - path) : 0;

	*ret_object = (struct isle_object){.name = slash ? slash + 1 : path};
	if (!parent->path || parent->layer != change->layer || strncmp(parent->path, path, size) != 0 ||
	    parent->path[size] != '\0') {
		parent_done(parent);
		parent->layer = change->layer;
		parent->fd = isle_change_at(p->isle, p->layers, change, side, &name);
		parent->path = parent->fd < 0 ? NULL : strndup(path, size);
	}
	ret_object->dir = parent->fd;
	return parent->fd < 0 ? parent->fd : 0;
}

/* All but the data. */
static int compare_metadata(struct pairing *p, const struct isle_change *made, unsigned *ret_diff)
{
	struct isle_object upper, host;
	int r = at_parent(p, made, ISLE_AFTER, &upper);

	if (r >= 0)
		r = at_parent(p, made, ISLE_BEFORE, &host);
	return r < 0 ? r : isle_compare(upper, host, ISLE_COMPARE_NO_DATA, ret_diff);
}

/* --- 1 --- */

static int pair_metacopy(struct pairing *p, struct isle_change *made, const struct isle_candidate *info)
{
	struct isle_change *above, *deleted = find_deleted(p, made->data);
	unsigned diff = 0;
	int r = find_deleted_above(p, made->data, &above);

	if (r < 0)
		return r;
	if (!above || !info->data || info->data->mode == 0 || (deleted && p->drop[deleted - p->changes]))
		return 0;
	/* Deleted by itself, or with a directory above it. */
	made->from = ptr_take(&made->data);
	made->before = *info->data;
	if (compare_metadata(p, made, &diff) < 0) /* gone meanwhile: the step will see it */
		diff = stat_diff(&made->after, &made->before);
	make_rename(p, made, deleted, diff);
	return 0;
}

/* --- 2 --- */

static int host_handle(const struct pairing *p, const struct isle_change *deleted,
		       const struct isle_note_handle *handle)
{
	const struct isle_layer *layer = &p->layers->list[deleted->layer];
	auto_fd int root = isle_layer_open_host(layer);
	auto_fd int fd = root < 0 ? -1
				  : isle_walk_long(root, isle_layer_below(layer, isle_change_host(deleted)), O_PATH);

	return fd >= 0 && isle_handle_is(fd, "", handle);
}

/* The handle begins with the inode number on the file systems that matter, so most deletions need not be asked. */
static bool may_be(const struct isle_note_handle *handle, uint64_t ino)
{
	uint32_t low;

	if (handle->size < sizeof(low) || handle->type > 2)
		return true;
	memcpy(&low, handle->bytes, sizeof(low));
	return low == (uint32_t)ino;
}

static struct isle_change *find_by_handle(const struct pairing *p, const struct isle_change *made,
					  const struct isle_note_handle *handle)
{
	for (size_t i = 0; i < p->by_data.count; i++) {
		struct isle_change *deleted = p->by_data.list[i];

		if (deleted->layer == made->layer && !p->drop[deleted - p->changes] &&
		    may_be(handle, deleted->before.ino) && host_handle(p, deleted, handle))
			return deleted;
	}
	return NULL;
}

/* --- 3 --- */

static bool same_directory(const char *a, const char *b)
{
	const char *x = strrchr(a, '/'), *y = strrchr(b, '/');

	return x && y && x - a == y - b && strncmp(a, b, (size_t)(x - a)) == 0;
}

static bool same_name(const char *a, const char *b)
{
	const char *x = strrchr(a, '/'), *y = strrchr(b, '/');

	return x && y && strcmp(x, y) == 0;
}

/* Renamed within its directory, or moved to another. */
static bool may_be_renamed(const struct pairing *p, const struct isle_change *made, const struct isle_change *deleted,
			   bool within)
{
	const char *path = isle_change_host(deleted);

	return !p->drop[deleted - p->changes] && deleted->layer == made->layer && deleted->before.nlink < 2 &&
	       deleted->before.mode == made->after.mode &&
	       (within ? same_directory(made->path, path) : same_name(made->path, path));
}

/* The only candidate, or NULL. */
static struct isle_change *find_by_data(struct pairing *p, const struct isle_change *made, bool within,
					unsigned *ret_diff)
{
	struct isle_change key = {.before = made->after}, *wanted = &key, *only = NULL;
	size_t low = 0, high = p->by_data.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_by_data(&p->by_data.list[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < p->by_data.count && compare_by_data(&p->by_data.list[low], &wanted) == 0; low++) {
		struct isle_change *deleted = p->by_data.list[low];
		unsigned diff;

		if (!may_be_renamed(p, made, deleted, within) || made->after.size > p->budget)
			continue;
		p->budget -= made->after.size;
		if (compare_files(p, made, deleted, &diff) < 0 || (diff & ISLE_DIFF_CONTENT))
			continue;
		if (only)
			return NULL;
		*ret_diff = diff;
		only = deleted;
	}
	return only;
}

static int pair_file(struct pairing *p, struct isle_change *made, const struct isle_candidate *info, bool within)
{
	struct isle_change *deleted = NULL;
	unsigned diff = 0;

	if (info->handle && within) {
		deleted = find_by_handle(p, made, info->handle);
		if (deleted && compare_files(p, made, deleted, &diff) < 0)
			diff = stat_diff(&made->after, &deleted->before) | ISLE_DIFF_CONTENT;
	}
	if (!deleted && made->after.size > 0)
		deleted = find_by_data(p, made, within, &diff);
	if (deleted)
		make_rename(p, made, deleted, diff);
	return 0;
}

/* --- what is left --- */

static int compare_inodes(const void *a, const void *b)
{
	return compare_numbers(*(const uint64_t *)a, *(const uint64_t *)b);
}

int isle_met_add(struct isle_met *met, uint64_t ino)
{
	if (met->count == met->room) {
		size_t room = met->room ? met->room * 2 : 256;
		uint64_t *list = reallocarray(met->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		met->list = list;
		met->room = room;
	}
	met->list[met->count++] = ino;
	return 0;
}

static bool was_met(const struct isle_met *met, uint64_t ino)
{
	return met->count > 0 && bsearch(&ino, met->list, met->count, sizeof(ino), compare_inodes) != NULL;
}

static bool host_lost_it(const struct pairing *p, const struct isle_change *made, const struct isle_candidate *info)
{
	const struct isle_layer *layer = &p->layers->list[made->layer];
	auto_fd int root = -1;
	uint64_t ino;

	/* Without data of its own, and nothing has them. */
	if (made->metacopy)
		return true;
	/* A further name of what still stands at another is none that the host has lost. */
	if (!info->handle)
		return !info->host_quiet && !(layer->user && made->link_group && was_met(p->met, made->link_group));
	root = isle_layer_open_host(layer);
	if (root < 0)
		return false;
	return !isle_handle_alive(root, info->handle, &ino) || (ino != 0 && !was_met(p->met, ino));
}

static bool is_new_object(const struct isle_change *change, const struct isle_candidate *info)
{
	return change->kind == ISLE_CREATE && !info->inside && !S_ISDIR(change->after.mode) &&
	       change->moved == ISLE_MOVED_NO;
}

static bool is_new_file(const struct pairing *p, size_t i)
{
	return is_new_object(&p->changes[i], &p->infos[i]) && S_ISREG(p->changes[i].after.mode) &&
	       !p->changes[i].metacopy;
}

static int pair_all(struct pairing *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_object(&p->changes[i], &p->infos[i]) && p->changes[i].metacopy && p->changes[i].data)
			r = pair_metacopy(p, &p->changes[i], &p->infos[i]);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_file(p, i))
			r = pair_file(p, &p->changes[i], &p->infos[i], true);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_file(p, i) && p->infos[i].origin && !p->changes[i].link_group)
			r = pair_file(p, &p->changes[i], &p->infos[i], false);
	for (size_t i = 0; r >= 0 && i < p->count; i++) {
		struct isle_change *change = &p->changes[i];

		if (!is_new_object(change, &p->infos[i]) || change->data || !p->infos[i].origin ||
		    !host_lost_it(p, change, &p->infos[i]))
			continue;
		change->kind = ISLE_MODIFY;
		change->diff = ISLE_DIFF_CONTENT;
		change->moved = ISLE_MOVED_DELETED;
	}
	return r;
}

static void compact(struct pairing *p, struct isle_changes *changes)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (p->drop[i])
			isle_change_done(&changes->list[i]);
		else
			changes->list[kept++] = changes->list[i];
	}
	changes->count = kept;
}

int isle_renames_settle(const struct isle *isle, const struct isle_layers *layers, struct isle_changes *changes,
			struct isle_candidate *infos, struct isle_met *met)
{
	struct pairing p = {
		.isle = isle,
		.layers = layers,
		.changes = changes->list,
		.infos = infos,
		.met = met,
		.count = changes->count,
		.budget = compare_budget,
	};
	int r;

	if (met->count > 1)
		qsort(met->list, met->count, sizeof(*met->list), compare_inodes);
	p.drop = calloc(p.count ? p.count : 1, sizeof(*p.drop));
	r = p.drop ? build_index(&p, &p.by_path, false, compare_by_path) : -ENOMEM;
	if (r >= 0)
		r = build_index(&p, &p.by_data, true, compare_by_data);
	if (r >= 0)
		r = pair_all(&p);
	if (r >= 0)
		compact(&p, changes);
	parent_done(&p.parents[0]);
	parent_done(&p.parents[1]);
	free(p.drop);
	free(p.by_path.list);
	free(p.by_data.list);
	return r;
}
