/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The store: where isles live on disk (doc/design/store.md).
 *
 *   STORE/                     $ISLE_HOME, else $XDG_DATA_HOME/isle, as root /var/lib/isle; mode 0700
 *     names/NAME -> ID         one symbolic link for each isle: names are unique by it
 *     isles/ID/                one isle; ID is 16 hexadecimal digits that grow with time
 *       layers                 the layer table (layer.h)
 *       layers.d/N/            upper, work of layer N, unless the layer lies in a place on another file system
 *       live                   locked by whoever owns the layers: a mounted isle, a commit, a discard
 *       live.sock              where a further run joins a mounted isle
 *       boot                   boot id of the last mount
 *     shadows/KEY/             stand-ins for composite directories, never changed once made
 *     undo/OPERATION/          what a commit took out of the host
 *     trash/                   what is being deleted
 *     root/                    where the view is mounted, in the keeper's mount namespace
 *     empty/ empty-file        what is seen of hidden directories and files
 *     catalog.db               runs and operations (catalog.h)
 *
 * The existence and the names of isles are the directory's own: creating one costs no database. An isle that
 * is half made (no name leads to it) is removed by isle_store_repair().
 */
#include "error.h"
#include <stdbool.h>
#include <stdint.h>

struct isle_store;

/* Finds the store and creates it when it is not there. Fails with a hint where layers cannot live. */
int isle_store_open(struct isle_store **ret_store, struct isle_err *err) isle_must_check;
void isle_store_free(struct isle_store *store);
static inline void isle_store_cleanup(struct isle_store **store)
{
	isle_store_free(*store);
}
#define auto_store __attribute__((cleanup(isle_store_cleanup)))

/* Borrowed: valid as long as the store is. */
int isle_store_fd(const struct isle_store *store);
const char *isle_store_path(const struct isle_store *store);

/* One isle, opened. */
struct isle {
	char id[17];
	char *name;
	int dir; /* of isles/ID, O_DIRECTORY */
};

void isle_free(struct isle *isle);
static inline void isle_cleanup_isle(struct isle **isle)
{
	isle_free(*isle);
}
#define auto_isle __attribute__((cleanup(isle_cleanup_isle)))

/* 1..64 of [A-Za-z0-9._+@-], not starting with '-' or '.'. */
bool isle_name_valid(const char *name);

/* A new isle. name NULL: a fresh readable one. -EEXIST when the name is taken, -EINVAL when it is no name. */
int isle_create(struct isle_store *store, const char *name, struct isle **ret_isle,
		struct isle_err *err) isle_must_check;

/* The isle of this name, else the only one whose name starts with it; NULL or "-" is the newest. -ENOENT,
 * -ENOTUNIQ (the candidates are in err). */
int isle_find(struct isle_store *store, const char *name, struct isle **ret_isle, struct isle_err *err) isle_must_check;

/* The isle of exactly this name; -ENOENT without touching err. */
int isle_find_exact(struct isle_store *store, const char *name, struct isle **ret_isle,
		    struct isle_err *err) isle_must_check;

struct isle_entry {
	char id[17];
	char *name;
};

struct isle_entries {
	struct isle_entry *list; /* newest first */
	size_t count;
};

int isle_list(struct isle_store *store, struct isle_entries *ret_entries, struct isle_err *err) isle_must_check;
void isle_entries_done(struct isle_entries *entries);
#define auto_entries __attribute__((cleanup(isle_entries_done)))

/* When it was made, nanoseconds since the epoch (coded in the id). */
int64_t isle_created(const char *id);

int isle_rename(struct isle_store *store, const char *name, const char *new_name, struct isle_err *err) isle_must_check;

/* Takes the isle and its layers out of the way in constant time; isle_store_gc() deletes them. The caller holds
 * the live lock. */
int isle_remove(struct isle_store *store, const struct isle *isle, struct isle_err *err) isle_must_check;

/* Empties the trash and removes what nothing leads to: half-made isles, unused shadows. */
int isle_store_gc(struct isle_store *store, struct isle_err *err) isle_must_check;

enum isle_lock_flags {
	ISLE_LOCK_NOWAIT = 0,
	ISLE_LOCK_WAIT = 1 << 0, /* sleep until it is free */
};

/* Takes isles/ID/live exclusively: the isle is at rest and nobody else will mount or commit it while the
 * returned descriptor is open. What a killed run left is waited for (life.h). -EBUSY (a run or another commit has it),
 * -EAGAIN (what an earlier run had inside does not end). */
int isle_lock(const struct isle *isle, unsigned flags, struct isle_err *err) isle_must_check;
