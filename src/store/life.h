/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which processes an isle still has. isle_lock() asks before it hands out the lock, so no verb can forget to.
 *
 * The keeper's lock (flock(2)) is free as soon as the keeper's descriptors are closed. When the keeper was killed, that
 * is before anything inside is dead. So the isle's directory notes who is there:
 *
 *   live   the lock file holds the keeper: it has the mounts until its very end
 *   init   a symbolic link that holds pid 1 of the isle, from before the first program runs until none is left
 *   .      the directory itself is locked (shared) by the supervisor of each run, and by the processes that write to
 *          the layer for it
 *
 * A process is noted by its number, its start time and the pid namespace that counts both, so a number that has gone
 * to another process is not mistaken for it. The boot is that of the isle's `boot` note.
 */
#include "error.h"
#include "store.h"
#include <stdint.h>
#include <sys/types.h>

/* By the keeper, about itself, in the lock file. */
int isle_life_note_keeper(int lock) isle_must_check;

/* The keeper looks at init through a /proc that it has opened before init existed: init changes the root of both. */
struct isle_life_proc {
	int dir; /* O_PATH */
	uint64_t namespace_id;
};

int isle_life_look_at_proc(struct isle_life_proc *ret_proc) isle_must_check;

/* By the keeper, before any program runs inside; forgotten when none is left. */
int isle_life_note_init(const struct isle *isle, const struct isle_life_proc *proc, pid_t pid) isle_must_check;
void isle_life_forget_init(const struct isle *isle);

/* Init's pid as its keeper sees it; 0 when it is not known. */
pid_t isle_life_init(const struct isle *isle);

/* By a supervisor, for the time in which it may write to the isle. Returns a descriptor that holds it.
 * -EAGAIN after ten seconds: somebody who has the lock has been stopped while waiting for the supervisors before. */
int isle_life_hold(const struct isle *isle) isle_must_check;

/* Makes a keeper that somebody has stopped go on: it owes others the lock. */
void isle_life_wake_keeper(const struct isle *isle);

/*
 * With the lock: waits until everything that an earlier run had inside is dead and no supervisor holds the isle. What
 * is alive without a keeper is killed. -EAGAIN when that takes too long; with ISLE_LOCK_WAIT it is waited for without a
 * limit, and said.
 */
int isle_life_await_last(const struct isle *isle, unsigned flags, struct isle_err *err) isle_must_check;

/* With the lock, before a mount: waits until the keeper is gone, too, and with it its mounts. -EAGAIN as above. */
int isle_life_await_keeper(const struct isle *isle, int lock, struct isle_err *err) isle_must_check;
