/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of trapped calls. */
#include "guide_internal.h"
#include "trap.h"

struct isle_trapped {
	const char *name; /* NULL ends the table */
	int nr;
	unsigned traps; /* enum isle_trap: in which of these cases */
	bool some;	/* only with certain arguments (trap.c) */
	isle_handler *handler;
	isle_handler *repair; /* comes after it, where one of ISLE_TRAP_REPAIRS is trapped; NULL: none (repair.h) */
};

extern const struct isle_trapped isle_trapped_calls[];

/* NULL: not one of them. */
const struct isle_trapped *isle_trapped_find(int nr);
