/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo: the inverse of a done operation's plan, as a plan of its own.
 *
 *   REMOVE   -> CREATE from what was parked        CREATE   -> REMOVE
 *   EXCHANGE -> EXCHANGE with what was parked      WRITE    -> WRITE from the copy of the old
 *   TAKE a + PLACE b -> TAKE b + PLACE a           META     -> META with the sides changed
 *   DROP     -> RESTORE                            LAYER    -> LAYER; of a commit: CARRY
 *   CARRY    -> CARRY
 *
 * The host must be as the operation left it. What it put there is told by its inode number; that nobody has touched it
 * since, by a ctime that is not later than the end of the operation (but for what an undo that was taken back has
 * moved, touched.h), for everything below a directory as well. Times and size are compared besides. What differs is a
 * conflict, and nothing is done.
 *
 * The isle does not get back what was committed: undo is about the host. To have the changes again, undo the undo.
 */
#include "overlay_index.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "subtree.h"
#include "touched.h"
#include "transaction_internal.h"
#include "undo_internal.h"
#include "writers.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void isle_undo_done(struct undo *u)
{
	size_t i;

	isle_cleanup_fd(&u->host_lock);
	isle_cleanup_fd(&u->lock);
	isle_cleanup_fd(&u->live);
	for (i = 0; u->parked && i < u->old.site_count; i++)
		isle_dirs_done(&u->parked[i]);
	free(u->parked);
	free(u->taken);
	isle_plan_done(&u->old);
	isle_plan_done(&u->plan);
	isle_dirs_done(&u->host);
	isle_map_done(&u->places);
	isle_touched_done(&u->touched);
	isle_free(u->isle);
}
static int out_of_memory(struct undo *u)
{
	return isle_err_errno(u->err, -ENOMEM, "cannot plan the undo");
}

static int conflict(struct undo *u, const char *path, const char *kind, const struct isle_stat *now, const char *why)
{
	struct isle_finding *finding;
	int r = isle_finding_add(&u->result->conflicts, path, kind, &finding, "%s", why);

	if (r < 0)
		return out_of_memory(u);
	finding->now = *now;
	return 0;
}

/* A new action at the same place as the old one. */
static struct isle_action *inverse(struct undo *u, const struct isle_action *old, enum isle_action_kind kind)
{
	struct isle_action *action = isle_plan_add(&u->plan);

	if (!action)
		return NULL;
	action->kind = kind;
	action->site = old->site;
	action->flags = old->flags & (ISLE_ACTION_CROSS | ISLE_ACTION_FILE | ISLE_ACTION_SHARED | ISLE_ACTION_KEEP);
	action->what = old->what;
	action->diff = old->diff;
	action->pair = (uint32_t)(u->plan.action_count - 1);
	action->old = old->new;
	action->new = old->old;
	action->path = strdup(old->path);
	return action->path ? action : NULL;
}

/* What the operation wrote into the object last, by whatever name of it; NULL: nothing. */
static const struct isle_meta *written_by(const struct undo *u, const struct isle_stat *object)
{
	size_t i = u->old.action_count;

	while (i-- > 0) {
		const struct isle_action *action = &u->old.actions[i];

		if (action->kind == ISLE_ACTION_WRITE && isle_same_object(&action->old, object))
			return action->new_meta;
	}
	return NULL;
}

/* Its change time moved because the operation, at its very end, took one of its names out of its own record. */
static bool is_forgotten_name(const struct undo *u, const struct isle_stat *put, const struct isle_stat *now)
{
	const struct isle_meta *written = written_by(u, put);
	const struct statx_timestamp *mtime = written ? &written->st.stx_mtime : &put->mtime;
	size_t i;

	if (u->old.kind != ISLE_OPERATION_UNDO || (!written && put->size != now->size) ||
	    isle_time_after(mtime, &now->mtime) || isle_time_after(&now->mtime, mtime))
		return false;
	for (i = 0; i < u->old.action_count; i++) {
		const struct isle_action *action = &u->old.actions[i];

		if (action->kind == ISLE_ACTION_REMOVE && action->from && isle_same_object(&action->old, now))
			return true;
	}
	return false;
}

static int changed_inside(struct undo *u, const struct isle_action *old, const struct isle_stat *now,
			  const char *inside)
{
	auto_free char *path = isle_path_join(old->path, inside);
	auto_free char *why = NULL;

	if (!path || asprintf(&why, "%s, which is in it, has been made or changed since", isle_quote(path)) < 0)
		return out_of_memory(u);
	return conflict(u, old->path, "changed", now, why);
}

