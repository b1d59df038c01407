/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which changes a commit may take without asking: `isle run --commit --when RULES`.
 *
 *   rules := rule { (newline | ";") rule }       "#" starts a comment line
 *   rule  := ("allow" | "deny") KINDS PATTERN
 *   KINDS := "any" | KIND { "," KIND }           create, modify, delete, rename, replace, metadata
 *
 * The first rule that fits a change decides; what none fits stays in the isle. A rename must be allowed under both
 * names. Patterns are those of globs.h, relative to the directory in which the command runs. Whatever the rules say,
 * what is flagged stays, and so does any change of a file that rules come from, or of a directory above it.
 *
 * RULES is text, "@FILE", or "project": everything in the directory but what runs later. A file in the directory, and
 * the file .isle-rules there if there is one, can only narrow: what it says holds besides "project", not instead of it.
 */
#include "change.h"
#include "error.h"

struct isle_rules;

void isle_rules_free(struct isle_rules *rules);
static inline void isle_rules_cleanup(struct isle_rules **rules)
{
	isle_rules_free(*rules);
}
#define auto_rules __attribute__((cleanup(isle_rules_cleanup)))

/* directory: absolute, where the command runs. Files are read now, before anything runs. */
int isle_rules_read(const char *argument, const char *directory, struct isle_rules **ret_rules,
		    struct isle_err *err) isle_must_check;

/* A change as a scan with ISLE_SCAN_ALL lists it. */
bool isle_rules_allow(const struct isle_rules *rules, const struct isle_change *change);
