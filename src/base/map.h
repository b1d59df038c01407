/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash map from strings to pointers. Keys are copied; values belong to the caller and are never NULL.
 */
#include "macros.h"

struct isle_map_slot {
	char *key; /* NULL: free */
	void *value;
};

struct isle_map {
	struct isle_map_slot *slots;
	size_t room; /* a power of two, at most three quarters full */
	size_t count;
};

#define ISLE_MAP_INIT ((struct isle_map){0})

void isle_map_done(struct isle_map *map);
#define auto_map __attribute__((cleanup(isle_map_done)))

/* 0 or -ENOMEM; replaces the value of a key that is there. */
int isle_map_set(struct isle_map *map, const char *key, void *value) isle_must_check;
/* The value, or NULL. */
void *isle_map_get(const struct isle_map *map, const char *key);
