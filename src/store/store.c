/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and creating the store.
 *
 * 1. The store belongs to the caller and is closed to everybody else (0700): what lies in it is the same data that the
 *    isle's program wrote, setuid bits included.
 * 2. Whether layers can live there is tried once, when the store is made: the file `format` is written last and marks a
 *    complete store. A store without it is completed by the next command.
 * 3. Root's store lies where nobody else controls a directory on the way to it (trusted.h), whatever $ISLE_HOME says.
 * 4. When the default place cannot hold layers (network, FUSE, overlay, memory), another local file system is
 *    taken, said once, and a symbolic link at the default place leads to it. A place that $ISLE_HOME names is
 *    never replaced.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "account.h"
#include "io.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"
#include "talk.h"
#include "trusted.h"

static const char format_text[] = "isle store 1\n";

static const char *const folders[] = {"names", "isles", "shadows", "undo", "trash", "root", "empty"};

static char *default_path(bool *ret_explicit)
{
	const char *home = getenv("ISLE_HOME");

	*ret_explicit = home != NULL && *home != '\0';
	if (*ret_explicit)
		return isle_path_absolute(home);
	if (geteuid() == 0)
		return strdup("/var/lib/isle");
	home = getenv("XDG_DATA_HOME");
	if (home != NULL && *home == '/')
		return isle_path_join(home, "isle");
	home = getenv("HOME");
	if (home != NULL && *home == '/')
		return isle_path_join(home, ".local/share/isle");
	auto_free char *known = isle_account_home(geteuid());
	return known != NULL ? isle_path_join(known, ".local/share/isle") : NULL;
}

/* Creates the directory, and those on the way to it, as mkdir -p does; symbolic links of the host are followed. One
 * that is there may refuse (EACCES, EROFS) before it is found to be there, so that counts only when there is none. */
static int make_directory(char *path)
{
	int refused = -ENOENT;

	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		int r = mkdir(path, slash != NULL ? 0755 : 0700) < 0 ? -errno : 0;
		if (slash != NULL)
			*slash = '/';
		if (r == -ENOENT)
			return refused;
		if (r < 0 && r != -EEXIST && ((r != -EROFS && r != -EACCES) || slash == NULL))
			return r;
		if (slash == NULL)
			return 0;
		if (r == -EROFS || r == -EACCES)
			refused = r;
	}
}

