/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: a plan is done as a whole or not at all, whenever it is interrupted.
 *
 *              draft written          plan written            last step         layers settled
 *   PLANNED ------------------> PREPARING ----------> APPLYING ----------> APPLIED ----------> DONE
 *                                   |                    |                    |
 *                                   |      error or      | the host moved     | crash: completed
 *                                   +--------------------+---> ROLLED BACK    +----------------> DONE
 *
 * Files while it goes on: STORE/pending names the operation; undo/ID/draft is the plan before anything was prepared
 * (only if something has to be prepared), undo/ID/plan the one that the steps go by, undo/ID/applied says that every
 * step is done, and when.
 *
 * 1. Nothing of the host changes before undo/ID/plan, `pending` and all data that the plan will put on the host are
 *    durable: one syncfs(2) of every file system involved lies between.
 * 2. A step is one rename, exchange, or change of metadata; content is written in place only where a rename cannot be
 *    (a file with other names, or a mount over a single file), and then a durable copy of the old was made first.
 * 3. No step removes anything (but a fresh layer that nobody has used yet, in rolling back). What leaves the host goes to the parking and stays there; what leaves the layer goes to
 *    the host or to the parking. So before, during and after, every object of either side exists under some name.
 * 4. Where an object is, is told by its device and inode number alone, never by a counter on disk. No object that the
 *    plan names is freed while the operation lasts (3), so a number stands for one object throughout. Each step can be
 *    taken back or repeated from any state, and so can recovery itself.
 * 5. No inode ever has names on both sides: what has other names in the layer is copied or linked on the host instead.
 * 6. Overlay attributes are taken off before an object gets its name on the host.
 * 7. On the host everything is (directory descriptor, one component); directories are reached by a walk that follows no
 *    symbolic link. What a program did to the tree in the isle, or a user does to it outside, can make a step fail,
 *    but not go elsewhere.
 * 8. Between the look at an object and its rename lies one system call. For an exchange a second look follows, and it
 *    is taken back if something else came out. For a removal, the object that came out is the one that is kept.
 * 9. Where a commit leaves nothing of a layer behind, its first step parks the layer as a whole and puts a fresh one in
 *    its place (step_layer.c). Its files then change places with the host's where they are: one rename each instead of
 *    two, and afterwards the parked layer holds what the host had. Taking back ends with the layer's own way back.
 *
 * Why no crash loses data. By 1 and 3 there is no moment at which an object has no name. Renames of a file system reach
 * the disk as wholes; in whatever order those of several file systems do, each single step is done or not done, and by
 * 4 recovery sees which. If all are done it completes; else it takes back those that are, last first. Completing
 * (settle.c) removes only whiteouts, attributes and empty directories of the layer, which say nothing any more. If the
 * host put something in the way meanwhile, the step stays as it is and the user is told where the old object is.
 */
#include "io.h"
#include "kernel.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "subtree.h"
#include "talk.h"
#include "touched.h"
#include "transaction_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PLAN_LIMIT = 1 << 30 };

/* --- syncing --- */

/* Syncs the file system of fd unless it is among the first *count of seen. */
static int sync_once(int fd, dev_t *seen, size_t *count)
{
	struct stat st;
	size_t i;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (i = 0; i < *count; i++)
		if (seen[i] == st.st_dev)
			return 0;
	seen[(*count)++] = st.st_dev;
	return syncfs(fd) < 0 ? -errno : 0;
}

static bool touches_host(const struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++)
		if (plan->actions[i].kind < ISLE_ACTION_DROP)
			return true;
	return false;
}

/* The store, and for each site that is used the parking, the host's directory. */
static int sync_all(struct isle_transaction *tx)
{
	const struct isle_plan *plan = tx->plan;
	auto_free dev_t *seen = calloc(2 * plan->site_count + 2, sizeof(*seen));
	auto_free bool *used = calloc(plan->site_count + 1, sizeof(*used));
	auto_fd int store = openat(isle_store_fd(tx->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count = 0, i;
	int r;

	if (!seen || !used)
		return -ENOMEM;
	if (!touches_host(plan))
		return 0;
	r = sync_once(store, seen, &count);
	for (i = 0; i < plan->action_count; i++)
		used[plan->actions[i].site] = true;
	for (i = 0; i < plan->site_count && r >= 0; i++) {
		auto_fd int host = -1;

		if (!used[i])
			continue;
		r = sync_once(tx->sites[i].parking.root, seen, &count);
		host = isle_walk(tx->host.root, plan->sites[i].path + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY);
		if (host < 0)
			sync(); /* not readable for this user */
		else if (r >= 0)
			r = sync_once(host, seen, &count);
	}
	return r;
}

/* --- the files of an operation --- */

int isle_tx_record_dir(struct isle_store *store, int64_t id, unsigned flags)
{
	return isle_parking_open(store, NULL, NULL, id, flags);
}

static int write_plan(struct isle_transaction *tx, int dir, const char *name)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int r = isle_plan_write(tx->plan, &buf);

	return r < 0 ? r : isle_replace_file(dir, name, buf.data, buf.size);
}

int isle_tx_load_plan(int dir, const char *name, struct isle_plan *ret_plan)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int r = isle_read_file(dir, name, &buf, PLAN_LIMIT);

	return r < 0 ? r : isle_plan_read(buf.data, buf.size, ret_plan);
}

