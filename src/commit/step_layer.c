/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that concern the layers alone: discard and its undo, and where a commit takes all of a layer. The host is not
 * touched.
 *
 *   DROP      upper -> undo/ID/INDEX                    RESTORE   undo/OTHER/from -> upper
 *             (a whiteout is made there where an opaque directory did its work)
 *   LAYER     the directory that holds upper and work -> undo/ID/INDEX, and a fresh one in its place: constant time.
 *             In the undo of a discard the one that was parked takes the place of the present one.
 *   CARRY     undo/OTHER/from -> undo/ID/INDEX: the layer that a commit has parked, with what it took from the host
 *   REVERT    the metadata of a directory that stays, since it holds what is not discarded
 */
#include "kernel.h"
#include "overlay_index.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include "transaction.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_undo(const struct isle_transaction *tx)
{
	return tx->plan->kind == ISLE_OPERATION_UNDO;
}

static int object_at(int dir, const char *name, const struct isle_stat *wanted)
{
	struct isle_stat now;
	int r = isle_look(dir, name, &now);

	return r <= 0 ? r : isle_same_object(&now, wanted);
}

/* The directory of a layer: (parent, name). */
static int spot_layer(struct isle_transaction *tx, const struct isle_action *action, int *ret_parent, char name[64])
{
	const struct isle_site *site = &tx->plan->sites[action->site];
	const char *last = NULL;
	int fd;

	if (!tx->isle)
		return -ENOENT;
	if (!site->place) {
		snprintf(name, 64, "%u", site->layer);
		fd = isle_walk(tx->isle->dir, "layers.d", O_PATH | O_DIRECTORY);
	} else {
		fd = isle_place_parent(site->place, &last);
		if (fd >= 0 && strlen(last) > 63) {
			close(fd);
			return -EINVAL;
		}
		if (fd >= 0)
			snprintf(name, 64, "%s", last);
	}
	if (fd < 0)
		return fd;
	*ret_parent = fd;
	return 0;
}

static int fresh_layer(struct isle_transaction *tx, const struct isle_action *action)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	const struct isle_layer *layer = NULL;
	auto_fd int host = -1;
	size_t i;
	int r = isle_layers_read(tx->isle, &layers, tx->err);

	for (i = 0; r >= 0 && i < layers.count; i++)
		if (layers.list[i].number == tx->plan->sites[action->site].layer)
			layer = &layers.list[i];
	if (r < 0 || !layer)
		return r < 0 ? r : -ENOENT;
	host = isle_layer_open_host(layer);
	/* Gone since, it is in nobody's way. */
	if (host < 0 && (!isle_is_gone(host) || layer->kind == ISLE_LAYER_FILE))
		return host;
	return isle_layer_make(tx->isle, layer, host);
}

static int apply_layer(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parking, source;
	auto_fd int parent = -1;
	char name[64];
	int r = spot_layer(tx, action, &parent, name);

	if (r >= 0)
		r = isle_spot_record(tx, i, "", &parking);
	if (r >= 0)
		r = isle_move(parent, name, parking.dir, parking.name, RENAME_NOREPLACE);
	if (r < 0)
		return isle_step_failed(tx, action, r);
	isle_cleanup_fd(&tx->sites[action->site].layer);
	tx->sites[action->site].layer = -1;
	if (!is_undo(tx)) {
		r = fresh_layer(tx, action);
		return r < 0 ? isle_step_failed(tx, action, r) : 0;
	}
	r = isle_spot_source(tx, action, &source);
	if (r >= 0)
		r = isle_move(source.dir, source.name, parent, name, RENAME_NOREPLACE);
	return r < 0 ? isle_step_failed(tx, action, r) : 0;
}

static int back_layer(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parking, source;
	auto_fd int parent = -1;
	char name[64];
	struct isle_stat now;
	int r = isle_spot_record(tx, i, "", &parking);

	if (r >= 0)
		r = object_at(parking.dir, parking.name, &action->old);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = spot_layer(tx, action, &parent, name);
	if (r >= 0)
		r = isle_look(parent, name, &now);
	if (r < 0)
		return r;
	if (r > 0 && is_undo(tx)) {
		r = isle_spot_source(tx, action, &source);
		if (r >= 0)
			r = isle_move(parent, name, source.dir, source.name, RENAME_NOREPLACE);
	} else if (r > 0) {
		/* A fresh one that nobody has mounted yet: the live lock was held. */
		r = isle_remove_tree(parent, name);
	}
	if (r >= 0)
		r = isle_move(parking.dir, parking.name, parent, name, RENAME_NOREPLACE);
	return r < 0 ? r : 1;
}

static int is_layer_done(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parking;
	auto_fd int parent = -1;
	char name[64];
	int r = isle_spot_record(tx, i, "", &parking);

	if (r >= 0)
		r = object_at(parking.dir, parking.name, &action->old);
	if (r <= 0)
		return r;
	r = spot_layer(tx, action, &parent, name);
	/* A fresh one may be half made: then it is taken back. */
	return r < 0 ? r : is_undo(tx) ? object_at(parent, name, &action->new) : 0;
}

/* The link that the layer's index has to the object, which is in the upper. */
static int set_index(struct isle_transaction *tx, const struct isle_action *action, bool linked)
{
	struct isle_spot upper;
	int layer, r;

	if (!action->index)
		return 0;
	layer = isle_transaction_layer(tx, action->site);
	if (layer < 0)
		return layer;
	if (!linked)
		return isle_index_remove(layer, action->index, &action->new);
	r = isle_spot_upper(tx, action, &upper);
	return r < 0 ? r : isle_index_add(layer, action->index, upper.dir, upper.name);
}