/* Inside an isle the store is hidden by an empty read-only directory. */
static bool is_hidden(int fd)
{
	struct statvfs fs;

	return getenv("ISLE") != NULL && fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

static int check_owner(int fd, const char *path, struct isle_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return isle_err_errno(err, -errno, "cannot look at the store %s", isle_quote(path));
	if (is_hidden(fd)) {
		isle_err_text(err, -EPERM, "this is the inside of isle %s, which isle cannot see out of",
			      isle_quote(getenv("ISLE")));
		isle_err_hint(err, "leave it first");
		return -EPERM;
	}
	if (st.st_uid != geteuid()) {
		isle_err_text(err, -EPERM, "the store %s belongs to user %u", isle_quote(path), (unsigned)st.st_uid);
		isle_err_hint(err, geteuid() == 0 ? "'isle commit --user' commits isles of other users"
						  : "set ISLE_HOME to a directory of your own");
		return -EPERM;
	}
	if ((st.st_mode & 0077) != 0 && fchmod(fd, 0700) < 0)
		return isle_err_errno(err, -errno, "cannot close the store %s to others", isle_quote(path));
	return 0;
}

/* Tells ext4 to spread the isles over the disk, each with an inode table of its own (chattr +T): without a journal it
 * steps over each inode freed in the last minutes before it gives out a new one, and with isles coming and going in one
 * place that makes mounting one ten times as slow. */
static void spread_isles(int fd)
{
	auto_fd int isles = openat(fd, "isles", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;
	int flags = 0;

	if (isles < 0 || fstatfs(isles, &fs) < 0 || fs.f_type != EXT4_SUPER_MAGIC ||
	    ioctl(isles, FS_IOC_GETFLAGS, &flags) < 0)
		return;
	flags |= FS_TOPDIR_FL;
	isle_ignore(ioctl(isles, FS_IOC_SETFLAGS, &flags));
}

static int make_folders(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (mkdirat(fd, folders[i], 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	spread_isles(fd);
	if (fchmodat(fd, "empty", 0555, 0) < 0)
		return -errno;
	auto_fd int file = openat(fd, "empty-file", O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (file < 0 && errno != EACCES)
		return -errno;
	return 0;
}

static int fill_store(int fd, const char *path, bool explicit, struct isle_err *err)
{
	int r = isle_store_probe(fd, err);

	if (r < 0)
		return r;
	if (isle_store_is_memory(fd)) {
		if (!explicit)
			return isle_err_text(err, -EOPNOTSUPP, "%s lies in memory", isle_quote(path));
		isle_note("the store %s lies in memory: isles in it are gone after a restart", isle_quote(path));
	}
	r = make_folders(fd);
	if (r >= 0)
		r = isle_replace_file(fd, "format", format_text, sizeof(format_text) - 1);
	if (r < 0)
		return isle_err_errno(err, r, "cannot create the store %s", isle_quote(path));
	return 0;
}

/* Makes a directory into a store; the format file comes last. The first commands of a user may come at the same time.
 */
static int complete_store(int fd, const char *path, bool explicit, struct isle_err *err)
{
	if (flock(fd, LOCK_EX) < 0)
		return isle_err_errno(err, -errno, "cannot lock the store %s", isle_quote(path));
	int r = faccessat(fd, "format", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : fill_store(fd, path, explicit, err);
	isle_ignore(flock(fd, LOCK_UN));
	return r;
}

/* The symbolic link at the default place that leads to the real one. */
static int link_elsewhere(const char *path, struct isle_err *why, char **ret_path)
{
	auto_free char *other = NULL;
	int r = isle_store_elsewhere(&other);

	if (r < 0)
		return r;
	if (rmdir(path) < 0 && errno != ENOENT)
		return -errno;
	if (symlink(other, path) < 0)
		return -errno;
	isle_note("layers cannot live in %s (%s): the store is %s", isle_quote(path), why->text, isle_quote(other));
	*ret_path = ptr_take(&other);
	return 0;
}

/* As root nobody else may control the way: a link in the place of the store could lead to any directory of root's,
 * which would be closed to others and filled, or another store come in its place. */
static int open_trusted(const char *path, struct isle_err *err)
{
	const struct isle_find_options options = {ISLE_FIND_TRUSTED | ISLE_FIND_MAKE, 0};
	struct isle_err why = ISLE_ERR_INIT;
	struct isle_found found;
	int r = isle_find_object(path, &options, &found, &why);

	if (r < 0 && why.text[0] != '\0') {
		isle_err_text(err, r, "the store %s is not used as root: %s", isle_quote(path), why.text);
		isle_err_hint(err,
			      "set ISLE_HOME to a directory that root alone controls, as the default /var/lib/isle");
		return r;
	}
	if (r < 0)
		return isle_err_errno(err, r, "cannot open the store %s", isle_quote(path));
	auto_fd int object = found.fd;
	int fd = openat(object, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? isle_err_errno(err, -errno, "cannot open the store %s", isle_quote(path)) : fd;
}

static int open_or_make(char *path, struct isle_err *err)
{
	if (isle_acts_for_root())
		return open_trusted(path, err);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return isle_err_errno(err, -errno, "cannot open the store %s", isle_quote(path));
	int r = make_directory(path);
	if (r < 0) {
		isle_err_errno(err, r, "cannot create the store %s", isle_quote(path));
		isle_err_hint(err, "set ISLE_HOME to a directory that you can write to");
		return r;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return isle_err_errno(err, -errno, "cannot open the store %s", isle_quote(path));
	return fd;
}

static int open_folders(struct isle_store *store, struct isle_err *err)
{
	store->isles = openat(store->fd, "isles", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	store->names = openat(store->fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (store->isles < 0 || store->names < 0)
		return isle_err_errno(err, -errno, "the store %s is damaged", isle_quote(store->path));
	return 0;
}

static int complete_or_move(struct isle_store *store, bool explicit, struct isle_err *err)
{
	struct isle_err why = ISLE_ERR_INIT;
	auto_free char *other = NULL;
	int r = complete_store(store->fd, store->path, explicit, &why);

	if (r >= 0)
		return 0;
	if (!explicit && link_elsewhere(store->path, &why, &other) >= 0) {
		isle_cleanup_fd(&store->fd);
		store->fd = open_or_make(other, err);
		if (store->fd < 0)
			return store->fd;
		return complete_store(store->fd, other, true, err);
	}
	if (err != NULL)
		*err = why;
	isle_err_prefix(err, r, "the store cannot be in %s", isle_quote(store->path));
	isle_err_hint(err, "set ISLE_HOME to a directory on a local disk (ext4, XFS, btrfs)");
	return r;
}

int isle_store_open(struct isle_store **ret_store, struct isle_err *err)
{
	auto_store struct isle_store *store = calloc(1, sizeof(*store));
	bool explicit;
	int r;

	if (store == NULL)
		return isle_err_errno(err, -ENOMEM, "cannot open the store");
	store->fd = store->isles = store->names = -1;
	store->path = default_path(&explicit);
	if (store->path == NULL) {
		isle_err_text(err, -ENOENT, "cannot tell where the store is");
		isle_err_hint(err, "set HOME or ISLE_HOME");
		return -ENOENT;
	}
	store->fd = open_or_make(store->path, err);
	if (store->fd < 0)
		return store->fd;
	r = check_owner(store->fd, store->path, err);
	if (r < 0)
		return r;
	if (faccessat(store->fd, "format", F_OK, 0) < 0) {
		r = complete_or_move(store, explicit, err);
		if (r < 0)
			return r;
	}
	r = open_folders(store, err);
	if (r < 0)
		return r;
	*ret_store = ptr_take(&store);
	return 0;
}

void isle_store_free(struct isle_store *store)
{
	if (store == NULL)
		return;
	isle_cleanup_fd(&store->fd);
	isle_cleanup_fd(&store->isles);
	isle_cleanup_fd(&store->names);
	free(store->path);
	free(store);
}

int isle_store_fd(const struct isle_store *store)
{
	return store->fd;
}

const char *isle_store_path(const struct isle_store *store)
{
	return store->path;
}
