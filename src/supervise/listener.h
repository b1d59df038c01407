/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel's side of seccomp user notification (seccomp_unotify(2)).
 *
 *   isle_listener_prepare(fd)                      once
 *   when fd is readable: isle_listener_receive(), then exactly one answer
 *
 * The caller waits in the kernel until it is answered. It can die meanwhile: then the answer fails, which is no error.
 */
#include "macros.h"
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* -E2BIG: a kernel whose structures are larger than anything known. */
int isle_listener_prepare(int listener) isle_must_check;

/* 1: *ret_call is filled in; 0: nobody waits (any more); -errno: the listener is of no use any more. */
int isle_listener_receive(int listener, struct seccomp_notif *ret_call) isle_must_check;

/* Lets the kernel do the call, unless the static filter of these flags (static_filter.h) refuses it: then it fails with
 * that error. Enforces nothing else: its arguments in memory may be others by now. There is no other way to let a call
 * go on. */
int isle_listener_continue(int listener, const struct seccomp_notif *call, unsigned filter) isle_must_check;

/* The call returns value, or fails when error (an errno, positive) is not 0; it is not done by the kernel. */
int isle_listener_answer(int listener, uint64_t id, int64_t value, int error) isle_must_check;

/* True while the caller still waits: what was read of the process `pid` before was its. */
bool isle_listener_waits(int listener, uint64_t id);
