// SPDX-License-Identifier: Apache-2.0
/*
 * Starting pasta, and keeping it no longer than the isle.
 *
 * 1. pasta goes into the background by itself when the interface is configured, so the exit of the process that we
 *    start is the sign of readiness. It writes the pid of the one that stays to --pid, here our pipe.
 * 2. pasta holds the network namespace open and (as of 2023) does not end with the isle's processes. So a process
 *    stays between: the minder. It is a subreaper, pasta becomes its child, nobody else's pid can be hit, and no
 *    zombie is left. The minder watches the isle by a pidfd; it is a fork of the caller that has let go of everything.
 * 3. Before pasta starts, routes of type unreachable close what must not be reached: cloud metadata, and the host's own
 *    addresses. pasta opens a connection to an address of the host as a local one, and a service that listens on a
 * second interface (a bridge, a VPN) would answer. The address of the host's main interface is given to the isle itself
 * by pasta, so that one is the isle's own already.
 * 4. The user namespace that counts is the one that owns the network namespace (ioctl_ns(2), NS_GET_USERNS), which need
 * not be that of any process of the isle. pasta wants both as paths, which it opens with few powers, the second from
 *    inside the first. So a process of ours, the anchor, which also makes the routes, stands in both without any power
 * until pasta has started: /proc/ANCHOR/ns/... pasta is not to end when that path goes (--no-netns-quit).
 * 5. As root pasta would become nobody, who has no power over a user namespace made by root; so --runas 0. It drops
 *    all capabilities but two in the isle's user namespace, moves to an empty root and filters its system calls.
 *
 * AppArmor: the profiles that distributions ship for pasta let it read /proc/PID/ns/{user,net} and trace (read) other
 * processes, which following such a link asks for; nothing else is needed.
 */
#include "pasta.h"
#include "io.h"
#include "kernel.h"
#include "link.h"
#include "resolv.h"
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	START_LIMIT = 10000, /* milliseconds */
	ADDRESSES = 256,
	ARGUMENTS = 40,
	COMPLAINT = 400,
};

struct target {
	int pidfd;
	int netns, userns;
	pid_t anchor; /* a process of ours inside both (4) */
	char netns_path[32], userns_path[32];
};

static int open_target(pid_t pid, struct target *t, struct isle_err *err)
{
	t->pidfd = isle_pidfd_open(pid);
	if (t->pidfd < 0)
		return isle_err_errno(err, t->pidfd, "cannot find the isle's process %d", (int)pid);
	t->userns = ioctl(t->netns, NS_GET_USERNS);
	if (t->userns < 0)
		return isle_err_errno(err, -errno, "cannot open the owner of the isle's network namespace");
	return 0;
}

static void drop_powers(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};

	(void)syscall(SYS_capset, &header, none);
}

/* Runs in a child: closes the ways that must not be open (3). */
static int close_ways(const struct target *t)
{
	struct isle_net_prefix list[ADDRESSES];
	int count = isle_net_own_addresses(list, ADDRESSES);
	int r;

	if (count < 0)
		return count;
	if (count > ADDRESSES)
		return -E2BIG;
	if (setns(t->userns, CLONE_NEWUSER) < 0 || setns(t->netns, CLONE_NEWNET) < 0)
		return -errno;
	r = isle_net_lo_up();
	if (r >= 0)
		r = isle_net_blackholes();
	return r < 0 ? r : isle_net_unreachable(list, (size_t)count);
}

/* Closes the ways, says how that went, and stays until it is killed. */
static isle_noreturn void anchor_main(const struct target *t, int report)
{
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = close_ways(t);
	drop_powers();
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (isle_write_all(report, &r, sizeof(r)) < 0 || r < 0)
		_exit(1);
	for (;;)
		pause();
}

