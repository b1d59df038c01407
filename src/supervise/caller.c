/* SPDX-License-Identifier: Apache-2.0 */
#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "buf.h"
#include "io.h"

enum { IDS_MAX = 65536 };

static int read_proc(pid_t tid, const char *what, struct isle_buf *text)
{
	char name[48];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)tid, what);
	int r = isle_read_file(AT_FDCWD, name, text, 1 << 20);
	return r < 0 ? r : text->data == NULL ? -EPROTO : 0;
}

/* What follows "\nName:\t"; NULL. */
static const char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? NULL : at + strlen(name);
}

/* "Uid:\treal\teffective\tsaved\tfile system" */
static bool fourth(const char *at, unsigned *ret_id)
{
	return at != NULL && sscanf(at, "%*u %*u %*u %u", ret_id) == 1;
}

/* "Groups:\t1 2 3 \n". How many; stored when groups is not NULL. */
static size_t read_groups(const char *at, gid_t *groups)
{
	size_t count = 0;
	char *end;

	for (;; at = end) {
		at += strspn(at, " \t");
		if (*at < '0' || *at > '9' || count == IDS_MAX)
			return count;
		unsigned long id = strtoul(at, &end, 10);
		if (groups != NULL)
			groups[count] = (gid_t)id;
		count++;
	}
}

int isle_caller_look(pid_t tid, struct isle_caller **ret_caller)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = read_proc(tid, "status", &text);
	unsigned uid;
	unsigned gid;

	if (r < 0)
		return r;
	const char *groups = field(text.data, "\nGroups:");
	const char *mask = field(text.data, "\nUmask:");
	const char *powers = field(text.data, "\nCapEff:");
	if (!fourth(field(text.data, "\nUid:"), &uid) || !fourth(field(text.data, "\nGid:"), &gid) || groups == NULL ||
	    mask == NULL || powers == NULL)
		return -EPROTO;
	size_t count = read_groups(groups, NULL);
	struct isle_caller *caller = calloc(1, sizeof(*caller) + count * sizeof(caller->groups[0]));
	if (caller == NULL)
		return -ENOMEM;
	caller->uid = uid;
	caller->gid = gid;
	caller->umask = (mode_t)strtoul(mask, NULL, 8);
	caller->powers = strtoull(powers, NULL, 16);
	caller->group_count = read_groups(groups, caller->groups);
	*ret_caller = caller;
	return 0;
}

bool isle_caller_is_mapped(pid_t tid)
{
	auto_buf struct isle_buf uids = ISLE_BUF_INIT;
	auto_buf struct isle_buf gids = ISLE_BUF_INIT;
	unsigned long inside;
	unsigned long outside;
	unsigned long count;

	for (unsigned i = 0; i < 2; i++) {
		struct isle_buf *map = i == 0 ? &uids : &gids;

		if (read_proc(tid, i == 0 ? "uid_map" : "gid_map", map) < 0 ||
		    sscanf(map->data, "%lu %lu %lu", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 ||
		    count != 4294967295UL)
			return false;
	}
	return true;
}

/* Of the powers that this process has those that the caller has, too. */
static int limit_powers(const struct isle_caller *caller)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct own[2];

	if (syscall(SYS_capget, &header, own) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		own[i].permitted &= (unsigned)(caller->powers >> (32 * i));
		own[i].effective = own[i].permitted;
		own[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, own) < 0 ? -errno : 0;
}

int isle_caller_become(const struct isle_caller *caller, int userns)
{
	umask(caller->umask);
	/* A user has the ids and groups of the caller already, and may not set any. */
	if (geteuid() != 0)
		return limit_powers(caller);
	/* The system calls themselves: the C library's would tell other threads, of which there are none. */
	if (syscall(SYS_setgroups, caller->group_count, caller->groups) < 0)
		return -errno;
	setfsgid(caller->gid);
	setfsuid(caller->uid);
	if ((gid_t)setfsgid((gid_t)-1) != caller->gid || (uid_t)setfsuid((uid_t)-1) != caller->uid)
		return -EPERM;
	if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
		return -errno;
	return limit_powers(caller);
}
