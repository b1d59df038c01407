/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the layers of an isle to the plan of a commit: scan, choose, check, emit, order (order.c).
 *
 * The scan lists a new directory as one change. Only where some part of one has to be treated on its own (a selection,
 * a rename into it, a hard link out of it) it is repeated with everything listed.
 */
#include "answers.h"
#include "build_internal.h"
#include "compose.h"
#include "criteria.h"
#include "found.h"
#include "kernel.h"
#include "other_names.h"
#include "path.h"
#include "quote.h"
#include "rules.h"
#include "subtree.h"
#include "unchanged.h"
#include "writers.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What emit.c has found out of files with several names. */
static void forget_names(struct isle_builder *b)
{
	isle_unchanged_done(&b->unchanged);
	isle_map_done(&b->put);
	b->put_count = 0;
	free(b->keeper);
	b->keeper = NULL;
}

void isle_builder_done(struct isle_builder *b)
{
	size_t i;

	for (i = 0; b->uppers && i < b->layers.count; i++)
		isle_dirs_done(&b->uppers[i]);
	free(b->uppers);
	free(b->cross);
	free(b->override);
	free(b->found);
	free(b->composed);
	forget_names(b);
	isle_bases_done(&b->bases);
	isle_globs_done(&b->logs);
	isle_dirs_done(&b->host);
	isle_choice_done(&b->choice);
	isle_touched_done(&b->touched);
	isle_reads_done(&b->reads);
	isle_changes_done(&b->changes);
	isle_layers_done(&b->layers);
	isle_plan_done(&b->plan);
}
#define auto_builder __attribute__((cleanup(isle_builder_done)))

int isle_builder_is_cross(struct isle_builder *b, unsigned layer)
{
	const struct isle_layer *l = &b->layers.list[layer];
	auto_fd int host = -1, place = -1;
	struct statx here, there;
	int r;

	if (b->cross[layer])
		return b->cross[layer] == 2;
	host = isle_walk(b->host.root, l->path + 1, O_PATH);
	if (host < 0)
		return host;
	r = isle_statx(host, "", &there);
	if (r >= 0 && l->place)
		r = place = isle_place_open(l->place, O_PATH, NULL);
	if (r >= 0)
		r = isle_statx(l->place ? place : isle_store_fd(b->store), "", &here);
	if (r < 0)
		return r;
	b->cross[layer] = here.stx_dev_major == there.stx_dev_major && here.stx_dev_minor == there.stx_dev_minor &&
					  here.stx_mnt_id == there.stx_mnt_id
				  ? 1
				  : 2;
	return b->cross[layer] == 2;
}

static int init(struct isle_builder *b)
{
	size_t n;
	int r;

	r = isle_layers_read(b->isle, &b->layers, b->err);
	if (r < 0)
		return r;
	n = b->layers.count ? b->layers.count : 1;
	b->uppers = isle_dirs_new(n);
	b->cross = calloc(n, 1);
	if (!b->uppers || !b->cross)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	r = isle_touched_read(b->store, b->isle, &b->touched);
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot read what earlier operations touched");
	r = isle_dirs_init_host(&b->host);
	return r < 0 ? isle_err_errno(b->err, r, "/") : 0;
}

static int plan_init(struct isle_builder *b)
{
	struct isle_plan *plan = &b->plan;

	isle_plan_done(plan);
	plan->kind = ISLE_OPERATION_COMMIT;
	isle_sha256_init(&b->contents);
	plan->shown = (b->options->flags & ISLE_COMMIT_SHOW) != 0;
	memcpy(plan->isle_id, b->isle->id, sizeof(plan->isle_id));
	plan->isle_name = strdup(b->isle->name);
	if (!plan->isle_name || isle_plan_set_sites(plan, &b->layers) < 0)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	return 0;
}