/* A directory's times move with what is in it. So what the operation has set is compared with what it has now. */
static int look_at_metadata(struct undo *u, const struct isle_action *old, int dir, const char *name,
			    const struct isle_stat *now)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	unsigned diff = 0;
	int r = old->flags & ISLE_ACTION_HIDDEN ? 0 : isle_meta_read(dir, name, &meta);

	if (r < 0)
		return isle_err_errno(u->err, r, "cannot look at '%s'", isle_quote(old->path));
	if (!(old->flags & ISLE_ACTION_HIDDEN))
		diff = isle_meta_compare(&meta, old->new_meta);
	if (!(old->what & ISLE_APPLY_OWNER))
		diff &= ~(unsigned)ISLE_META_OWNER;
	if (!(old->what & ISLE_APPLY_MODE))
		diff &= ~(unsigned)ISLE_META_MODE;
	if (!(old->what & ISLE_APPLY_XATTRS))
		diff &= ~(unsigned)(ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS);
	if (diff & (ISLE_META_OWNER | ISLE_META_MODE | ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS))
		return conflict(u, old->path, "changed", now, "its owner, mode or attributes have changed since");
	return 1;
}

/* What the operation put at path, as it is now. 1: untouched, in *ret_now; 0: a conflict, listed. */
static int look_at_result(struct undo *u, const struct isle_action *old, const struct isle_stat *put,
			  struct isle_stat *ret_now)
{
	auto_free char *inside = NULL;
	const char *name;
	int dir = isle_dirs_parent(&u->host, old->path, &name);
	int r = dir < 0 ? dir : isle_look(dir, name, ret_now);

	if (isle_is_gone(r))
		r = 0;
	if (r < 0)
		return isle_err_errno(u->err, r, "cannot look at '%s'", isle_quote(old->path));
	if (r == 0) {
		*ret_now = (struct isle_stat){0};
		return conflict(u, old->path, "deleted", ret_now, "it has been deleted or moved since");
	}
	if (!isle_same_object(ret_now, put) || (ret_now->mode & S_IFMT) != (put->mode & S_IFMT))
		return conflict(u, old->path, "replaced", ret_now, "it has been replaced since");
	if (S_ISDIR(put->mode)) {
		if (old->kind == ISLE_ACTION_META)
			return look_at_metadata(u, old, dir, name, ret_now);
		if (old->kind == ISLE_ACTION_PLACE)
			return 1;
		r = isle_subtree_quiet(dir, name, &u->end, &u->touched, &inside);
		if (r == 0)
			return changed_inside(u, old, ret_now, inside);
		return r < 0 ? isle_err_errno(u->err, r, "cannot look through '%s'", isle_quote(old->path)) : 1;
	}
	if (isle_touched_later(&u->touched, ret_now, &u->end) && !is_forgotten_name(u, put, ret_now))
		return conflict(u, old->path, "changed", ret_now, "it has changed since");
	return 1;
}

/* What is at path is there because the operation put it, or something above it, there: undo takes that away first. */
static bool goes_away(const struct undo *u, const struct isle_action *old, const char *path)
{
	size_t i;

	for (i = 0; i < u->old.action_count; i++) {
		const struct isle_action *other = &u->old.actions[i];

		if (other != old &&
		    (other->kind == ISLE_ACTION_CREATE || other->kind == ISLE_ACTION_PLACE ||
		     other->kind == ISLE_ACTION_EXCHANGE) &&
		    isle_path_below(path, other->path))
			return true;
	}
	return false;
}

/* Nothing may be where something comes back. */
static int look_for_room(struct undo *u, const struct isle_action *old, const char *path)
{
	struct isle_stat now = {0};
	const char *name;
	int dir = isle_dirs_parent(&u->host, path, &name);
	int r = dir < 0 ? dir : isle_look(dir, name, &now);

	if (r == -ENOENT || r == 0)
		return 1; /* its directory may come back, too */
	if (r < 0 && r != -ENOTDIR && r != -ELOOP)
		return isle_err_errno(u->err, r, "cannot look at '%s'", isle_quote(path));
	if (goes_away(u, old, path))
		return 1;
	if (r < 0)
		return conflict(u, path, "replaced", &now, "its directory has been replaced since");
	return conflict(u, path, "created", &now, "something of this name has been made since");
}

