/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What supervisor, keeper, init and leader say to each other, over stream sockets: a header, its payload, and
 * descriptors with the header.
 *
 *   supervisor -> keeper   JOIN, REFRESH, REST      on a new connection to live.sock
 *   keeper -> supervisor   RESULT                   to REFRESH; to REST the end of file
 *   keeper -> init         RUN + connection         start a leader on it
 *   init -> keeper         MAP_ME, ENDED            write my maps; nothing of a run is left
 *   keeper -> init         MAPPED                   the maps are written and init is noted: programs may run
 *   supervisor -> leader   REQUEST + what of 0, 1, 2 is given    first, then SIGNAL, GO
 *   leader -> supervisor   STARTED, STOPPED, CONTINUED, EXITED
 *   init -> supervisor     KILLED                   instead of EXITED, when the leader was killed
 *   anybody -> supervisor  ERROR                    nothing was run
 *
 * The end of a run is the end of file on the supervisor's connection: leader, init and keeper have all closed it, the
 * keeper after it has given up the lock of an isle that nobody uses any more.
 */
#include "error.h"
#include "standard.h"
#include "terminal.h"
#include <stdint.h>
#include <sys/resource.h>

enum isle_wire_type {
	ISLE_WIRE_JOIN = 1,
	ISLE_WIRE_REFRESH,
	ISLE_WIRE_RESULT, /* int32: 0 or -errno */
	ISLE_WIRE_RUN,	  /* uint32: number of the run; + connection */
	ISLE_WIRE_ENDED,  /* struct isle_wire_ended */
	ISLE_WIRE_MAP_ME,
	ISLE_WIRE_MAPPED,
	ISLE_WIRE_REQUEST,   /* struct isle_wire_request and strings; + those of 0, 1, 2 that are GIVEN */
	ISLE_WIRE_STARTED,   /* struct isle_wire_started; + pty master, + notification listener and what it needs */
	ISLE_WIRE_ERROR,     /* struct isle_err */
	ISLE_WIRE_SIGNAL,    /* struct isle_wire_signal */
	ISLE_WIRE_GO,	     /* int32: enum isle_terminal_go */
	ISLE_WIRE_STOPPED,   /* int32: the signal */
	ISLE_WIRE_CONTINUED, /* nothing: CMD, of which STOPPED was told, goes on */
	ISLE_WIRE_EXITED,    /* struct isle_wire_exited and the names of what was left running */
	ISLE_WIRE_REST,	     /* do not linger any longer */
	ISLE_WIRE_KILLED,    /* nothing */
};

enum { ISLE_WIRE_FDS = 4, ISLE_WIRE_LIMIT = 64 << 20 };

struct isle_wire_ended {
	uint32_t run;
	uint32_t live; /* runs that go on */
};

/* Followed by the directory, argc arguments and envc variables, each ending in NUL. */
struct isle_wire_request {
	uint32_t flags; /* enum isle_run_flags */
	uint32_t require;
	uint32_t net; /* enum isle_net_mode */
	uint32_t argc, envc;
	uint32_t umask;
	int32_t nice;
	uint32_t linger_ms;
	uint32_t traps;		   /* enum isle_trap: install a listener for these */
	uint64_t blocked, ignored; /* signal masks: bit N-1 is signal N */
	struct rlimit limits[RLIM_NLIMITS];
	struct isle_terminal_setup terminal;
	struct isle_standard_setup standard[ISLE_STANDARD_COUNT];
	uint8_t pty;
};

struct isle_wire_started {
	uint32_t missing;	  /* enum isle_wall: what this kernel has not */
	uint8_t master, listener; /* descriptors that come along; with the listener come those of the network
				   * namespace and of the view's root */
};

struct isle_wire_signal {
	int32_t number;
	uint32_t group; /* 1: CMD's whole process group, as a terminal sends it */
};

struct isle_wire_exited {
	uint32_t outcome; /* enum isle_run_outcome */
	int32_t status;
	int32_t error;	/* errno of exec */
	uint32_t ended; /* processes that CMD left running and that were ended */
};

struct isle_wire_message {
	unsigned type;
	size_t size;
	char *data; /* heap, followed by a NUL byte */
	int fds[ISLE_WIRE_FDS];
	unsigned fd_count;
};

#define ISLE_WIRE_MESSAGE_INIT ((struct isle_wire_message){0})

void isle_wire_done(struct isle_wire_message *message);
#define auto_message __attribute__((cleanup(isle_wire_done)))

/* 0 or -errno; -EPIPE when the other side has gone (no SIGPIPE). */
int isle_wire_send(int sock, unsigned type, const void *data, size_t size) isle_must_check;
int isle_wire_send_fds(int sock, unsigned type, const void *data, size_t size, const int *fds,
		       unsigned fd_count) isle_must_check;

/* Waits for one message. 1, 0 at the end of file, or -errno. Descriptors get CLOEXEC and belong to the message. */
int isle_wire_receive(int sock, struct isle_wire_message *ret_message) isle_must_check;

/* How long isle_wire_receive() waits for each part of a message: then -EAGAIN. 0: without a limit. */
void isle_wire_limit(int sock, unsigned seconds);

/* A small message that has come in part. Zero it first. */
struct isle_wire_partial {
	uint32_t type, size;
	char data[16];
	size_t have; /* bytes, of type and size also */
};

/* Takes what is there and waits for nothing; no byte more than the message has, and no descriptor. 1: it is whole, 0:
 * not yet, or -errno: nothing whole will come (-ECONNRESET, -EMSGSIZE). */
int isle_wire_receive_some(int sock, struct isle_wire_partial *partial) isle_must_check;

/* Sends it all at once or not at all, and waits for nothing: -EAGAIN. */
int isle_wire_try_send_fds(int sock, unsigned type, const void *data, size_t size, const int *fds,
			   unsigned fd_count) isle_must_check;

/* A failure before anything was run, to the supervisor. */
void isle_wire_send_error(int sock, const struct isle_err *err);
