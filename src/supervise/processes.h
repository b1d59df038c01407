/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The processes of a run, as far as they came to notice: numbered in that order, each with its parent, its current
 * directory while that is known, and its end.
 *
 * A process is known by its pid only while its pidfd says that it lives; a recycled number is never taken for it. That
 * is asked each time, since a number can be another process's from one system call to the next.
 */
#include "events.h"
#include <stdbool.h>
#include <sys/types.h>

struct isle_process {
	pid_t pid;	 /* thread group; also the id of the main thread */
	uint32_t number; /* in the log */
	int pidfd;
	char *directory; /* current directory in the view, heap */
	size_t directory_length;
	uint32_t asked; /* `moves` when it was asked for */
	int memory;	/* its /proc/PID/mem, -1: not opened */
	uint32_t calls; /* that were made since it was last worth to think of opening it */
	bool steady;	/* its main thread alone runs programs */
	/* What it said when it called exit_group(2); its other threads may still run for a while. */
	bool leaving;
	int32_t status;
	int64_t cpu_us;
};

enum { ISLE_MEMORY_ROOM = 4 };

struct isle_processes {
	struct isle_process *list; /* open addressing by pid; pid 0: free */
	size_t room, count;
	size_t limit;	/* of those that are known at a time: each takes a descriptor */
	int ends;	/* epoll descriptor: readable when a process has ended */
	uint32_t moves; /* what current directories are known from before does not hold */
	pid_t leader;	/* parent of the command; 0: not known yet */
	uint32_t next;	/* number of the next one */
	struct isle_events *events;
	pid_t read[ISLE_MEMORY_ROOM]; /* processes whose memory is open, or was */
	size_t next_read;
	bool strange; /* somebody runs a program who is not known: no memory is kept open any more */
};

#define ISLE_PROCESSES_INIT ((struct isle_processes){.ends = -1, .next = 1})

int isle_processes_init(struct isle_processes *processes, struct isle_events *events) isle_must_check;
void isle_processes_done(struct isle_processes *processes);

/* The process with this main thread if it is known and lives. */
struct isle_process *isle_processes_get(struct isle_processes *processes, pid_t pid);

/* The process of a thread that waits at the listener in call id; made known, with its ancestors, when it is not. NULL
 * when it cannot be told (it has died, or there are too many); a pointer lives until the next call. */
struct isle_process *isle_processes_find(struct isle_processes *processes, pid_t tid, int listener, uint64_t id);

/* The process with this main thread ends soon, with this status (as wait(2) has it). */
void isle_processes_leave(struct isle_processes *processes, pid_t pid, int32_t status);

/* Notes the ends that `ends` tells of. */
void isle_processes_reap(struct isle_processes *processes);

/* True while p->directory is its current directory. */
bool isle_processes_has_directory(const struct isle_processes *processes, const struct isle_process *process);
void isle_processes_set_directory(const struct isle_processes *processes, struct isle_process *process,
				  const char *directory, size_t length);

/* The memory of a process that calls again and again, for pread(2): its descriptor, which stays the list's, or -1. The
 * caller waits in a call of which waits() says that it does. */
int isle_processes_memory(struct isle_processes *processes, pid_t tid, bool (*waits)(void *data), void *data);
/* This thread, which waits at the listener in call id, runs another program: the memory of its process will be another
 * one. */
void isle_processes_run(struct isle_processes *processes, pid_t tid, int listener, uint64_t id);

/* No current directory is known any more: one of them changes, or has another name now. */
void isle_processes_moved(struct isle_processes *processes);
