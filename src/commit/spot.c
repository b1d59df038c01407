/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are during an operation.
 *
 *   STORE/undo/ID/               plan, applied, and below it SHELF/INDEX, what was parked of layers in the store
 *                                (a layer that was parked whole: SHELF/INDEX/upper/PATH)
 *   PLACES/undo-ISLE-ID/         SHELF/INDEX, what was parked of layers in a place on another file system (PLACES holds
 *                                the places)
 *   HOSTDIR/.isle-ISLE-ID-INDEX  what is parked where neither shares a mount with the host's directory; only
 *                                while the operation lasts
 */
#include "path.h"
#include "subtree.h"
#include "touching.h"
#include "transaction.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SHELF_SIZE = 64 };

static const char shelf_prefix[] = "shelf-";

struct isle_parked_name isle_parked_name(size_t i, const char *suffix)
{
	struct isle_parked_name name;

	snprintf(name.text, sizeof(name.text), "%s%zu/%zu%s", shelf_prefix, i / SHELF_SIZE, i, suffix);
	return name;
}

const char *isle_site_prefix(const struct isle_site *site)
{
	return site->user ? "user.overlay." : "trusted.overlay.";
}

struct isle_layer isle_site_layer(const struct isle_site *site)
{
	return (struct isle_layer){.number = site->layer, .user = site->user, .place = site->place, .path = site->path};
}

int isle_plan_check_places(const struct isle_plan *plan, struct isle_err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->site_count && r >= 0; i++)
		if (plan->sites[i].place)
			r = isle_place_check(plan->sites[i].place, err);
	return r;
}

/* The parent directory of the parking (a new descriptor) and its name there. */
static int parking_parent(struct isle_store *store, const struct isle_plan *plan, const struct isle_site *site,
			  int64_t id, char name[64])
{
	const char *layer = NULL;
	int fd;

	if (!site || !site->place) {
		snprintf(name, 64, "%" PRId64, id);
		fd = isle_walk(isle_store_fd(store), "undo", O_PATH | O_DIRECTORY);
		if (fd != -ENOENT)
			return fd;
		if (mkdirat(isle_store_fd(store), "undo", 0700) < 0 && errno != EEXIST)
			return -errno;
		return isle_walk(isle_store_fd(store), "undo", O_PATH | O_DIRECTORY);
	}
	snprintf(name, 64, "undo-%s-%" PRId64, plan->isle_id, id);
	return isle_place_parent(site->place, &layer);
}

int isle_parking_open(struct isle_store *store, const struct isle_plan *plan, const struct isle_site *site, int64_t id,
		      unsigned flags)
{
	char name[64];
	auto_fd int parent = parking_parent(store, plan, site, id, name);
	struct stat st;
	auto_fd int fd = -1;

	if (parent < 0)
		return parent;
	if ((flags & ISLE_PARKING_CREATE) && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 0077) != 0)
		return -EPERM;
	return fd_take(&fd);
}

static int remove_shelves(int parent, const char *name)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(parent, name, &r);
	const struct dirent *entry;

	while ((entry = isle_next_entry(stream, &r)))
		if (strncmp(entry->d_name, shelf_prefix, sizeof(shelf_prefix) - 1) == 0 &&
		    unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
			r = -errno;
	return r;
}

int isle_parking_remove(struct isle_store *store, const struct isle_plan *plan, const struct isle_site *site,
			int64_t id)
{
	char name[64];
	auto_fd int parent = parking_parent(store, plan, site, id, name);
	int r;

	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	r = remove_shelves(parent, name);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	return -errno;
}

static int tx_parking(struct isle_transaction *tx, unsigned site)
{
	struct isle_dirs *parking = &tx->sites[site].parking;
	int fd;

	if (parking->root < 0) {
		fd = isle_parking_open(tx->store, tx->plan, &tx->plan->sites[site], tx->id, ISLE_PARKING_CREATE);
		if (fd < 0)
			return fd;
		parking->root = fd;
	}
	return parking->root;
}

static int dirs_at(struct isle_dirs *dirs, const char *path, struct isle_spot *ret_spot)
{
	ret_spot->dir = isle_dirs_parent(dirs, path, &ret_spot->name);
	return ret_spot->dir < 0 ? ret_spot->dir : 0;
}

