/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One action backwards, and whether it is done. Nothing here trusts a record of how far the operation came: where an
 * object is, is told by its inode number, so this works after a crash as well as after an error, and twice in a row.
 *
 * What the host has put in the way meanwhile is never touched. Then what was there before stays in the parking, and
 * the caller says where. Any other error (a disk that is full, fails, or is read-only now) is for a later try.
 */
#include "held.h"
#include "io.h"
#include "kernel.h"
#include "owner.h"
#include "path.h"
#include "subtree.h"
#include "transaction.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 1: this object is there, 0: another, -1 in *ret_there when nothing is. */
static int is_at(const struct isle_spot *at, const struct isle_stat *wanted, bool *ret_empty)
{
	struct isle_stat now;
	int r = isle_look(at->dir, at->name, &now);

	if (r < 0)
		return r;
	*ret_empty = r == 0;
	return r > 0 && isle_same_object(&now, wanted);
}

/* A spot whose directory is gone holds nothing. */
static int look_for(int spot_result, const struct isle_spot *at, const struct isle_stat *wanted, bool *ret_empty)
{
	*ret_empty = true;
	if (isle_is_gone(spot_result))
		return 0;
	return spot_result < 0 ? spot_result : is_at(at, wanted, ret_empty);
}

/* What a rollback returns: 0 where the host, or a user, has moved on so that trying again would not help. */
static int verdict(int r)
{
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -EEXIST:
	case -ENOTEMPTY:
	case -EACCES:
	case -EPERM:
		return 0;
	default:
		return r < 0 ? r : 1;
	}
}

static void forget(struct isle_transaction *tx)
{
	size_t i;

	isle_dirs_forget(&tx->host);
	isle_dirs_forget(&tx->other);
	for (i = 0; i < tx->plan->site_count; i++)
		isle_dirs_forget(&tx->sites[i].upper);
}

static int back_remove(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, parking;
	bool empty;
	struct isle_stat came;
	int r = look_for(isle_spot_parking(tx, i, &parking), &parking, &action->old, &empty);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_move_wanted(&parking, &target, &action->old, &came);
	forget(tx);
	return r == 0 ? 0 : verdict(r);
}

static int back_place(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, parking;
	struct isle_stat came;
	bool empty;
	int r = look_for(isle_spot_target(tx, action, &target), &target, &action->new, &empty);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_parking(tx, action->pair, &parking);
	if (r >= 0)
		r = isle_move_wanted(&target, &parking, &action->new, &came);
	forget(tx);
	return r == 0 ? 0 : verdict(r);
}

/* From the host, or the parking, back into the layer. */
static int give_back(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *from)
{
	struct isle_spot source;
	struct isle_stat came;
	int r = isle_spot_source(tx, action, &source);

	if (r >= 0 && !(action->flags & ISLE_ACTION_WITHIN)) {
		r = isle_move_wanted(from, &source, &action->new, &came);
		r = r == 0 ? -ENOENT : r;
	}
	return r < 0 ? r : isle_overlay_restore(source.dir, source.name, &action->overlay);
}

static int back_create(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, other;
	struct isle_stat came;
	bool empty;
	int r = look_for(isle_spot_target(tx, action, &target), &target, &action->new, &empty);

	if (r < 0)
		return r;
	if (r == 0) {
		/* Perhaps only its overlay attributes are off. */
		if (action->prepare == ISLE_PREPARE_NONE)
			r = look_for(isle_spot_source(tx, action, &other), &other, &action->new, &empty);
		return verdict(r > 0 ? isle_overlay_restore(other.dir, other.name, &action->overlay) : r);
	}
	forget(tx);
	r = isle_spot_target(tx, action, &target);
	if (r < 0)
		return r;
	if (action->prepare == ISLE_PREPARE_MKDIR)
		return verdict(isle_remove_name(target.dir, target.name, AT_REMOVEDIR));
	if (action->prepare == ISLE_PREPARE_NONE)
		return verdict(give_back(tx, action, &target));
	r = isle_spot_parking(tx, i, &other);
	if (r >= 0)
		r = isle_move_wanted(&target, &other, &action->new, &came);
	return r == 0 ? 0 : verdict(r);
}

/* The host has something else in its place now. A layer that goes back to the isle must not hold the host's old. */
static int leave_in_record(struct isle_transaction *tx, size_t i, const struct isle_spot *parking)
{
	struct isle_spot record;
	int r = 0;

	if (tx->plan->actions[i].flags & ISLE_ACTION_WITHIN) {
		r = isle_spot_record(tx, i, "", &record);
		if (r >= 0)
			r = isle_move(parking->dir, parking->name, record.dir, record.name, RENAME_NOREPLACE);
	}
	return r < 0 ? r : 0;
}

