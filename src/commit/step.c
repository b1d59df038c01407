/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One action forwards. Each is at most one change of the host, by one system call where there is one for it, and is
 * preceded by a look at the object that it relies on. An exchange is followed by a look at what came out: if that is
 * not what went in by the plan, the exchange is taken back at once.
 *
 * What is prepared is made under its parking name before the first step, so that every step is a rename.
 */
#include "compose.h"
#include "held.h"
#include "io.h"
#include "kernel.h"
#include "owner.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "subtree.h"
#include "transaction.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* The host is not as the plan has it: rolled back, told as a conflict. */
static int moved(struct isle_transaction *tx, const struct isle_action *action, const struct isle_stat *now)
{
	struct isle_finding *finding;
	const char *kind = now->mode == 0 ? "deleted" : action->old.mode == 0 ? "created" : "changed";
	int r = 0;

	if (tx->conflicts)
		r = isle_finding_add(tx->conflicts, action->path, kind, &finding,
				     "it was %s on the host while the operation was going on", kind);
	if (tx->conflicts && r >= 0) {
		finding->then = action->old;
		finding->now = *now;
		finding->isle = action->new;
	}
	return isle_err_text(tx->err, -ESTALE, "'%s' was %s on the host meanwhile", isle_quote(action->path), kind);
}

int isle_step_failed(struct isle_transaction *tx, const struct isle_action *action, int code)
{
	const char *path = isle_quote(action->path);

	switch (action->kind) {
	case ISLE_ACTION_REMOVE:
		return isle_err_errno(tx->err, code, "cannot remove '%s'", path);
	case ISLE_ACTION_TAKE:
		return isle_err_errno(tx->err, code, "cannot rename '%s'", path);
	case ISLE_ACTION_PLACE:
		return isle_err_errno(tx->err, code, "cannot rename '%s' to '%s'",
				      isle_quote(tx->plan->actions[action->pair].path), path);
	case ISLE_ACTION_CREATE:
		return isle_err_errno(tx->err, code, "cannot create '%s'", path);
	case ISLE_ACTION_EXCHANGE:
		return isle_err_errno(tx->err, code, "cannot replace '%s'", path);
	case ISLE_ACTION_WRITE:
		return isle_err_errno(tx->err, code, "cannot write to '%s'", path);
	case ISLE_ACTION_META:
		return isle_err_errno(tx->err, code, "cannot change the metadata of '%s'", path);
	case ISLE_ACTION_DROP:
		return isle_err_errno(tx->err, code, "cannot drop '%s' from the isle", path);
	case ISLE_ACTION_RESTORE:
		return isle_err_errno(tx->err, code, "cannot put '%s' back into the isle", path);
	case ISLE_ACTION_REVERT:
		return isle_err_errno(tx->err, code, "cannot change the metadata of '%s' in the isle", path);
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
		return isle_err_errno(tx->err, code, "cannot move the layer of '%s'", path);
	}
	return code;
}

