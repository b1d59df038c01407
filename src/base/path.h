/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Paths are bytes. Host-side work is done with (directory descriptor, one component); whatever is deeper goes
 * through isle_walk(), which never follows a symbolic link and never leaves the directory it starts in.
 */
#include "macros.h"
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Opens root/path (relative, no leading slash; "" and "." are root itself) without following any symbolic
 * link, magic link or "..". flags as for openat(2), O_CLOEXEC and O_NOFOLLOW are added. The descriptor or
 * -errno: -ELOOP where a component is a symbolic link, -EXDEV for ".." and a leading slash, -ENOTDIR, -ENOENT. With
 * O_PATH, a symbolic link as the last component is opened itself. A file that O_CREAT makes has mode 0600. */
int isle_walk(int root, const char *path, int flags) isle_must_check;

/* Whether an error of a walk (or of a call that follows no link) says that nothing is at the path: a component is
 * missing, or by now something other than a directory. */
static inline bool isle_is_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* isle_walk() of an absolute path from the root of this process. */
int isle_walk_host(const char *path, int flags) isle_must_check;

/* As isle_walk(), but for the directory that holds the last component, which is stored in *ret_name (a
 * pointer into path). -EINVAL when that cannot name an entry ("", "a/", "a/.."). */
int isle_walk_parent(int root, const char *path, int flags, const char **ret_name) isle_must_check;

/* As openat2(RESOLVE_IN_ROOT): symbolic links are followed, inside root. For looking, never for changing. -ENOSYS
 * where the kernel (before 5.6) or a filter does not have openat2(2). */
int isle_walk_in_root(int root, const char *path, int flags) isle_must_check;

/* mkdir -p below root, mode (less the umask) for each new directory; returns an O_PATH descriptor of the last one. */
int isle_mkdir_walk(int root, const char *path, mode_t mode) isle_must_check;

/* True for a single component that can name an entry: not empty, ".", "..", and without a slash. */
bool isle_component_valid(const char *name);

/* True if path is parent or lies below it ("/a" holds "/a" and "/a/b", not "/ab"). Both normalised. */
bool isle_path_below(const char *path, const char *parent);

/* Joins with exactly one slash; "/" + "b" is "/b", "" + "b" is "b". NULL when out of memory. */
char *isle_path_join(const char *dir, const char *name);

/* The absolute path with ".", "//" and ".." resolved as text (no symbolic link is read); relative to cwd when
 * it is not absolute. NULL when out of memory or cwd cannot be read. */
char *isle_path_absolute(const char *path);

/* Opens dir/name ("." is dir itself, whatever it was opened for) to list what is in it; NULL and -errno in *r when it
 * cannot be. A symbolic link is not followed. */
DIR *isle_open_entries(int dir, const char *name, int *r);
static inline void isle_cleanup_dir(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}
#define auto_dir __attribute__((cleanup(isle_cleanup_dir)))

/* The next entry of a directory but "." and "..": NULL at the end, after an error, which is stored in *r as -errno, and
 * at once when *r is negative already. So that no list is taken for whole that is not:
 *	auto_dir DIR *stream = isle_open_entries(dir, name, &r);
 *	while ((entry = isle_next_entry(stream, &r)))
 *		r = ...; */
const struct dirent *isle_next_entry(DIR *stream, int *r);

/* Reads a link of any length; NUL-terminated heap string. */
int isle_readlink(int dir, const char *name, char **ret_target) isle_must_check;

/* Deletes dir/name and everything below it. name is looked up as openat(2) does, except that its last component is not
 * followed. What is mounted inside is left alone: -EBUSY or -EXDEV. Never follows symbolic links; makes directories of
 * one's own accessible first (overlay work directories have mode 0). 0 or the first error, having gone on after it. */
int isle_remove_tree(int dir, const char *name) isle_must_check;
/* What is in a directory that is open for reading. */
int isle_remove_content(int top) isle_must_check;
/* isle_remove_tree(), but 0 where there is nothing of this name. */
int isle_remove_if_there(int dir, const char *name) isle_must_check;
