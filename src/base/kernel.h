/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel interfaces newer than the C library of the oldest system we build on (glibc 2.31..2.36). Thin: each
 * returns >= 0 or -errno and does nothing else. Names follow the system call.
 */
#include "macros.h"
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct clone_args_v2; /* clone3(2); private to the implementation */

int isle_openat2(int dir, const char *path, const struct open_how *how);
int isle_open_tree(int dir, const char *path, unsigned flags);
int isle_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int isle_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear);
int isle_fspick(int dir, const char *path, unsigned flags);
int isle_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux);
int isle_pivot_root(const char *new_root, const char *put_old);
int isle_pidfd_open(pid_t pid);
int isle_pidfd_send_signal(int pidfd, int sig);
int isle_close_range(unsigned first, unsigned last, unsigned flags);
int isle_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int isle_landlock_abi(void); /* the version number, or -errno when Landlock is not to be had */
int isle_landlock_create(const struct landlock_ruleset_attr *attr, size_t size);
int isle_landlock_add_path(int ruleset, int path_fd, uint64_t allowed);
int isle_landlock_restrict(int ruleset);
int isle_seccomp_filter(unsigned flags, const void *sock_fprog);

/* rt_sigaction(2) on any signal: the C library keeps 32 and 33 to itself, so an inherited SIG_IGN of these would stay.
 * Sets SIG_IGN or SIG_DFL. */
int isle_signal_reset(int sig, int ignored);
/* 1: ignored, 0: not. */
int isle_signal_ignored(int sig);

/* clone3(2) without a new stack: flags as for clone(2), where an exit signal of 0 means SIGCHLD. The child continues
 * here with 0, as after fork(2). *ret_pidfd (may be NULL) is set in the parent. */
pid_t isle_clone(uint64_t flags, int *ret_pidfd);

/* statx(2) as STATX_BASIC_STATS|STATX_BTIME|STATX_MNT_ID, AT_SYMLINK_NOFOLLOW and AT_NO_AUTOMOUNT always; name ""
 * means the descriptor itself. */
int isle_statx(int dir, const char *name, struct statx *ret_stat);
