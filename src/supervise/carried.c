/* SPDX-License-Identifier: Apache-2.0 */
/* A plain list: few programs rename what the host has, and only what they open of their own is looked for here. */
#include "carried.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"
#include "path.h"

static void drop(struct isle_carried *carried, size_t i)
{
	free(carried->list[i].view);
	free(carried->list[i].host);
	carried->list[i] = carried->list[--carried->count];
}

static void drop_below(struct isle_carried *carried, const char *path)
{
	for (size_t i = carried->count; i > 0; i--)
		if (isle_path_below(carried->list[i - 1].view, path))
			drop(carried, i - 1);
}

void isle_carried_done(struct isle_carried *carried)
{
	while (carried->count > 0)
		drop(carried, carried->count - 1);
	free(carried->list);
	*carried = (struct isle_carried){0};
}

/* The name itself, or the nearest tree that holds it. */
static const struct isle_carried_name *find(const struct isle_carried *carried, const char *view)
{
	const struct isle_carried_name *found = NULL;
	size_t length = 0;

	for (size_t i = 0; i < carried->count; i++) {
		const struct isle_carried_name *name = &carried->list[i];

		if (strcmp(name->view, view) == 0)
			return name;
		if (name->kind != ISLE_CARRIED_FILE && isle_path_below(view, name->view) &&
		    strlen(name->view) > length) {
			found = name;
			length = strlen(name->view);
		}
	}
	return found;
}

bool isle_carried_find(const struct isle_carried *carried, const char *view, char *host, size_t room)
{
	const struct isle_carried_name *name = carried->count == 0 ? NULL : find(carried, view);

	if (name == NULL || name->kind == ISLE_CARRIED_OWN)
		return false;
	int length = snprintf(host, room, "%s%s", name->host, view + strlen(name->view));
	return length > 0 && (size_t)length < room;
}

static int add(struct isle_carried *carried, const char *view, const char *host, enum isle_carried_kind kind)
{
	auto_free char *own_view = strdup(view);
	auto_free char *own_host = host == NULL ? NULL : strdup(host);

	if (own_view == NULL || (host != NULL && own_host == NULL))
		return -ENOMEM;
	if (carried->count == ISLE_CARRIED_MOST)
		return -E2BIG;
	if (carried->count == carried->room) {
		size_t room = carried->room == 0 ? 16 : carried->room * 2;
		struct isle_carried_name *larger = reallocarray(carried->list, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		carried->list = larger;
		carried->room = room;
	}
	carried->list[carried->count++] = (struct isle_carried_name){
		.kind = kind, .view = ptr_take(&own_view), .host = ptr_take(&own_host)};
	return 0;
}

int isle_carried_add(struct isle_carried *carried, const char *view, const char *host, enum isle_carried_kind kind)
{
	for (size_t i = carried->count; i > 0; i--)
		if (strcmp(carried->list[i - 1].view, view) == 0)
			drop(carried, i - 1);
	return add(carried, view, host, kind);
}

int isle_carried_replace(struct isle_carried *carried, const char *view)
{
	if (carried->count == 0)
		return 0;
	drop_below(carried, view);
	const struct isle_carried_name *name = find(carried, view);
	return name == NULL || name->kind == ISLE_CARRIED_OWN ? 0 : add(carried, view, NULL, ISLE_CARRIED_OWN);
}

/* The path where it is when from has become to. NULL: out of memory. */
static char *moved(const char *view, const char *from, const char *to)
{
	const char *rest = view + strlen(from);

	return *rest == '\0' ? strdup(to) : isle_path_join(to, rest + 1);
}

int isle_carried_rename(struct isle_carried *carried, const char *from, const char *to)
{
	size_t count;
	int r = 0;

	if (carried->count == 0 || strcmp(from, to) == 0)
		return 0;
	r = isle_carried_replace(carried, to);
	count = carried->count;
	for (size_t i = 0; i < count && r >= 0; i++) {
		if (!isle_path_below(carried->list[i].view, from))
			continue;
		auto_free char *view = moved(carried->list[i].view, from, to);
		r = view == NULL ? -ENOMEM : add(carried, view, carried->list[i].host, carried->list[i].kind);
	}
	return r;
}

static int move(struct isle_carried_name *name, const char *from, const char *to)
{
	char *view = moved(name->view, from, to);

	if (view == NULL)
		return -ENOMEM;
	free(name->view);
	name->view = view;
	return 0;
}

int isle_carried_exchange(struct isle_carried *carried, const char *a, const char *b)
{
	int r = 0;

	for (size_t i = 0; i < carried->count && r >= 0; i++) {
		struct isle_carried_name *name = &carried->list[i];

		if (isle_path_below(name->view, a))
			r = move(name, a, b);
		else if (isle_path_below(name->view, b))
			r = move(name, b, a);
	}
	return r;
}
