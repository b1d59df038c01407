/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What of an isle's past does not count any more: what the logs say of a path that was put on the host since, and
 * everything of before a commit or discard of all.
 */
#include "buf.h"
#include "error.h"
#include "map.h"
#include "plan.h"
#include "pool.h"
#include <stdint.h>

struct isle_settled {
	struct isle_buf text;
	int64_t all;	       /* nothing not later than that counts; nanoseconds since the epoch */
	struct isle_map paths; /* path -> struct isle_settled_path */
	struct isle_pool pool; /* which has them */
};

#define ISLE_SETTLED_INIT ((struct isle_settled){0})

int isle_settled_load(const struct isle *isle, struct isle_settled *ret_settled, struct isle_err *err) isle_must_check;
void isle_settled_done(struct isle_settled *settled);
#define auto_settled __attribute__((cleanup(isle_settled_done)))

/* What was done at this time to the path does not count. */
bool isle_settled_has(const struct isle_settled *settled, const char *path, int64_t time);

/* After the steps of an operation: what a commit put on the host is not what the isle read there any more, and nothing
 * is left that came from what was read before a discard of everything. A failure costs conflicts, nothing else. */
void isle_settled_add(const struct isle *isle, const struct isle_plan *plan, int64_t operation);