static int back_exchange(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, parking;
	bool target_empty, parking_empty;
	int new_there = look_for(isle_spot_target(tx, action, &target), &target, &action->new, &target_empty);
	int old_parked = look_for(isle_spot_parking(tx, i, &parking), &parking, &action->old, &parking_empty);
	int r;

	if (new_there < 0 || old_parked < 0)
		return new_there < 0 ? new_there : old_parked;
	if (old_parked > 0) {
		if (!new_there && !target_empty)
			return leave_in_record(tx, i, &parking);
		r = isle_move(parking.dir, parking.name, target.dir, target.name,
			      new_there ? RENAME_EXCHANGE : RENAME_NOREPLACE);
		forget(tx);
		if (r < 0)
			return verdict(r);
	}
	if (action->prepare != ISLE_PREPARE_NONE)
		return 1;
	r = look_for(isle_spot_parking(tx, i, &parking), &parking, &action->new, &parking_empty);
	if (r <= 0)
		return r < 0 ? r : 1;
	return verdict(give_back(tx, action, &parking));
}

/* The object of an action in place. It is held: what is looked at and what is changed are the same object, whatever
 * becomes of the name in between. 1, or 0: it is not there. */
static int hold_target(struct isle_transaction *tx, const struct isle_action *action, int *ret_fd)
{
	struct isle_spot target;
	struct isle_stat now;
	auto_fd int fd = -1;
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0)
		r = isle_hold(target.dir, target.name, &action->old, &fd, &now);
	if (isle_is_gone(r))
		return 0;
	/* After a restart the number alone tells, and it can be used again: this operation gives it one of two owners.
	 */
	if (r > 0 && now.uid != action->old_meta->st.stx_uid && now.uid != action->new_meta->st.stx_uid)
		return 0;
	if (r > 0)
		*ret_fd = fd_take(&fd);
	return r;
}

static int back_meta(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	auto_fd int fd = -1;
	int r;

	if (action->flags & ISLE_ACTION_HIDDEN)
		return 1;
	r = hold_target(tx, action, &fd);
	if (r <= 0)
		return r < 0 ? r : 1;
	return verdict(isle_meta_apply(fd, "", action->old_meta, action->what));
}

/* 1: the same data, 0: not. */
static int same_content(int a, int b)
{
	static char one[65536], two[65536];

	for (;;) {
		ssize_t n = read(a, one, sizeof(one)), m = 0;

		if (n < 0)
			return -errno;
		while (m < n || n == 0) {
			ssize_t k = read(b, two + m, n == 0 ? 1 : (size_t)(n - m));

			if (k < 0)
				return -errno;
			if (n == 0)
				return k == 0;
			if (k == 0)
				return 0;
			m += k;
		}
		if (memcmp(one, two, (size_t)n) != 0)
			return 0;
	}
}

/* Whether the target, which is held, has the same data as a file of ours. */
static int compare_target(int held, const struct isle_spot *target, const struct isle_spot *other)
{
	auto_fd int a = isle_held_open(held, target->dir, target->name, O_RDONLY);
	auto_fd int b = isle_open_own(other->dir, other->name, O_RDONLY);

	return a < 0 ? a : b < 0 ? b : same_content(a, b);
}

static int back_write(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, backup;
	auto_fd int fd = -1, in = -1, out = -1;
	int r = hold_target(tx, action, &fd);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_spot_parking(tx, i, &backup);
	if (r < 0)
		return r;
	r = compare_target(fd, &target, &backup);
	if (r == -ENOENT)
		return 1; /* not even prepared */
	if (r < 0)
		return r;
	if (r == 0) {
		in = isle_open_own(backup.dir, backup.name, O_RDONLY);
		out = isle_held_open(fd, target.dir, target.name, O_WRONLY);
		r = in < 0 ? in : out < 0 ? out : isle_copy_data(in, out);
		if (r < 0)
			return verdict(r);
	}
	return verdict(isle_meta_apply(fd, "", action->old_meta, action->what | ISLE_APPLY_TIMES));
}

int isle_step_rollback(struct isle_transaction *tx, size_t i)
{
	int r;

	switch (tx->plan->actions[i].kind) {
	case ISLE_ACTION_REMOVE:
	case ISLE_ACTION_TAKE:
		return back_remove(tx, i);
	case ISLE_ACTION_PLACE:
		return back_place(tx, i);
	case ISLE_ACTION_CREATE:
		return back_create(tx, i);
	case ISLE_ACTION_EXCHANGE:
		return back_exchange(tx, i);
	case ISLE_ACTION_WRITE:
		return back_write(tx, i);
	case ISLE_ACTION_META:
		return back_meta(tx, i);
	case ISLE_ACTION_DROP:
	case ISLE_ACTION_RESTORE:
	case ISLE_ACTION_REVERT:
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
		r = isle_layer_step_rollback(tx, i);
		return r < 0 ? verdict(r) : r;
	}
	return -EINVAL;
}

