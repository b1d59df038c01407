/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The supervisor's side of the terminal. CMD has a pty of the isle's own devpts; this side owns the user's terminal
 * and carries bytes between the two, with the job control that a program started directly would have.
 *
 *   struct isle_terminal t;
 *   isle_terminal_open(&t);                touches nothing; t.pty: a pty is wanted; t.setup goes to the leader as it is
 *   ... the leader opens a pty, isle_terminal_setup_apply(slave, &setup), sends the master ...
 *   isle_terminal_start(&t, master);       takes the user's terminal when t.setup.foreground
 *   loop:
 *           n = isle_terminal_poll_fds(&t, fds);  poll();  isle_terminal_handle(&t, fds, n);
 *           SIGWINCH                       isle_terminal_resized(&t);
 *           SIGCONT                        go = isle_terminal_continued(&t);
 *           leader: CMD stopped by sig     go = isle_terminal_stopped(&t, sig, leader);
 *           leader: all has ended          isle_terminal_end(&t); loop on until isle_terminal_drained(&t)
 *   isle_terminal_close(&t);               gives the terminal back, on every way out
 *
 * What the leader does: setsid, TIOCSCTTY on the slave, the slave as those of 0, 1, 2 that are in setup.slots (the
 * others are the very descriptors that isle got), tcsetpgrp to CMD's group when setup.foreground, else to its own
 * group. It waits with WUNTRACED | WCONTINUED, reports when CMD is stopped and goes on, and obeys enum
 * isle_terminal_go. It keeps the slave open until all has ended: EIO on the master means the end. It closes its master
 * after sending it, and survives SIGHUP and SIGTTOU.
 *
 * All of this works without a terminal too (t.pty false): poll_fds gives none, stops are still passed on.
 * SIGTTIN, SIGTTOU, SIGTSTP must have their default action in the supervisor; a blocked SIGTSTP is unblocked where
 * it has to stop the process. The supervisor passes a SIGTSTP of its own on to CMD's group.
 */
#include "macros.h"
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

/* What the leader has to know; plain bytes. */
struct isle_terminal_setup {
	unsigned slots;	 /* bit N: CMD's descriptor N is the pty */
	bool foreground; /* CMD starts in the foreground of its pty */
	struct termios modes;
	struct winsize size;
};

struct isle_terminal_buffer {
	size_t begin, end;
	char data[16384];
};

struct isle_terminal {
	bool pty; /* CMD is to have a pty */
	struct isle_terminal_setup setup;

	/* private */
	int tty;	  /* the user's terminal, a description of our own, O_NONBLOCK */
	int master;	  /* -1 until started, and after EIO */
	bool taken;	  /* the user's terminal is in raw mode and its keys go to CMD */
	bool was_taken;	  /* at some time */
	bool tty_gone;	  /* hung up: output is dropped */
	bool ended;	  /* nothing inside writes any more */
	bool held_return; /* a "\r" that may belong to a "\r\n" */
	struct termios saved, raw;
	pid_t guard; /* restores the terminal if we are killed; 0: none */
	int guard_pipe;
	struct isle_terminal_buffer in, out;
};

enum { ISLE_TERMINAL_FDS = 2 };

/* Looks at 0, 1, 2 and the controlling terminal. A pty is wanted when there is a terminal at all, so that /dev/tty
 * works inside even where all three are redirected. Never fails: without a terminal there is no pty. */
void isle_terminal_open(struct isle_terminal *t);

/* In the leader: gives the slave the user's modes and window size. Allocates nothing. 0 or -errno. */
int isle_terminal_setup_apply(int slave, const struct isle_terminal_setup *setup) isle_must_check;

/* Owns master from now on. Before CMD runs. 0 or -errno (nothing is changed then). */
int isle_terminal_start(struct isle_terminal *t, int master) isle_must_check;

/* Fills at most ISLE_TERMINAL_FDS entries and returns how many. */
unsigned isle_terminal_poll_fds(const struct isle_terminal *t, struct pollfd *fds);
/* Moves bytes as poll(2) found possible in these entries. */
void isle_terminal_handle(struct isle_terminal *t, const struct pollfd *fds, unsigned count);

/* What to tell the leader about CMD's process group. */
enum isle_terminal_go {
	ISLE_TERMINAL_STAY,	  /* nothing */
	ISLE_TERMINAL_FOREGROUND, /* put it into the foreground of the pty and send it SIGCONT */
	ISLE_TERMINAL_BACKGROUND, /* put the leader itself into the foreground and send CMD SIGCONT */
};

/* CMD was stopped by this signal. May stop this process, as a job of the user's shell, and return when it goes on.
 * news is the socket on which the leader tells what becomes of CMD: this process neither stops nor stays stopped while
 * something is to be read there, since CMD may run again and nobody else would continue this process. -1: no news.
 * STAY: CMD runs already, or is stopped and nobody but who did it is to continue it. */
enum isle_terminal_go isle_terminal_stopped(struct isle_terminal *t, int sig, int news);

/* This process got SIGCONT. STAY: where CMD is remains so, and it gets SIGCONT too. */
enum isle_terminal_go isle_terminal_continued(struct isle_terminal *t);

/* This process got SIGWINCH. */
void isle_terminal_resized(const struct isle_terminal *t);

/* All processes inside have ended: what the pty holds now is the last. */
void isle_terminal_end(struct isle_terminal *t);
/* True when all output has reached the user's terminal, or can never. */
bool isle_terminal_drained(const struct isle_terminal *t);

/* Restores the terminal, ends the guard, closes everything. Can be called again. */
void isle_terminal_close(struct isle_terminal *t);
