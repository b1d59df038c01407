/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names are bytes that somebody else has chosen. On a terminal and in messages they appear only through here.
 */
#include "buf.h"

/* Appends name as the terminal may see it: as it is when it is printable UTF-8 without a control, bidi or other
 * invisible character, without a space or slash other than the common ones, and without what the lines have beside
 * names (a blank at an end, two blanks, " -> ", " (", " [", ": "); else in double quotes with C escapes (\n, \t, \",
 * \\, \ooo for bytes). */
int isle_quote_add(struct isle_buf *buf, const char *name);

/* The name that isle_quote_add() made this text of. -EINVAL: of none. */
int isle_unquote(const char *text, struct isle_buf *ret_name) isle_must_check;

/* As isle_quote_add(), into one of 8 static buffers used in turn; long names are cut in the middle with "...". For
 * messages only. */
const char *isle_quote(const char *name);

/* Appends a command line: arguments that each end in NUL, size bytes in all, each as it is, in single quotes where a
 * shell would take it for something else, or in $'...' with C escapes where isle_quote_add() has any: so that a shell
 * which is given the line runs just that. 0 or -ENOMEM. */
int isle_quote_command_add(struct isle_buf *buf, const char *arguments, size_t size);

/* The same escapes for a line of file content: tabs, " and \ kept, no quotes around it. */
int isle_quote_text_add(struct isle_buf *buf, const char *text, size_t size);

/* As isle_quote_text_add(), into room bytes at out, without a NUL and without memory of its own: as many whole
 * characters of text as fit. Returns the bytes used. */
size_t isle_quote_text_fill(char *out, size_t room, const char *text);

/* True if the bytes are valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool isle_utf8_valid(const char *text, size_t size);
