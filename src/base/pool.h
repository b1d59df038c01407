/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory for many small things that live and end together: taken from large pieces one after the other, and given back
 * all at once.
 */
#include "macros.h"

struct isle_pool_piece;

struct isle_pool {
	struct isle_pool_piece *pieces; /* the one in use is first */
	size_t left;			/* bytes of that which are free */
};

#define ISLE_POOL_INIT ((struct isle_pool){0})

void isle_pool_done(struct isle_pool *pool);

/* size bytes, all zero, aligned for anything; NULL when out of memory. */
void *isle_pool_alloc(struct isle_pool *pool, size_t size) isle_must_check;
