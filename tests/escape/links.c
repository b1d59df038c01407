/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files reached without a path of the view: descriptors that were left open, and the links of /proc that lead to what a
 * process has open rather than to a name (CVE-2019-5736, CVE-2024-21626).
 */
#include "escape.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_inherited(void)
{
	int outcome = REFUSED;
	struct stat st;

	for (int fd = 3; fd < 4096; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		tell("descriptor %d, mode %o", fd, st.st_mode);
		outcome = ESCAPED;
	}
	return outcome;
}

/* The program of isle itself: pid 1 and whatever else was not started from inside. */
static int change_program(const char *exe)
{
	char target[256] = "";
	int fd;

	if (readlink(exe, target, sizeof(target) - 1) < 0)
		return REFUSED;
	fd = open(exe, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 || (errno != ETXTBSY && errno != EACCES && errno != EPERM && errno != EROFS)) {
		tell("%s -> %s can be opened for writing: %d", exe, target, fd < 0 ? errno : 0);
		return ESCAPED;
	}
	if (strncmp(target, "/memfd:", 7) == 0)
		return REFUSED; /* a copy of its own */
	if (chmod(exe, 0777) == 0 || utimensat(AT_FDCWD, exe, NULL, 0) == 0 || chown(exe, getuid(), getgid()) == 0) {
		tell("%s -> %s: metadata can be changed", exe, target);
		return ESCAPED;
	}
	return REFUSED;
}

static int try_init_program(void)
{
	return change_program("/proc/1/exe");
}

/* ESCAPE_PROGRAM: the isle binary, under any process. */
static int try_any_program(void)
{
	const char *program = host("ESCAPE_PROGRAM");
	DIR *proc = opendir("/proc");
	int outcome = REFUSED;
	struct dirent *entry;

	if (!proc || !program)
		return UNTRIED;
	while ((entry = readdir(proc))) {
		char exe[300], target[4200] = "";

		snprintf(exe, sizeof(exe), "/proc/%s/exe", entry->d_name);
		if (readlink(exe, target, sizeof(target) - 1) < 0)
			continue;
		if (strncmp(target, program, strlen(program)) == 0 && change_program(exe) == ESCAPED)
			outcome = ESCAPED;
	}
	closedir(proc);
	return outcome;
}

/* Does this link lead to another place than the name that the view has for it? */
static int try_directory_link(const char *link)
{
	char target[4200] = "";
	struct stat through, by_name;

	if (stat(link, &through) < 0 || readlink(link, target, sizeof(target) - 1) < 0)
		return REFUSED;
	if (stat(target, &by_name) == 0 && through.st_dev == by_name.st_dev && through.st_ino == by_name.st_ino)
		return REFUSED;
	tell("%s -> %s", link, target);
	return ESCAPED;
}

static int try_init_root(void)
{
	return try_directory_link("/proc/1/root");
}

static int try_init_cwd(void)
{
	return try_directory_link("/proc/1/cwd");
}

static int try_init_descriptors(void)
{
	DIR *fds = opendir("/proc/1/fd");
	int outcome = REFUSED;
	struct dirent *entry;

	if (!fds)
		return REFUSED;
	while ((entry = readdir(fds))) {
		char link[300];
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(link, sizeof(link), "/proc/1/fd/%s", entry->d_name);
		if (stat(link, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && try_directory_link(link) == ESCAPED)
			outcome = ESCAPED;
		if (S_ISREG(st.st_mode) && (open(link, O_RDONLY) >= 0 || open(link, O_WRONLY) >= 0)) {
			tell("%s is a file", link);
			outcome = ESCAPED;
		}
	}
	closedir(fds);
	return outcome;
}

static int try_init_steal(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
	int outcome = REFUSED;

	if (pidfd < 0)
		return REFUSED;
	for (int fd = 0; fd < 256; fd++) {
		if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) < 0)
			continue;
		tell("descriptor %d of pid 1", fd);
		outcome = ESCAPED;
	}
	return outcome;
}

static int try_init_trace(void)
{
	if (ptrace(PTRACE_SEIZE, 1, NULL, NULL) < 0)
		return REFUSED;
	ptrace(PTRACE_DETACH, 1, NULL, NULL);
	return ESCAPED;
}

