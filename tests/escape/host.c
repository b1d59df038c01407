/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs on the host: its processes, sockets, shared memory and keyrings. Signals are SIGURG, which nobody minds but
 * the process that escape.sh has put there to notice.
 */
#include "escape.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* ESCAPE_PID: a process of the host, of the same user. */
static pid_t host_pid(void)
{
	return host("ESCAPE_PID") ? (pid_t)strtol(host("ESCAPE_PID"), NULL, 10) : -1;
}

/* The numbers of processes inside are small: the host's is not among them, unless by chance. */
static int try_signal(void)
{
	pid_t pid = host_pid();

	return pid <= 1 ? UNTRIED : refused(kill(pid, SIGURG), ESRCH, 0);
}

/* Reaches all but pid 1 and itself. */
static int try_signal_all(void)
{
	signal(SIGURG, SIG_IGN);
	kill(-1, SIGURG);
	return REFUSED;
}

static int try_trace(void)
{
	pid_t pid = host_pid();

	return pid <= 1 ? UNTRIED : refused(ptrace(PTRACE_SEIZE, pid, NULL, NULL), ESRCH, EPERM);
}

static int try_pidfd(void)
{
	pid_t pid = host_pid();

	return pid <= 1 ? UNTRIED : refused(syscall(SYS_pidfd_open, pid, 0), ESRCH, 0);
}

static int try_see(void)
{
	char path[64];

	if (host_pid() <= 1)
		return UNTRIED;
	snprintf(path, sizeof(path), "/proc/%d", (int)host_pid());
	return access(path, F_OK) == 0 ? ESCAPED : REFUSED;
}

static int connect_unix(const char *name, int abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || length + 2 > sizeof(address.sun_path))
		return UNTRIED;
	memcpy(address.sun_path + abstract, name, length);
	length += offsetof(struct sockaddr_un, sun_path) + 1;
	return connect(fd, (struct sockaddr *)&address, (socklen_t)length) == 0 ? ESCAPED : REFUSED;
}

/* ESCAPE_SOCKET: a socket of the host with a path. It can be seen, and cannot be reached. */
static int try_unix(void)
{
	const char *name = host("ESCAPE_SOCKET");
	struct stat st;

	if (!name || stat(name, &st) < 0 || !S_ISSOCK(st.st_mode))
		return UNTRIED;
	return connect_unix(name, 0);
}

static int try_abstract(void)
{
	return host("ESCAPE_ABSTRACT") ? connect_unix(host("ESCAPE_ABSTRACT"), 1) : UNTRIED;
}

/* ESCAPE_PORT on the host's loopback, tried at all of ESCAPE_ADDRESSES, separated by blanks. */
static int try_loopback(void)
{
	char list[4096], *rest = list, *word;
	int port = host("ESCAPE_PORT") ? (int)strtol(host("ESCAPE_PORT"), NULL, 10) : 0;
	int outcome = REFUSED;

	if (!port || !host("ESCAPE_ADDRESSES"))
		return UNTRIED;
	snprintf(list, sizeof(list), "%s", host("ESCAPE_ADDRESSES"));
	while ((word = strsep(&rest, " "))) {
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		struct timeval limit = {2, 0};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (inet_pton(AF_INET, word, &address.sin_addr) != 1 || fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			tell("%s", word);
			outcome = ESCAPED;
		}
		close(fd);
	}
	return outcome;
}

/* ESCAPE_SHM: a name in the host's /dev/shm. */
static int try_dev_shm(void)
{
	char path[300];

	if (!host("ESCAPE_SHM"))
		return UNTRIED;
	snprintf(path, sizeof(path), "/dev/shm/%s", host("ESCAPE_SHM"));
	return access(path, F_OK) == 0 ? ESCAPED : REFUSED;
}

/* ESCAPE_SHMID, ESCAPE_SHMKEY: System V shared memory of the host. */
static int try_sysv(void)
{
	struct shmid_ds ds;

	if (!host("ESCAPE_SHMID") || !host("ESCAPE_SHMKEY"))
		return UNTRIED;
	if (shmctl((int)strtol(host("ESCAPE_SHMID"), NULL, 10), IPC_STAT, &ds) == 0)
		return ESCAPED;
	return shmget((key_t)strtol(host("ESCAPE_SHMKEY"), NULL, 10), 0, 0) >= 0 ? ESCAPED : REFUSED;
}

static int try_key(void)
{
	return refused(syscall(SYS_add_key, "user", "isle-escape", "x", 1, -4 /* user keyring */), ENOSYS, EPERM);
}

static int try_keyring(void)
{
	return refused(syscall(SYS_keyctl, 0, -4, 0), ENOSYS, EPERM);
}

/* Terminals of the host are not in the isle's /dev/pts. One may be: that of CMD. */
static int try_terminals(void)
{
	DIR *pts = opendir("/dev/pts");
	struct dirent *entry;
	int count = 0;

	if (!pts)
		return UNTRIED;
	while ((entry = readdir(pts)))
		count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	closedir(pts);
	if (count > 1)
		tell("%d terminals", count);
	return count > 1 ? ESCAPED : REFUSED;
}

/* The name is the isle's own: setting it must not show on the host; escape.sh looks. */
static int try_host_name(void)
{
	if (sethostname("escaped", 7) < 0)
		return refused(-1, EPERM, 0);
	return REFUSED;
}

static const struct attempt list[] = {
	{"signal", try_signal},
	{"signal-all", try_signal_all},
	{"trace", try_trace},
	{"pidfd", try_pidfd},
	{"see", try_see},
	{"unix", try_unix},
	{"abstract", try_abstract},
	{"loopback", try_loopback},
	{"dev-shm", try_dev_shm},
	{"sysv", try_sysv},
	{"key", try_key},
	{"keyring", try_keyring},
	{"terminals", try_terminals},
	{"host-name", try_host_name},
};

const struct attempts attempts_host = {list, ARRAY_SIZE(list)};
