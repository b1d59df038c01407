/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Running a helper program on the host side (pasta, an editor), or isle itself as another user. The one way in which
 * isle starts programs outside an isle.
 */
#include "macros.h"
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Whom root starts a program as. It gets nothing of root's but the three descriptors: a session of its own, so that the
 * terminal is out of reach, a session keyring of its own, and "/" as its directory. */
struct isle_spawn_user {
	uid_t uid; /* not 0 */
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
	const char *const *environment; /* NULL-terminated */
};

struct isle_spawn_options {
	const char *const *argv;	    /* NULL-terminated */
	const char *program;		    /* what is executed, an absolute path: nothing is looked up in PATH
					     * (helper.h finds programs). NULL: argv[0] */
	const char *const *environment;	    /* NULL-terminated; NULL: the caller's, with user that one's */
	const struct isle_spawn_user *user; /* NULL: as the caller */
	int stdin_fd;			    /* -1: /dev/null */
	int stdout_fd;			    /* -1: /dev/null */
	int stderr_fd;			    /* -1: inherited */
	bool ends_with_caller;		    /* it is killed when the caller dies (PR_SET_PDEATHSIG) */
};

/*
 * Before any child is started. What isle needs otherwise than whoever started it has left it: SIGCHLD at its default,
 * since the kernel lets no one wait for a child while it is ignored; and as many open files as may be, since looks
 * through trees hold one for each level. The other two tell what it was, for the program that is to inherit it.
 */
void isle_inherited_init(void);
bool isle_children_were_ignored(void);
/* As getrlimit(2). */
int isle_inherited_limit(int resource, struct rlimit *ret_limit) isle_must_check;

/* Starts it with all other descriptors closed, default signals and an empty signal mask. Returns a pidfd;
 * *ret_pid gets the pid. -ENOENT etc. when it could not be executed. */
int isle_spawn(const struct isle_spawn_options *options, pid_t *ret_pid) isle_must_check;

/* Waits for it: 0..255 exit status, 128+n when it died by signal n, or -errno. timeout in milliseconds, -1 for
 * ever; -ETIMEDOUT leaves it running. */
int isle_spawn_wait(int pidfd, pid_t pid, int timeout) isle_must_check;
