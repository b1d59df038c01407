/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Starting pasta when a program in the isle first makes a socket: the supervisor calls isle_net_start_once() when it is
 * told of one (src/supervise). This enforces nothing: without pasta the namespace has no way out.
 */
#include "macros.h"
#include "pasta.h"

struct isle_net_lazy {
	struct isle_pasta_options options;
	pid_t pid;  /* of pasta's minder; 0: not started */
	bool tried; /* a failure is told once, and not tried again */
};

/* Starts pasta, which takes a moment, unless that has been tried before. */
void isle_net_start_once(struct isle_net_lazy *state);

/* At the end of the run: says so if the network had to be ended before. */
void isle_net_say_end(const struct isle_net_lazy *state);
