/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rights of an object let others do. Marked is what the isle gave away, not what was so on the host before,
 * and not what an object has from the directory that it was made in:
 *
 *   setuid, setgid     files, whether they can be executed now or not
 *   setgid-directory   its group goes on to what is made in it (told, not flagged)
 *   writable           for everybody: all but directories like /tmp, where nobody can remove what belongs to another
 *   owner              by root: an object of the host that gets another owner, or another group with rights of its own
 *   foreign            a new object that belongs neither to the caller nor to the owner of its directory; a group other
 *                      than theirs that may write (told, not flagged: packages bring such for their services)
 *   acl                an access list that names somebody else
 *
 * A user cannot give anything away but to groups of his own.
 */
#include "change_internal.h"
#include "scan_internal.h"
#include "xattr.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* As include/uapi/linux/posix_acl_xattr.h has it. */
enum { ACL_VERSION = 2, ACL_USER = 0x02, ACL_GROUP = 0x08, ACL_MASK = 0x10, ACL_BYTES_MAX = 4096 };

struct acl_entry {
	uint16_t tag, rights;
	uint32_t id;
};

struct acl {
	size_t count; /* 0: none that can be read */
	struct acl_entry entries[(ACL_BYTES_MAX - 4) / sizeof(struct acl_entry)];
};

/* False: there is one that does not fit, or is none. */
static bool read_acl(int dir, const char *name, const char *key, struct acl *acl)
{
	struct {
		uint32_t version;
		struct acl_entry entries[ARRAY_SIZE(acl->entries)];
	} value;
	ssize_t n = isle_xattr_get(dir, name, key, &value, sizeof(value));

	acl->count = 0;
	if (n < 0)
		return n == -ENODATA || n == -EOPNOTSUPP;
	if (n < (ssize_t)sizeof(value.version) || le32toh(value.version) != ACL_VERSION)
		return false;
	acl->count = ((size_t)n - sizeof(value.version)) / sizeof(value.entries[0]);
	memcpy(acl->entries, value.entries, acl->count * sizeof(value.entries[0]));
	return true;
}

static bool has_entry(const struct acl *acl, const struct acl_entry *entry)
{
	for (size_t i = 0; i < acl->count; i++)
		if (acl->entries[i].tag == entry->tag && acl->entries[i].id == entry->id &&
		    (le16toh(entry->rights) & ~le16toh(acl->entries[i].rights)) == 0)
			return true;
	return false;
}

static bool is_another(const struct acl_entry *entry)
{
	uint16_t tag = le16toh(entry->tag);
	uint32_t id = le32toh(entry->id);

	return entry->rights != 0 && ((tag == ACL_USER && id != geteuid()) || (tag == ACL_GROUP && id != getegid()));
}

/* One that is in the directory's default list has come from there. */
bool isle_acl_grants(int dir, const char *name, const char *key)
{
	struct acl acl, inherited = {0};

	if (!read_acl(dir, name, key, &acl))
		return true;
	if (acl.count > 0 && *name != '\0')
		isle_ignore(read_acl(dir, "", "system.posix_acl_default", &inherited));
	for (size_t i = 0; i < acl.count; i++)
		if (is_another(&acl.entries[i]) && !has_entry(&inherited, &acl.entries[i]))
			return true;
	return false;
}

static bool is_open_to_all(const struct statx *st)
{
	if ((st->stx_mode & S_IWOTH) == 0 || S_ISLNK(st->stx_mode))
		return false;
	return !S_ISDIR(st->stx_mode) || (st->stx_mode & S_ISVTX) == 0;
}

static bool passes_group_on(const struct statx *st, const struct statx *from)
{
	if (!S_ISDIR(st->stx_mode) || (st->stx_mode & S_ISGID) == 0)
		return false;
	return from == NULL || (from->stx_mode & S_ISGID) == 0 || from->stx_gid != st->stx_gid;
}

/* A group that is neither the caller's nor that of before, or of the directory, and may write. */
static bool is_for_a_group(const struct statx *st, const struct statx *from)
{
	return (st->stx_mode & S_IWGRP) != 0 && st->stx_gid != getegid() &&
	       (from == NULL || from->stx_gid != st->stx_gid);
}

static bool is_given_away(const struct statx *st, const struct statx *before)
{
	unsigned more = (st->stx_mode >> 3 & 7) & ~(st->stx_mode & 7U); /* than others have */

	if (geteuid() == 0 && before->stx_uid != st->stx_uid)
		return true;
	if (geteuid() == 0 && before->stx_gid != st->stx_gid && more != 0)
		return true;
	return is_for_a_group(st, before);
}

/* The caller is who commits: a user's isle is committed by that user. */
static bool is_foreign(const struct statx *st, const struct statx *dir)
{
	return (st->stx_uid != geteuid() && (dir == NULL || dir->stx_uid != st->stx_uid)) || is_for_a_group(st, dir);
}

unsigned isle_rights_marks(const struct statx *st, const struct statx *before, const struct statx *dir)
{
	unsigned marks = 0;

	if (S_ISREG(st->stx_mode) && (st->stx_mode & S_ISUID) != 0)
		marks |= ISLE_MARK_SETUID;
	if (S_ISREG(st->stx_mode) && (st->stx_mode & S_ISGID) != 0)
		marks |= ISLE_MARK_SETGID;
	if (passes_group_on(st, before != NULL ? before : dir))
		marks |= ISLE_MARK_SETGID_DIRECTORY;
	if (S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode))
		marks |= ISLE_MARK_DEVICE;
	if (is_open_to_all(st) && (before == NULL || !is_open_to_all(before)))
		marks |= ISLE_MARK_WRITABLE;
	if (before != NULL && is_given_away(st, before))
		marks |= ISLE_MARK_OWNER;
	if (before == NULL && is_foreign(st, dir))
		marks |= ISLE_MARK_FOREIGN;
	return marks;
}
