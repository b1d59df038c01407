/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guide: what the supervisor of a run does when a program makes one of the calls that are trapped
 * (doc/design/supervisor.md; isle_trap_program() says which those are).
 *
 *   isle_guide_new(&options, &guide, err)      before the run starts: its log is made
 *   isle_guide_start(guide, listener, root)    the listener has come: from now on poll isle_guide_fds()
 *   isle_guide_handle(guide, fds)              when one of them is readable
 *   isle_guide_end(guide, status)              the command has ended; what is left of the run goes on being served
 *   isle_guide_free(guide)
 *
 * It is no wall: every call that it lets go on is one that the program may make. Whatever goes wrong in it fails the
 * call that waits, never lets it through unrecorded.
 */
#include "error.h"
#include "events.h"
#include "lazy.h"
#include "net_mode.h"
#include "store.h"
#include <poll.h>
#include <stdbool.h>

struct isle_guide;

struct isle_guide_options {
	const struct isle *isle;
	enum isle_track track;
	unsigned traps;	       /* enum isle_trap */
	unsigned filter;       /* enum isle_filter_flags (static_filter.h): what the kernel filters the run with */
	bool user;	       /* made by an ordinary user */
	bool writes;	       /* the program has something of the host to write to (--write) */
	bool fake_owner;       /* owners that cannot be given are kept instead */
	const char *directory; /* where the command starts */
	char *const *argv;
	const char *path; /* $PATH of the command, NULL: none */
	enum isle_net_mode net;
	int connection;		       /* of the run, borrowed; -1: none. No child of the guide keeps it */
	struct isle_net_lazy *network; /* borrowed; started at the first socket when ISLE_TRAP_NET is set */
	/* Called, at most once a second, when the host has replaced something that the view still shows in its old
	 * state. May be NULL. */
	void (*refresh)(void *data);
	/* Called before and after the network was started by a socket. May be NULL. */
	void (*connecting)(void *data, bool done);
	void *data;
};

int isle_guide_new(const struct isle_guide_options *options, struct isle_guide **ret_guide,
		   struct isle_err *err) isle_must_check;
void isle_guide_free(struct isle_guide *guide);

/* Takes both descriptors: the notification listener and, O_PATH, the root of the view (-1: nothing is recorded). */
int isle_guide_start(struct isle_guide *guide, int listener, int root) isle_must_check;

/* ISLE_GUIDE_CALLS is readable for every trapped call, the others seldom are. */
enum { ISLE_GUIDE_CALLS, ISLE_GUIDE_ENDS, ISLE_GUIDE_TIMER, ISLE_GUIDE_MOVES, ISLE_GUIDE_FDS };

/* Fills in ISLE_GUIDE_FDS entries, the same ones from isle_guide_start() until ISLE_GUIDE_CALLS has come to its end; fd
 * -1 where there is nothing to wait for. */
void isle_guide_fds(const struct isle_guide *guide, struct pollfd *fds);
void isle_guide_handle(struct isle_guide *guide, const struct pollfd *fds);

/* Notes that the record is not complete from here on. */
void isle_guide_lost(struct isle_guide *guide, const char *why);

/* Notes the end of the command: as wait(2) has it. */
void isle_guide_end(struct isle_guide *guide, int32_t status);

/* False: the run has changed nothing by any path of the view, for sure. */
bool isle_guide_has_written(const struct isle_guide *guide);

enum isle_nesting {
	ISLE_NESTING_REFUSED = 1 << 0, /* a namespace or mount that --nest would have allowed */
	ISLE_NESTING_CGROUP = 1 << 1,  /* a control group namespace, which it does not */
};

/* What sandboxes and containers inside were refused. */
unsigned isle_guide_nesting(const struct isle_guide *guide);
