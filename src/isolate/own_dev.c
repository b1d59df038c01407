/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel.h"
#include "own.h"
#include "path.h"

extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { SYS_MS_NOSUID = 2, SYS_MS_NODEV = 4, SYS_MS_NOEXEC = 8 };

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

_Static_assert(ARRAY_SIZE(nodes) == ISLE_OWN_DEVICES, "one descriptor for each node");

/* The terminal is left out: which one that is differs between processes. */
int isle_own_dev_find(unsigned major, unsigned minor)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (nodes[i].major == major && nodes[i].minor == minor && major == 1)
			return (int)i;
	return -1;
}

void isle_own_dev_hold(int *ret_devices)
{
	auto_fd int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		ret_devices[i] = openat(dev, nodes[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int mount_at(int dir, const char *name, const char *type, unsigned long flags, const char *options)
{
	char point[40];
	auto_fd int target = isle_walk(dir, name, O_PATH | O_DIRECTORY);

	if (target < 0)
		return target;
	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	return mount(type, point, type, flags, options) < 0 ? -errno : 0;
}

/* Read-only, so that whoever owns the host's node (root of a container) cannot change its mode or owner. A device can
 * be written to all the same. */
static int bind_node(int dev, const char *name)
{
	char path[32];
	auto_fd int file = openat(dev, name, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0666);

	if (file < 0)
		return -errno;
	snprintf(path, sizeof(path), "/dev/%s", name);
	auto_fd int tree = isle_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return tree == -ENOENT ? 0 : tree;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0);
	return r < 0 ? r : isle_move_mount(tree, "", dev, name, MOVE_MOUNT_F_EMPTY_PATH);
}

static int make_node(int dev, size_t i)
{
	return mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0 ? -errno : 0;
}

static int make_entries(int dev, bool user)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		int r = user ? bind_node(dev, nodes[i].name) : make_node(dev, i);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return -errno;
	}
	if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 01777) < 0 || mkdirat(dev, "mqueue", 0755) < 0)
		return -errno;
	return 0;
}

int isle_own_dev(int root, bool user)
{
	int r = mount_at(root, "dev", "tmpfs", SYS_MS_NOSUID | SYS_MS_NOEXEC, "mode=0755,size=16m");

	if (r < 0)
		return r;
	auto_fd int dev = isle_walk(root, "dev", O_PATH | O_DIRECTORY);
	if (dev < 0)
		return dev;
	r = make_entries(dev, user);
	/* The size of the host's /dev/shm is half the memory: the default of tmpfs. */
	if (r >= 0)
		r = mount_at(dev, "shm", "tmpfs", SYS_MS_NOSUID | SYS_MS_NODEV, "mode=1777");
	if (r >= 0)
		r = mount_at(dev, "pts", "devpts", SYS_MS_NOSUID | SYS_MS_NOEXEC,
			     user ? "newinstance,ptmxmode=0666,mode=0620"
				  : "newinstance,ptmxmode=0666,mode=0620,gid=5");
	return r;
}

int isle_own_mqueue(int root)
{
	auto_fd int dev = isle_walk(root, "dev", O_PATH | O_DIRECTORY);

	if (dev < 0)
		return dev;
	int r = mount_at(dev, "mqueue", "mqueue", SYS_MS_NOSUID | SYS_MS_NODEV | SYS_MS_NOEXEC, NULL);
	return r == -ENODEV ? 0 : r;
}
