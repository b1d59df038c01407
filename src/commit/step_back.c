/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One action backwards, and whether it is done. Nothing here trusts a record of how far the operation came: where an
 * object is, is told by its inode number, so this works after a crash as well as after an error, and twice in a row.
 *
 * What the host has put in the way meanwhile is never touched. Then what was there before stays in the parking, and
 * the caller says where. Any other error (a disk that is full, fails, or is read-only now) is for a later try.
 */
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
	if (spot_result == -ENOENT || spot_result == -ENOTDIR || spot_result == -ELOOP)
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
	int r = look_for(isle_spot_parking(tx, i, &parking), &parking, &action->old, &empty);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_move(parking.dir, parking.name, target.dir, target.name, RENAME_NOREPLACE);
	forget(tx);
	return verdict(r);
}

static int back_place(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, parking;
	bool empty;
	int r = look_for(isle_spot_target(tx, action, &target), &target, &action->new, &empty);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_parking(tx, action->pair, &parking);
	if (r >= 0)
		r = isle_move(target.dir, target.name, parking.dir, parking.name, RENAME_NOREPLACE);
	forget(tx);
	return verdict(r);
}

/* From the host, or the parking, back into the layer. */
static int give_back(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *from)
{
	struct isle_spot source;
	int r = isle_spot_source(tx, action, &source);

	if (r >= 0 && !(action->flags & ISLE_ACTION_WITHIN))
		r = isle_move(from->dir, from->name, source.dir, source.name, RENAME_NOREPLACE);
	return r < 0 ? r : isle_overlay_restore(source.dir, source.name, &action->overlay);
}

static int back_create(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, other;
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
		r = isle_move(target.dir, target.name, other.dir, other.name, RENAME_NOREPLACE);
	return verdict(r);
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

/* The object of an action in place, held, so that what is looked at is what is changed, whatever is done to the name in
 * between. 1, or 0: it is not there. */
static int hold_target(struct isle_transaction *tx, const struct isle_action *action, int *ret_fd)
{
	struct isle_spot target;
	auto_fd int fd = -1;
	bool empty;
	int r = isle_spot_target(tx, action, &target);

	if (r >= 0) {
		fd = openat(target.dir, target.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	r = look_for(r, &(struct isle_spot){.dir = fd, .name = ""}, &action->old, &empty);
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
static int same_content(int a_dir, const char *a_name, int b_dir, const char *b_name)
{
	auto_fd int a = isle_open_own(a_dir, a_name, O_RDONLY);
	auto_fd int b = isle_open_own(b_dir, b_name, O_RDONLY);
	static char one[65536], two[65536];

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
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

static int back_write(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot target, backup;
	auto_fd int fd = -1, in = -1, out = -1;
	struct isle_stat now;
	int r = hold_target(tx, action, &fd);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_spot_parking(tx, i, &backup);
	if (r < 0)
		return r;
	r = same_content(target.dir, target.name, backup.dir, backup.name);
	if (r == -ENOENT)
		return 1; /* not even prepared */
	if (r < 0)
		return r;
	if (r == 0) {
		in = isle_open_own(backup.dir, backup.name, O_RDONLY);
		out = isle_open_own(target.dir, target.name, O_WRONLY);
		r = in < 0 ? in : out < 0 ? out : isle_look(out, "", &now);
		if (r > 0 && !isle_same_object(&now, &action->old))
			return 0;
		if (r > 0)
			r = isle_copy_data(in, out);
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

/* Beside the host's files somebody can have put something else in its place, and a directory is removed with all that
 * is in it. Of an operation that was killed while it prepared only the owner tells. */
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
	int r = is_meta_done(tx, action);

	if (r <= 0)
		return r;
	r = isle_spot_target(tx, action, &target);
	if (r >= 0)
		r = isle_spot_written(tx, i, &source);
	return r < 0 ? r : same_content(target.dir, target.name, source.dir, source.name);
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
