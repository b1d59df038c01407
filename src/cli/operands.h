/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Paths of the command line, as the user meant them. */
#include "error.h"
#include <stddef.h>

/* One path, absolute and without "." and "..". Heap. An empty one, and a relative one where there is no current
 * directory, are told in *err. */
int isle_operand_path(const char *operand, char **ret_path, struct isle_err *err) isle_must_check;

struct isle_operands {
	const char **list; /* ends with NULL; NULL for none */
	size_t count;
};

#define ISLE_OPERANDS_INIT ((struct isle_operands){0})

/* Takes text over, which may be NULL: -ENOMEM. */
int isle_operands_take(struct isle_operands *operands, char *text) isle_must_check;

/* Adds a path, before it where the symbolic links above its last component lead: "/bin/x" finds what changed at
 * "/usr/bin/x". A pattern without a slash (globs.h) is added as it is, unless ISLE_OPERAND_PLAIN says that there are no
 * patterns. */
enum isle_operand_flags { ISLE_OPERAND_PLAIN = 1 << 0 };
int isle_operands_add(struct isle_operands *operands, const char *operand, unsigned flags,
		      struct isle_err *err) isle_must_check;

void isle_operands_done(struct isle_operands *operands);
