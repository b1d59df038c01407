/* SPDX-License-Identifier: Apache-2.0 */
#include "in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "kernel.h"
#include "peer.h"
#include "worker.h"

enum { ANCESTORS_MAX = 4096 };

/* What /proc/TID/what leads to. */
static int open_of(pid_t tid, const char *what, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)tid, what);
	int fd = open(name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_start(const struct isle_call *call, int dirfd)
{
	char what[24];

	if (dirfd == AT_FDCWD)
		return open_of(call->tid, "cwd", O_PATH);
	snprintf(what, sizeof(what), "fd/%d", dirfd);
	int fd = dirfd < 0 ? -ENOENT : open_of(call->tid, what, O_PATH);
	return fd == -ENOENT ? -EBADF : fd;
}

void isle_in_place_done(const struct isle_in_place *place)
{
	free(place->caller);
	isle_cleanup_fd(&place->root);
	isle_cleanup_fd(&place->start);
	isle_cleanup_fd(&place->userns);
}

int isle_in_place_open(const struct isle_call *call, int dirfd, struct isle_in_place *ret_place)
{
	struct isle_caller *caller = NULL;
	int r = isle_caller_look(call->tid, &caller);

	if (r < 0)
		return r;
	*ret_place = (struct isle_in_place){.caller = caller,
					    .root = open_of(call->tid, "root", O_PATH | O_DIRECTORY),
					    .start = open_start(call, dirfd),
					    .userns = open_of(call->tid, "ns/user", O_RDONLY)};
	return ret_place->root < 0 ? ret_place->root : ret_place->userns < 0 ? ret_place->userns : 0;
}

/* Shown as the kernel shows it: "pid:[NUMBER]". */
static bool is_of_namespace(pid_t tid, const char *namespace)
{
	char link[64];
	char name[48];

	snprintf(name, sizeof(name), "/proc/%d/ns/pid", (int)tid);
	ssize_t n = readlink(name, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	return n > 0 && strcmp(link, namespace) == 0;
}

static int add_mounts(pid_t tid, struct isle_buf *text)
{
	char name[48];

	snprintf(name, sizeof(name), "/proc/%d/mountinfo", (int)tid);
	return isle_read_file(AT_FDCWD, name, text, 16 << 20);
}

/* Init of the isle, from which the thread descends; *ret_tid. */
static int find_init(pid_t tid, pid_t *ret_tid)
{
	char outside[64];
	ssize_t n = readlink("/proc/self/ns/pid", outside, sizeof(outside) - 1);
	struct isle_peer peer = {.parent = tid};
	pid_t last = tid;

	if (n < 0)
		return -errno;
	outside[n] = '\0';
	for (unsigned i = 0; i < ANCESTORS_MAX && peer.parent > 1 && !is_of_namespace(peer.parent, outside); i++) {
		last = peer.parent;
		if (isle_peer_look(last, &peer) < 0)
			break;
	}
	*ret_tid = last;
	return 0;
}

int isle_in_place_mounts(pid_t tid, struct isle_buf *ret_text)
{
	pid_t init = tid;
	int r = find_init(tid, &init);

	if (r >= 0)
		r = add_mounts(tid, ret_text);
	return r < 0 || init == tid ? r : add_mounts(init, ret_text);
}

int isle_in_place_own_mounts(pid_t tid, struct isle_buf *ret_text)
{
	pid_t init = tid;
	int r = find_init(tid, &init);

	return r < 0 ? r : add_mounts(init, ret_text);
}

bool isle_in_place_has(const struct isle_buf *mounts, int object)
{
	struct statx st;

	if (mounts->data == NULL || isle_statx(object, "", &st) < 0)
		return false;
	for (const char *line = mounts->data; *line != '\0'; line = strchrnul(line, '\n'), line += *line == '\n')
		if (strtoull(line, NULL, 10) == st.stx_mnt_id)
			return true;
	return false;
}

int isle_in_place_enter(const struct isle_in_place *place, const char *path)
{
	/* A user may change the root directory only in the user namespace of the caller. */
	if (geteuid() != 0 && setns(place->userns, CLONE_NEWUSER) < 0)
		return -errno;
	if (path != NULL && (fchdir(place->root) < 0 || chroot(".") < 0))
		return -errno;
	if (path != NULL && path[0] != '/') {
		if (place->start < 0)
			return place->start;
		if (fchdir(place->start) < 0)
			return -errno;
	}
	return isle_caller_become(place->caller, place->userns);
}

int isle_in_place_run(const struct isle_guide *guide, int (*work)(const void *data), const void *data)
{
	pid_t pid = isle_worker_fork(guide);
	int status;

	if (pid == 0)
		_exit(-work(data));
	if (pid < 0)
		return (int)pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
