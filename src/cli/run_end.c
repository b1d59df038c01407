/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a run. Nothing here changes the exit status, which is CMD's: what fails is said, and the isle is kept.
 */
#include "run_end.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "digest.h"
#include "json.h"
#include "plan.h"
#include "quote.h"
#include "review.h"
#include "talk.h"
#include "touched.h"
#include "trace.h"
#include "verb.h"

struct ending {
	struct isle_store *store;
	struct isle *isle;
	const struct isle_run_ending *how;
	const char *became; /* of what was changed, in a word */
	uint64_t operation; /* of that, 0: none */
	struct isle_layers layers;
	struct isle_changes changes;
	bool asking;
	char plan[ISLE_SHA256_HEX];  /* asking: the id of the plan that a yes is for */
	char shown[ISLE_SHA256_HEX]; /* asking: a digest of the changes that the question is about */
};

static int read_changes(const struct ending *e, unsigned flags, struct isle_layers *layers,
			struct isle_changes *changes)
{
	struct isle_err err = ISLE_ERR_INIT;
	int r = isle_layers_read(e->isle, layers, &err);

	if (r >= 0)
		r = isle_changes_scan(e->store, e->isle, layers, flags, changes, &err);
	if (r >= 0)
		r = isle_touched_settle(e->store, e->isle, layers, changes, &err);
	if (r < 0)
		isle_err_print(&err);
	return r;
}

static int look(struct ending *e)
{
	isle_layers_done(&e->layers);
	isle_changes_done(&e->changes);
	return read_changes(e, ISLE_SCAN_ALL, &e->layers, &e->changes);
}

/* Of all that a discard would drop. */
static int read_digest(const struct ending *e, char ret_hex[ISLE_SHA256_HEX])
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_changes struct isle_changes changes = ISLE_CHANGES_INIT;
	int r = read_changes(e, ISLE_SCAN_TIMES | ISLE_SCAN_INSIDE, &layers, &changes);

	if (r >= 0)
		isle_changes_digest(&changes, ret_hex);
	return r;
}

/* A commit would have done this when it was asked about. What could not be planned has no id. */
static void note_plan(struct ending *e)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	const struct isle_commit_options options = {
		.flags = ISLE_COMMIT_SHOW, .rules = e->how->rules, .logs = e->how->logs};

	e->plan[0] = '\0';
	if (isle_plan_build(e->store, e->isle, &options, &plan, &result, NULL) >= 0)
		memcpy(e->plan, plan.id, sizeof(plan.id));
}

/* With the isle's lock held: what would be dropped is what the answer was about. */
static bool is_shown(const struct isle_plan *plan, const void *data)
{
	const struct ending *e = data;
	char now[ISLE_SHA256_HEX];

	(void)plan;
	return read_digest(e, now) >= 0 && strcmp(now, e->shown) == 0;
}

static struct isle_review review_of(const struct ending *e, FILE *out)
{
	return (struct isle_review){.isle = e->isle,
				    .layers = &e->layers,
				    .changes = &e->changes,
				    .out = out,
				    .flags = isle_review_terminal(fileno(out))};
}

/* An answer that cannot be shown is no reason to lose the question. */
static void show(const struct ending *e, int (*how)(const struct isle_review *review), unsigned flags)
{
	struct isle_review review = review_of(e, stderr);

	review.flags |= flags;
	isle_ignore(how(&review));
	fflush(stderr);
}

enum { FEW = 10, ALL = INT_MAX };

static void say_findings(const struct isle_findings *findings, const char *what, size_t limit)
{
	for (size_t i = 0; i < findings->count && i < limit; i++) {
		const struct isle_finding *finding = &findings->list[i];
		const char *separator = ":";

		fprintf(stderr, "  %s", isle_quote(finding->path));
		for (unsigned bit = 1; bit <= ISLE_MARKS_FLAGGED; bit <<= 1)
			if (finding->marks & bit) {
				fprintf(stderr, "%s %s", separator, isle_mark_name((enum isle_mark)bit));
				separator = ",";
			}
		if (separator[0] == ':')
			fprintf(stderr, ": %s", finding->why == NULL ? what : finding->why);
		fputc('\n', stderr);
	}
	if (findings->count > limit)
		fprintf(stderr, "  and %zu more\n", findings->count - limit);
}

