/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Changes that a layer does not name. Where it has an index (as root), a file of which the host has several names is
 * one file in the isle too: when one name was written to and then removed, the others show what was written, and the
 * layer holds it in work/index alone, under no name of the host. Which names these are only a search of the file system
 * could tell; but that there are some can be told, so that nobody takes the list of changes for the whole.
 */
#include "change.h"
#include "error.h"
#include "store.h"

struct isle_orphan {
	uint64_t dev, ino; /* of the host's file */
	unsigned nlink;	   /* its names on the host, those that are kept for undo included */
	char *path;	   /* a name that the host has it by; NULL: not known */
};

struct isle_orphans {
	struct isle_orphan *list;
	size_t count;
};

#define ISLE_ORPHANS_INIT ((struct isle_orphans){0})

/* What differs in its times alone does not count. Costs a look into each layer's index. */
int isle_orphans_find(const struct isle *isle, const struct isle_layers *layers, struct isle_orphans *ret_orphans,
		      struct isle_err *err) isle_must_check;
void isle_orphans_done(struct isle_orphans *orphans);
#define auto_orphans __attribute__((cleanup(isle_orphans_done)))
