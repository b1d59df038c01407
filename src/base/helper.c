// SPDX-License-Identifier: Apache-2.0
#include "helper.h"
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const directories[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

enum { OVERFLOW_ID = 65534 };

/* Root of a user namespace sees the files of the machine's root as those of nobody. */
static bool knows_all_users(void)
{
	auto_buf struct isle_buf map = ISLE_BUF_INIT;
	unsigned inside, outside, count;

	if (isle_read_file(AT_FDCWD, "/proc/self/uid_map", &map, 4096) < 0 || map.size == 0)
		return true;
	return sscanf(map.data, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && count > OVERFLOW_ID;
}

/* What root runs must be root's. An ordinary user has no more to lose by it than by any other program. */
static bool is_safe(const struct stat *st)
{
	if (geteuid() != 0)
		return true;
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return false;
	return st->st_uid == 0 || (st->st_uid == OVERFLOW_ID && !knows_all_users());
}

int isle_helper_find(const char *name, struct isle_helper *ret, struct isle_err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		struct stat st;
		struct isle_helper found;

		snprintf(found.path, sizeof(found.path), "%s/%s", directories[i], name);
		if (stat(found.path, &st) < 0 || !S_ISREG(st.st_mode) || access(found.path, X_OK) < 0)
			continue;
		if (!is_safe(&st))
			return isle_err_text(err, -EPERM, "%s can be changed by others than root", found.path);
		*ret = found;
		return 0;
	}
	return isle_err_text(err, -ENOENT, "%s is not installed", name);
}
