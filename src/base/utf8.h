/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One character of UTF-8 at a time, and which characters a person does not see or is misled by.
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>

/* Decodes the first character of text: the number of its bytes, or 0 when they are not valid UTF-8 (surrogates,
 * overlong forms, above U+10FFFF, cut off, size 0). */
unsigned isle_utf8_decode(const char *text, size_t size, uint32_t *ret_char);

/* True for what is never printed as it is: controls (C0, DEL, C1), bidi controls, zero-width and other
 * default-ignorable characters, line and paragraph separators, spaces that look like none or like another,
 * private use, surrogates and noncharacters. */
bool isle_utf8_hidden(uint32_t c);

/* True for what in a name would be taken for something else: spaces other than the common one, and characters that look
 * like the slash between names. Text may have them. */
bool isle_utf8_misleads(uint32_t c);