int isle_spot_host(struct isle_transaction *tx, const char *path, struct isle_spot *ret_spot)
{
	return dirs_at(&tx->other, path, ret_spot);
}

int isle_spot_target(struct isle_transaction *tx, const struct isle_action *action, struct isle_spot *ret_spot)
{
	return dirs_at(&tx->host, action->path, ret_spot);
}

int isle_spot_record(struct isle_transaction *tx, size_t i, const char *suffix, struct isle_spot *ret_spot)
{
	unsigned site = tx->plan->actions[i].site;
	struct isle_parked_name name = isle_parked_name(i, suffix);
	char *slash = strchr(name.text, '/');
	int root = tx_parking(tx, site);
	int r;

	if (root < 0)
		return root;
	r = dirs_at(&tx->sites[site].parking, name.text, ret_spot);
	if (r == -ENOENT) {
		*slash = '\0';
		if (mkdirat(root, name.text, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
		r = dirs_at(&tx->sites[site].parking, name.text, ret_spot);
	}
	if (r < 0)
		return r;
	snprintf(ret_spot->buffer, sizeof(ret_spot->buffer), "%s", slash + 1);
	ret_spot->name = ret_spot->buffer;
	return 0;
}

int isle_spot_parking(struct isle_transaction *tx, size_t i, struct isle_spot *ret_spot)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r;

	if (action->flags & ISLE_ACTION_WITHIN)
		return isle_spot_upper(tx, action, ret_spot);
	if (!(action->flags & ISLE_ACTION_CROSS) || action->kind == ISLE_ACTION_WRITE)
		return isle_spot_record(tx, i, "", ret_spot);
	r = dirs_at(&tx->other, action->park ? action->park : action->path, ret_spot);
	if (r < 0)
		return r;
	snprintf(ret_spot->buffer, sizeof(ret_spot->buffer), ".isle-%s-%" PRId64 "-%zu", tx->plan->isle_id, tx->id, i);
	ret_spot->name = ret_spot->buffer;
	return 0;
}

/* A directory if it is the one that this action parks. -ENOENT: it is not there. */
static int open_taken_at(const struct isle_spot *at, const struct isle_action *action)
{
	struct isle_stat now;
	int r = isle_look(at->dir, at->name, &now);

	if (r < 0)
		return r;
	if (r == 0 || !isle_same_object(&now, &action->old))
		return -ENOENT;
	r = openat(at->dir, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static int open_layer(struct isle_transaction *tx, unsigned site)
{
	const struct isle_layer layer = isle_site_layer(&tx->plan->sites[site]);

	return tx->isle ? isle_layer_open(tx->isle, &layer) : -ENOENT;
}

/* One that is parked as a whole: parked, or not yet. */
static int open_taken(struct isle_transaction *tx, unsigned site)
{
	size_t i = tx->sites[site].taken - 1;
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot at;
	int fd, r = isle_spot_record(tx, i, "", &at);

	fd = r < 0 ? r : open_taken_at(&at, action);
	if (fd != -ENOENT)
		return fd;
	/* Not parked yet: what is prepared comes from where it still is. */
	if (action->kind == ISLE_ACTION_LAYER) {
		auto_fd int layer = open_layer(tx, site);
		struct isle_stat now;

		r = layer < 0 ? layer : isle_look(layer, "", &now);
		if (r < 0)
			return r;
		return isle_same_object(&now, &action->old) ? fd_take(&layer) : -ENOENT;
	}
	r = isle_spot_source(tx, action, &at);
	return r < 0 ? r : open_taken_at(&at, action);
}

int isle_transaction_layer(struct isle_transaction *tx, unsigned site)
{
	struct isle_transaction_site *s = &tx->sites[site];

	if (s->layer < 0)
		s->layer = s->taken ? open_taken(tx, site) : open_layer(tx, site);
	return s->layer;
}

int isle_spot_upper(struct isle_transaction *tx, const struct isle_action *action, struct isle_spot *ret_spot)
{
	struct isle_dirs *dirs = &tx->sites[action->site].upper;

	if (dirs->root < 0) {
		int layer = isle_transaction_layer(tx, action->site);
		int fd = layer < 0 ? layer : isle_walk(layer, "upper", O_RDONLY | O_DIRECTORY);

		if (fd < 0)
			return fd;
		dirs->root = fd;
	}
	if (!action->upper)
		return -ENOENT;
	if (action->upper[0] == '\0') {
		ret_spot->dir = dirs->root;
		ret_spot->name = "";
		return 0;
	}
	return dirs_at(dirs, action->upper, ret_spot);
}

int isle_spot_source(struct isle_transaction *tx, const struct isle_action *action, struct isle_spot *ret_spot)
{
	struct isle_transaction_site *s = &tx->sites[action->site];
	const char *name;

	if (action->flags & ISLE_ACTION_WITHIN)
		return isle_spot_upper(tx, action, ret_spot);
	if (tx->plan->kind != ISLE_OPERATION_UNDO) {
		if (!(action->flags & ISLE_ACTION_FILE))
			return isle_spot_upper(tx, action, ret_spot);
		ret_spot->dir = isle_transaction_layer(tx, action->site);
		ret_spot->name = "file";
		return ret_spot->dir < 0 ? ret_spot->dir : 0;
	}
	if (s->source.root < 0) {
		int fd = isle_parking_open(tx->store, tx->plan, &tx->plan->sites[action->site], tx->plan->target, 0);

		if (fd < 0)
			return fd;
		s->source.root = fd;
	}
	/* Of the layer's own kinds upper is where the object goes. */
	name = action->kind >= ISLE_ACTION_DROP ? action->from : action->upper;
	return name ? dirs_at(&s->source, name, ret_spot) : -ENOENT;
}

int isle_spot_written(struct isle_transaction *tx, size_t i, struct isle_spot *ret_spot)
{
	const struct isle_action *action = &tx->plan->actions[i];

	return action->compose ? isle_spot_record(tx, i, ISLE_COMPOSED, ret_spot)
			       : isle_spot_source(tx, action, ret_spot);
}

static bool parks_whole_layer(const struct isle_plan *plan, const struct isle_action *action)
{
	return action->kind == ISLE_ACTION_CARRY ||
	       (action->kind == ISLE_ACTION_LAYER && plan->kind == ISLE_OPERATION_COMMIT);
}

int isle_transaction_init(struct isle_store *store, const struct isle *isle, struct isle_plan *plan, int64_t id,
			  struct isle_transaction *ret_tx)
{
	auto_transaction struct isle_transaction tx = {.store = store, .isle = isle, .plan = plan, .id = id};
	size_t i;
	int r;

	tx.host = tx.other = ISLE_DIRS_INIT;
	tx.sites = calloc(plan->site_count + 1, sizeof(*tx.sites));
	if (!tx.sites)
		return -ENOMEM;
	for (i = 0; i <= plan->site_count; i++)
		tx.sites[i] = (struct isle_transaction_site){
			ISLE_DIRS_INIT, ISLE_DIRS_INIT, ISLE_DIRS_INIT, ISLE_DIRS_INIT, -1, 0};
	for (i = 0; i < plan->action_count; i++)
		if (parks_whole_layer(plan, &plan->actions[i]))
			tx.sites[plan->actions[i].site].taken = i + 1;
	r = isle_dirs_init_host(&tx.host);
	if (r >= 0)
		r = isle_dirs_init_host(&tx.other);
	if (r < 0)
		return r;
	*ret_tx = tx;
	tx = (struct isle_transaction){.host = ISLE_DIRS_INIT, .other = ISLE_DIRS_INIT};
	return 0;
}

void isle_transaction_done(struct isle_transaction *tx)
{
	size_t i;

	for (i = 0; tx->sites && i <= tx->plan->site_count; i++) {
		isle_dirs_done(&tx->sites[i].upper);
		isle_dirs_done(&tx->sites[i].work);
		isle_dirs_done(&tx->sites[i].parking);
		isle_dirs_done(&tx->sites[i].source);
		isle_cleanup_fd(&tx->sites[i].layer);
	}
	free(tx->sites);
	isle_touching_free(&tx->touching);
	free(tx->let_go);
	isle_dirs_done(&tx->host);
	isle_dirs_done(&tx->other);
	tx->sites = NULL;
}
