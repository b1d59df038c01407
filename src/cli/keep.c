/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"
#include "path.h"
#include "quote.h"
#include "recovered.h"
#include "run.h"
#include "settings.h"
#include "talk.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void isle_keep_done(struct isle_keep *keep)
{
	isle_operands_done(&keep->paths);
	isle_operands_done(&keep->except);
	isle_operands_done(&keep->by);
	isle_made_done(&keep->made);
	isle_ways_done(&keep->ways);
	isle_free(keep->isle);
	isle_store_free(keep->store);
	*keep = ISLE_KEEP_INIT;
}

static int allow(struct isle_keep *keep, const struct isle_verb *verb, const char *kinds)
{
	auto_free char *copy = strdup(kinds);
	char *rest = copy, *kind;

	while (copy && (kind = strsep(&rest, ","))) {
		if (strcmp(kind, "torn") == 0) {
			keep->options.flags |= ISLE_COMMIT_TORN;
			continue;
		}
		keep->allow_root = keep->allow_root || strcmp(kind, "all") == 0 || strcmp(kind, "root") == 0;
		if (strcmp(kind, "root") == 0)
			continue;
		unsigned bit = strcmp(kind, "all") == 0 ? ISLE_MARKS_FLAGGED : isle_mark_by_name(kind);

		if (bit == 0) {
			isle_usage(verb,
				   "--allow takes setuid, setgid, caps, device, xattr, autostart, credential, "
				   "writable, owner, acl, link, "
				   "root, all or torn, not '%s'",
				   isle_quote(kind));
			return -EINVAL;
		}
		keep->options.allow |= bit;
	}
	return copy ? 1 : -ENOMEM;
}

static int except(struct isle_keep *keep, const char *pattern)
{
	struct isle_err err = ISLE_ERR_INIT;

	if (isle_operands_add(&keep->except, pattern, 0, &err) >= 0)
		return 1;
	isle_err_print(&err);
	return -EINVAL;
}

static int kinds(struct isle_keep *keep, const struct isle_verb *verb, const char *words)
{
	int r = isle_change_kinds_add(words, &keep->options.select.kinds);

	if (r == -EINVAL)
		isle_usage(verb, "--kind takes create, modify, delete, rename, replace and metadata, not '%s'",
			   isle_quote(words));
	return r < 0 ? r : 1;
}

static int by(struct isle_keep *keep, const struct isle_verb *verb, const char *process)
{
	if (*process == '\0') {
		isle_usage(verb, "--by takes the id of a process or the name of a program");
		return -EINVAL;
	}
	return isle_operands_take(&keep->by, strdup(process)) < 0 ? -ENOMEM : 1;
}

static int way(struct isle_keep *keep, const struct isle_args *args, int id)
{
	int r = 0;

	if (id == 'R')
		r = isle_ways_replace(&keep->ways, args->value);
	else if (id == 'L')
		r = isle_ways_log(&keep->ways, args->value);
	else if (id == 'H')
		r = isle_ways_hunk(&keep->ways, args->value);
	else
		return 0;
	if (r == -EINVAL)
		isle_usage(args->verb, "%s is nothing for --%s", isle_quote(args->value),
			   id == 'R'   ? "replace (auto, rename, write)"
			   : id == 'L' ? "append (a pattern)"
				       : "hunk (PATH:NUMBER, each path once)");
	else if (r < 0)
		fprintf(stderr, "isle: cannot read the command line: %s\n", strerror(-r));
	return r < 0 ? r : 1;
}

int isle_keep_option(struct isle_keep *keep, const struct isle_args *args, int id)
{
	int how;

	switch (id) {
	case 'x':
		return except(keep, args->value);
	case 'k':
		return kinds(keep, args->verb, args->value);
	case 'b':
		return by(keep, args->verb, args->value);
	case 'w':
		keep->options.flags |= ISLE_COMMIT_WAIT;
		return 1;
	case 'y':
		keep->yes = true;
		return 1;
	case 'A':
		return allow(keep, args->verb, args->value);
	case 'o':
		how = isle_on_conflict_by_name(args->value);
		if (how < 0) {
			isle_usage(args->verb,
				   "--on-conflict takes abort, skip, host, isle, both, merge or append, not '%s'",
				   isle_quote(args->value));
			return -EINVAL;
		}
		keep->options.on_conflict = (enum isle_on_conflict)how;
		return 1;
	case 'c':
		how = isle_criteria_by_name(args->value);
		if (how < 0) {
			isle_usage(args->verb, "--criteria takes aec, lookup, write or none, not '%s'",
				   isle_quote(args->value));
			return -EINVAL;
		}
		keep->options.criteria = (enum isle_criteria)how;
		return 1;
	default:
		return way(keep, args, id);
	}
}

