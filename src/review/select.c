/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which changes are shown, and in which order.
 *
 * A new or deleted directory stands for what is in it, except for what is flagged. The list of changes is sorted byte
 * by byte, so what is in a directory does not always follow it at once ("/a", "/a-b", "/a/x"): whether something is
 * inside is found by looking up each directory above it.
 */
#include "path.h"
#include "review_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void isle_shown_done(struct isle_shown *shown)
{
	free(shown->list);
	*shown = (struct isle_shown){0};
}

static bool is_wanted(const struct isle_review *review, const struct isle_change *change)
{
	if (!review->paths)
		return true;
	return isle_globs_match(review->paths, change->path) ||
	       (change->kind == ISLE_RENAME && isle_globs_match(review->paths, change->from));
}

static bool stands_for_tree(const struct isle_change *change)
{
	bool directory = S_ISDIR(change->after.mode) || S_ISDIR(change->before.mode);

	return directory &&
	       (change->kind == ISLE_CREATE || change->kind == ISLE_DELETE || change->kind == ISLE_REPLACE);
}

/* Compares the first size bytes of path with a change's path. */
static int compare_prefix(const char *path, size_t size, const struct isle_change *change)
{
	int order = strncmp(path, change->path, size);

	return order ? order : -(change->path[size] != '\0');
}

static const struct isle_change *find(const struct isle_shown *trees, const char *path, size_t size)
{
	size_t low = 0, high = trees->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_prefix(path, size, trees->list[middle]);

		if (order == 0)
			return trees->list[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The directories seen so far that stand for what is in them; and the last answer, which neighbours share. */
struct trees {
	struct isle_shown dirs;
	const struct isle_change *last;
	size_t last_size; /* of the path of its directory */
	bool last_inside;
};

static bool find_above(const struct isle_shown *dirs, const struct isle_change *change)
{
	for (const char *slash = strchr(change->path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		const struct isle_change *tree = find(dirs, change->path, (size_t)(slash - change->path));

		if (tree && (tree->kind == change->kind || tree->kind == ISLE_REPLACE))
			return true;
	}
	return false;
}

/* Is it part of a tree that is new or deleted as a whole? */
static bool is_inside(struct trees *trees, const struct isle_change *change)
{
	size_t size = (size_t)(strrchr(change->path, '/') + 1 - change->path);

	if ((change->kind != ISLE_CREATE && change->kind != ISLE_DELETE) || trees->dirs.count == 0)
		return false;
	if (!trees->last || trees->last->kind != change->kind || trees->last_size != size ||
	    memcmp(trees->last->path, change->path, size) != 0) {
		trees->last_inside = find_above(&trees->dirs, change);
		trees->last = change;
		trees->last_size = size;
	}
	return trees->last_inside;
}

static bool is_shown(struct trees *trees, const struct isle_change *change, unsigned flags)
{
	if (flags & ISLE_SELECT_INSIDE || !is_inside(trees, change))
		return true;
	return flags & ISLE_SELECT_FLAGGED_INSIDE && isle_is_flagged(change) && !S_ISDIR(change->after.mode);
}

/* Moves those that come first to the front and keeps the order otherwise. */
static int put_first(struct isle_shown *shown, bool (*first)(const struct isle_change *))
{
	const struct isle_change **list = calloc(shown->count + 1, sizeof(*list));
	size_t at = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < shown->count; i++)
		if (first(shown->list[i]))
			list[at++] = shown->list[i];
	for (size_t i = 0; i < shown->count; i++)
		if (!first(shown->list[i]))
			list[at++] = shown->list[i];
	free(shown->list);
	shown->list = list;
	return 0;
}

static bool is_deleted(const struct isle_change *change)
{
	return change->kind == ISLE_DELETE;
}

int isle_review_select(const struct isle_review *review, unsigned flags, struct isle_shown *ret_shown)
{
	const struct isle_changes *changes = review->changes;
	auto_shown struct isle_shown dirs = {calloc(changes->count + 1, sizeof(*dirs.list)), 0};
	auto_shown struct isle_shown shown = {calloc(changes->count + 1, sizeof(*shown.list)), 0};
	struct trees trees = {.dirs = dirs};
	int r = 0;

	if (!dirs.list || !shown.list)
		return -ENOMEM;
	for (size_t i = 0; i < changes->count; i++) {
		const struct isle_change *change = &changes->list[i];

		if (!is_wanted(review, change))
			continue; /* it does not stand for what is wanted in it, either */
		if (is_shown(&trees, change, flags))
			shown.list[shown.count++] = change;
		if (stands_for_tree(change))
			trees.dirs.list[trees.dirs.count++] = change;
	}
	if (flags & ISLE_SELECT_FLAGGED_FIRST)
		r = put_first(&shown, isle_is_flagged);
	if (r >= 0 && flags & ISLE_SELECT_DELETED_FIRST)
		r = put_first(&shown, is_deleted);
	if (r < 0)
		return r;
	*ret_shown = shown;
	shown = (struct isle_shown){0};
	return 0;
}

size_t isle_review_count(const struct isle_review *review)
{
	size_t count = 0;

	for (size_t i = 0; i < review->changes->count; i++)
		count += is_wanted(review, &review->changes->list[i]);
	return count;
}

uint64_t isle_shown_bytes(const struct isle_shown *shown)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < shown->count; i++) {
		const struct isle_change *change = shown->list[i];
		bool has_data = S_ISREG(change->after.mode) && (change->diff & ISLE_DIFF_CONTENT);

		if (change->kind == ISLE_CREATE || has_data ||
		    (change->kind == ISLE_REPLACE && S_ISDIR(change->after.mode)))
			bytes += change->bytes;
	}
	return bytes;
}

/* The changes of exactly the first size bytes of path; of several the last. */
static const struct isle_change *find_change(const struct isle_changes *changes, const char *path, size_t size)
{
	size_t low = 0, high = changes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_prefix(path, size, &changes->list[middle]) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low > 0 && compare_prefix(path, size, &changes->list[low - 1]) == 0 ? &changes->list[low - 1] : NULL;
}

static bool swaps_directory(const struct isle_change *change)
{
	return change->kind == ISLE_REPLACE && (S_ISDIR(change->before.mode) || S_ISDIR(change->after.mode));
}

bool isle_in_swapped_directory(const struct isle_review *review, const struct isle_change *change)
{
	if (swaps_directory(change))
		return true;
	for (const char *slash = strchr(change->path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		const struct isle_change *above = find_change(review->changes, change->path,
							      (size_t)(slash - change->path));

		if (above && swaps_directory(above))
			return true;
	}
	return false;
}
