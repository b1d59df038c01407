/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket is taken out of the caller (pidfd_getfd(2)), so it is the one that is looked at.
 *
 * Where a path has to be looked at, its directory is opened, and the name is made in that very directory. The address
 * that others then see of the socket is the one that bind(2) was called with: it has to be the caller's, not the name
 * alone. So the kernel walks the path a second time, and could be led elsewhere meanwhile; Landlock confines what it
 * makes to that directory. What lies below it is then allowed, too. Where something is mounted there that is not the
 * isle's, or can be (NEST), and on kernels without Landlock, only the name is used.
 */
#include "binds.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "in_place.h"
#include "io.h"
#include "kernel.h"
#include "peer.h"
#include "static_filter.h"

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_nl nl;
	struct sockaddr_storage room;
};

struct work {
	const struct isle_in_place *place;
	int socket;
	union address address;
	socklen_t size;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1]; /* "": the address is no path */
	const struct isle_buf *mounts;				       /* where a path may be; NULL: anywhere */
	const struct isle_buf *others; /* where everything else is mounted, each with a newline */
	bool nest;
};

static int take_socket(const struct isle_call *call)
{
	struct isle_peer peer;
	int r = isle_peer_look(call->tid, &peer);
	auto_fd int process = r < 0 ? -1 : isle_pidfd_open(peer.process);

	if (process < 0)
		return r < 0 ? r : process;
	int fd = (int)syscall(SYS_pidfd_getfd, process, (int)call->args[0], 0);
	return fd < 0 ? -errno : fd;
}

/* Its number in its own process namespace, 0 when that cannot be told. */
static uint32_t own_number(pid_t tid)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/status", (int)tid);
	if (isle_read_file(AT_FDCWD, name, &text, 1 << 16) < 0 || text.data == NULL)
		return 0;
	char *line = strstr(text.data, "\nNStgid:");
	if (line == NULL)
		return 0;
	line[1 + strcspn(line + 1, "\n")] = '\0';
	return (uint32_t)strtoul(strrchr(line, '\t'), NULL, 10);
}

/* -errno for the caller. */
static int read_address(const struct isle_call *call, bool host_net, struct work *w)
{
	size_t size = (size_t)(uint32_t)call->args[2];

	if (size > sizeof(w->address))
		return -EINVAL;
	int r = isle_peer_read(call->tid, call->args[1], &w->address, size);
	if (r < 0)
		return r;
	w->size = (socklen_t)size;
	/* The kernel would take the number of the process that calls. */
	if (w->address.any.sa_family == AF_NETLINK && w->address.nl.nl_pid == 0)
		w->address.nl.nl_pid = own_number(call->tid);
	if (size < sizeof(sa_family_t) || w->address.any.sa_family != AF_UNIX)
		return 0;
	bool abstract = size == sizeof(sa_family_t) || w->address.un.sun_path[0] == '\0';
	if (abstract)
		return host_net ? -EPERM : 0;
	if (size > sizeof(w->address.un))
		return -EINVAL;
	memcpy(w->path, w->address.un.sun_path, size - offsetof(struct sockaddr_un, sun_path));
	return 0;
}

/* The isle's overlays, and what is mounted in its own /dev: the fifth word is where. */
static bool is_own_line(const char *line, size_t length)
{
	const char *point = line;

	for (unsigned i = 0; i < 4 && point < line + length; i++)
		point += strcspn(point, " ") + 1;
	return memmem(line, length, " - overlay isle ", 16) != NULL || strncmp(point, "/dev/", 5) == 0;
}

/* As mountinfo writes it: blanks and the like as octal numbers. */
static void add_point(struct isle_buf *points, const char *line)
{
	for (unsigned i = 0; i < 4; i++)
		line += strcspn(line, " \n") + (line[strcspn(line, " \n")] == ' ');
	isle_buf_addf(points, "%.*s\n", (int)strcspn(line, " \n"), line);
}

