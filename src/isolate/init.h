/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Init, pid 1 inside: finishes the set-up (own.h, pivot_root, the second wall), then starts a leader for each run
 * that the keeper passes on, and reaps. Nothing inside can trace it or see its descriptors: it is not dumpable, and its
 * memory belongs to the host's user namespace.
 */
#include "run.h"

struct isle_init_options {
	const struct isle_run_options *run;
	bool user; /* user mode */
	int root;  /* of the view */
	int empty_dir, empty_file;
	int network;	/* of isle_net_make(), or -1 */
	int keeper;	/* socket */
	int connection; /* of the first run, for errors and its leader */
};

/* Never returns. */
isle_noreturn void isle_init_main(const struct isle_init_options *options);

/* The leader of one run, on its connection. Never returns. */
isle_noreturn void isle_leader_main(int connection, bool user, const int *devices);
