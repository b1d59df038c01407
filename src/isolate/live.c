/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "run.h"

/* A symbolic link holds a word as well as a file does, and is made in one step. */
static const char network_name[] = "network";

static pid_t read_pid(const struct isle *isle, const char *name)
{
	char text[16];
	ssize_t n = readlinkat(isle->dir, name, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
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

int isle_live_note_network(const struct isle *isle, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return symlinkat(text, isle->dir, network_name) < 0 ? -errno : 0;
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
	isle_ignore(kill(pid, SIGCONT)); /* one that is stopped would not see it */
}

bool isle_is_mounted(const struct isle *isle)
{
	auto_fd int fd = isle_live_connect(isle);

	return fd >= 0;
}
