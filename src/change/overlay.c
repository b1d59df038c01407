/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What overlayfs notes on the objects of an upper directory: extended attributes, prefixed "trusted.overlay." or, in
 * user namespaces, "user.overlay.".
 *
 *   opaque    "y": nothing of the lower directory shows. "x": holds whiteouts that are plain files (Linux 6.7)
 *   whiteout  on an empty plain file in an opaque "x" directory: as good as character device 0:0
 *   redirect  where the lower object is: a path from the root of the lower layer, or one name in the directory
 *             that the parent's lower object is. Directories, and files with metacopy
 *   metacopy  the data are still those of the lower file
 *   origin    the lower object's file handle; empty in user namespaces, where handles cannot be decoded
 *   isle      of ours: the directory is a stand-in for one of another owner (standin.h)
 *   nlink     "U+N", "U-N", "L+N": names in the view, relative to the link count of the upper or lower inode
 * (Documentation/filesystems/overlayfs.rst; fs/overlayfs/overlayfs.h for struct ovl_fb.)
 *
 * One list of names for each object, and then only what is there.
 */
#include "change_internal.h"
#include "standin.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

/* The kernel clears as much memory as a caller has room for; the small ones hold what nearly every object has. */
enum { LIST_SIZE = 512, VALUE_SMALL = 128, VALUE_SIZE = 4096 };

enum { NOTES_MAX = 16, NOTES_ROOM = 4096, HANDLE_HEAD = 21, OVERLAY_MAGIC = 0xfb };

static void parse_origin(const unsigned char *value, size_t size, struct isle_note_handle *handle)
{
	/* struct ovl_fb: version, magic, length, flags, type, uuid[16], handle */
	if (size <= HANDLE_HEAD || value[0] != 0 || value[1] != OVERLAY_MAGIC || value[2] != size ||
	    size - HANDLE_HEAD > ISLE_HANDLE_MAX)
		return;
	handle->type = value[4];
	handle->size = size - HANDLE_HEAD;
	memcpy(handle->bytes, value + HANDLE_HEAD, handle->size);
}

static uint32_t parse_nlink(const char *text, uint32_t nlink)
{
	char *end = NULL;
	long n;

	/* Of the kinds, only that relative to the upper inode can be resolved without the lower one. */
	if (text[0] != 'U' || (text[1] != '+' && text[1] != '-'))
		return 0;
	n = strtol(text + 1, &end, 10);
	if (*end != '\0' || n < -65536 || n > 65536)
		return 0;
	n += nlink;
	return n > 0 ? n : 0;
}

/* Kernels write these labels on whatever is made; they say nothing about what the isle did. */
static bool is_label(const char *name)
{
	return strcmp(name, "security.selinux") == 0 || strncmp(name, "security.SMACK64", 16) == 0 ||
	       strcmp(name, "security.apparmor") == 0;
}

static unsigned attribute_marks(const struct isle_object *object, const char *name)
{
	if (strncmp(name, "system.posix_acl_", 17) == 0)
		return isle_acl_grants(object->dir, object->name, name) ? ISLE_MARK_ACL : 0;
	if (strcmp(name, "security.capability") == 0)
		return ISLE_MARK_CAPS;
	if (strncmp(name, "trusted.", 8) == 0 && strncmp(name, "trusted.overlay.", 16) != 0)
		return ISLE_MARK_XATTR;
	if (strncmp(name, "security.", 9) == 0 && !is_label(name))
		return ISLE_MARK_XATTR;
	return 0;
}

/* value is followed by a NUL byte that is not counted in n. */
static int take_note(const char *note, const char *value, size_t n, const struct statx *st, struct isle_upper *upper)
{
	if (strcmp(note, "metacopy") == 0) {
		upper->metacopy = S_ISREG(st->stx_mode);
	} else if (strcmp(note, "whiteout") == 0) {
		upper->whiteout = S_ISREG(st->stx_mode) && st->stx_size == 0;
	} else if (strcmp(note, "opaque") == 0 && n == 1) {
		upper->opaque = value[0];
	} else if (strcmp(note, "redirect") == 0 && n > 0 && strlen(value) == n) {
		upper->redirect = strdup(value);
		return upper->redirect ? 0 : -ENOMEM;
	} else if (strcmp(note, "origin") == 0) {
		upper->origin = true;
		parse_origin((const unsigned char *)value, n, &upper->handle);
	} else if (strcmp(note, ISLE_STANDIN_NOTE) == 0) {
		upper->standin = 1 + ((uint32_t)strtoul(value, NULL, 8) & 07777);
	} else if (strcmp(note, ISLE_OWNER_NOTE) == 0) {
		upper->owned = true;
	} else if (strcmp(note, "nlink") == 0) {
		upper->nlink = parse_nlink(value, st->stx_nlink);
	}
	return 0;
}

/* The notes of one object while they are read: their values lie one after the other in a buffer. */
struct note_reader {
	struct isle_object object;
	const struct statx *st;
	unsigned flags; /* enum isle_upper_flags */
	bool partial;	/* some do not fit, or cannot be read */
	struct isle_xattr list[NOTES_MAX];
	size_t count, used;
	char values[NOTES_ROOM];
};

static void keep_note(struct note_reader *reader, char *key, const char *value, size_t n)
{
	struct isle_xattr *note;

	if (reader->count == NOTES_MAX || n > sizeof(reader->values) - reader->used) {
		reader->partial = true;
		return;
	}
	note = &reader->list[reader->count++];
	note->name = key;
	note->value = memcpy(reader->values + reader->used, value, n);
	note->size = n;
	reader->used += n;
}

/* Errors that come of what the object is, or of its being gone meanwhile, and not of the attempt to read it. An I/O
 * error must not make an opaque directory look like one that is merged. */
