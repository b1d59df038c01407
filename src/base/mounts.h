/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The mounts of this process's mount namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
 *
 * Only what can be reached is listed: a mount that lies below a later one is left out. Sorted by mount point,
 * byte by byte, so that a mount comes before the mounts below it.
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct isle_mount {
	int id;
	int parent_id;
	dev_t dev;	   /* of the super block */
	const char *root;  /* of this mount inside its file system, unescaped */
	const char *point; /* absolute, unescaped */
	const char *type;  /* "ext4", "fuse.sshfs", ... */
	const char *source;
	const char *options;	   /* per mount: "rw,nosuid,relatime" */
	const char *super_options; /* per super block */
	unsigned long flags;	   /* MS_RDONLY (mount or super block), MS_NOSUID, MS_NODEV, MS_NOEXEC */
};

struct isle_mounts {
	struct isle_mount *list;
	size_t count;
	char *text; /* the storage of all strings */
};

#define ISLE_MOUNTS_INIT ((struct isle_mounts){0})

int isle_mounts_read(struct isle_mounts *ret_mounts) isle_must_check;
/* The same from text, which is copied; for tests and fuzzing. */
int isle_mounts_parse(const char *text, size_t size, struct isle_mounts *ret_mounts) isle_must_check;
void isle_mounts_done(struct isle_mounts *mounts);
#define auto_mounts __attribute__((cleanup(isle_mounts_done)))

/* The mount that holds this absolute, normalised path; never NULL when "/" is listed. */
const struct isle_mount *isle_mounts_find(const struct isle_mounts *mounts, const char *path);

/* True if some mount point lies strictly below path. */
bool isle_mounts_below(const struct isle_mounts *mounts, const char *path);
