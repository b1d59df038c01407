/* SPDX-License-Identifier: Apache-2.0 */
/* A piece is handed out from its beginning. What does not fit into a whole one gets a piece of its own. */
#include "pool.h"
#include <stdalign.h>
#include <stdint.h>

enum { PIECE_SIZE = 64 * 1024, ALIGNMENT = alignof(max_align_t) };

struct isle_pool_piece {
	struct isle_pool_piece *next;
	size_t size;
	alignas(max_align_t) char bytes[];
};

void isle_pool_done(struct isle_pool *pool)
{
	while (pool->pieces) {
		struct isle_pool_piece *next = pool->pieces->next;

		free(pool->pieces);
		pool->pieces = next;
	}
	*pool = ISLE_POOL_INIT;
}

static int add_piece(struct isle_pool *pool, size_t size)
{
	struct isle_pool_piece *piece = calloc(1, sizeof(*piece) + size);

	if (!piece)
		return -1;
	piece->size = size;
	piece->next = pool->pieces;
	pool->pieces = piece;
	pool->left = size;
	return 0;
}

void *isle_pool_alloc(struct isle_pool *pool, size_t size)
{
	void *start;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (size > pool->left && add_piece(pool, size > PIECE_SIZE ? size : PIECE_SIZE) < 0)
		return NULL;
	start = pool->pieces->bytes + (pool->pieces->size - pool->left);
	pool->left -= size;
	return start;
}
