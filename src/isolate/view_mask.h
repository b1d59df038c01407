/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The uppermost lower of a layer in which something is hidden under every name. In the keeper; allocates nothing. */
#include "view.h"
#include <stdbool.h>

bool isle_mask_is_wanted(const struct isle_view *view, unsigned layer);

/*
 * Fills `mask`, an empty directory, with the masks of this layer. overlayfs takes what a merged directory looks like
 * from the uppermost of its layers, so the directories on the way look like those of lower.
 */
int isle_mask_fill(int mask, int lower, const struct isle_view *view, unsigned layer) isle_must_check;

/* Before a layer of root's is mounted. overlayfs notes in an upper which uppermost lower it had, and refuses another
 * one (index=on): where there is a mask now, and where there was one the last time, that note goes. layer_dir holds
 * upper. */
int isle_mask_note(int layer_dir, bool masked) isle_must_check;
