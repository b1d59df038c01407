/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a composite directory and making its shadow.
 *
 * 1. A shadow is filled under a temporary name and renamed when it is whole: what carries a key is complete.
 * 2. Its name is a hash of the names, types and stamps of all plain entries and of the names of all directories. A
 *    host file that changes gives another shadow; the old one stays with the isles that were begun on it.
 * 3. The merged directory shows the mode of its upper, so a shadow keeps 0700 and can be deleted by anybody's rm -r.
 * 4. Copies are born when the shadow is made, so "the host's ctime is not later than the copy's birth" says that the
 *    copy is the host's file (layer.h, the base).
 */
#include "composite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "io.h"
#include "kernel.h"
#include "meta.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"

static int compare_names(const void *a, const void *b)
{
	const struct isle_composite_entry *x = a;
	const struct isle_composite_entry *y = b;

	return strcmp(x->name, y->name);
}

mode_t isle_effective_mode(int host_dir, mode_t mode)
{
	/* The owner can list and enter its layers in any case; overlayfs asks the host's directory as well. */
	mode_t effective = (mode & 07077) | 0500;

	return faccessat(host_dir, ".", W_OK, AT_EACCESS) == 0 ? effective | 0200 : effective;
}

/* A file with a mount of its own, say of a network namespace. */
static bool is_other_mount(int dir, const struct statx *st)
{
	struct stat here;

	return fstat(dir, &here) == 0 && here.st_dev != makedev(st->stx_dev_major, st->stx_dev_minor);
}

