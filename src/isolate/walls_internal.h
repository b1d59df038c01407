/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What walls.c found out, for walls_explain.c. */
#include "walls.h"
#include <limits.h>

enum { WALLS_VOLATILE = ISLE_WALL_COUNT, WALLS_RESULTS };

struct walls_result {
	bool known;
	int errors[WALLS_RESULTS]; /* 0 or -errno, by bit number of enum isle_wall */
	int place_error;	   /* why no overlay could be tried, or 0 */
	char directory[PATH_MAX];
};

/* Probes when that has not been done. */
const struct walls_result *isle_walls_result(void);
