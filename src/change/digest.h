/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What somebody has seen of an isle, in one number: an answer is for that, and holds as long as it is the same.
 */
#include "change.h"
#include "sha256.h"

void isle_digest_number(struct isle_sha256 *sha, uint64_t value);
/* With the NUL, so that two strings cannot be taken for two others. May be NULL. */
void isle_digest_string(struct isle_sha256 *sha, const char *text);
/* Of a directory without what changes as names in it come and go. */
void isle_digest_state(struct isle_sha256 *sha, const struct isle_stat *st);
/* The isle's side of it: what the host does counts as a conflict, if it does. What is in a new directory counts where
 * the scan had ISLE_SCAN_INSIDE. */
void isle_change_digest_add(struct isle_sha256 *sha, const struct isle_change *change);

/* Of a whole list, which tells each state of the isle from every other if it was scanned with ISLE_SCAN_INSIDE. */
void isle_changes_digest(const struct isle_changes *changes, char ret_hex[ISLE_SHA256_HEX]);
