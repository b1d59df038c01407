/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whole objects with everything below them: may they be moved as they are, are they untouched, copying them.
 * (directory, one component) throughout; no symbolic link is followed and nothing but plain files is opened.
 */
#include "change.h"
#include "macros.h"
#include <sys/stat.h>

struct isle_touched;

/* A file-system object by what tells it from others. */
static inline bool isle_same_object(const struct isle_stat *a, const struct isle_stat *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->mode != 0;
}

/* 1 and *ret_stat, 0 where there is nothing (then *ret_stat is zero), or -errno. */
int isle_look(int dir, const char *name, struct isle_stat *ret_stat) isle_must_check;

/* a > b */
static inline bool isle_time_after(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

enum isle_subtree_state {
	ISLE_SUBTREE_PLAIN, /* can be moved as it is */
	ISLE_SUBTREE_SCRUB, /* can be moved after isle_subtree_scrub() */
	ISLE_SUBTREE_SPLIT, /* holds objects whose data are elsewhere, or hard links to outside: cannot be moved whole
			     */
};

/* Looks at a new directory of a layer; prefix as isle_layer_xattr(). Returns enum isle_subtree_state or -errno. */
int isle_subtree_inspect(int dir, const char *name, const char *prefix) isle_must_check;

/* Takes all overlay attributes and whiteouts off it. */
int isle_subtree_scrub(int dir, const char *name, const char *prefix) isle_must_check;

/* Whether nothing strictly below dir/name has a ctime after `limit`, but for what we touched ourselves (may be NULL),
 * and no other file system is mounted there. 1: so; 0: not, and *ret_path (heap, relative to dir/name) is one that has.
 */
int isle_subtree_quiet(int dir, const char *name, const struct statx_timestamp *limit,
		       const struct isle_touched *touched, char **ret_path) isle_must_check;

/* Copies an object of any type with its metadata and all below it; hard links inside stay hard links. to must not
 * exist. Overlay attributes are left behind. What was made is removed again on failure. wanted: the object that it has
 * to be, or NULL. ret_made: the copy, or NULL. -ESTALE: it is another one, or somebody has put another one in the place
 * of the copy. */
int isle_subtree_copy(int from_dir, const char *from, const struct isle_stat *wanted, int to_dir, const char *to,
		      struct isle_stat *ret_made) isle_must_check;

/* Removes dir/name. A directory only if it is this one: who may write to dir can put another in its place. */
int isle_subtree_remove(int dir, const char *name, const struct isle_stat *wanted) isle_must_check;

/* A descriptor for an object of this type that was just made at dir/name. -ESTALE: something else is there now. */
int isle_open_made(int dir, const char *name, mode_t type) isle_must_check;

/* unlinkat(2), also in a directory that the caller has closed to themselves. */
int isle_remove_name(int dir, const char *name, int flags) isle_must_check;

/* Renames, also a directory that its owner may not write to, and in such directories. flags as renameat2(2). */
int isle_move(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) isle_must_check;

/* The overlay attributes of an object. */
int isle_overlay_read(int dir, const char *name, struct isle_xattrs *ret_overlay) isle_must_check;
/* Takes them off, and puts them on again. */
int isle_overlay_strip(int dir, const char *name, const struct isle_xattrs *overlay) isle_must_check;
int isle_overlay_restore(int dir, const char *name, const struct isle_xattrs *overlay) isle_must_check;
/* A whiteout of either kind. */
bool isle_overlay_whiteout(int dir, const char *name, const char *prefix);