static int add_entry(struct isle_composite *c, size_t *room, int dir, const char *name)
{
	struct isle_composite_entry entry = {0};

	if (isle_statx(dir, name, &entry.st) < 0)
		return 0; /* gone meanwhile */
	if (c->count == *room) {
		size_t more = *room == 0 ? 32 : *room * 2;
		struct isle_composite_entry *list = reallocarray(c->list, more, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		c->list = list;
		*room = more;
	}
	entry.large = S_ISREG(entry.st.stx_mode) &&
		      (entry.st.stx_size > ISLE_COMPOSITE_COPY_LIMIT || is_other_mount(dir, &entry.st));
	entry.name = strdup(name);
	if (entry.name == NULL)
		return -ENOMEM;
	c->list[c->count++] = entry;
	return 0;
}

/* FNV-1a with 128 bits. */
struct hash {
	unsigned __int128 state;
};

static void hash_add(struct hash *h, const void *data, size_t size)
{
	const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		h->state = (h->state ^ bytes[i]) * prime;
}

static void hash_entry(struct hash *h, const struct isle_composite_entry *e)
{
	uint16_t type = e->st.stx_mode & S_IFMT;

	hash_add(h, e->name, strlen(e->name) + 1);
	hash_add(h, &e->st.stx_mode, sizeof(e->st.stx_mode));
	hash_add(h, &e->st.stx_uid, sizeof(e->st.stx_uid));
	hash_add(h, &e->st.stx_gid, sizeof(e->st.stx_gid));
	if (type == S_IFDIR)
		return;
	hash_add(h, &e->st.stx_ino, sizeof(e->st.stx_ino));
	hash_add(h, &e->st.stx_size, sizeof(e->st.stx_size));
	hash_add(h, &e->st.stx_ctime.tv_sec, sizeof(e->st.stx_ctime.tv_sec));
	hash_add(h, &e->st.stx_ctime.tv_nsec, sizeof(e->st.stx_ctime.tv_nsec));
}

static void make_key(struct isle_composite *c)
{
	struct hash h = {.state = ((unsigned __int128)0x6c62272e07bb0142 << 64) + 0x62b821756295c58d};

	hash_add(&h, &c->mode, sizeof(c->mode));
	for (size_t i = 0; i < c->count; i++)
		hash_entry(&h, &c->list[i]);
	snprintf(c->key, sizeof(c->key), "%016llx%016llx", (unsigned long long)(h.state >> 64),
		 (unsigned long long)h.state);
}

int isle_composite_read(int host_dir, struct isle_composite *ret_composite)
{
	auto_composite struct isle_composite c = ISLE_COMPOSITE_INIT;
	struct stat st;
	size_t room = 0;
	int r = 0;

	if (fstat(host_dir, &st) < 0)
		return -errno;
	c.mode = isle_effective_mode(host_dir, st.st_mode & 07777);
	auto_dir DIR *dir = isle_open_entries(host_dir, ".", &r);
	const struct dirent *e;
	if (r == -EACCES) /* shown as empty */
		r = 0;
	while (dir != NULL && (e = isle_next_entry(dir, &r)) != NULL)
		r = add_entry(&c, &room, host_dir, e->d_name);
	if (r < 0)
		return r;
	if (c.count > 0)
		qsort(c.list, c.count, sizeof(*c.list), compare_names);
	make_key(&c);
	*ret_composite = c;
	c = ISLE_COMPOSITE_INIT;
	return 0;
}

void isle_composite_done(struct isle_composite *composite)
{
	for (size_t i = 0; i < composite->count; i++)
		free(composite->list[i].name);
	free(composite->list);
	*composite = ISLE_COMPOSITE_INIT;
}

/* A plain file: a copy with its metadata, or, where this user may not read it, an empty file that it may not read
 * either. */
static int copy_file(int host_dir, int to_dir, const struct isle_composite_entry *e)
{
	auto_fd int to = openat(to_dir, e->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	auto_meta struct isle_meta meta = ISLE_META_INIT;

	if (to < 0)
		return -errno;
	auto_fd int from = openat(host_dir, e->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (from < 0)
		return fchmod(to, e->st.stx_mode & 0077) < 0 ? -errno : 0;
	int r = e->large ? 0 : isle_copy_data(from, to);
	if (r < 0)
		return r;
	r = isle_meta_read(host_dir, e->name, &meta);
	if (r < 0)
		return r;
	/* Of another owner's file the copy keeps only what this user may do with it. */
	if (e->st.stx_uid != geteuid())
		meta.st.stx_mode &= faccessat(host_dir, e->name, W_OK, AT_EACCESS) == 0 ? 07777 : 07577;
	return isle_meta_apply(to_dir, e->name, &meta, ISLE_APPLY_MODE | ISLE_APPLY_TIMES);
}

static int copy_link(int host_dir, int to_dir, const char *name, const struct statx *st)
{
	auto_free char *target = NULL;
	int r = isle_readlink(host_dir, name, &target);

	if (r < 0)
		return r;
	return symlinkat(target, to_dir, name) < 0 ? -errno : isle_meta_copy_mtime(st, to_dir, name);
}

/* What is mounted there decides what is seen; a directory that is closed to this user stays visible and closed. */
static int make_directory(int host_dir, int to_dir, const char *name, mode_t mode)
{
	bool closed = faccessat(host_dir, name, R_OK, AT_EACCESS) < 0 &&
		      faccessat(host_dir, name, X_OK, AT_EACCESS) < 0;

	return mkdirat(to_dir, name, closed ? mode & 0077 : 0755) < 0 ? -errno : 0;
}

static int make_entry(int host_dir, int to_dir, const struct isle_composite_entry *e)
{
	mode_t mode = e->st.stx_mode;

	switch (mode & S_IFMT) {
	case S_IFDIR:
		return make_directory(host_dir, to_dir, e->name, mode);
	case S_IFREG:
		return copy_file(host_dir, to_dir, e);
	case S_IFLNK:
		return copy_link(host_dir, to_dir, e->name, &e->st);
	case S_IFIFO:
	case S_IFSOCK:
		return mknodat(to_dir, e->name, mode & (S_IFMT | 0777), 0) < 0
			       ? -errno
			       : isle_meta_copy_mtime(&e->st, to_dir, e->name);
	default:
		return 0; /* a device: no isle can open it anyway */
	}
}

static int fill_shadow(int host_dir, int shadow, const struct isle_composite *c)
{
	for (size_t i = 0; i < c->count; i++) {
		int r = make_entry(host_dir, shadow, &c->list[i]);

		/* One that went away or was exchanged just now is as good as not listed. */
		if (r < 0 && r != -ENOENT && r != -ELOOP)
			return r;
	}
	return 0;
}

int isle_shadow_make(struct isle_store *store, int host_dir, const struct isle_composite *composite,
		     struct isle_err *err)
{
	char path[80];
	char temporary[80];
	struct stat st;

	snprintf(path, sizeof(path), "shadows/%s", composite->key);
	if (faccessat(store->fd, path, F_OK, 0) == 0)
		return 0;
	snprintf(temporary, sizeof(temporary), "trash/shadow-%d", (int)getpid());
	isle_ignore(isle_remove_tree(store->fd, temporary));
	if (mkdirat(store->fd, temporary, 0700) < 0)
		return isle_err_errno(err, -errno, "cannot make a shadow in %s", isle_quote(store->path));
	auto_fd int shadow = isle_walk(store->fd, temporary, O_RDONLY | O_DIRECTORY);
	int r = shadow < 0 ? shadow : fill_shadow(host_dir, shadow, composite);
	/* A shadow that is shown read-only lends the view its own rights: those of the host's directory. */
	if (r >= 0 && (fstat(host_dir, &st) < 0 || fchmod(shadow, (st.st_mode & 0777) | 0700) < 0))
		r = -errno;
	if (r >= 0)
		r = isle_renameat2(store->fd, temporary, store->fd, path, RENAME_NOREPLACE);
	if (r < 0)
		isle_ignore(isle_remove_tree(store->fd, temporary));
	if (r < 0 && r != -EEXIST)
		return isle_err_errno(err, r, "cannot make a shadow in %s", isle_quote(store->path));
	return 0;
}
