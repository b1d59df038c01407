/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Giving what an ordinary user has committed to the owners that were asked for, as root: an operation of root's store
 * that changes owners and nothing else, all of them or none, and that `isle undo` takes back. The safety argument is at
 * the top of owners.c.
 */
#include "commit.h"
#include "map.h"
#include "wishes.h"

/* Where the plan puts the isle's objects on the host, or changes those there: for isle_places_have(). What is made of
 * both sides' content is neither's. The map refers to the plan. */
int isle_plan_places(const struct isle_plan *plan, struct isle_map *ret_places) isle_must_check;
bool isle_places_have(const struct isle_map *places, const char *path);

struct isle_giving {
	const struct isle_wishes *wishes; /* what root has seen and agreed to */
	const char *user;		  /* who gives */
	uint32_t uid;
};

/* DONE; NOTHING: all is as it is wished; CONFLICT: nothing was changed, since what result lists is not as root has seen
 * it. summary.metadata is how many were given. */
int isle_owners_give(struct isle_store *store, const struct isle_giving *giving, struct isle_commit_result *ret_result,
		     struct isle_err *err) isle_must_check;
