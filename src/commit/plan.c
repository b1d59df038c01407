/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"
#include "buf.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int isle_action_set_linked(struct isle_action *action, const struct isle_stat *file)
{
	action->linked = malloc(sizeof(*action->linked));
	if (!action->linked)
		return -ENOMEM;
	*action->linked = *file;
	return 0;
}

void isle_action_upper(struct isle_action *action, char *upper)
{
	if (!action->upper_in_path)
		free(action->upper);
	action->upper = upper;
	action->upper_in_path = false;
}

void isle_action_done(struct isle_action *action)
{
	isle_action_upper(action, NULL);
	free(action->path);
	free(action->from);
	free(action->park);
	free(action->index);
	free(action->linked);
	isle_meta_free(action->old_meta);
	isle_meta_free(action->new_meta);
	free(action->overlay.list);
	free(action->hunks);
	*action = (struct isle_action){0};
}

void isle_plan_done(struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++)
		isle_action_done(&plan->actions[i]);
	for (i = 0; i < plan->site_count; i++) {
		free(plan->sites[i].path);
		free(plan->sites[i].place);
	}
	for (i = 0; i < plan->leaving_count; i++)
		free(plan->leaving[i].upper);
	free(plan->leaving);
	free(plan->actions);
	free(plan->sites);
	free(plan->isle_name);
	free(plan->storage);
	*plan = ISLE_PLAN_INIT;
}

int isle_plan_leave(struct isle_plan *plan, unsigned site, const char *upper, uint64_t ino)
{
	struct isle_leaving one = {.site = site, .ino = ino, .upper = strdup(upper)};

	if (one.upper && plan->leaving_count == plan->leaving_room) {
		size_t room = plan->leaving_room ? plan->leaving_room * 2 : 16;
		struct isle_leaving *leaving = reallocarray(plan->leaving, room, sizeof(*leaving));

		if (leaving) {
			plan->leaving = leaving;
			plan->leaving_room = room;
		}
	}
	if (!one.upper || plan->leaving_count == plan->leaving_room) {
		free(one.upper);
		return -ENOMEM;
	}
	plan->leaving[plan->leaving_count++] = one;
	return 0;
}

struct isle_action *isle_plan_add(struct isle_plan *plan)
{
	if (plan->action_count == plan->action_room) {
		size_t room = plan->action_room ? plan->action_room * 2 : 16;
		struct isle_action *actions = reallocarray(plan->actions, room, sizeof(*actions));

		if (!actions)
			return NULL;
		plan->actions = actions;
		plan->action_room = room;
	}
	plan->actions[plan->action_count] = (struct isle_action){0};
	return &plan->actions[plan->action_count++];
}

int isle_plan_set_sites(struct isle_plan *plan, const struct isle_layers *layers)
{
	size_t i;

	plan->sites = calloc(layers->count ? layers->count : 1, sizeof(*plan->sites));
	if (!plan->sites)
		return -ENOMEM;
	for (i = 0; i < layers->count; i++) {
		const struct isle_layer *layer = &layers->list[i];
		struct isle_site *site = &plan->sites[plan->site_count++];

		site->layer = layer->number;
		site->user = layer->user;
		site->path = strdup(layer->path);
		site->place = layer->place ? strdup(layer->place) : NULL;
		if (!site->path || (layer->place && !site->place))
			return -ENOMEM;
	}
	return 0;
}

const char *isle_action_name(enum isle_action_kind kind)
{
	static const char *const names[] = {"remove",	"take", "place",   "create", "exchange", "write",
					    "metadata", "drop", "restore", "revert", "layer",	 "carry"};

	return (unsigned)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

static const char *const conflict_names[] = {"abort", "skip", "host", "isle", "both", "merge", "append"};

int isle_on_conflict_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(conflict_names); i++)
		if (strcmp(name, conflict_names[i]) == 0)
			return (int)i;
	return -1;
}

const char *isle_on_conflict_name(enum isle_on_conflict how)
{
	return (unsigned)how < ARRAY_SIZE(conflict_names) ? conflict_names[how] : "unknown";
}

static const char *const replace_names[] = {"auto", "rename", "write"};

int isle_replace_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(replace_names); i++)
		if (strcmp(name, replace_names[i]) == 0)
			return (int)i;
	return -1;
}

const char *isle_replace_name(enum isle_replace replace)
{
	return (unsigned)replace < ARRAY_SIZE(replace_names) ? replace_names[replace] : "unknown";
}

void isle_commit_summary(const struct isle_changes *changes, struct isle_summary *ret_summary)
{
	struct isle_summary sum = {0};
	size_t i;

	for (i = 0; i < changes->count; i++) {
		const struct isle_change *change = &changes->list[i];
		uint64_t *const counters[] = {&sum.create, &sum.modify,	 &sum.remove,
					      &sum.rename, &sum.replace, &sum.metadata};

		(*counters[change->kind])++;
		sum.entries += 1 + change->entries;
		if (change->kind != ISLE_DELETE && change->kind != ISLE_METADATA)
			sum.bytes += change->bytes;
		sum.marks |= change->marks;
	}
	*ret_summary = sum;
}

char *isle_summary_text(const struct isle_summary *summary)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	const struct {
		uint64_t count;
		const char *word;
	} parts[] = {
		{summary->create, "created"},	{summary->modify, "modified"},
		{summary->remove, "deleted"},	{summary->rename, "renamed"},
		{summary->replace, "replaced"}, {summary->metadata, "with changed metadata"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].count > 0)
			isle_buf_addf(&buf, "%s%" PRIu64 " %s", buf.size > 0 ? ", " : "", parts[i].count,
				      parts[i].word);
	if (buf.size == 0)
		isle_buf_adds(&buf, "nothing");
	return isle_buf_take(&buf);
}

const char *isle_object_key(const struct isle_stat *object, char key[48])
{
	snprintf(key, 48, "%" PRIx64 " %" PRIx64, object->dev, object->ino);
	return key;
}

static void findings_done(struct isle_findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++) {
		free(findings->list[i].path);
		free(findings->list[i].why);
		free(findings->list[i].command);
	}
	free(findings->list);
	*findings = (struct isle_findings){0};
}

void isle_commit_result_done(struct isle_commit_result *result)
{
	findings_done(&result->conflicts);
	findings_done(&result->flagged);
	findings_done(&result->allowed);
	findings_done(&result->notes);
	for (size_t i = 0; i < result->writable_count; i++) {
		free(result->writable[i].path);
		free(result->writable[i].name);
	}
	free(result->writable);
	*result = ISLE_COMMIT_RESULT_INIT;
}
