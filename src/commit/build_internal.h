/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shared by build.c (order and dispatch), emit.c (change -> actions) and conflicts.c.
 */
#include "base.h"
#include "dirs.h"
#include "globs.h"
#include "plan.h"
#include "reads.h"
#include "select.h"
#include "touched.h"

/* What wins in a conflict; 0: nothing was decided. */
enum isle_override {
	ISLE_OVERRIDE_ISLE = 1,
	ISLE_OVERRIDE_BOTH,
	ISLE_OVERRIDE_MERGE,
};

/* Content that is made of both sides' for one change. */
struct isle_composition {
	enum isle_compose how;
	unsigned what; /* metadata that is the isle's, enum isle_meta_apply; the rest is the host's */
	uint64_t base_size;
	const char *hunks; /* borrowed */
};

#define ISLE_NO_KEEPER SIZE_MAX

/* See unchanged.h. */
struct isle_unchanged {
	struct isle_map names; /* layer and upper inode -> its names in the view, heap */
	unsigned char *looked; /* per layer */
};

struct isle_builder {
	struct isle_store *store;
	const struct isle *isle;
	const struct isle_commit_options *options;
	struct isle_layers layers;
	struct isle_changes changes;
	struct isle_touched touched;
	struct isle_reads reads;
	enum isle_criteria criteria; /* never OF_ISLE */
	struct isle_choice choice;
	struct isle_plan plan;
	struct isle_sha256 contents; /* of new directories in the plan */
	struct isle_commit_result *result;
	struct isle_dirs host;
	struct isle_dirs *uppers;	   /* per layer, opened when needed */
	unsigned char *cross;		   /* per layer: 0 unknown, 1 same mount, 2 not */
	unsigned char *override;	   /* per change: enum isle_override */
	unsigned char *found;		   /* per change: enum isle_found (found.h) */
	struct isle_composition *composed; /* per change; NULL: none */
	struct isle_unchanged unchanged;
	size_t *keeper;	     /* per change that is the first of a link group: index + 1 of the first name of it that
			      * is the host's inode afterwards; 0: not known, ISLE_NO_KEEPER: none */
	struct isle_map put; /* site and upper inode -> index + 1 of the first action that puts it on the host */
	size_t put_count;    /* so many actions of the plan are in it */
	struct isle_bases bases;
	bool has_bases; /* they were read */
	struct isle_globs logs;
	bool all;      /* the scan listed everything */
	bool need_all; /* ... and has to */
	struct isle_err *err;
};

void isle_builder_done(struct isle_builder *b);

/* The actions of one chosen change. *cover is set to its path when what lies below needs no actions of its own. */
int isle_emit(struct isle_builder *b, size_t i, const char **cover) isle_must_check;

/* Finds conflicts among the chosen changes, lists them, and forbids or overrides as the options say. 1: the plan
 * must not be carried out. */
int isle_conflicts(struct isle_builder *b) isle_must_check;

/* Whether the layer's parking and the host do not share a mount; < 0: that cannot be told. */
int isle_builder_is_cross(struct isle_builder *b, unsigned layer) isle_must_check;

/* The name in the index of the link to the upper object of a change; heap, NULL: there is none. */
int isle_builder_index(struct isle_builder *b, const struct isle_change *change, char **ret_name) isle_must_check;

/* The host's directory of an absolute path, and the layer's of a path below its upper. Borrowed. */
int isle_builder_upper(struct isle_builder *b, unsigned layer, const char *path, const char **ret_name) isle_must_check;
