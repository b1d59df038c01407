/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a wall is missing, and what a user can do about it. Only words come from here: whether a wall is there has been
 * found out by using it (walls.c). The likeliest reason is looked for first; the errno is told in any case.
 */
#include "buf.h"
#include "io.h"
#include "macros.h"
#include "mounts.h"
#include "quote.h"
#include "walls_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CONTAINER_FIX                                                                                                  \
	"start the container with --privileged, or with --security-opt seccomp=unconfined --security-opt "             \
	"apparmor=unconfined --security-opt systempaths=unconfined (podman: unmask=ALL)"

/* The number in a file such as /proc/sys/user/max_user_namespaces; -1 when there is none. */
static long read_number(const char *path)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	char *end;
	long value;

	if (isle_read_file(AT_FDCWD, path, &buf, 4096) < 0 || buf.size == 0)
		return -1;
	value = strtol(buf.data, &end, 10);
	return end == buf.data ? -1 : value;
}

enum surroundings { OUTSIDE, IN_ISLE, IN_CONTAINER };

static enum surroundings surroundings(void)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	const struct isle_mount *root = isle_mounts_read(&mounts) < 0 ? NULL : isle_mounts_find(&mounts, "/");

	if (root && strcmp(root->type, "overlay") == 0 && strcmp(root->source, "isle") == 0)
		return IN_ISLE;
	if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0)
		return IN_CONTAINER;
	if (isle_read_file(AT_FDCWD, "/proc/self/status", &buf, 1 << 16) < 0)
		return OUTSIDE;
	return strstr(buf.data, "\nSeccomp:\t2") ? IN_CONTAINER : OUTSIDE;
}

/* What to do about it where something around this process forbids it, else the given fix. */
static const char *fix_around(const char *otherwise)
{
	switch (surroundings()) {
	case IN_ISLE:
		return "this is the inside of an isle: run isle outside of it";
	case IN_CONTAINER:
		return CONTAINER_FIX;
	case OUTSIDE:
		break;
	}
	return otherwise;
}

/* The limit of the number of namespaces of one kind. */
static bool explain_limit(const char *kind, int code, struct isle_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kind);
	if (read_number(path) != 0)
		return false;
	isle_err_text(err, code, "user.max_%s_namespaces is 0", kind);
	isle_err_hint(err, "sudo sysctl -w user.max_%s_namespaces=15000 (to keep it: a file in /etc/sysctl.d)", kind);
	return true;
}

