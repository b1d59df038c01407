/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What transaction.c and recover.c share. */
#include "transaction.h"

/* STORE/undo/ID. */
int isle_tx_record_dir(struct isle_store *store, int64_t id, unsigned flags) isle_must_check;
int isle_tx_load_plan(int dir, const char *name, struct isle_plan *ret_plan) isle_must_check;
/* A file with one number. -EBADMSG: cut short. */
int isle_tx_write_number(int dir, const char *name, int64_t number) isle_must_check;
int isle_tx_read_number(int dir, const char *name, int64_t *ret_number) isle_must_check;
/* Copies what action i has parked on the host's side into the record. Repeatable. */
int isle_tx_save(struct isle_transaction *tx, size_t i) isle_must_check;
/* Takes back the first `steps` actions and all that was prepared. */
void isle_tx_finish_rolled_back(struct isle_transaction *tx, struct isle_catalog *catalog, size_t steps);
/* From APPLIED to DONE. Repeatable. */
int isle_tx_complete(struct isle_transaction *tx, struct isle_catalog *catalog, int64_t end) isle_must_check;
