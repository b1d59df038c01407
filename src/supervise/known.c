/* SPDX-License-Identifier: Apache-2.0 */
#include "known.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { FIRST_ROOM = 1024 };

static struct isle_known_slot *find(struct isle_known_slot *slots, size_t room, uint64_t key)
{
	size_t i = key & (room - 1);

	while (slots[i].key != 0 && slots[i].key != key)
		i = (i + 1) & (room - 1);
	return &slots[i];
}

static int grow(struct isle_known *known)
{
	size_t room = known->room == 0 ? FIRST_ROOM : known->room * 2;
	struct isle_known_slot *slots;

	if (known->count >= ISLE_KNOWN_LIMIT)
		return -ENOSPC;
	slots = calloc(room, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < known->room; i++)
		if (known->slots[i].key != 0)
			*find(slots, room, known->slots[i].key) = known->slots[i];
	free(known->slots);
	known->slots = slots;
	known->room = room;
	return 0;
}

struct isle_known_slot *isle_known_slot(struct isle_known *known, uint64_t key)
{
	key = key == 0 ? 1 : key;
	if (known->count * 4 >= known->room * 3 && grow(known) < 0)
		return NULL;
	struct isle_known_slot *slot = find(known->slots, known->room, key);
	if (slot->key == 0) {
		slot->key = key;
		known->count++;
	}
	return slot;
}

const struct isle_known_slot *isle_known_find(const struct isle_known *known, uint64_t key)
{
	key = key == 0 ? 1 : key;
	if (known->room == 0)
		return NULL;
	const struct isle_known_slot *slot = find(known->slots, known->room, key);
	return slot->key == 0 ? NULL : slot;
}

void isle_known_done(struct isle_known *known)
{
	free(known->slots);
	*known = (struct isle_known){0};
}

/* Zero pages that are there when they are touched: a short run pays for a few. */
int isle_glance_init(struct isle_glance *seen)
{
	seen->slots = mmap(NULL, ISLE_GLANCE_ROOM * sizeof(*seen->slots), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (seen->slots != MAP_FAILED)
		return 0;
	seen->slots = NULL;
	return -ENOMEM;
}

void isle_glance_forget(struct isle_glance *seen)
{
	if (seen->slots != NULL && madvise(seen->slots, ISLE_GLANCE_ROOM * sizeof(*seen->slots), MADV_DONTNEED) < 0)
		for (size_t i = 0; i < ISLE_GLANCE_ROOM; i++)
			seen->slots[i] = (struct isle_glance_slot){0};
}

void isle_glance_done(struct isle_glance *seen)
{
	if (seen->slots != NULL)
		munmap(seen->slots, ISLE_GLANCE_ROOM * sizeof(*seen->slots));
	seen->slots = NULL;
}
