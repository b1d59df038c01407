/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Places: where the layers of a mount can lie on its own file system, so that a commit is a rename. As root
 * MOUNT/.isle; as a user MOUNT/.isle-UID where the user may create it, else in the topmost directory of the user's own
 * on the way to the current directory or to $HOME. Mode 0700; removed with the last layer in it. Every directory on
 * the way to it belongs to root or the caller, and nobody else can exchange anything there (trusted.h).
 * $ISLE_PLACES "none": nowhere, all layers lie in the store.
 */
#include "error.h"
#include "mounts.h"
#include <stdbool.h>

/* 1: *ret_place is a directory that exists (heap); 0: there is none for this path, the store has to do. */
int isle_place_find(const struct isle_mounts *mounts, const char *path, char **ret_place) isle_must_check;

/* False when a layer can hardly be made there, let alone filled. */
bool isle_place_has_room(const char *place);
