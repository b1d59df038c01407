/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One path of an isle: who changed it and when, what that process had read before, what was refused there, what a
 * commit would do with it; or who read it, and whether the host has changed it since.
 *
 *   struct isle_explain_options options = {.store = store, .isle = isle, .layers = &layers, .changes = &changes,
 *                                          .paths = paths, .path_count = 2};
 *   r = isle_explain_text(&options, stdout, &err);
 */
#include "change.h"
#include "error.h"
#include <stdio.h>

struct isle_explain_options {
	struct isle_store *store;
	const struct isle *isle;
	const struct isle_layers *layers;
	const struct isle_changes *changes; /* of a scan with ISLE_SCAN_ALL and ISLE_SCAN_TIMES */
	const char *const *paths;	    /* absolute; the first that anything is known about is explained */
	size_t path_count;
	const char *const *logs; /* as in struct isle_commit_options */
};

/* Returns 0; 1 when nothing is known about any path, which is said on `out` with paths that are near. */
int isle_explain_text(const struct isle_explain_options *options, FILE *out, struct isle_err *err) isle_must_check;
int isle_explain_json(const struct isle_explain_options *options, FILE *out, struct isle_err *err) isle_must_check;
