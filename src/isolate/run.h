/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Running a command in an isle (doc/design/isolation.md).
 *
 *   supervisor   this process: asks for the run, owns the terminal, the signals, the notifications
 *   keeper       on the host side of the walls: made the mounts, can refresh them, lets further runs join
 *   init         pid 1 inside: reaps, starts a leader for each run
 *   leader       inside, one for each run: the session leader of its terminal; starts CMD, ends what it leaves
 */
#include "error.h"
#include "events.h"
#include "net_mode.h"
#include "store.h"
#include "walls.h"
#include <stdbool.h>
#include <sys/types.h>

struct isle_run_options {
	char *const *argv;	  /* CMD and its arguments */
	char *const *environment; /* as CMD gets it */
	const char *directory;	  /* absolute */
	const char *hostname;	  /* NULL: as the host's */
	const char *const *write; /* absolute host paths, NULL-terminated; may be NULL */
	const char *const *hide;  /* the same */
	enum isle_net_mode net;
	enum isle_track track; /* what is recorded */
	unsigned require;      /* enum isle_wall bits */
	double linger;	       /* seconds to keep the isle mounted after the last run */
	unsigned flags;	       /* enum isle_run_flags */
};

enum isle_run_flags {
	ISLE_RUN_DURABLE = 1 << 0,    /* fsync inside reaches the disk */
	ISLE_RUN_WAIT = 1 << 1,	      /* wait for what CMD leaves running instead of ending it */
	ISLE_RUN_NEST = 1 << 2,	      /* allow user namespaces and mounts inside */
	ISLE_RUN_FAKE_OWNER = 1 << 3, /* owners that an ordinary user cannot give are kept for the review */
};

enum isle_run_outcome {
	ISLE_RUN_EXITED,	 /* status is 0..255 */
	ISLE_RUN_SIGNALLED,	 /* status is the signal */
	ISLE_RUN_NOT_FOUND,	 /* 127: CMD does not exist in the view */
	ISLE_RUN_NOT_EXECUTABLE, /* 126 */
};

struct isle_run_result {
	enum isle_run_outcome outcome;
	int status;
	double seconds;	  /* from start to end of CMD */
	unsigned nesting; /* enum isle_nesting (guide.h): what was refused to sandboxes inside; 0 without a record */
	bool output_lost; /* it wrote what could not be written on: isle has said so */
	bool terminal;	  /* CMD had the terminal: a question can be asked afterwards */
};

/* Mounts the isle or joins it where it is mounted, runs CMD and waits for it. Signals that this process gets are
 * passed on. -errno when nothing was run (exit 125; -EPROTONOSUPPORT when a wall of `require` is missing). */
int isle_run(struct isle_store *store, struct isle *isle, const struct isle_run_options *options,
	     struct isle_run_result *ret_result, struct isle_err *err) isle_must_check;

/* Makes a mounted isle see the host as it is now. -ENOTCONN when it is not mounted. */
int isle_refresh(const struct isle *isle, struct isle_err *err) isle_must_check;

/* Ends an isle's lingering, if nothing runs in it; then its lock is free at once. */
void isle_rest(const struct isle *isle);

/* True while some run has the isle mounted (or it lingers). */
bool isle_is_mounted(const struct isle *isle);