/* A name as a pattern that only it fits. */
static char *pattern_for(const char *name)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	bool glob = strpbrk(name, "*?[") != NULL;

	for (; *name; name++) {
		if (glob && strchr("*?[\\", *name))
			isle_buf_addc(&buf, '\\');
		isle_buf_addc(&buf, *name);
	}
	return isle_buf_take(&buf);
}

/* Files of which hunks are taken need not be named twice; alone, they are all that is meant. */
static int add_hunk_paths(struct isle_keep *keep)
{
	int r = 0;

	for (size_t i = 0; i < keep->ways.hunk_count && r >= 0; i++)
		r = isle_operands_take(&keep->paths, pattern_for(keep->ways.hunks[i].path));
	return r;
}

int isle_keep_settings(struct isle_keep *keep, struct isle_err *err)
{
	auto_settings struct isle_settings settings = {0};
	const char *const *logs;
	int r = isle_settings_read(&settings, err);

	if (r < 0)
		return r;
	logs = isle_settings_logs(&settings);
	if (!logs && !isle_ways_says_logs(&keep->ways))
		return 0;
	r = isle_ways_complete(&keep->ways, logs ? logs : ISLE_LOG_PATTERNS);
	return r < 0 ? isle_err_errno(err, r, "cannot read the configuration") : 0;
}

static bool made(const struct isle_change *change, const void *data)
{
	return isle_made_has(data, change);
}

int isle_keep_select(struct isle_keep *keep, const struct isle_select *select, struct isle_err *err)
{
	int r = select->by && select->by[0] ? isle_made_load(keep->isle, select->by, &keep->made, err) : 0;

	if (keep->made.unrecorded)
		isle_note("run %u has no whole record: what is not on it is taken as nobody's", keep->made.unrecorded);
	keep->options.select = *select;
	keep->options.select.made = made;
	keep->options.select.made_data = &keep->made;
	return r;
}

int isle_keep_open(struct isle_keep *keep, const struct isle_args *args, struct isle_err *err)
{
	int first = args->operand_count > 0 && !strchr(args->operands[0], '/');
	int r = isle_store_open_recovered(&keep->store, err);

	for (int i = first; i < args->operand_count && r >= 0; i++)
		r = isle_operands_add(&keep->paths, args->operands[i], 0, err);
	if (r >= 0 && add_hunk_paths(keep) < 0)
		r = isle_err_errno(err, -ENOMEM, "cannot read the command line");
	if (r >= 0)
		r = isle_find(keep->store, first ? args->operands[0] : NULL, &keep->isle, err);
	if (r >= 0)
		r = isle_keep_select(keep,
				     &(struct isle_select){.paths = keep->paths.list,
							   .except = keep->except.list,
							   .by = keep->by.list,
							   .kinds = keep->options.select.kinds},
				     err);
	keep->options.rest = isle_rest;
	isle_ways_apply(&keep->ways, &keep->options);
	return r < 0 ? r : 0;
}

static void hint_flagged(const struct isle_findings *flagged)
{
	unsigned marks = 0;
	const char *comma = "";

	for (size_t i = 0; i < flagged->count; i++)
		marks |= flagged->list[i].marks;
	fputs("hint: look at them, then say yes with --allow=", stderr);
	for (unsigned bit = 1; bit <= ISLE_MARKS_FLAGGED; bit <<= 1)
		if (marks & bit) {
			fprintf(stderr, "%s%s", comma, isle_mark_name((enum isle_mark)bit));
			comma = ",";
		}
	fputs(", or leave them out with --except\n", stderr);
}

/* Dropping all of an isle counts only what is little, so that it takes constant time. */
static bool counted(const struct isle_summary *s)
{
	return s->create || s->modify || s->remove || s->rename || s->replace || s->metadata;
}

static bool has_reads(const struct isle_findings *conflicts)
{
	for (size_t i = 0; i < conflicts->count; i++)
		if (conflicts->list[i].change == ISLE_READ_ONLY)
			return true;
	return false;
}

/* The ways that can be gone for every one of them: what the verb takes only decides all. */
static void hint_ways(const struct isle_findings *conflicts)
{
	static const char *const ways[] = {
		[ISLE_CONFLICT_ABORT] = NULL,
		[ISLE_CONFLICT_SKIP] = "leaves these in the isle",
		[ISLE_CONFLICT_HOST] = "drops them from the isle",
		[ISLE_CONFLICT_ISLE] = "lets the isle win",
		[ISLE_CONFLICT_BOTH] = "keeps both",
		[ISLE_CONFLICT_MERGE] = "merges them by line",
		[ISLE_CONFLICT_APPEND] = "keeps both ends",
	};
	const char *before = "hint: --on-conflict";
	unsigned possible = ~0U;

	for (size_t i = 0; i < conflicts->count; i++)
		possible &= conflicts->list[i].choices;
	for (size_t how = ISLE_CONFLICT_SKIP; how < ARRAY_SIZE(ways); how++)
		if (possible & 1U << how) {
			fprintf(stderr, "%s=%s %s", before, isle_on_conflict_name((enum isle_on_conflict)how),
				ways[how]);
			before = ", ";
		}
	fprintf(stderr, "%s%s\n", before[0] == ',' ? "" : "hint: 'isle check' lists what can be chosen for each",
		has_reads(conflicts) ? "; --criteria=write looks only at what the isle changed" : "");
}

