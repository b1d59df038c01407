/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What standard.c, standard_pump.c, standard_input.c and standard_output.c share. */
#include "standard.h"
#include <poll.h>

enum standard_kind {
	STANDARD_PIPE,
	STANDARD_SOCKET,
	STANDARD_FILE,	 /* has an offset: regular files, block devices */
	STANDARD_STREAM, /* other devices */
};

/* One direction between a descriptor of the caller and a pipe of CMD. */
struct isle_standard_channel {
	int number; /* of the standard descriptor: the first one that uses it */
	bool input;
	enum standard_kind kind;
	dev_t device; /* with inode and offset: which object it is */
	ino_t inode;
	off_t offset; /* where two descriptors of a file stand apart they have nothing in common; 0 with O_APPEND */
	int host;     /* the caller's */
	int inner;    /* the pump's end of the pipe; -1: done */
	int given;    /* CMD's end, until it is sent */

	/* Output: what was read and could not be written yet. */
	size_t begin, end;
	bool blocked; /* wait until the caller's descriptor takes more */
	bool copies;  /* splice(2) is not to be had */

	/* Input. */
	int watch;   /* a descriptor of CMD's end: tells how much CMD has not read yet */
	int scratch; /* a pipe: writing end, */
	int drain;   /* and reading end */
	size_t unread;
	bool full, eof, changed;
	int error; /* -errno: why it could not be read to its end */

	char *buffer;
};

enum { STANDARD_BUFFER = 64 * 1024 };

/* What the pump tells of a channel that could not be written to, or read to its end. */
struct standard_failure {
	int number, code, input;
};

/* standard_pump.c: in the pump's process. */
isle_noreturn void standard_pump_main(struct isle_standard_channel *const *channels, unsigned count, int control);

/* standard_output.c: moves what can be moved without waiting. 0, or the -errno that ended the channel and lost output.
 */
int standard_output_move(struct isle_standard_channel *c) isle_must_check;

/* standard_input.c. */
int standard_input_begin(struct isle_standard_channel *c) isle_must_check;
/* Makes CMD's pipe hold as much of what comes next as it takes. null: /dev/null. True when that changed something. */
bool standard_input_feed(struct isle_standard_channel *c, int null);
/* CMD reads no more: takes from the caller's descriptor what CMD has read, and leaves it the rest. */
void standard_input_settle(struct isle_standard_channel *c, int null);

/* True when poll(2) finds one of these events now. */
short standard_poll_now(int fd, short events);
