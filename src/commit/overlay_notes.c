/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single objects: looking, moving, and taking off what overlayfs has noted on them. Invariant 6 of transaction.c (no
 * overlay attribute reaches the host) rests on isle_overlay_strip() and isle_subtree_scrub().
 */
#include "buf.h"
#include "kernel.h"
#include "owner.h"
#include "subtree.h"
#include "xattr.h"
#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

int isle_look(int dir, const char *name, struct isle_stat *ret_stat)
{
	struct statx st;
	int r = isle_statx(dir, name, &st);

	if (r == -ENOENT) {
		*ret_stat = (struct isle_stat){0};
		return 0;
	}
	if (r < 0)
		return r;
	*ret_stat = (struct isle_stat){
		.dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
		.ino = st.stx_ino,
		.size = st.stx_size,
		.blocks = st.stx_blocks,
		.mode = st.stx_mode,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
		.nlink = st.stx_nlink,
		.rdev_major = st.stx_rdev_major,
		.rdev_minor = st.stx_rdev_minor,
		.mtime = st.stx_mtime,
		.ctime = st.stx_ctime,
		.btime = st.stx_btime,
	};
	return 1;
}

struct move {
	int from_dir, to_dir;
	const char *from, *to;
	unsigned flags;
};

static ssize_t move_as_owner(const void *arguments, void *shared)
{
	const struct move *m = arguments;

	(void)shared;
	return isle_renameat2(m->from_dir, m->from, m->to_dir, m->to, m->flags);
}

/* Moving a directory to another parent writes its "..", for which its owner needs write permission. Lending it is for
 * where nothing else helps: whoever is killed then leaves it. */
