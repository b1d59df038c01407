/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc and /sys. The lists are those of the OCI runtime specification's default (config-linux.md, masked and read-only
 * paths), with what identity-mapped root could write by plain ownership.
 *
 * A directory or file is masked by something empty on top of it; read-only means a copy of its own mount over it. A
 * second proc cannot be mounted inside to get round that: mount(2) is refused by the filter, and the kernel refuses a
 * proc in a user namespace where the present one is covered in parts (fs/namespace.c, mount_too_revealing()).
 *
 * So a sandbox inside (NEST) cannot have a proc of its pid namespace there. As an ordinary user it can: proc is left as
 * it is then, and owners and modes keep such a user from what is covered else, as they do outside. Identity-mapped root
 * owns it: core_pattern and sysrq-trigger would be ways out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"
#include "own.h"
#include "path.h"

extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { SYS_MS_NOSUID = 2, SYS_MS_NODEV = 4, SYS_MS_NOEXEC = 8 };

static const uint64_t closed = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

static const char *const proc_read_only[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

static const char *const proc_masked[] = {
	"acpi", "asound",     "kcore",	     "keys",	   "latency_stats", "sched_debug",
	"scsi", "timer_list", "timer_stats", "kpagecount", "kpageflags",    "kpagecgroup",
};

static const char *const sys_masked[] = {"firmware", "devices/virtual/powercap"};

static int cover(int target, int with)
{
	auto_fd int tree = isle_open_tree(with, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return tree;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH, closed, 0);
	if (r < 0)
		return r;
	return isle_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* What this kernel has not, or this user cannot read, need not be covered. */
static int mask(int dir, const char *const *names, size_t count, int empty_dir, int empty_file)
{
	for (size_t i = 0; i < count; i++) {
		struct stat st;
		auto_fd int target = isle_walk(dir, names[i], O_PATH);

		if (target < 0 || faccessat(target, "", R_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
			continue;
		if (fstat(target, &st) < 0)
			return -errno;
		int r = cover(target, S_ISDIR(st.st_mode) ? empty_dir : empty_file);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_read_only(int dir, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_fd int target = isle_walk(dir, names[i], O_PATH);

		if (target < 0)
			continue;
		int r = cover(target, target);
		if (r < 0)
			return r;
	}
	return 0;
}

int isle_own_proc(int root, int empty_dir, int empty_file, unsigned flags)
{
	char point[40];
	auto_fd int under = isle_walk(root, "proc", O_PATH | O_DIRECTORY);

	if (under < 0)
		return under;
	snprintf(point, sizeof(point), "/proc/self/fd/%d", under);
	if (mount("proc", point, "proc", SYS_MS_NOSUID | SYS_MS_NODEV | SYS_MS_NOEXEC, NULL) < 0)
		return -errno;
	if ((flags & ISLE_PROC_UNCOVERED) != 0)
		return 0;
	auto_fd int proc = isle_walk(root, "proc", O_PATH | O_DIRECTORY);
	if (proc < 0)
		return proc;
	int r = make_read_only(proc, proc_read_only, ARRAY_SIZE(proc_read_only));
	return r < 0 ? r : mask(proc, proc_masked, ARRAY_SIZE(proc_masked), empty_dir, empty_file);
}

/* A copy of the host's mount at path, closed, onto what there is in the view. */
static int show_closed(int root, const char *path, unsigned recursive)
{
	auto_fd int under = isle_walk(root, path + 1, O_PATH | O_DIRECTORY);
	auto_fd int tree = -1;

	if (under < 0)
		return under == -ENOENT ? 0 : under;
	tree = isle_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (tree < 0)
		return tree;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, closed, 0);
	if (r < 0)
		return r;
	return isle_move_mount(tree, "", under, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int isle_own_sys(int root, int empty_dir)
{
	/* Without what is mounted in it (debugfs, tracefs, bpf), but for the control groups, where programs read their
	 * limits. A user cannot leave out mounts that are locked below another. */
	int r = show_closed(root, "/sys", 0);

	if (r >= 0)
		r = show_closed(root, "/sys/fs/cgroup", AT_RECURSIVE);
	else
		r = show_closed(root, "/sys", AT_RECURSIVE);
	if (r < 0)
		return r;
	auto_fd int sys = isle_walk(root, "sys", O_PATH | O_DIRECTORY);
	return sys < 0 ? sys : mask(sys, sys_masked, ARRAY_SIZE(sys_masked), empty_dir, -1);
}
