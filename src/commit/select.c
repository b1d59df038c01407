/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closure is a fixed point over one relation, "i needs j":
 *
 *   - what lies in a directory that is new, of another type, or renamed, needs that directory;
 *   - all names of one file need each other;
 *   - what a user's isle has renamed, a deletion and a creation in its layer, needs both;
 *   - a rename onto an existing name needs the deletion of what was there;
 *   - what takes the place of a renamed object needs the rename;
 *   - a file that has its data from another one of the host (renamed onto something, or swapped), and what replaces or
 *     removes that one, or moves it away, need each other;
 *   - the deletion (or change of type) of a directory needs each deletion below it, and each rename out of it;
 *   - the rename of a directory needs each rename out of it.
 *
 * `chosen` only grows by what is needed and shrinks only into `forbidden`, which only grows: so it ends.
 */
#include "select.h"
#include "buf.h"
#include "globs.h"
#include "path.h"
#include "quote.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int isle_finding_add(struct isle_findings *findings, const char *path, const char *kind, struct isle_finding **ret_new,
		     const char *why, ...)
{
	struct isle_finding *finding;
	va_list ap;
	int n;

	if (findings->count == findings->room) {
		size_t room = findings->room ? findings->room * 2 : 8;
		struct isle_finding *list = reallocarray(findings->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		findings->list = list;
		findings->room = room;
	}
	finding = &findings->list[findings->count];
	*finding = (struct isle_finding){.path = strdup(path), .kind = kind};
	va_start(ap, why);
	n = vasprintf(&finding->why, why, ap);
	va_end(ap);
	if (n < 0 || !finding->path) {
		free(finding->path);
		if (n >= 0)
			free(finding->why);
		return -ENOMEM;
	}
	findings->count++;
	if (ret_new)
		*ret_new = finding;
	return 0;
}

/* name: "/a/b", or "/a/b/" for what is below, too. */
static bool name_matches(const char *name, const char *path)
{
	size_t size = strlen(name);

	if (size > 1 && name[size - 1] == '/')
		return strncmp(path, name, size - 1) == 0 && (path[size - 1] == '\0' || path[size - 1] == '/');
	return strcmp(name, path) == 0;
}

static bool has(const char *const *list)
{
	return list && list[0];
}

static bool fits_path(const struct isle_select *select, const struct isle_globs *paths, const char *path)
{
	size_t i;

	if (!select->exact)
		return paths->count == 0 || isle_globs_match(paths, path);
	for (i = 0; select->paths && select->paths[i]; i++)
		if (name_matches(select->paths[i], path))
			return true;
	return false;
}

static bool is_selected(const struct isle_select *select, const struct isle_globs *paths,
			const struct isle_change *change)
{
	if (select->kinds && !(select->kinds & 1U << change->kind))
		return false;
	if (has(select->by) && !select->made(change, select->made_data))
		return false;
	return fits_path(select, paths, change->path);
}

bool isle_select_partial(const struct isle_select *select)
{
	return has(select->paths) || has(select->except) || select->kinds || has(select->by);
}

void isle_choice_done(struct isle_choice *choice)
{
	free(choice->chosen);
	free(choice->linked);
	free(choice->forbidden);
	free(choice->next_in_group);
	free(choice->other_end);
	isle_map_done(&choice->groups);
	isle_map_done(&choice->counts);
	isle_map_done(&choice->moved_from);
	isle_map_done(&choice->data_of);
	*choice = (struct isle_choice){0};
}

static void group_key(const struct isle_change *change, char key[40])
{
	snprintf(key, 40, "%u %" PRIx64, change->layer, change->link_group);
}

size_t isle_choice_group(const struct isle_choice *choice, const struct isle_change *change)
{
	char key[40];

	if (change->link_group == 0)
		return 0;
	group_key(change, key);
	return (size_t)isle_map_get(&choice->groups, key);
}

static void count_key(const struct isle_change *change, uint64_t host_ino, char key[64])
{
	snprintf(key, 64, "%u %" PRIx64 " %" PRIx64, change->layer, change->link_group, host_ino);
}

size_t isle_choice_count(const struct isle_choice *choice, const struct isle_change *change, uint64_t host_ino)
{
	char key[64];

	if (change->link_group == 0)
		return 0;
	count_key(change, host_ino, key);
	return (size_t)isle_map_get(&choice->counts, key);
}

static int count_one_more(struct isle_choice *choice, const struct isle_change *change, uint64_t host_ino)
{
	size_t count = isle_choice_count(choice, change, host_ino) + 1;
	char key[64];

	count_key(change, host_ino, key);
	return isle_map_set(&choice->counts, key, (void *)count);
}

static int index_changes(struct isle_choice *choice)
{
	size_t i = choice->changes->count;
	int r = 0;

	while (i-- > 0 && r >= 0) {
		const struct isle_change *change = &choice->changes->list[i];

		if (change->link_group) {
			char key[40];

			choice->next_in_group[i] = isle_choice_group(choice, change);
			group_key(change, key);
			r = isle_map_set(&choice->groups, key, (void *)(i + 1));
			if (r >= 0)
				r = count_one_more(choice, change, 0);
			if (r >= 0 && change->before.ino != 0)
				r = count_one_more(choice, change, change->before.ino);
		}
		if (r >= 0 && change->kind == ISLE_RENAME)
			r = isle_map_set(&choice->moved_from, change->from, (void *)(i + 1));
		if (r >= 0 && change->data)
			r = isle_map_set(&choice->data_of, change->data, (void *)(i + 1));
	}
	return r;
}

int isle_choice_init(const struct isle_changes *changes, const struct isle_select *select, struct isle_findings *notes,
		     struct isle_choice *ret_choice, struct isle_err *err)
{
	auto_choice struct isle_choice choice = {.changes = changes, .notes = notes};
	auto_globs struct isle_globs paths = {0};
	auto_globs struct isle_globs except = {0};
	size_t i;

	choice.chosen = calloc(changes->count + 1, 1);
	choice.linked = calloc(changes->count + 1, 1);
	choice.forbidden = calloc(changes->count + 1, 1);
	choice.next_in_group = calloc(changes->count + 1, sizeof(*choice.next_in_group));
	if (!choice.chosen || !choice.linked || !choice.forbidden || !choice.next_in_group ||
	    (!select->exact && isle_globs_parse(select->paths, &paths) < 0) ||
	    isle_globs_parse(select->except, &except) < 0 || index_changes(&choice) < 0)
		return isle_err_errno(err, -ENOMEM, "cannot select changes");
	for (i = 0; i < changes->count; i++) {
		const char *path = changes->list[i].path;

		choice.forbidden[i] = isle_globs_match(&except, path);
		choice.chosen[i] = !choice.forbidden[i] && is_selected(select, &paths, &changes->list[i]);
	}
	*ret_choice = choice;
	choice = (struct isle_choice){0};
	return 0;
}

void isle_choice_forbid(struct isle_choice *choice, size_t i)
{
	choice->forbidden[i] = 1;
	choice->chosen[i] = 0;
}

int isle_choice_pair(struct isle_choice *choice, size_t i, size_t j)
{
	if (!choice->other_end)
		choice->other_end = calloc(choice->changes->count + 1, sizeof(*choice->other_end));
	if (!choice->other_end)
		return -ENOMEM;
	choice->other_end[i] = j + 1;
	choice->other_end[j] = i + 1;
	return 0;
}

/* The first index whose path is not less than path (+ extra). */
static size_t lower_bound(const struct isle_changes *changes, const char *path, const char *extra)
{
	size_t low = 0, high = changes->count, length = strlen(path);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = changes->list[middle].path;
		int order = strncmp(other, path, length);

		if (order == 0)
			order = strcmp(other + length, extra);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

ssize_t isle_changes_find(const struct isle_changes *changes, const char *path)
{
	size_t i = lower_bound(changes, path, "");

	return i < changes->count && strcmp(changes->list[i].path, path) == 0 ? (ssize_t)i : -1;
}

void isle_changes_below(const struct isle_changes *changes, const char *path, size_t *ret_begin, size_t *ret_end)
{
	const char *own = strcmp(path, "/") == 0 ? "" : path;

	*ret_begin = lower_bound(changes, own, "/");
	*ret_end = lower_bound(changes, own, "0"); /* the byte after '/' */
	if (*own == '\0') {
		*ret_begin = lower_bound(changes, "/", "\1");
		*ret_end = changes->count;
	}
}

/* i needs j. 1: something moved. */
static int need(struct isle_choice *choice, size_t i, size_t j)
{
	const struct isle_change *change = &choice->changes->list[i], *needed = &choice->changes->list[j];
	int r = 0;

	if (i == j || choice->chosen[j] || !choice->chosen[i])
		return 0;
	if (choice->forbidden[j]) {
		isle_choice_forbid(choice, i);
		if (choice->notes)
			r = isle_finding_add(choice->notes, change->path, "left out", NULL,
					     "needs %s, which is left out", isle_quote(needed->path));
	} else {
		choice->chosen[j] = 1;
		if (choice->notes)
			r = isle_finding_add(choice->notes, needed->path, "pulled in", NULL, "%s needs it",
					     isle_quote(change->path));
	}
	return r < 0 ? r : 1;
}

static bool holds_new(const struct isle_change *change)
{
	return (change->kind == ISLE_CREATE || change->kind == ISLE_REPLACE) && S_ISDIR(change->after.mode);
}

static int need_ancestors(struct isle_choice *choice, size_t i)
{
	const struct isle_changes *changes = choice->changes;
	auto_free char *path = strdup(changes->list[i].path);
	int moved = 0;
	char *slash;

	if (!path)
		return -ENOMEM;
	while ((slash = strrchr(path, '/')) && slash > path) {
		ssize_t k;

		*slash = '\0';
		for (k = isle_changes_find(changes, path);
		     k >= 0 && (size_t)k < changes->count && strcmp(changes->list[k].path, path) == 0; k++) {
			const struct isle_change *above = &changes->list[k];
			int r = 0;

			if (holds_new(above) || (above->kind == ISLE_RENAME && S_ISDIR(above->after.mode)))
				r = need(choice, i, (size_t)k);
			if (r < 0)
				return r;
			moved |= r;
		}
	}
	return moved;
}

static int need_names(struct isle_choice *choice, size_t i)
{
	size_t j = isle_choice_group(choice, &choice->changes->list[i]);
	int moved = 0;

	for (; j > 0; j = choice->next_in_group[j - 1]) {
		bool before = choice->chosen[j - 1];
		int r = need(choice, i, j - 1);

		if (r < 0)
			return r;
		if (!before && choice->chosen[j - 1])
			choice->linked[j - 1] = 1;
		moved |= r;
	}
	return moved;
}

static int need_place(struct isle_choice *choice, size_t i)
{
	const struct isle_changes *changes = choice->changes;
	const struct isle_change *change = &changes->list[i];
	size_t away = (size_t)isle_map_get(&choice->moved_from, change->path);
	int r = 0;

	if (away > 0 && change->kind != ISLE_DELETE)
		r = need(choice, i, away - 1);
	if (r >= 0 && change->kind == ISLE_RENAME && i > 0 && changes->list[i - 1].kind == ISLE_DELETE &&
	    strcmp(changes->list[i - 1].path, change->path) == 0) {
		int again = need(choice, i, i - 1);

		r = again < 0 ? again : r | again;
	}
	return r;
}

/* The host's object at its path is not there any more after it, or has other data. */
static bool takes_data(const struct isle_change *change)
{
	switch (change->kind) {
	case ISLE_MODIFY:
		return change->another || (change->diff & ISLE_DIFF_CONTENT);
	case ISLE_CREATE:
	case ISLE_DELETE:
	case ISLE_REPLACE:
		return true;
	case ISLE_RENAME:
	case ISLE_METADATA:
	case ISLE_READ_ONLY:
		break;
	}
	return false;
}

static int need_data(struct isle_choice *choice, size_t i)
{
	const struct isle_changes *changes = choice->changes;
	const struct isle_change *change = &changes->list[i];
	size_t heir = choice->data_of.count > 0 ? (size_t)isle_map_get(&choice->data_of, change->path) : 0;
	ssize_t k = change->data ? isle_changes_find(changes, change->data) : -1;
	int moved = 0, r = 0;

	if (heir > 0 && takes_data(change))
		moved = need(choice, i, heir - 1);
	for (; k >= 0 && r >= 0 && (size_t)k < changes->count; k++) {
		if (strcmp(changes->list[k].path, change->data) != 0)
			break;
		r = takes_data(&changes->list[k]) ? need(choice, i, (size_t)k) : 0;
		moved |= r;
	}
	return r < 0 ? r : moved;
}

/* What comes from below the host's directory that this one removes or moves, by each of two maps. */
static int need_heirs(struct isle_choice *choice, size_t i, const struct isle_map *from, const char *host)
{
	int moved = 0, r = 0;

	for (size_t j = 0; from->count > 0 && j < from->room && r >= 0; j++) {
		const struct isle_map_slot *slot = &from->slots[j];

		if (slot->key && isle_path_below(slot->key, host)) {
			r = need(choice, i, (size_t)slot->value - 1);
			moved |= r;
		}
	}
	return r < 0 ? r : moved;
}

static int need_below(struct isle_choice *choice, size_t i)
{
	const struct isle_changes *changes = choice->changes;
	const struct isle_change *change = &changes->list[i];
	const char *host = isle_change_host(change);
	size_t j, end;
	int moved = 0, r = 0;

	if (!S_ISDIR(change->before.mode))
		return 0;
	if (change->kind != ISLE_DELETE && change->kind != ISLE_REPLACE && change->kind != ISLE_RENAME)
		return 0;
	isle_changes_below(changes, change->path, &j, &end);
	for (; j < end && r >= 0 && change->kind != ISLE_RENAME; j++) {
		r = changes->list[j].kind == ISLE_DELETE ? need(choice, i, j) : 0;
		moved |= r;
	}
	if (r >= 0) {
		r = need_heirs(choice, i, &choice->moved_from, host);
		moved |= r;
	}
	if (r >= 0) {
		r = need_heirs(choice, i, &choice->data_of, host);
		moved |= r;
	}
	return r < 0 ? r : moved;
}

static int need_other_end(struct isle_choice *choice, size_t i)
{
	return choice->other_end && choice->other_end[i] > 0 ? need(choice, i, choice->other_end[i] - 1) : 0;
}

int isle_choice_close(struct isle_choice *choice)
{
	int (*const rules[])(struct isle_choice *, size_t) = {need_ancestors, need_names, need_place,
							      need_data,      need_below, need_other_end};
	int moved;

	do {
		size_t i, k;

		moved = 0;
		for (i = 0; i < choice->changes->count; i++)
			for (k = 0; k < ARRAY_SIZE(rules) && choice->chosen[i]; k++) {
				int r = rules[k](choice, i);

				if (r < 0)
					return r;
				moved |= r;
			}
	} while (moved);
	return 0;
}
