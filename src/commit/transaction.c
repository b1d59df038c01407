/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: a plan is done as a whole or not at all, whenever it is interrupted. doc/design/commit.md has the long
 * form.
 *
 *              draft written          plan written            last step         layers settled
 *   PLANNED ------------------> PREPARING ----------> APPLYING ----------> APPLIED ----------> DONE
 *                                   |                    |                    |
 *                                   |      error or      | the host moved     | crash: completed
 *                                   +--------------------+---> ROLLED BACK    +----------------> DONE
 *
 * Files while it goes on: STORE/pending names the operation; undo/ID/draft is the plan before anything was prepared
 * (only if something has to be prepared), undo/ID/plan the one that the steps go by, undo/ID/devices how its devices
 * are found after a restart. undo/ID/begun says that the plan is durable and a step may be done, undo/ID/applied that
 * every step is done, and when.
 *
 * 1. Nothing of the host changes before undo/ID/plan, `pending` and all data that the plan will put on the host are
 *    durable: one syncfs(2) of every file system involved lies between.
 *    undo/ID/applied is written after a sync of all file systems but the store's, so that it is on no disk before the
 *    steps are; the store's journal has it after them.
 * 2. A step is one rename, exchange, or change of metadata; content is written in place only where a rename cannot be
 *    (a file with other names, or a mount over a single file), and then a durable copy of the old was made first.
 * 3. No step removes anything (but a fresh layer that nobody has used yet, in rolling back). What leaves the host goes
 *    to the parking and stays there; what leaves the layer goes to the host or to the parking. So before, during and
 *    after, every object of either side exists under some name.
 * 4. Where an object is, is told by its device and inode number alone, never by a counter on disk. No object that the
 *    plan names is freed while the operation lasts (3), so a number stands for one object throughout. Each step can be
 *    taken back or repeated from any state, and so can recovery itself.
 * 5. No inode ever has names on both sides: what has other names in the layer is copied or linked on the host instead.
 * 6. Overlay attributes are taken off before an object gets its name on the host.
 * 7. On the host everything is (directory descriptor, one component); directories are reached by a walk that follows no
 *    symbolic link. What a program did to the tree in the isle, or a user does to it outside, can make a step fail,
 *    but not go elsewhere.
 *    What is prepared beside the host's files is held from the moment it was made, and removed only if it is that.
 * 8. Between the look at an object and its rename lies one system call. For an exchange a second look follows, and it
 *    is taken back if something else came out. For a removal, the object that came out is the one that is kept.
 * 9. Where a commit leaves nothing of a layer behind, its first step parks the layer as a whole and puts a fresh one in
 *    its place (step_layer.c). Its files then change places with the host's where they are: one rename each instead of
 *    two, and afterwards the parked layer holds what the host had. Taking back ends with the layer's own way back.
 * 10. An error while looking is never taken for an answer. What cannot be taken back or completed now stays pending,
 *     and the next command tries again; only where the host itself is in the way is it given up, and said.
 *
 * Why no crash loses data. By 1 and 3 there is no moment at which an object has no name. Renames of a file system reach
 * the disk as wholes; in whatever order those of several file systems do, each single step is done or not done, and by
 * 4 recovery sees which. If all are done it completes; else it takes back those that are, last first. Completing
 * (settle.c) removes only whiteouts, attributes and empty directories of the layer, which say nothing any more. If the
 * host put something in the way meanwhile, the step stays as it is and the user is told where the old object is.
 */
#include "clock.h"
#include "io.h"
#include "kernel.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "settled.h"
#include "stamp.h"
#include "subtree.h"
#include "talk.h"
#include "touching.h"
#include "transaction_internal.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PLAN_LIMIT = 1 << 30 };

/* --- the files of an operation --- */

int isle_tx_record_dir(struct isle_store *store, int64_t id, unsigned flags)
{
	return isle_parking_open(store, NULL, NULL, id, flags);
}

