/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* /proc/PID/stat (proc_pid_stat(5)). */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct isle_proc_stat {
	char state; /* 'R', 'S', 'D', 'T', 'Z', ... of the main thread, whose end leaves the others running */
	pid_t parent, group;
	int threads;
	uint64_t start;	     /* clock ticks since boot */
	int32_t wait_status; /* as of wait(2) when it has ended, 0 where the reader may not trace the process */
};

/* Reads NAME/stat: name is a path, or a number relative to the directory proc. -ENOENT or -ESRCH when there is no such
 * process, -EUCLEAN when the text is not understood. */
int isle_proc_stat_read(int proc, const char *name, struct isle_proc_stat *ret_stat) isle_must_check;
