/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the runs noted about paths that their layers cannot tell (ISLE_EVENT_NOTE): for the lines of status and diff.
 */
#include "error.h"
#include "map.h"
#include "store.h"
#include <stdbool.h>

struct isle_path_note {
	bool split;  /* written through one of several names; the others keep the old content on the host */
	char *owner; /* "UID:GID" that was wanted, or NULL; the last one counts */
	char *from;  /* a directory that was renamed by making it anew, where it had been; or NULL */
};

struct isle_notes {
	struct isle_map by_path; /* path -> struct isle_path_note */
};

#define ISLE_NOTES_INIT ((struct isle_notes){0})

/* Goes through all logs of the isle. */
int isle_notes_load(const struct isle *isle, struct isle_notes *ret_notes, struct isle_err *err) isle_must_check;
void isle_notes_done(struct isle_notes *notes);
#define auto_notes __attribute__((cleanup(isle_notes_done)))

/* NULL when there is none; notes may be NULL. */
const struct isle_path_note *isle_notes_find(const struct isle_notes *notes, const char *path);