static int start_anchor(struct target *t, struct isle_err *err)
{
	auto_fd int in = -1;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return isle_err_errno(err, -errno, "cannot make a pipe");
	in = ends[0];
	t->anchor = fork();
	if (t->anchor == 0)
		anchor_main(t, ends[1]);
	close(ends[1]);
	if (t->anchor < 0)
		return isle_err_errno(err, -errno, "cannot start a process");
	if (read(in, &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = -EIO;
	if (r < 0)
		return isle_err_errno(err, r, "cannot close the ways from the isle to this machine itself");
	snprintf(t->netns_path, sizeof(t->netns_path), "/proc/%d/ns/net", (int)t->anchor);
	snprintf(t->userns_path, sizeof(t->userns_path), "/proc/%d/ns/user", (int)t->anchor);
	return 0;
}

static void end_anchor(const struct target *t)
{
	if (t->anchor > 0 && kill(t->anchor, SIGKILL) == 0)
		while (waitpid(t->anchor, NULL, 0) < 0 && errno == EINTR)
			;
}

static void fill_arguments(const struct target *t, bool root, const char **argv)
{
	int local = isle_resolv_read_host(NULL);
	size_t n = 0;

	/* No port in, none out, none of the host's loopback through the gateway's address. */
	for (const char *const *a = (const char *const[]){"pasta", "--quiet", "--config-net", "--no-map-gw",
							  "--no-netns-quit", "-t", "none", "-u", "none", "-T", "none",
							  "-U", "none", "--pid", "/proc/self/fd/1", NULL};
	     *a; a++)
		argv[n++] = *a;
	if (root) {
		argv[n++] = "--runas";
		argv[n++] = "0";
	}
	if (local > 0 && (local & ISLE_RESOLV_LOCAL4)) {
		argv[n++] = "--dns-forward";
		argv[n++] = ISLE_RESOLV_FORWARD4;
	}
	if (local > 0 && (local & ISLE_RESOLV_LOCAL6)) {
		argv[n++] = "--dns-forward";
		argv[n++] = ISLE_RESOLV_FORWARD6;
	}
	argv[n++] = "--userns";
	argv[n++] = t->userns_path;
	argv[n++] = "--netns";
	argv[n++] = t->netns_path;
	argv[n] = NULL;
}

/* What is in the pipe, as a string. */
static void read_pipe(int fd, char *text, size_t room)
{
	ssize_t n = read(fd, text, room - 1);

	text[n < 0 ? 0 : n] = '\0';
}

/* pasta's own words, in one line and without what only tells that it has no syslog. */
static void join_lines(const char *from, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	while (*from) {
		size_t length = strcspn(from, "\n");

		if (length > 0 && !(memmem(from, length, " to syslog", strlen(" to syslog"))) && used < room - 1) {
			int n = snprintf(to + used, room - used, "%s%.*s", used ? "; " : "", (int)length, from);

			used += n > 0 ? (size_t)n : 0;
		}
		from += length + (from[length] == '\n');
	}
}

static int explain_failure(int status, int complaints, struct isle_err *err)
{
	char text[4096], line[COMPLAINT];

	read_pipe(complaints, text, sizeof(text));
	join_lines(text, line, sizeof(line));
	isle_err_text(err, -ENETDOWN, "pasta failed (status %d)%s%s", status, line[0] ? ": " : "", line);
	if (strstr(line, "interface") || strstr(line, "route"))
		isle_err_hint(err, "this machine has no default route; --net none does without a network");
	return -ENETDOWN;
}

static int explain_spawn(int code, struct isle_err *err)
{
	isle_err_errno(err, code, "cannot run pasta");
	if (code == -ENOENT)
		isle_err_hint(err, "install it (apt install passt), or choose --net none or --net host");
	return code;
}

/* Starts pasta and waits until it has gone into the background. Returns a pidfd of what stays. */
static int start_pasta(const struct target *t, bool root, struct isle_err *err)
{
	const char *argv[ARGUMENTS];
	auto_fd int out = -1, complaints = -1, pidfd = -1;
	int out_pipe[2], err_pipe[2], status, stays;
	char text[32];
	pid_t pid;

	if (pipe2(out_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return isle_err_errno(err, -errno, "cannot make a pipe");
	out = out_pipe[0];
	if (pipe2(err_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(out_pipe[1]);
		return isle_err_errno(err, -errno, "cannot make a pipe");
	}
	complaints = err_pipe[0];
	fill_arguments(t, root, argv);
	pidfd = isle_spawn(
		&(struct isle_spawn_options){
			.argv = argv, .stdin_fd = -1, .stdout_fd = out_pipe[1], .stderr_fd = err_pipe[1]},
		&pid);
	close(out_pipe[1]);
	close(err_pipe[1]);
	if (pidfd < 0)
		return explain_spawn(pidfd, err);
	status = isle_spawn_wait(pidfd, pid, START_LIMIT);
	if (status < 0) {
		(void)isle_pidfd_send_signal(pidfd, SIGKILL);
		return isle_err_errno(err, status, "pasta does not get ready");
	}
	if (status > 0)
		return explain_failure(status, complaints, err);
	read_pipe(out, text, sizeof(text));
	stays = isle_pidfd_open((pid_t)strtol(text, NULL, 10));
	return stays < 0 ? isle_err_errno(err, stays, "pasta has ended at once") : stays;
}

/* Where the minder has them. */
enum { FD_REPORT = 3, FD_NETNS, FD_FREE };

/* In the minder: lets go of everything but these two. */
static void let_go(int report, int netns)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "isle-net");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)setsid();
	report = fcntl(report, F_DUPFD, FD_FREE);
	netns = fcntl(netns, F_DUPFD, FD_FREE);
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			_exit(1);
	if (report < 0 || netns < 0 || chdir("/") < 0 || dup3(report, FD_REPORT, O_CLOEXEC) < 0 ||
	    dup3(netns, FD_NETNS, O_CLOEXEC) < 0)
		_exit(1);
	if (isle_close_range(FD_FREE, ~0U, 0) < 0)
		_exit(1);
}

/* Waits until the isle, or pasta, or we are to end. */
static void wait_for_end(int isle, int pasta)
{
	sigset_t set;
	struct pollfd fds[3] = {{.fd = isle, .events = POLLIN}, {.fd = pasta, .events = POLLIN}, {.events = POLLIN}};

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	fds[2].fd = signalfd(-1, &set, SFD_CLOEXEC);
	while (poll(fds, 3, -1) < 0 && errno == EINTR)
		;
}

static isle_noreturn void minder(const struct isle_pasta_options *options, int report)
{
	struct target t = {.pidfd = -1, .netns = FD_NETNS, .userns = -1};
	struct isle_err err = ISLE_ERR_INIT;
	int pasta = -1, r;

	let_go(report, options->netns);
	r = open_target(options->pid, &t, &err);
	if (r >= 0)
		r = start_anchor(&t, &err);
	if (r >= 0)
		r = pasta = start_pasta(&t, options->root || geteuid() == 0, &err);
	end_anchor(&t);
	drop_powers(); /* it ends a process of its own user */
	err.code = r < 0 ? r : 0;
	if (isle_write_all(FD_REPORT, &err, sizeof(err)) < 0 || r < 0) {
		if (pasta >= 0)
			(void)isle_pidfd_send_signal(pasta, SIGKILL);
		_exit(1);
	}
	close(FD_REPORT);
	close(t.netns);
	wait_for_end(t.pidfd, pasta);
	(void)isle_pidfd_send_signal(pasta, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(0);
}

/* A user's pasta opens it with the user's rights: say so before it does. */
static int check_tun(struct isle_err *err)
{
	auto_fd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int code = -errno;

	if (fd >= 0)
		return 0;
	isle_err_errno(err, code, "cannot open /dev/net/tun");
	if (code == -EACCES)
		isle_err_hint(err, "root can open it to everybody: chmod 0666 /dev/net/tun (most systems have it so)");
	else
		isle_err_hint(err, "root can load it: modprobe tun; a container needs --device /dev/net/tun");
	return code;
}

static int read_report(int fd, struct isle_err *ret)
{
	size_t have = 0;

	while (have < sizeof(*ret)) {
		ssize_t n = read(fd, (char *)ret + have, sizeof(*ret) - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		have += (size_t)n;
	}
	return 0;
}

int isle_pasta_start(const struct isle_pasta_options *options, pid_t *ret_pid, struct isle_err *err)
{
	struct isle_err report = ISLE_ERR_INIT;
	auto_fd int in = -1;
	int ends[2], r;
	pid_t pid;

	r = check_tun(err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return isle_err_errno(err, -errno, "cannot make a pipe");
	in = ends[0];
	pid = fork();
	if (pid == 0)
		minder(options, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return isle_err_errno(err, -errno, "cannot start a process");
	r = read_report(in, &report);
	if (r < 0)
		isle_err_errno(&report, r, "pasta's minder has died");
	if (report.code < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (err)
			*err = report;
		return report.code;
	}
	*ret_pid = pid;
	return 0;
}
