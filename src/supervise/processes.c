/* SPDX-License-Identifier: Apache-2.0 */
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "kernel.h"
#include "listener.h"
#include "peer.h"

/* SPARE_FILES: for looking at paths, upper directories, the log, memory. MANY_CALLS: so many that opening is worth it.
 */
enum { FIRST_ROOM = 64, SPARE_FILES = 36, DEPTH_MAX = 64, ENDS_AT_ONCE = 32, MANY_CALLS = 16 };

/* struct pidfd_info of <linux/pidfd.h>: ids since Linux 6.13, the exit code since 6.15. */
struct pidfd_info_v0 {
	uint64_t mask, cgroup;
	uint32_t pid, process, parent;
	uint32_t uid, gid, effective_uid, effective_gid;
	uint32_t others[4];
	int32_t exit_code;
};
#define GET_INFO  _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_IDS  (UINT64_C(1) << 0 | UINT64_C(1) << 1)
#define INFO_EXIT (UINT64_C(1) << 3)

static struct isle_process *slot(struct isle_process *list, size_t room, pid_t pid)
{
	size_t i = (size_t)pid * 2654435761U & (room - 1);

	while (list[i].pid != 0 && list[i].pid != pid)
		i = (i + 1) & (room - 1);
	return &list[i];
}

/* One descriptor for each process that lives; what CMD gets was asked for before. */
static size_t limit_of_processes(int lowest_free)
{
	struct rlimit files;
	size_t used = (size_t)lowest_free + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	files.rlim_cur = files.rlim_max;
	isle_ignore(setrlimit(RLIMIT_NOFILE, &files));
	return files.rlim_max > used ? files.rlim_max - used : 0;
}

int isle_processes_init(struct isle_processes *processes, struct isle_events *events)
{
	*processes = ISLE_PROCESSES_INIT;
	processes->events = events;
	processes->ends = epoll_create1(EPOLL_CLOEXEC);
	processes->list = calloc(FIRST_ROOM, sizeof(*processes->list));
	if (processes->ends < 0 || processes->list == NULL)
		return processes->ends < 0 ? -errno : -ENOMEM;
	processes->room = FIRST_ROOM;
	processes->limit = limit_of_processes(processes->ends);
	return 0;
}

void isle_processes_done(struct isle_processes *processes)
{
	for (size_t i = 0; i < processes->room; i++) {
		struct isle_process *p = &processes->list[i];

		if (p->pid == 0)
			continue;
		close(p->pidfd);
		isle_cleanup_fd(&p->memory);
		free(p->directory);
	}
	free(processes->list);
	isle_cleanup_fd(&processes->ends);
	*processes = ISLE_PROCESSES_INIT;
}

static int grow(struct isle_processes *processes)
{
	size_t room = processes->room * 2;
	struct isle_process *list = calloc(room, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < processes->room; i++)
		if (processes->list[i].pid != 0)
			*slot(list, room, processes->list[i].pid) = processes->list[i];
	free(processes->list);
	processes->list = list;
	processes->room = room;
	return 0;
}

/* A descriptor of /proc/PID/mem goes on showing the memory of the program that ran when it was opened. Of whom only the
 * main thread runs programs, it is closed when that is about to, and opened when that calls again. Another thread
 * takes over the main thread's number while that may be calling: such a process is read as one that is not known. */
static void forget_memory(struct isle_process *process)
{
	isle_cleanup_fd(&process->memory);
	process->memory = -1;
	process->calls = 0;
}

/* Open addressing: what was pushed on by the one that goes moves up. */
static void remove_slot(struct isle_processes *processes, struct isle_process *process)
{
	size_t room = processes->room;
	size_t i = (size_t)(process - processes->list);

	free(process->directory);
	processes->list[i] = (struct isle_process){0};
	processes->count--;
	for (size_t k = (i + 1) & (room - 1); processes->list[k].pid != 0; k = (k + 1) & (room - 1)) {
		struct isle_process moved = processes->list[k];

		processes->list[k] = (struct isle_process){0};
		*slot(processes->list, room, moved.pid) = moved;
	}
}

