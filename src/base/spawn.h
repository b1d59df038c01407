/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Running a helper program on the host side (pasta, an editor). The one way in which isle starts programs
 * outside an isle.
 */
#include "macros.h"
#include <sys/types.h>

struct isle_spawn_options {
	const char *const *argv; /* argv[0] is looked up in PATH, NULL-terminated */
	int stdin_fd;		 /* -1: /dev/null */
	int stdout_fd;		 /* -1: /dev/null */
	int stderr_fd;		 /* -1: inherited */
};

/* Starts it with all other descriptors closed, default signals and an empty signal mask. Returns a pidfd;
 * *ret_pid gets the pid. -ENOENT etc. when it could not be executed. */
int isle_spawn(const struct isle_spawn_options *options, pid_t *ret_pid) isle_must_check;

/* Waits for it: 0..255 exit status, 128+n when it died by signal n, or -errno. timeout in milliseconds, -1 for
 * ever; -ETIMEDOUT leaves it running. */
int isle_spawn_wait(int pidfd, pid_t pid, int timeout) isle_must_check;
