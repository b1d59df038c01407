/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the arguments of a call to an absolute path, as text. What a process calls its current directory, its
 * descriptors and its /proc is asked of the host's /proc, which shows paths of the view.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

enum { MAGIC_MAX = 8 };

struct waiting {
	const struct isle_guide *guide;
	const struct isle_call *call;
};

/* Appends path to the text of `length` bytes, leaving out empty and "." components. The new length. */
static size_t append(char *text, size_t length, const char *path)
{
	while (*path != '\0') {
		const char *slash = strchrnul(path, '/');
		size_t size = (size_t)(slash - path);

		if (size > 0 && !(size == 1 && path[0] == '.')) {
			text[length++] = '/';
			memmove(text + length, path, size);
			length += size;
		}
		path = *slash == '\0' ? slash : slash + 1;
	}
	text[length] = '\0';
	return length;
}

/* The current directory as text at the start of guide->raw: its length, "" for the root. */
static int start_at_cwd(struct isle_guide *guide, const struct isle_call *call)
{
	struct isle_process *p = isle_processes_get(&guide->processes, call->tid);

	if (p != NULL && isle_processes_has_directory(&guide->processes, p)) {
		memcpy(guide->raw, p->directory, p->directory_length + 1);
		return (int)p->directory_length;
	}
	int length = isle_peer_link(call->tid, "cwd", guide->raw, PATH_MAX);
	if (length < 0 || guide->raw[0] != '/')
		return length < 0 ? length : -ENOENT;
	length = length == 1 ? 0 : length;
	guide->raw[length] = '\0';
	if (p != NULL)
		isle_processes_set_directory(&guide->processes, p, guide->raw, (size_t)length);
	return length;
}

static int start_at_fd(struct isle_guide *guide, const struct isle_call *call, int fd)
{
	char name[24];

	snprintf(name, sizeof(name), "fd/%d", fd);
	int length = isle_peer_link(call->tid, name, guide->raw, PATH_MAX);
	if (length < 0 || guide->raw[0] != '/')
		return length < 0 ? length : -ENOENT;
	return length == 1 ? 0 : length;
}

static int start_at(struct isle_guide *guide, const struct isle_call *call, int dirfd)
{
	guide->start = dirfd;
	return dirfd == AT_FDCWD ? start_at_cwd(guide, call) : start_at_fd(guide, call, dirfd);
}

int isle_guide_open_start(const struct isle_guide *guide, const struct isle_call *call)
{
	char name[48];

	if (guide->start == AT_FDCWD)
		snprintf(name, sizeof(name), "/proc/%d/cwd", (int)call->tid);
	else
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)call->tid, guide->start);
	int fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A process that changed its root directory means that one by "/". */
static int find_scope(struct isle_guide *guide, const struct isle_call *call)
{
	guide->scope[0] = '\0';
	if (!guide->chroots && guide->events != NULL) /* without a record chroot(2) is not trapped */
		return 0;
	int length = isle_peer_link(call->tid, "root", guide->scope, sizeof(guide->scope));
	if (length <= 1)
		guide->scope[0] = '\0';
	return length < 0 ? length : 0;
}

/* "fd/3/rest", "cwd/rest": the name of the link that leads on, in a process's directory of /proc; *ret_rest is what
 * follows. False when it is nothing that leads out of /proc. */
static bool is_magic(const char *text, char *name, size_t room, const char **ret_rest)
{
	size_t digits = strncmp(text, "fd/", 3) == 0 ? strspn(text + 3, "0123456789") : 0;
	size_t length = digits > 0 ? 3 + digits : strcspn(text, "/");

	if (strncmp(text, "task/", 5) == 0) {
		text = strchrnul(text + 5, '/');
		return *text == '/' && is_magic(text + 1, name, room, ret_rest);
	}
	snprintf(name, room, "%.*s", (int)length, text);
	*ret_rest = text + length;
	return digits > 0 || strcmp(name, "cwd") == 0 || strcmp(name, "root") == 0 || strcmp(name, "exe") == 0;
}

