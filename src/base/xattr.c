/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux 6.13 has listxattrat(2) and its relatives: one look-up from the directory. Before that, and for a descriptor
 * itself (they refuse O_PATH), the way goes through /proc/self/fd/DIR/NAME: the magic link of the directory is
 * followed, the last component is not with the l*xattr calls. The magic link of an object itself leads to exactly
 * that object, a symbolic link too, and must be followed: the calls without the l.
 *
 * To read or write a user.* attribute takes the right to read or write the file. What its owner has closed to
 * themselves is reached as owner.h says.
 */
#include "xattr.h"
#include "owner.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Newer than the C library; the same on all architectures but alpha, which counts from 110 more. */
#ifdef __alpha__
enum { NR_BASE = 110 };
#else
enum { NR_BASE = 0 };
#endif

enum {
	NR_SETXATTRAT = NR_BASE + 463,
	NR_GETXATTRAT = NR_BASE + 464,
	NR_LISTXATTRAT = NR_BASE + 465,
	NR_REMOVEXATTRAT = NR_BASE + 466,
};

struct xattr_args_v0 {
	uint64_t value;
	uint32_t size;
	uint32_t flags;
};

/* "/proc/self/fd/", a number, "/" and a component */
struct proc_path {
	char text[32 + NAME_MAX + 1];
};

static bool no_xattrat; /* the kernel has said ENOSYS */

static bool use_at(const char *name)
{
	return name[0] != '\0' && !no_xattrat;
}

/* True when the calls of Linux 6.13 are missing, so that the other way is to be tried. */
static bool missing(long r)
{
	if (r >= 0 || errno != ENOSYS)
		return false;
	no_xattrat = true;
	return true;
}

static int proc_path(int dir, const char *name, struct proc_path *ret_path)
{
	int size;

	if (dir == AT_FDCWD)
		size = snprintf(ret_path->text, sizeof(ret_path->text), "%s", name[0] ? name : ".");
	else
		size = snprintf(ret_path->text, sizeof(ret_path->text),
				name[0] ? "/proc/self/fd/%d/%s" : "/proc/self/fd/%d", dir, name);
	return size < (int)sizeof(ret_path->text) ? 0 : -ENAMETOOLONG;
}

ssize_t isle_xattr_list(int dir, const char *name, char *list, size_t room)
{
	struct proc_path path;
	ssize_t n;
	int r;

	if (use_at(name)) {
		n = syscall(NR_LISTXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, list, room);
		if (!missing(n))
			return n < 0 ? -errno : n;
	}
	r = proc_path(dir, name, &path);
	if (r < 0)
		return r;
	n = name[0] ? llistxattr(path.text, list, room) : listxattr(path.text, list, room);
	return n < 0 ? -errno : n;
}

static ssize_t get(int dir, const char *name, const char *key, void *value, size_t room)
{
	struct xattr_args_v0 args = {
		.value = (uint64_t)(uintptr_t)value,
		.size = room > UINT32_MAX ? UINT32_MAX : (uint32_t)room,
	};
	struct proc_path path;
	ssize_t n;
	int r;

	if (use_at(name)) {
		n = syscall(NR_GETXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, key, &args, sizeof(args));
		if (!missing(n))
			return n < 0 ? -errno : n;
	}
	r = proc_path(dir, name, &path);
	if (r < 0)
		return r;
	n = name[0] ? lgetxattr(path.text, key, value, room) : getxattr(path.text, key, value, room);
	return n < 0 ? -errno : n;
}

static int set(int dir, const char *name, const char *key, const void *value, size_t size)
{
	struct xattr_args_v0 args = {.value = (uint64_t)(uintptr_t)value, .size = (uint32_t)size};
	struct proc_path path;
	long n;
	int r;

	if (size > UINT32_MAX)
		return -E2BIG;
	if (use_at(name)) {
		n = syscall(NR_SETXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, key, &args, sizeof(args));
		if (!missing(n))
			return n < 0 ? -errno : 0;
	}
	r = proc_path(dir, name, &path);
	if (r < 0)
		return r;
	n = name[0] ? lsetxattr(path.text, key, value, size, 0) : setxattr(path.text, key, value, size, 0);
	return n < 0 ? -errno : 0;
}

static int take_off(int dir, const char *name, const char *key)
{
	struct proc_path path;
	long n;
	int r;

	if (use_at(name)) {
		n = syscall(NR_REMOVEXATTRAT, dir, name, AT_SYMLINK_NOFOLLOW, key);
		if (!missing(n))
			return n < 0 ? -errno : 0;
	}
	r = proc_path(dir, name, &path);
	if (r < 0)
		return r;
	n = name[0] ? lremovexattr(path.text, key) : removexattr(path.text, key);
	return n < 0 ? -errno : 0;
}

/* --- as the owner --- */

struct request {
	int dir;
	const char *name, *key;
	const void *value; /* NULL: removes */
	size_t size;
};

static ssize_t get_as_owner(const void *arguments, void *shared)
{
	const struct request *q = arguments;

	return get(q->dir, q->name, q->key, shared, q->size);
}

static ssize_t change_as_owner(const void *arguments, void *shared)
{
	const struct request *q = arguments;

	(void)shared;
	return q->value ? set(q->dir, q->name, q->key, q->value, q->size) : take_off(q->dir, q->name, q->key);
}

ssize_t isle_xattr_get(int dir, const char *name, const char *key, void *value, size_t room)
{
	const struct request q = {.dir = dir, .name = name, .key = key, .size = room};
	const struct isle_owner_call call = {get_as_owner, &q, value, room};
	ssize_t n = get(dir, name, key, value, room);

	return isle_or_as_owner(n, dir, name, &call);
}

int isle_xattr_set(int dir, const char *name, const char *key, const void *value, size_t size)
{
	const struct request q = {.dir = dir, .name = name, .key = key, .value = value ? value : "", .size = size};
	const struct isle_owner_call call = {.fn = change_as_owner, .arguments = &q};
	int r = set(dir, name, key, value, size);

	return (int)isle_or_as_owner(r, dir, name, &call);
}

int isle_xattr_remove(int dir, const char *name, const char *key)
{
	const struct request q = {.dir = dir, .name = name, .key = key};
	const struct isle_owner_call call = {.fn = change_as_owner, .arguments = &q};
	int r = take_off(dir, name, key);

	return (int)isle_or_as_owner(r, dir, name, &call);
}

bool isle_xattr_is_overlay(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0;
}
