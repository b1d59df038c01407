/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Looking at a thread of the isle that waits in a trapped call. It is another program's memory, which other threads may
 * be changing: everything is copied once, and believed only as far as a record goes.
 *
 * Paths that come back are those of the view (the kernel shows them from the root of their mount namespace).
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Copies a NUL-terminated string. Its length, -ENAMETOOLONG when it does not fit into room, -EFAULT. */
int isle_peer_string(pid_t tid, uint64_t address, char *buf, size_t room) isle_must_check;
/* The same for a thread whose /proc/PID/mem is open (-1: it is not), in half the time. */
int isle_peer_string_in(int memory, pid_t tid, uint64_t address, char *buf, size_t room) isle_must_check;

/* Copies size bytes. 0 or -errno; -EFAULT when they are not all there. */
int isle_peer_read(pid_t tid, uint64_t address, void *buf, size_t size) isle_must_check;

/* Copies strings of a NULL-terminated array such as argv, one after the other, each with its NUL, as many as fit.
 * The number of bytes. */
size_t isle_peer_strings(pid_t tid, uint64_t array, char *buf, size_t room);

/* The target of /proc/TID/what: "cwd", "root", "exe", "fd/3". Its length or -errno; -ENOENT when the object has
 * been deleted. */
int isle_peer_link(pid_t tid, const char *what, char *buf, size_t room) isle_must_check;

/* True for a descriptor that is more than a path (O_PATH), as fchmod(2) and fchown(2) want it. */
bool isle_peer_is_open(pid_t tid, int fd);

struct isle_peer {
	pid_t process; /* thread group */
	pid_t parent;
	uid_t uid; /* effective */
};

int isle_peer_look(pid_t tid, struct isle_peer *ret_peer) isle_must_check;

/* User and system time of a process that has not been reaped, in microseconds; -1: not known. */
int64_t isle_peer_cpu(pid_t process);

/* The status, as wait(2) has it, of a process that has ended and has not been reaped; -1: not known. */
int32_t isle_peer_status(pid_t process);