static int move_closed_directory(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	const struct move move = {from_dir, to_dir, from, to, flags};
	struct isle_stat st;
	auto_fd int fd = -1;
	char proc[64];
	int r = isle_look(from_dir, from, &st);

	if (r < 0)
		return r;
	if (r == 0 || !S_ISDIR(st.mode) || (st.mode & 0200) || st.uid != geteuid())
		return -EACCES;
	r = (int)isle_as_owner(&(struct isle_owner_call){.fn = move_as_owner, .arguments = &move});
	if (r != -EACCES)
		return r;
	fd = openat(from_dir, from, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (chmod(proc, (st.mode & 07777) | 0200) < 0)
		return -errno;
	r = isle_renameat2(from_dir, from, to_dir, to, flags);
	if (chmod(proc, st.mode & 07777) < 0 && r >= 0)
		r = -errno;
	return r;
}

/* The caller has closed a directory of their own to writing: they have the right to change what is in it all the same,
 * and what the isle changed in it was changed with that right. */
static bool is_closed(int dir)
{
	struct isle_stat st;

	return geteuid() != 0 && isle_look(dir, "", &st) > 0 && st.uid == geteuid() && (st.mode & 0300) != 0300;
}

struct removal {
	int dir, flags;
	const char *name;
};

static ssize_t remove_it(const void *arguments, void *shared)
{
	const struct removal *removal = arguments;

	(void)shared;
	return unlinkat(removal->dir, removal->name, removal->flags) < 0 ? -errno : 0;
}

int isle_remove_name(int dir, const char *name, int flags)
{
	const struct removal removal = {dir, flags, name};
	int r = (int)remove_it(&removal, NULL);

	if (r == -EACCES && is_closed(dir))
		r = (int)isle_as_owner(&(struct isle_owner_call){.fn = remove_it, .arguments = &removal});
	return r;
}

int isle_move(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	int r = isle_renameat2(from_dir, from, to_dir, to, flags);
	struct isle_stat there;

	/* Network and FUSE file systems know no flags. Nobody but a commit has reason to use a name that one takes. */
	if (r == -EINVAL && (flags & RENAME_NOREPLACE)) {
		r = isle_look(to_dir, to, &there);
		if (r != 0)
			return r > 0 ? -EEXIST : r;
		flags &= ~(unsigned)RENAME_NOREPLACE;
		r = isle_renameat2(from_dir, from, to_dir, to, flags);
	}
	if (r == -EACCES && (is_closed(from_dir) || is_closed(to_dir))) {
		const struct move move = {from_dir, to_dir, from, to, flags};

		r = (int)isle_as_owner(&(struct isle_owner_call){.fn = move_as_owner, .arguments = &move});
	}
	if (r == -EACCES && !(flags & RENAME_EXCHANGE))
		r = move_closed_directory(from_dir, from, to_dir, to, flags);
	return r;
}

/* The names of all attributes, NUL-separated; *ret_list is the caller's buffer or heap in *ret_heap. */
static ssize_t list_names(int dir, const char *name, char *buffer, size_t size, char **ret_heap)
{
	ssize_t n = isle_xattr_list(dir, name, buffer, size);

	if (n != -ERANGE)
		return n == -EOPNOTSUPP ? 0 : n;
	*ret_heap = malloc(XATTR_LIST_MAX);
	if (!*ret_heap)
		return -ENOMEM;
	return isle_xattr_list(dir, name, *ret_heap, XATTR_LIST_MAX);
}

static int add_value(int dir, const char *name, const char *key, struct isle_meta *meta, struct isle_buf *text)
{
	struct isle_xattr *list = reallocarray(meta->xattrs, meta->xattr_count + 1, sizeof(*list));
	char value[4096];
	ssize_t size;

	if (!list)
		return -ENOMEM;
	meta->xattrs = list;
	size = isle_xattr_get(dir, name, key, value, sizeof(value));
	if (size < 0)
		return size == -ENODATA ? 0 : (int)size;
	list[meta->xattr_count++] = (struct isle_xattr){.size = (size_t)size};
	isle_buf_add(text, key, strlen(key) + 1);
	isle_buf_add(text, value, (size_t)size);
	return isle_buf_error(text);
}

/* Array, names and values become one allocation, as struct isle_meta wants it. */
static int pack(struct isle_meta *meta, const struct isle_buf *text)
{
	size_t head = meta->xattr_count * sizeof(*meta->xattrs), i;
	struct isle_xattr *list;
	char *at;

	list = realloc(meta->xattrs, head + text->size);
	if (!list)
		return -ENOMEM;
	meta->xattrs = list;
	at = (char *)list + head;
	memcpy(at, text->data, text->size);
	for (i = 0; i < meta->xattr_count; i++) {
		list[i].name = at;
		at += strlen(at) + 1;
		list[i].value = at;
		at += list[i].size;
	}
	return 0;
}

int isle_overlay_read(int dir, const char *name, struct isle_xattrs *ret_overlay)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char buffer[1024];
	auto_free char *heap = NULL;
	ssize_t n = list_names(dir, name, buffer, sizeof(buffer), &heap);
	const char *at = heap ? heap : buffer;
	const char *end = at + (n > 0 ? n : 0);
	int r = 0;

	if (n < 0)
		return (int)n;
	for (; at < end && r >= 0; at += strlen(at) + 1)
		if (isle_xattr_is_overlay(at))
			r = add_value(dir, name, at, &meta, &text);
	if (r >= 0 && meta.xattr_count > 0)
		r = pack(&meta, &text);
	if (r < 0)
		return r;
	*ret_overlay = (struct isle_xattrs){meta.xattrs, meta.xattr_count};
	meta = ISLE_META_INIT;
	return 0;
}

int isle_overlay_strip(int dir, const char *name, const struct isle_xattrs *overlay)
{
	size_t i;

	for (i = 0; i < overlay->count; i++) {
		int r = isle_xattr_remove(dir, name, overlay->list[i].name);

		if (r < 0 && r != -ENODATA)
			return r;
	}
	return 0;
}

int isle_overlay_restore(int dir, const char *name, const struct isle_xattrs *overlay)
{
	size_t i;

	for (i = 0; i < overlay->count; i++) {
		const struct isle_xattr *x = &overlay->list[i];
		int r = isle_xattr_set(dir, name, x->name, x->value, x->size);

		if (r < 0)
			return r;
	}
	return 0;
}

bool isle_overlay_whiteout(int dir, const char *name, const char *prefix)
{
	struct isle_stat st;
	char key[64], value[16];

	if (isle_look(dir, name, &st) <= 0)
		return false;
	if (S_ISCHR(st.mode))
		return st.rdev_major == 0 && st.rdev_minor == 0;
	if (!S_ISREG(st.mode) || st.size > 0)
		return false;
	snprintf(key, sizeof(key), "%swhiteout", prefix);
	return isle_xattr_get(dir, name, key, value, sizeof(value)) >= 0;
}
