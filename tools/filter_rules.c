/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows. Before a call is allowed, ask what it does to an object that is not the isle's: a file of the host that is
 * open for reading only, the lower file of an overlay, a process or a socket outside, the machine itself.
 *
 * Which error: ENOSYS for what programs probe and fall back from, and for what the kernel itself has dropped; EPERM,
 * what an ordinary user would get natively, for the rest.
 */
#include "filter_rules.h"

#include <errno.h>
#include <linux/fscrypt.h>
#include <linux/personality.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct filter_group filter_groups[] = {
	{FILTER_ALLOW, 0, "files by name: there is no name but in the view, and what is written goes to the layer",
	 "open openat openat2 creat access faccessat faccessat2 stat lstat newfstatat statx readlink readlinkat mkdir "
	 "mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmodat "
	 "fchmodat2=452 chown lchown fchownat utime utimes futimesat utimensat truncate chdir getcwd umask statfs "
	 "setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr lremovexattr setxattrat=463 "
	 "getxattrat=464 listxattrat=465 removexattrat=466 file_getattr=468 file_setattr=469 execve execveat"},
	{FILTER_ALLOW, 0,
	 "files by name: the kernel makes no device in a user namespace; pipes and sockets are the view's",
	 "mknod mknodat"},
	{FILTER_ALLOW, 0, "files by name: no way around the view, in which /proc and /sys are those of the isle",
	 "chroot"},
	{FILTER_ALLOW, 0, "a number for a file that can be seen: open_by_handle_at, which takes it, is refused",
	 "name_to_handle_at"},
	{FILTER_ALLOW, 0,
	 "what is open already: a file of the view, or what was handed in, as far as it was opened for",
	 "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2 "
	 "dup3 "
	 "fstat fstatfs getdents getdents64 fchdir fsync fdatasync sync_file_range syncfs ftruncate fallocate "
	 "fadvise64 "
	 "readahead sendfile splice tee vmsplice copy_file_range fchmod fchown fsetxattr fgetxattr flistxattr "
	 "fremovexattr "
	 "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents cachestat=451"},
	{FILTER_ALLOW, 0,
	 "locks, leases and signals about a file: those of the overlay's own inode, which the host never sees",
	 "flock fcntl inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"},
	{FILTER_ALLOW, 0, "an object without a name that only this process and who it is passed to can use",
	 "pipe pipe2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime epoll_create "
	 "epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 memfd_create memfd_secret poll ppoll select "
	 "pselect6"},
	{FILTER_ALLOW, 0, "the caller's own memory",
	 "mmap munmap mprotect mremap msync mincore madvise brk remap_file_pages mlock mlock2 mlockall munlock "
	 "munlockall "
	 "pkey_mprotect pkey_alloc pkey_free mseal=462 map_shadow_stack=453 membarrier modify_ldt arch_prctl mbind "
	 "set_mempolicy get_mempolicy set_mempolicy_home_node"},
	{FILTER_ALLOW, 0,
	 "the caller itself: its threads, ids and signals; ids and powers are those of its user namespace",
	 "fork vfork exit exit_group wait4 waitid getpid getppid gettid getuid geteuid getgid getegid getgroups setuid "
	 "setgid "
	 "setreuid setregid setresuid setresgid getresuid getresgid setfsuid setfsgid setgroups capget capset prctl "
	 "set_tid_address set_robust_list get_robust_list rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending "
	 "rt_sigtimedwait rt_sigsuspend sigaltstack pause restart_syscall futex futex_waitv futex_wake=454 "
	 "futex_wait=455 "
	 "futex_requeue=456 getrlimit getrusage times uretprobe=335@x86_64 uprobe=336@x86_64"},
	{FILTER_ALLOW, 0, "the caller's own label and walls, which it can narrow only",
	 "landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr=459 lsm_set_self_attr=460 "
	 "lsm_list_modules=461"},
	{FILTER_ALLOW, 0, "other processes: a pid stands for one of the isle, and isle's own in there cannot be traced",
	 "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd ptrace "
	 "process_vm_readv process_vm_writev process_madvise process_mrelease kcmp setpgid getpgid getpgrp setsid "
	 "getsid "
	 "migrate_pages move_pages"},
	{FILTER_ALLOW, 0, "scheduling of processes of the isle; more than the caller had takes power over the machine",
	 "sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_get_priority_max "
	 "sched_get_priority_min sched_rr_get_interval sched_setaffinity sched_getaffinity sched_setattr sched_getattr "
	 "getpriority setpriority ioprio_set ioprio_get"},
	{FILTER_ALLOW, 0, "reads clocks, and sleeps",
	 "nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time getitimer setitimer alarm "
	 "timer_create "
	 "timer_settime timer_gettime timer_getoverrun timer_delete"},
	{FILTER_ALLOW, 0, "sockets: of the isle's network namespace, and of the families that socket() allows",
	 "connect accept accept4 bind listen shutdown sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg getsockname "
	 "getpeername getsockopt"},
	{FILTER_ALLOW, 0, "shared memory, semaphores and messages of the isle's ipc namespace",
	 "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink "
	 "mq_timedsend mq_timedreceive mq_notify mq_getsetattr"},
	{FILTER_ALLOW, 0, "names of the isle's uts namespace", "sethostname setdomainname"},
	{FILTER_ALLOW, 0, "tells of the machine what any user may know, and changes nothing",
	 "uname sysinfo getcpu getrandom ustat sync"},
	{FILTER_ALLOW, 0, "mounts of the isle's own mount namespace, as /proc/self/mountinfo tells them",
	 "statmount=457 listmount=458"},
	{FILTER_ALLOW, 0, "the kernel asks for power over the machine, which nothing inside has", "vhangup"},
	{FILTER_ALLOW, 0, "allowed but for the arguments below",
	 "ioctl socket socketpair setsockopt clone unshare personality seccomp "
	 "setrlimit prlimit64"},

	{FILTER_REFUSE, EPERM, "the kernel itself",
	 "bpf init_module finit_module delete_module kexec_load kexec_file_load userfaultfd syslog"},
	{FILTER_REFUSE, EACCES, "the kernel itself; with the error of perf_event_paranoid", "perf_event_open"},
	{FILTER_REFUSE, ENOSYS, "goes around every other rule here", "io_uring_setup io_uring_enter io_uring_register"},
	{FILTER_REFUSE, ENOSYS, "keyrings are part of no namespace, and a look-up starts a program of the machine",
	 "keyctl add_key request_key"},
	{FILTER_REFUSE, EPERM, "the machine: its clock, power, swap, accounts, ports and quotas",
	 "reboot settimeofday clock_settime clock_adjtime adjtimex stime swapon swapoff acct iopl ioperm quotactl "
	 "quotactl_fd"},
	{FILTER_REFUSE, EPERM, "files that no path of the view leads to", "open_by_handle_at"},
	{FILTER_REFUSE, EPERM, "watches whole mounts and file systems, and can hold up who uses them",
	 "fanotify_init fanotify_mark"},

	{FILTER_UNLESS_NEST, EPERM, "mounts and other namespaces",
	 "mount umount umount2 pivot_root fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr "
	 "open_tree_attr=467 setns"},

	{FILTER_QUIET, ENOSYS, "its flags lie in memory; libc falls back to clone, whose flags can be checked",
	 "clone3"},
	{FILTER_QUIET, ENOSYS, "lists namespaces; too new for programs to need it", "listns=470"},
	{FILTER_QUIET, ENOSYS, "of the past: the kernel has dropped it or never had it",
	 "lookup_dcookie nfsservctl uselib sysfs _sysctl create_module get_kernel_syms query_module vm86 vm86old "
	 "getpmsg "
	 "putpmsg afs_syscall tuxcall security vserver epoll_ctl_old epoll_wait_old set_thread_area get_thread_area"},
};
const size_t filter_group_count = sizeof(filter_groups) / sizeof(filter_groups[0]);

