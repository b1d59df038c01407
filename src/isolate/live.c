/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io.h"
#include "keeper.h"
#include "kernel.h"
#include "run.h"

/* Symbolic links hold a word as well as files do, and are made in one step. */
static const char network_name[] = "network";
static const char init_name[] = "init";

enum { KEEPER_SIZE = 12, KEEPER_PATIENCE_MS = 2000 };

static int note_pid(const struct isle *isle, const char *name, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return symlinkat(text, isle->dir, name) < 0 ? -errno : 0;
}

static pid_t read_pid(const struct isle *isle, const char *name)
{
	char text[16];
	ssize_t n = readlinkat(isle->dir, name, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

int isle_live_note_keeper(int lock)
{
	char text[KEEPER_SIZE + 1];
	int size = snprintf(text, sizeof(text), "%*d\n", KEEPER_SIZE - 1, (int)getpid());

	return pwrite(lock, text, (size_t)size, 0) == size ? 0 : -EIO;
}

/* The number may have gone to another process since. */
static bool is_keeper(pid_t pid)
{
	auto_buf struct isle_buf name = ISLE_BUF_INIT;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return isle_read_file(AT_FDCWD, path, &name, 64) >= 0 && name.data != NULL &&
	       strcmp(name.data, ISLE_KEEPER_COMM "\n") == 0;
}

void isle_live_await_keeper(int lock)
{
	char text[KEEPER_SIZE + 1] = "";
	pid_t pid = pread(lock, text, KEEPER_SIZE, 0) <= 0 ? 0 : (pid_t)strtol(text, NULL, 10);
	auto_fd int process = pid <= 0 ? -1 : isle_pidfd_open(pid);
	struct pollfd wait = {.fd = process, .events = POLLIN};

	if (process >= 0 && is_keeper(pid))
		isle_ignore(poll(&wait, 1, KEEPER_PATIENCE_MS));
}

int isle_live_listen(const struct isle *isle)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "live.sock"};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || fchdir(isle->dir) < 0 || (unlinkat(isle->dir, "live.sock", 0) < 0 && errno != ENOENT))
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return -errno;
	return fd_take(&fd);
}

int isle_live_connect(const struct isle *isle)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/live.sock", isle->dir);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fd_take(&fd);
}

int isle_live_note_init(const struct isle *isle, pid_t pid)
{
	isle_ignore(unlinkat(isle->dir, init_name, 0));
	return note_pid(isle, init_name, pid);
}

pid_t isle_live_init(const struct isle *isle)
{
	return read_pid(isle, init_name);
}

int isle_live_note_network(const struct isle *isle, pid_t pid)
{
	return note_pid(isle, network_name, pid);
}

bool isle_live_has_network(const struct isle *isle)
{
	return read_pid(isle, network_name) > 0;
}

void isle_live_end_network(const struct isle *isle)
{
	pid_t pid = read_pid(isle, network_name);

	if (pid <= 1)
		return;
	isle_ignore(unlinkat(isle->dir, network_name, 0));
	isle_ignore(kill(pid, SIGTERM));
}

bool isle_is_mounted(const struct isle *isle)
{
	auto_fd int fd = isle_live_connect(isle);

	return fd >= 0;
}