static int try_init_memory(void)
{
	uint64_t word;
	struct iovec local = {&word, sizeof(word)};
	struct iovec remote = {(void *)0x400000, sizeof(word)};

	if (open("/proc/1/mem", O_RDWR) >= 0)
		return ESCAPED;
	errno = 0;
	if (process_vm_readv(1, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return ESCAPED;
	return REFUSED;
}

/* All the ancestors and their siblings: who started CMD must not be a tool either. */
static int try_leader_trace(void)
{
	pid_t leader = getsid(0);
	char link[64];

	if (leader <= 1 || leader == getpid())
		return REFUSED;
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)leader);
	return change_program(link);
}

/* Standard input is ESCAPE_FILE, opened for reading only. */
static int reopen_stdin(int flags)
{
	return open("/proc/self/fd/0", flags | O_CLOEXEC);
}

static int is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

static int try_stdin_write(void)
{
	if (!is_regular(0))
		return ABSENT;
	return refused(reopen_stdin(O_WRONLY), EACCES, EROFS);
}

static int try_stdin_truncate(void)
{
	if (!is_regular(0))
		return ABSENT;
	return refused(truncate("/proc/self/fd/0", 0), EACCES, EROFS) ||
	       refused(reopen_stdin(O_RDONLY | O_TRUNC), EACCES, EROFS);
}

/* Standard input is a directory of the host. */
static int try_stdin_directory(void)
{
	struct stat st;
	int fd;

	if (fstat(0, &st) < 0 || !S_ISDIR(st.st_mode))
		return ABSENT;
	fd = openat(0, "escaped", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 || mkdirat(0, "escaped-directory", 0700) == 0 || unlinkat(0, "file", 0) == 0)
		return ESCAPED;
	return REFUSED;
}

/* What must go on working: standard output can be opened again. */
static int try_stdout_reopen(void)
{
	int fd = open("/dev/stdout", O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0) {
		tell("/dev/stdout cannot be opened: %s", strerror(errno));
		return UNTRIED;
	}
	return close(fd) == 0 ? REFUSED : UNTRIED;
}

/* ESCAPE_HANDLE, of a file of the host. */
static int try_handle(void)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char data[128];
	} handle = {0};
	const char *text = host("ESCAPE_HANDLE");
	char *hex = text ? strchr(text, ':') : NULL;
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned byte;

	if (!hex || root < 0)
		return UNTRIED;
	handle.type = (int)strtol(text, NULL, 10);
	for (hex++; sscanf(hex, "%2x", &byte) == 1 && handle.bytes < sizeof(handle.data); hex += 2)
		handle.data[handle.bytes++] = (unsigned char)byte;
	return refused(syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY), EPERM, 0);
}

/* A script whose interpreter is "the program that executes it": at that moment the leader, which is isle. */
static int try_exe_script(void)
{
	static const char text[] = "#!/proc/self/exe\n";
	char path[4200];
	int fd = scratch(path, sizeof(path));
	int status;
	pid_t pid;

	if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || fchmod(fd, 0700) < 0 || close(fd) < 0)
		return UNTRIED;
	pid = fork();
	if (pid == 0) {
		execl(path, path, "--handle", (char *)NULL);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return UNTRIED;
	unlink(path);
	return try_any_program();
}

static const struct attempt list[] = {
	{"inherited", try_inherited},
	{"init-program", try_init_program},
	{"any-program", try_any_program},
	{"exe-script", try_exe_script},
	{"init-root", try_init_root},
	{"init-cwd", try_init_cwd},
	{"init-descriptors", try_init_descriptors},
	{"init-steal", try_init_steal},
	{"init-trace", try_init_trace},
	{"init-memory", try_init_memory},
	{"leader-program", try_leader_trace},
	{"stdin-write", try_stdin_write},
	{"stdin-truncate", try_stdin_truncate},
	{"stdin-directory", try_stdin_directory},
	{"stdout-reopen", try_stdout_reopen},
	{"handle", try_handle},
};

const struct attempts attempts_links = {list, ARRAY_SIZE(list)};
