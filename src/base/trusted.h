/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Finding an object by its path, once, where other users control directories on the way.
 *
 * Each component is opened by itself, without following anything, and is never looked up again: what is decided is
 * decided about the object that was opened. Whoever owns a directory, or may write to it, can exchange what is in it,
 * also what belongs to somebody else. In a directory with the sticky bit only its owner can do that to others' objects.
 * A write bit for the group stands for every access list that lets somebody write, since it is the mask of that list.
 */
#include "error.h"
#include <limits.h>
#include <sys/stat.h>

enum isle_find_flags {
	/* Every directory in which a name is looked up belongs to root or the caller, and nobody else can exchange
	 * anything in it. -EPERM otherwise. */
	ISLE_FIND_TRUSTED = 1 << 0,
	/* Symbolic links are followed only in such directories. -EPERM otherwise. */
	ISLE_FIND_SAFE_LINKS = 1 << 1,
	/* No symbolic link is followed: -ELOOP. */
	ISLE_FIND_NO_LINKS = 1 << 2,
	/* Directories that are missing are made, the last one with mode 0700. */
	ISLE_FIND_MAKE = 1 << 3,
};

struct isle_find_options {
	unsigned flags; /* enum isle_find_flags */
	/* So many of the last components are isle's own directories: they belong to the caller, are closed to
	 * everybody else and lie on the same mount as the directory above them. -EPERM otherwise. With NO_LINKS. */
	unsigned own;
};

struct isle_found {
	int fd;		     /* O_PATH */
	struct stat st;	     /* of fd */
	struct stat above;   /* of the directory in which it was found */
	char path[PATH_MAX]; /* without any symbolic link in it */
};

/* Finds this absolute path. Allocates nothing. err is set where it returns -EPERM; other codes are for the caller to
 * put into words. */
int isle_find_object(const char *path, const struct isle_find_options *options, struct isle_found *ret_found,
		     struct isle_err *err) isle_must_check;

/* Opens a directory whose last `own` components are isle's own, on a way that nobody else controls and that has no
 * symbolic link. flags as for openat(2). A descriptor or -errno, err as above. */
int isle_trusted_open(const char *path, unsigned own, int flags, struct isle_err *err) isle_must_check;

/* The same, O_PATH, for the directory that holds the last component, which is stored in *ret_name (in path). own
 * counts from that directory. */
int isle_trusted_parent(const char *path, unsigned own, const char **ret_name, struct isle_err *err) isle_must_check;

/* True for the machine's or a container's root: uid 0, to whom the root directory belongs. In a user namespace in which
 * uid 0 stands for an ordinary user, root's objects seem to be nobody's, and there is no more power to be misled. */
bool isle_acts_for_root(void);

/* True if nobody but root and the caller can exchange what is in this directory, whoever that belongs to. */
bool isle_is_trusted(const struct stat *dir);

/* Creates or truncates a file that the caller has named for a result; opened for writing. As root no link is followed
 * that somebody else could have put there, and in a directory of somebody else's no file is written that has other
 * names (-EPERM, err is set). A descriptor or -errno. */
int isle_create_named(const char *path, struct isle_err *err) isle_must_check;

/* Opens an absolute path, which has no symbolic link, if it still leads to the object of the descriptor `held`. flags
 * as for isle_walk(). -ESTALE when it leads to another one. For a descriptor of another mount namespace. */
int isle_open_same(const char *path, int held, int flags) isle_must_check;