/* What the rules do not allow, or cannot judge, is left out like an exception, and with it what needs it. */
static void obey_rules(struct isle_builder *b)
{
	size_t i;

	b->result->kept = 0;
	for (i = 0; i < b->changes.count; i++)
		if (b->choice.chosen[i] &&
		    (b->changes.list[i].blind || !isle_rules_allow(b->options->rules, &b->changes.list[i]))) {
			isle_choice_forbid(&b->choice, i);
			b->result->kept++;
		}
}

static unsigned scan_flags(const struct isle_builder *b)
{
	unsigned flags = ISLE_SCAN_TIMES | (b->all ? ISLE_SCAN_ALL : 0) | (b->plan.shown ? 0 : ISLE_SCAN_NOTES);

	flags |= ISLE_SCAN_INSIDE;
	/* What is written in place, or made of both sides', takes the attributes over one by one. */
	return b->options->hunks || b->options->replace == ISLE_REPLACE_WRITE ? flags : flags | ISLE_SCAN_BRIEF;
}

static int scan(struct isle_builder *b)
{
	unsigned flags = scan_flags(b);
	int r;

	isle_choice_done(&b->choice);
	isle_changes_done(&b->changes);
	isle_commit_result_done(b->result);
	free(b->override);
	free(b->composed);
	b->override = NULL;
	b->composed = NULL;
	forget_names(b);
	r = isle_changes_scan(b->store, b->isle, &b->layers, flags, &b->changes, b->err);
	if (r < 0)
		return r;
	r = isle_touched_settle(b->store, b->isle, &b->layers, &b->changes, b->err);
	if (r < 0)
		return r;
	b->override = calloc(b->changes.count + 1, 1);
	b->keeper = calloc(b->changes.count + 1, sizeof(*b->keeper));
	if (!b->override || !b->keeper)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	r = isle_choice_init(&b->changes, &b->options->select, &b->result->notes, &b->choice, b->err);
	if (r >= 0 && b->options->rules)
		obey_rules(b);
	return r;
}

static void count_change(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_changes one = {.list = (struct isle_change *)change, .count = 1};
	struct isle_summary *sum = &b->plan.summary, add;

	isle_commit_summary(&one, &add);
	sum->create += add.create;
	sum->modify += add.modify;
	sum->remove += add.remove;
	sum->rename += add.rename;
	sum->replace += add.replace;
	sum->metadata += add.metadata;
	sum->entries += add.entries;
	sum->bytes += add.bytes;
	sum->marks |= add.marks;
	if (change->entries > 0)
		isle_sha256_add(&b->contents, change->inside, sizeof(change->inside));
}

/* Its marks are those of all that is in it, too. */
static bool sums_up(const struct isle_change *change)
{
	return (change->kind == ISLE_CREATE && S_ISDIR(change->after.mode)) || change->kind == ISLE_REPLACE ||
	       (change->kind == ISLE_DELETE && S_ISDIR(change->before.mode));
}

/* Of a full list, each with what it is flagged for itself. */
static int flag_change(struct isle_builder *b, const struct isle_change *change)
{
	unsigned all = (b->all && sums_up(change) ? change->own_marks : change->marks) & ISLE_MARKS_FLAGGED;
	unsigned missing = all & ~b->options->allow;
	struct isle_findings *list = missing ? &b->result->flagged : &b->result->allowed;
	struct isle_finding *finding;
	int r;

	if (all == 0)
		return 0;
	r = isle_finding_add(list, change->path, "flagged", &finding, "needs a yes of its own");
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot list flagged changes");
	finding->marks = missing ? missing : all;
	return 0;
}

/* Whether the action for a directory deals with this change, too. What lies in a directory that was renamed onto one
 * that goes has the same path as what goes with that. */
static bool is_covered(const struct isle_change *change, const char *cover, bool gone)
{
	if (!cover || strcmp(change->path, cover) == 0 || !isle_path_below(change->path, cover))
		return false;
	return gone ? change->kind == ISLE_DELETE && !change->from : change->kind != ISLE_RENAME;
}

/* The key of a change to a file of which the host has several names, in the layer of an ordinary user; false for all
 * others. As root they stay one file, or are known to be another. */
