/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a crash makes the kernel do (core(5)). With core_pattern=|PROGRAM it runs PROGRAM as root in the namespaces of
 * the machine, with the memory of the crashed process as its input: not for a program of an isle to start.
 *
 * 1. The kernel leaves a pipe alone where the soft limit RLIMIT_CORE is exactly 1, the mark of such a helper that
 *    crashes itself (fs/coredump.c). No other value does: 0 forbids files only.
 * 2. So init sets both limits to 1 before it starts anything, and the filter keeps them (tools/filter_rules.c): a
 *    setrlimit(2) or prlimit(2) of this limit reports success and does nothing. A program that lowers it, as many do to
 *    protect their memory, has what it wants.
 * 3. No file is written either, whatever the pattern: the smallest takes more than 1 byte. So it does not matter that
 *    the kernel would write it as root in the machine's own tree where fs.suid_dumpable is 2 and the pattern is
 *    absolute, nor that the pattern changes during the run.
 * 4. A pattern that begins with '@' (Linux 6.16) is a socket, to which the kernel connects whatever the limit is. That
 *    cannot be stopped: a missing wall.
 * 5. Where the hard limit is 0 already, an ordinary user cannot set 1. Then only files are forbidden, and with a pipe
 *    the wall is missing.
 */
#include "macros.h"
#include <sys/resource.h>

/*
 * Whether a crash inside leads out of the isle, for the text of /proc/sys/kernel/core_pattern and the highest value
 * that the hard limit can have. 0: no; -EPROTONOSUPPORT: through a socket; -EPERM: through a pipe, for want of a limit.
 */
int isle_core_judge(const char *pattern, rlim_t hard) isle_must_check;

/* The same of this machine and this process now. Another -errno: it cannot be found out. */
int isle_core_wall(void) isle_must_check;

/* From here on the calling process and all its children have nothing dumped: rules 2 and 5. 0 or -errno. Allocates
 * nothing. */
int isle_core_forbid(void) isle_must_check;
