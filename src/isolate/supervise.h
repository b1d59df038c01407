/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The supervisor's loop of one run: sends the request to the leader, then carries signals, the terminal and
 * notifications until the connection ends.
 */
#include "run.h"

/* -ECONNRESET without a word in err: the keeper ended before anything was run; try again. */
int isle_supervise(const struct isle *isle, const struct isle_run_options *options, int connection,
		   struct isle_run_result *ret_result, struct isle_err *err) isle_must_check;
