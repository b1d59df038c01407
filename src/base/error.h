/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a user is told when something fails.
 *
 * Functions return >= 0 or -errno. Those whose failure a user will see also take a struct isle_err, which
 * may be NULL. The function that fails sets it; callers put what they were doing in front:
 *
 *   r = open_layer(..., err);
 *   if (r < 0)
 *           return isle_err_prefix(err, r, "cannot commit '%s'", quoted);
 *
 * and the verb prints it once: "isle: cannot commit 'etc/hosts': Permission denied".
 */
#include "macros.h"
#include <stdbool.h>

struct isle_err {
	int code;	/* -errno, 0 when nothing failed */
	char text[768]; /* lower case, without a newline at the end */
	char hint[384]; /* what to do about it, or empty */
};

#define ISLE_ERR_INIT ((struct isle_err){0})

/* Sets the text: the formatted message, then ": " and strerror(-code). Returns code (a -errno). */
int isle_err_errno(struct isle_err *err, int code, const char *format, ...) isle_printf(3, 4);

/* Sets the text to the formatted message alone, for failures that errno does not describe. Returns code. */
int isle_err_text(struct isle_err *err, int code, const char *format, ...) isle_printf(3, 4);

/* Puts "message: " in front of the present text. Returns code. */
int isle_err_prefix(struct isle_err *err, int code, const char *format, ...) isle_printf(3, 4);

/* Sets the one hint line; the last one set wins. It may come before or after the text: only ISLE_ERR_INIT clears it. */
void isle_err_hint(struct isle_err *err, const char *format, ...) isle_printf(2, 3);

/* True for the codes of a full disk and of a quota that is used up. */
bool isle_is_no_room(int code);

/* Prints "isle: TEXT" and, where there is one, "hint: HINT" on stderr. */
void isle_err_print(const struct isle_err *err);