static int failed(struct isle_transaction *tx, const struct isle_action *action, int code)
{
	struct isle_stat none = {0};

	if (code == -EEXIST && action->old.mode == 0) {
		none.mode = S_IFREG;
		return moved(tx, action, &none);
	}
	isle_step_failed(tx, action, code);
	if (code == -EACCES || code == -EPERM)
		isle_err_hint(tx->err,
			      "you may not change it on the host; leave it out with --except, or see lsattr(1)");
	else if (code == -EXDEV)
		isle_err_hint(tx->err, "a file system of its own begins above it; leave it out with --except");
	else if (code == -ETXTBSY)
		isle_err_hint(tx->err, "it is being executed on the host; try again when it is not");
	return code;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* A number is used again once the object is gone; the time at which it was made is another then. A plan that was read
 * does not have it. */
static bool same_birth(const struct isle_stat *a, const struct isle_stat *b)
{
	return a->btime.tv_sec == 0 || b->btime.tv_sec == 0 || same_time(&a->btime, &b->btime);
}

static bool as_planned(const struct isle_action *action, const struct isle_stat *now)
{
	const struct isle_stat *old = &action->old;

	if (!isle_same_object(old, now) || (old->mode & S_IFMT) != (now->mode & S_IFMT) || !same_birth(old, now))
		return false;
	if (action->flags & ISLE_ACTION_LOOSE)
		return true;
	if (old->mode != now->mode || old->uid != now->uid || old->gid != now->gid)
		return false;
	if (S_ISDIR(old->mode))
		return true;
	return old->size == now->size && same_time(&old->mtime, &now->mtime) &&
	       ((action->flags & ISLE_ACTION_SHARED) || same_time(&old->ctime, &now->ctime));
}

static int verify(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *at)
{
	struct isle_stat now;
	int r = isle_look(at->dir, at->name, &now);

	if (r < 0)
		return failed(tx, action, r);
	return as_planned(action, &now) ? 0 : moved(tx, action, &now);
}

/* --- preparing --- */

static int note_prepared(struct isle_action *action, int dir, const char *name)
{
	int r = isle_look(dir, name, &action->new);

	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

static int prepare_mkdir(struct isle_action *action, const struct isle_spot *at)
{
	struct isle_meta meta = *action->new_meta;
	auto_fd int made = -1;
	int r;

	if (mkdirat(at->dir, at->name, 0700) < 0)
		return -errno;
	made = isle_open_made(at->dir, at->name, S_IFDIR);
	if (made < 0)
		return made;
	meta.st.stx_mode = (meta.st.stx_mode & S_IFMT) | ((meta.st.stx_mode | 0700) & 0777);
	r = isle_meta_apply(made, "", &meta, ISLE_APPLY_OWNER | ISLE_APPLY_MODE);
	return r < 0 ? r : note_prepared(action, made, "");
}

/* The host's file of which something is made is the one that the plan was made with. 1 and *ret_fd, or -ESTALE. */
static int hold_linked(const struct isle_action *action, const struct isle_spot *at, int *ret_fd)
{
	const struct isle_stat *linked = action->linked;
	struct isle_stat now;
	auto_fd int fd = -1;
	int r = linked ? isle_hold(at->dir, at->name, linked, &fd, &now) : 0;

	if (r <= 0)
		return r < 0 ? r : -ESTALE;
	if (S_ISDIR(now.mode) || now.uid != linked->uid || now.gid != linked->gid || now.mode != linked->mode ||
	    now.size != linked->size || !same_time(&now.mtime, &linked->mtime) || !same_birth(&now, linked))
		return -ESTALE;
	*ret_fd = fd_take(&fd);
	return 1;
}

/* The data are the host's, the metadata the isle's. */
static int copy_metacopy(struct isle_transaction *tx, struct isle_action *action, const struct isle_spot *to)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_fd int held = -1, in = -1, out = -1;
	struct isle_spot data, source;
	int r = isle_spot_source(tx, action, &source);

	if (r >= 0)
		r = isle_meta_read(source.dir, source.name, &meta);
	if (r >= 0)
		r = isle_spot_host(tx, action->from, &data);
	if (r >= 0)
		r = hold_linked(action, &data, &held);
	if (r >= 0)
		r = in = isle_held_open(held, data.dir, data.name, O_RDONLY);
	if (r < 0)
		return r;
	out = openat(to->dir, to->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = isle_copy_data(in, out);
	if (r >= 0)
		r = isle_meta_apply(out, "", &meta, ISLE_APPLY_ALL);
	return r < 0 ? r : note_prepared(action, out, "");
}

static int prepare_copy(struct isle_transaction *tx, struct isle_action *action, const struct isle_spot *to)
{
	struct isle_spot source;
	int r;

	if (action->from && tx->plan->kind != ISLE_OPERATION_UNDO)
		return copy_metacopy(tx, action, to);
	r = isle_spot_source(tx, action, &source);
	if (r < 0)
		return r;
	/* A copy leaves overlay attributes behind, but would take whiteouts for devices. */
	if (action->flags & ISLE_ACTION_SCRUB)
		r = isle_subtree_scrub(source.dir, source.name, isle_site_prefix(&tx->plan->sites[action->site]));
	return r < 0 ? r : isle_subtree_copy(source.dir, source.name, NULL, to->dir, to->name, &action->new);
}

static int prepare_link(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *to)
{
	struct isle_spot from;
	int dir = dup(to->dir);
	auto_fd int own = dir, held = -1;
	struct isle_stat now;
	int r;

	/* to may borrow the same cache as from. */
	if (own < 0)
		return -errno;
	if (action->prepare == ISLE_PREPARE_LINK) {
		r = isle_spot_parking(tx, action->pair, &from);
		if (r >= 0)
			r = isle_hold(from.dir, from.name, &tx->plan->actions[action->pair].new, &held, &now);
		r = r == 0 ? -ESTALE : r;
	} else {
		r = isle_spot_host(tx, action->from, &from);
		if (r >= 0)
			r = hold_linked(action, &from, &held);
		/* What comes back is a name of the file that lost it. */
		if (r > 0 && tx->plan->kind == ISLE_OPERATION_UNDO && action->new.mode != 0 &&
		    !isle_same_object(&action->new, action->linked))
			r = -ESTALE;
	}
	return r < 0 ? r : isle_held_link(held, own, to->name);
}

/* What came to have the further name is what was to have it. */
static bool is_planned_link(const struct isle_transaction *tx, const struct isle_action *action)
{
	if (action->prepare == ISLE_PREPARE_LINK)
		return isle_same_object(&action->new, &tx->plan->actions[action->pair].new);
	return action->prepare != ISLE_PREPARE_HOST || !action->linked ||
	       isle_same_object(&action->new, action->linked);
}

/* The host's file must be the planned one before and after it was read. */
static int prepare_composed(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *to,
			    struct isle_stat *ret_made)
{
	struct isle_spot target;
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = verify(tx, action, &target);
	if (r >= 0)
		r = isle_compose_prepare(tx, action, to, ret_made);
	if (r == -ESTALE && !tx->err->code)
		return isle_err_text(tx->err, r, "'%s' cannot be merged any more", isle_quote(action->path));
	if (r >= 0)
		r = isle_spot_target(tx, action, &target);
	return r < 0 ? r : verify(tx, action, &target);
}

static int prepare_backup(struct isle_transaction *tx, size_t i, const struct isle_spot *to)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, made;
	struct isle_stat composed;
	int r = action->from ? isle_spot_host(tx, action->from, &target) : isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = verify(tx, action, &target);
	if (r >= 0)
		r = isle_subtree_copy(target.dir, target.name, &action->old, to->dir, to->name, NULL);
	if (r < 0 || action->compose == ISLE_COMPOSE_NONE)
		return r;
	r = isle_spot_record(tx, i, ISLE_COMPOSED, &made);
	return r < 0 ? r : prepare_composed(tx, action, &made, &composed);
}

static int prepare(struct isle_transaction *tx, size_t i, const struct isle_spot *at)
{
	struct isle_action *action = &tx->plan->actions[i];
	int r;

	switch (action->prepare) {
	case ISLE_PREPARE_NONE:
		return 0;
	case ISLE_PREPARE_MKDIR:
		return prepare_mkdir(action, at);
	case ISLE_PREPARE_COPY:
		if (!action->compose)
			return prepare_copy(tx, action, at);
		return prepare_composed(tx, action, at, &action->new);
	case ISLE_PREPARE_LINK:
	case ISLE_PREPARE_HOST:
		r = prepare_link(tx, action, at);
		if (r >= 0)
			r = note_prepared(action, at->dir, at->name);
		return r >= 0 && !is_planned_link(tx, action) ? -ESTALE : r;
	case ISLE_PREPARE_BACKUP:
		return prepare_backup(tx, i, at);
	default:
		return -EINVAL;
	}
}

/* What was prepared, or what it is made of, is another object by now. */
static int lost(struct isle_transaction *tx, struct isle_action *action)
{
	action->flags |= ISLE_ACTION_LOST;
	return tx->err->code ? -ESTALE : moved(tx, action, action->old.mode ? &action->old : &action->new);
}

int isle_step_prepare(struct isle_transaction *tx, size_t i)
{
	struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot at;
	struct isle_spot again;
	int r;

	if (action->prepare == ISLE_PREPARE_NONE)
		return 0;
	r = isle_spot_parking(tx, i, &at);
	if (r == -ENOENT && (action->flags & ISLE_ACTION_CROSS))
		r = isle_err_text(tx->err, -ENOENT, "its directory is not there yet");
	if (r >= 0) {
		auto_fd int dir = dup(at.dir); /* what prepares may move the cache on */

		again = at;
		again.dir = dir;
		again.name = at.buffer;
		r = dir < 0 ? -errno : prepare(tx, i, &again);
	}
	if (r == -ESTALE)
		return lost(tx, action);
	return r < 0 ? failed(tx, action, r) : 0;
}

/* --- applying --- */

static void forget_if_directory(struct isle_transaction *tx, const struct isle_stat *st)
{
	size_t i;

	if (!S_ISDIR(st->mode))
		return;
	isle_dirs_forget(&tx->host);
	isle_dirs_forget(&tx->other);
	for (i = 0; i < tx->plan->site_count; i++)
		isle_dirs_forget(&tx->sites[i].upper);
}

/* Overlay attributes off an object of the layer that goes to the host. */
static int clean(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *at)
{
	int r = 0;

	if (action->flags & ISLE_ACTION_SCRUB)
		r = isle_subtree_scrub(at->dir, at->name, isle_site_prefix(&tx->plan->sites[action->site]));
	return r < 0 ? r : isle_overlay_strip(at->dir, at->name, &action->overlay);
}

/* Where it is done, where the object planned for is still, and where that is parked. */
static int find_places(struct isle_transaction *tx, size_t i, struct isle_spot *ret_target,
		       struct isle_spot *ret_parking)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r = isle_spot_target(tx, action, ret_target);

	if (r >= 0)
		r = isle_spot_parking(tx, i, ret_parking);
	return r < 0 ? failed(tx, action, r) : verify(tx, action, ret_target);
}