int isle_tx_write_number(int dir, const char *name, int64_t number)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRId64 "\n", number);

	return isle_replace_file(dir, name, text, (size_t)n);
}

int isle_tx_read_number(int dir, const char *name, int64_t *ret_number)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	char *end;
	int r = isle_read_file(dir, name, &buf, 64);

	if (r < 0)
		return r;
	*ret_number = buf.size > 0 ? strtoll(buf.data, &end, 10) : 0;
	return *ret_number > 0 && *end == '\n' ? 0 : -EBADMSG;
}

int isle_operation_load(struct isle_store *store, int64_t id, struct isle_plan *ret_plan, int64_t *ret_end,
			struct isle_err *err)
{
	auto_fd int dir = isle_tx_record_dir(store, id, 0);
	int r = dir;

	if (r >= 0)
		r = isle_tx_read_number(dir, "applied", ret_end);
	if (r >= 0)
		r = isle_tx_load_plan(dir, "plan", ret_plan);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the record of operation %" PRId64, id);
	return 0;
}

/* --- rolling back --- */

static bool parks_on_host(const struct isle_action *action)
{
	return (action->flags & ISLE_ACTION_CROSS) &&
	       (action->kind == ISLE_ACTION_REMOVE || action->kind == ISLE_ACTION_EXCHANGE);
}

/* What isle_tx_save() has copied for undo. */
static void unsave(struct isle_transaction *tx, size_t i)
{
	struct isle_spot record;

	if (parks_on_host(&tx->plan->actions[i]) && isle_spot_record(tx, i, "", &record) >= 0) {
		int r = isle_remove_tree(record.dir, record.name);

		(void)r;
	}
}

/* Takes back all steps up to `steps`; says what could not be. */
static int roll_back(struct isle_transaction *tx, size_t steps)
{
	size_t i, stuck = 0;

	for (i = steps; i-- > 0;) {
		int r = isle_step_rollback(tx, i);

		if (r > 0)
			continue;
		stuck++;
		isle_note("could not take back '%s'; what was there before is in %s/undo/%" PRId64 "/%s",
			  isle_quote(tx->plan->actions[i].path), isle_store_path(tx->store), tx->id,
			  isle_parked_name(i, "").text);
	}
	isle_dirs_forget(&tx->host);
	isle_dirs_forget(&tx->other);
	for (i = 0; i < tx->plan->action_count && stuck == 0; i++) {
		isle_step_unprepare(tx, i);
		unsave(tx, i);
	}
	isle_touched_note(tx);
	return stuck > 0 ? -EBUSY : 0;
}

static void remove_record(struct isle_transaction *tx)
{
	auto_fd int dir = isle_tx_record_dir(tx->store, tx->id, 0);
	size_t i;

	if (dir < 0)
		return;
	unlinkat(dir, "draft", 0);
	unlinkat(dir, "plan", 0);
	unlinkat(dir, "applied", 0);
	isle_parking_remove(tx->store, tx->plan, NULL, tx->id);
	for (i = 0; i < tx->plan->site_count; i++)
		if (tx->plan->sites[i].place)
			isle_parking_remove(tx->store, tx->plan, &tx->plan->sites[i], tx->id);
}

void isle_tx_finish_rolled_back(struct isle_transaction *tx, struct isle_catalog *catalog, size_t steps)
{
	int r = roll_back(tx, steps);

	if (r >= 0)
		remove_record(tx);
	unlinkat(isle_store_fd(tx->store), "pending", 0);
	if (catalog) {
		r = isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_ROLLED_BACK, isle_catalog_now(), NULL);
		(void)r;
	}
}

