/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing; nothing is ever removed. The keys are names that somebody else has chosen, so
 * the hash has a secret key of this process: nobody can prepare names that all meet in one place.
 */
#include "map.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "siphash.h"

static struct isle_siphash_key secret; /* made before the first slot is used */
static bool has_secret;

static void make_secret(void)
{
	if (!has_secret)
		isle_siphash_key_new(&secret);
	has_secret = true;
}

static size_t hash(const char *key)
{
	return (size_t)isle_siphash(&secret, key, strlen(key));
}

/* The slot of a key, or the free one where it belongs. */
static struct isle_map_slot *find(const struct isle_map *map, const char *key, size_t hashed)
{
	size_t i = hashed & (map->room - 1);

	while (map->slots[i].key != NULL && (map->slots[i].hash != hashed || strcmp(map->slots[i].key, key) != 0))
		i = (i + 1) & (map->room - 1);
	return &map->slots[i];
}

/* Where there is no other of this key. */
static struct isle_map_slot *find_free(const struct isle_map *map, size_t hashed)
{
	size_t i = hashed & (map->room - 1);

	while (map->slots[i].key != NULL)
		i = (i + 1) & (map->room - 1);
	return &map->slots[i];
}

static int grow(struct isle_map *map)
{
	struct isle_map bigger = *map;

	bigger.room = map->room == 0 ? 64 : map->room * 2;
	make_secret();
	bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < map->room; i++) {
		if (map->slots[i].key != NULL)
			*find_free(&bigger, map->slots[i].hash) = map->slots[i];
	}
	free(map->slots);
	*map = bigger;
	return 0;
}

int isle_map_set(struct isle_map *map, const char *key, void *value)
{
	if (map->count + 1 > map->room / 4 * 3) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	size_t hashed = hash(key);
	struct isle_map_slot *slot = find(map, key, hashed);
	if (slot->key == NULL) {
		slot->key = map->borrows ? (char *)key : strdup(key);
		if (slot->key == NULL)
			return -ENOMEM;
		slot->hash = hashed;
		map->count++;
	}
	slot->value = value;
	return 0;
}

void *isle_map_get(const struct isle_map *map, const char *key)
{
	return map->room == 0 ? NULL : find(map, key, hash(key))->value;
}

void isle_map_done(struct isle_map *map)
{
	for (size_t i = 0; i < map->room && !map->borrows; i++)
		free(map->slots[i].key);
	free(map->slots);
	*map = (struct isle_map){.borrows = map->borrows};
}
