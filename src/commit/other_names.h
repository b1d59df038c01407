/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files whose changes show under names that are not on the list of changes (orphans.h). */
#include "build_internal.h"

/* Refuses the plan where such a change would be lost: whole, everything is committed; else where another name of the
 * file is. -EMLINK with a hint that has a name which the isle still shows, if one was found. Sets need_all where only a
 * full list of changes can tell. */
int isle_other_names_check(struct isle_builder *b, bool whole) isle_must_check;
