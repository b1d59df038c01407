/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an operation touches on the host, into the list of touched.h:
 *
 *   isle_touching_begin()      before anything is prepared: what only gets or loses names
 *   isle_touching_done()       after the steps, and again after what comes then; recovery may leave out the beginning
 *   isle_touching_back()       instead, after a rollback: what stands as it stood. Repeatable.
 */
#include "transaction.h"

int isle_touching_begin(struct isle_transaction *tx) isle_must_check;
int isle_touching_done(struct isle_transaction *tx) isle_must_check;
int isle_touching_back(struct isle_transaction *tx) isle_must_check;

/* The map of isle_touching_begin() with its values. */
void isle_touching_free(struct isle_map *states);