static int apply_remove(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target = {0}, parking = {0};
	struct isle_stat out;
	int r = find_places(tx, i, &target, &parking);

	if (r < 0)
		return r;
	/* Where it goes may be nothing of whom its old directory belongs to. */
	r = isle_move_wanted(&target, &parking, &action->old, &out);
	forget_if_directory(tx, &action->old);
	return r < 0 ? failed(tx, action, r) : r == 0 ? moved(tx, action, &out) : 0;
}

static int apply_place(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, parking;
	struct isle_stat came;
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = isle_spot_parking(tx, action->pair, &parking);
	if (r >= 0)
		r = isle_move_wanted(&parking, &target, &action->new, &came);
	forget_if_directory(tx, &action->new);
	return r < 0 ? failed(tx, action, r) : r == 0 ? moved(tx, action, &came) : 0;
}

static int apply_create(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, from;
	struct isle_stat came;
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0 && action->prepare != ISLE_PREPARE_NONE) {
		r = isle_spot_parking(tx, i, &from);
	} else if (r >= 0) {
		r = isle_spot_source(tx, action, &from);
		if (r >= 0)
			r = clean(tx, action, &from);
	}
	if (r >= 0)
		r = isle_move_wanted(&from, &target, &action->new, &came);
	return r < 0 ? failed(tx, action, r) : r == 0 ? moved(tx, action, &came) : 0;
}

