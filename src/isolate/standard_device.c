/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the leader, before the second wall. A program of the isle's root can have changed its /dev: the nodes are those
 * that init has held since before the first program ran.
 */
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "own.h"

int isle_standard_open_device(const struct isle_standard_setup *setup, const int *devices)
{
	int i = isle_own_dev_find(setup->major, setup->minor);
	char path[40];

	if (i < 0 || devices[i] < 0)
		return -ENODEV;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", devices[i]);
	int fd = open(path, setup->flags | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
