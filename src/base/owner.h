/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an ordinary user owns but has closed to themselves (mode 000). They could open it by chmod(2), which a crash
 * would leave behind and everybody would see meanwhile. In a user namespace of its own that maps only them, a process
 * has the power over such files that the owner has anyway, and leaves their mode alone.
 *
 * It does not reach what belongs to a group other than the effective one, since that group cannot be mapped.
 */
#include "macros.h"
#include <stddef.h>
#include <sys/types.h>

/* What is to be done in such a namespace. */
struct isle_owner_call {
	ssize_t (*fn)(const void *arguments, void *shared); /* returns >= 0 or -errno */
	const void *arguments;
	void *result; /* size bytes: what fn left in `shared`, when it succeeded */
	size_t size;
};

/* Runs call->fn in a child in such a namespace and returns what it returned. The child has the same descriptors: one
 * that fn opens is the caller's. Its memory is a copy, except for `size` bytes at `shared`. -EACCES where it cannot
 * help: as root, or without user namespaces. */
ssize_t isle_as_owner(const struct isle_owner_call *call) isle_must_check;

/* result, what a try without that came to; but if that is -EACCES and dir/name (as for isle_meta_read()) is the
 * caller's own, what isle_as_owner() comes to. An error while looking whose it is is returned: -EACCES is an answer,
 * that is none. */
ssize_t isle_or_as_owner(ssize_t result, int dir, const char *name, const struct isle_owner_call *call) isle_must_check;

/* openat(2) with O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, as the owner where the mode forbids it. A descriptor
 * or -errno. */
int isle_open_own(int dir, const char *name, int flags) isle_must_check;
