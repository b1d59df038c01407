/* SPDX-License-Identifier: Apache-2.0 */
#include "proc_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"

/* "PID (COMM) STATE PPID PGRP ...": COMM may hold anything, so the last parenthesis counts. */
int isle_proc_stat_read(int proc, const char *name, struct isle_proc_stat *ret_stat)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	struct isle_proc_stat stat = {0};
	char path[300];

	snprintf(path, sizeof(path), "%s/stat", name);
	int r = isle_read_file(proc, path, &text, 8192);
	if (r < 0)
		return r;
	const char *after = text.data == NULL ? NULL : strrchr(text.data, ')');
	const char *last = text.data == NULL ? NULL : strrchr(text.data, ' ');
	if (after == NULL || last < after ||
	    sscanf(after + 1, " %c %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d %*s %" SCNu64,
		   &stat.state, &stat.parent, &stat.group, &stat.threads, &stat.start) != 5)
		return -EUCLEAN;
	stat.wait_status = (int32_t)strtol(last, NULL, 10);
	*ret_stat = stat;
	return 0;
}
