/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the leader, before the second wall. The isle's /dev can have been changed by a program of its root: what is opened
 * is looked at first, and a name that stands for anything else ends the run.
 */
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "own.h"

int isle_standard_open_device(const struct isle_standard_setup *setup)
{
	const char *name = isle_own_dev_name(setup->major, setup->minor);
	char path[40];
	struct stat st;

	if (name == NULL)
		return -ENODEV;
	snprintf(path, sizeof(path), "/dev/%s", name);
	auto_fd int node = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(setup->major, setup->minor))
		return -ENODEV;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	int fd = open(path, setup->flags | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
