/* SPDX-License-Identifier: Apache-2.0 */
/* The operations as the verbs call them: locks, plan, questions, transaction. */
#include "commit.h"
#include "boot.h"
#include "quote.h"
#include "transaction.h"
#include <errno.h>
#include <string.h>

/* HOST: what conflicts is dropped from the isle, once the rest is committed. */
static int drop_conflicts(struct isle_store *store, const struct isle *isle, struct isle_commit_result *result,
			  struct isle_err *err)
{
	auto_commit_result struct isle_commit_result dropped = ISLE_COMMIT_RESULT_INIT;
	struct isle_commit_options options = {0};
	auto_free const char **paths = calloc(result->conflicts.count + 1, sizeof(*paths));
	size_t i;

	if (!paths)
		return isle_err_errno(err, -ENOMEM, "cannot drop what conflicts");
	for (i = 0; i < result->conflicts.count; i++)
		paths[i] = result->conflicts.list[i].path;
	options.select.paths = paths;
	return i > 0 ? isle_discard(store, isle, &options, &dropped, err) : 0;
}

static int commit_locked(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
			 struct isle_commit_result *result, struct isle_err *err)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	int64_t id = 0;
	int r;

	r = isle_plan_build(store, isle, options, &plan, result, err);
	if (r < 0 || result->outcome == ISLE_OUTCOME_CONFLICT)
		return r;
	if (options->plan_id && strcmp(options->plan_id, plan.id) != 0) {
		result->outcome = ISLE_OUTCOME_STALE;
		return 0;
	}
	if (result->outcome == ISLE_OUTCOME_NOTHING || result->outcome == ISLE_OUTCOME_FLAGGED)
		return 0;
	if (isle_is_torn(isle) && !(options->flags & ISLE_COMMIT_TORN)) {
		result->outcome = ISLE_OUTCOME_TORN;
		return 0;
	}
	if (options->confirm && !options->confirm(&plan, options->data)) {
		result->outcome = ISLE_OUTCOME_DECLINED;
		return 0;
	}
	r = isle_transaction_run(store, isle, &plan, &result->conflicts, &id, err);
	if (r == -ESTALE) {
		result->outcome = ISLE_OUTCOME_CONFLICT;
		return 0;
	}
	if (r < 0)
		return isle_err_prefix(err, r, "nothing was committed");
	result->operation = (uint64_t)id;
	result->outcome = ISLE_OUTCOME_DONE;
	isle_ignore(isle_torn_forgive(isle)); /* kept, it asks again, no more */
	return 0;
}

int isle_commit(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		struct isle_commit_result *ret_result, struct isle_err *err)
{
	int r;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	{
		auto_fd int live = -1, lock = -1;

		r = isle_operation_lock(store, isle, options->flags, &live, &lock, err);
		if (r >= 0)
			r = commit_locked(store, isle, options, ret_result, err);
	}
	if (r < 0 || options->on_conflict != ISLE_CONFLICT_HOST ||
	    (ret_result->outcome != ISLE_OUTCOME_DONE && ret_result->outcome != ISLE_OUTCOME_NOTHING))
		return r;
	return drop_conflicts(store, isle, ret_result, err);
}

int isle_check(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
	       struct isle_commit_result *ret_result, struct isle_err *err)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	return isle_plan_build(store, isle, options, &plan, ret_result, err);
}
