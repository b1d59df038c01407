/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which deletion and which creation are one rename?
 *
 * Directories and files whose data were not copied say so themselves (overlay.redirect). Of everything else a
 * rename leaves a whiteout, or what came there, at the old name and a copied-up object at the new one. They are paired
 *   1. by the redirect of a metacopy file, when what it leads to is gone in the isle;
 *   2. by the origin handle, which is that of the deleted host file (root only). One with several names is looked for
 *      also where it came into a new directory, or took the place of something else, or where its old name went with a
 *      directory or was taken by something else: the names that it has besides show what is written to it, so it has to
 *      stay the host's file. What was taken so is new where it is;
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

/* A DELETE that comes to the list: what the host has at the path of a change that turned out to be a rename to there.
 */
struct displaced {
	struct isle_change change;
	size_t by; /* that change */
};

struct pairing {
	const struct isle *isle;
	const struct isle_layers *layers;
	struct isle_change *changes;
	struct isle_candidate *infos;
	const struct isle_met *met;
	struct isle_gone *gone;
	struct isle_gone covered; /* what the host has at the path of a change that has something else there */
	bool has_covered;	  /* it was gathered */
	struct displaced *displaced;
	size_t displaced_count, displaced_room;
	size_t count;
	bool *drop;
	bool *taken; /* per change: what the host has at its path is what another change has elsewhere */
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
static int compare_moved(struct pairing *p, const struct isle_change *made, const struct isle_change *old,
			 unsigned *ret_diff)
{
	struct isle_object upper, host;
	int r = at_parent(p, made, ISLE_AFTER, &upper);

	if (r >= 0)
		r = at_parent(p, old, ISLE_BEFORE, &host);
	return r < 0 ? r : isle_compare(upper, host, ISLE_COMPARE_NO_DATA, ret_diff);
}

static int compare_metadata(struct pairing *p, const struct isle_change *made, unsigned *ret_diff)
{
	return compare_moved(p, made, made, ret_diff);
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

static bool host_handle(const struct pairing *p, const struct isle_gone_name *name,
			const struct isle_note_handle *handle)
{
	const struct isle_layer *layer = &p->layers->list[name->layer];
	auto_fd int root = isle_layer_open_host(layer);
	auto_fd int fd = root < 0 ? -1 : isle_walk_long(root, isle_layer_below(layer, name->path), O_PATH);

	return fd >= 0 && isle_handle_is(fd, "", handle);
}

/* What the host has at this path is not there any more in the isle. Something else that has come there does not say
 * where it went; that is of interest for files with several names. */
static bool is_vacated(const struct isle_change *change)
{
	if (change->before.mode == 0 || S_ISDIR(change->before.mode))
		return false;
	return change->kind == ISLE_DELETE ||
	       (change->before.nlink > 1 && (change->kind == ISLE_REPLACE || change->another));
}

static int add_vacated(struct pairing *p)
{
	int r = 0;

	for (size_t i = 0; i < p->gone->count; i++)
		p->gone->list[i].inside = true;
	for (size_t i = 0; i < p->count && r >= 0; i++) {
		const struct isle_change *change = &p->changes[i];

		if (is_vacated(change) && (change->kind != ISLE_DELETE || !p->infos[i].inside))
			r = isle_gone_add(p->gone, change->layer, isle_change_host(change), &change->before,
					  (ssize_t)i);
	}
	isle_gone_sort(p->gone);
	return r;
}

/* The name that the file which this one was copied from has lost. */
static struct isle_gone_name *find_by_handle(struct pairing *p, const struct isle_change *made,
					     const struct isle_note_handle *handle, unsigned links)
{
	auto_fd int root = isle_layer_open_host(&p->layers->list[made->layer]);
	struct isle_gone_name *name;
	uint64_t ino;

	if (root < 0 || !isle_handle_alive(root, handle, &ino) || ino == 0 ||
	    (made->kind != ISLE_CREATE && made->before.ino == ino))
		return NULL;
	while ((name = isle_gone_next(p->gone, made->layer, ino, links)))
		if (name->change < 0 ||
		    (!p->drop[name->change] && (links > 1 || p->changes[name->change].kind == ISLE_DELETE)))
			if (host_handle(p, name, handle))
				return name;
	return NULL;
}

/* What the host has at the new name goes. */
static int add_displaced(struct pairing *p, struct isle_change *made)
{
	struct displaced *list;
	struct isle_change *gone;

	if (p->displaced_count == p->displaced_room) {
		size_t room = p->displaced_room ? p->displaced_room * 2 : 16;

		list = reallocarray(p->displaced, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		p->displaced = list;
		p->displaced_room = room;
	}
	p->displaced[p->displaced_count].by = (size_t)(made - p->changes);
	gone = &p->displaced[p->displaced_count].change;
	*gone = (struct isle_change){.kind = ISLE_DELETE, .layer = made->layer, .moved = made->moved};
	gone->path = strdup(made->path);
	if (!gone->path)
		return -ENOMEM;
	gone->from = ptr_take(&made->from);
	gone->before = made->before;
	gone->base = made->base;
	gone->marks = gone->own_marks = isle_path_marks(made->path, gone->before.mode) & ISLE_MARK_CREDENTIAL;
	gone->entries = S_ISDIR(gone->before.mode) ? made->entries : 0;
	gone->bytes = S_ISREG(gone->before.mode) ? gone->before.size : 0;
	p->displaced_count++;
	return 0;
}

/* A file of which the host has the names besides. */
static bool is_linked(const struct pairing *p, size_t i)
{
	const struct isle_change *change = &p->changes[i];

	return p->infos[i].handle && !S_ISDIR(change->after.mode) && change->after.nlink > 1 &&
	       !p->layers->list[change->layer].user &&
	       (change->kind == ISLE_CREATE || change->kind == ISLE_MODIFY || change->kind == ISLE_REPLACE ||
		change->kind == ISLE_METADATA);
}

/* All but the data, and of a plain file that has data of its own these, too. */
static void compare_pair(struct pairing *p, const struct isle_change *made, const struct isle_change *old,
			 unsigned *ret_diff)
{
	bool data = S_ISREG(made->after.mode) && !made->metacopy;
	int r = data ? compare_files(p, made, old, ret_diff) : compare_moved(p, made, old, ret_diff);

	if (r < 0) /* gone meanwhile: the step will see it */
		*ret_diff = stat_diff(&made->after, &old->before) | (data ? ISLE_DIFF_CONTENT : 0);
}

/* The host's object of this name is the one that has been moved here. deleted: the change that said it was gone, or
 * NULL. */
static int make_moved(struct pairing *p, struct isle_change *made, const struct isle_gone_name *name,
		      struct isle_change *deleted)
{
	unsigned diff = 0;

	free(made->from);
	made->from = strdup(name->path);
	if (!made->from)
		return -ENOMEM;
	made->before = name->st;
	compare_pair(p, made, made, &diff);
	make_rename(p, made, deleted, diff);
	made->moved = isle_later(&made->before.ctime, &made->base) ? ISLE_MOVED_CHANGED : ISLE_MOVED_NO;
	return 0;
}

static int pair_linked(struct pairing *p, struct isle_change *made, const struct isle_candidate *info)
{
	const struct isle_gone_name *name = find_by_handle(p, made, info->handle, 2);
	struct isle_change *old = name && name->change >= 0 ? &p->changes[name->change] : NULL;
	int r = 0;

	if (!name)
		return 0;
	/* What is at the new name goes, unless it is somewhere else in the isle. */
	if (made->before.mode != 0)
		r = add_displaced(p, made);
	if (old)
		p->taken[name->change] = true;
	made->another = made->brief = false;
	made->bytes = made->after.size;
	made->entries = 0;
	if (r >= 0)
		r = make_moved(p, made, name, old && old->kind == ISLE_DELETE ? old : NULL);
	/* Where the layer has its data from stays of interest: what moves that has to take this along. */
	if (r >= 0 && made->data && strcmp(made->data, made->from) == 0) {
		free(made->data);
		made->data = NULL;
	}
	return r;
}

/* What came to a name whose file is another change's now is new there. */
static void make_new(struct isle_change *change, struct isle_candidate *info)
{
	info->host_quiet = true; /* it was the isle that took the other one away */
	change->kind = ISLE_CREATE;
	change->before = (struct isle_stat){0};
	change->moved = ISLE_MOVED_NO;
	change->diff = 0;
	change->another = change->brief = false;
	free(change->from);
	change->from = NULL;
}

static int pair_all_linked(struct pairing *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_linked(p, i))
			r = pair_linked(p, &p->changes[i], &p->infos[i]);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (p->taken[i] && p->changes[i].kind != ISLE_DELETE && p->changes[i].kind != ISLE_RENAME)
			make_new(&p->changes[i], &p->infos[i]);
	return r;
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
	struct isle_gone_name *name = info->handle && within ? find_by_handle(p, made, info->handle, 0) : NULL;
	struct isle_change *deleted = NULL;
	unsigned diff = 0;

	if (name)
		return make_moved(p, made, name, name->change < 0 ? NULL : &p->changes[name->change]);
	if (S_ISREG(made->after.mode) && made->after.size > 0)
		deleted = find_by_data(p, made, within, &diff);
	if (deleted)
		make_rename(p, made, deleted, diff);
	return 0;
}

/* --- moved away from where something else is now --- */

static int gather_covered(struct pairing *p)
{
	int r = 0;

	for (size_t i = 0; i < p->count && r >= 0; i++) {
		const struct isle_change *change = &p->changes[i];

		if ((change->kind == ISLE_MODIFY || change->kind == ISLE_REPLACE) && change->before.mode != 0 &&
		    !S_ISDIR(change->before.mode))
			r = isle_gone_add(&p->covered, change->layer, change->path, &change->before, (ssize_t)i);
	}
	for (size_t i = 0; i < p->displaced_count && r >= 0; i++) {
		const struct isle_change *change = &p->displaced[i].change;

		if (!p->taken[p->displaced[i].by] && !S_ISDIR(change->before.mode))
			r = isle_gone_add(&p->covered, change->layer, change->path, &change->before,
					  (ssize_t)p->displaced[i].by);
	}
	isle_gone_sort(&p->covered);
	p->has_covered = true;
	return r;
}

/* A copied file, whose original is to be taken away by another change of the list. They belong together: once that is
 * done, nobody could tell who did it. */
static int tie_to_covered(struct pairing *p, struct isle_change *made, const struct isle_candidate *info)
{
	auto_fd int root = isle_layer_open_host(&p->layers->list[made->layer]);
	struct isle_gone_name *name;
	uint64_t ino;
	int r = 0;

	if (root < 0 || !isle_handle_alive(root, info->handle, &ino) || ino == 0)
		return 0;
	if (!p->has_covered)
		r = gather_covered(p);
	name = r < 0 ? NULL : isle_gone_next(&p->covered, made->layer, ino, 0);
	if (name && p->changes[name->change].after.ino == made->after.ino)
		name = NULL;
	if (r >= 0 && !name && info->inside) /* of a new directory: it was not looked for among what was deleted */
		name = isle_gone_next(p->gone, made->layer, ino, 0);
	if (!name)
		return r;
	made->data = strdup(name->path);
	return made->data ? 0 : -ENOMEM;
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
	return is_new_object(&p->changes[i], &p->infos[i]) && !p->changes[i].metacopy;
}

static bool may_be_tied(const struct pairing *p, size_t i)
{
	const struct isle_change *change = &p->changes[i];

	return change->kind == ISLE_CREATE && !S_ISDIR(change->after.mode) && change->moved == ISLE_MOVED_NO &&
	       !change->metacopy && !change->data && p->infos[i].handle;
}

static int pair_all(struct pairing *p)
{
	int r = 0;

	r = pair_all_linked(p);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_object(&p->changes[i], &p->infos[i]) && p->changes[i].metacopy && p->changes[i].data)
			r = pair_metacopy(p, &p->changes[i], &p->infos[i]);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_file(p, i))
			r = pair_file(p, &p->changes[i], &p->infos[i], true);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (is_new_file(p, i) && p->infos[i].origin && !p->changes[i].link_group)
			r = pair_file(p, &p->changes[i], &p->infos[i], false);
	for (size_t i = 0; r >= 0 && i < p->count; i++)
		if (may_be_tied(p, i))
			r = tie_to_covered(p, &p->changes[i], &p->infos[i]);
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

static int append_displaced(struct pairing *p, struct isle_changes *changes)
{
	struct isle_change *list = reallocarray(changes->list, changes->count + p->displaced_count, sizeof(*list));

	if (!list)
		return -ENOMEM;
	changes->list = list;
	for (size_t i = 0; i < p->displaced_count; i++) {
		struct displaced *displaced = &p->displaced[i];

		if (p->taken[displaced->by])
			continue;
		list[changes->count++] = displaced->change;
		displaced->change = (struct isle_change){0};
	}
	return 0;
}

int isle_renames_settle(const struct isle *isle, const struct isle_layers *layers, struct isle_changes *changes,
			struct isle_candidate *infos, struct isle_met *met, struct isle_gone *gone)
{
	struct pairing p = {
		.isle = isle,
		.layers = layers,
		.changes = changes->list,
		.infos = infos,
		.met = met,
		.gone = gone,
		.count = changes->count,
		.budget = compare_budget,
	};
	int r;

	if (met->count > 1)
		qsort(met->list, met->count, sizeof(*met->list), compare_inodes);
	p.drop = calloc(p.count + 1, sizeof(*p.drop));
	p.taken = calloc(p.count + 1, sizeof(*p.taken));
	r = p.drop && p.taken ? build_index(&p, &p.by_path, false, compare_by_path) : -ENOMEM;
	if (r >= 0)
		r = build_index(&p, &p.by_data, true, compare_by_data);
	if (r >= 0)
		r = add_vacated(&p);
	if (r >= 0)
		r = pair_all(&p);
	if (r >= 0)
		compact(&p, changes);
	if (r >= 0 && p.displaced_count > 0)
		r = append_displaced(&p, changes);
	for (size_t i = 0; i < p.displaced_count; i++)
		isle_change_done(&p.displaced[i].change);
	free(p.displaced);
	parent_done(&p.parents[0]);
	parent_done(&p.parents[1]);
	isle_gone_done(&p.covered);
	free(p.drop);
	free(p.taken);
	free(p.by_path.list);
	free(p.by_data.list);
	return r;
}