/* Its end. What /proc says counts while it has not been reaped: then its number can be another's. After that the pidfd
 * knows, since Linux 6.15. */
static void look_at_end(struct isle_process *process)
{
	struct pidfd_info_v0 info = {.mask = INFO_EXIT};
	int64_t cpu = isle_peer_cpu(process->pid);
	int32_t status = process->leaving ? process->status : isle_peer_status(process->pid);

	if (isle_pidfd_send_signal(process->pidfd, 0) == 0) {
		process->cpu_us = cpu;
		process->status = status;
	} else if (!process->leaving && ioctl(process->pidfd, GET_INFO, &info) == 0 && (info.mask & INFO_EXIT) != 0) {
		process->status = info.exit_code;
	}
}

static void end(struct isle_processes *processes, struct isle_process *process)
{
	struct isle_event event = {.type = ISLE_EVENT_EXIT, .process = process->number};

	look_at_end(process);
	event.end.cpu_us = process->cpu_us;
	event.end.status = process->status;
	isle_ignore(isle_events_add(processes->events, &event, NULL));
	close(process->pidfd); /* leaves the epoll set with it */
	forget_memory(process);
	remove_slot(processes, process);
}

static bool has_ended(const struct isle_process *process)
{
	struct pollfd end = {.fd = process->pidfd, .events = POLLIN};

	return poll(&end, 1, 0) != 0;
}

static struct isle_process *find_slot(const struct isle_processes *processes, pid_t pid)
{
	struct isle_process *found = pid <= 0 || processes->room == 0 ? NULL
								      : slot(processes->list, processes->room, pid);

	return found == NULL || found->pid == 0 ? NULL : found;
}

struct isle_process *isle_processes_get(struct isle_processes *processes, pid_t pid)
{
	struct isle_process *found = find_slot(processes, pid);

	if (found == NULL || !has_ended(found))
		return found;
	end(processes, found);
	return NULL;
}

/* One call, where /proc/TID/status is five and a page of text. */
static int look(pid_t tid, struct isle_peer *ret_peer)
{
	struct pidfd_info_v0 info = {.mask = INFO_IDS};
	auto_fd int pidfd = isle_pidfd_open(tid); /* fails for a thread that is not the main one */

	if (pidfd < 0 || ioctl(pidfd, GET_INFO, &info) < 0 || (info.mask & INFO_IDS) != INFO_IDS || info.process == 0)
		return isle_peer_look(tid, ret_peer);
	*ret_peer = (struct isle_peer){(pid_t)info.process, (pid_t)info.parent, info.effective_uid};
	return 0;
}

/* Who says that a pid is still the same process's: the call in which it waits, or its child. */
struct witness {
	int listener;
	uint64_t id;
	pid_t child; /* 0: the call */
};

static bool confirms(const struct witness *witness, pid_t pid)
{
	struct isle_peer child;

	if (witness->child == 0)
		return isle_listener_waits(witness->listener, witness->id);
	return look(witness->child, &child) >= 0 && child.parent == pid;
}

static struct isle_process *add(struct isle_processes *processes, const struct isle_peer *peer, uint32_t parent,
				const struct witness *witness)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)peer->process};
	struct isle_event start = {.type = ISLE_EVENT_START, .process = processes->next};
	auto_fd int pidfd = processes->count < processes->limit ? isle_pidfd_open(peer->process) : -EMFILE;

	if (pidfd < 0 || !confirms(witness, peer->process) ||
	    (processes->count * 2 >= processes->room && grow(processes) < 0) ||
	    epoll_ctl(processes->ends, EPOLL_CTL_ADD, pidfd, &event) < 0)
		return NULL;
	start.start.parent = parent;
	start.start.pid = peer->process;
	start.start.uid = peer->uid;
	if (isle_events_add(processes->events, &start, NULL) < 0)
		return NULL;
	struct isle_process *p = slot(processes->list, processes->room, peer->process);
	*p = (struct isle_process){.pid = peer->process,
				   .number = processes->next++,
				   .pidfd = fd_take(&pidfd),
				   .memory = -1,
				   .steady = true,
				   .status = -1,
				   .cpu_us = -1};
	processes->count++;
	return p;
}

