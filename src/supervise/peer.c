/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "io.h"
#include "proc_stat.h"

enum { PAGE = 4096, FIRST = 256, STRINGS_MAX = 64 };

/* A transfer that meets an unmapped page ends with the part before it: parts end where pages do. */
static ssize_t copy(pid_t tid, uint64_t address, void *buf, size_t size)
{
	size_t head = PAGE - address % PAGE;
	struct iovec local = {buf, size};
	struct iovec remote[2] = {{(void *)(uintptr_t)address, size}, {0}}; /* NOLINT(performance-no-int-to-ptr) */

	if (size > head) {
		remote[0].iov_len = head;
		remote[1].iov_base = (void *)(uintptr_t)(address + head); /* NOLINT(performance-no-int-to-ptr) */
		remote[1].iov_len = size - head;
	}
	ssize_t n = process_vm_readv(tid, &local, 1, remote, size > head ? 2 : 1, 0);
	return n < 0 ? -errno : n;
}

int isle_peer_string(pid_t tid, uint64_t address, char *buf, size_t room)
{
	size_t used = 0;

	while (used < room) {
		size_t want = used == 0 ? FIRST : PAGE;

		if (want > room - used)
			want = room - used;
		ssize_t n = copy(tid, address + used, buf + used, want);
		if (n <= 0)
			return n < 0 ? (int)n : -EFAULT;
		char *end = memchr(buf + used, '\0', (size_t)n);
		if (end != NULL)
			return (int)(end - buf);
		used += (size_t)n;
	}
	return -ENAMETOOLONG;
}

int isle_peer_string_in(int memory, pid_t tid, uint64_t address, char *buf, size_t room)
{
	if (memory >= 0 && room >= FIRST && address <= INT64_MAX) {
		ssize_t n = pread(memory, buf, FIRST, (off_t)address);
		const char *end = n <= 0 ? NULL : memchr(buf, '\0', (size_t)n);

		if (end != NULL)
			return (int)(end - buf);
	}
	return isle_peer_string(tid, address, buf, room); /* a long one, none, or the memory of before */
}

int isle_peer_read(pid_t tid, uint64_t address, void *buf, size_t size)
{
	ssize_t n = copy(tid, address, buf, size);

	return n < 0 ? (int)n : n == (ssize_t)size ? 0 : -EFAULT;
}

size_t isle_peer_strings(pid_t tid, uint64_t array, char *buf, size_t room)
{
	uint64_t pointers[STRINGS_MAX];
	size_t used = 0;
	ssize_t n = array == 0 ? 0 : copy(tid, array, pointers, sizeof(pointers));

	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(pointers[0]) && pointers[i] != 0; i++) {
		int length = isle_peer_string(tid, pointers[i], buf + used, room - used);

		if (length < 0)
			break;
		used += (size_t)length + 1;
	}
	return used;
}

int isle_peer_link(pid_t tid, const char *what, char *buf, size_t room)
{
	static const char deleted[] = " (deleted)";
	char name[48];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)tid, what);
	ssize_t n = readlinkat(AT_FDCWD, name, buf, room);
	if (n < 0)
		return -errno;
	if ((size_t)n == room)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	if (n > (ssize_t)sizeof(deleted) && strcmp(buf + n - (sizeof(deleted) - 1), deleted) == 0)
		return -ENOENT;
	return (int)n;
}

static long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

bool isle_peer_is_open(pid_t tid, int fd)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char name[48];

	snprintf(name, sizeof(name), "/proc/%d/fdinfo/%d", (int)tid, fd);
	if (isle_read_file(AT_FDCWD, name, &text, 4096) < 0 || text.data == NULL)
		return false;
	const char *flags = strstr(text.data, "flags:");
	return flags != NULL && (strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH) == 0;
}

int isle_peer_look(pid_t tid, struct isle_peer *ret_peer)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d/status", (int)tid);
	int r = isle_read_file(AT_FDCWD, name, &text, 16384);
	if (r < 0)
		return r;
	/* "Uid:\treal\teffective\t..." */
	const char *uids = strstr(text.data, "\nUid:\t");
	const char *effective = uids == NULL ? NULL : strchr(uids + 6, '\t');
	ret_peer->process = (pid_t)field(text.data, "\nTgid:\t");
	ret_peer->parent = (pid_t)field(text.data, "\nPPid:\t");
	ret_peer->uid = effective == NULL ? 0 : (uid_t)strtoul(effective, NULL, 10);
	return ret_peer->process > 0 && ret_peer->parent >= 0 ? 0 : -EPROTO;
}

int64_t isle_peer_cpu(pid_t process)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return -1;
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int32_t isle_peer_status(pid_t process)
{
	struct isle_proc_stat stat;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d", (int)process);
	return isle_proc_stat_read(AT_FDCWD, name, &stat) < 0 || stat.state != 'Z' ? -1 : stat.wait_status;
}
