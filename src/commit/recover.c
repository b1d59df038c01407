/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks, and what an interrupted operation left behind (the states: transaction.c).
 *
 * STORE/pending is there from before the first change until after the last: finding none is one failed look-up. If the
 * operation's plan was never written whole, no step was done, and only what was prepared is removed. An error while
 * looking is never taken for an answer: recovery fails then, and the next command tries again.
 *
 * Lock order: the isle's live lock, then the commit lock, then that of the host. Recovery takes the live lock last and
 * without waiting: whoever holds it and waits for the commit lock gives both up when he finds something pending, and
 * begins again.
 */
#include "clock.h"
#include "io.h"
#include "quote.h"
#include "settled.h"
#include "talk.h"
#include "touching.h"
#include "transaction_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { HOST_LOCK_SECONDS = 10, LOCK_TRIES = 10, ENDING_TRIES = 100, ENDING_PAUSE = 5000 };

int isle_commit_lock(struct isle_store *store, struct isle_err *err)
{
	auto_fd int fd = openat(isle_store_fd(store), "commit.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return isle_err_errno(err, -errno, "cannot lock the store for an operation");
	return fd_take(&fd);
}

/* Each store has a lock of its own, so the host's root directory, which everybody can open, is that of all stores. */
int isle_host_lock(void)
{
	auto_fd int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t end = isle_now() + (int64_t)HOST_LOCK_SECONDS * ISLE_NS;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (isle_now() > end) {
			isle_note("an operation of another store has held the lock of the machine for more than %d s: "
				  "not waiting for it",
				  HOST_LOCK_SECONDS);
			return -1;
		}
		usleep(ENDING_PAUSE);
	}
	return fd_take(&fd);
}

static int find_isle_by_id(struct isle_store *store, const char *id, struct isle **ret_isle)
{
	auto_entries struct isle_entries entries = {0};
	size_t i;
	int r = isle_list(store, &entries, NULL);

	for (i = 0; r >= 0 && i < entries.count; i++)
		if (strcmp(entries.list[i].id, id) == 0)
			return isle_find_exact(store, entries.list[i].name, ret_isle, NULL);
	return r < 0 ? r : -ENOENT;
}

/* 1: all steps are done, 0: not. */
static int all_done(struct isle_transaction *tx)
{
	size_t i;

	for (i = 0; i < tx->plan->action_count; i++) {
		int r = isle_step_is_done(tx, i);

		if (r < 0 && r != -ENOENT && r != -EACCES && r != -EPERM)
			return isle_err_errno(tx->err, r, "cannot look at '%s'", isle_quote(tx->plan->actions[i].path));
		if (r <= 0)
			return 0;
	}
	return 1;
}

/* All steps are done. Copies for undo can have lost their data with the power: those are made anew. */
static int confirm_applied(struct isle_transaction *tx, int record, bool noted, int64_t *end)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++)
		r = isle_tx_save(tx, i);
	if (r < 0 || noted)
		return r;
	*end = isle_now();
	/* It may have ended before this was noted; twice is the same. */
	r = isle_touching_done(tx);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot note what was touched");
	if (tx->isle)
		isle_settled_add(tx->isle, tx->plan, tx->id);
	return isle_tx_note_applied(tx, record, *end);
}

static int recover_plan(struct isle_transaction *tx, int record, struct isle_catalog *catalog)
{
	int64_t end = 0;
	int r = isle_tx_read_number(record, "applied", &end);
	bool noted = r >= 0;
	int done = 1;

	/* What cannot be read now may well be there: nothing of an applied operation is taken back. */
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return isle_err_errno(tx->err, r, "cannot tell whether it was applied");
	if (!noted)
		done = all_done(tx);
	if (done < 0)
		return done;
	if (done > 0)
		r = confirm_applied(tx, record, noted, &end);
	if (r < 0 && noted)
		return r;
	if (r >= 0) {
		isle_note("completing operation %" PRId64 " on isle '%s', which was interrupted", tx->id,
			  tx->plan->isle_name);
		return isle_tx_complete(tx, catalog, end);
	}
	isle_note("taking back operation %" PRId64 " on isle '%s', which was interrupted", tx->id, tx->plan->isle_name);
	return isle_tx_roll_back(tx, catalog, tx->plan->action_count, tx->err);
}

