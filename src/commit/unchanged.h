/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names in a layer that are no change, but further names of what is one: `ln a c` copies a up, and changes c alone. */
#include "build_internal.h"

/* 1 and where the host has such a name of the same file (heap), 0: there is none. The layer is looked through once. */
int isle_unchanged_name(struct isle_builder *b, const struct isle_change *change, char **ret_path) isle_must_check;
/* Such names of what is committed leave the layer, too: without the others they would not be names of the same file any
 * more, and what they have from the host can be at another place there. Adds them to the plan; sets need_all where the
 * list of changes has not all names. */
int isle_unchanged_leave(struct isle_builder *b) isle_must_check;
void isle_unchanged_done(struct isle_unchanged *unchanged);
