/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket is taken out of the caller (pidfd_getfd(2)), so it is the one that is looked at.
 *
 * Where a path has to be looked at, its directory is opened, and the name is made in that very directory. So the
 * address that others see of the socket is the name alone. With the path that bind(2) was called with, the kernel would
 * walk it a second time, and a program that moves directories meanwhile could lead it to what is the host's (--write).
 */
#include "binds.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
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
	const struct isle_buf *mounts; /* of the isle, where a path may be; NULL: anywhere */
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

/* The isle's overlays, and what is mounted in its own /dev. */
static bool is_own_line(const char *root, const char *point, const char *line, size_t length)
{
	return memmem(line, length, " - overlay isle ", 16) != NULL ||
	       (strncmp(point, "/dev/", 5) == 0 && strncmp(root, "/ ", 2) == 0);
}

/* True if a directory lies on a file system of the isle's own. By device: a directory can be moved, and a mount be made
 * again elsewhere or seen from another root, but what is the host's has another device. */
static bool is_own(const struct isle_buf *mounts, int dir)
{
	struct statx st;
	char wanted[32];

	if (isle_statx(dir, "", &st) < 0)
		return false;
	snprintf(wanted, sizeof(wanted), "%u:%u ", st.stx_dev_major, st.stx_dev_minor);
	for (const char *line = mounts->data; line != NULL && *line != '\0';) {
		const char *words[5] = {line}; /* id, parent, device, root, where */
		size_t length = strcspn(line, "\n");

		for (unsigned i = 1; i < ARRAY_SIZE(words); i++)
			words[i] = words[i - 1] + strcspn(words[i - 1], " \n") + 1;
		if (words[4] < line + length && strncmp(words[2], wanted, strlen(wanted)) == 0 &&
		    is_own_line(words[3], words[4], line, length))
			return true;
		line += length + (line[length] == '\n');
	}
	return false;
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
	char parent[sizeof(w->path)], last[sizeof(w->path)];
	int r = isle_in_place_enter(w->place, w->path[0] == '\0' ? NULL : w->path);

	if (r < 0 || w->path[0] == '\0' || w->mounts == NULL)
		return r < 0 ? r : bind_as_given(w);
	if (w->path[strlen(w->path) - 1] == '/')
		return -ENOENT;
	memcpy(parent, w->path, sizeof(w->path));
	memcpy(last, w->path, sizeof(w->path));
	auto_fd int dir = open(dirname(parent), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	return is_own(w->mounts, dir) ? bind_name(w, dir, basename(last)) : -EPERM;
}

static int bind_for(struct isle_guide *guide, const struct isle_call *call)
{
	auto_in_place struct isle_in_place place = ISLE_IN_PLACE_INIT;
	auto_buf struct isle_buf mounts = ISLE_BUF_INIT;
	struct work w = {.place = &place};
	int r = read_address(call, guide->options.net == ISLE_NET_HOST, &w);

	if (r >= 0)
		r = isle_in_place_open(call, AT_FDCWD, &place);
	if (r >= 0 && guide->options.writes && w.path[0] != '\0') {
		r = isle_in_place_own_mounts(call->tid, &mounts);
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