static bool names_key(const struct isle_builder *b, const struct isle_change *change, char key[48])
{
	if (!b->layers.list[change->layer].user || !S_ISREG(change->before.mode) || !S_ISREG(change->after.mode) ||
	    change->before.nlink < 2)
		return false;
	snprintf(key, 48, "%u %" PRIx64, change->layer, change->before.ino);
	return true;
}

/* As an ordinary user the names of a file part when they are written to. Those that went different ways, in this commit
 * or in what it leaves in the isle, are files of their own from then on: written into the one that the host has, the
 * last would win. */
static int part_names(struct isle_builder *b)
{
	auto_map struct isle_map first = ISLE_MAP_INIT;
	char key[48];
	size_t i;

	for (i = 0; i < b->changes.count; i++) {
		struct isle_change *change = &b->changes.list[i], *other;

		if (change->another || !names_key(b, change, key))
			continue;
		other = isle_map_get(&first, key);
		if (!other && isle_map_set(&first, key, change) < 0)
			return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
		if (other && other->after.ino != change->after.ino)
			other->parted = true;
	}
	for (i = 0; first.count > 0 && i < b->changes.count; i++) {
		struct isle_change *change = &b->changes.list[i];
		const struct isle_change *other = names_key(b, change, key) ? isle_map_get(&first, key) : NULL;

		if (other && other->parted)
			change->parted = change->another = true;
	}
	return 0;
}

