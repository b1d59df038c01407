/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where layers can live. The answer is had by mounting an overlay whose upper and work directories are there, in a
 * child with namespaces of its own; a table of file-system names would be wrong on the next kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "io.h"
#include "kernel.h"
#include "mounts.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"
#include "trusted.h"

static const char probe_name[] = ".probe";

bool isle_store_is_memory(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int enter_namespaces(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	int r = isle_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");
	if (r < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)uid, (unsigned)uid);
	r = isle_write_file(AT_FDCWD, "/proc/self/uid_map", map);
	if (r < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)gid, (unsigned)gid);
	return isle_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

/* In the child: exit status 0, or the errno of the mount, or 255 when it could not be tried. */
static int try_overlay(int dir)
{
	/* unshare(2) takes the current directory along into the new mount namespace, but not descriptors. */
	if (fchdir(dir) < 0 || enter_namespaces() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 255;
	if (mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work,userxattr") < 0)
		return errno;
	/* The upper must carry attributes: a whiteout and an opaque directory need them. */
	if (rmdir("merged/lower-dir") < 0 || mkdir("merged/lower-dir", 0700) < 0)
		return errno;
	return 0;
}

static int make_probe_tree(int store)
{
	static const char *const names[] = {"lower", "upper", "work", "merged", "lower/lower-dir"};

	if (mkdirat(store, probe_name, 0700) < 0 && errno != EEXIST)
		return -errno;
	auto_fd int dir = openat(store, probe_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (mkdirat(dir, names[i], 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return fd_take(&dir);
}

int isle_store_probe(int store, struct isle_err *err)
{
	isle_ignore(isle_remove_tree(store, probe_name)); /* of one that was killed */
	auto_fd int dir = make_probe_tree(store);
	int status = 0;

	if (dir < 0)
		return isle_err_errno(err, dir, "cannot write there");
	pid_t pid = fork();
	if (pid == 0)
		_exit(try_overlay(dir));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return isle_err_errno(err, -errno, "cannot try an overlay");
	int r = isle_remove_tree(store, probe_name);
	if (r < 0)
		return isle_err_errno(err, r, "cannot clean up after trying an overlay");
	/* Without namespaces nothing can be told here; the run says which wall is missing. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 255)
		return 0;
	return isle_err_errno(err, -WEXITSTATUS(status), "an overlay cannot be mounted on it");
}

static bool is_disk(const char *type)
{
	static const char *const types[] = {"ext4", "xfs", "btrfs", "f2fs", "ext3", "bcachefs", "zfs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

/* Tries one directory: it is made, probed, and removed again where layers cannot live in it. */
static int try_place(char *path)
{
	const struct isle_find_options options = {ISLE_FIND_TRUSTED | ISLE_FIND_NO_LINKS | ISLE_FIND_MAKE, 1};
	struct isle_found found;
	const char *name = NULL;
	int r = isle_find_object(path, &options, &found, NULL);

	if (r < 0)
		return r;
	auto_fd int object = found.fd;
	auto_fd int dir = openat(object, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = isle_store_is_memory(dir) ? -EOPNOTSUPP : isle_store_probe(dir, NULL);
	if (r >= 0)
		return r;
	auto_fd int parent = isle_trusted_parent(path, 0, &name, NULL);
	if (parent >= 0)
		isle_ignore(unlinkat(parent, name, AT_REMOVEDIR));
	return r;
}

int isle_store_elsewhere(char **ret_path)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	char name[32];
	int r = isle_mounts_read(&mounts);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "isle-%u", (unsigned)geteuid());
	auto_free char *first = isle_path_join("/var/tmp", name);
	if (first != NULL && try_place(first) >= 0) {
		*ret_path = ptr_take(&first);
		return 0;
	}
	snprintf(name, sizeof(name), ".isle-%u", (unsigned)geteuid());
	for (size_t i = 0; i < mounts.count; i++) {
		const struct isle_mount *m = &mounts.list[i];
		auto_free char *path = isle_path_join(m->point, name);

		if (path == NULL)
			return -ENOMEM;
		if (!is_disk(m->type) || (m->flags & MS_RDONLY) != 0 || try_place(path) < 0)
			continue;
		*ret_path = ptr_take(&path);
		return 0;
	}
	return -ENOENT;
}
