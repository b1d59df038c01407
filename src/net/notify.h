/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Starting pasta when a program in the isle first makes a socket. The listener comes from isle_filter_notify_sockets();
 * the supervisor's loop calls isle_net_notify() when it is readable. This enforces nothing: every call is answered
 * CONTINUE, and without pasta the namespace has no way out.
 */
#include "macros.h"
#include "pasta.h"

struct isle_net_lazy {
	struct isle_pasta_options options;
	pid_t pid;  /* isle_pasta_stop() it at the end; 0: not started */
	bool tried; /* a failure is told once, and not tried again */

	/* private */
	bool prepared;
};

/* Answers one notification. The first one starts pasta, which takes a moment; others wait meanwhile. 0, also when the
 * caller has gone away; -errno when the listener is of no use any more. */
int isle_net_notify(int listener, struct isle_net_lazy *state) isle_must_check;