/* Ancestors first, so that their numbers are smaller. */
static struct isle_process *find(struct isle_processes *processes, pid_t tid, const struct witness *witness,
				 unsigned depth)
{
	struct isle_process *found = isle_processes_get(processes, tid);
	struct witness child = {.child = tid};
	struct isle_peer peer;
	uint32_t parent = 0;

	if (found != NULL || depth > DEPTH_MAX)
		return found;
	if (look(tid, &peer) < 0)
		return NULL;
	if (peer.process != tid) {
		found = isle_processes_get(processes, peer.process);
		if (found != NULL)
			return found;
	}
	if (processes->leader == 0)
		processes->leader = peer.parent;
	if (peer.process == processes->leader)
		return NULL;
	if (peer.parent != processes->leader && peer.parent > 1) {
		const struct isle_process *above = find(processes, peer.parent, &child, depth + 1);

		parent = above == NULL ? 0 : above->number;
	}
	return add(processes, &peer, parent, witness);
}

struct isle_process *isle_processes_find(struct isle_processes *processes, pid_t tid, int listener, uint64_t id)
{
	const struct witness call = {.listener = listener, .id = id};

	return find(processes, tid, &call, 0);
}

static void keep_memory(struct isle_processes *processes, struct isle_process *process, int memory)
{
	pid_t *read = &processes->read[processes->next_read++ % ISLE_MEMORY_ROOM];
	struct isle_process *oldest = find_slot(processes, *read);

	if (oldest != NULL)
		forget_memory(oldest);
	*read = process->pid;
	process->memory = memory;
}

int isle_processes_memory(struct isle_processes *processes, pid_t tid, bool (*waits)(void *data), void *data)
{
	struct isle_process *process = isle_processes_get(processes, tid);
	char name[32];

	if (process == NULL || !process->steady || processes->strange)
		return -1;
	if (process->memory >= 0 || process->calls++ % MANY_CALLS != MANY_CALLS - 1)
		return process->memory;
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)tid);
	auto_fd int memory = open(name, O_RDONLY | O_CLOEXEC);
	if (memory >= 0 && waits(data))
		keep_memory(processes, process, fd_take(&memory));
	return process->memory;
}

void isle_processes_run(struct isle_processes *processes, pid_t tid, int listener, uint64_t id)
{
	struct isle_process *process = isle_processes_find(processes, tid, listener, id);

	if (process == NULL) {
		processes->strange = true;
		return;
	}
	forget_memory(process);
	if (process->pid != tid)
		process->steady = false;
}

void isle_processes_leave(struct isle_processes *processes, pid_t pid, int32_t status)
{
	struct isle_process *p = isle_processes_get(processes, pid);

	if (p == NULL || p->leaving)
		return;
	p->leaving = true;
	p->status = status;
	p->cpu_us = isle_peer_cpu(pid);
}

void isle_processes_reap(struct isle_processes *processes)
{
	struct epoll_event ended[ENDS_AT_ONCE];
	size_t before;
	int n;

	do {
		before = processes->count;
		n = epoll_wait(processes->ends, ended, ENDS_AT_ONCE, 0);
		for (int i = 0; i < n; i++) {
			struct isle_process *p = find_slot(processes, (pid_t)ended[i].data.u32);

			if (p != NULL)
				end(processes, p);
		}
	} while (n == ENDS_AT_ONCE && processes->count < before);
}

bool isle_processes_has_directory(const struct isle_processes *processes, const struct isle_process *process)
{
	return process->directory != NULL && process->asked == processes->moves;
}

void isle_processes_set_directory(const struct isle_processes *processes, struct isle_process *process,
				  const char *directory, size_t length)
{
	free(process->directory);
	process->directory = strdup(directory);
	process->directory_length = length;
	process->asked = processes->moves;
}

void isle_processes_moved(struct isle_processes *processes)
{
	processes->moves++;
}