/* The directory that holds a parked object. */
static int parked_dir(struct undo *u, unsigned site, const char *path, const char **ret_name)
{
	struct isle_dirs *dirs = &u->parked[site];

	if (dirs->root < 0) {
		int fd = isle_parking_open(u->store, &u->old, &u->old.sites[site], u->id, 0);

		if (fd < 0)
			return fd;
		dirs->root = fd;
	}
	return isle_dirs_parent(dirs, path, ret_name);
}

/* The parked object of action i becomes the source. */
static int add_source(struct undo *u, size_t i, struct isle_action *action)
{
	struct isle_parked_name name = isle_parked_name(i, "");
	const char *last;
	int dir = parked_dir(u, action->site, name.text, &last);
	int r;

	r = dir < 0 ? dir : isle_look(dir, last, &action->new);
	if (r == 0)
		r = -ENOENT;
	if (r < 0)
		return isle_err_errno(u->err, r, "what operation %" PRId64 " took of '%s' is gone", u->id,
				      isle_quote(action->path));
	action->upper = strdup(name.text);
	if (!action->upper)
		return out_of_memory(u);
	if (action->flags & ISLE_ACTION_CROSS)
		action->prepare = ISLE_PREPARE_COPY;
	return 0;
}

/* The same for one that changed places with an object of a layer that was parked as a whole. */
static int add_source_within(struct undo *u, const struct isle_action *old, struct isle_action *action)
{
	struct isle_parked_name layer = isle_parked_name(u->taken[old->site] - 1, "");
	auto_free char *path = NULL;
	const char *name;
	int dir, r;

	if (asprintf(&path, "%s/upper/%s", layer.text, old->upper) < 0) {
		path = NULL;
		return out_of_memory(u);
	}
	dir = parked_dir(u, old->site, path, &name);
	r = dir < 0 ? dir : isle_look(dir, name, &action->new);
	if (r <= 0)
		return isle_err_errno(u->err, r < 0 ? r : -ENOENT, "what operation %" PRId64 " took of '%s' is gone",
				      u->id, isle_quote(action->path));
	action->flags |= ISLE_ACTION_WITHIN;
	action->upper = strdup(old->upper);
	return action->upper ? 0 : out_of_memory(u);
}

static int undo_remove(struct undo *u, size_t i, const struct isle_action *old)
{
	struct isle_action *action;
	int r = look_for_room(u, old, old->path);

	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_CREATE);
	if (!action)
		return out_of_memory(u);
	action->old = (struct isle_stat){0};
	action->change = ISLE_CREATE;
	if (!old->from || u->old.kind != ISLE_OPERATION_UNDO)
		return add_source(u, i, action);
	action->prepare = ISLE_PREPARE_HOST;
	action->from = strdup(old->from);
	return action->from ? 0 : out_of_memory(u);
}

static int undo_create(struct undo *u, const struct isle_action *old)
{
	struct isle_action *action;
	struct isle_stat now;
	int r = look_at_result(u, old, &old->new, &now);

	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_REMOVE);
	if (!action)
		return out_of_memory(u);
	action->old = now;
	action->new = (struct isle_stat){0};
	action->change = ISLE_DELETE;
	if (old->prepare == ISLE_PREPARE_HOST) {
		action->from = strdup(old->from);
		action->flags |= ISLE_ACTION_SHARED;
		return action->from ? 0 : out_of_memory(u);
	}
	return 0;
}

/* What lies in a directory that is renamed back is met there, after that. */
static int follow_rename(struct undo *u, struct isle_action *action)
{
	auto_free char *path = strdup(action->path);
	char *slash, *moved;

	if (!path)
		return out_of_memory(u);
	do {
		size_t place = (size_t)isle_map_get(&u->places, path);
		const struct isle_action *take = place > 0 ? &u->old.actions[u->old.actions[place - 1].pair] : NULL;

		if (take) {
			if (asprintf(&moved, "%s%s", take->path, action->path + strlen(path)) < 0)
				return out_of_memory(u);
			free(action->path);
			action->path = moved;
			return 0;
		}
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	} while (slash && slash > path);
	return 0;
}

static int index_places(struct undo *u)
{
	size_t i;
	int r = 0;

	for (i = 0; i < u->old.action_count && r >= 0; i++)
		if (u->old.actions[i].kind == ISLE_ACTION_PLACE)
			r = isle_map_set(&u->places, u->old.actions[i].path, (void *)(i + 1));
	return r;
}

