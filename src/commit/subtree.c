/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking whole subtrees.
 *
 * A new directory may be moved to the host as it is when nothing in it belongs to the overlay. Overlayfs marks a
 * directory "impure" before anything copied up is moved into it, so a directory without any overlay attribute holds
 * none on its files; but layers can also be edited by hand, so every object is looked at. That is one listxattr(2) for
 * each object besides the stat that finds hard links: a link that leads out of the subtree must not be moved, since the
 * layer and the host would share an inode from then on (invariant 5 of transaction.c).
 */
#include "subtree.h"
#include "buf.h"
#include "clock.h"
#include "kernel.h"
#include "map.h"
#include "owner.h"
#include "path.h"
#include "touched.h"
#include "xattr.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A directory for reading, also one that its owner has closed to itself. */
static DIR *open_directory(int dir, const char *name)
{
	int fd = isle_open_own(dir, name, O_RDONLY | O_DIRECTORY);
	DIR *stream;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	stream = fdopendir(fd);
	if (!stream)
		close(fd);
	return stream;
}

struct walk {
	/* Called for everything below the top, a directory before what is in it. > 0 ends the walk. */
	int (*visit)(struct walk *walk, int dir, const char *name, const struct isle_stat *st);
	const char *prefix;
	size_t skip;
	struct statx_timestamp *limit; /* that holds for what is in the present directory */
	const struct isle_touched *touched;
	uint64_t dev;
	struct isle_map links; /* inode -> names seen, as a pointer-sized number */
	struct isle_buf path;  /* below the top */
	bool foreign;	       /* overlay attributes or whiteouts were seen */
};

static int walk_entry(struct walk *walk, int dir, const char *name);

static int walk_directory(struct walk *walk, int dir, const char *name)
{
	DIR *stream = open_directory(dir, name);
	struct dirent *entry;
	int r = 0;

	if (!stream)
		return -errno;
	while (r == 0) {
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			r = -errno;
			break;
		}
		if (isle_component_valid(entry->d_name))
			r = walk_entry(walk, dirfd(stream), entry->d_name);
	}
	closedir(stream);
	return r;
}

static int walk_entry(struct walk *walk, int dir, const char *name)
{
	struct statx_timestamp limit = walk->limit ? *walk->limit : (struct statx_timestamp){0};
	size_t length = walk->path.size;
	struct isle_stat st;
	int r = isle_look(dir, name, &st);

	if (r <= 0)
		return r;
	if (length > 0)
		isle_buf_addc(&walk->path, '/');
	isle_buf_adds(&walk->path, name);
	r = isle_buf_error(&walk->path);
	if (r >= 0)
		r = walk->visit(walk, dir, name, &st);
	if (r == 0 && S_ISDIR(st.mode))
		r = walk_directory(walk, dir, name);
	if (walk->limit)
		*walk->limit = limit;
	if (r == 0)
		isle_buf_cut(&walk->path, length);
	return r;
}

static void walk_done(struct walk *walk)
{
	isle_map_done(&walk->links);
	isle_buf_done(&walk->path);
}

/* Calls each with the overlay attributes of an object (the part after the prefix, "" with another prefix) until it
 * returns non-zero. */
static int notes(struct walk *walk, int dir, const char *name,
		 int (*each)(int dir, const char *name, const char *key, const char *note))
{
	char list[4096];
	ssize_t n = isle_xattr_list(dir, name, list, sizeof(list));
	const char *at;
	int r = 0;

	if (n < 0)
		return n == -EOPNOTSUPP ? 0 : (int)n;
	for (at = list; at < list + n && r == 0; at += strlen(at) + 1)
		if (isle_xattr_is_overlay(at)) {
			walk->foreign = true;
			r = each(dir, name, at, strncmp(at, walk->prefix, walk->skip) == 0 ? at + walk->skip : "");
		}
	return r;
}

static int note_splits(int dir, const char *name, const char *key, const char *note)
{
	(void)dir;
	(void)name;
	(void)key;
	return strcmp(note, "metacopy") == 0 || strcmp(note, "redirect") == 0;
}

