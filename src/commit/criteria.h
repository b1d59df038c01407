/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Atomic execution at commit: the result has to be as if all of the isle had run in the instant of the commit. So
 * nothing that the isle read may have changed on the host since it first read it (Sun, Liang, Sekar, Venkatakrishnan:
 * "One-way Isolation", NDSS 2005). Which parts of that are asked for: enum isle_criteria.
 *
 *   isle_criteria_load(b)    before the changes are looked at: the record
 *   isle_criteria_renamed()  for a change that is a deletion by the host as far as the layer tells
 *   isle_criteria_blind()    for a change whose host object has moved: was it written without having been read?
 *   isle_criteria_check(b)   after them: conflicts of what was read only
 *   isle_criteria_commands(b)   who it was
 */
#include "build_internal.h"

int isle_criteria_load(struct isle_builder *b) isle_must_check;

/* For a partial commit: the ends of each rename that the layers show as a deletion and a creation go together. */
int isle_criteria_pair(struct isle_builder *b) isle_must_check;

/* True where what looks like a file that the host has deleted since has never been the host's: the isle renamed one of
 * another name to it, which the host still has. As an ordinary user the layer alone cannot tell. */
bool isle_criteria_renamed(const struct isle_builder *b, const struct isle_change *change);

/* True for a file whose old content the isle replaced without having looked at it. */
bool isle_criteria_blind(const struct isle_builder *b, const struct isle_change *change);

/* What the record knows of a conflict at this path of the host: `then`, and who. */
void isle_criteria_then(const struct isle_builder *b, const char *path, struct isle_finding *conflict);

/* Lists what was read and has changed. 1: the plan must not be carried out. */
int isle_criteria_check(struct isle_builder *b) isle_must_check;

/* Finds the commands of all conflicts. */
void isle_criteria_commands(struct isle_builder *b);
