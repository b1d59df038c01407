/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing isles. isle_remove() only renames, which takes constant time and cannot be half done; isle_store_gc() does
 * the deleting. Layers in places outside the store are listed in the layer table and go the same way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel.h"
#include "layer.h"
#include "map.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"
#include "talk.h"

/* Calls fn for each entry of dir/name but "." and "..". The first error ends it. */
static int for_each_entry(int dir, const char *name, int (*fn)(int folder, const char *entry, void *data), void *data)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, name, &r);
	const struct dirent *e;

	while ((e = isle_next_entry(stream, &r)) != NULL)
		r = fn(dirfd(stream), e->d_name, data);
	return r;
}

static int remove_name_of(int names, const char *name, void *data)
{
	const char *const *wanted = data;
	char id[32];
	ssize_t n = readlinkat(names, name, id, sizeof(id) - 1);

	if (n != 16 || strncmp(id, *wanted, 16) != 0)
		return 0;
	return unlinkat(names, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Its name may be another by now, and the old one that of another isle. */
static int remove_name(struct isle_store *store, const struct isle *isle)
{
	const char *id = isle->id;
	char other[17];
	auto_fd int lock = isle_name_lock(store);

	if (lock < 0)
		return lock;
	if (isle_name_target(store, isle->name, other) >= 0 && strcmp(other, id) == 0)
		return unlinkat(store->names, isle->name, 0) < 0 && errno != ENOENT ? -errno : 0;
	return for_each_entry(store->fd, "names", remove_name_of, &id);
}

int isle_remove(struct isle_store *store, const struct isle *isle, struct isle_err *err)
{
	char trash[40];
	int r = remove_name(store, isle);

	snprintf(trash, sizeof(trash), "trash/%s", isle->id);
	if (r >= 0)
		r = isle_renameat2(store->isles, isle->id, store->fd, trash, RENAME_NOREPLACE);
	return r < 0 ? isle_err_errno(err, r, "cannot remove isle '%s'", isle->name) : 0;
}

/* Layers of a removed isle that lie in places on other file systems. */
static int remove_placed_layers(int folder, const char *entry)
{
	struct isle isle = {.dir = openat(folder, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;

	if (isle.dir < 0)
		return -errno;
	snprintf(isle.id, sizeof(isle.id), "%.16s", entry); /* what its places are named after */
	int r = isle_layers_parse(&isle, &layers, NULL);
	isle_cleanup_fd(&isle.dir);
	if (r == -EUCLEAN)
		return 0; /* a table that is not to be believed leads nowhere */
	for (size_t i = 0; r >= 0 && i < layers.count; i++) {
		const char *place = layers.list[i].place;

		r = place == NULL ? 0 : isle_place_remove(place);
		if (r == -EPERM)
			isle_note("%s is left as it is: others control a directory on the way to it",
				  isle_quote(place));
		/* What is not mounted now cannot be reached. */
		if (r == -EPERM || r == -ENOTDIR || r == -ELOOP || r == -EACCES)
			r = 0;
	}
	return r;
}

static int empty_trash(int folder, const char *entry, void *data)
{
	(void)data;
	int r = remove_placed_layers(folder, entry);
	int removed = isle_remove_tree(folder, entry);

	return r < 0 ? r : removed;
}

static int collect_id(int folder, const char *entry, void *data)
{
	char id[32];
	ssize_t n = readlinkat(folder, entry, id, sizeof(id) - 1);

	/* An isle whose name cannot be read must not be taken for one without a name. */
	if (n <= 0)
		return n < 0 && errno != ENOENT && errno != EINVAL ? -errno : 0;
	id[n] = '\0';
	return isle_map_set(data, id, data);
}

struct gc {
	struct isle_store *store;
	struct isle_map named;
	struct isle_map shadows;
};

/* An isle without a name is one that was being made or removed when the machine stopped, or is being made now. */
static int sweep_isle(int folder, const char *entry, void *data)
{
	struct gc *gc = data;
	struct timespec now;
	char trash[300];

	clock_gettime(CLOCK_REALTIME, &now);
	if (isle_map_get(&gc->named, entry) == NULL) {
		if (isle_created(entry) / 1000000000 > (int64_t)now.tv_sec - 60)
			return 0;
		snprintf(trash, sizeof(trash), "trash/%s", entry);
		int r = isle_renameat2(folder, entry, gc->store->fd, trash, RENAME_NOREPLACE);
		return r == -EEXIST ? 0 : r;
	}
	struct isle isle = {.dir = openat(folder, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	if (isle.dir < 0) /* nor its shadows for unused */
		return errno == ENOENT ? 0 : -errno;
	snprintf(isle.id, sizeof(isle.id), "%.16s", entry); /* what its places are named after */
	int r = isle_layers_parse(&isle, &layers, NULL);
	isle_cleanup_fd(&isle.dir);
	for (size_t i = 0; r >= 0 && i < layers.count; i++) {
		if (layers.list[i].shadow != NULL)
			r = isle_map_set(&gc->shadows, layers.list[i].shadow, gc);
	}
	return r;
}

static int sweep_shadow(int folder, const char *entry, void *data)
{
	struct gc *gc = data;
	struct stat st;

	if (isle_map_get(&gc->shadows, entry) != NULL)
		return 0;
	/* One that a run is just about to use is younger than a minute. */
	if (fstatat(folder, entry, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ctime > time(NULL) - 60)
		return 0;
	return isle_remove_tree(folder, entry);
}

/* A name that leads to no isle: one was renamed while an earlier version removed it. */
static int sweep_name(int folder, const char *entry, void *data)
{
	struct gc *gc = data;
	char id[17];
	struct stat st;

	if (isle_name_target(gc->store, entry, id) < 0 ||
	    fstatat(gc->store->isles, id, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return 0;
	return unlinkat(folder, entry, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int collect_names(struct gc *gc)
{
	auto_fd int lock = isle_name_lock(gc->store);
	int r = lock < 0 ? lock : for_each_entry(gc->store->fd, "names", sweep_name, gc);

	return r < 0 ? r : for_each_entry(gc->store->fd, "names", collect_id, &gc->named);
}

int isle_store_gc(struct isle_store *store, struct isle_err *err)
{
	struct gc gc = {.store = store};
	int r = collect_names(&gc);

	if (r >= 0)
		r = for_each_entry(store->fd, "isles", sweep_isle, &gc);
	if (r >= 0)
		r = for_each_entry(store->fd, "shadows", sweep_shadow, &gc);
	if (r >= 0)
		r = for_each_entry(store->fd, "trash", empty_trash, NULL);
	isle_map_done(&gc.named);
	isle_map_done(&gc.shadows);
	if (r < 0)
		return isle_err_errno(err, r, "cannot clean up the store %s", isle_quote(store->path));
	return 0;
}
