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

/* Newer than the headers of the oldest system we build on. */
enum {
	ISLE_CALL_MOVE_MOUNT = 429,    /* Linux 5.2, the same number everywhere, as those below */
	ISLE_CALL_FCHMODAT2 = 452,     /* Linux 6.6 */
	ISLE_CALL_SETXATTRAT = 463,    /* Linux 6.13 */
	ISLE_CALL_REMOVEXATTRAT = 466, /* Linux 6.13 */
};

/* NULL: not one of them. */
const struct isle_trapped *isle_trapped_find(int nr);