static int sync_file(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
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

	if (r >= 0)
		r = isle_plan_read(buf.data, buf.size, ret_plan);
	return r < 0 ? r : isle_tx_translate_devices(dir, name, ret_plan);
}

int isle_tx_write_number(int dir, const char *name, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return symlinkat(text, dir, name) < 0 ? -errno : 0;
}

int isle_tx_read_number(int dir, const char *name, int64_t *ret_number)
{
	char text[32], *end;
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret_number = strtoll(text, &end, 10);
	return *ret_number > 0 && *end == '\0' ? 0 : -EBADMSG;
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

/* What isle_tx_save() has copied for undo, and half copied. */
static int unsave(struct isle_transaction *tx, size_t i)
{
	static const char *const suffixes[] = {"", ".part"};
	struct isle_spot record;
	size_t k;
	int r = 0;

	if (!parks_on_host(&tx->plan->actions[i]))
		return 0;
	for (k = 0; k < ARRAY_SIZE(suffixes) && r >= 0; k++) {
		r = isle_spot_record(tx, i, suffixes[k], &record);
		if (r >= 0)
			r = isle_remove_if_there(record.dir, record.name);
	}
	return r;
}

/* Takes back all steps up to `steps`. The number of those that cannot be, ever; < 0: some may be later. */
static int take_back(struct isle_transaction *tx, size_t steps, struct isle_err *err)
{
	size_t i;
	int stuck = 0, failed = 0;

	for (i = steps; i-- > 0;) {
		const char *path = isle_quote(tx->plan->actions[i].path);
		int r = isle_step_rollback(tx, i);

		if (r == 0) {
			stuck++;
			isle_note("could not take back '%s'; what was there before is in %s/undo/%" PRId64 "/%s", path,
				  isle_store_path(tx->store), tx->id, isle_parked_name(i, "").text);
		} else if (r < 0 && failed == 0) {
			failed = isle_err_errno(err, r, "cannot take back '%s'", path);
		}
	}
	isle_dirs_forget(&tx->host);
	isle_dirs_forget(&tx->other);
	return failed < 0 ? failed : stuck;
}

int isle_tx_empty(int dir)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *e;

	while ((e = isle_next_entry(stream, &r)))
		r = isle_remove_tree(dir, e->d_name);
	return r;
}

static int remove_prepared(struct isle_transaction *tx)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		r = isle_step_unprepare(tx, i);
		if (r >= 0)
			r = unsave(tx, i);
	}
	return r;
}

/* Files that were being written when the operation was killed. */
static int remove_half_written(int dir)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *e;

	while ((e = isle_next_entry(stream, &r)))
		if (strncmp(e->d_name, ISLE_REPLACE_PREFIX, sizeof(ISLE_REPLACE_PREFIX) - 1) == 0 &&
		    unlinkat(dir, e->d_name, 0) < 0)
			r = -errno;
	return r;
}