static int undo_exchange(struct undo *u, size_t i, const struct isle_action *old)
{
	struct isle_action *action;
	struct isle_stat now = {0};
	int r = look_at_result(u, old, &old->new, &now);

	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_EXCHANGE);
	if (!action)
		return out_of_memory(u);
	action->old = now;
	if (isle_stat_is_linked(&now))
		action->flags |= ISLE_ACTION_SHARED;
	action->change = ISLE_MODIFY;
	r = follow_rename(u, action);
	if (r < 0)
		return r;
	return (old->flags & ISLE_ACTION_WITHIN) ? add_source_within(u, old, action) : add_source(u, i, action);
}

static int undo_in_place(struct undo *u, size_t i, const struct isle_action *old)
{
	struct isle_action *action;
	struct isle_stat now;
	int r;

	if (old->flags & ISLE_ACTION_HIDDEN)
		return 0;
	r = look_at_result(u, old, &old->old, &now);
	if (r <= 0)
		return r;
	action = inverse(u, old, old->kind);
	if (!action || isle_meta_copy(old->new_meta, &action->old_meta) < 0 ||
	    isle_meta_copy(old->old_meta, &action->new_meta) < 0)
		return out_of_memory(u);
	action->old = action->new = now;
	action->flags |= old->flags & ISLE_ACTION_LOOSE;
	if (old->compose)
		action->what |= ISLE_APPLY_TIMES; /* forwards they were those of the commit */
	action->change = old->kind == ISLE_ACTION_META ? ISLE_METADATA : ISLE_MODIFY;
	r = follow_rename(u, action);
	if (r < 0 || old->kind == ISLE_ACTION_META)
		return r;
	if (strcmp(action->path, old->path) != 0 && !(action->from = strdup(old->path)))
		return out_of_memory(u);
	r = add_source(u, i, action);
	action->new = now;
	action->prepare = ISLE_PREPARE_BACKUP;
	return r;
}

/* old is the PLACE; its TAKE says where the object was. */
static int undo_rename(struct undo *u, const struct isle_action *old)
{
	const struct isle_action *take = &u->old.actions[old->pair];
	struct isle_action *action;
	struct isle_stat now;
	uint32_t pair;
	int r = look_at_result(u, old, &old->new, &now);

	if (r > 0)
		r = look_for_room(u, take, take->path);
	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_TAKE);
	if (!action || !(action->from = strdup(take->path)))
		return out_of_memory(u);
	action->old = now;
	action->new = (struct isle_stat){0};
	action->flags |= ISLE_ACTION_LOOSE | ISLE_ACTION_HIDDEN;
	pair = action->pair;
	action = inverse(u, take, ISLE_ACTION_PLACE);
	if (!action || !(action->from = strdup(old->path)))
		return out_of_memory(u);
	action->pair = pair;
	action->old = (struct isle_stat){0};
	action->new = now;
	action->change = ISLE_RENAME;
	return 0;
}

/* What the isle has where something comes back to. 1: nothing; 0: a conflict, listed. */
static int look_for_room_in_isle(struct undo *u, const struct isle_action *old)
{
	const struct isle_site *site = &u->old.sites[old->site];
	const struct isle_layer layer = isle_site_layer(site);
	auto_fd int fd = isle_layer_open(u->isle, &layer);
	auto_fd int upper = fd < 0 ? -1 : isle_walk(fd, "upper", O_PATH | O_DIRECTORY);
	const char *name = NULL;
	auto_fd int dir = upper < 0 ? -1 : isle_walk_parent(upper, old->upper, O_PATH | O_DIRECTORY, &name);
	struct isle_stat now = {0};
	int r = fd < 0 ? fd : upper < 0 ? upper : dir < 0 ? dir : isle_look(dir, name, &now);

	if (r == 0 && old->index)
		r = isle_index_has(fd, old->index);
	if (r == 0 || isle_is_gone(r))
		return 1;
	if (r < 0)
		return isle_err_errno(u->err, r, "cannot look at '%s' in the isle", isle_quote(old->path));
	return conflict(u, old->path, "changed", &now, "the isle has changed it anew since the discard");
}

/* 0: there is none. */
static int look_at_parked(struct undo *u, unsigned site, const char *path, struct isle_stat *ret_stat)
{
	const char *name;
	int dir = parked_dir(u, site, path, &name);
	int r = dir < 0 ? dir : isle_look(dir, name, ret_stat);

	if (isle_is_gone(r))
		return 0;
	return r < 0 ? isle_err_errno(u->err, r, "cannot look at what operation %" PRId64 " has dropped", u->id) : r;
}

