/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The keeper: the process that holds an isle's mounts. It lives as long as the isle is mounted, longer than the
 * supervisor that started it where other runs go on or the isle lingers. It stands on the host's side of the
 * walls (its pid, network and ipc namespaces are the host's), and no program inside can reach it.
 *
 * It answers on live.sock: further runs (passed on to init), and refresh. It ends when init has no run left and the
 * linger time is over, or when init dies; init dies with it.
 */
#include "run.h"
#include "view.h"

struct isle_keeper_options {
	struct isle_store *store;
	struct isle *isle;
	const struct isle_view *view;
	const struct isle_run_options *run;
	int lock;	/* of isle_lock(); the keeper gives it up at the end */
	int connection; /* the first run's, towards the supervisor */
	int supervisor; /* the other end of it: the keeper closes its copy, or the supervisor's death would go unseen */
};

/* Clones the keeper. What fails in it is told over the connection. Everything in options stays the caller's. 0 or
 * -errno. */
int isle_keeper_start(const struct isle_keeper_options *options, struct isle_err *err) isle_must_check;
