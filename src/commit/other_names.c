/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name is looked for on the host, from the name that the kernel tells upwards: in its directory and below, then in
 * the one above, until so many entries have been looked at. What the isle has deleted, moved or put something else in
 * the place of is at another path in the isle, or at none.
 */
#include "other_names.h"
#include "kernel.h"
#include "orphans.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { ENTRIES_MAX = 200000 };

struct search {
	const struct isle_builder *b; /* NULL: all names are counted */
	uint64_t ino, dev;
	unsigned left;	/* entries that are still looked at */
	unsigned count; /* names */
	char *found;	/* a path of the isle, heap */
};

/* Whether the isle has something else at `shown` than what the host has at `host`, or nothing: it has been deleted, or
 * another object is there. What was deleted with another directory of that name does not count. */
static bool is_gone(const struct isle_builder *b, const char *shown, const char *host)
{
	for (ssize_t i = isle_changes_find(&b->changes, shown);
	     i >= 0 && (size_t)i < b->changes.count && strcmp(b->changes.list[i].path, shown) == 0; i++) {
		const struct isle_change *change = &b->changes.list[i];
		bool same = strcmp(isle_change_host(change), host) == 0;

		if (change->kind == ISLE_DELETE ? same : change->kind != ISLE_METADATA && !same)
			return true;
		if (!S_ISDIR(change->after.mode) && change->kind != ISLE_DELETE) /* that is on the list */
			return true;
		if (change->kind == ISLE_CREATE || change->kind == ISLE_REPLACE)
			return true;
	}
	return false;
}

/* The rename that takes away what the host has at this path or at one above it; *ret_size: how much of path that is. */
static const struct isle_change *moved_with(const struct isle_builder *b, const char *path, size_t *ret_size)
{
	auto_free char *above = strdup(path);

	while (above && above[0] != '\0') {
		size_t i = (size_t)isle_map_get(&b->choice.moved_from, above);

		*ret_size = strlen(above);
		if (i > 0)
			return &b->changes.list[i - 1];
		*strrchr(above, '/') = '\0';
	}
	return NULL;
}

/* Where the isle shows what the host has at this path, heap; NULL: nowhere, or something else. */
static char *shown_at(const struct isle_builder *b, const char *path)
{
	size_t size = 0;
	const struct isle_change *moved = moved_with(b, path, &size);
	auto_free char *shown = moved ? isle_path_join(moved->path, path + size) : strdup(path);
	auto_free char *above = shown ? strdup(shown) : NULL;
	auto_free char *host = strdup(path);
	char *slash, *host_slash;

	if (!above || !host || (moved && path[size] == '\0') || is_gone(b, shown, path))
		return NULL;
	while ((slash = strrchr(above, '/')) && slash > above && (host_slash = strrchr(host, '/'))) {
		*slash = *host_slash = '\0';
		if (is_gone(b, above, host))
			return NULL;
		if (moved && strcmp(above, moved->path) == 0)
			break; /* above it is what the host has there */
	}
	return ptr_take(&shown);
}

static int look_through(struct search *s, int dir, const char *path)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *entry;

	while (r == 0 && !s->found && s->left > 0 && (entry = isle_next_entry(stream, &r))) {
		auto_free char *below = isle_path_join(path, entry->d_name);
		struct isle_stat st;

		s->left--;
		if (!below || isle_look(dir, entry->d_name, &st) <= 0 || st.dev != s->dev)
			continue;
		if (st.ino == s->ino)
			s->count++;
		if (st.ino == s->ino && s->b)
			s->found = shown_at(s->b, below);
		if (!S_ISDIR(st.mode))
			continue;
		auto_fd int sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = look_through(s, sub, below);
	}
	/* What cannot be read is passed over. */
	return r == -ENOMEM ? r : 0;
}

/* A name of the file to begin with, one that is gone in the isle if the kernel knows none but what is kept for undo. */
static char *start_of(const struct isle_builder *b, const struct isle_orphan *orphan)
{
	if (orphan->path && !isle_path_below(orphan->path, isle_store_path(b->store)))
		return strdup(orphan->path);
	for (size_t i = 0; i < b->changes.count; i++)
		if (b->changes.list[i].before.ino == orphan->ino)
			return strdup(isle_change_host(&b->changes.list[i]));
	return NULL;
}

/* An earlier layer is kept in the same directory. */
static bool is_known_place(const struct isle_builder *b, size_t i)
{
	const char *place = b->layers.list[i].place;
	size_t size = (size_t)(strrchr(place, '/') - place) + 1;

	for (size_t k = 0; k < i; k++)
		if (b->layers.list[k].place && strncmp(b->layers.list[k].place, place, size) == 0 &&
		    !strchr(b->layers.list[k].place + size, '/'))
			return true;
	return false;
}

