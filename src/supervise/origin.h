/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where what the view shows comes from: the isle's own layer, or the host, and there under which path. These differ
 * where a directory was renamed in the isle (root only: overlay redirects).
 */
#include "layer.h"
#include "siphash.h"
#include "store.h"
#include <stdbool.h>

enum isle_origin {
	ISLE_ORIGIN_HOST,  /* what is seen (or missing) there is the host's */
	ISLE_ORIGIN_OWN,   /* the isle made, changed or removed it */
	ISLE_ORIGIN_MERGE, /* a directory that holds changes of the isle and names of the host */
};

struct isle_origin_directory {
	char *view; /* NULL: free */
	char *host; /* NULL: the isle's own, nothing of the host shows in it */
};

enum { ISLE_ORIGIN_CACHE = 512 };

struct isle_origins {
	struct isle_layers layers;
	int *uppers; /* by number of the layer; -1: not opened yet, -2: cannot be */
	const struct isle *isle;
	struct isle_siphash_key key;
	struct isle_origin_directory cache[ISLE_ORIGIN_CACHE];
};

int isle_origins_init(struct isle_origins *origins, const struct isle *isle) isle_must_check;
void isle_origins_done(struct isle_origins *origins);

/* A directory was moved: what is remembered of directories does not hold any more. */
void isle_origins_forget(struct isle_origins *origins);

/* One was made or removed: of the others it still holds. */
void isle_origins_forget_below(struct isle_origins *origins, const char *view);

/* Which layers count has changed: one has been covered (layer.h). */
void isle_origins_look(struct isle_origins *origins);

/* view: absolute and without symbolic links, "." and ".."; it need not exist. The path on the host is stored in
 * host (room bytes); for what is the isle's own it is where the host would have it. -errno when it cannot be told. */
int isle_origin_find(struct isle_origins *origins, const char *view, char *host, size_t room) isle_must_check;

/* True if a plain file with a mount of its own is shown there (a FILE layer). */
bool isle_origins_is_file(const struct isle_origins *origins, const char *view);
