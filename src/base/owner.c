/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"
#include "io.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct outcome {
	ssize_t result;
	char data[];
};

/* In the child, whose namespace has no map yet. */
static int map_owner(uid_t uid, gid_t gid)
{
	char map[64];
	int r = isle_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");

	if (r < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	r = isle_write_file(AT_FDCWD, "/proc/self/uid_map", map);
	if (r < 0)
		return r;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return isle_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO; /* killed: that is no answer */
}

ssize_t isle_as_owner(const struct isle_owner_call *call)
{
	size_t room = sizeof(struct outcome) + call->size;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct outcome *outcome;
	ssize_t r;
	pid_t pid;

	if (uid == 0)
		return -EACCES;
	outcome = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED)
		return -errno;
	outcome->result = -EACCES;
	pid = isle_clone(CLONE_FILES | CLONE_NEWUSER, NULL);
	if (pid == 0) {
		outcome->result = map_owner(uid, gid);
		if (outcome->result >= 0)
			outcome->result = call->fn(call->arguments, outcome->data);
		_exit(0);
	}
	/* No such namespaces, or not for this user; but what is scarce now is no answer. */
	if (pid < 0)
		r = pid == -ENOMEM || pid == -EAGAIN ? pid : -EACCES;
	else
		r = wait_for(pid);
	if (r >= 0)
		r = outcome->result == -EPERM ? -EACCES : outcome->result;
	if (r >= 0 && call->size > 0)
		memcpy(call->result, outcome->data, call->size);
	munmap(outcome, room);
	return r;
}

ssize_t isle_or_as_owner(ssize_t result, int dir, const char *name, const struct isle_owner_call *call)
{
	struct statx st;
	int r;

	if (result != -EACCES || geteuid() == 0)
		return result;
	r = isle_statx(dir, name, &st);
	if (r < 0)
		return r;
	return st.stx_uid == geteuid() ? isle_as_owner(call) : result;
}

struct opening {
	int dir, flags;
	const char *name;
};

static ssize_t open_it(const void *arguments, void *shared)
{
	const struct opening *o = arguments;
	int fd = openat(o->dir, o->name, o->flags);

	(void)shared;
	return fd < 0 ? -errno : fd;
}

int isle_open_own(int dir, const char *name, int flags)
{
	const struct opening o = {dir, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, name};
	const struct isle_owner_call call = {.fn = open_it, .arguments = &o};

	return (int)isle_or_as_owner(open_it(&o, NULL), dir, name, &call);
}