static void explain_userns(int code, struct isle_err *err)
{
	if (access("/proc/self/ns/user", F_OK) < 0) {
		isle_err_text(err, code, "the kernel has no user namespaces, or /proc is not mounted");
		isle_err_hint(err, "use a kernel built with CONFIG_USER_NS");
	} else if (explain_limit("user", code, err)) {
		return;
	} else if (geteuid() != 0 && read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0) {
		isle_err_text(err, code, "kernel.unprivileged_userns_clone is 0: only root may make user namespaces");
		isle_err_hint(err, "sudo sysctl -w kernel.unprivileged_userns_clone=1, or run isle with sudo");
	} else if (geteuid() != 0 && read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
		isle_err_text(err, code,
			      "AppArmor takes the power from user namespaces of ordinary users "
			      "(kernel.apparmor_restrict_unprivileged_userns is 1)");
		isle_err_hint(err, "give isle an AppArmor profile with the rule 'userns,' in /etc/apparmor.d, or: "
				   "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	} else if (surroundings() != OUTSIDE) {
		isle_err_text(err, code,
			      "what surrounds this process, an isle or a container, allows no user namespaces");
		isle_err_hint(err, "%s", fix_around(""));
	} else {
		isle_err_errno(err, code, "a user namespace cannot be made");
		isle_err_hint(err, "not possible inside chroot(8); else see 'sysctl user' and the security modules");
	}
}

static void explain_namespace(const char *kind, const char *what, int code, struct isle_err *err)
{
	if (isle_walls_result()->errors[0] < 0) {
		isle_err_text(err, code, "%s needs a user namespace", what);
		isle_err_hint(err, "see userns");
	} else if (!explain_limit(kind, code, err)) {
		isle_err_errno(err, code, "%s cannot be made", what);
		isle_err_hint(err, "%s", fix_around("use a kernel that has it, see namespaces(7)"));
	}
}

static void explain_mountns(int code, struct isle_err *err)
{
	if (geteuid() == 0 && code == -EPERM) {
		isle_err_text(err, code, "this root may not mount: CAP_SYS_ADMIN is missing");
		isle_err_hint(err, "%s", fix_around("run isle with all capabilities of root"));
		return;
	}
	explain_namespace("mnt", "a mount namespace", code, err);
}

static void explain_pidns(int code, struct isle_err *err)
{
	if (code == -EPERM && isle_walls_result()->errors[0] == 0 &&
	    read_number("/proc/sys/user/max_pid_namespaces") != 0) {
		isle_err_text(err, code,
			      "a new /proc cannot be mounted: parts of the present one are hidden, as in "
			      "a container");
		isle_err_hint(err, CONTAINER_FIX);
		return;
	}
	explain_namespace("pid", "a process namespace with its own /proc", code, err);
}

static void explain_overlay(int code, struct isle_err *err)
{
	const struct walls_result *result = isle_walls_result();

	if (result->place_error < 0) {
		isle_err_errno(err, result->place_error, "no directory to try it in: %s",
			       isle_quote(result->directory));
		isle_err_hint(err, "set ISLE_HOME to a directory of yours on a local file system");
	} else if (result->errors[__builtin_ctz(ISLE_WALL_MOUNTNS)] < 0) {
		isle_err_text(err, code, "nothing can be mounted");
		isle_err_hint(err, "see userns and mountns");
	} else if (code == -ENODEV) {
		isle_err_text(err, code, "the kernel has no overlay file system");
		isle_err_hint(err, "sudo modprobe overlay");
	} else if (code == -EPERM) {
		isle_err_text(err, code, "overlays may not be mounted in a user namespace");
		isle_err_hint(err, "needs Linux 5.11; or run isle with sudo");
	} else {
		isle_err_errno(err, code, "no layer can live in %s", isle_quote(result->directory));
		isle_err_hint(err, "set ISLE_HOME to a directory on ext4, xfs, btrfs or another local file system "
				   "that is not an overlay itself");
	}
}

static void explain_landlock(int code, struct isle_err *err)
{
	if (code == -EOPNOTSUPP) {
		isle_err_text(err, code, "Landlock is in the kernel but not switched on at boot");
		isle_err_hint(err, "put 'landlock' into the list of the boot parameter lsm= (present list: "
				   "/sys/kernel/security/lsm)");
	} else if (code == -ENOSYS) {
		isle_err_text(err, code, "the kernel has no Landlock");
		isle_err_hint(err, "needs Linux 5.13 built with CONFIG_SECURITY_LANDLOCK");
	} else {
		isle_err_errno(err, code, "Landlock cannot be used");
		isle_err_hint(err, "%s", fix_around("see 'dmesg | grep -i landlock'"));
	}
}

static void explain_seccomp(int code, struct isle_err *err)
{
	isle_err_errno(err, code, "a system call filter cannot be installed");
	isle_err_hint(err, "%s", fix_around("use a kernel built with CONFIG_SECCOMP_FILTER"));
}

static void explain_notify(int code, struct isle_err *err)
{
	if (code == -EBUSY) {
		isle_err_text(err, code,
			      "a process above this one has the notifications already: a container "
			      "runtime or another isle");
		isle_err_hint(err, "run isle outside of it");
		return;
	}
	isle_err_errno(err, code, "system calls cannot be supervised");
	isle_err_hint(err, "%s", fix_around("needs Linux 5.0 built with CONFIG_SECCOMP_FILTER"));
}

static void explain_netfilter(int code, struct isle_err *err)
{
	if (code == -ENOENT) {
		isle_err_text(err, code, "nft is not installed; without it no isle is joined to the network");
		isle_err_hint(err, "sudo apt install nftables (Debian, Ubuntu), sudo dnf install nftables (Fedora)");
	} else if (code == -EPERM && geteuid() == 0) {
		isle_err_text(err, code, "others than root can change the program nft");
		isle_err_hint(err, "chown root and chmod go-w it");
	} else if (isle_walls_result()->errors[__builtin_ctz(ISLE_WALL_NETNS)] < 0) {
		isle_err_text(err, code, "packets are filtered in a network namespace");
		isle_err_hint(err, "see netns");
	} else {
		isle_err_text(err, code, "the kernel does not take the rules of nftables that isle needs");
		isle_err_hint(err, "%s",
			      fix_around("sudo modprobe -a nf_tables nft_reject_inet; the kernel needs "
					 "CONFIG_NF_TABLES_INET and CONFIG_NFT_REJECT"));
	}
}

static void explain_coredump(int code, struct isle_err *err)
{
	if (code == -EPROTONOSUPPORT) {
		isle_err_text(err, code,
			      "kernel.core_pattern names a socket: a crash inside an isle reaches the program there");
		isle_err_hint(err, "sudo sysctl -w kernel.core_pattern='|PROGRAM' with a program instead, or =core");
	} else if (code == -EPERM) {
		isle_err_text(
			err, code,
			"kernel.core_pattern names a program, and the hard limit of core files is 0: no limit keeps "
			"the kernel from starting it");
		isle_err_hint(err,
			      "start isle with a hard limit of core files (ulimit -Hc) above 0; see the lines with "
			      "'core' in /etc/security/limits.conf");
	} else {
		isle_err_errno(err, code, "what becomes of a crash cannot be found out");
		isle_err_hint(err, "%s", fix_around("see core(5)"));
	}
}

void isle_wall_explain(enum isle_wall wall, struct isle_err *err)
{
	int code = isle_walls_result()->errors[__builtin_ctz(wall)];

	if (!err)
		return;
	*err = ISLE_ERR_INIT;
	if (code == 0)
		return;
	if (code == -EAGAIN) {
		isle_err_errno(err, code, "no further process can be started");
		isle_err_hint(err, "see 'ulimit -u', and pids.max of the control group");
		return;
	}
	switch (wall) {
	case ISLE_WALL_USERNS:
		explain_userns(code, err);
		break;
	case ISLE_WALL_MOUNTNS:
		explain_mountns(code, err);
		break;
	case ISLE_WALL_PIDNS:
		explain_pidns(code, err);
		break;
	case ISLE_WALL_IPCNS:
		explain_namespace("ipc", "a namespace for System V IPC", code, err);
		break;
	case ISLE_WALL_UTSNS:
		explain_namespace("uts", "a namespace for the host name", code, err);
		break;
	case ISLE_WALL_NETNS:
		explain_namespace("net", "a network namespace", code, err);
		break;
	case ISLE_WALL_CGROUPNS:
		explain_namespace("cgroup", "a cgroup namespace", code, err);
		break;
	case ISLE_WALL_OVERLAY:
		explain_overlay(code, err);
		break;
	case ISLE_WALL_LANDLOCK:
		explain_landlock(code, err);
		break;
	case ISLE_WALL_SECCOMP:
		explain_seccomp(code, err);
		break;
	case ISLE_WALL_NOTIFY:
		explain_notify(code, err);
		break;
	case ISLE_WALL_NETFILTER:
		explain_netfilter(code, err);
		break;
	case ISLE_WALL_COREDUMP:
		explain_coredump(code, err);
		break;
	}
}