static int remove_record(struct isle_transaction *tx)
{
	static const char *const names[] = {"begun", "draft", "plan", "draft.devices", "plan.devices", "applied"};
	auto_fd int dir = isle_tx_record_dir(tx->store, tx->id, 0);
	size_t i;
	int r = 0;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	/* Nobody can say what was prepared; nothing else can be in it before the first step. */
	if (tx->plan->action_count == 0 && faccessat(dir, "begun", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		r = isle_tx_empty(dir);
	for (i = 0; i < tx->plan->site_count && r >= 0; i++)
		if (tx->plan->sites[i].place)
			r = isle_parking_remove(tx->store, tx->plan, &tx->plan->sites[i], tx->id);
	if (r < 0)
		return r;
	r = remove_half_written(dir);
	for (i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		if (unlinkat(dir, names[i], 0) < 0 && errno != ENOENT)
			r = -errno;
	return r < 0 ? r : isle_parking_remove(tx->store, tx->plan, NULL, tx->id);
}

int isle_tx_roll_back(struct isle_transaction *tx, struct isle_catalog *catalog, size_t steps, struct isle_err *err)
{
	int stuck = take_back(tx, steps, err), r = stuck;

	if (r < 0)
		return r;
	/* Removing a further name of a file moves its ctime, so the note comes after that. */
	r = stuck == 0 ? remove_prepared(tx) : 0;
	if (r >= 0)
		r = isle_touching_back(tx);
	if (catalog) {
		isle_ignore(isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_ROLLED_BACK, isle_now(), NULL));
		if (tx->plan->kind == ISLE_OPERATION_UNDO)
			isle_ignore(
				isle_catalog_operation_set(catalog, tx->plan->target, ISLE_OPERATION_DONE, 0, NULL));
	}
	/* The host can be on another file system than the record of what is to be taken back. */
	if (r >= 0)
		r = isle_tx_sync(tx, ISLE_SYNC_ALL);
	if (stuck == 0 && r >= 0)
		r = remove_record(tx);
	if (r >= 0 && unlinkat(isle_store_fd(tx->store), "pending", 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? isle_err_errno(err, r, "cannot clean up after operation %" PRId64, tx->id) : 0;
}

/* --- completing --- */

/* What is parked on the host's side is copied into the record, for undo. A copy that is there already can be from
 * before a power loss, which leaves its name and loses its data: as long as the original is parked, it is made anew. */
int isle_tx_save(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parked, copy, record;
	struct isle_stat st;
	bool original, swapped;
	int r;

	if (!parks_on_host(action))
		return 0;
	r = isle_spot_parking(tx, i, &parked);
	if (r >= 0)
		r = isle_look(parked.dir, parked.name, &st);
	original = r > 0 && isle_same_object(&st, &action->old);
	swapped = r > 0 && !original;
	if (r >= 0)
		r = isle_spot_record(tx, i, "", &record);
	if (r >= 0)
		r = isle_look(record.dir, record.name, &st);
	if (r > 0 && !original)
		return 0;
	if (r == 0 && swapped)
		r = -ESTALE; /* whoever may write beside the host's files has put something else there: no copy of that
			      */
	if (r > 0)
		r = isle_remove_tree(record.dir, record.name);
	if (r >= 0)
		r = isle_spot_record(tx, i, ".part", &copy);
	if (r >= 0)
		r = isle_remove_if_there(copy.dir, copy.name);
	if (r >= 0)
		r = isle_subtree_copy(parked.dir, parked.name, original ? &action->old : NULL, copy.dir, copy.name,
				      NULL);
	if (r >= 0)
		r = isle_renameat2(copy.dir, copy.name, record.dir, record.name, RENAME_NOREPLACE);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot keep '%s' for undo", isle_quote(action->path));
	return 0;
}

/* A name of a file that has others on the host would only go on counting as one of its links. */
static int forget_name(struct isle_transaction *tx, size_t i, bool *touches)
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
	*touches = true;
	return unlinkat(record.dir, record.name, 0) < 0 ? -errno : 0;
}

/* Other names of the file stay on the host; its change time moves, by us. */
static int let_go(struct isle_transaction *tx, const struct isle_spot *parked, const struct isle_stat *then)
{
	auto_fd int fd = then->nlink > 1 ? openat(parked->dir, parked->name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	struct isle_let_go *list;
	struct isle_stat now;

	if (unlinkat(parked->dir, parked->name, 0) < 0)
		return -errno;
	if (fd < 0 || isle_look(fd, "", &now) <= 0 || !isle_same_object(&now, then))
		return 0;
	list = reallocarray(tx->let_go, tx->let_go_count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	tx->let_go = list;
	list[tx->let_go_count++] = (struct isle_let_go){*then, now};
	return 0;
}

/* A directory gets another name before it is emptied: as long as it has the name of the parking, it is whole, and
 * isle_tx_save() relies on that. */
static int unpark(struct isle_transaction *tx, size_t i, bool *touches)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot parked;
	struct isle_stat st;
	char emptied[sizeof(parked.buffer) + 8];
	int r = forget_name(tx, i, touches);

	if (r < 0 || !parks_on_host(action))
		return r;
	r = isle_spot_parking(tx, i, &parked);
	if (r < 0)
		return isle_is_gone(r) ? 0 : r;
	snprintf(emptied, sizeof(emptied), "%s.emptied", parked.buffer);
	r = isle_look(parked.dir, parked.name, &st);
	if (r > 0 && isle_same_object(&st, &action->old)) {
		if (!S_ISDIR(st.mode))
			return let_go(tx, &parked, &st);
		r = isle_move(parked.dir, parked.name, parked.dir, emptied, RENAME_NOREPLACE);
	}
	if (r >= 0)
		r = isle_look(parked.dir, emptied, &st);
	if (r <= 0 || !isle_same_object(&st, &action->old))
		return r < 0 ? r : 0;
	return isle_subtree_remove(parked.dir, emptied, &action->old);
}

/* From APPLIED to DONE; repeatable. */
int isle_tx_complete(struct isle_transaction *tx, struct isle_catalog *catalog, int64_t end)
{
	bool parked = false, touches = false;
	size_t i;
	int r;

	tx->plan->end = end;
	r = isle_settle(tx);

	/* Before the sync: when `pending` is gone for good, the catalog has to say that the operation can be undone. */
	if (catalog && r >= 0) {
		isle_ignore(isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_DONE, end, NULL));
		if (tx->plan->kind == ISLE_OPERATION_UNDO)
			isle_ignore(
				isle_catalog_operation_set(catalog, tx->plan->target, ISLE_OPERATION_UNDONE, 0, NULL));
	}
	if (r >= 0)
		r = isle_tx_sync(tx, ISLE_SYNC_STORE | ISLE_SYNC_PLACES);
	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		r = unpark(tx, i, &touches);
		parked = parked || parks_on_host(&tx->plan->actions[i]);
	}
	if (r >= 0 && (parked || touches))
		r = isle_touching_done(tx);
	/* What is parked beside the host's files is found by the plan alone. */
	if (r >= 0 && parked)
		r = isle_tx_sync(tx, ISLE_SYNC_HOST);
	if (r < 0)
		return isle_err_errno(tx->err, r, "operation %" PRId64 " is done, but cannot be completed", tx->id);
	if (unlinkat(isle_store_fd(tx->store), "pending", 0) < 0 && errno != ENOENT)
		return isle_err_errno(tx->err, -errno, "cannot complete operation %" PRId64, tx->id);
	return 0;
}

int isle_tx_note_applied(struct isle_transaction *tx, int record, int64_t end)
{
	int r = isle_tx_sync(tx, ISLE_SYNC_HOST | ISLE_SYNC_PLACES);

	return r < 0 ? r : isle_tx_write_number(record, "applied", end);
}

/* --- going forward --- */

/* needs_draft: only what cannot be taken back without the draft. It is outside of the record, or moves the ctime of a
 * file of the host, which would count as changed ever after. */
static bool prepares(const struct isle_plan *plan, bool needs_draft)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++) {
		const struct isle_action *action = &plan->actions[i];

		if (action->prepare != ISLE_PREPARE_NONE &&
		    (!needs_draft || (action->flags & ISLE_ACTION_CROSS) || plan->sites[action->site].place ||
		     action->prepare == ISLE_PREPARE_HOST))
			return true;
	}
	return false;
}