/* What was dropped is that an opaque directory hides the name, which settle.c uncovers: undo hides it again by this. */
static int park_whiteout(struct isle_transaction *tx, size_t i, bool back)
{
	struct isle_spot record;
	int r = isle_spot_record(tx, i, "", &record);

	if (r < 0)
		return r;
	if (back)
		return unlinkat(record.dir, record.name, 0) < 0 && errno != ENOENT ? -errno : 0;
	return mknodat(record.dir, record.name, S_IFCHR, 0) < 0 && errno != EEXIST ? -errno : 0;
}

static int move_between(struct isle_transaction *tx, size_t i, bool back)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot upper, other;
	int r = isle_spot_upper(tx, action, &upper);
	bool out = action->kind == ISLE_ACTION_DROP;

	if (out && action->new.mode == 0)
		return park_whiteout(tx, i, back);
	if (r >= 0)
		r = out ? isle_spot_record(tx, i, "", &other) : isle_spot_source(tx, action, &other);
	if (r >= 0 && out != back)
		r = set_index(tx, action, false);
	if (r < 0)
		return r;
	if (out != back)
		r = isle_move(upper.dir, upper.name, other.dir, other.name, RENAME_NOREPLACE);
	else
		r = isle_move(other.dir, other.name, upper.dir, upper.name, RENAME_NOREPLACE);
	if (S_ISDIR(action->new.mode))
		isle_dirs_forget(&tx->sites[action->site].upper);
	return r >= 0 && out == back ? set_index(tx, action, true) : r;
}

/* Where the object of a DROP is once that is done. */
static int is_dropped(struct isle_transaction *tx, size_t i)
{
	struct isle_spot parking;
	int r = isle_spot_record(tx, i, "", &parking);

	if (tx->plan->actions[i].new.mode == 0)
		return 1;
	return r < 0 ? r : object_at(parking.dir, parking.name, &tx->plan->actions[i].new);
}

static int is_restored(struct isle_transaction *tx, size_t i)
{
	struct isle_spot upper;
	int r = isle_spot_upper(tx, &tx->plan->actions[i], &upper);

	return isle_is_gone(r) ? 0 : r < 0 ? r : object_at(upper.dir, upper.name, &tx->plan->actions[i].new);
}

/* All of a RESTORE: the link comes after the object. */
static int is_linked(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int layer, r = is_restored(tx, i);

	if (r <= 0 || !action->index)
		return r;
	layer = isle_transaction_layer(tx, action->site);
	return layer < 0 ? layer : isle_index_has(layer, action->index);
}

static int revert(struct isle_transaction *tx, size_t i, bool back)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot upper;
	int r = isle_spot_upper(tx, action, &upper);

	if (r < 0)
		return r;
	return isle_meta_apply(upper.dir, upper.name, back ? action->old_meta : action->new_meta, action->what);
}

static int is_reverted(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	auto_meta struct isle_meta now = ISLE_META_INIT;
	struct isle_spot upper;
	int r = isle_spot_upper(tx, action, &upper);

	if (r >= 0)
		r = isle_meta_read(upper.dir, upper.name, &now);
	if (r < 0)
		return r;
	return (isle_meta_compare(&now, action->new_meta) &
		(ISLE_META_MODE | ISLE_META_OWNER | ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS)) == 0;
}

static int carry(struct isle_transaction *tx, size_t i, bool back)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot record, source;
	int r = isle_spot_record(tx, i, "", &record);

	if (r >= 0)
		r = isle_spot_source(tx, action, &source);
	if (r < 0)
		return r;
	if (back)
		return isle_move(record.dir, record.name, source.dir, source.name, RENAME_NOREPLACE);
	return isle_move(source.dir, source.name, record.dir, record.name, RENAME_NOREPLACE);
}

static int is_carried(struct isle_transaction *tx, size_t i)
{
	struct isle_spot record;
	int r = isle_spot_record(tx, i, "", &record);

	return r < 0 ? r : object_at(record.dir, record.name, &tx->plan->actions[i].old);
}

int isle_layer_step_apply(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r;

	if (action->kind == ISLE_ACTION_LAYER)
		return apply_layer(tx, i);
	if (action->kind == ISLE_ACTION_CARRY) {
		r = carry(tx, i, false);
		return r < 0 ? isle_step_failed(tx, action, r) : 0;
	}
	r = action->kind == ISLE_ACTION_REVERT ? revert(tx, i, false) : move_between(tx, i, false);
	return r < 0 ? isle_step_failed(tx, action, r) : 0;
}

int isle_layer_step_rollback(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r;

	if (action->kind == ISLE_ACTION_LAYER)
		return back_layer(tx, i);
	if (action->kind == ISLE_ACTION_REVERT) {
		r = revert(tx, i, true);
		return r < 0 ? r : 1;
	}
	if (action->kind == ISLE_ACTION_CARRY) {
		r = is_carried(tx, i);
		if (r > 0)
			r = carry(tx, i, true);
		return r < 0 ? r : 1;
	}
	r = action->kind == ISLE_ACTION_DROP ? is_dropped(tx, i) : is_restored(tx, i);
	if (r > 0)
		r = move_between(tx, i, true);
	else if (r == 0 && action->kind == ISLE_ACTION_DROP)
		r = set_index(tx, action, true); /* it went before the object */
	return r < 0 ? r : 1;
}

int isle_layer_step_is_done(struct isle_transaction *tx, size_t i)
{
	switch (tx->plan->actions[i].kind) {
	case ISLE_ACTION_LAYER:
		return is_layer_done(tx, i);
	case ISLE_ACTION_REVERT:
		return is_reverted(tx, i);
	case ISLE_ACTION_DROP:
		return is_dropped(tx, i);
	case ISLE_ACTION_CARRY:
		return is_carried(tx, i);
	default:
		return is_linked(tx, i);
	}
}