static int take_source(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *parking)
{
	struct isle_spot source;
	int r;

	if (action->flags & ISLE_ACTION_WITHIN)
		return clean(tx, action, parking);
	r = isle_spot_source(tx, action, &source);
	if (r >= 0)
		r = isle_move(source.dir, source.name, parking->dir, parking->name, RENAME_NOREPLACE);
	return r < 0 ? r : clean(tx, action, parking);
}

/* What is prepared beside the host's files can have been exchanged, too. */
static int check_exchanged(struct isle_transaction *tx, const struct isle_action *action)
{
	struct isle_spot target;
	struct isle_stat now;
	int r;

	if (!(action->flags & ISLE_ACTION_CROSS))
		return 0;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_look(target.dir, target.name, &now);
	if (r < 0)
		return failed(tx, action, r);
	return isle_same_object(&now, &action->new) ? 0 : moved(tx, action, &now);
}

static int apply_exchange(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target = {0}, parking = {0};
	struct isle_stat out;
	int r = find_places(tx, i, &target, &parking);

	if (r < 0)
		return r;
	if (action->prepare == ISLE_PREPARE_NONE)
		r = take_source(tx, action, &parking);
	if (r >= 0)
		r = isle_move(parking.dir, parking.name, target.dir, target.name, RENAME_EXCHANGE);
	forget_if_directory(tx, &action->old);
	if (r < 0)
		return failed(tx, action, r);
	r = isle_spot_parking(tx, i, &parking);
	if (r >= 0)
		r = isle_look(parking.dir, parking.name, &out);
	if (r >= 0 && isle_same_object(&out, &action->old))
		return check_exchanged(tx, action);
	if (r >= 0)
		r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_move(parking.dir, parking.name, target.dir, target.name, RENAME_EXCHANGE);
	return r < 0 ? failed(tx, action, r) : moved(tx, action, &out);
}

