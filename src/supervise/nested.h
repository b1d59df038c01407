/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Callers in a mount namespace that was made inside (--nest): a path is looked up from their root, and what it leads to
 * is then found in the view by the mount that it is on. What they see of the host is on record under its own name.
 */
#include "macros.h"
#include <stddef.h>
#include <stdint.h>

struct isle_guide;
struct isle_call;

/* The kernel does not tell namespaces apart for good (before Linux 6.8): nothing is remembered of what paths mean. */
#define ISLE_NESTED_SOME UINT64_MAX

/* The mount namespace of the caller, and its root directory there: a number that no other has had. 0: that of the view.
 */
uint64_t isle_nested(struct isle_guide *guide, const struct isle_call *call);

/* Opens (O_PATH) the caller's root directory. *ret_below is where in raw, absolute in its namespace, what lies below
 * that begins. -errno. */
int isle_nested_root(struct isle_guide *guide, const struct isle_call *call, const char *raw,
		     const char **ret_below) isle_must_check;

/* The path in the view of an object of the caller's namespace, opened O_PATH. 0; -ENODATA: it is nothing that the view
 * shows (the record is not complete from here on where the host may be behind it); else -errno. */
int isle_nested_view(struct isle_guide *guide, const struct isle_call *call, int fd, char *view,
		     size_t room) isle_must_check;
