/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host moved under the isle. The scan says it for each object; here the deletion of a whole directory is
 * looked through, since it takes everything below with it.
 */
#include "answers.h"
#include "build_internal.h"
#include "compose.h"
#include "criteria.h"
#include "found.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *moved_why(const struct isle_change *change)
{
	switch (change->moved) {
	case ISLE_MOVED_DELETED:
		return "the isle changed it, and it has been deleted on the host since";
	case ISLE_MOVED_CREATED:
		return "the isle made or replaced it, and so has the host since";
	case ISLE_MOVED_METADATA:
		return "the isle changed its metadata, and the directory has changed on the host since";
	case ISLE_MOVED_NO:
	case ISLE_MOVED_CHANGED:
		break;
	}
	return change->kind == ISLE_DELETE ? "the isle deleted it, and it has changed on the host since"
					   : "the isle changed it, and it has changed on the host since";
}

static int add_conflict(struct isle_builder *b, const struct isle_change *change, const char *kind, const char *why,
			const char *what)
{
	struct isle_finding *finding;
	int r = isle_finding_add(&b->result->conflicts, change->path, kind, &finding, why, what);

	if (r < 0)
		return isle_err_errno(b->err, r, "cannot list conflicts");
	finding->now = change->before;
	finding->isle = change->after;
	finding->then.ctime = change->base;
	finding->dated = true;
	finding->change = change->kind;
	isle_criteria_then(b, isle_change_host(change), finding);
	return 0;
}

/* The whole of a directory goes: nothing in it may have changed. 1: quiet, 0: not (and listed). */
static int check_whole(struct isle_builder *b, const struct isle_change *change)
{
	auto_free char *inside = NULL;
	const char *name;
	int dir, r;

	if (!S_ISDIR(change->before.mode) || change->kind == ISLE_RENAME || change->kind == ISLE_METADATA ||
	    change->kind == ISLE_MODIFY || S_ISDIR(change->after.mode))
		return 1;
	dir = isle_dirs_parent(&b->host, isle_change_host(change), &name);
	r = dir < 0 ? dir : isle_subtree_quiet(dir, name, &change->base, &b->touched, &inside);
	if (r == -EACCES)
		return 1; /* this user cannot see into it, nor could the isle */
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot look through '%s'", change->path);
	if (r > 0)
		return 1;
	return add_conflict(b, change, "changed", "the isle deleted it, and %s in it has changed on the host since",
			    isle_quote(inside));
}

/* The layer has no content of the file: it is copied, or renamed, from what the host has. */
static bool takes_data(struct isle_builder *b, const struct isle_change *change)
{
	return change->metacopy && (change->data || isle_builder_is_cross(b, change->layer) > 0);
}

/* The content of a metacopy was that of a file which is not there any more. */
static bool has_other_data(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_stat now;

	return takes_data(b, change) && isle_found_data(b, change, isle_change_data(change), &now) <= 0;
}

/* The file that a metacopy has its data from. 1: as the isle saw it, 0: not (and listed). */
static int check_data(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_stat now;
	const char *name, *path;
	int dir, r;

	if (!takes_data(b, change))
		return 1;
	path = isle_change_data(change);
	dir = isle_dirs_parent(&b->host, path, &name);
	r = dir < 0 ? dir : isle_look(dir, name, &now);
	if (r < 0 && !isle_is_gone(r))
		return isle_err_errno(b->err, r, "cannot look at '%s'", path);
	if (r > 0 && !(change->data && isle_touched_later(&b->touched, &now, &change->base)) &&
	    !has_other_data(b, change))
		return 1;
	r = add_conflict(b, change, "changed", "its content is that of %s, which has changed on the host since",
			 isle_quote(path));
	return r < 0 ? r : 0;
}

/* The isle may win over the host where no directory is swallowed by it, and nothing is needed of an object that others
 * may have put there. */
static bool may_override(struct isle_builder *b, size_t i)
{
	const struct isle_change *change = &b->changes.list[i];

	if (b->found[i] == ISLE_FOUND_FOREIGN)
		return isle_found_obstacle(b, i) == NULL;
	if (has_other_data(b, change))
		return false;
	if (change->moved == ISLE_MOVED_METADATA)
		return true;
	return !S_ISDIR(change->before.mode) && !S_ISDIR(change->after.mode);
}

