/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writes prefix, text and a newline to stderr in one write(2), whatever the level. What cannot be shown is
 * escaped. prefix is short and needs none of that. */
void isle_talk_line(const char *prefix, const char *text);
