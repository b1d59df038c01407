/* SPDX-License-Identifier: Apache-2.0 */
#include "core_dump.h"

#include <errno.h>
#include <fcntl.h>

int isle_core_judge(const char *pattern, rlim_t hard)
{
	if (*pattern == '@')
		return -EPROTONOSUPPORT;
	return *pattern == '|' && hard == 0 ? -EPERM : 0;
}

/* The hard limit, raised from 0 to 1 by who may: which is found out by doing it. */
static int highest_limit(rlim_t *ret_hard)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return -errno;
	if (limit.rlim_max == 0) {
		limit.rlim_max = 1;
		if (setrlimit(RLIMIT_CORE, &limit) < 0)
			limit.rlim_max = 0;
	}
	*ret_hard = limit.rlim_max;
	return 0;
}

int isle_core_wall(void)
{
	char first[2] = "";
	rlim_t hard = 0;
	auto_fd int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* a kernel without core dumps */
	if (read(fd, first, 1) < 0)
		return -errno;
	int r = highest_limit(&hard);
	return r < 0 ? r : isle_core_judge(first, hard);
}

int isle_core_forbid(void)
{
	struct rlimit limit = {1, 1};

	if (setrlimit(RLIMIT_CORE, &limit) == 0)
		return 0;
	int r = -errno;
	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return -errno;
	return limit.rlim_max == 0 ? 0 : r;
}