static int undo_drop(struct undo *u, size_t i, const struct isle_action *old)
{
	struct isle_parked_name name = isle_parked_name(i, "");
	struct isle_stat put = old->new;
	struct isle_action *action;
	int r = 1;

	if (put.mode == 0) /* a whiteout was made: step_layer.c */
		r = look_at_parked(u, old->site, name.text, &put);
	if (r <= 0)
		return r;
	r = look_for_room_in_isle(u, old);
	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_RESTORE);
	if (!action || !(action->upper = strdup(old->upper)) || !(action->from = strdup(name.text)) ||
	    (old->index && !(action->index = strdup(old->index))))
		return out_of_memory(u);
	action->new = put;
	action->old = (struct isle_stat){0};
	return 0;
}

/* What was put back into the isle, as it is now. 1: untouched; 0: a conflict, listed. */
static int look_at_restored(struct undo *u, const struct isle_action *old)
{
	static const char why[] = "the isle has changed it anew since";
	const struct isle_site *site = &u->old.sites[old->site];
	const struct isle_layer layer = isle_site_layer(site);
	auto_fd int upper = isle_layer_open_upper(u->isle, &layer);
	const char *name = NULL;
	auto_fd int dir = upper < 0 ? -1 : isle_walk_parent(upper, old->upper, O_PATH | O_DIRECTORY, &name);
	auto_free char *inside = NULL;
	struct isle_stat now = {0};
	int r = upper < 0 ? upper : dir < 0 ? dir : isle_look(dir, name, &now);

	if (isle_is_gone(r))
		r = 0;
	if (r < 0)
		return isle_err_errno(u->err, r, "cannot look at '%s' in the isle", isle_quote(old->path));
	/* The kernel makes one whiteout do for many names: its links come and go, and its ctime with them. */
	if (r == 0 || !isle_same_object(&now, &old->new) ||
	    (!S_ISCHR(now.mode) && isle_time_after(&now.ctime, &u->end)))
		return conflict(u, old->path, "changed", &now, why);
	if (!S_ISDIR(now.mode))
		return 1;
	r = isle_subtree_quiet(dir, name, &u->end, &u->touched, &inside);
	if (r == 0)
		return conflict(u, old->path, "changed", &now, why);
	return r < 0 ? isle_err_errno(u->err, r, "cannot look through '%s' in the isle", isle_quote(old->path)) : 1;
}

static int undo_restore(struct undo *u, const struct isle_action *old)
{
	struct isle_action *action;
	int r = look_at_restored(u, old);

	if (r <= 0)
		return r;
	action = inverse(u, old, ISLE_ACTION_DROP);
	if (!action || !(action->upper = strdup(old->upper)) || (old->index && !(action->index = strdup(old->index))))
		return out_of_memory(u);
	action->new = old->new;
	action->old = (struct isle_stat){0};
	return 0;
}

static int undo_revert(struct undo *u, const struct isle_action *old)
{
	struct isle_action *action = inverse(u, old, ISLE_ACTION_REVERT);

	if (!action || !(action->upper = strdup(old->upper)) || isle_meta_copy(old->new_meta, &action->old_meta) < 0 ||
	    isle_meta_copy(old->old_meta, &action->new_meta) < 0)
		return out_of_memory(u);
	return 0;
}

/* The layer that came in its place must still be empty. */
static int undo_layer(struct undo *u, size_t i, const struct isle_action *old)
{
	const struct isle_site *site = &u->old.sites[old->site];
	const struct isle_layer layer = isle_site_layer(site);
	auto_fd int fd = isle_layer_open(u->isle, &layer);
	struct isle_parked_name name = isle_parked_name(i, "");
	struct isle_action *action;
	int r;

	if (fd < 0)
		return isle_err_errno(u->err, fd, "cannot open the layer of '%s'", site->path);
	action = inverse(u, old, ISLE_ACTION_LAYER);
	if (!action || !(action->from = strdup(name.text)))
		return out_of_memory(u);
	action->new = old->old;
	r = isle_look(fd, "", &action->old);
	return r < 0 ? isle_err_errno(u->err, r, "cannot open the layer of '%s'", site->path) : 0;
}

/* The layer that a commit parked comes along into this operation's record: the steps work on what is in it. */
static int undo_taken(struct undo *u, size_t i, const struct isle_action *old)
{
	struct isle_parked_name name = isle_parked_name(i, "");
	struct isle_action *action = inverse(u, old, ISLE_ACTION_CARRY);

	if (!action || !(action->from = strdup(name.text)))
		return out_of_memory(u);
	action->flags |= ISLE_ACTION_HIDDEN;
	action->old = old->old;
	action->new = (struct isle_stat){0};
	return 0;
}

