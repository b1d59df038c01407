/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All metadata of one file-system object: what a commit must carry over and what a comparison looks at.
 *
 * Extended attributes are kept sorted by name. Names that belong to overlayfs (trusted.overlay.*,
 * user.overlay.*) are never read into the set, so they cannot leave a layer through it. POSIX ACLs and file
 * capabilities are extended attributes here (system.posix_acl_access, system.posix_acl_default,
 * security.capability).
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct isle_xattr {
	char *name;
	void *value;
	size_t size;
};

/* Some attributes on their own, in one allocation that starts at list. */
struct isle_xattrs {
	struct isle_xattr *list;
	size_t count;
};

struct isle_meta {
	struct statx st;
	struct isle_xattr *xattrs; /* sorted by name */
	size_t xattr_count;
};

#define ISLE_META_INIT ((struct isle_meta){0})

void isle_meta_done(struct isle_meta *meta);
#define auto_meta __attribute__((cleanup(isle_meta_done)))

/* True when both descriptors are of one object. */
bool isle_is_same_file(int fd, int other);

/* Reads dir/name (one component or "" for dir itself; nothing is followed or opened for reading, a FIFO or a
 * device is not touched). -ENOENT etc. */
int isle_meta_read(int dir, const char *name, struct isle_meta *ret_meta) isle_must_check;

/* The same into a heap object, for isle_meta_free(). */
int isle_meta_new(int dir, const char *name, struct isle_meta **ret_meta) isle_must_check;
void isle_meta_free(struct isle_meta *meta);

/* The attributes alone, for who has the rest in meta->st already. meta has none yet. */
int isle_meta_read_xattrs(int dir, const char *name, struct isle_meta *meta) isle_must_check;

/* *ret_copy is one allocation: array, names, values. */
int isle_xattrs_copy(const struct isle_xattrs *from, struct isle_xattrs *ret_copy) isle_must_check;
int isle_meta_copy(const struct isle_meta *from, struct isle_meta **ret_copy) isle_must_check;

enum isle_meta_diff {
	ISLE_META_TYPE = 1 << 0,
	ISLE_META_MODE = 1 << 1,
	ISLE_META_OWNER = 1 << 2, /* uid or gid */
	ISLE_META_XATTR = 1 << 3, /* any attribute but the two kinds below */
	ISLE_META_ACL = 1 << 4,
	ISLE_META_CAPS = 1 << 5,
	ISLE_META_MTIME = 1 << 6,
	ISLE_META_SIZE = 1 << 7,
	ISLE_META_RDEV = 1 << 8,
};

/* Which of the above differ; 0 when none. */
unsigned isle_meta_compare(const struct isle_meta *a, const struct isle_meta *b);

/* The attribute's value, or NULL. */
const struct isle_xattr *isle_meta_xattr(const struct isle_meta *meta, const char *name);

enum isle_meta_apply {
	ISLE_APPLY_OWNER = 1 << 0,
	ISLE_APPLY_MODE = 1 << 1,
	ISLE_APPLY_XATTRS = 1 << 2, /* attributes that the target has and meta has not are removed */
	ISLE_APPLY_TIMES = 1 << 3,  /* atime and mtime */
	ISLE_APPLY_ALL = (1 << 4) - 1,
};

/* Makes dir/name like meta, in the order owner, mode, ACL, xattrs, capabilities, times. Never follows a
 * symbolic link. The first failure ends it: 0 or -errno. An owner that is the same already is not set. */
int isle_meta_apply(int dir, const char *name, const struct isle_meta *meta, unsigned what) isle_must_check;

/* Gives dir/name, which is not followed, the time of the object that st tells of. */
int isle_meta_copy_mtime(const struct statx *st, int dir, const char *name) isle_must_check;
