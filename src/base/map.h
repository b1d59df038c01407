/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash map from strings to pointers. Keys are copied, unless the map borrows them; values belong to the caller and
 * are never NULL.
 */
#include "macros.h"
#include <stdbool.h>

struct isle_map_slot {
	char *key; /* NULL: free */
	void *value;
	size_t hash; /* of the key */
};

struct isle_map {
	struct isle_map_slot *slots;
	size_t room; /* a power of two, at most three quarters full */
	size_t count;
	bool borrows; /* keys are the caller's, mostly part of the values, and outlive the map */
};

#define ISLE_MAP_INIT	 ((struct isle_map){0})
#define ISLE_MAP_BORROWS ((struct isle_map){.borrows = true})

void isle_map_done(struct isle_map *map);
#define auto_map __attribute__((cleanup(isle_map_done)))

/* 0 or -ENOMEM; replaces the value of a key that is there. */
int isle_map_set(struct isle_map *map, const char *key, void *value) isle_must_check;
/* The value, or NULL. */
void *isle_map_get(const struct isle_map *map, const char *key);
