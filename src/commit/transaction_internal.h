/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What transaction.c and recover.c share. */
#include "transaction.h"

/* STORE/undo/ID. */
int isle_tx_record_dir(struct isle_store *store, int64_t id, unsigned flags) isle_must_check;
int isle_tx_load_plan(int dir, const char *name, struct isle_plan *ret_plan) isle_must_check;
/* devices.c: after a restart the devices of a plan can have other numbers. The name is that of the plan's file. */
int isle_tx_note_devices(struct isle_transaction *tx, int record, const char *plan) isle_must_check;
int isle_tx_translate_devices(int record, const char *name, struct isle_plan *plan) isle_must_check;
/* A number as the target of a symbolic link: unlike the data of a file, that is on the disk as soon as the name is, and
 * before whatever is done to names afterwards. */
int isle_tx_write_number(int dir, const char *name, int64_t number) isle_must_check;
int isle_tx_read_number(int dir, const char *name, int64_t *ret_number) isle_must_check;
/* sync.c. PLACES: the layers that lie outside the store. What shares a file system with the store is left to STORE,
 * which comes last. */
enum isle_sync { ISLE_SYNC_STORE = 1 << 0, ISLE_SYNC_HOST = 1 << 1, ISLE_SYNC_PLACES = 1 << 2, ISLE_SYNC_ALL = 7 };
int isle_tx_sync(struct isle_transaction *tx, unsigned what) isle_must_check;
/* False: a discard or its undo, which moves names within the store and its places. */
bool isle_plan_touches_host(const struct isle_plan *plan);
/* Every step is done. */
int isle_tx_note_applied(struct isle_transaction *tx, int record, int64_t end) isle_must_check;
/* Removes all that is in a directory. */
int isle_tx_empty(int dir) isle_must_check;
/* Copies what action i has parked on the host's side into the record. Repeatable. */
int isle_tx_save(struct isle_transaction *tx, size_t i) isle_must_check;
/* Takes back the first `steps` actions and all that was prepared. < 0: not all of it could be; the operation stays
 * pending, and the next command tries again. *err may be NULL. */
int isle_tx_roll_back(struct isle_transaction *tx, struct isle_catalog *catalog, size_t steps,
		      struct isle_err *err) isle_must_check;
/* From APPLIED to DONE. Repeatable. */
int isle_tx_complete(struct isle_transaction *tx, struct isle_catalog *catalog, int64_t end) isle_must_check;