/* --- completing --- */

/* What is parked on the host's side is copied into the record, for undo. */
int isle_tx_save(struct isle_transaction *tx, size_t i)
{
	struct isle_spot parked, copy, record;
	struct isle_stat st;
	int r;

	if (!parks_on_host(&tx->plan->actions[i]))
		return 0;
	r = isle_spot_record(tx, i, "", &record);
	if (r >= 0)
		r = isle_look(record.dir, record.name, &st);
	if (r != 0)
		return r < 0 ? r : 0;
	r = isle_spot_parking(tx, i, &parked);
	if (r >= 0)
		r = isle_spot_record(tx, i, ".part", &copy);
	if (r >= 0)
		r = isle_remove_if_there(copy.dir, copy.name);
	if (r >= 0)
		r = isle_subtree_copy(parked.dir, parked.name, copy.dir, copy.name);
	if (r >= 0)
		r = isle_renameat2(copy.dir, copy.name, record.dir, record.name, RENAME_NOREPLACE);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot keep '%s' for undo", isle_quote(tx->plan->actions[i].path));
	return 0;
}

/* A name of a file that has others on the host would only go on counting as one of its links. */
static int forget_name(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot record;
	struct isle_stat st;
	int r;

	if (action->kind != ISLE_ACTION_REMOVE || !action->from || tx->plan->kind != ISLE_OPERATION_UNDO)
		return 0;
	r = isle_spot_record(tx, i, "", &record);
	if (r >= 0)
		r = isle_look(record.dir, record.name, &st);
	if (r <= 0 || st.nlink < 2 || S_ISDIR(st.mode))
		return r < 0 ? r : 0;
	return unlinkat(record.dir, record.name, 0) < 0 ? -errno : 0;
}

static int unpark(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parked;
	struct isle_stat st;
	int r = forget_name(tx, i);

	if (r < 0 || !parks_on_host(action))
		return r;
	r = isle_spot_parking(tx, i, &parked);
	if (r >= 0)
		r = isle_look(parked.dir, parked.name, &st);
	if (r <= 0 || !isle_same_object(&st, &action->old))
		return r == -ENOENT || r >= 0 ? 0 : r;
	return isle_remove_tree(parked.dir, parked.name);
}

/* From APPLIED to DONE; repeatable. */
int isle_tx_complete(struct isle_transaction *tx, struct isle_catalog *catalog, int64_t end)
{
	size_t i;
	int r = isle_settle(tx);

	if (r >= 0)
		r = sync_all(tx);
	for (i = 0; i < tx->plan->action_count && r >= 0; i++)
		r = unpark(tx, i);
	if (r < 0)
		return isle_err_errno(tx->err, r, "operation %" PRId64 " is done, but cannot be completed", tx->id);
	if (unlinkat(isle_store_fd(tx->store), "pending", 0) < 0 && errno != ENOENT)
		return isle_err_errno(tx->err, -errno, "cannot complete operation %" PRId64, tx->id);
	if (catalog) {
		r = isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_DONE, end, NULL);
		if (r >= 0 && tx->plan->kind == ISLE_OPERATION_UNDO)
			r = isle_catalog_operation_set(catalog, tx->plan->target, ISLE_OPERATION_UNDONE, 0, NULL);
	}
	return 0;
}

/* --- going forward --- */

static bool prepares(const struct isle_plan *plan, bool cross_only)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++)
		if (plan->actions[i].prepare != ISLE_PREPARE_NONE &&
		    (!cross_only || (plan->actions[i].flags & ISLE_ACTION_CROSS)))
			return true;
	return false;
}

static int prepare_all(struct isle_transaction *tx, int record)
{
	size_t i;
	int r = 0;

	if (prepares(tx->plan, false)) {
		r = write_plan(tx, record, "draft");
		if (r >= 0 && prepares(tx->plan, true))
			r = syncfs(record) < 0 ? -errno : 0;
	}
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot write the record of the operation");
	for (i = 0; i < tx->plan->action_count; i++) {
		r = isle_step_prepare(tx, i);
		if (r < 0)
			return r;
	}
	tx->plan->stamp = isle_catalog_now();
	return 0;
}

