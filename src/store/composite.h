/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Composite directories. An ordinary user cannot put an overlay over a host directory that has mounts below it, so the
 * view of such a directory is an overlay whose lower is a *shadow*: a directory in the store with copies of the plain
 * files directly in it and an empty directory for each directory in it, on which the view mounts what belongs there.
 *
 * A shadow is named by a hash of what it stands for and never changed once made, so isles share it and
 * a run over an unchanged host makes nothing.
 */
#include "error.h"
#include "store.h"
#include <stdbool.h>
#include <sys/stat.h>

enum { ISLE_COMPOSITE_COPY_LIMIT = 64 << 20 }; /* bytes; a larger file is shown read-only instead of copied */

struct isle_composite_entry {
	char *name;
	bool large; /* a plain file that is not copied (large, or a mount): an empty stand-in, covered by the host's
		       file */
	struct statx st; /* of the host's object */
};

struct isle_composite {
	struct isle_composite_entry *list; /* sorted by name */
	size_t count;
	mode_t mode;  /* permission bits that the merged directory shall show to this user */
	char key[40]; /* of the shadow */
};

#define ISLE_COMPOSITE_INIT ((struct isle_composite){0})

/* Lists a host directory. One that may not be listed has no entries. */
int isle_composite_read(int host_dir, struct isle_composite *ret_composite) isle_must_check;
void isle_composite_done(struct isle_composite *composite);
#define auto_composite __attribute__((cleanup(isle_composite_done)))

/* Makes the shadow where it is not there yet. */
int isle_shadow_make(struct isle_store *store, int host_dir, const struct isle_composite *composite,
		     struct isle_err *err) isle_must_check;

/* The permission bits by which a directory owned by this user grants it what it has on the host's directory: owner
 * bits by access(2), group and others as they are. */
mode_t isle_effective_mode(int host_dir, mode_t mode);
