/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The isle's own /dev, /proc and /sys. Each is mounted on the view before pivot_root, in init: after it is in its pid
 * namespace, and as root before it enters its user namespace, so that what is mounted is locked there. root is a
 * descriptor of the view's root. Nothing is allocated.
 */
#include "macros.h"
#include <stdbool.h>

/* A minimal /dev: null, zero, full, random, urandom, tty, ptmx, pts, shm, fd, stdin, stdout, stderr. user: nodes are
 * bound from the host, read-only, because they cannot be made. */
int isle_own_dev(int root, bool user) isle_must_check;

enum { ISLE_OWN_DEVICES = 6 };

/* Which of them has this number; -1: none, or the terminal. */
int isle_own_dev_find(unsigned major, unsigned minor);

/* In the view, before any program of the user runs: O_PATH descriptors of the isle's own nodes, -1 for one that is not
 * there. Programs of the isle's root can remove or replace what /dev shows later. */
void isle_own_dev_hold(int *ret_devices);

/* POSIX message queues of the own ipc namespace; after that is entered. */
int isle_own_mqueue(int root) isle_must_check;

enum isle_proc_flags {
	ISLE_PROC_UNCOVERED = 1 << 0, /* nothing of it is read-only or masked; without effect for user id 0 */
};

/* A proc of the own pid namespace, its paths that concern the machine masked, or read-only. empty_dir and empty_file,
 * O_PATH descriptors, cover what is masked. For user id 0 *ret_below is a read-only mount of the same proc that lies
 * below, and nothing is read-only yet; else it is -1. */
int isle_own_proc(int root, int empty_dir, int empty_file, unsigned flags, int *ret_below) isle_must_check;

/* For user id 0: makes every entry of /proc that does not belong to a process read-only. The current directory is the
 * mount below, in the present mount namespace. */
int isle_own_proc_cover(void) isle_must_check;

/* The host's /sys, read-only throughout, parts masked. */
int isle_own_sys(int root, int empty_dir) isle_must_check;