/* Says what came of a commit. True when the isle needs no more question. */
static bool say_outcome(struct ending *e, const struct isle_commit_result *result)
{
	static const char *const words[] = {"committed", "committed", "conflict", "flagged", "kept", "kept", "torn"};

	e->became = words[result->outcome];
	e->operation = result->operation;
	switch (result->outcome) {
	case ISLE_OUTCOME_DONE:
		isle_note("committed; take it back with: isle undo %llu", (unsigned long long)result->operation);
		return true;
	case ISLE_OUTCOME_NOTHING:
		isle_note("nothing to commit");
		return true;
	case ISLE_OUTCOME_CONFLICT:
		fprintf(stderr, "isle: not committed, the host has changed meanwhile:\n");
		say_findings(&result->conflicts, "conflict", FEW);
		fprintf(stderr, "hint: isle check %s\n", e->isle->name);
		return false;
	case ISLE_OUTCOME_FLAGGED:
		fprintf(stderr, "isle: not committed, these need a yes of their own:\n");
		say_findings(&result->flagged, "flagged", ALL);
		fprintf(stderr, "hint: say it with: isle commit %s --allow=KIND\n", e->isle->name);
		return false;
	case ISLE_OUTCOME_TORN:
		fprintf(stderr,
			"isle: not committed, the machine went down during an earlier run\n"
			"hint: look at it with 'isle diff %s', then: isle commit %s --allow=torn\n",
			e->isle->name, e->isle->name);
		return false;
	case ISLE_OUTCOME_DECLINED:
		isle_note("not committed");
		return false;
	case ISLE_OUTCOME_STALE:
		return false; /* shown anew */
	}
	return false;
}

/* A yes is for these, and no more of them. */
static bool allows(const struct isle_plan *plan, const struct isle_findings *flagged, void *data)
{
	(void)plan;
	(void)data;
	fputs("these may do more than they seem to:\n", stderr);
	say_findings(flagged, "flagged", ALL);
	return isle_ask("commit them, too?");
}

static bool show_anew(struct ending *e);

static bool commit(struct ending *e, bool ask)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	struct isle_err err = ISLE_ERR_INIT;
	const struct isle_commit_options options = {.flags = ISLE_COMMIT_WAIT,
						    .rules = e->how->rules,
						    .logs = e->how->logs,
						    .rest = isle_rest,
						    .plan_id = ask ? e->plan : NULL,
						    .consent = ask ? allows : NULL};

	if (isle_commit(e->store, e->isle, &options, &result, &err) < 0) {
		isle_err_print(&err);
		return false;
	}
	if (result.kept > 0)
		isle_note("%" PRIu64 " change%s not within the rules and stay%s in isle '%s'", result.kept,
			  result.kept == 1 ? " is" : "s are", result.kept == 1 ? "s" : "", e->isle->name);
	return say_outcome(e, &result) || (result.outcome == ISLE_OUTCOME_STALE && show_anew(e));
}

static bool discard(struct ending *e, bool asked)
{
	auto_commit_result struct isle_commit_result result = ISLE_COMMIT_RESULT_INIT;
	const struct isle_commit_options options = {
		.flags = ISLE_COMMIT_WAIT, .rest = isle_rest, .fits = asked ? is_shown : NULL, .fits_data = e};
	struct isle_err err = ISLE_ERR_INIT;

	if (isle_discard(e->store, e->isle, &options, &result, &err) < 0) {
		isle_err_print(&err);
		return false;
	}
	if (result.outcome == ISLE_OUTCOME_STALE)
		return show_anew(e);
	e->became = "discarded";
	e->operation = result.operation;
	if (result.outcome == ISLE_OUTCOME_DONE)
		isle_note("discarded; take it back with: isle undo %llu", (unsigned long long)result.operation);
	return true;
}

/* What the next answer is about. True when there is nothing to ask about. */
static bool show_changes(struct ending *e)
{
	/* What comes in between is no part of these, though it may be shown: then it is shown once more. */
	if (e->asking)
		note_plan(e);
	if ((e->asking && read_digest(e, e->shown) < 0) || look(e) < 0)
		return true;
	if (e->changes.count == 0) {
		isle_note("nothing changed");
		return true;
	}
	show(e, isle_review_summary, 0);
	return false;
}

static bool show_anew(struct ending *e)
{
	fprintf(stderr, "isle: nothing was done: isle '%s', or the host, has changed since this was shown\n",
		e->isle->name);
	return show_changes(e);
}

/* A letter, or its word; anything else is none: what was typed for the command, and not read by it, must not commit. */
static char read_answer(void)
{
	static const char *const words[] = {"commit", "review", "diff", "keep", "x", "shell"};
	char line[16];
	int size = isle_read_answer("[c]ommit [r]eview [d]iff [k]eep [x] discard [s]hell? ", line, sizeof(line));

	if (size < 0)
		return 'k';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (size > 0 && (strcmp(line, words[i]) == 0 || (size == 1 && line[0] == words[i][0])))
			return words[i][0];
	if (size > 0 && strcmp(line, "discard") == 0)
		return 'x';
	return '\0';
}

