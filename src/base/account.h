/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A user of this machine by name, as /etc/passwd and /etc/group have it: getpwnam(3) would load shared objects (NSS)
 * into a static program.
 */
#include "macros.h"
#include <sys/types.h>

struct isle_account {
	char *name, *home;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* gid among them */
	size_t group_count;
};

#define ISLE_ACCOUNT_INIT ((struct isle_account){0})

void isle_account_done(struct isle_account *account);
#define auto_account __attribute__((cleanup(isle_account_done)))

/* -ENOENT: there is none of this name. */
int isle_account_find(const char *name, struct isle_account *ret_account) isle_must_check;

/* The home directory of a user; heap. NULL: none that is a path, or no such user. */
char *isle_account_home(uid_t uid);