static const char typed[] = "types into a terminal, or changes how its input is taken";
static const char others[] = "no namespace but the ones that the isle has";
static const char families[] = "rare families: code that few have looked at, or a way to the machine's devices";

const struct filter_condition filter_conditions[] = {
	{"clone", FILTER_NOT_NEST, EPERM, "a new namespace", others, {CLONE_NEWUSER}},
	{"clone",
	 FILTER_ALWAYS,
	 EPERM,
	 "a new cgroup namespace",
	 "its owner may mount the machine's control groups",
	 {CLONE_NEWCGROUP}},
	{"unshare", FILTER_NOT_NEST, EPERM, "a new namespace", others, {CLONE_NEWTIME}},
	{"unshare",
	 FILTER_ALWAYS,
	 EPERM,
	 "a new cgroup namespace",
	 "its owner may mount the machine's control groups",
	 {CLONE_NEWCGROUP}},
	{"ioctl", FILTER_ALWAYS, EPERM, "TIOCSTI", typed, {0, TIOCSTI}},
	{"ioctl", FILTER_ALWAYS, EPERM, "TIOCLINUX", typed, {0, UINT64_C(0xffffffff00000000) | TIOCLINUX}},
	{"ioctl", FILTER_ALWAYS, EPERM, "TIOCSETD", typed, {0, TIOCSETD}},
	{"ioctl",
	 FILTER_ALWAYS,
	 EPERM,
	 "FS_IOC_ADD_ENCRYPTION_KEY, FS_IOC_REMOVE_ENCRYPTION_KEY, ..._ALL_USERS",
	 "locks encrypted directories of the machine",
	 {0, FS_IOC_REMOVE_ENCRYPTION_KEY}},
	{"setsockopt",
	 FILTER_HOST_NET,
	 EPERM,
	 "SO_PASSCRED, SO_PASSPIDFD",
	 "gives a unix socket a name to which any process of the machine can connect",
	 {0, SOL_SOCKET, SO_PASSCRED}},
	{"socket",
	 FILTER_ALWAYS,
	 EAFNOSUPPORT,
	 "a family other than unix, inet, inet6, netlink and packet",
	 families,
	 {AF_VSOCK}},
	{"socket", FILTER_HOST_NET, EAFNOSUPPORT, "packet", "the machine's network, below all rules", {AF_PACKET}},
	{"socketpair",
	 FILTER_ALWAYS,
	 EAFNOSUPPORT,
	 "a family other than unix, inet, inet6, netlink and packet",
	 families,
	 {AF_ALG}},
	{"socketpair", FILTER_HOST_NET, EAFNOSUPPORT, "packet", "the machine's network, below all rules", {AF_PACKET}},
	{"personality",
	 FILTER_ALWAYS,
	 EPERM,
	 "any but Linux, 32-bit Linux and the flags of setarch(8)",
	 "other systems' personalities weaken the protection of memory",
	 {MMAP_PAGE_ZERO}},
	{"seccomp",
	 FILTER_ALWAYS,
	 EBUSY,
	 "a listener of its own",
	 "there can be one only, as the kernel says too",
	 {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER}},
	{"setrlimit",
	 FILTER_ALWAYS,
	 0,
	 "RLIMIT_CORE",
	 "1 keeps a crash from starting a program of the machine",
	 {RLIMIT_CORE, 1}},
	{"prlimit64", FILTER_ALWAYS, 0, "RLIMIT_CORE with a new value", "as with setrlimit", {0, RLIMIT_CORE, 1}},
	{"prlimit64",
	 FILTER_ALWAYS,
	 EPERM,
	 "RLIMIT_CORE with a new value, and the old one asked for",
	 "as with setrlimit",
	 {0, RLIMIT_CORE, 1, 1}},
};
const size_t filter_condition_count = sizeof(filter_conditions) / sizeof(filter_conditions[0]);
