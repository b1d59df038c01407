/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include <sys/syscall.h>

#include "repair.h"

#define READS  ISLE_TRAP_READS
#define NAMES  (ISLE_TRAP_READS | ISLE_TRAP_NAMES)
#define NODES  (ISLE_TRAP_READS | ISLE_TRAP_NODES)
#define MODES  (ISLE_TRAP_READS | ISLE_TRAP_ATTRIBUTES)
#define OWNERS (ISLE_TRAP_READS | ISLE_TRAP_OWNERS | ISLE_TRAP_ATTRIBUTES)
#define STATS  ISLE_TRAP_STATS

/* The most frequent first: the filter compares in this order. */
const struct isle_trapped isle_trapped_calls[] = {
	{"openat", SYS_openat, READS, false, isle_handle_open},
	{"readlink", SYS_readlink, READS, false, isle_handle_readlink},
	{"execve", SYS_execve, READS, false, isle_handle_exec},
	{"exit_group", SYS_exit_group, READS, false, isle_handle_exit},
	{"open", SYS_open, READS, false, isle_handle_open},
	{"openat2", SYS_openat2, READS, false, isle_handle_open},
	{"creat", SYS_creat, READS, false, isle_handle_open},
	{"readlinkat", SYS_readlinkat, READS, false, isle_handle_readlink},
	{"execveat", SYS_execveat, READS, false, isle_handle_exec},
	{"chdir", SYS_chdir, READS, false, isle_handle_chdir},
	{"fchdir", SYS_fchdir, READS, false, isle_handle_chdir},
	{"chroot", SYS_chroot, READS, false, isle_handle_chroot},
	{"pivot_root", SYS_pivot_root, READS, false, isle_handle_chroot},
	{"setns", SYS_setns, READS, false, isle_handle_chroot},
	{"unshare", SYS_unshare, READS, false, isle_handle_chroot},
	{"clone", SYS_clone, ISLE_TRAP_MOUNTS, true, isle_handle_chroot},
	{"mount", SYS_mount, ISLE_TRAP_MOUNTS, false, isle_handle_mount},
	{"umount2", SYS_umount2, ISLE_TRAP_MOUNTS, false, isle_handle_mount},
	{"move_mount", ISLE_CALL_MOVE_MOUNT, ISLE_TRAP_MOUNTS, false, isle_handle_mount},
	/* who changed what; and what leads elsewhere from then on */
	{"unlink", SYS_unlink, READS, false, isle_handle_names},
	{"unlinkat", SYS_unlinkat, NAMES, true, isle_handle_names, isle_repair_remove},
	{"rename", SYS_rename, NAMES, false, isle_handle_names, isle_repair_rename},
	{"renameat", SYS_renameat, NAMES, false, isle_handle_names, isle_repair_rename},
	{"renameat2", SYS_renameat2, NAMES, false, isle_handle_names, isle_repair_rename},
	{"mkdir", SYS_mkdir, READS, false, isle_handle_names},
	{"mkdirat", SYS_mkdirat, READS, false, isle_handle_names},
	{"rmdir", SYS_rmdir, NAMES, false, isle_handle_names, isle_repair_remove},
	{"symlink", SYS_symlink, READS, false, isle_handle_names},
	{"symlinkat", SYS_symlinkat, READS, false, isle_handle_names},
	{"link", SYS_link, NAMES, false, isle_handle_names, isle_repair_link},
	{"linkat", SYS_linkat, NAMES, false, isle_handle_names, isle_repair_link},
	{"mknod", SYS_mknod, NODES, false, isle_handle_names, isle_repair_node},
	{"mknodat", SYS_mknodat, NODES, false, isle_handle_names, isle_repair_node},
	{"truncate", SYS_truncate, READS, false, isle_handle_metadata},
	{"chmod", SYS_chmod, MODES, false, isle_handle_metadata},
	{"fchmodat", SYS_fchmodat, MODES, false, isle_handle_metadata},
	{"fchmodat2", ISLE_CALL_FCHMODAT2, MODES, false, isle_handle_metadata},
	{"chown", SYS_chown, OWNERS, false, isle_handle_metadata, isle_repair_owner},
	{"lchown", SYS_lchown, OWNERS, false, isle_handle_metadata, isle_repair_owner},
	{"fchownat", SYS_fchownat, OWNERS, false, isle_handle_metadata, isle_repair_owner},
	{"fchmod", SYS_fchmod, STATS | ISLE_TRAP_ATTRIBUTES, false, isle_handle_metadata},
	{"fchown", SYS_fchown, STATS | ISLE_TRAP_OWNERS | ISLE_TRAP_ATTRIBUTES, true, isle_handle_metadata,
	 isle_repair_owner},
	{"utimensat", SYS_utimensat, READS, true, isle_handle_metadata},
	{"utime", SYS_utime, READS, false, isle_handle_metadata},
	{"utimes", SYS_utimes, READS, false, isle_handle_metadata},
	{"futimesat", SYS_futimesat, READS, false, isle_handle_metadata},
	{"setxattr", SYS_setxattr, READS, false, isle_handle_metadata},
	{"lsetxattr", SYS_lsetxattr, READS, false, isle_handle_metadata},
	{"fsetxattr", SYS_fsetxattr, READS, false, isle_handle_metadata},
	{"setxattrat", ISLE_CALL_SETXATTRAT, READS, false, isle_handle_metadata},
	{"removexattr", SYS_removexattr, READS, false, isle_handle_metadata},
	{"lremovexattr", SYS_lremovexattr, READS, false, isle_handle_metadata},
	{"fremovexattr", SYS_fremovexattr, READS, false, isle_handle_metadata},
	{"removexattrat", ISLE_CALL_REMOVEXATTRAT, READS, false, isle_handle_metadata},
	/* the network */
	{"socket", SYS_socket, ISLE_TRAP_NET, true, isle_handle_socket},
	{"connect", SYS_connect, READS, false, isle_handle_net},
	{"bind", SYS_bind, READS | ISLE_TRAP_BINDS, false, isle_handle_net},
	{"sendto", SYS_sendto, READS, true, isle_handle_net},
	/* --track=full */
	{"stat", SYS_stat, STATS, false, isle_handle_stat},
	{"lstat", SYS_lstat, STATS, false, isle_handle_stat},
	{"newfstatat", SYS_newfstatat, STATS, true, isle_handle_stat},
	{"statx", SYS_statx, STATS, false, isle_handle_stat},
	{"access", SYS_access, STATS, false, isle_handle_stat},
	{"faccessat", SYS_faccessat, STATS, false, isle_handle_stat},
	{"faccessat2", SYS_faccessat2, STATS, false, isle_handle_stat},
	{0},
};

const struct isle_trapped *isle_trapped_find(int nr)
{
	for (const struct isle_trapped *t = isle_trapped_calls; t->name != NULL; t++)
		if (t->nr == nr)
			return t;
	return NULL;
}
