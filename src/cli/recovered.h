/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The store, with nothing half done in it: whatever the first command after a crash is, it completes or takes back the
 * operation that was interrupted, and says so.
 */
#include "commit.h"
#include "store.h"

/* For what changes something, or runs: fails when recovery does. */
int isle_store_open_recovered(struct isle_store **ret_store, struct isle_err *err) isle_must_check;

/* For what only shows: says why recovery fails, and goes on. */
int isle_store_open_to_look(struct isle_store **ret_store, struct isle_err *err) isle_must_check;