static int sort_mounts(pid_t tid, struct isle_buf *ret_own, struct isle_buf *ret_others)
{
	auto_buf struct isle_buf all = ISLE_BUF_INIT;
	int r = isle_in_place_mounts(tid, &all);

	for (const char *line = all.data; r >= 0 && line != NULL && *line != '\0';) {
		size_t length = strcspn(line, "\n");

		if (is_own_line(line, length))
			isle_buf_addf(ret_own, "%.*s\n", (int)length, line);
		else
			add_point(ret_others, line);
		line += length + (line[length] == '\n');
	}
	if (r >= 0)
		r = isle_buf_error(ret_own);
	return r < 0 ? r : isle_buf_error(ret_others);
}

/* In the child. fds: its /proc/self/fd. True when all that is mounted below dir is the isle's, and stays so. */
static bool has_own_below(const struct work *w, int fds, int dir)
{
	char path[PATH_MAX], number[16];

	snprintf(number, sizeof(number), "%d", dir);
	ssize_t size = readlinkat(fds, number, path, sizeof(path) - 1);
	if (w->nest || size <= 0 || (size_t)size == sizeof(path) - 1 || path[0] != '/')
		return false;
	path[size] = '\0';
	if (path[strcspn(path, " \t\n\\")] != '\0') /* mountinfo writes it in another way */
		return false;
	size_t length = size == 1 ? 0 : (size_t)size; /* "/" */
	for (const char *point = w->others->data; point != NULL && *point != '\0'; point = strchr(point, '\n') + 1)
		if (strncmp(point, path, length) == 0 && point[length] == '/')
			return false;
	return true;
}

/* From here on this process can make sockets in and below dir only. */
static int confine(int dir)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK};
	auto_fd int ruleset = isle_landlock_create(&attr, sizeof(attr));
	int r = ruleset < 0 ? ruleset : isle_landlock_add_path(ruleset, dir, attr.handled_access_fs);

	if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? r : isle_landlock_restrict(ruleset);
}

static int bind_name(const struct work *w, int dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);

	memcpy(address.sun_path, name, strlen(name));
	return fchdir(dir) < 0 || bind(w->socket, (struct sockaddr *)&address, size) < 0 ? -errno : 0;
}

static int bind_as_given(const struct work *w)
{
	return bind(w->socket, &w->address.any, w->size) < 0 ? -errno : 0;
}

/* In the child. */
static int do_bind(const void *data)
{
	const struct work *w = data;
	auto_fd int fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char parent[sizeof(w->path)], last[sizeof(w->path)];
	int r = isle_in_place_enter(w->place, w->path[0] == '\0' ? NULL : w->path);

	if (r < 0 || w->path[0] == '\0' || w->mounts == NULL)
		return r < 0 ? r : bind_as_given(w);
	memcpy(parent, w->path, sizeof(w->path));
	memcpy(last, w->path, sizeof(w->path));
	auto_fd int dir = open(dirname(parent), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (!isle_in_place_has(w->mounts, dir))
		return -EPERM;
	return has_own_below(w, fds, dir) && confine(dir) >= 0 ? bind_as_given(w) : bind_name(w, dir, basename(last));
}

static int bind_for(struct isle_guide *guide, const struct isle_call *call)
{
	auto_in_place struct isle_in_place place = ISLE_IN_PLACE_INIT;
	auto_buf struct isle_buf mounts = ISLE_BUF_INIT;
	auto_buf struct isle_buf others = ISLE_BUF_INIT;
	struct work w = {.place = &place, .others = &others, .nest = (guide->options.filter & ISLE_FILTER_NEST) != 0};
	int r = read_address(call, guide->options.net == ISLE_NET_HOST, &w);

	if (r >= 0)
		r = isle_in_place_open(call, AT_FDCWD, &place);
	if (r >= 0 && guide->options.writes && w.path[0] != '\0') {
		r = sort_mounts(call->tid, &mounts, &others);
		w.mounts = &mounts;
	}
	if (r < 0)
		return r;
	auto_fd int socket = take_socket(call);
	w.socket = socket;
	if (socket < 0)
		return socket;
	return isle_guide_waits(guide, call) ? isle_in_place_run(guide, do_bind, &w) : -ESRCH;
}

int isle_bind_in_place(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	int r = bind_for(guide, call);

	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	return 0;
}
