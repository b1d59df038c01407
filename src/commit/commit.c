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

/* A question takes its time, and nobody has to wait for the answer: while it stands no lock is held, and all that it
 * was about is looked at again after it. */
struct commit {
	struct isle_store *store;
	const struct isle *isle;
	const struct isle_commit_options *options;
	struct isle_plan plan;
	struct isle_commit_result *result;
	int live, lock, host;
	struct isle_err *err;
};

static void let_go(struct commit *c)
{
	isle_cleanup_fd(&c->host);
	isle_cleanup_fd(&c->lock);
	isle_cleanup_fd(&c->live);
	c->host = c->lock = c->live = -1;
}

static void commit_done(struct commit *c)
{
	let_go(c);
	isle_plan_done(&c->plan);
}
#define auto_commit __attribute__((cleanup(commit_done)))

static int take_locks(struct commit *c)
{
	if (c->options->rest)
		c->options->rest(c->isle);
	return isle_operation_lock(c->store, c->isle, c->options->flags, &c->live, &c->lock, c->err);
}

static int set_outcome(struct commit *c, enum isle_outcome outcome)
{
	c->result->outcome = outcome;
	return 0;
}

/* The plan as it is now. 1: it can be done, or be asked about; 0: not, and the outcome says why. */
static int make_plan(struct commit *c)
{
	const struct isle_commit_options *options = c->options;
	enum isle_outcome outcome;
	int r = isle_plan_build(c->store, c->isle, options, &c->plan, c->result, c->err);

	if (r < 0)
		return r;
	outcome = c->result->outcome;
	if (options->answers && strcmp(options->plan_id, c->plan.seen) != 0)
		return set_outcome(c, ISLE_OUTCOME_STALE);
	if (outcome == ISLE_OUTCOME_CONFLICT)
		return 0;
	if ((options->plan_id && !options->answers && strcmp(options->plan_id, c->plan.id) != 0) ||
	    (options->fits && !options->fits(&c->plan, options->fits_data)))
		return set_outcome(c, ISLE_OUTCOME_STALE);
	if (outcome == ISLE_OUTCOME_NOTHING || (outcome == ISLE_OUTCOME_FLAGGED && !options->consent))
		return 0;
	if (isle_is_torn(c->isle) && !(options->flags & ISLE_COMMIT_TORN))
		return set_outcome(c, ISLE_OUTCOME_TORN);
	return 1;
}

static bool same_findings(const struct isle_findings *a, const struct isle_findings *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->list[i].path, b->list[i].path) != 0 || a->list[i].marks != b->list[i].marks)
			return false;
	return a->count == b->count;
}

/* What was agreed to, plan and flags, must be what is there now: 1. 0: it is not, and the outcome says so. */
static int look_again(struct commit *c)
{
	auto_commit_result struct isle_commit_result shown = *c->result;
	auto_plan struct isle_plan plan = c->plan;
	int r;

	*c->result = ISLE_COMMIT_RESULT_INIT;
	c->plan = ISLE_PLAN_INIT;
	r = take_locks(c);
	if (r < 0)
		return r;
	c->host = isle_host_lock();
	r = make_plan(c);
	if (r < 0 || c->result->outcome == ISLE_OUTCOME_CONFLICT)
		return r < 0 ? r : 0;
	if (r == 0 || c->result->outcome != shown.outcome || strcmp(c->plan.id, plan.id) != 0 ||
	    !same_findings(&c->result->flagged, &shown.flagged))
		return set_outcome(c, ISLE_OUTCOME_STALE);
	return 1;
}

/* 1: yes, and it holds. 0: the outcome says what else. */
static int ask(struct commit *c)
{
	const struct isle_commit_options *options = c->options;
	bool flagged = c->result->outcome == ISLE_OUTCOME_FLAGGED;

	if (options->tell)
		options->tell(c->result, options->data);
	if (!flagged && !options->confirm)
		return 1;
	let_go(c);
	if ((flagged && !options->consent(&c->plan, &c->result->flagged, options->data)) ||
	    (options->confirm && !options->confirm(&c->plan, options->data)))
		return set_outcome(c, ISLE_OUTCOME_DECLINED);
	return look_again(c);
}

static int carry_out(struct commit *c)
{
	int64_t id = 0;
	int r = isle_transaction_run(c->store, c->isle, &c->plan, &c->result->conflicts, &id, c->err);

	if (r == -ESTALE)
		return set_outcome(c, ISLE_OUTCOME_CONFLICT);
	if (r < 0)
		return r == -EINPROGRESS ? r : isle_err_prefix(c->err, r, "nothing was committed");
	c->result->operation = (uint64_t)id;
	isle_ignore(isle_torn_forgive(c->isle)); /* kept, it asks again, no more */
	return set_outcome(c, ISLE_OUTCOME_DONE);
}

static int commit(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		  struct isle_commit_result *result, struct isle_err *err)
{
	auto_commit struct commit c = {.store = store,
				       .isle = isle,
				       .options = options,
				       .plan = ISLE_PLAN_INIT,
				       .result = result,
				       .live = -1,
				       .lock = -1,
				       .host = -1,
				       .err = err};
	int r = take_locks(&c);

	if (r < 0)
		return r;
	if (!options->confirm)
		c.host = isle_host_lock();
	r = make_plan(&c);
	if (r > 0)
		r = ask(&c);
	return r > 0 ? carry_out(&c) : r;
}

int isle_commit(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		struct isle_commit_result *ret_result, struct isle_err *err)
{
	int r;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	r = commit(store, isle, options, ret_result, err);
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
