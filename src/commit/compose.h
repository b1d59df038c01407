/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files whose content a commit makes of both sides'.
 *
 *   APPEND   both only appended: the first base_size bytes of both are equal, and base_size is what the host's file had
 *            when the isle first wrote to it (base.h). The result is the host's file, then the isle's from there on.
 *   MERGE    both changed a text whose content was kept then: three ways, by line (merge.h), if that is clean.
 *   HUNKS    a part of what the isle changed; the isle keeps its file, and the host's new one counts as what it saw.
 *
 * The plan says how, not what: the result is made under the parking name while the transaction prepares (step.c), from
 * the host's file, which is verified before and after, and the isle's, which is at rest; from there on it is a replaced
 * file like any other. Metadata is the host's, but for the mode where the isle alone changed it; where it cannot be
 * told who changed an owner or an attribute, nothing is composed. The time of change is that of the commit.
 */
#include "build_internal.h"
#include "transaction.h"

/* Of the two sides of a conflict. 1 and *ret_composition; 0: that is not possible. */
int isle_compose_sides(struct isle_builder *b, const struct isle_change *change, enum isle_compose how,
		       struct isle_composition *ret_composition) isle_must_check;

/* Whether all three texts are there to be merged by line, clean or not. */
bool isle_compose_has_text(struct isle_builder *b, const struct isle_change *change);

/* Whether both only appended to a log file, so that nobody needs to be asked. 1, 0 as above. */
int isle_compose_log(struct isle_builder *b, const struct isle_change *change,
		     struct isle_composition *ret_composition) isle_must_check;

/* Of the hunks that were asked for, those of this change. 1 and *ret_composition; 0: all of it is committed; < 0 and
 * err: it cannot be done by hunks. */
int isle_compose_hunks(struct isle_builder *b, const struct isle_change *change,
		       struct isle_composition *ret_composition) isle_must_check;

/* Whether hunks of this change were asked for. */
bool isle_compose_is_hunked(const struct isle_builder *b, const struct isle_change *change);

/* Everything that hunks were asked of is there to be committed. 0, or < 0 and err. */
int isle_compose_check_hunks(struct isle_builder *b) isle_must_check;

/* Notes it for change i. -ENOMEM. */
int isle_compose_note(struct isle_builder *b, size_t i, const struct isle_composition *composition) isle_must_check;

/* Makes the new file at `to`; *ret_made is that file. -ESTALE: the two sides are not what the plan was made from. */
int isle_compose_prepare(struct isle_transaction *tx, const struct isle_action *action, const struct isle_spot *to,
			 struct isle_stat *ret_made) isle_must_check;
