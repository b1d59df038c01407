/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo as a verb: which operation, its locks, the question. While the question stands no lock is held; after it
 * everything is looked at anew, and only the very plan that was shown is carried out.
 */
#include "clock.h"
#include "quote.h"
#include "undo_internal.h"
#include "undoable.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct state_of {
	int64_t id;
	int state;
};

static int get_state(const struct isle_operation *operation, void *data)
{
	struct state_of *wanted = data;

	if (operation->id != wanted->id)
		return 0;
	wanted->state = operation->state;
	return 1;
}

static int choose_operation(struct undo *u, uint64_t operation)
{
	auto_catalog struct isle_catalog *catalog = NULL;
	auto_undoable struct isle_undoable undoable = ISLE_UNDOABLE_INIT;
	struct state_of wanted = {.id = (int64_t)operation, .state = -1};
	int r = isle_catalog_open(u->store, &catalog, u->err);

	if (r < 0)
		return r;
	r = operation ? isle_catalog_operations(catalog, get_state, &wanted, u->err)
		      : isle_undoable_load(u->store, catalog, &undoable, u->err);
	if (r < 0)
		return r;
	if (!operation && isle_undoable_last(&undoable) == 0)
		return isle_err_text(u->err, -ENOENT, "there is nothing to undo");
	if (operation && wanted.state < 0)
		return isle_err_text(u->err, -ENOENT, "there is no operation %" PRIu64, operation);
	if (operation && wanted.state != ISLE_OPERATION_DONE)
		return isle_err_text(u->err, -EINVAL, "operation %" PRIu64 " is %s: there is nothing to take back",
				     operation, isle_operation_state_name((enum isle_operation_state)wanted.state));
	u->id = operation ? (int64_t)operation : isle_undoable_last(&undoable);
	return 0;
}

static int find_isle(struct undo *u)
{
	auto_entries struct isle_entries entries = {0};
	size_t i;
	int r = isle_list(u->store, &entries, u->err);

	for (i = 0; r >= 0 && i < entries.count; i++)
		if (strcmp(entries.list[i].id, u->old.isle_id) == 0)
			return isle_find_exact(u->store, entries.list[i].name, &u->isle, u->err);
	return r;
}

/* The operation, as it is on record. */
static int open_undo(struct undo *u, uint64_t operation)
{
	int64_t end = 0;
	int r = isle_recover(u->store, u->err);

	if (r >= 0)
		r = choose_operation(u, operation);
	if (r >= 0)
		r = isle_operation_load(u->store, u->id, &u->old, &end, u->err);
	if (r >= 0)
		r = find_isle(u);
	if (r < 0)
		return r;
	u->end = isle_time_from(end);
	if (isle_undo_of_layers(&u->old) && !u->isle)
		return isle_err_text(u->err, -ENOENT, "isle '%s', of which operation %" PRId64 " was, is gone",
				     u->old.isle_name, u->id);
	r = isle_dirs_init_host(&u->host);
	return r < 0 ? isle_err_errno(u->err, r, "/") : 0;
}

static void let_go(struct undo *u)
{
	isle_cleanup_fd(&u->host_lock);
	isle_cleanup_fd(&u->lock);
	isle_cleanup_fd(&u->live);
	u->host_lock = u->lock = u->live = -1;
}

/* to_do: there is nothing to wait for between the look at the host and the first step. */
static int take_locks(struct undo *u, const struct isle_commit_options *options, bool to_do)
{
	int r;

	if (options->rest && isle_undo_of_layers(&u->old))
		options->rest(u->isle);
	r = isle_operation_lock(u->store, isle_undo_of_layers(&u->old) ? u->isle : NULL, options->flags, &u->live,
				&u->lock, u->err);
	if (r >= 0)
		r = choose_operation(u, (uint64_t)u->id); /* nobody was faster */
	if (r >= 0)
		r = isle_touched_read(u->store, NULL, &u->touched);
	if (r >= 0 && to_do && !isle_undo_of_layers(&u->old))
		u->host_lock = isle_host_lock();
	return r < 0 ? r : 0;
}

/* 1: it can be done, or be asked about; 0: not, and the outcome says why. */
static int make_plan(struct undo *u)
{
	struct isle_commit_result *result = u->result;
	int r = isle_plan_check_places(&u->old, u->err);

	if (r >= 0 && isle_undo_of_layers(&u->old))
		r = isle_undo_check_isle(u);
	if (r >= 0)
		r = isle_undo_build(u);
	if (r < 0)
		return r;
	result->summary = u->plan.summary;
	if (result->conflicts.count == 0 && u->plan.action_count > 0)
		return 1;
	result->outcome = result->conflicts.count > 0 ? ISLE_OUTCOME_CONFLICT : ISLE_OUTCOME_NOTHING;
	return 0;
}

static int carry_out(struct undo *u)
{
	struct isle_commit_result *result = u->result;
	int64_t id = 0;
	int r = isle_transaction_run(u->store, u->isle, &u->plan, &result->conflicts, &id, u->err);

	if (r == -ESTALE) {
		result->outcome = ISLE_OUTCOME_CONFLICT;
		return 0;
	}
	if (r < 0)
		return r == -EINPROGRESS ? r : isle_err_prefix(u->err, r, "nothing was undone");
	result->operation = (uint64_t)id;
	result->outcome = ISLE_OUTCOME_DONE;
	return 0;
}

/* After a yes, which was for this plan: all of it is planned anew. */
static int undo_agreed(const struct undo *shown, const struct isle_commit_options *options)
{
	auto_undo struct undo u = UNDO_INIT(shown->store, shown->result, shown->err);
	int r;

	isle_commit_result_done(u.result);
	r = open_undo(&u, (uint64_t)shown->id);
	if (r >= 0)
		r = take_locks(&u, options, true);
	if (r >= 0)
		r = make_plan(&u);
	if (r < 0 || u.result->outcome == ISLE_OUTCOME_CONFLICT)
		return r < 0 ? r : 0;
	if (r == 0 || strcmp(u.plan.id, shown->plan.id) != 0) {
		u.result->outcome = ISLE_OUTCOME_STALE;
		return 0;
	}
	return carry_out(&u);
}

int isle_undo(struct isle_store *store, uint64_t operation, const struct isle_commit_options *options,
	      struct isle_commit_result *ret_result, struct isle_err *err)
{
	auto_undo struct undo u = UNDO_INIT(store, ret_result, err);
	int r;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	r = open_undo(&u, operation);
	if (r >= 0)
		r = take_locks(&u, options, !options->confirm);
	if (r >= 0)
		r = make_plan(&u);
	if (r <= 0)
		return r;
	if (options->tell)
		options->tell(ret_result, options->data);
	if (!options->confirm)
		return carry_out(&u);
	let_go(&u);
	if (options->confirm(&u.plan, options->data))
		return undo_agreed(&u, options);
	ret_result->outcome = ISLE_OUTCOME_DECLINED;
	return 0;
}