static bool says_nothing(int error)
{
	return error == -EOPNOTSUPP || error == -ENODATA || error == -ERANGE || error == -E2BIG || error == -EACCES ||
	       error == -EPERM || error == -ENOENT || error == -ELOOP || error == -ENOTDIR;
}

static int read_note(struct note_reader *reader, char *key, const char *note, struct isle_upper *upper)
{
	char value[VALUE_SIZE + 1];
	ssize_t n = 0;

	if (!(reader->flags & ISLE_UPPER_NO_ORIGIN) || strcmp(note, "origin") != 0)
		n = isle_xattr_get(reader->object.dir, reader->object.name, key, value, VALUE_SMALL);
	if (n == -ERANGE)
		n = isle_xattr_get(reader->object.dir, reader->object.name, key, value, VALUE_SIZE);
	if (n < 0 && !says_nothing((int)n))
		return (int)n;
	if (n < 0)
		reader->partial = true;
	else
		keep_note(reader, key, value, (size_t)n);
	n = n < 0 ? 0 : n;
	value[n] = '\0';
	return take_note(note, value, (size_t)n, reader->st, upper);
}

static ssize_t list_all(int dir, const char *name, char *small, char **ret_large)
{
	ssize_t n = isle_xattr_list(dir, name, small, LIST_SIZE);

	if (n != -ERANGE)
		return n;
	*ret_large = malloc(XATTR_LIST_MAX);
	return *ret_large ? isle_xattr_list(dir, name, *ret_large, XATTR_LIST_MAX) : -ENOMEM;
}

/* Goes through the names of an object's attributes. */
static int read_list(struct note_reader *reader, char *list, size_t size, const char *prefix, struct isle_upper *upper)
{
	size_t skip = strlen(prefix);
	int r = 0;

	upper->plain = true;
	for (char *key = list; key < list + size && r >= 0; key += strlen(key) + 1) {
		upper->marks |= attribute_marks(&reader->object, key);
		upper->plain &= isle_xattr_is_overlay(key);
		if (strncmp(key, prefix, skip) == 0)
			r = read_note(reader, key, key + skip, upper);
		else if (isle_xattr_is_overlay(key)) /* of no meaning here, but not for the host either */
			r = read_note(reader, key, "", upper);
	}
	upper->noted = !reader->partial;
	if (r < 0 || reader->partial)
		return r;
	return isle_xattrs_copy(&(struct isle_xattrs){reader->list, reader->count}, &upper->notes);
}

int isle_upper_read(int dir, const char *name, const char *prefix, const struct statx *st, unsigned flags,
		    struct isle_upper *ret_upper)
{
	struct note_reader reader;
	char small[LIST_SIZE];
	auto_free char *large = NULL;
	struct isle_upper upper = {0};
	ssize_t n = list_all(dir, name, small, &large);
	int r;

	if (n < 0 && !says_nothing((int)n))
		return (int)n;
	if (n >= 0) {
		reader.object = (struct isle_object){.dir = dir, .name = name};
		reader.st = st;
		reader.flags = flags;
		reader.count = reader.used = 0;
		reader.partial = false;
		r = read_list(&reader, large ? large : small, (size_t)n, prefix, &upper);
		if (r < 0) {
			isle_upper_done(&upper);
			return r;
		}
	}
	*ret_upper = upper;
	return 0;
}

void isle_upper_done(struct isle_upper *upper)
{
	free(upper->redirect);
	free(upper->notes.list);
	*upper = (struct isle_upper){0};
}

struct full_handle {
	struct file_handle head;
	unsigned char bytes[ISLE_HANDLE_MAX];
};

/* 1: it has this handle, 0: another, -1: none. */
static int compare_handle(int dir, const char *name, const struct isle_note_handle *handle)
{
	struct full_handle full = {.head.handle_bytes = ISLE_HANDLE_MAX};
	int mount_id;

	if (name_to_handle_at(dir, name, &full.head, &mount_id, *name ? 0 : AT_EMPTY_PATH) < 0)
		return -1;
	return handle->size > 0 && full.head.handle_type == handle->type && full.head.handle_bytes == handle->size &&
	       memcmp(full.head.f_handle, handle->bytes, handle->size) == 0;
}

bool isle_handle_is(int dir, const char *name, const struct isle_note_handle *handle)
{
	return handle->size > 0 && compare_handle(dir, name, handle) == 1;
}

bool isle_handle_is_another(int dir, const char *name, const struct isle_note_handle *handle)
{
	return compare_handle(dir, name, handle) == 0;
}

bool isle_handle_exists(int dir, const char *name)
{
	return compare_handle(dir, name, &(struct isle_note_handle){0}) >= 0;
}

static int open_handle(int dir, const struct isle_note_handle *handle, int flags)
{
	struct full_handle full = {.head = {.handle_bytes = handle->size, .handle_type = handle->type}};
	int fd;

	if (handle->size == 0)
		return -ENOENT;
	memcpy(full.head.f_handle, handle->bytes, handle->size);
	fd = open_by_handle_at(dir, &full.head, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int isle_handle_reach(int dir, const struct isle_note_handle *handle)
{
	return open_handle(dir, handle, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

bool isle_handle_alive(int dir, const struct isle_note_handle *handle, uint64_t *ret_ino)
{
	auto_fd int fd = open_handle(dir, handle, O_PATH);
	struct stat st;

	*ret_ino = 0;
	if (fd < 0)
		return fd != -ESTALE;
	if (fstat(fd, &st) < 0)
		return true;
	*ret_ino = st.st_ino;
	/* One that was removed lives on as long as somebody has it open. */
	return st.st_nlink > 0;
}
