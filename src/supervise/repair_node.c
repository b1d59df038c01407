/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mknod(2) of devices for the isle's root, whom the kernel does not trust with them: its user namespace is not the
 * machine's. The node is a file like others, since nothing in the view can be opened as a device:
 *
 * 1. Only in an overlay of the isle that is mounted nodev, never in what --write shows of the host.
 * 2. Made by a child with the ids, groups, umask and powers of the caller, who must have CAP_MKNOD in the isle's own
 *    user namespace. So the kernel checks what it checks natively.
 * 3. A character device 0:0 is how overlayfs writes down a deletion; the kernel refuses it (EPERM) by itself.
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "buf.h"
#include "io.h"
#include "peer.h"
#include "worker.h"

enum { ANCESTORS_MAX = 256 };

struct node {
	mode_t mode;
	dev_t device;
};

/* The device number as the kernel takes it: its lower 32 bits. */
static dev_t device_number(uint64_t argument)
{
	unsigned device = (unsigned)argument;
	unsigned major = (device >> 8) & 0xfff;
	unsigned minor = (device & 0xff) | ((device >> 12) & 0xfff00);

	return (dev_t)(((uint64_t)(major & 0xfff) << 8) | (minor & 0xff) | ((uint64_t)(minor & ~0xffU) << 12));
}

/* 1: the process sees this mount, and it is one of the isle's overlays, as their source says; 0: it is another;
 * -ENOENT: the process does not see it, having changed its root. */
static int look_for_mount(pid_t pid, uint64_t mount)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char *save = NULL;
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/mountinfo", (int)pid);
	int r = isle_read_file(AT_FDCWD, name, &text, 16 << 20);
	if (r < 0 || text.data == NULL)
		return r < 0 ? r : -ENOENT;
	for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		if (strtoull(line, NULL, 10) == mount)
			return strstr(line, " - overlay isle ") != NULL;
	return -ENOENT;
}

/* Asks the process or, when it has another root than the view's, its ancestors. */
static bool is_of_isle(const struct isle_call *call, const struct isle_repair_place *place)
{
	struct statvfs fs;
	struct isle_peer peer = {.parent = call->tid};
	int r = -ENOENT;

	if (fstatvfs(place->dir, &fs) < 0 || (fs.f_flag & ST_NODEV) == 0)
		return false;
	for (unsigned i = 0; r == -ENOENT && i < ANCESTORS_MAX && peer.parent > 1; i++) {
		r = look_for_mount(peer.parent, place->mount);
		if (r == -ENOENT && isle_peer_look(peer.parent, &peer) < 0)
			return false;
	}
	return r > 0;
}

static int make_node(const struct isle_guide *guide, const struct isle_repair_place *place, const struct node *node,
		     const struct isle_caller *caller)
{
	pid_t pid = isle_worker_fork(guide);
	int status;

	if (pid == 0) {
		int r = isle_caller_become(caller, -1);

		if (r >= 0 && mknodat(place->dir, place->name, node->mode, node->device) < 0)
			r = -errno;
		_exit(r < 0 ? -r : 0);
	}
	if (pid < 0)
		return (int)pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

int isle_repair_node(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	bool at = call->notif.data.nr == SYS_mknodat;
	const uint64_t *a = at ? call->args + 1 : call->args;
	const struct node node = {.mode = (mode_t)a[1] & (S_IFMT | 07777), .device = device_number(a[2])};
	auto_repair_place struct isle_repair_place place = ISLE_REPAIR_INIT;
	auto_free struct isle_caller *caller = NULL;

	if ((!S_ISCHR(node.mode) && !S_ISBLK(node.mode)) || (S_ISCHR(node.mode) && node.device == 0))
		return 0;
	if (isle_caller_look(call->tid, &caller) < 0 || (caller->powers & (1ULL << CAP_MKNOD)) == 0 ||
	    !isle_caller_is_mapped(call->tid) ||
	    !isle_repair_find(guide, call, at ? (int)call->args[0] : AT_FDCWD, a[0], 0, &place) || place.slash ||
	    !is_of_isle(call, &place) || !isle_guide_waits(guide, call))
		return 0;
	int r = make_node(guide, &place, &node, caller);
	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	return 0;
}