/* The actions of all chosen changes, in the order of the list. */
static int emit_all(struct isle_builder *b)
{
	const char *cover = NULL;
	bool gone = false; /* cover is a directory that is deleted */
	size_t i;
	int r;

	for (i = 0; i < b->changes.count && !b->need_all; i++) {
		const struct isle_change *change = &b->changes.list[i];
		size_t before = b->plan.action_count;

		if (!b->choice.chosen[i])
			continue;
		if (is_covered(change, cover, gone)) {
			r = flag_change(b, change);
			if (r < 0)
				return r;
			continue;
		}
		r = isle_emit(b, i, &cover);
		if (cover == change->path)
			gone = change->kind == ISLE_DELETE;
		if (r >= 0 && b->plan.action_count > before) {
			count_change(b, change);
			r = flag_change(b, change);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static bool takes_all(const struct isle_builder *b)
{
	size_t i;

	for (i = 0; i < b->changes.count; i++)
		if (!b->choice.chosen[i] || b->override[i] == ISLE_OVERRIDE_BOTH ||
		    (b->composed && b->composed[i].how == ISLE_COMPOSE_HUNKS))
			return false;
	return true;
}

static bool dirty_choice(const struct isle_builder *b)
{
	size_t i;

	for (i = 0; i < b->changes.count; i++)
		if (!b->choice.chosen[i])
			return true;
	return false;
}

static int close_choice(struct isle_builder *b)
{
	int r;

	if (!dirty_choice(b))
		return 0;
	r = isle_criteria_pair(b);
	if (r < 0)
		return r;
	if (isle_choice_close(&b->choice) < 0)
		return isle_err_errno(b->err, -ENOMEM, "cannot select changes");
	/* A name that nobody asked for may be anywhere: it needs a yes of its own. */
	for (size_t i = 0; i < b->changes.count; i++)
		if (b->choice.linked[i] && b->choice.chosen[i]) {
			b->changes.list[i].marks |= ISLE_MARK_LINK;
			b->changes.list[i].own_marks |= ISLE_MARK_LINK;
		}
	return 0;
}

/* Some change is of a directory with all that is in it: a full list has more. */
static bool stands_for_more(const struct isle_builder *b)
{
	size_t i;

	for (i = 0; i < b->changes.count; i++)
		if (b->changes.list[i].entries > 0)
			return true;
	return false;
}

/* Something in a directory is flagged, and would not be named: a yes is for what was. */
static bool hides_flags(const struct isle_builder *b)
{
	for (size_t i = 0; i < b->changes.count; i++) {
		const struct isle_change *change = &b->changes.list[i];

		if (b->choice.chosen[i] && sums_up(change) && (change->marks & ~change->own_marks & ISLE_MARKS_FLAGGED))
			return true;
	}
	return false;
}

/* Finds the conflicts and notes what they were found in. 1: they stand against it. */
static int decide(struct isle_builder *b)
{
	auto_free unsigned char *before = malloc(b->changes.count + 1);
	bool listing = b->options->answers || (b->options->flags & ISLE_COMMIT_LIST);
	int stop;

	if (!before)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	memcpy(before, b->choice.chosen, b->changes.count);
	stop = isle_compose_check_hunks(b);
	if (stop >= 0)
		stop = isle_criteria_load(b);
	if (stop >= 0)
		stop = isle_found_settle(b);
	if (stop >= 0)
		stop = isle_conflicts(b);
	if (stop >= 0) {
		int r = isle_criteria_check(b);

		stop = r < 0 ? r : stop | r;
	}
	if (stop < 0 || b->result->conflicts.count == 0 || !listing)
		return stop;
	/* Choices are made from a full list, whatever they come to. */
	b->need_all = !b->all && stands_for_more(b);
	if (b->need_all)
		return stop;
	b->all = true;
	isle_seen(b, before);
	return stop;
}

/* 1: conflicts stand against it. */
static int build_once(struct isle_builder *b)
{
	int r, stop;

	r = plan_init(b);
	if (r >= 0)
		r = scan(b);
	if (r >= 0)
		r = close_choice(b);
	if (r < 0)
		return r;
	b->need_all = false;
	stop = decide(b);
	/* What a conflict leaves out may be the other end of something in a new directory. */
	b->need_all |= stop >= 0 && !b->all && ((dirty_choice(b) && stands_for_more(b)) || hides_flags(b));
	if (stop < 0 || b->need_all)
		return stop;
	r = close_choice(b);
	if (r < 0)
		return r;
	if (stop)
		b->result->outcome = ISLE_OUTCOME_CONFLICT;
	if (stop && !(b->options->flags & ISLE_COMMIT_LIST))
		return 1;
	r = isle_other_names_check(b, takes_all(b));
	if (r >= 0)
		r = part_names(b);
	if (r >= 0)
		r = emit_all(b);
	if (r >= 0 && !b->need_all)
		r = isle_unchanged_leave(b);
	return r < 0 ? r : stop;
}

/* Whether all that the layer has is committed, and in such a way that it can be parked as a whole. Its root's own
 * metadata must stay: the fresh one takes them from the host, which has them later only. */
static bool is_taken(const struct isle_builder *b, unsigned site)
{
	bool exchanges = false;
	size_t i;

	if (b->layers.list[site].kind == ISLE_LAYER_FILE || b->cross[site] == 2)
		return false;
	for (i = 0; i < b->plan.action_count; i++) {
		const struct isle_action *action = &b->plan.actions[i];

		if (action->site != site)
			continue;
		if (action->upper && action->upper[0] == '\0')
			return false;
		exchanges |= action->kind == ISLE_ACTION_EXCHANGE && action->prepare == ISLE_PREPARE_NONE;
	}
	return exchanges;
}

static int take_layer(struct isle_builder *b, unsigned site)
{
	const struct isle_layer *layer = &b->layers.list[site];
	auto_fd int fd = isle_layer_open(b->isle, layer);
	struct isle_action *action;
	struct isle_stat st;
	size_t i;
	int r = fd < 0 ? fd : isle_look(fd, "", &st);

	if (r < 0)
		return r;
	for (i = 0; i < b->plan.action_count; i++) {
		action = &b->plan.actions[i];
		if (action->site == site && action->kind == ISLE_ACTION_EXCHANGE &&
		    action->prepare == ISLE_PREPARE_NONE)
			action->flags |= ISLE_ACTION_WITHIN;
	}
	action = isle_plan_add(&b->plan);
	if (!action)
		return -ENOMEM;
	action->kind = ISLE_ACTION_LAYER;
	action->change = ISLE_METADATA;
	action->flags = ISLE_ACTION_HIDDEN;
	action->site = site;
	action->pair = (uint32_t)(b->plan.action_count - 1);
	action->old = (struct isle_stat){.dev = st.dev, .ino = st.ino, .mode = st.mode};
	action->path = strdup(layer->path);
	return action->path ? 0 : -ENOMEM;
}

/* Where nothing of a layer is left out, it goes into the record first and each changed file takes one step, not two. */
static int take_layers(struct isle_builder *b)
{
	unsigned site;
	int r = 0;

	for (site = 0; b->plan.whole && site < b->layers.count && r >= 0; site++)
		if (is_taken(b, site))
			r = take_layer(b, site);
	return r < 0 ? isle_err_errno(b->err, r, "cannot plan the commit") : 0;
}

/* A file of which the host has several names. */
static bool is_shared(const struct isle_action *action)
{
	return S_ISREG(action->old.mode) && action->old.nlink > 1;
}

/* What is taken away on another mount than the store's is copied for undo when all is done. By then another name of the
 * same file would have been changed. */
static int check_kept_names(const struct isle_builder *b)
{
	auto_map struct isle_map changed = ISLE_MAP_INIT;
	char key[48];
	size_t i;

	for (i = 0; i < b->plan.action_count; i++) {
		struct isle_action *action = &b->plan.actions[i];

		if (isle_action_in_place(action) && is_shared(action) &&
		    isle_map_set(&changed, isle_object_key(&action->old, key), action) < 0)
			return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	}
	for (i = 0; changed.count > 0 && i < b->plan.action_count; i++) {
		const struct isle_action *action = &b->plan.actions[i], *other;

		if (!(action->flags & ISLE_ACTION_CROSS) || isle_action_in_place(action) || !is_shared(action))
			continue;
		other = isle_map_get(&changed, isle_object_key(&action->old, key));
		if (!other)
			continue;
		isle_err_hint(b->err, "commit one of them first: isle commit %s %s", b->isle->name,
			      isle_quote(other->path));
		return isle_err_text(
			b->err, -EXDEV,
			"'%s' changes in place, and another name of the file, '%s', goes: on another mount "
			"than the isle's these cannot be in one commit",
			isle_quote(other->path), isle_quote(action->path));
	}
	return 0;
}

int isle_plan_build(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		    struct isle_plan *ret_plan, struct isle_commit_result *ret_result, struct isle_err *err)
{
	auto_builder struct isle_builder b = {.store = store,
					      .isle = isle,
					      .options = options,
					      .host = ISLE_DIRS_INIT,
					      .result = ret_result,
					      .err = err};
	int taken, r = init(&b);

	if (r < 0)
		return r;
	b.all = isle_select_partial(&options->select) || options->rules;
	r = build_once(&b);
	if (r >= 0 && b.need_all) {
		b.all = true;
		r = build_once(&b);
	}
	if (r < 0)
		return r;
	isle_criteria_commands(&b);
	if (r == 0 && b.need_all)
		return isle_err_text(err, -EUCLEAN, "the isle's layers are in a state that cannot be committed");
	b.plan.whole = takes_all(&b);
	taken = take_layers(&b);
	if (taken < 0)
		return taken;
	isle_sha256_hex(&b.contents, b.plan.contents);
	if (isle_plan_sort(&b.plan) < 0 || isle_plan_identify(&b.plan) < 0)
		return isle_err_errno(err, -ENOMEM, "cannot plan the commit");
	taken = check_kept_names(&b);
	if (taken < 0)
		return taken;
	if (isle_writers_note(b.host.root, &b.plan, ret_result) < 0)
		return isle_err_errno(err, -ENOMEM, "cannot plan the commit");
	ret_result->summary = b.plan.summary;
	if (r == 0)
		ret_result->outcome = b.plan.action_count == 0	      ? ISLE_OUTCOME_NOTHING
				      : ret_result->flagged.count > 0 ? ISLE_OUTCOME_FLAGGED
								      : ISLE_OUTCOME_DONE;
	*ret_plan = b.plan;
	b.plan = ISLE_PLAN_INIT;
	return 0;
}