static void hint_conflict(const struct isle_keep *keep, const struct isle_findings *conflicts)
{
	const char *tried = isle_on_conflict_name(keep->options.on_conflict);

	if (keep->undo) {
		fputs("isle: nothing was done: these have changed since\n"
		      "hint: move them away or put them back, then try again\n",
		      stderr);
		return;
	}
	if (keep->options.on_conflict == ISLE_CONFLICT_ABORT)
		fputs("isle: nothing was done: the host has changed\n", stderr);
	else
		fprintf(stderr, "isle: nothing was done: --on-conflict=%s cannot decide all of these\n", tried);
	hint_ways(conflicts);
}

/* Something was named, so that nothing being of it is worth a complaint. */
static bool is_narrow(const struct isle_select *select)
{
	return (select->paths && select->paths[0]) || select->kinds || (select->by && select->by[0]);
}

int isle_keep_outcome(const struct isle_keep *keep, const struct isle_commit_result *result, const char *done)
{
	auto_free char *summary = isle_summary_text(&result->summary);

	/* What was not found out since. */
	if (!keep->told || (result->outcome != ISLE_OUTCOME_DONE && result->outcome != ISLE_OUTCOME_DECLINED))
		isle_keep_tell(result);
	switch (result->outcome) {
	case ISLE_OUTCOME_DONE:
		isle_note("%s %s (operation %" PRIu64 "; 'isle undo' takes it back)", done,
			  !counted(&result->summary) ? "all changes"
			  : summary		     ? summary
						     : "",
			  result->operation);
		return ISLE_EXIT_OK;
	case ISLE_OUTCOME_NOTHING:
		if (!is_narrow(&keep->options.select) || result->conflicts.count) {
			isle_note(result->conflicts.count ? "nothing else to do" : "nothing to do: no changes");
			return ISLE_EXIT_OK;
		}
		fprintf(stderr, "isle: nothing to do: no change matches\n");
		return ISLE_EXIT_FAILED;
	case ISLE_OUTCOME_CONFLICT:
		hint_conflict(keep, &result->conflicts);
		return ISLE_EXIT_CONFLICT;
	case ISLE_OUTCOME_FLAGGED:
		fprintf(stderr, "isle: nothing was done: flagged changes need a yes of their own\n");
		hint_flagged(&result->flagged);
		return ISLE_EXIT_FLAGGED;
	case ISLE_OUTCOME_STALE:
		fputs(keep->options.plan_id ? "isle: nothing was done: the plan no longer fits\n"
					      "hint: make a new one with 'isle plan'\n"
					    : "isle: nothing was done: something has changed since it was shown\n"
					      "hint: look again; what is asked then is about what is there now\n",
		      stderr);
		return ISLE_EXIT_FAILED;
	case ISLE_OUTCOME_TORN:
		fprintf(stderr,
			"isle: nothing was done: the machine went down during a run of '%s', its last writes may be "
			"lost\nhint: look at it with 'isle diff', then say yes with --allow=torn\n",
			keep->isle->name);
		return ISLE_EXIT_FLAGGED;
	case ISLE_OUTCOME_DECLINED:
		break;
	}
	if (!keep->yes && !isle_can_ask())
		fprintf(stderr, "isle: nothing was done: there is no terminal to ask on\nhint: say --yes\n");
	else
		isle_note("nothing was done");
	return ISLE_EXIT_FAILED;
}

static bool confirm(const struct isle_plan *plan, void *data)
{
	const struct isle_keep *keep = data;
	auto_free char *summary = isle_summary_text(&plan->summary);

	if (!summary || !isle_can_ask())
		return false;
	return isle_ask("%s %s (isle '%s')?", keep->verb, summary, plan->isle_name);
}

static void tell(const struct isle_commit_result *result, void *data)
{
	struct isle_keep *keep = data;

	isle_keep_tell(result);
	if (keep->options.confirm == confirm) /* the answer is for these, too */
		isle_keep_tell_allowed(result);
	keep->told = true;
}

void isle_keep_callbacks(struct isle_keep *keep, const char *verb, bool ask)
{
	keep->verb = verb;
	keep->options.tell = tell;
	keep->options.confirm = ask ? confirm : NULL;
	keep->options.data = keep;
}
