/* SPDX-License-Identifier: Apache-2.0 */
#include "trusted.h"
#include "kernel.h"
#include "path.h"
#include "quote.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { LINKS_MAX = 40, REST_SIZE = 2 * PATH_MAX };

struct find {
	const struct isle_find_options *options;
	struct isle_err *err;
	struct isle_found found; /* what the path has led to so far */
	const char *next;	 /* in rest: what is still to be looked up */
	unsigned left;		 /* components in it */
	unsigned links;		 /* followed so far */
	char rest[REST_SIZE];
};

static bool is_ours(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static bool others_write(const struct stat *st)
{
	return (st->st_mode & 022) != 0;
}

bool isle_is_trusted(const struct stat *dir)
{
	return is_ours(dir->st_uid) && (!others_write(dir) || (dir->st_mode & S_ISVTX) != 0);
}

bool isle_acts_for_root(void)
{
	struct stat top;

	return geteuid() == 0 && stat("/", &top) == 0 && top.st_uid == 0;
}

/* --- why not --- */

static int refuse_directory(struct find *f)
{
	const char *path = isle_quote(f->found.path);

	if (!is_ours(f->found.st.st_uid))
		return isle_err_text(f->err, -EPERM,
				     "the directory %s belongs to user %u, who can exchange what is in it", path,
				     (unsigned)f->found.st.st_uid);
	return isle_err_text(f->err, -EPERM, "others may write to the directory %s, and exchange what is in it", path);
}

static int refuse_link(struct find *f, const char *name, const struct stat *link)
{
	const char *quoted = isle_quote(name), *above = isle_quote(f->found.path);
	const struct stat *dir = &f->found.st;

	if (!is_ours(dir->st_uid))
		return isle_err_text(f->err, -EPERM, "the symbolic link %s lies in %s, which belongs to user %u",
				     quoted, above, (unsigned)dir->st_uid);
	if (!isle_is_trusted(dir))
		return isle_err_text(f->err, -EPERM, "the symbolic link %s lies in %s, which others may write to",
				     quoted, above);
	return isle_err_text(f->err, -EPERM, "the symbolic link %s in %s belongs to user %u", quoted, above,
			     (unsigned)link->st_uid);
}

static int refuse_own(struct find *f)
{
	const char *path = isle_quote(f->found.path);

	if (!S_ISDIR(f->found.st.st_mode))
		return isle_err_text(f->err, -EPERM, "%s is no directory", path);
	if (f->found.st.st_uid != geteuid())
		return isle_err_text(f->err, -EPERM, "%s belongs to user %u", path, (unsigned)f->found.st.st_uid);
	return isle_err_text(f->err, -EPERM, "%s is open to others (mode %04o)", path,
			     (unsigned)f->found.st.st_mode & 07777);
}

/* --- looking --- */

/* The next component, which stays in place; its length, 0 at the end. */
static size_t next_component(struct find *f)
{
	f->next += strspn(f->next, "/");
	return strcspn(f->next, "/");
}

static unsigned count_components(const char *path)
{
	unsigned count = 0;

	for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/"), count++)
		path += strcspn(path, "/");
	return count;
}

static bool is_own(const struct find *f)
{
	return f->left < f->options->own;
}

/* O_DIRECTORY first, since without it an automounter would not mount what is to be there. */
static int open_name(const struct find *f, const char *name)
{
	const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
	int fd = is_own(f) ? isle_openat2(f->found.fd, name, &how) : -ENOSYS;

	if (fd == -ENOSYS) {
		fd = openat(f->found.fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd == -ENOTDIR || fd == -ELOOP) {
		fd = openat(f->found.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	return fd;
}

static int open_or_make(const struct find *f, const char *name)
{
	int fd = open_name(f, name);

	if (fd != -ENOENT || (f->options->flags & ISLE_FIND_MAKE) == 0)
		return fd;
	if (mkdirat(f->found.fd, name, f->left == 0 || is_own(f) ? 0700 : 0755) < 0 && errno != EEXIST)
		return -errno;
	return open_name(f, name);
}

/* What was found is taken over: the descriptor, and the name at the end of the path. */
static int step_into(struct find *f, int *fd, const struct stat *st, const char *name)
{
	size_t length = strlen(f->found.path);
	size_t slash = length > 1; /* the path is "/" or has no slash at its end */

	if (length + slash + strlen(name) >= sizeof(f->found.path))
		return -ENAMETOOLONG;
	snprintf(f->found.path + length, sizeof(f->found.path) - length, "%s%s", slash ? "/" : "", name);
	f->found.above = f->found.st;
	isle_cleanup_fd(&f->found.fd);
	f->found.fd = fd_take(fd);
	f->found.st = *st;
	if (is_own(f) && (!S_ISDIR(st->st_mode) || st->st_uid != geteuid() || (st->st_mode & 0077) != 0))
		return refuse_own(f);
	return 0;
}

static int go_to_top(struct find *f)
{
	isle_cleanup_fd(&f->found.fd);
	f->found.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->found.fd < 0 || fstat(f->found.fd, &f->found.st) < 0)
		return -errno;
	f->found.above = f->found.st;
	memcpy(f->found.path, "/", 2);
	return 0;
}

static int go_up(struct find *f)
{
	char *slash = strrchr(f->found.path, '/');
	int fd = openat(f->found.fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	isle_cleanup_fd(&f->found.fd);
	f->found.fd = fd;
	slash[slash == f->found.path] = '\0';
	return fstat(fd, &f->found.st) < 0 ? -errno : 0;
}

/* The text is read from the link that was opened, and takes its place in what is still to be looked up. */
static int follow(struct find *f, int link)
{
	char text[REST_SIZE];
	ssize_t size = readlinkat(link, "", text, PATH_MAX);

	if (size <= 0)
		return size < 0 ? -errno : -ENOENT;
	if (size == PATH_MAX || (size_t)size + 1 + strlen(f->next) >= sizeof(text))
		return -ENAMETOOLONG;
	snprintf(text + size, sizeof(text) - (size_t)size, "/%s", f->next);
	memcpy(f->rest, text, strlen(text) + 1);
	f->next = f->rest;
	f->left = count_components(f->rest);
	return f->rest[0] == '/' ? go_to_top(f) : 0;
}

static int go_through_link(struct find *f, int link, const struct stat *st, const char *name)
{
	unsigned flags = f->options->flags;
	bool safe = isle_is_trusted(&f->found.st) && (!others_write(&f->found.st) || is_ours(st->st_uid));

	if ((flags & ISLE_FIND_NO_LINKS) != 0 && is_own(f))
		return isle_err_text(f->err, -EPERM, "%s in %s is a symbolic link", isle_quote(name),
				     isle_quote(f->found.path));
	if ((flags & ISLE_FIND_NO_LINKS) != 0 || ++f->links > LINKS_MAX)
		return -ELOOP;
	if ((flags & (ISLE_FIND_SAFE_LINKS | ISLE_FIND_TRUSTED)) != 0 && !safe)
		return refuse_link(f, name, st);
	return follow(f, link);
}

static int look_up(struct find *f, const char *name)
{
	struct stat st;

	if (!S_ISDIR(f->found.st.st_mode))
		return -ENOTDIR;
	if ((f->options->flags & ISLE_FIND_TRUSTED) != 0 && !isle_is_trusted(&f->found.st))
		return refuse_directory(f);
	if (strcmp(name, "..") == 0)
		return (f->options->flags & ISLE_FIND_NO_LINKS) != 0 ? -EXDEV : go_up(f);
	auto_fd int fd = open_or_make(f, name);
	if (fd == -EXDEV && is_own(f))
		return isle_err_text(f->err, -EPERM, "something is mounted on %s in %s", isle_quote(name),
				     isle_quote(f->found.path));
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (S_ISLNK(st.st_mode))
		return go_through_link(f, fd, &st, name);
	return step_into(f, &fd, &st, name);
}

static int find(struct find *f)
{
	char name[NAME_MAX + 1];
	size_t length;
	int r = go_to_top(f);

	f->left = count_components(f->next);
	while (r >= 0 && (length = next_component(f)) > 0) {
		if (length > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, f->next, length);
		name[length] = '\0';
		f->next += length;
		f->left--;
		if (strcmp(name, ".") != 0)
			r = look_up(f, name);
	}
	return r;
}

int isle_find_object(const char *path, const struct isle_find_options *options, struct isle_found *ret_found,
		     struct isle_err *err)
{
	struct find f = {.options = options, .err = err, .found.fd = -1};
	int r;

	if (path[0] != '/')
		return -EINVAL;
	if (strlen(path) >= sizeof(f.rest))
		return -ENAMETOOLONG;
	memcpy(f.rest, path, strlen(path) + 1);
	f.next = f.rest;
	r = find(&f);
	if (r < 0)
		isle_cleanup_fd(&f.found.fd);
	else
		*ret_found = f.found;
	return r < 0 ? r : 0;
}

int isle_trusted_open(const char *path, unsigned own, int flags, struct isle_err *err)
{
	const struct isle_find_options options = {ISLE_FIND_TRUSTED | ISLE_FIND_NO_LINKS, own};
	struct isle_found found;
	int r = isle_find_object(path, &options, &found, err);

	if (r < 0 || (flags & O_PATH) != 0)
		return r < 0 ? r : found.fd;
	auto_fd int path_fd = found.fd;
	int fd = openat(path_fd, ".", flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int isle_trusted_parent(const char *path, unsigned own, const char **ret_name, struct isle_err *err)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	if (slash == NULL || !isle_component_valid(slash + 1))
		return -EINVAL;
	if ((size_t)(slash - path) >= sizeof(parent))
		return -ENAMETOOLONG;
	snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path);
	int fd = isle_trusted_open(parent, own, O_PATH, err);
	if (fd >= 0)
		*ret_name = slash + 1;
	return fd;
}

/* In a directory where somebody else can put what they like: only a file that is nothing else. */
static int create_among_others(int dir, const char *name, struct isle_err *err)
{
	struct stat st;
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return isle_err_text(err, -EPERM, "%s lies in a directory of others and is no plain file of one name",
				     isle_quote(name));
	return ftruncate(fd, 0) < 0 ? -errno : fd_take(&fd);
}

int isle_create_named(const char *path, struct isle_err *err)
{
	const struct isle_find_options options = {ISLE_FIND_SAFE_LINKS, 0};
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	auto_free char *absolute = isle_path_absolute(path);
	char *slash = absolute == NULL ? NULL : strrchr(absolute, '/');
	struct isle_found found;
	int fd;

	if (absolute == NULL)
		return errno == ENOMEM ? -ENOMEM : -errno;
	if (!isle_acts_for_root() || !isle_component_valid(slash + 1)) {
		fd = open(path, flags, 0666);
		return fd < 0 ? -errno : fd;
	}
	*slash = '\0';
	int r = isle_find_object(*absolute == '\0' ? "/" : absolute, &options, &found, err);
	if (r < 0)
		return r;
	auto_fd int dir = found.fd;
	if (!isle_is_trusted(&found.st) || others_write(&found.st))
		return create_among_others(dir, slash + 1, err);
	fd = openat(dir, slash + 1, flags, 0666);
	return fd < 0 ? -errno : fd;
}

int isle_open_same(const char *path, int held, int flags)
{
	struct stat wanted, st;
	auto_fd int fd = isle_walk_host(path, flags);

	if (fd < 0)
		return fd;
	if (fstat(held, &wanted) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (wanted.st_dev != st.st_dev || wanted.st_ino != st.st_ino)
		return -ESTALE;
	return fd_take(&fd);
}
