/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket is taken out of the caller (pidfd_getfd(2)), so it is the one that is looked at. A path is split: its
 * directory is opened and looked at, and the name is made in that very directory.
 */
#include "binds.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

static int keep_own_mounts(pid_t tid, struct isle_buf *ret_text)
{
	auto_buf struct isle_buf all = ISLE_BUF_INIT;
	int r = isle_in_place_mounts(tid, &all);

	for (const char *line = all.data; r >= 0 && line != NULL && *line != '\0';) {
		size_t length = strcspn(line, "\n");

		if (is_own_line(line, length))
			isle_buf_addf(ret_text, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	return r < 0 ? r : isle_buf_error(ret_text);
}

/* In the child. */
static int do_bind(const void *data)
{
	const struct work *w = data;
	union address address = w->address;
	socklen_t size = w->size;
	int r = isle_in_place_enter(w->place, w->path[0] == '\0' ? NULL : w->path);

	if (r >= 0 && w->path[0] != '\0') {
		char copies[2][sizeof(w->path)];
		memcpy(copies[0], w->path, sizeof(w->path));
		memcpy(copies[1], w->path, sizeof(w->path));
		const char *name = basename(copies[1]);
		auto_fd int dir = open(dirname(copies[0]), O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return -errno;
		if (w->mounts != NULL && !isle_in_place_has(w->mounts, dir))
			return -EPERM;
		if (fchdir(dir) < 0)
			return -errno;
		memset(address.un.sun_path, 0, sizeof(address.un.sun_path));
		memcpy(address.un.sun_path, name, strlen(name));
		size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
	}
	return r < 0 ? r : bind(w->socket, &address.any, size) < 0 ? -errno : 0;
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
		r = keep_own_mounts(call->tid, &mounts);
		w.mounts = &mounts;
	}
	if (r < 0)
		return r;
	auto_fd int socket = take_socket(call);
	w.socket = socket;
	if (socket < 0)
		return socket;
	return isle_guide_waits(guide, call) ? isle_in_place_run(do_bind, &w) : -ESRCH;
}

int isle_bind_in_place(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	int r = bind_for(guide, call);

	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	return 0;
}
