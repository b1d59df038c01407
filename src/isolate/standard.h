/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What CMD inherits as standard input, output and error. An inherited descriptor is a door: CMD gets none through which
 * it could do more to the host than move bytes in the direction that the caller opened.
 *
 *   isle has                                       CMD gets
 *   its terminal                                   the isle's pty (terminal.h)
 *   null, zero, full, random, urandom of /dev      the one of the isle's own /dev, opened there by the leader
 *   a regular file, for reading                    a description of its own of the same file on a read-only mount
 *   a file for writing; a pipe, named or not; a    a pipe of its own; the pump, a child of the supervisor, moves
 *   stream socket; a block or another character    the bytes
 *   device
 *   a directory, an O_PATH descriptor, any other   nothing: refused, with what to do instead
 *   socket or kernel object
 *
 *   isle_standard_plan(&s, slots, &err);     decides, makes pipes; what the request needs is in s.setup and s.given
 *   ... request sent ...
 *   isle_standard_start(&s);                 closes what was sent, starts the pump if there is something to be moved
 *   ... everything inside has ended ...
 *   isle_standard_end(&s, signals);          all output has arrived, the caller's offset stands where CMD stopped
 * reading isle_standard_close(&s);
 */
#include "error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { ISLE_STANDARD_COUNT = 3 };

enum isle_standard_way {
	ISLE_STANDARD_GIVEN,	/* sent along with the request */
	ISLE_STANDARD_TERMINAL, /* the pty */
	ISLE_STANDARD_DEVICE,	/* of the isle's own /dev */
};

/* For the leader; plain bytes. */
struct isle_standard_setup {
	uint32_t way;
	uint32_t major, minor; /* DEVICE */
	int32_t flags;	       /* DEVICE: as for open(2) */
};

struct isle_standard_channel;

struct isle_standard {
	struct isle_standard_setup setup[ISLE_STANDARD_COUNT];
	int given[ISLE_STANDARD_COUNT]; /* what CMD gets, -1 unless GIVEN; two can be the same */

	/* private */
	int host[ISLE_STANDARD_COUNT]; /* the caller's, borrowed */
	int copy[ISLE_STANDARD_COUNT]; /* read-only descriptions of its files, -1 */
	off_t start[ISLE_STANDARD_COUNT];
	struct isle_standard_channel *channels[ISLE_STANDARD_COUNT];
	unsigned channel_count;
	pid_t pump; /* 0: none */
	int control;
};

/* slots: bit N is set where N is the terminal. host: the descriptors to look at, 0, 1 and 2 but for tests. -EOPNOTSUPP
 * for what is refused. isle_standard_close() in any case. */
int isle_standard_plan(struct isle_standard *s, const int *host, unsigned slots, struct isle_err *err) isle_must_check;

/* Fills fds with what goes along with the request and returns how many. */
unsigned isle_standard_fds(const struct isle_standard *s, int fds[ISLE_STANDARD_COUNT]);

int isle_standard_start(struct isle_standard *s) isle_must_check;

/* Waits until all output has reached the caller's descriptors; a signal that can be read from `signals` (a signalfd, or
 * -1) ends the wait. Says what could not be written. True when output was lost. */
bool isle_standard_end(struct isle_standard *s, int signals);

void isle_standard_close(struct isle_standard *s);

/* In the leader: opens a device of the isle's own /dev. devices: as isle_own_dev_hold() gives them. Allocates nothing.
 */
int isle_standard_open_device(const struct isle_standard_setup *setup, const int *devices) isle_must_check;

/* A description of its own of the same regular file, for reading, at the same offset, through which nothing can be
 * changed, whoever asks: its mount is read-only and belongs to no mount namespace. -errno where there can be none: a
 * file of which this user has no path, or may not open any more. */
int isle_standard_read_only(int fd) isle_must_check;