static int apply_all(struct isle_transaction *tx, size_t *ret_steps)
{
	size_t i;
	int r;

	for (i = 0; i < tx->plan->action_count; i++) {
		*ret_steps = i + 1;
		r = isle_step_apply(tx, i);
		if (r < 0)
			return r;
	}
	for (i = 0; i < tx->plan->action_count; i++) {
		r = isle_tx_save(tx, i);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A time that no step of this operation is later than, and everything that is changed from now on is: the kernel stamps
 * files with a clock that lags behind by up to a tick, so that is waited for. */
static int64_t step_clock(void)
{
	const struct timespec pause = {.tv_nsec = 200000};
	int64_t end = isle_catalog_now();
	struct timespec stamp;

	while (clock_gettime(CLOCK_REALTIME_COARSE, &stamp) == 0 &&
	       (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec <= end)
		nanosleep(&pause, NULL);
	return end;
}

static int carry_out(struct isle_transaction *tx, struct isle_catalog *catalog, size_t *ret_steps, int64_t *ret_end)
{
	auto_fd int record = isle_tx_record_dir(tx->store, tx->id, ISLE_PARKING_CREATE);
	auto_touched_parents struct isle_touched_parents parents = {ISLE_MAP_INIT};
	int r;

	if (record < 0)
		return isle_err_errno(tx->err, record, "cannot make the record of the operation");
	r = isle_tx_write_number(isle_store_fd(tx->store), "pending", tx->id);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot note the operation");
	r = prepare_all(tx, record);
	if (r < 0)
		return r;
	r = isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_APPLYING, 0, tx->err);
	if (r < 0)
		return r;
	r = write_plan(tx, record, "plan");
	if (r >= 0)
		r = sync_all(tx);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot make the plan durable");
	r = isle_touched_before(tx, &parents);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot begin");
	r = apply_all(tx, ret_steps);
	if (r < 0)
		return r;
	isle_touched_after(tx, &parents);
	*ret_end = step_clock();
	r = isle_tx_write_number(record, "applied", *ret_end);
	return r < 0 ? isle_err_errno(tx->err, r, "cannot note that the operation is applied") : 0;
}

/* Dropping all of an isle does not count what is much (discard.c). */
static char *summary_of(const struct isle_plan *plan)
{
	const struct isle_summary *s = &plan->summary;
	bool counted = s->create || s->modify || s->remove || s->rename || s->replace || s->metadata;

	if (!counted && plan->kind != ISLE_OPERATION_COMMIT && plan->action_count > 0 &&
	    plan->actions[0].kind == ISLE_ACTION_LAYER)
		return strdup("all changes");
	return isle_summary_text(s);
}

static int add_operation(struct isle_catalog *catalog, const struct isle_plan *plan, int64_t *ret_id,
			 struct isle_err *err)
{
	auto_free char *summary = summary_of(plan);
	struct isle_operation operation = {
		.kind = plan->kind,
		.state = ISLE_OPERATION_PLANNED,
		.isle_id = plan->isle_id,
		.name = plan->isle_name,
		.plan_id = plan->id,
		.target = plan->target,
		.start = isle_catalog_now(),
		.entries = (int64_t)plan->summary.entries,
		.bytes = (int64_t)plan->summary.bytes,
		.summary = summary,
	};
	int r = summary ? isle_catalog_operation_add(catalog, &operation, err) : -ENOMEM;

	*ret_id = operation.id;
	return r;
}

int isle_transaction_run(struct isle_store *store, const struct isle *isle, struct isle_plan *plan,
			 struct isle_findings *conflicts, int64_t *ret_id, struct isle_err *err)
{
	auto_catalog struct isle_catalog *catalog = NULL;
	auto_transaction struct isle_transaction tx = {.host = ISLE_DIRS_INIT, .other = ISLE_DIRS_INIT};
	size_t steps = 0;
	int64_t end = 0;
	mode_t mask;
	int r;

	r = isle_catalog_open(store, &catalog, err);
	if (r >= 0)
		r = add_operation(catalog, plan, ret_id, err);
	if (r < 0)
		return r;
	r = isle_transaction_init(store, isle, plan, *ret_id, &tx);
	if (r < 0)
		return isle_err_errno(err, r, "cannot begin the operation");
	tx.conflicts = conflicts;
	tx.err = err;
	mask = umask(0);
	r = carry_out(&tx, catalog, &steps, &end);
	if (r < 0) {
		isle_tx_finish_rolled_back(&tx, catalog, steps);
	} else {
		struct isle_err later = ISLE_ERR_INIT;

		/* The host has everything: what fails now is for the next command to complete. */
		tx.err = &later;
		if (isle_tx_complete(&tx, catalog, end) < 0)
			isle_note("%s; the next command will try again", later.text);
	}
	umask(mask);
	return r;
}