/* How many names the records of earlier operations keep. */
static unsigned count_kept(const struct isle_builder *b, const struct isle_orphan *orphan)
{
	struct search s = {.dev = orphan->dev, .ino = orphan->ino, .left = ENTRIES_MAX};
	auto_fd int undo = isle_walk(isle_store_fd(b->store), "undo", O_RDONLY | O_DIRECTORY);

	if (undo >= 0)
		isle_ignore(look_through(&s, undo, ""));
	for (size_t i = 0; i < b->layers.count; i++) {
		const char *place = b->layers.list[i].place, *name;
		auto_fd int above = place && !is_known_place(b, i) ? isle_place_parent(place, &name) : -1;
		int r = 0;
		auto_dir DIR *stream = above < 0 ? NULL : isle_open_entries(above, ".", &r);
		const struct dirent *entry;

		while (stream && (entry = isle_next_entry(stream, &r))) {
			auto_fd int kept = strncmp(entry->d_name, "undo-", 5) == 0
						   ? openat(above, entry->d_name,
							    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
						   : -1;

			if (kept >= 0)
				isle_ignore(look_through(&s, kept, ""));
		}
	}
	return s.count;
}

/* Whether the isle shows the file by some name: all that the host has, but for those that the isle has removed. */
static bool has_more_names(const struct isle_builder *b, const struct isle_orphan *orphan)
{
	unsigned gone = 0;

	for (size_t i = 0; i < b->changes.count; i++)
		gone += b->changes.list[i].before.ino == orphan->ino && !S_ISDIR(b->changes.list[i].before.mode);
	return orphan->nlink > gone && orphan->nlink > gone + count_kept(b, orphan);
}

/* A name that the isle shows; heap, NULL where none was found. */
static char *find_name(const struct isle_builder *b, const struct isle_orphan *orphan)
{
	struct search s = {.b = b, .dev = orphan->dev, .ino = orphan->ino, .left = ENTRIES_MAX};
	auto_free char *above = start_of(b, orphan);
	struct isle_stat st;
	char *slash;

	if (!above)
		return NULL;
	s.found = shown_at(b, above);
	while (!s.found && s.left > 0 && (slash = strrchr(above, '/'))) {
		*slash = '\0';
		auto_fd int dir = isle_walk_host(*above == '\0' ? "/" : above, O_RDONLY | O_DIRECTORY);
		if (dir < 0 || isle_look(dir, "", &st) <= 0 || st.dev != s.dev ||
		    look_through(&s, dir, *above == '\0' ? "/" : above) < 0)
			break;
	}
	return s.found;
}

static int refuse(const struct isle_builder *b, const struct isle_orphan *orphan)
{
	static const char why[] = "a change that is not on the list: another name of the file made it, which is gone";
	auto_free char *name = find_name(b, orphan);

	if (name) {
		const char *quoted = isle_quote(name);

		isle_err_hint(b->err, "put it on the list: isle run -n %s -- touch -cr %s %s", b->isle->name, quoted,
			      quoted);
		return isle_err_text(b->err, -EMLINK, "%s shows %s", quoted, why);
	}
	isle_err_hint(b->err, "'find / -xdev -inum %" PRIu64 "' names them; then isle run -n %s -- touch -c NAME",
		      orphan->ino, b->isle->name);
	return isle_err_text(b->err, -EMLINK, "some names of a file show %s", why);
}

static bool is_chosen(const struct isle_builder *b, uint64_t ino)
{
	for (size_t i = 0; i < b->changes.count; i++)
		if (b->choice.chosen[i] && b->changes.list[i].before.ino == ino &&
		    S_ISREG(b->changes.list[i].before.mode))
			return true;
	return false;
}

int isle_other_names_check(struct isle_builder *b, bool whole)
{
	auto_orphans struct isle_orphans orphans = ISLE_ORPHANS_INIT;
	int r = b->changes.count == 0 ? 0 : isle_orphans_find(b->isle, &b->layers, &orphans, b->err);

	for (size_t i = 0; i < orphans.count && r >= 0 && !b->need_all; i++) {
		if ((!whole && !is_chosen(b, orphans.list[i].ino)) || !has_more_names(b, &orphans.list[i]))
			continue;
		/* In directories that were removed there may be some that count. */
		b->need_all = !b->all;
		r = b->need_all ? 0 : refuse(b, &orphans.list[i]);
	}
	return r;
}