/* Where the magic link at the start of raw leads. 1: target is filled in; 0: it is none; -errno. */
static int read_magic(const struct isle_guide *guide, const struct isle_call *call, const char *raw, char *target,
		      size_t room, const char **ret_rest)
{
	static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	char link[PATH_MAX];
	char name[40];
	size_t digits;

	for (int fd = 0; fd < 3; fd++) {
		if (strcmp(raw, standard[fd]) != 0)
			continue;
		snprintf(name, sizeof(name), "fd/%d", fd);
		*ret_rest = "";
		return isle_peer_link(call->tid, name, target, room);
	}
	if (strncmp(raw, "/dev/fd/", 8) == 0)
		return is_magic(raw + 5, name, sizeof(name), ret_rest) ? isle_peer_link(call->tid, name, target, room)
								       : 0;
	if (strncmp(raw, "/proc/self/", 11) == 0 || strncmp(raw, "/proc/thread-self/", 18) == 0)
		return is_magic(strchr(raw + 6, '/') + 1, name, sizeof(name), ret_rest)
			       ? isle_peer_link(call->tid, name, target, room)
			       : 0;
	digits = strncmp(raw, "/proc/", 6) == 0 ? strspn(raw + 6, "0123456789") : 0;
	if (digits == 0 || raw[6 + digits] != '/' || !is_magic(raw + 7 + digits, name, sizeof(name), ret_rest))
		return 0;
	snprintf(link, sizeof(link), "%.*s%s", (int)(6 + digits), raw + 1, name);
	ssize_t n = readlinkat(guide->nested >= 0 ? guide->nested : guide->root, link, target, room - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return 1;
}

/* Replaces a magic link of /proc at the start of guide->raw by what it stands for. The new length; 0: nothing of a
 * host. */
static int through_magic(struct isle_guide *guide, const struct isle_call *call, size_t length)
{
	char target[2 * PATH_MAX];
	const char *rest;

	for (unsigned i = 0; i < MAGIC_MAX; i++) {
		if (strncmp(guide->raw, "/proc/", 6) != 0 && strncmp(guide->raw, "/dev/", 5) != 0)
			return (int)length;
		if (strstr(guide->raw, "/../") != NULL || (length > 3 && strcmp(guide->raw + length - 3, "/..") == 0))
			return (int)length; /* step by step, later */
		int r = read_magic(guide, call, guide->raw, target, PATH_MAX, &rest);
		if (r <= 0 || target[0] != '/')
			return 0; /* a pipe, a deleted file, a file of /proc itself */
		size_t used = strlen(target);
		snprintf(target + used, sizeof(target) - used, "%s", rest);
		length = append(guide->raw, 0, target);
		guide->start_length = 0;
	}
	return 0;
}

int isle_guide_magic(const struct isle_guide *guide, const struct isle_call *call, const char *path, char *target,
		     size_t room)
{
	const char *rest = path;
	int r = read_magic(guide, call, path, target, room, &rest);

	return r <= 0 ? r : *rest == '\0' ? 1 : 0;
}

/* "dir/", "link/.": what the last component leads to is a directory, and links are followed to it. */
static bool ends_in_slash(const char *path, size_t length)
{
	return path[length - 1] == '/' || (length >= 2 && path[length - 1] == '.' && path[length - 2] == '/');
}

static int fill_in(struct isle_guide *guide, const struct isle_call *call, int dirfd, const char *path, bool in_root)
{
	int start;

	guide->slash = ends_in_slash(path, strlen(path));
	guide->start_length = 0;
	start = find_scope(guide, call);
	if (start < 0)
		return start;
	if (path[0] == '/' && !in_root) {
		start = (int)strlen(guide->scope);
		memcpy(guide->raw, guide->scope, (size_t)start + 1);
	} else {
		start = start_at(guide, call, dirfd);
		if (start < 0)
			guide->raw[0] = '\0';
		if (start == -ENAMETOOLONG)
			return isle_guide_beyond(guide, call);
		if (start < 0)
			return 0; /* no such descriptor, a deleted directory: nothing will be found there */
		guide->start_length = (size_t)start;
	}
	if (in_root && start >= 0)
		snprintf(guide->scope, sizeof(guide->scope), "%.*s", start, guide->raw);
	size_t total = append(guide->raw, (size_t)start, path);
	if (total == 0) {
		guide->raw[total++] = '/';
		guide->raw[total] = '\0';
	}
	return through_magic(guide, call, total);
}

int isle_guide_path_text(struct isle_guide *guide, const struct isle_call *call, int dirfd, const char *path)
{
	return fill_in(guide, call, dirfd, path, false);
}

static bool waits(void *data)
{
	const struct waiting *w = data;

	return isle_guide_waits(w->guide, w->call);
}

static int copy_and_fill_in(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address,
			    bool in_root)
{
	char path[PATH_MAX];
	struct waiting w = {guide, call};
	int memory = isle_processes_memory(&guide->processes, call->tid, waits, &w);
	int length = isle_peer_string_in(memory, call->tid, address, path, sizeof(path));

	if (length <= 0)
		return length < 0 ? length : -ENOENT;
	return fill_in(guide, call, dirfd, path, in_root);
}

int isle_guide_path(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address)
{
	return copy_and_fill_in(guide, call, dirfd, address, false);
}

int isle_guide_path_in_root(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address)
{
	return copy_and_fill_in(guide, call, dirfd, address, true);
}

int isle_guide_path_of_fd(struct isle_guide *guide, const struct isle_call *call, int fd)
{
	int length = start_at(guide, call, fd);

	guide->slash = false;
	guide->scope[0] = '\0';
	guide->start_length = 0;
	if (length < 0)
		return length == -ENAMETOOLONG ? isle_guide_beyond(guide, call) : 0;
	if (length == 0) {
		guide->raw[length++] = '/';
		guide->raw[length] = '\0';
	}
	return through_magic(guide, call, (size_t)length);
}

int isle_guide_path_in_directory(struct isle_guide *guide, const struct isle_call *call, const char *path)
{
	int r = find_scope(guide, call);
	int start = r < 0 ? r : path[0] == '/' ? (int)strlen(guide->scope) : start_at(guide, call, AT_FDCWD);

	guide->slash = false;
	guide->start_length = 0;
	if (start < 0)
		return start == -ENAMETOOLONG ? isle_guide_beyond(guide, call) : start;
	if (path[0] == '/')
		memcpy(guide->raw, guide->scope, (size_t)start + 1);
	return (int)append(guide->raw, (size_t)start, path);
}
