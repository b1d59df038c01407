/* SPDX-License-Identifier: Apache-2.0 */
/* Host files that are gone from their names in the isle, to be found by what they are: see struct isle_gone. */
#include "change_internal.h"
#include <errno.h>
#include <string.h>

int isle_gone_add(struct isle_gone *gone, unsigned layer, const char *path, const struct isle_stat *st, ssize_t change)
{
	struct isle_gone_name *name;

	if (gone->count == gone->room) {
		size_t room = gone->room ? gone->room * 2 : 64;
		struct isle_gone_name *list = reallocarray(gone->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		gone->list = list;
		gone->room = room;
	}
	name = &gone->list[gone->count];
	*name = (struct isle_gone_name){.layer = layer, .st = *st, .change = change, .path = strdup(path)};
	if (!name->path)
		return -ENOMEM;
	gone->count++;
	return 0;
}

void isle_gone_done(struct isle_gone *gone)
{
	for (size_t i = 0; i < gone->count; i++)
		free(gone->list[i].path);
	free(gone->list);
	*gone = (struct isle_gone){0};
}

static int compare_objects(const struct isle_gone_name *a, const struct isle_gone_name *b)
{
	if (a->layer != b->layer)
		return a->layer < b->layer ? -1 : 1;
	return (a->st.ino > b->st.ino) - (a->st.ino < b->st.ino);
}

/* A name that is a change of its own before one that went with its directory. */
static int compare(const void *a, const void *b)
{
	const struct isle_gone_name *x = a, *y = b;
	int order = compare_objects(x, y);

	if (order == 0)
		order = x->inside - y->inside;
	return order ? order : strcmp(x->path, y->path);
}

void isle_gone_sort(struct isle_gone *gone)
{
	if (gone->count > 1)
		qsort(gone->list, gone->count, sizeof(*gone->list), compare);
}

/* The first of this object; what was taken from it before is passed over, and that only once. */
struct isle_gone_name *isle_gone_next(struct isle_gone *gone, unsigned layer, uint64_t ino, unsigned links)
{
	struct isle_gone_name key = {.layer = layer, .st.ino = ino}, *first;
	size_t low = 0, high = gone->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_objects(&gone->list[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == gone->count || compare_objects(&gone->list[low], &key) != 0)
		return NULL;
	first = &gone->list[low];
	if (first->st.nlink < links)
		return NULL;
	low += first->taken;
	if (low == gone->count || compare_objects(&gone->list[low], &key) != 0)
		return NULL;
	first->taken++;
	return &gone->list[low];
}
