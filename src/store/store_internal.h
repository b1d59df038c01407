/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of src/store share. */
#include "store.h"
#include <stdbool.h>

struct isle_store {
	char *path;
	int fd;	   /* of the store, O_DIRECTORY */
	int isles; /* of isles/ */
	int names; /* of names/ */
};

/* Held while names change, or while it counts which isles have one: a rename can hide a name from who reads the
 * directory. The lock ends with the descriptor. */
int isle_name_lock(const struct isle_store *store) isle_must_check;

/* The id that a name leads to. -ENOENT; -EUCLEAN, -EINVAL: it is none of isle's. */
int isle_name_target(const struct isle_store *store, const char *name, char ret_id[17]) isle_must_check;

/* Tries whether overlay layers can live in this directory, in a child process. 0, or -errno with the reason in err. */
int isle_store_probe(int dir, struct isle_err *err) isle_must_check;

/* Finds another local file system for the store; *ret_path is a heap string. -ENOENT when there is none. */
int isle_store_elsewhere(char **ret_path) isle_must_check;

/* True for a file system whose content does not outlive the machine. */
bool isle_store_is_memory(int dir);
