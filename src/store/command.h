/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How the commands of an isle were run, so that they can be run again (`isle redo`): isles/ID/commands/START, one file
 * for each run, mode 0600 since environments hold secrets. START is 16 hexadecimal digits, so names sort by time.
 */
#include "error.h"
#include "store.h"
#include <stdint.h>

struct isle_command {
	int64_t start;	     /* nanoseconds since the epoch */
	unsigned net, flags; /* enum isle_net_mode, enum isle_run_flags */
	const char *directory;
	const char *hostname;	     /* NULL: the host's */
	const char *input;	     /* the file that standard input was; NULL: no file */
	const char *const *lists[4]; /* NULL-terminated; by enum isle_command_list */
};

enum isle_command_list { ISLE_COMMAND_ARGUMENTS, ISLE_COMMAND_ENVIRONMENT, ISLE_COMMAND_WRITE, ISLE_COMMAND_HIDE };

#define ISLE_COMMAND_INIT ((struct isle_command){0})

/* One small write; a run does not wait for the disk. */
int isle_command_note(const struct isle *isle, const struct isle_command *command) isle_must_check;

/* Calls each() with the commands, oldest first, until it returns non-zero, which is returned. */
int isle_commands_each(const struct isle *isle, int (*each)(const struct isle_command *command, void *data), void *data,
		       struct isle_err *err) isle_must_check;
