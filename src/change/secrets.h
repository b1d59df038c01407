/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which files of the host are likely secrets, by their paths: what a person who tries an unknown program wants to
 * know first when it reads them. Names alone are looked at, so both mistakes happen; a file that is named here is
 * worth a look, no more.
 */
#include <stdbool.h>

enum isle_secret {
	ISLE_SECRET_NONE = 0,
	ISLE_SECRET_SSH = 1 << 0,
	ISLE_SECRET_GPG = 1 << 1,
	ISLE_SECRET_CLOUD = 1 << 2,    /* clouds, clusters, container registries */
	ISLE_SECRET_REGISTRY = 1 << 3, /* package registries: who may publish */
	ISLE_SECRET_FORGE = 1 << 4,    /* git hosts and other services */
	ISLE_SECRET_PASSWORD = 1 << 5, /* password stores, keyrings */
	ISLE_SECRET_BROWSER = 1 << 6,
	ISLE_SECRET_SYSTEM = 1 << 7, /* password hashes and private keys of the machine */
	ISLE_SECRET_ENV = 1 << 8,    /* .env of a project */
	ISLE_SECRET_DATABASE = 1 << 9,
	ISLE_SECRET_WALLET = 1 << 10,
	ISLE_SECRET_MAIL = 1 << 11,
	ISLE_SECRET_HISTORY = 1 << 12, /* what was typed */
	ISLE_SECRET_OTHER = 1 << 13,   /* private keys and the like anywhere */
	ISLE_SECRET_HOME = 1 << 14,    /* anything else in the home of another user */
};

/* What the file is by its absolute path; the lowest bit where several fit. Not ISLE_SECRET_HOME. */
enum isle_secret isle_secret_of(const char *path);

/* "ssh key", ...: one kind, for people. */
const char *isle_secret_name(enum isle_secret secret);

/* True for what lies in a home directory (/home/NAME/..., /root/...) that is none of those in homes, a NULL-terminated
 * list of absolute paths. */
bool isle_secret_home(const char *path, const char *const *homes);
