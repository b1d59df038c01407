/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped calls that start or end programs.
 *
 * What the kernel itself opens to run a program cannot be trapped: the interpreter of a script, the loader that an ELF
 * file names (interpreter.h).
 *
 * The very first program is started by the leader, whose memory an ordinary user's supervisor may not read: its path is
 * found as execvp(3) does.
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "interpreter.h"
#include "kernel.h"
#include "path.h"
#include "peer.h"

enum { NESTED_MAX = 5, TEXT_MAX = 4096 };

static int note_program(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned nested,
			struct isle_sight *sight);

static int note_interpreter(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight,
			    unsigned nested)
{
	struct isle_sight interpreter;
	char path[PATH_MAX];
	auto_fd int fd = isle_walk(guide->root, sight->view + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || isle_interpreter_of(fd, path, sizeof(path)) <= 0)
		return 0; /* cannot be run either, or only by root */
	int r = isle_guide_path_in_directory(guide, call, path);
	if (r > 0)
		r = note_program(guide, call, guide->raw, nested + 1, &interpreter);
	return r >= 0 || isle_guide_is_missing(r) ? 0 : r;
}

/* Records that a program is run. -ENOENT and the like when there is none. */
static int note_program(struct isle_guide *guide, const struct isle_call *call, const char *raw, unsigned nested,
			struct isle_sight *sight)
{
	int r = isle_guide_look(guide, call, raw, 0, sight);

	if (r < 0)
		return r;
	r = isle_guide_read(guide, call, sight, S_ISREG(sight->mode) ? ISLE_READ_EXEC : ISLE_READ_LOOKUP);
	if (r < 0 || !S_ISREG(sight->mode))
		return r < 0 ? r : -ENOENT;
	return nested < NESTED_MAX ? note_interpreter(guide, call, sight, nested) : 0;
}

/* True if the program would run with the rights of its owner or group outside. */
static bool lends_rights(const struct isle_sight *sight)
{
	const mode_t group = S_ISGID | S_IXGRP;
	struct statvfs fs;

	/* What the isle of a user made belongs to that user. */
	if (!((sight->then.mode & S_ISUID) != 0 && sight->then.uid != geteuid()) &&
	    !((sight->then.mode & group) == group && sight->then.gid != getegid()))
		return false;
	return statvfs(sight->host, &fs) < 0 || (fs.f_flag & ST_NOSUID) == 0;
}

/* sudo and su say themselves that they cannot work, in words that do not name the isle. */
static int note_rights(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight)
{
	if (!guide->user || !lends_rights(sight))
		return 0;
	const struct isle_event event = {
		.type = ISLE_EVENT_REFUSED,
		.how = ISLE_REFUSER_VIEW,
		.path = sight->view,
		.other = "runs without the rights of its owner: nothing in an isle of a user is set-user-ID"};
	return isle_guide_refuse(guide, call, &event);
}

static int note_exec(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight,
		     const char *text, size_t text_size)
{
	struct isle_event event = {.type = ISLE_EVENT_EXEC, .path = sight->view, .text = text, .text_size = text_size};
	char directory[PATH_MAX];

	if ((sight->mode & 0111) == 0)
		return 0; /* EACCES */
	event.process = isle_guide_process(guide, call);
	if (isle_peer_link(call->tid, "cwd", directory, sizeof(directory)) < 0)
		snprintf(directory, sizeof(directory), "%s", guide->options.directory);
	event.other = directory;
	if (!isle_guide_waits(guide, call))
		return -ESRCH;
	int r = isle_events_add(guide->events, &event, NULL);
	return r < 0 ? r : note_rights(guide, call, sight);
}

static size_t join_arguments(char *const *argv, char *text, size_t room)
{
	size_t used = 0;

	for (; *argv != NULL && used + strlen(*argv) < room; argv++) {
		memcpy(text + used, *argv, strlen(*argv) + 1);
		used += strlen(*argv) + 1;
	}
	return used;
}

/* The first program: path and arguments are known, the leader looks for it as execvp(3) does. */
static int note_command(struct isle_guide *guide, const struct isle_call *call)
{
	const char *name = guide->options.argv[0];
	const char *list = strchr(name, '/') != NULL	 ? ""
			   : guide->options.path == NULL ? "/bin:/usr/bin"
							 : guide->options.path;
	struct isle_sight sight;
	char text[TEXT_MAX];
	char raw[2 * PATH_MAX];
	int r;

	guide->command = true;
	size_t size = join_arguments(guide->options.argv, text, sizeof(text));
	do {
		size_t length = strcspn(list, ":");
		const char *base = name[0] == '/' || (length > 0 && list[0] == '/') ? "" : guide->options.directory;

		snprintf(raw, sizeof(raw), "%s%s%.*s%s%s", base, *base == '\0' ? "" : "/", (int)length, list,
			 length > 0 ? "/" : "", name);
		auto_free char *absolute = isle_path_absolute(raw);
		if (absolute == NULL)
			return -ENOMEM;
		r = note_program(guide, call, absolute, 0, &sight);
		if (r >= 0)
			return note_exec(guide, call, &sight, text, size);
		list += length;
	} while (*list++ == ':');
	return isle_guide_is_missing(r) ? 0 : r;
}

int isle_handle_exec(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	bool at = call->notif.data.nr == SYS_execveat;
	uint64_t address = call->args[at ? 1 : 0];
	struct isle_sight sight;
	char text[TEXT_MAX];
	char first = '\0';

	(void)ret_verdict;
	isle_processes_run(&guide->processes, call->tid, guide->listener, call->notif.id);
	isle_guide_traffic_begins(guide, call);
	int r = isle_peer_read(call->tid, address, &first, 1);
	/* The leader's attempts on the way through $PATH; only the first one is looked at. */
	if (r == -EPERM && !guide->running)
		return guide->command ? 0 : note_command(guide, call);
	if (r < 0)
		return r;
	guide->running = true;
	int length = at && first == '\0' ? isle_guide_path_of_fd(guide, call, (int)call->args[0])
					 : isle_guide_path(guide, call, at ? (int)call->args[0] : AT_FDCWD, address);
	if (length <= 0)
		return length;
	r = note_program(guide, call, guide->raw, 0, &sight);
	if (r < 0)
		return isle_guide_is_missing(r) ? 0 : r;
	size_t size = isle_peer_strings(call->tid, call->args[at ? 2 : 1], text, sizeof(text));
	return note_exec(guide, call, &sight, text, size);
}

int isle_handle_exit(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct isle_process *p = isle_processes_get(&guide->processes, call->tid);

	(void)ret_verdict;
	if (p != NULL && p->number == 1)
		isle_guide_traffic_ends(guide, call);
	isle_processes_leave(&guide->processes, call->tid, (int32_t)(call->args[0] & 0xff) << 8);
	return 0;
}

int isle_handle_chroot(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	(void)call;
	(void)ret_verdict;
	guide->chroots = true;
	return 0;
}

/* Names lead elsewhere from then on, in the caller's namespace or in those that it hands its mounts to. */
int isle_handle_mount(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	(void)ret_verdict;
	isle_guide_renamed(guide, call);
	return 0;
}
