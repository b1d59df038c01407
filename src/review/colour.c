/* SPDX-License-Identifier: Apache-2.0 */
#include "review_internal.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned isle_review_terminal(int fd)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	unsigned flags = ISLE_REVIEW_ESCAPE;

	if (!isatty(fd))
		return 0;
	if ((!no_colour || !*no_colour) && term && strcmp(term, "dumb") != 0)
		flags |= ISLE_REVIEW_COLOUR;
	return flags;
}

const char *isle_colour(const struct isle_review *review, enum isle_colour colour)
{
	static const char *const sequences[] = {
		[ISLE_PLAIN] = "\033[m",     [ISLE_BOLD] = "\033[1m",	 [ISLE_RED] = "\033[31m",
		[ISLE_GREEN] = "\033[32m",   [ISLE_YELLOW] = "\033[33m", [ISLE_BLUE] = "\033[34m",
		[ISLE_MAGENTA] = "\033[35m", [ISLE_CYAN] = "\033[36m",	 [ISLE_ALARM] = "\033[1;31m",
	};

	return review->flags & ISLE_REVIEW_COLOUR ? sequences[colour] : "";
}

enum isle_colour isle_kind_colour(enum isle_change_kind kind)
{
	static const enum isle_colour colours[] = {
		[ISLE_CREATE] = ISLE_GREEN, [ISLE_MODIFY] = ISLE_YELLOW,   [ISLE_DELETE] = ISLE_RED,
		[ISLE_RENAME] = ISLE_CYAN,  [ISLE_REPLACE] = ISLE_MAGENTA, [ISLE_METADATA] = ISLE_BLUE,
	};

	return colours[kind];
}

char isle_kind_letter(enum isle_change_kind kind)
{
	static const char letters[] = {
		[ISLE_CREATE] = 'A', [ISLE_MODIFY] = 'M',  [ISLE_DELETE] = 'D',
		[ISLE_RENAME] = 'R', [ISLE_REPLACE] = 'T', [ISLE_METADATA] = 'm',
	};

	return letters[kind];
}
