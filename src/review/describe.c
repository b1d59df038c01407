/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata in words.
 *
 * The binary forms are decoded here, with the checks of the kernel's own readers: POSIX ACLs
 * (include/uapi/linux/posix_acl_xattr.h) and file capabilities (include/uapi/linux/capability.h). What does not decode
 * is shown as bytes. Names of users and groups are those of the host's /etc/passwd and /etc/group; the program is
 * static, so no other source is asked.
 */
#include "describe_names.h"
#include "quote.h"
#include "review_internal.h"
#include <endian.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

enum { VALUE_SHOWN = 64, ACL_HEAD = 4, ACL_ENTRY = 8, ACL_VERSION = 2 };

static void add_id(struct isle_buf *buf, const char *name, uint32_t id)
{
	if (name)
		isle_quote_add(buf, name);
	isle_buf_addf(buf, name ? "(%" PRIu32 ")" : "%" PRIu32, id);
}

void isle_owner_add(struct isle_buf *buf, uint32_t uid, uint32_t gid)
{
	add_id(buf, isle_user_name(uid), uid);
	isle_buf_addc(buf, ':');
	add_id(buf, isle_group_name(gid), gid);
}

/* --- attributes --- */

static uint32_t get32(const unsigned char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

static uint16_t get16(const unsigned char *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return le16toh(value);
}

static void add_bytes(struct isle_buf *buf, const void *value, size_t size)
{
	const unsigned char *bytes = value;
	size_t shown = size < VALUE_SHOWN ? size : VALUE_SHOWN;
	bool text = size > 0;

	for (size_t i = 0; i < size; i++)
		text = text && bytes[i] >= 0x20 && bytes[i] < 0x7f;
	if (text) {
		isle_buf_addc(buf, '"');
		isle_quote_text_add(buf, value, shown);
		isle_buf_addc(buf, '"');
	} else {
		isle_buf_adds(buf, "0x");
		for (size_t i = 0; i < shown; i++)
			isle_buf_addf(buf, "%02x", bytes[i]);
	}
	if (shown < size)
		isle_buf_addf(buf, "... (%zu bytes)", size);
}

static bool add_acl_entry(struct isle_buf *buf, const unsigned char *entry)
{
	uint16_t tag = get16(entry), perm = get16(entry + 2);
	uint32_t id = get32(entry + 4);

	switch (tag) {
	case 0x01:
		isle_buf_adds(buf, "user::");
		break;
	case 0x02:
		isle_buf_adds(buf, "user:");
		add_id(buf, isle_user_name(id), id);
		isle_buf_addc(buf, ':');
		break;
	case 0x04:
		isle_buf_adds(buf, "group::");
		break;
	case 0x08:
		isle_buf_adds(buf, "group:");
		add_id(buf, isle_group_name(id), id);
		isle_buf_addc(buf, ':');
		break;
	case 0x10:
		isle_buf_adds(buf, "mask::");
		break;
	case 0x20:
		isle_buf_adds(buf, "other::");
		break;
	default:
		return false;
	}
	isle_buf_addf(buf, "%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-', perm & 1 ? 'x' : '-');
	return true;
}

void isle_acl_add(struct isle_buf *buf, const void *value, size_t size)
{
	const unsigned char *bytes = value;
	size_t start = buf->size;

	if (size < ACL_HEAD || (size - ACL_HEAD) % ACL_ENTRY != 0 || get32(bytes) != ACL_VERSION) {
		add_bytes(buf, value, size);
		return;
	}
	for (size_t at = ACL_HEAD; at < size; at += ACL_ENTRY) {
		if (at > ACL_HEAD)
			isle_buf_addc(buf, ',');
		if (!add_acl_entry(buf, bytes + at)) {
			isle_buf_cut(buf, start);
			add_bytes(buf, value, size);
			return;
		}
	}
}

static const char *const cap_names[] = {
	"cap_chown",
	"cap_dac_override",
	"cap_dac_read_search",
	"cap_fowner",
	"cap_fsetid",
	"cap_kill",
	"cap_setgid",
	"cap_setuid",
	"cap_setpcap",
	"cap_linux_immutable",
	"cap_net_bind_service",
	"cap_net_broadcast",
	"cap_net_admin",
	"cap_net_raw",
	"cap_ipc_lock",
	"cap_ipc_owner",
	"cap_sys_module",
	"cap_sys_rawio",
	"cap_sys_chroot",
	"cap_sys_ptrace",
	"cap_sys_pacct",
	"cap_sys_admin",
	"cap_sys_boot",
	"cap_sys_nice",
	"cap_sys_resource",
	"cap_sys_time",
	"cap_sys_tty_config",
	"cap_mknod",
	"cap_lease",
	"cap_audit_write",
	"cap_audit_control",
	"cap_setfcap",
	"cap_mac_override",
	"cap_mac_admin",
	"cap_syslog",
	"cap_wake_alarm",
	"cap_block_suspend",
	"cap_audit_read",
	"cap_perfmon",
	"cap_bpf",
	"cap_checkpoint_restore",
};

static void add_cap_set(struct isle_buf *buf, uint64_t set, const char *flags)
{
	bool first = true;

	if (set == 0)
		return;
	if (buf->size > 0 && buf->data[buf->size - 1] != ' ')
		isle_buf_addc(buf, ' ');
	for (unsigned cap = 0; cap < 64; cap++) {
		if (!(set >> cap & 1))
			continue;
		if (!first)
			isle_buf_addc(buf, ',');
		first = false;
		if (cap < ARRAY_SIZE(cap_names))
			isle_buf_adds(buf, cap_names[cap]);
		else
			isle_buf_addf(buf, "%u", cap);
	}
	isle_buf_addf(buf, "=%s", flags);
}

void isle_caps_add(struct isle_buf *buf, const void *value, size_t size)
{
	const unsigned char *bytes = value;
	uint32_t magic = size >= 4 ? get32(bytes) : 0, revision = magic & VFS_CAP_REVISION_MASK;
	bool effective = magic & VFS_CAP_FLAGS_EFFECTIVE;
	uint64_t permitted, inheritable;

	if (!(revision == VFS_CAP_REVISION_1 && size == XATTR_CAPS_SZ_1) &&
	    !(revision == VFS_CAP_REVISION_2 && size == XATTR_CAPS_SZ_2) &&
	    !(revision == VFS_CAP_REVISION_3 && size == XATTR_CAPS_SZ_3)) {
		add_bytes(buf, value, size);
		return;
	}
	permitted = get32(bytes + 4);
	inheritable = get32(bytes + 8);
	if (revision != VFS_CAP_REVISION_1) {
		permitted |= (uint64_t)get32(bytes + 12) << 32;
		inheritable |= (uint64_t)get32(bytes + 16) << 32;
	}
	if (permitted == 0 && inheritable == 0)
		isle_buf_adds(buf, "none");
	add_cap_set(buf, permitted & inheritable, effective ? "eip" : "ip");
	add_cap_set(buf, permitted & ~inheritable, effective ? "ep" : "p");
	add_cap_set(buf, inheritable & ~permitted, effective ? "ei" : "i");
	if (revision == VFS_CAP_REVISION_3)
		isle_buf_addf(buf, " [rootid=%" PRIu32 "]", get32(bytes + 20));
}

/* --- differences --- */

static void add_value(struct isle_buf *buf, const struct isle_xattr *xattr)
{
	if (strcmp(xattr->name, "security.capability") == 0)
		isle_caps_add(buf, xattr->value, xattr->size);
	else if (strncmp(xattr->name, "system.posix_acl_", 17) == 0)
		isle_acl_add(buf, xattr->value, xattr->size);
	else
		add_bytes(buf, xattr->value, xattr->size);
}

static void add_name(struct isle_buf *buf, const char *name)
{
	if (strcmp(name, "security.capability") == 0)
		isle_buf_adds(buf, "capabilities");
	else if (strcmp(name, "system.posix_acl_access") == 0)
		isle_buf_adds(buf, "acl");
	else if (strcmp(name, "system.posix_acl_default") == 0)
		isle_buf_adds(buf, "default acl");
	else {
		isle_buf_adds(buf, "xattr ");
		isle_quote_add(buf, name);
	}
}

/* One attribute on one side or on both: "acl A", "acl A -> B", "acl A removed". */
static void add_xattr(struct isle_buf *buf, const struct isle_xattr *before, const struct isle_xattr *after)
{
	if (before && after && before->size == after->size && memcmp(before->value, after->value, after->size) == 0)
		return;
	add_name(buf, before ? before->name : after->name);
	isle_buf_addc(buf, ' ');
	if (before)
		add_value(buf, before);
	if (before && after)
		isle_buf_adds(buf, " -> ");
	if (after)
		add_value(buf, after);
	else
		isle_buf_adds(buf, " removed");
	isle_buf_addc(buf, '\n');
}

static unsigned xattr_diff(const char *name)
{
	if (strcmp(name, "security.capability") == 0)
		return ISLE_META_CAPS;
	return strncmp(name, "system.posix_acl_", 17) == 0 ? ISLE_META_ACL : ISLE_META_XATTR;
}

static void add_xattrs(struct isle_buf *buf, const struct isle_meta *before, const struct isle_meta *after,
		       unsigned diff)
{
	size_t i = 0, j = 0;

	while (i < before->xattr_count || j < after->xattr_count) {
		const struct isle_xattr *a = i < before->xattr_count ? &before->xattrs[i] : NULL;
		const struct isle_xattr *b = j < after->xattr_count ? &after->xattrs[j] : NULL;
		int order = i == before->xattr_count ? 1 : j == after->xattr_count ? -1 : strcmp(a->name, b->name);

		if (diff & xattr_diff(order <= 0 ? a->name : b->name))
			add_xattr(buf, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
		i += order <= 0;
		j += order >= 0;
	}
}

static void add_mode(struct isle_buf *buf, const struct statx *before, const struct statx *after)
{
	if ((before->stx_mode & 07777) != (after->stx_mode & 07777) && !S_ISLNK(after->stx_mode))
		isle_buf_addf(buf, "mode %04o -> %04o\n", before->stx_mode & 07777, after->stx_mode & 07777);
}

static void add_owner(struct isle_buf *buf, const struct statx *before, const struct statx *after)
{
	if (before->stx_uid == after->stx_uid && before->stx_gid == after->stx_gid)
		return;
	isle_buf_adds(buf, "owner ");
	isle_owner_add(buf, before->stx_uid, before->stx_gid);
	isle_buf_adds(buf, " -> ");
	isle_owner_add(buf, after->stx_uid, after->stx_gid);
	isle_buf_addc(buf, '\n');
}

static bool is_common_mode(const struct statx *st)
{
	uint32_t mode = st->stx_mode & 07777;

	return S_ISLNK(st->stx_mode) || mode == 0644 || mode == 0755;
}

/* What a patch does not say of an object that one side alone has. */
static void add_alone(struct isle_buf *buf, const struct isle_meta *meta)
{
	if (!is_common_mode(&meta->st))
		isle_buf_addf(buf, "mode %04o\n", meta->st.stx_mode & 07777);
	if (meta->st.stx_uid != geteuid() || meta->st.stx_gid != getegid()) {
		isle_buf_adds(buf, "owner ");
		isle_owner_add(buf, meta->st.stx_uid, meta->st.stx_gid);
		isle_buf_addc(buf, '\n');
	}
	for (size_t i = 0; i < meta->xattr_count; i++)
		add_xattr(buf, NULL, &meta->xattrs[i]);
}

int isle_describe_meta(struct isle_buf *buf, const struct isle_meta *before, const struct isle_meta *after,
		       unsigned diff)
{
	if (!before) {
		add_alone(buf, after);
		return isle_buf_error(buf);
	}
	if (diff & ISLE_META_MODE)
		add_mode(buf, &before->st, &after->st);
	if (diff & ISLE_META_OWNER)
		add_owner(buf, &before->st, &after->st);
	add_xattrs(buf, before, after, diff);
	return isle_buf_error(buf);
}