static bool may_be_both(const struct isle_change *change)
{
	return S_ISREG(change->after.mode) && change->kind != ISLE_METADATA && change->kind != ISLE_RENAME &&
	       !change->metacopy && change->upper;
}

enum { RESOLVE_STOP = 1, RESOLVE_DONE = 0 };

static int add_composition(struct isle_builder *b, const struct isle_change *change, enum isle_compose how,
			   struct isle_composition *composition, unsigned choice, unsigned *choices)
{
	int r = isle_compose_sides(b, change, how, composition);

	if (r > 0)
		*choices |= choice;
	return r;
}

/* What may be chosen; with it what merging would be, and appending. */
static int choices_of(struct isle_builder *b, size_t i, struct isle_composition composed[2], unsigned *ret_choices)
{
	const struct isle_change *change = &b->changes.list[i];
	unsigned choices = 1U << ISLE_CONFLICT_ABORT | 1U << ISLE_CONFLICT_SKIP | 1U << ISLE_CONFLICT_HOST;
	int append, merge;

	*ret_choices = 1U << ISLE_CONFLICT_ABORT | 1U << ISLE_CONFLICT_SKIP;
	if (isle_compose_is_hunked(b, change))
		return 0;
	if (may_override(b, i))
		choices |= 1U << ISLE_CONFLICT_ISLE;
	if (may_be_both(change))
		choices |= 1U << ISLE_CONFLICT_BOTH;
	if (b->found[i] == ISLE_FOUND_FOREIGN) {
		*ret_choices = choices;
		return 0;
	}
	merge = add_composition(b, change, ISLE_COMPOSE_MERGE, &composed[0], 1U << ISLE_CONFLICT_MERGE, &choices);
	if (merge < 0)
		return merge;
	append = add_composition(b, change, ISLE_COMPOSE_APPEND, &composed[1], 1U << ISLE_CONFLICT_APPEND, &choices);
	if (append < 0)
		return append;
	/* Where no text was kept to merge by line. */
	if (append && !merge && !isle_compose_has_text(b, change)) {
		composed[0] = composed[1];
		choices |= 1U << ISLE_CONFLICT_MERGE;
	}
	*ret_choices = choices;
	return 0;
}

/* What is to be done about a conflict: as was answered for it alone, or else for all. */
static enum isle_on_conflict choice_of(const struct isle_builder *b, const struct isle_change *change)
{
	const struct isle_answer *answer;

	if (b->criteria == ISLE_CRITERIA_NONE)
		return ISLE_CONFLICT_ISLE;
	if (!b->options->answers)
		return b->options->on_conflict;
	answer = isle_answers_find(b->options->answers, change->path, change->kind);
	return answer ? answer->how : ISLE_CONFLICT_ABORT;
}

static int resolve(struct isle_builder *b, size_t i)
{
	const struct isle_change *change = &b->changes.list[i];
	struct isle_finding *conflict = &b->result->conflicts.list[b->result->conflicts.count - 1];
	struct isle_composition composed[2];
	bool possible;
	int r = choices_of(b, i, composed, &conflict->choices);

	if (r < 0)
		return r;
	conflict->choice = choice_of(b, change);
	possible = conflict->choices & 1U << conflict->choice;
	switch (possible ? conflict->choice : ISLE_CONFLICT_ABORT) {
	case ISLE_CONFLICT_ABORT:
		if (!(b->options->flags & ISLE_COMMIT_LIST))
			return RESOLVE_STOP;
		conflict->choice = ISLE_CONFLICT_ABORT;
		isle_choice_forbid(&b->choice, i);
		return RESOLVE_STOP;
	case ISLE_CONFLICT_SKIP:
	case ISLE_CONFLICT_HOST:
		isle_choice_forbid(&b->choice, i);
		return RESOLVE_DONE;
	case ISLE_CONFLICT_ISLE:
		b->override[i] = ISLE_OVERRIDE_ISLE;
		return RESOLVE_DONE;
	case ISLE_CONFLICT_BOTH:
		b->override[i] = ISLE_OVERRIDE_BOTH;
		return RESOLVE_DONE;
	case ISLE_CONFLICT_MERGE:
	case ISLE_CONFLICT_APPEND:
		b->override[i] = ISLE_OVERRIDE_MERGE;
		return isle_compose_note(b, i, &composed[conflict->choice == ISLE_CONFLICT_APPEND]);
	}
	return RESOLVE_STOP;
}

