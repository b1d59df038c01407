/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What has been recorded already, as hashes: 16 bytes for each path, so that a million of them fit in 48 MiB, and one
 * look-up for a path that comes again. The hash has a secret key (siphash.h): a program cannot make two paths meet, and
 * by chance a million do so once in thirty million runs.
 *
 *   recorded  path -> which bits are in the log; complete
 *   seen      path as the program wrote it -> which bits need no second look; a cache, forgets under pressure
 */
#include "siphash.h"
#include <stdbool.h>

struct isle_known_slot {
	uint64_t key; /* 0: free */
	uint32_t bits;
	uint32_t state; /* hash of what the host had: another number, and the host moved on */
};

struct isle_known {
	struct isle_known_slot *slots;
	size_t room, count;
};

/* The slot of a key, made when it is not there. Valid until the next call. NULL: out of memory, or more than
 * ISLE_KNOWN_LIMIT. */
struct isle_known_slot *isle_known_slot(struct isle_known *known, uint64_t key);
/* The same without making one: NULL when it is not there. */
const struct isle_known_slot *isle_known_find(const struct isle_known *known, uint64_t key);
void isle_known_done(struct isle_known *known);

enum { ISLE_KNOWN_LIMIT = 8 << 20, ISLE_GLANCE_ROOM = 1 << 17 };

/* After that many a path is looked at again: has the host put something else there? */
enum { ISLE_GLANCE_SECONDS = 2 };

struct isle_glance_slot {
	uint64_t key;
	uint32_t bits;
	uint32_t when; /* seconds of CLOCK_MONOTONIC_COARSE at the last look */
};

struct isle_glance {
	struct isle_glance_slot *slots; /* ISLE_GLANCE_ROOM */
};

/* 0 or -ENOMEM */
int isle_glance_init(struct isle_glance *seen);
/* The slot where this key goes; its key is another one when that was forgotten for it. */
static inline struct isle_glance_slot *isle_glance_slot(struct isle_glance *seen, uint64_t key)
{
	return &seen->slots[key % ISLE_GLANCE_ROOM];
}
/* Every path needs a second look. */
void isle_glance_forget(struct isle_glance *seen);
void isle_glance_done(struct isle_glance *seen);
