/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of the host that were renamed away.
 *
 * What a name below such a directory's old place means depends on the rename, which may be found later: the first pass
 * of a scan collects them, the second knows them all. A directory that a redirect leads back to its own path can be
 * still in the host's directory, or have been moved out of it into one that was made in its place: which of the two is
 * known only when it is known whether the host's directory was renamed. So these are held until then.
 */
#include "scan_internal.h"
#include <errno.h>
#include <string.h>

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool isle_scan_moved_away(const struct isle_scan *scan, const char *host)
{
	return scan->second_pass &&
	       bsearch(&host, scan->moved, scan->moved_count, sizeof(*scan->moved), compare_strings) != NULL;
}

int isle_scan_add_moved(struct isle_scan *scan, const char *host)
{
	if (scan->second_pass)
		return 0;
	if (scan->moved_count == scan->moved_room) {
		size_t room = scan->moved_room ? scan->moved_room * 2 : 16;
		char **moved = reallocarray(scan->moved, room, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		scan->moved = moved;
		scan->moved_room = room;
	}
	scan->moved[scan->moved_count] = strdup(host);
	if (!scan->moved[scan->moved_count])
		return -ENOMEM;
	scan->moved_count++;
	return 0;
}

int isle_scan_hold(struct isle_scan *scan)
{
	struct isle_held held = {0};

	if (scan->second_pass)
		return 0;
	if (scan->held_count == scan->held_room) {
		size_t room = scan->held_room ? scan->held_room * 2 : 16;
		struct isle_held *list = reallocarray(scan->held, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		scan->held = list;
		scan->held_room = room;
	}
	for (size_t i = scan->depth; i > 0 && held.base == 0; i--)
		if (scan->frames[i - 1].saved_host)
			held.base = scan->frames[i - 1].host_size;
	held.host = strdup(scan->host.data);
	if (!held.host)
		return -ENOMEM;
	scan->held[scan->held_count++] = held;
	return 0;
}

static void sort_moved(struct isle_scan *scan)
{
	qsort(scan->moved, scan->moved_count, sizeof(*scan->moved), compare_strings);
	scan->second_pass = true;
}

/* Whether a directory between the base and the held one was renamed away. */
static bool left_its_parent(const struct isle_scan *scan, struct isle_held *held)
{
	bool moved = false;

	for (char *slash = strchr(held->host + held->base + 1, '/'); slash && !moved; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		moved = isle_scan_moved_away(scan, held->host);
		*slash = '/';
	}
	return moved;
}

/* One look at each is enough: what was renamed above a held one is above those in it, too. */
int isle_moved_settle(struct isle_scan *scan)
{
	size_t kept = 0;
	int r = 0;

	sort_moved(scan);
	for (size_t i = 0; i < scan->held_count; i++) {
		if (left_its_parent(scan, &scan->held[i])) {
			struct isle_held held = scan->held[i];

			scan->held[i] = scan->held[kept];
			scan->held[kept++] = held;
		}
	}
	scan->second_pass = false;
	for (size_t i = 0; i < kept && r >= 0; i++)
		r = isle_scan_add_moved(scan, scan->held[i].host);
	sort_moved(scan);
	return r;
}

void isle_moved_done(struct isle_scan *scan)
{
	for (size_t i = 0; i < scan->moved_count; i++)
		free(scan->moved[i]);
	free(scan->moved);
	for (size_t i = 0; i < scan->held_count; i++)
		free(scan->held[i].host);
	free(scan->held);
}