static int invert(struct undo *u, size_t i)
{
	const struct isle_action *old = &u->old.actions[i];

	switch (old->kind) {
	case ISLE_ACTION_REMOVE:
		return undo_remove(u, i, old);
	case ISLE_ACTION_CREATE:
		return undo_create(u, old);
	case ISLE_ACTION_EXCHANGE:
		return undo_exchange(u, i, old);
	case ISLE_ACTION_WRITE:
	case ISLE_ACTION_META:
		return undo_in_place(u, i, old);
	case ISLE_ACTION_PLACE:
		return undo_rename(u, old);
	case ISLE_ACTION_DROP:
		return undo_drop(u, i, old);
	case ISLE_ACTION_RESTORE:
		return undo_restore(u, old);
	case ISLE_ACTION_REVERT:
		return undo_revert(u, old);
	case ISLE_ACTION_LAYER:
		return u->taken[old->site] ? undo_taken(u, i, old) : undo_layer(u, i, old);
	case ISLE_ACTION_CARRY:
		return undo_taken(u, i, old);
	case ISLE_ACTION_TAKE: /* with its PLACE */
		return 0;
	}
	return 0;
}

bool isle_undo_of_layers(const struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++)
		if (plan->actions[i].kind < ISLE_ACTION_DROP)
			return false;
	return plan->action_count > 0;
}

int isle_undo_check_isle(struct undo *u)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_changes struct isle_changes changes = ISLE_CHANGES_INIT;
	size_t i;
	int r;

	if (u->old.actions[0].kind != ISLE_ACTION_LAYER)
		return 0;
	r = isle_layers_read(u->isle, &layers, u->err);
	if (r >= 0)
		r = isle_changes_scan(u->store, u->isle, &layers, 0, &changes, u->err);
	for (i = 0; i < changes.count && r >= 0; i++)
		r = conflict(u, changes.list[i].path, "changed", &changes.list[i].before,
			     "the isle has changed it anew since the discard");
	return r < 0 ? r : 0;
}

static int copy_sites(struct undo *u)
{
	auto_free struct isle_layer *list = calloc(u->old.site_count + 1, sizeof(*list));
	struct isle_layers layers = {.list = list, .count = u->old.site_count};
	size_t i;

	for (i = 0; list && i < u->old.site_count; i++)
		list[i] = isle_site_layer(&u->old.sites[i]);
	return list ? isle_plan_set_sites(&u->plan, &layers) : -ENOMEM;
}

int isle_undo_build(struct undo *u)
{
	size_t i;
	int r;

	u->plan.kind = ISLE_OPERATION_UNDO;
	u->plan.target = u->id;
	memcpy(u->plan.isle_id, u->old.isle_id, sizeof(u->plan.isle_id));
	u->plan.isle_name = strdup(u->old.isle_name ? u->old.isle_name : "");
	u->parked = isle_dirs_new(u->old.site_count + 1);
	u->taken = calloc(u->old.site_count + 1, sizeof(*u->taken));
	if (!u->plan.isle_name || !u->parked || !u->taken || copy_sites(u) < 0 || index_places(u) < 0)
		return out_of_memory(u);
	for (i = 0; i < u->old.action_count && !isle_undo_of_layers(&u->old); i++)
		if (u->old.actions[i].kind == ISLE_ACTION_LAYER || u->old.actions[i].kind == ISLE_ACTION_CARRY)
			u->taken[u->old.actions[i].site] = i + 1;
	for (i = 0; i < u->old.action_count; i++) {
		r = invert(u, i);
		if (r < 0)
			return r;
	}
	for (i = 0; i < u->plan.action_count; i++)
		if (isle_stat_is_linked(&u->plan.actions[i].old))
			u->plan.actions[i].flags |= ISLE_ACTION_SHARED;
	u->plan.summary = u->old.summary;
	if (!isle_undo_of_layers(&u->old)) { /* else it counts what the isle gets back, or loses again */
		u->plan.summary.create = u->old.summary.remove;
		u->plan.summary.remove = u->old.summary.create;
	}
	if (isle_plan_sort(&u->plan) < 0 || isle_plan_identify(&u->plan) < 0 ||
	    isle_writers_note(u->host.root, &u->plan, u->result) < 0)
		return out_of_memory(u);
	return 0;
}
