/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the verbs that show changes begin with: the isle that the first operand names, its layers and changes, and the
 * paths of the other operands.
 */
#include "change.h"
#include "globs.h"
#include "notes.h"
#include "operands.h"
#include "verb.h"

struct isle_look {
	struct isle_store *store;
	struct isle *isle;
	struct isle_layers layers;
	struct isle_changes changes;
	struct isle_notes notes;
	struct isle_operands paths;
	struct isle_globs globs; /* of them */
	unsigned operand_flags;	 /* enum isle_operand_flags; set by the caller */
};

#define ISLE_LOOK_INIT ((struct isle_look){0})

/* operands: [NAME] [PATH...]; NAME may be left out before an absolute PATH or one with a slash. scan_flags:
 * enum isle_scan_flags. */
int isle_look_open(struct isle_look *look, const struct isle_args *args, unsigned scan_flags,
		   struct isle_err *err) isle_must_check;
void isle_look_done(struct isle_look *look);
#define auto_look __attribute__((cleanup(isle_look_done)))
