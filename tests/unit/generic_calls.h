/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of the calls of arm64 (arch/arm64/include/asm/unistd.h), for the look for calls without a row. */
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_TIME32_SYSCALLS
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>
