/* SPDX-License-Identifier: Apache-2.0 */
/* The operations as the verbs call them: locks, plan, questions, transaction. */
#include "commit.h"
#include "boot.h"
#include "quote.h"
#include "transaction.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What a conflict of this kind takes with it: of a directory that the isle made or removed, all. */
static char *name_of(const struct isle_finding *conflict)
{
	bool directory = S_ISDIR(conflict->now.mode) || S_ISDIR(conflict->isle.mode);
	bool whole = directory && conflict->change != ISLE_METADATA && conflict->change != ISLE_MODIFY;
	char *name = NULL;

	return asprintf(&name, "%s%s", conflict->path, whole ? "/" : "") < 0 ? NULL : name;
}

static int drop_named(struct isle_store *store, const struct isle *isle, const struct isle_commit_result *result,
		      char **names, struct isle_err *err)
{
	auto_commit_result struct isle_commit_result dropped = ISLE_COMMIT_RESULT_INIT;
	struct isle_commit_options options = {.select = {.paths = (const char *const *)names, .exact = true}};
	size_t i, count = 0;

	for (i = 0; i < result->conflicts.count; i++) {
		if (result->conflicts.list[i].choice != ISLE_CONFLICT_HOST)
			continue;
		names[count] = name_of(&result->conflicts.list[i]);
		if (!names[count++])
			return isle_err_errno(err, -ENOMEM, "cannot drop what conflicts");
	}
	return count > 0 ? isle_discard(store, isle, &options, &dropped, err) : 0;
}

/* HOST: what conflicts is dropped from the isle, once the rest is committed. */
static int drop_conflicts(struct isle_store *store, const struct isle *isle, const struct isle_commit_result *result,
			  struct isle_err *err)
{
	char **names = calloc(result->conflicts.count + 1, sizeof(*names));
	size_t i;
	int r = names ? drop_named(store, isle, result, names, err) : -ENOMEM;

	for (i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
	return r;
}

/* A question takes its time, and nobody has to wait for the answer: what the plan relies on is looked at again after
 * it. 1: it holds, 0: not, and result says so. */
static int still_holds(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		       const struct isle_plan *plan, struct isle_commit_result *result, struct isle_err *err)
{
	auto_plan struct isle_plan again = ISLE_PLAN_INIT;
	int r = isle_plan_build(store, isle, options, &again, result, err);

	if (r < 0)
		return r;
	if (result->outcome == ISLE_OUTCOME_DONE && strcmp(again.id, plan->id) == 0)
		return 1;
	if (result->outcome != ISLE_OUTCOME_CONFLICT)
		result->outcome = ISLE_OUTCOME_STALE;
	return 0;
}

static int commit_locked(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
			 struct isle_commit_result *result, struct isle_err *err)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	auto_fd int host = options->confirm ? -1 : isle_host_lock();
	int64_t id = 0;
	int r;

	r = isle_plan_build(store, isle, options, &plan, result, err);
	if (r < 0)
		return r;
	if (options->answers && strcmp(options->plan_id, plan.seen) != 0) {
		result->outcome = ISLE_OUTCOME_STALE;
		return 0;
	}
	if (result->outcome == ISLE_OUTCOME_CONFLICT)
		return 0;
	if ((options->plan_id && !options->answers && strcmp(options->plan_id, plan.id) != 0) ||
	    (options->fits && !options->fits(&plan, options->fits_data))) {
		result->outcome = ISLE_OUTCOME_STALE;
		return 0;
	}
	if (result->outcome == ISLE_OUTCOME_NOTHING || result->outcome == ISLE_OUTCOME_FLAGGED)
		return 0;
	if (isle_is_torn(isle) && !(options->flags & ISLE_COMMIT_TORN)) {
		result->outcome = ISLE_OUTCOME_TORN;
		return 0;
	}
	if (options->tell)
		options->tell(result, options->data);
	if (options->confirm && !options->confirm(&plan, options->data)) {
		result->outcome = ISLE_OUTCOME_DECLINED;
		return 0;
	}
	if (options->confirm) {
		host = isle_host_lock();
		r = still_holds(store, isle, options, &plan, result, err);
		if (r <= 0)
			return r;
	}
	r = isle_transaction_run(store, isle, &plan, &result->conflicts, &id, err);
	if (r == -ESTALE) {
		result->outcome = ISLE_OUTCOME_CONFLICT;
		return 0;
	}
	if (r < 0)
		return r == -EINPROGRESS ? r : isle_err_prefix(err, r, "nothing was committed");
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

		if (options->rest)
			options->rest(isle);
		r = isle_operation_lock(store, isle, options->flags, &live, &lock, err);
		if (r >= 0)
			r = commit_locked(store, isle, options, ret_result, err);
	}
	if (r < 0 || (ret_result->outcome != ISLE_OUTCOME_DONE && ret_result->outcome != ISLE_OUTCOME_NOTHING))
		return r;
	return drop_conflicts(store, isle, ret_result, err);
}

int isle_check(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
	       struct isle_commit_result *ret_result, struct isle_err *err)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	struct isle_commit_options shown = *options;

	shown.flags |= ISLE_COMMIT_SHOW;
	*ret_result = ISLE_COMMIT_RESULT_INIT;
	return isle_plan_build(store, isle, &shown, &plan, ret_result, err);
}