static int count_link(struct walk *walk, const struct isle_stat *st)
{
	char key[32];
	uintptr_t seen;

	snprintf(key, sizeof(key), "%" PRIx64 " %" PRIx32, st->ino, st->nlink);
	seen = (uintptr_t)isle_map_get(&walk->links, key);
	return isle_map_set(&walk->links, key, (void *)(seen + 1));
}

static int inspect_visit(struct walk *walk, int dir, const char *name, const struct isle_stat *st)
{
	int r;

	if (S_ISCHR(st->mode) && st->rdev_major == 0 && st->rdev_minor == 0) {
		walk->foreign = true;
		return 0;
	}
	if (!S_ISDIR(st->mode) && st->nlink > 1) {
		r = count_link(walk, st);
		if (r < 0)
			return r;
	}
	return notes(walk, dir, name, note_splits);
}

/* True if every file with several names has all of them in the subtree. */
static bool links_complete(const struct isle_map *links)
{
	size_t i;

	for (i = 0; i < links->room; i++) {
		const char *space = links->slots[i].key ? strchr(links->slots[i].key, ' ') : NULL;

		if (space && strtoul(space, NULL, 16) != (uintptr_t)links->slots[i].value)
			return false;
	}
	return true;
}

int isle_subtree_inspect(int dir, const char *name, const char *prefix)
{
	struct walk walk = {.visit = inspect_visit, .prefix = prefix, .skip = strlen(prefix)};
	int r = notes(&walk, dir, name, note_splits);

	walk.foreign = false; /* what is on the top itself is taken off anyway */
	if (r == 0)
		r = walk_directory(&walk, dir, name);
	if (r == 0 && !links_complete(&walk.links))
		r = 1;
	if (r == 0)
		r = walk.foreign ? ISLE_SUBTREE_SCRUB : ISLE_SUBTREE_PLAIN;
	else if (r > 0)
		r = ISLE_SUBTREE_SPLIT;
	walk_done(&walk);
	return r;
}

static int note_remove(int dir, const char *name, const char *key, const char *note)
{
	int r = isle_xattr_remove(dir, name, key);

	(void)note;
	return r == -ENODATA ? 0 : r;
}

static int scrub_visit(struct walk *walk, int dir, const char *name, const struct isle_stat *st)
{
	if (!S_ISDIR(st->mode) && isle_overlay_whiteout(dir, name, walk->prefix))
		return unlinkat(dir, name, 0) < 0 ? -errno : 0;
	return notes(walk, dir, name, note_remove);
}

int isle_subtree_scrub(int dir, const char *name, const char *prefix)
{
	struct walk walk = {.visit = scrub_visit, .prefix = prefix, .skip = strlen(prefix)};
	int r = walk_directory(&walk, dir, name);

	walk_done(&walk);
	return r;
}

/* What an isle's own commit put there is younger than what the isle relies on, with all that was in it then. */
static void raise_limit(struct walk *walk, const struct isle_stat *st)
{
	int64_t own = S_ISDIR(st->mode) && walk->touched ? isle_touched_own(walk->touched, st) : 0;
	struct statx_timestamp then = isle_time_from(own);

	if (own != 0 && isle_time_after(&then, walk->limit))
		*walk->limit = then;
}

static int quiet_visit(struct walk *walk, int dir, const char *name, const struct isle_stat *st)
{
	int r = 0;

	if (st->dev != walk->dev)
		return 1;
	if (isle_touched_later(walk->touched, st, walk->limit)) {
		/* Rather what came into it than the directory, which changed with it. */
		if (S_ISDIR(st->mode))
			r = walk_directory(walk, dir, name);
		return r < 0 ? r : 1;
	}
	raise_limit(walk, st);
	return 0;
}

int isle_subtree_quiet(int dir, const char *name, const struct statx_timestamp *limit,
		       const struct isle_touched *touched, char **ret_path)
{
	struct statx_timestamp present = *limit;
	struct walk walk = {.visit = quiet_visit, .limit = &present, .touched = touched};
	struct isle_stat top;
	int r = isle_look(dir, name, &top);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	walk.dev = top.dev;
	raise_limit(&walk, &top);
	r = walk_directory(&walk, dir, name);
	if (r > 0) {
		*ret_path = isle_buf_take(&walk.path);
		r = *ret_path ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = 1;
	}
	walk_done(&walk);
	return r;
}
