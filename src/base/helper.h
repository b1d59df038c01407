/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the programs are that isle starts for its own work (pasta, nft). They are looked for in the directories of the
 * system alone, never in PATH: that is the caller's, and root's may name a directory that others write to.
 */
#include "error.h"
#include <limits.h>

struct isle_helper {
	char path[PATH_MAX]; /* absolute */
};

/*
 * Finds the program of this name. -ENOENT: it is not installed. -EPERM: this process is root and others may change the
 * file. Sets the text of err, not its hint.
 */
int isle_helper_find(const char *name, struct isle_helper *ret, struct isle_err *err) isle_must_check;
