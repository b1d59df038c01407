/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: one statx(2) and one list of attributes for most objects, and no memory. With attributes, the array, the
 * names and the values are one allocation that starts at meta->xattrs.
 *
 * Applying: the object is held by one O_PATH descriptor, so every step meets the same object; the kernel reaches what
 * takes no descriptor (chmod, the attributes) through /proc/self/fd. The order is the one that loses nothing:
 * 1. owner first: chown clears set-user-ID, set-group-ID and file capabilities;
 * 2. mode before ACL: with an ACL, chmod changes the mask in it;
 * 3. capabilities after every other attribute, as writing those can clear them;
 * 4. times at the end. What is there already is not written again.
 */
#include "meta.h"
#include "buf.h"
#include "kernel.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

enum {
	LIST_ROOM = 512,   /* attribute names of nearly every object */
	VALUE_ROOM = 4096, /* ... and their values; XATTR_SIZE_MAX else */
};

static const char acl_access[] = "system.posix_acl_access";
static const char acl_default[] = "system.posix_acl_default";
static const char capability[] = "security.capability";

void isle_meta_done(struct isle_meta *meta)
{
	free(meta->xattrs);
	*meta = ISLE_META_INIT;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* XFS shows root each ACL a second time, as it lies on its disk. It follows the ACL. */
static bool is_double(const char *name)
{
	return strcmp(name, "trusted.SGI_ACL_FILE") == 0 || strcmp(name, "trusted.SGI_ACL_DEFAULT") == 0;
}

/* A label that the security module gives to every object, and lets nobody take away. */
static bool is_label(const char *name)
{
	return strcmp(name, "security.selinux") == 0 || has_prefix(name, "security.SMACK64");
}

static bool is_acl(const char *name)
{
	return strcmp(name, acl_access) == 0 || strcmp(name, acl_default) == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Stores the value of key as the next part of buf; -ENODATA when it has gone. */
static int read_value(int dir, const char *name, const char *key, struct isle_buf *buf, size_t *ret_size)
{
	ssize_t size = -ERANGE;
	char *end;

	for (size_t room = VALUE_ROOM; size == -ERANGE && room <= XATTR_SIZE_MAX; room *= 16) {
		end = isle_buf_reserve(buf, room);
		if (!end)
			return -ENOMEM;
		size = isle_xattr_get(dir, name, key, end, room);
	}
	if (size < 0)
		return (int)size;
	isle_buf_grew(buf, (size_t)size);
	*ret_size = (size_t)size;
	return 0;
}

/* Sorts the names of list (each ends with NUL) that are kept into a heap array; *ret_count of them. */
static const char **sort_names(const char *list, size_t size, size_t *ret_count)
{
	const char **names;
	size_t count = 0, most = 0;

	for (size_t i = 0; i < size; i++)
		most += list[i] == '\0';
	names = calloc(most + 1, sizeof(*names));
	if (!names)
		return NULL;
	for (const char *p = list; p < list + size; p += strlen(p) + 1)
		if (!isle_xattr_is_overlay(p) && !is_double(p))
			names[count++] = p;
	qsort(names, count, sizeof(*names), compare_names);
	*ret_count = count;
	return names;
}

/* Puts count attributes, whose names and values lie in order in the two arrays, into one allocation. */
static int pack(const char **names, const size_t *sizes, size_t count, const struct isle_buf *values,
		struct isle_meta *meta)
{
	size_t total = count * sizeof(struct isle_xattr) + values->size, at = 0, length;
	char *end;

	for (size_t i = 0; i < count; i++)
		total += strlen(names[i]) + 1;
	meta->xattrs = malloc(total);
	if (!meta->xattrs)
		return -ENOMEM;
	meta->xattr_count = count;
	end = (char *)(meta->xattrs + count);
	for (size_t i = 0; i < count; i++) {
		meta->xattrs[i].value = end;
		meta->xattrs[i].size = sizes[i];
		if (sizes[i] > 0)
			end = mempcpy(end, values->data + at, sizes[i]);
		at += sizes[i];
		length = strlen(names[i]) + 1;
		meta->xattrs[i].name = end;
		end = mempcpy(end, names[i], length);
	}
	return 0;
}

/* Reads the attributes whose names are in list. */
static int read_values(int dir, const char *name, const char *list, size_t list_size, struct isle_meta *meta)
{
	auto_buf struct isle_buf values = ISLE_BUF_INIT;
	size_t count = 0, kept = 0;
	auto_free const char **names = sort_names(list, list_size, &count);
	auto_free size_t *sizes = calloc(count + 1, sizeof(*sizes));
	int r;

	if (!names || !sizes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		r = read_value(dir, name, names[i], &values, &sizes[kept]);
		if (r == -ENODATA)
			continue;
		if (r < 0)
			return r;
		names[kept++] = names[i];
	}
	return kept > 0 ? pack(names, sizes, kept, &values, meta) : 0;
}

int isle_meta_read_xattrs(int dir, const char *name, struct isle_meta *meta)
{
	char first[LIST_ROOM];
	auto_free char *more = NULL;
	char *list = first;
	ssize_t size = isle_xattr_list(dir, name, first, sizeof(first));

	if (size == -ERANGE) {
		list = more = malloc(XATTR_LIST_MAX);
		if (!more)
			return -ENOMEM;
		size = isle_xattr_list(dir, name, more, XATTR_LIST_MAX);
	}
	if (size == 0 || size == -EOPNOTSUPP)
		return 0;
	if (size < 0)
		return (int)size;
	return read_values(dir, name, list, (size_t)size, meta);
}

int isle_meta_read(int dir, const char *name, struct isle_meta *ret_meta)
{
	struct isle_meta meta = ISLE_META_INIT;
	int r;

	r = isle_statx(dir, name, &meta.st);
	if (r < 0)
		return r;
	r = isle_meta_read_xattrs(dir, name, &meta);
	if (r < 0)
		return r;
	*ret_meta = meta;
	return 0;
}

int isle_meta_new(int dir, const char *name, struct isle_meta **ret_meta)
{
	struct isle_meta *meta = calloc(1, sizeof(*meta));
	int r = meta ? isle_meta_read(dir, name, meta) : -ENOMEM;

	if (r < 0) {
		free(meta);
		return r;
	}
	*ret_meta = meta;
	return 0;
}

void isle_meta_free(struct isle_meta *meta)
{
	if (meta)
		isle_meta_done(meta);
	free(meta);
}

int isle_xattrs_copy(const struct isle_xattrs *from, struct isle_xattrs *ret_copy)
{
	size_t size = from->count * sizeof(*from->list);
	struct isle_xattr *list;
	char *at;

	if (from->count == 0) {
		*ret_copy = (struct isle_xattrs){0};
		return 0;
	}
	for (size_t i = 0; i < from->count; i++)
		size += strlen(from->list[i].name) + 1 + from->list[i].size;
	list = malloc(size);
	if (!list)
		return -ENOMEM;
	at = (char *)(list + from->count);
	for (size_t i = 0; i < from->count; i++) {
		list[i] = (struct isle_xattr){.name = at, .size = from->list[i].size};
		at = stpcpy(at, from->list[i].name) + 1;
		list[i].value = at;
		if (list[i].size > 0)
			at = mempcpy(at, from->list[i].value, list[i].size);
	}
	*ret_copy = (struct isle_xattrs){list, from->count};
	return 0;
}

int isle_meta_copy(const struct isle_meta *from, struct isle_meta **ret_copy)
{
	const struct isle_xattrs attributes = {from->xattrs, from->xattr_count};
	struct isle_meta *copy = calloc(1, sizeof(*copy));
	struct isle_xattrs own = {0};
	int r = copy ? isle_xattrs_copy(&attributes, &own) : -ENOMEM;

	if (r < 0) {
		free(copy);
		return r;
	}
	*copy = (struct isle_meta){.st = from->st, .xattrs = own.list, .xattr_count = own.count};
	*ret_copy = copy;
	return 0;
}

const struct isle_xattr *isle_meta_xattr(const struct isle_meta *meta, const char *name)
{
	for (size_t i = 0; i < meta->xattr_count; i++)
		if (strcmp(meta->xattrs[i].name, name) == 0)
			return &meta->xattrs[i];
	return NULL;
}

static unsigned xattr_kind(const char *name)
{
	if (is_acl(name))
		return ISLE_META_ACL;
	return strcmp(name, capability) == 0 ? ISLE_META_CAPS : ISLE_META_XATTR;
}

static bool same_value(const struct isle_xattr *a, const struct isle_xattr *b)
{
	return a->size == b->size && memcmp(a->value, b->value, a->size) == 0;
}

static unsigned compare_xattrs(const struct isle_meta *a, const struct isle_meta *b)
{
	unsigned diff = 0;
	size_t i = 0, k = 0;
	int order;

	while (i < a->xattr_count || k < b->xattr_count) {
		if (i == a->xattr_count)
			order = 1;
		else if (k == b->xattr_count)
			order = -1;
		else
			order = strcmp(a->xattrs[i].name, b->xattrs[k].name);
		if (order < 0) {
			diff |= xattr_kind(a->xattrs[i++].name);
		} else if (order > 0) {
			diff |= xattr_kind(b->xattrs[k++].name);
		} else {
			if (!same_value(&a->xattrs[i], &b->xattrs[k]))
				diff |= xattr_kind(a->xattrs[i].name);
			i++;
			k++;
		}
	}
	return diff;
}

unsigned isle_meta_compare(const struct isle_meta *a, const struct isle_meta *b)
{
	const struct statx *x = &a->st, *y = &b->st;
	unsigned type = x->stx_mode & S_IFMT;
	unsigned diff = compare_xattrs(a, b);

	if (type != (y->stx_mode & S_IFMT))
		diff |= ISLE_META_TYPE;
	if ((x->stx_mode & 07777) != (y->stx_mode & 07777))
		diff |= ISLE_META_MODE;
	if (x->stx_uid != y->stx_uid || x->stx_gid != y->stx_gid)
		diff |= ISLE_META_OWNER;
	if (x->stx_mtime.tv_sec != y->stx_mtime.tv_sec || x->stx_mtime.tv_nsec != y->stx_mtime.tv_nsec)
		diff |= ISLE_META_MTIME;
	/* The size of a directory is an affair of the file system. */
	if (x->stx_size != y->stx_size && type != S_IFDIR)
		diff |= ISLE_META_SIZE;
	if ((type == S_IFCHR || type == S_IFBLK) &&
	    (x->stx_rdev_major != y->stx_rdev_major || x->stx_rdev_minor != y->stx_rdev_minor))
		diff |= ISLE_META_RDEV;
	return diff;
}

/* fd is O_PATH; old is how the object is now. */
static int apply_owner(int fd, const struct isle_meta *meta, const struct isle_meta *old)
{
	if (meta->st.stx_uid == old->st.stx_uid && meta->st.stx_gid == old->st.stx_gid)
		return 0;
	if (fchownat(fd, "", meta->st.stx_uid, meta->st.stx_gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 1;
}

static int apply_mode(int fd, const struct isle_meta *meta)
{
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return chmod(proc, meta->st.stx_mode & 07777) < 0 ? -errno : 0;
}

/* Sets and removes the attributes of these kinds (ISLE_META_ACL, ...). */
static int apply_xattrs(int fd, const struct isle_meta *meta, const struct isle_meta *old, unsigned kinds)
{
	const struct isle_xattr *x, *there;
	int r;

	for (size_t i = 0; i < old->xattr_count; i++) {
		x = &old->xattrs[i];
		if (!(xattr_kind(x->name) & kinds) || is_label(x->name) || isle_meta_xattr(meta, x->name))
			continue;
		r = isle_xattr_remove(fd, "", x->name);
		if (r < 0 && r != -ENODATA)
			return r;
	}
	for (size_t i = 0; i < meta->xattr_count; i++) {
		x = &meta->xattrs[i];
		there = isle_meta_xattr(old, x->name);
		if (!(xattr_kind(x->name) & kinds) || isle_xattr_is_overlay(x->name) || (there && same_value(there, x)))
			continue;
		r = isle_xattr_set(fd, "", x->name, x->value, x->size);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct timespec timespec_of(const struct statx_timestamp *t)
{
	return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

int isle_meta_copy_mtime(const struct statx *st, int dir, const char *name)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, timespec_of(&st->stx_mtime)};

	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int apply_times(int fd, const struct isle_meta *meta)
{
	struct timespec times[2] = {timespec_of(&meta->st.stx_atime), timespec_of(&meta->st.stx_mtime)};
	char proc[64];

	if (utimensat(fd, "", times, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* Linux before 5.8 has no AT_EMPTY_PATH here. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return utimensat(AT_FDCWD, proc, times, 0) < 0 ? -errno : 0;
}

/* Owner, mode and attributes, in the order of the head comment. */
static int apply_to(int fd, const struct isle_meta *meta, unsigned what)
{
	auto_meta struct isle_meta old = ISLE_META_INIT;
	bool changed = false; /* the owner, and with it maybe mode and capabilities */
	int r;

	r = isle_meta_read(fd, "", &old);
	if (r < 0)
		return r;
	if (what & ISLE_APPLY_OWNER) {
		r = apply_owner(fd, meta, &old);
		if (r < 0)
			return r;
		changed = r > 0;
	}
	if ((what & ISLE_APPLY_MODE) && !S_ISLNK(old.st.stx_mode) &&
	    (changed || (isle_meta_compare(meta, &old) & (ISLE_META_MODE | ISLE_META_ACL)))) {
		r = apply_mode(fd, meta);
		if (r < 0)
			return r;
		changed = true;
	}
	if (!(what & ISLE_APPLY_XATTRS))
		return 0;
	if (changed) { /* chmod has changed an ACL, chown has dropped capabilities */
		isle_meta_done(&old);
		r = isle_meta_read(fd, "", &old);
		if (r < 0)
			return r;
	}
	r = apply_xattrs(fd, meta, &old, ISLE_META_ACL);
	if (r == 0)
		r = apply_xattrs(fd, meta, &old, ISLE_META_XATTR);
	return r < 0 ? r : apply_xattrs(fd, meta, &old, ISLE_META_CAPS);
}

int isle_meta_apply(int dir, const char *name, const struct isle_meta *meta, unsigned what)
{
	auto_fd int own = -1;
	int fd = dir, r = 0;

	if (name[0] != '\0' || dir == AT_FDCWD) {
		own = openat(dir, name[0] ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (own < 0)
			return -errno;
		fd = own;
	}
	if (what & (ISLE_APPLY_OWNER | ISLE_APPLY_MODE | ISLE_APPLY_XATTRS))
		r = apply_to(fd, meta, what);
	if (r == 0 && (what & ISLE_APPLY_TIMES))
		r = apply_times(fd, meta);
	return r;
}

bool isle_is_same_file(int fd, int other)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
