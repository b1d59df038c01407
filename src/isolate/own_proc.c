/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc and /sys. The masked paths are those of the OCI runtime specification's default (config-linux.md).
 *
 * 1. All mounts of proc share one object for each entry that does not belong to a process: mode and owner, too. Whoever
 *    has user id 0 inside owns these, so for uid 0 every one of them is read-only: files, directories, and the links
 *    "net" and "mounts". The entries of processes stay writable (oom_score_adj, comm, uid_map), so the mount as a whole
 *    cannot be read-only, and each entry is covered by itself.
 * 2. An ordinary user owns none of them. Only those are covered that are open to everybody, or that no program needs.
 * 3. A masked entry has something empty on top of it. A read-only entry has itself on top of it, from a read-only mount
 *    of the same proc that lies below the one in sight.
 * 4. There are some fifty of these mounts. Made before init enters the isle's user namespace, each would be copied into
 *    the mount namespace that goes with it, and be locked there. So they are made after it, once. They are not locked
 *    then; but to remove one takes CAP_SYS_ADMIN in that namespace, which init gives up before anything runs. Programs
 *    that keep it (NEST) get locked ones, made before, as does who has no user namespace to enter. In a namespace
 *    further in they are locked in either case.
 * 5. A second proc cannot be mounted inside to get round that: the filter refuses mount(2), and the kernel refuses a
 *    proc in a user namespace where the present one is covered in parts (fs/namespace.c, mount_too_revealing()).
 * 6. So a sandbox inside (NEST) cannot have a proc of its pid namespace. As an ordinary user it can: then proc is left
 *    as it is, and owners and modes keep such a user from the rest, as they do outside.
 *
 * An entry that appears at the top of /proc during a run (a kernel module was loaded) is not covered.
 * /proc/PID/net belongs to the network namespace: with that of the host, see attributes.c in src/supervise.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"
#include "own.h"
#include "path.h"

extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { SYS_MS_NOSUID = 2, SYS_MS_NODEV = 4, SYS_MS_NOEXEC = 8, SYS_MS_BIND = 4096 };

static const uint64_t closed = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/* For an ordinary user. */
static const char *const proc_read_only[] = {"bus", "fs", "irq", "pressure", "sys", "sysrq-trigger"};

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

static bool is_masked(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(proc_masked); i++)
		if (strcmp(name, proc_masked[i]) == 0)
			return true;
	return false;
}

/* Every entry but those of processes, which are numbers, and the links to them, which no two mounts share. */
static bool is_shared_entry(const char *name)
{
	return (name[0] < '0' || name[0] > '9') && name[0] != '.' && strcmp(name, "self") != 0 &&
	       strcmp(name, "thread-self") != 0;
}

/* Masks for user id 0. The first of each kind is a closed copy of what is empty; the others are that one again: one
 * mount(2) for each entry is half as expensive as a copy that is moved. */
static int mask_all(int proc, int empty_dir, int empty_file)
{
	const char *first[2] = {NULL, NULL};
	char source[40], target[64];

	for (size_t i = 0; i < ARRAY_SIZE(proc_masked); i++) {
		auto_fd int under = openat(proc, proc_masked[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		int r = 0;

		if (under < 0)
			continue; /* not in this kernel */
		if (fstat(under, &st) < 0)
			return -errno;
		bool directory = S_ISDIR(st.st_mode);
		if (first[directory] == NULL) {
			r = cover(under, directory ? empty_dir : empty_file);
			first[directory] = proc_masked[i];
		} else {
			snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", proc, first[directory]);
			snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", proc, proc_masked[i]);
			r = mount(source, target, NULL, SYS_MS_BIND, NULL) < 0 ? -errno : 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* mount(2) follows links; these calls do not. */
static int cover_link(const char *name, const char *path)
{
	auto_fd int tree = isle_open_tree(AT_FDCWD, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	return tree < 0 ? tree : isle_move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* The path is that of the entry in sight, the name alone that of the one in the current directory. A path by way of a
 * descriptor takes the kernel twice as long. */
static int cover_entry(const struct dirent64 *entry)
{
	char path[sizeof("/proc/") + sizeof(entry->d_name)];

	if (is_masked(entry->d_name))
		return 0;
	snprintf(path, sizeof(path), "/proc/%s", entry->d_name);
	if (entry->d_type == DT_LNK)
		return cover_link(entry->d_name, path);
	return mount(entry->d_name, path, NULL, SYS_MS_BIND, NULL) < 0 ? -errno : 0;
}

static int cover_listed(int list)
{
	union {
		struct dirent64 first;
		char bytes[8192];
	} buffer;

	for (;;) {
		ssize_t size = getdents64(list, &buffer, sizeof(buffer));

		if (size <= 0)
			return size < 0 ? -errno : 0;
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer.bytes + at);
			int r = is_shared_entry(entry->d_name) ? cover_entry(entry) : 0;

			if (r < 0 && r != -ENOENT) /* gone since: a kernel module was unloaded */
				return r;
			at += entry->d_reclen;
		}
	}
}

int isle_own_proc_cover(void)
{
	auto_fd int list = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return list < 0 ? -errno : cover_listed(list);
}

/* Puts a writable mount of the proc at `below` on top of it, and makes that one read-only. Returns the upper one. */
static int split(int root, int below)
{
	auto_fd int above = isle_open_tree(below, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (above < 0)
		return above;
	int r = isle_mount_setattr(below, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0);
	if (r >= 0)
		r = isle_move_mount(above, "", below, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? r : isle_walk(root, "proc", O_PATH | O_DIRECTORY);
}

static int mount_proc(int root)
{
	char point[40];
	auto_fd int under = isle_walk(root, "proc", O_PATH | O_DIRECTORY);

	if (under < 0)
		return under;
	snprintf(point, sizeof(point), "/proc/self/fd/%d", under);
	if (mount("proc", point, "proc", SYS_MS_NOSUID | SYS_MS_NODEV | SYS_MS_NOEXEC, NULL) < 0)
		return -errno;
	return isle_walk(root, "proc", O_PATH | O_DIRECTORY);
}

/* Returns the read-only mount. */
static int own_proc_of_root(int root, int below, int empty_dir, int empty_file)
{
	auto_fd int above = split(root, below);
	int r = above < 0 ? above : mask_all(above, empty_dir, empty_file);

	if (r < 0)
		return r;
	r = fcntl(below, F_DUPFD_CLOEXEC, 3);
	return r < 0 ? -errno : r;
}

int isle_own_proc(int root, int empty_dir, int empty_file, unsigned flags, int *ret_below)
{
	auto_fd int proc = mount_proc(root);

	*ret_below = -1;
	if (proc < 0)
		return proc;
	if (geteuid() == 0) {
		*ret_below = own_proc_of_root(root, proc, empty_dir, empty_file);
		return *ret_below < 0 ? *ret_below : 0;
	}
	if ((flags & ISLE_PROC_UNCOVERED) != 0)
		return 0;
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