/* True when the question has been answered for good. */
static bool act(struct ending *e, char answer)
{
	switch (answer) {
	case 'c':
		return commit(e, true);
	case 'r':
		show(e, isle_review_status, ISLE_REVIEW_ALL);
		return false;
	case 'd':
		show(e, isle_review_diff, 0);
		return false;
	case 's':
		e->how->shell(e->how->data);
		return show_changes(e);
	case 'x':
		return discard(e, true);
	case 'k':
		isle_note("kept; go on with: isle diff %s, isle commit %s, isle discard %s", e->isle->name,
			  e->isle->name, e->isle->name);
		return true;
	default:
		return false;
	}
}

static void ask(struct ending *e)
{
	while (!act(e, read_answer()))
		;
}

/* What a person who tried an unknown program wants to know before anything else. */
static void say_secrets(const struct isle *isle, int64_t start)
{
	if (!isatty(STDERR_FILENO) || isle_talk_get() == ISLE_TALK_QUIET)
		return;
	auto_free char *secrets = isle_trace_secrets(isle, start);
	if (secrets != NULL)
		isle_note("read likely secrets: %s; see: isle trace %s", secrets, isle->name);
}

static void finish(struct ending *e, enum isle_run_end end, const struct isle_run_result *result, int status)
{
	bool clean = result->outcome == ISLE_RUN_EXITED && status == 0;

	e->asking = end == ISLE_END_ASK && result->terminal && isle_can_ask();
	if (end == ISLE_END_DISCARD) {
		discard(e, false);
		return;
	}
	if (end == ISLE_END_COMMIT && clean) {
		commit(e, false);
		return;
	}
	if (end == ISLE_END_COMMIT)
		isle_note("not committed, the command failed; kept in isle '%s'", e->isle->name);
	/* Looking costs time that grows with the changes; a script that runs a hundred commands asks when it wants to
	 * know. */
	if (!isatty(STDERR_FILENO) || isle_talk_get() == ISLE_TALK_QUIET || show_changes(e))
		return;
	if (e->asking)
		ask(e);
	else
		isle_note("kept in isle '%s'", e->isle->name);
}

static const char *outcome_word(enum isle_run_outcome outcome)
{
	switch (outcome) {
	case ISLE_RUN_EXITED:
		return "exited";
	case ISLE_RUN_SIGNALLED:
		return "signalled";
	case ISLE_RUN_NOT_FOUND:
		return "not-found";
	case ISLE_RUN_NOT_EXECUTABLE:
		break;
	}
	return "not-executable";
}

static void json_changes(struct isle_json *j, const struct isle_changes *changes)
{
	struct isle_summary sum;

	isle_commit_summary(changes, &sum);
	isle_json_object(j, "summary");
	isle_json_int(j, "create", (int64_t)sum.create);
	isle_json_int(j, "modify", (int64_t)sum.modify);
	isle_json_int(j, "delete", (int64_t)sum.remove);
	isle_json_int(j, "rename", (int64_t)sum.rename);
	isle_json_int(j, "replace", (int64_t)sum.replace);
	isle_json_int(j, "metadata", (int64_t)sum.metadata);
	isle_json_int(j, "bytes", (int64_t)sum.bytes);
	isle_json_end(j);
}

/* One line on stderr: stdout is CMD's, byte for byte. What is left in the isle is counted after the end was dealt with.
 */
static void print_json(struct ending *e, const struct isle_run_result *result, int status)
{
	struct isle_json j;

	isle_json_init(&j, stderr);
	isle_json_object(&j, NULL);
	isle_json_int(&j, "version", 1);
	isle_json_str(&j, "isle", e->isle->name);
	isle_json_str(&j, "outcome", outcome_word(result->outcome));
	isle_json_int(&j, "status", status);
	isle_json_int(&j, "milliseconds", (int64_t)(result->seconds * 1000));
	isle_json_str(&j, "became", e->became);
	if (e->operation != 0)
		isle_json_int(&j, "operation", (int64_t)e->operation);
	if (look(e) >= 0)
		json_changes(&j, &e->changes);
	isle_json_end(&j);
	isle_ignore(isle_json_done(&j));
}

int isle_run_end(struct isle_store *store, struct isle *isle, const struct isle_run_ending *how,
		 const struct isle_run_result *result, int status)
{
	struct ending e = {.store = store, .isle = isle, .how = how, .became = "kept"};

	say_secrets(isle, how->start);
	finish(&e, how->end, result, status);
	if (how->report == ISLE_REPORT_JSON)
		print_json(&e, result, status);
	isle_layers_done(&e.layers);
	isle_changes_done(&e.changes);
	return status;
}