/* What lies beside the host's files can be somebody else's by now, and a directory is removed with all that is in it.
 * Of an operation that was killed while it prepared, nothing but the owner tells whose it is. */
static int remove_beside(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *parking)
{
	static const struct isle_stat none;
	const struct isle_stat *wanted = &action->new;
	struct isle_stat now;
	int r = isle_look(parking->dir, parking->name, &now);

	if (r <= 0)
		return r;
	if (action->flags & ISLE_ACTION_LOST)
		wanted = &none;
	else if (tx->plan->stamp == 0 && (now.uid == geteuid() || now.uid == action->new.uid))
		wanted = &now;
	if (action->prepare != ISLE_PREPARE_MKDIR || !S_ISDIR(now.mode))
		return isle_subtree_remove(parking->dir, parking->name, wanted);
	if (unlinkat(parking->dir, parking->name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return 0;
}

int isle_step_unprepare(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parking;
	bool empty;
	int r;

	if (action->compose) {
		r = isle_spot_record(tx, i, ISLE_COMPOSED, &parking);
		if (r >= 0)
			r = isle_remove_if_there(parking.dir, parking.name);
		if (r < 0)
			return r;
	}
	if (action->prepare == ISLE_PREPARE_NONE)
		return 0;
	r = isle_spot_parking(tx, i, &parking);
	if (r < 0)
		return verdict(r) < 0 ? r : 0;
	/* Never the host's old object, which has the same place once the step is done. */
	if (action->old.mode != 0 && action->prepare != ISLE_PREPARE_BACKUP) {
		r = is_at(&parking, &action->old, &empty);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	/* Nor what an exchange that was taken back has brought instead: it is somebody's. */
	if (tx->plan->stamp != 0 && action->prepare != ISLE_PREPARE_BACKUP && action->new.mode != 0) {
		r = is_at(&parking, &action->new, &empty);
		if (r <= 0)
			return r;
	}
	if ((action->flags & ISLE_ACTION_CROSS) && action->kind != ISLE_ACTION_WRITE)
		return remove_beside(tx, action, &parking);
	return isle_remove_if_there(parking.dir, parking.name);
}

static int target_is(struct isle_transaction *tx, const struct isle_action *action, const struct isle_stat *wanted)
{
	struct isle_spot target;
	bool empty;

	return look_for(isle_spot_target(tx, action, &target), &target, wanted, &empty);
}

static int is_removed(struct isle_transaction *tx, size_t i)
{
	struct isle_spot parking;
	bool empty;

	return look_for(isle_spot_parking(tx, i, &parking), &parking, &tx->plan->actions[i].old, &empty);
}

static int is_meta_done(struct isle_transaction *tx, const struct isle_action *action)
{
	const struct isle_stat *object = (action->flags & ISLE_ACTION_HIDDEN) ? &tx->plan->actions[action->pair].new
									      : &action->old;
	auto_meta struct isle_meta now = ISLE_META_INIT;
	struct isle_spot target;
	unsigned diff, relevant = 0;
	int r = target_is(tx, action, object);

	if (r <= 0)
		return r;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_meta_read(target.dir, target.name, &now);
	if (r < 0)
		return r;
	if (action->what & ISLE_APPLY_OWNER)
		relevant |= ISLE_META_OWNER;
	if (action->what & ISLE_APPLY_MODE)
		relevant |= ISLE_META_MODE;
	if (action->what & ISLE_APPLY_XATTRS)
		relevant |= ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS;
	if (action->what & ISLE_APPLY_TIMES)
		relevant |= ISLE_META_MTIME;
	diff = isle_meta_compare(&now, action->new_meta);
	return (diff & relevant) == 0;
}

static int is_written(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, source;
	auto_fd int held = -1;
	int r = is_meta_done(tx, action);

	if (r > 0)
		r = hold_target(tx, action, &held);
	if (r <= 0)
		return r;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_spot_written(tx, i, &source);
	return r < 0 ? r : compare_target(held, &target, &source);
}

int isle_step_is_done(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r;

	switch (action->kind) {
	case ISLE_ACTION_REMOVE:
		return is_removed(tx, i);
	case ISLE_ACTION_TAKE:
		return 1; /* its PLACE tells */
	case ISLE_ACTION_PLACE:
	case ISLE_ACTION_CREATE:
		return target_is(tx, action, &action->new);
	case ISLE_ACTION_EXCHANGE:
		r = target_is(tx, action, &action->new);
		return r <= 0 ? r : is_removed(tx, i);
	case ISLE_ACTION_WRITE:
		return is_written(tx, i);
	case ISLE_ACTION_META:
		return is_meta_done(tx, action);
	case ISLE_ACTION_DROP:
	case ISLE_ACTION_RESTORE:
	case ISLE_ACTION_REVERT:
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
		return isle_layer_step_is_done(tx, i);
	}
	return -EINVAL;
}
