/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What isle says on stderr beside results: one line each, prefixed "isle: ".
 */
#include "macros.h"

enum isle_talk_level {
	ISLE_TALK_QUIET = 0,   /* -q: errors only */
	ISLE_TALK_NORMAL = 1,  /* notes a user wants to read once */
	ISLE_TALK_VERBOSE = 2, /* -v: what is done and why */
};

void isle_talk_set(enum isle_talk_level level);
enum isle_talk_level isle_talk_get(void);

/* Printed unless -q. */
void isle_note(const char *format, ...) isle_printf(1, 2);
/* Printed with -v only. */
void isle_verbose(const char *format, ...) isle_printf(1, 2);