/* Written without having been looked at: the order "host, then isle" gives the same. A person would want to know. */
static int overwrite(struct isle_builder *b, size_t i)
{
	int r = isle_finding_add(&b->result->notes, b->changes.list[i].path, "overwritten", NULL,
				 "it has changed on the host since, and is replaced: the isle had not read it");

	b->override[i] = ISLE_OVERRIDE_ISLE;
	return r < 0 ? isle_err_errno(b->err, r, "cannot list what is overwritten") : 0;
}

/* A log file that both only appended to is no conflict. 1: so, and said. */
static int append_log(struct isle_builder *b, size_t i)
{
	const struct isle_change *change = &b->changes.list[i];
	struct isle_composition composition;
	int r = isle_compose_log(b, change, &composition);

	if (r <= 0)
		return r;
	b->override[i] = ISLE_OVERRIDE_MERGE;
	r = isle_compose_note(b, i, &composition);
	if (r >= 0 && isle_finding_add(&b->result->notes, change->path, "appended", NULL,
				       "the host has appended to it, too: the isle's part comes after that") < 0)
		r = isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	return r < 0 ? r : 1;
}

/* Of what is committed without a conflict, perhaps only some hunks. */
static int check_hunks(struct isle_builder *b, size_t i)
{
	struct isle_composition composition;
	int r = isle_compose_hunks(b, &b->changes.list[i], &composition);

	return r <= 0 ? r : isle_compose_note(b, i, &composition);
}

/* Another object than the isle saw, where others may write. */
static int refuse_foreign(struct isle_builder *b, size_t i)
{
	const char *obstacle = isle_found_obstacle(b, i);
	auto_free char *why = NULL;
	int r = asprintf(&why, "it is not the object that the isle saw, and others may write where it is%s%s",
			 obstacle ? "; the isle's cannot take its place: " : "", obstacle ? obstacle : "");

	if (r < 0) {
		why = NULL;
		return isle_err_errno(b->err, -ENOMEM, "cannot list conflicts");
	}
	r = add_conflict(b, &b->changes.list[i], "replaced", "%s", why);
	return r < 0 ? r : resolve(b, i);
}

static int check_one(struct isle_builder *b, size_t i)
{
	const struct isle_change *change = &b->changes.list[i];
	int r;

	/* Gone on both sides: agreed. */
	if (change->kind == ISLE_DELETE && change->moved == ISLE_MOVED_DELETED)
		return 0;
	if (b->found[i] == ISLE_FOUND_FOREIGN)
		return refuse_foreign(b, i);
	if (change->moved != ISLE_MOVED_NO && isle_criteria_blind(b, change) && !isle_compose_is_hunked(b, change))
		return overwrite(b, i);
	if (change->moved != ISLE_MOVED_NO) {
		r = append_log(b, i);
		if (r != 0)
			return r < 0 ? r : RESOLVE_DONE;
		r = add_conflict(b, change, isle_moved_name(change->moved), "%s", moved_why(change));
		return r < 0 ? r : resolve(b, i);
	}
	r = check_data(b, change);
	if (r > 0)
		r = check_whole(b, change);
	if (r > 0)
		return check_hunks(b, i);
	return r < 0 ? r : resolve(b, i);
}

int isle_conflicts(struct isle_builder *b)
{
	int stop = 0;
	size_t i;

	for (i = 0; i < b->changes.count; i++) {
		struct isle_change *change = &b->changes.list[i];

		if (isle_criteria_renamed(b, change)) {
			change->kind = ISLE_CREATE;
			change->moved = ISLE_MOVED_NO;
			change->diff = 0;
		}
		int r;

		if (!b->choice.chosen[i])
			continue;
		r = check_one(b, i);
		if (r < 0)
			return r;
		stop |= r;
	}
	return stop;
}