static int apply_meta(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	const struct isle_action *made = &tx->plan->actions[action->pair];
	struct isle_spot target;
	auto_fd int fd = -1;
	struct isle_stat now = {0};
	int r = isle_spot_target(tx, action, &target);

	if (r < 0)
		return failed(tx, action, r);
	fd = openat(target.dir, target.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : isle_look(fd, "", &now);
	if (r == -ENOENT)
		return moved(tx, action, &now);
	if (r < 0)
		return failed(tx, action, r);
	if ((action->flags & ISLE_ACTION_HIDDEN) ? !isle_same_object(&made->new, &now) : !as_planned(action, &now))
		return moved(tx, action, &now);
	r = isle_meta_apply(fd, "", action->new_meta, action->what);
	return r < 0 ? failed(tx, action, r) : 0;
}

static int apply_write(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, source;
	auto_fd int in = -1, held = -1, out = -1;
	struct isle_stat now = {0};
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = isle_spot_written(tx, i, &source);
	if (r >= 0)
		r = isle_hold(target.dir, target.name, &action->old, &held, &now);
	if (r < 0)
		return failed(tx, action, r);
	if (r == 0 || !as_planned(action, &now) || !S_ISREG(now.mode))
		return moved(tx, action, &now);
	in = isle_open_own(source.dir, source.name, O_RDONLY);
	out = isle_held_open(held, target.dir, target.name, O_WRONLY);
	r = in < 0 ? in : out < 0 ? out : 0;
	if (r < 0)
		return failed(tx, action, r);
	r = ftruncate(out, 0) < 0 ? -errno : isle_copy_data(in, out);
	if (r >= 0)
		r = isle_meta_apply(out, "", action->new_meta, action->what);
	return r < 0 ? failed(tx, action, r) : 0;
}

int isle_step_apply(struct isle_transaction *tx, size_t i)
{
	switch (tx->plan->actions[i].kind) {
	case ISLE_ACTION_REMOVE:
	case ISLE_ACTION_TAKE:
		return apply_remove(tx, i);
	case ISLE_ACTION_PLACE:
		return apply_place(tx, i);
	case ISLE_ACTION_CREATE:
		return apply_create(tx, i);
	case ISLE_ACTION_EXCHANGE:
		return apply_exchange(tx, i);
	case ISLE_ACTION_WRITE:
		return apply_write(tx, i);
	case ISLE_ACTION_META:
		return apply_meta(tx, i);
	case ISLE_ACTION_DROP:
	case ISLE_ACTION_RESTORE:
	case ISLE_ACTION_REVERT:
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
		return isle_layer_step_apply(tx, i);
	}
	return -EINVAL;
}