/* Files that get a further name: that moves their ctime, also when it is taken back. */
static int note_linked(struct isle_transaction *tx)
{
	size_t i;
	int r = 0;

	for (i = 0; i < tx->plan->action_count && r >= 0; i++) {
		struct isle_action *action = &tx->plan->actions[i];
		struct isle_spot from;

		if (action->prepare != ISLE_PREPARE_HOST || action->linked)
			continue;
		action->linked = calloc(1, sizeof(*action->linked));
		r = action->linked ? isle_spot_host(tx, action->from, &from) : -ENOMEM;
		if (r >= 0)
			r = isle_look(from.dir, from.name, action->linked);
	}
	return r < 0 ? isle_err_errno(tx->err, r, "cannot look at what is to be linked") : 0;
}

static int prepare_all(struct isle_transaction *tx, int record)
{
	size_t i;
	int r = note_linked(tx);

	if (r < 0)
		return r;
	if (prepares(tx->plan, false)) {
		r = isle_tx_note_devices(tx, record, "draft");
		if (r >= 0)
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
	tx->plan->stamp = isle_now();
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

/* What a step relies on after a power loss. */
static int write_intent(struct isle_transaction *tx, struct isle_catalog *catalog, int record)
{
	bool names_only = !isle_plan_touches_host(tx->plan); /* then no file is synced but those named here */
	int r = names_only ? isle_catalog_durable(catalog, tx->err) : 0;

	if (r >= 0)
		r = isle_catalog_operation_set(catalog, tx->id, ISLE_OPERATION_APPLYING, 0, tx->err);
	if (r < 0)
		return r;
	r = isle_tx_note_devices(tx, record, "plan");
	if (r >= 0)
		r = write_plan(tx, record, "plan");
	if (r >= 0 && names_only)
		r = sync_file(record, "plan.devices");
	if (r >= 0 && names_only)
		r = sync_file(record, "plan");
	if (r >= 0)
		r = isle_tx_sync(tx, ISLE_SYNC_ALL);
	return r < 0 ? isle_err_errno(tx->err, r, "cannot make the plan durable") : 0;
}

static int carry_out(struct isle_transaction *tx, struct isle_catalog *catalog, size_t *ret_steps, int64_t *ret_end)
{
	auto_fd int record = -1;
	int r;

	/* First, so that whatever is made from now on is found. */
	r = isle_tx_write_number(isle_store_fd(tx->store), "pending", tx->id);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot note the operation");
	record = isle_tx_record_dir(tx->store, tx->id, ISLE_PARKING_CREATE);
	if (record < 0)
		return isle_err_errno(tx->err, record, "cannot make the record of the operation");
	r = isle_touching_begin(tx);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot look at what will be touched");
	r = prepare_all(tx, record);
	if (r < 0)
		return r;
	r = write_intent(tx, catalog, record);
	if (r < 0)
		return r;
	r = isle_tx_write_number(record, "begun", tx->id);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot begin");
	r = apply_all(tx, ret_steps);
	if (r < 0)
		return r;
	r = isle_touching_done(tx);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot note what was touched");
	if (tx->isle)
		isle_settled_add(tx->isle, tx->plan, tx->id);
	*ret_end = isle_stamp_pass(record, "plan", true);
	r = isle_tx_note_applied(tx, record, *ret_end);
	return r < 0 ? isle_err_errno(tx->err, r, "cannot note that the operation is applied") : 0;
}

char *isle_plan_summary(const struct isle_plan *plan)
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
	auto_free char *summary = isle_plan_summary(plan);
	struct isle_operation operation = {
		.kind = plan->kind,
		.state = ISLE_OPERATION_PLANNED,
		.isle_id = plan->isle_id,
		.name = plan->isle_name,
		.plan_id = plan->id,
		.target = plan->target,
		.start = isle_now(),
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
	struct isle_err later = ISLE_ERR_INIT;
	size_t steps = 0;
	int64_t end = 0;
	mode_t mask;
	int r;

	assert(!plan->shown);
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
		if (isle_tx_roll_back(&tx, catalog, steps, &later) < 0) {
			isle_note("%s", later.text);
			isle_err_hint(err, "it is left unfinished: the next command takes it back or completes it");
			r = -EINPROGRESS;
		}
	} else {
		/* The host has everything: what fails now is for the next command to complete. */
		tx.err = &later;
		if (isle_tx_complete(&tx, catalog, end) < 0)
			isle_note("%s; the next command will try again", later.text);
	}
	umask(mask);
	return r;
}