/* 1: the plan was durable, so that a step may have been done. */
static int has_begun(int record)
{
	if (record < 0)
		return 0;
	if (faccessat(record, "begun", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int recover_operation(struct isle_store *store, int64_t id, struct isle_catalog *catalog, struct isle_err *err)
{
	auto_fd int record = isle_tx_record_dir(store, id, 0);
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	auto_isle struct isle *isle = NULL;
	auto_transaction struct isle_transaction tx = {.host = ISLE_DIRS_INIT, .other = ISLE_DIRS_INIT};
	auto_fd int lock = -1;
	int begun = has_begun(record);
	bool draft = false;
	int r = record < 0 ? record : isle_tx_load_plan(record, "plan", &plan);

	if (begun < 0)
		return isle_err_errno(err, begun, "cannot read the record of operation %" PRId64, id);

	if ((r == -ENOENT || r == -EBADMSG) && !begun) {
		draft = true;
		r = record < 0 ? record : isle_tx_load_plan(record, "draft", &plan);
	}
	if (r < 0 && ((r != -ENOENT && r != -EBADMSG) || begun))
		return isle_err_errno(err, r, "cannot read the record of operation %" PRId64, id);
	if (r >= 0) {
		r = find_isle_by_id(store, plan.isle_id, &isle);
		if (r < 0 && r != -ENOENT)
			return isle_err_errno(err, r, "cannot open isle '%s'", plan.isle_name);
		lock = r < 0 ? -1 : isle_lock(isle, ISLE_LOCK_NOWAIT, err);
		if (r >= 0 && lock < 0)
			return lock;
	}
	r = isle_plan_check_places(&plan, err);
	if (r < 0)
		return isle_err_prefix(err, r, "cannot recover operation %" PRId64, id);
	/* Without a plan nothing was done; an empty one stands for it. */
	r = isle_transaction_init(store, isle, &plan, id, &tx);
	if (r < 0)
		return isle_err_errno(err, r, "cannot recover operation %" PRId64, id);
	tx.err = err;
	if (!draft)
		return recover_plan(&tx, record, catalog);
	isle_note("operation %" PRId64 " was interrupted before it began; nothing had been changed", id);
	return isle_tx_roll_back(&tx, catalog, 0, err);
}

int isle_recover_locked(struct isle_store *store, struct isle_err *err)
{
	auto_catalog struct isle_catalog *catalog = NULL;
	int64_t id = 0;
	auto_fd int host = -1;
	mode_t mask;
	int r = isle_tx_read_number(isle_store_fd(store), "pending", &id);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return isle_err_errno(err, r, "cannot read which operation is pending");
	r = isle_catalog_open(store, &catalog, err);
	if (r >= 0)
		r = isle_catalog_durable(catalog, err);
	if (r < 0)
		return r;
	host = isle_host_lock();
	mask = umask(0);
	r = recover_operation(store, id, catalog, err);
	umask(mask);
	return r < 0 ? isle_err_prefix(err, r, "cannot recover operation %" PRId64, id) : 1;
}

int isle_recover(struct isle_store *store, struct isle_err *err)
{
	auto_fd int lock = -1;

	if (faccessat(isle_store_fd(store), "pending", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	lock = openat(isle_store_fd(store), "commit.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return isle_err_errno(err, -errno, "cannot lock the store for an operation");
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) /* it is going on right now */
		return errno == EWOULDBLOCK ? 0 : isle_err_errno(err, -errno, "cannot lock the store");
	return isle_recover_locked(store, err);
}

/* A run that has just ended may take a moment to let go of the isle. */
static int lock_isle(const struct isle *isle, unsigned flags, struct isle_err *err)
{
	int tries, lock = -EBUSY;

	if (flags & ISLE_COMMIT_WAIT)
		return isle_lock(isle, ISLE_LOCK_WAIT, err);
	for (tries = 0; tries < ENDING_TRIES && lock == -EBUSY; tries++) {
		if (tries > 0)
			usleep(ENDING_PAUSE);
		lock = isle_lock(isle, ISLE_LOCK_NOWAIT, err);
	}
	if (lock == -EBUSY)
		isle_err_hint(err, "wait for it with --wait");
	return lock;
}

/* Removed while its lock was waited for: what is in the trash is nobody's to commit. */
static int check_there(struct isle_store *store, const struct isle *isle, struct isle_err *err)
{
	char path[32];
	struct stat there, held;

	snprintf(path, sizeof(path), "isles/%s", isle->id);
	if (fstat(isle->dir, &held) < 0)
		return isle_err_errno(err, -errno, "cannot look at isle '%s'", isle->name);
	if (fstatat(isle_store_fd(store), path, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == held.st_ino &&
	    there.st_dev == held.st_dev)
		return 0;
	return isle_err_text(err, -ENOENT, "isle '%s' has been removed", isle->name);
}

int isle_operation_lock(struct isle_store *store, const struct isle *isle, unsigned flags, int *ret_live, int *ret_lock,
			struct isle_err *err)
{
	int tries, r;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		auto_fd int live = -1, lock = -1;

		r = isle_recover(store, err);
		if (r < 0)
			return r;
		if (isle)
			live = lock_isle(isle, flags, err);
		if (isle && live < 0)
			return live;
		r = isle ? check_there(store, isle, err) : 0;
		if (r < 0)
			return r;
		lock = isle_commit_lock(store, err);
		if (lock < 0)
			return lock;
		if (faccessat(isle_store_fd(store), "pending", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		*ret_live = fd_take(&live);
		*ret_lock = fd_take(&lock);
		return 0;
	}
	return isle_err_text(err, -EBUSY, "an interrupted operation cannot be recovered");
}
