/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is hidden: the store and the places of layers in any case, and what the user named. Planned after everything
 * that the view shows, in the supervisor.
 *
 * What is hidden is an object of the host, whatever name the view has for it:
 * 1. Every mount that leads to it has a cover of its own, as has every mount whose root lies in it.
 * 2. A cover is a mount on a path. An isle of root's can have renamed a directory above that path in an earlier run;
 *    then the view shows the object elsewhere, and no path is known. So the layer's lower is masked (struct
 *    isle_mask): overlayfs finds nothing there, under whatever name.
 * 3. A cover that finds no object where nothing in the layers says that it is gone refuses the run.
 */
#include "error.h"
#include "mounts.h"
#include "store.h"
#include "view.h"
#include <stdbool.h>

struct isle_hider {
	struct isle_store *store;
	const struct isle *isle;
	const struct isle_mounts *mounts;
	struct isle_view *view;
	bool nest;
	struct isle_err *err;
};

int isle_hide_store(const struct isle_hider *h) isle_must_check;

/* real: where `path` leads on the host, all links resolved; NULL: the caller cannot see that. missing: nothing is there
 * yet. */
int isle_hide_named(const struct isle_hider *h, const char *path, const char *real, bool missing) isle_must_check;
