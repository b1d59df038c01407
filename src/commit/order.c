/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of actions (CRITERIA.md section 5):
 *   0. layers that are parked as a whole;
 *   1. what leaves its name (REMOVE, TAKE), deepest first, at the paths that the host has now;
 *   2. what gets a name, parents first, at the paths of the view; and metadata that opens a directory to its owner;
 *   3. the metadata of directories, deepest first, so that none is closed before what is in it is done.
 *
 * Parks. What is parked on the host's side must not move along with a directory that another action makes, moves or
 * removes: it is parked above the topmost such directory.
 */
#include "map.h"
#include "plan.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct order {
	unsigned phase;
	uint32_t index;
	const struct isle_action *action;
};

static unsigned phase_of(const struct isle_action *action)
{
	switch (action->kind) {
	case ISLE_ACTION_LAYER:
	case ISLE_ACTION_CARRY:
		return 0;
	case ISLE_ACTION_REMOVE:
	case ISLE_ACTION_TAKE:
		return 1;
	case ISLE_ACTION_META:
		if (!S_ISDIR(action->new_meta->st.stx_mode))
			return 2;
		if (!(action->flags & ISLE_ACTION_HIDDEN) && (action->old_meta->st.stx_mode & 0300) != 0300 &&
		    (action->new_meta->st.stx_mode & 0300) == 0300)
			return 2;
		return 3;
	default:
		return 2;
	}
}

static int compare_order(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	int order;

	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	order = strcmp(x->action->path, y->action->path);
	if (order != 0)
		return x->phase == 2 ? order : -order;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Moves each action to its place, where it is: a plan may be large. */
static void permute(struct isle_plan *plan, uint32_t *place)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++) {
		while (place[i] != i) {
			uint32_t to = place[i];
			struct isle_action moved = plan->actions[to];

			plan->actions[to] = plan->actions[i];
			plan->actions[i] = moved;
			place[i] = place[to];
			place[to] = to;
		}
	}
}

/* As it is where the plan comes from a sorted list of changes of one kind. */
static bool is_sorted(const struct order *orders, size_t count)
{
	size_t i;

	for (i = 1; i < count; i++)
		if (compare_order(&orders[i - 1], &orders[i]) > 0)
			return false;
	return true;
}

static int sort(struct isle_plan *plan)
{
	size_t n = plan->action_count, i;
	auto_free struct order *orders = calloc(n + 1, sizeof(*orders));
	auto_free uint32_t *place = calloc(n + 1, sizeof(*place));

	if (!orders || !place)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		orders[i] = (struct order){phase_of(&plan->actions[i]), (uint32_t)i, &plan->actions[i]};
	if (is_sorted(orders, n))
		return 0;
	qsort(orders, n, sizeof(*orders), compare_order);
	for (i = 0; i < n; i++)
		place[orders[i].index] = (uint32_t)i;
	for (i = 0; i < n; i++)
		plan->actions[i].pair = place[plan->actions[i].pair];
	permute(plan, place);
	return 0;
}

/* A directory that is not there, or not at this path, throughout. */
static bool is_unstable(const struct isle_action *action)
{
	switch (action->kind) {
	case ISLE_ACTION_REMOVE:
	case ISLE_ACTION_TAKE:
	case ISLE_ACTION_EXCHANGE:
		return S_ISDIR(action->old.mode) || S_ISDIR(action->new.mode);
	case ISLE_ACTION_CREATE:
	case ISLE_ACTION_PLACE:
		return S_ISDIR(action->new.mode);
	default:
		return false;
	}
}

static int set_park(struct isle_action *action, const struct isle_map *unstable)
{
	auto_free char *path = strdup(action->path);
	char *slash;

	if (!path)
		return -ENOMEM;
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (isle_map_get(unstable, path)) {
			action->park = ptr_take(&path);
			return 0;
		}
		*slash = '/';
	}
	return 0;
}

static int set_parks(struct isle_plan *plan)
{
	auto_map struct isle_map unstable = ISLE_MAP_INIT;
	bool any = false;
	size_t i;
	int r = 0;

	for (i = 0; i < plan->action_count; i++)
		any |= (plan->actions[i].flags & ISLE_ACTION_CROSS) != 0;
	for (i = 0; any && i < plan->action_count && r >= 0; i++)
		if (is_unstable(&plan->actions[i]))
			r = isle_map_set(&unstable, plan->actions[i].path, plan);
	for (i = 0; any && i < plan->action_count && r >= 0; i++)
		if (plan->actions[i].flags & ISLE_ACTION_CROSS)
			r = set_park(&plan->actions[i], &unstable);
	return r;
}

/* A further name that is prepared moves the ctime of the file. */
static int set_shared(struct isle_plan *plan)
{
	auto_map struct isle_map linked = ISLE_MAP_INIT;
	size_t i;
	int r = 0;

	for (i = 0; i < plan->action_count && r >= 0; i++)
		if (plan->actions[i].prepare == ISLE_PREPARE_HOST)
			r = isle_map_set(&linked, plan->actions[i].from, plan);
	for (i = 0; linked.count > 0 && i < plan->action_count; i++)
		if (isle_map_get(&linked, plan->actions[i].path))
			plan->actions[i].flags |= ISLE_ACTION_SHARED;
	return r;
}

/* What is changed in place by one of its names is met as that left it by the next. What leaves its name does so before
 * that. */
static int set_loose(struct isle_plan *plan)
{
	auto_map struct isle_map met = ISLE_MAP_INIT;
	char object[48];
	size_t i;
	int r = 0;

	for (i = 0; i < plan->action_count && r >= 0; i++) {
		struct isle_action *action = &plan->actions[i];

		if (!isle_stat_is_linked(&action->old) ||
		    (!isle_action_in_place(action) && action->kind != ISLE_ACTION_EXCHANGE))
			continue;
		if (isle_map_get(&met, isle_object_key(&action->old, object)))
			action->flags |= ISLE_ACTION_LOOSE;
		else if (action->kind == ISLE_ACTION_WRITE)
			action->flags &= ~(unsigned)ISLE_ACTION_LOOSE;
		if (isle_action_in_place(action))
			r = isle_map_set(&met, object, plan);
	}
	return r;
}

int isle_plan_sort(struct isle_plan *plan)
{
	int r = sort(plan);

	if (r >= 0)
		r = set_parks(plan);
	if (r >= 0)
		r = set_shared(plan);
	return r < 0 ? r : set_loose(plan);
}
