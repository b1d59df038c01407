// SPDX-License-Identifier: Apache-2.0
/*
 * Starting pasta, and keeping it no longer than the isle.
 *
 * 1. pasta writes its pid to --pid, here our pipe, when the interface is configured: that is the sign of readiness. It
 *    stays in the foreground, so it is our child and dies when we do (PR_SET_PDEATHSIG).
 * 2. pasta holds the network namespace open and (as of 2023) does not end with the isle's processes. So a process
 *    stays between: the minder. It watches the isle by a pidfd; it is a fork of the caller that has let go of
 *    everything.
 * 3. Before pasta starts, a packet filter (netfilter.h) closes what must not be reached: the host's own addresses above
 *    all, as pasta opens a connection to one as a local one, and whatever listens there would answer. Without the
 *    filter there is no pasta. The minder hears of each address that the host gets or loses, and has the filter
 *    replaced; when that fails, it ends pasta.
 * 4. The user namespace that counts is the one that owns the network namespace (ioctl_ns(2), NS_GET_USERNS), which
 *    need not be that of any process of the isle. pasta wants both as paths, which it opens with few powers, the
 *    second from inside the first. So a process of ours, the anchor, which also puts up the filter, stands in both
 *    without any power until pasta has started: /proc/ANCHOR/ns/... pasta is not to end when that path goes
 *    (--no-netns-quit).
 * 5. As root pasta would become nobody, who has no power over a user namespace made by root; so --runas 0. It drops
 *    all capabilities but two in the isle's user namespace, moves to an empty root and filters its system calls.
 *
 * AppArmor: the profiles that distributions ship for pasta let it read /proc/PID/ns/{user,net} and trace (read) other
 * processes, which following such a link asks for; nothing else is needed.
 */
#include "pasta.h"
#include "addresses.h"
#include "helper.h"
#include "io.h"
#include "kernel.h"
#include "link.h"
#include "netfilter.h"
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
	ARGUMENTS = 40,
	COMPLAINT = 400,
};

struct target {
	int pidfd;
	int netns, userns;
	pid_t anchor;	/* a process of ours inside both (4) */
	int changes;	/* tells when the host's addresses change */
	int complaints; /* of pasta */
	struct isle_net_addresses own;
	unsigned forward;    /* enum isle_resolv_local */
	unsigned generation; /* of the filter */
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

static int find_addresses(struct target *t, struct isle_err *err)
{
	int r, local = isle_resolv_read_host(NULL);

	t->forward = local > 0 ? (unsigned)local : 0;
	t->changes = isle_net_addresses_subscribe();
	r = t->changes < 0 ? t->changes : isle_net_addresses_read(&t->own);
	return r < 0 ? isle_err_errno(err, r, "cannot find out the addresses of this machine") : 0;
}

/* Runs in a child, which it leaves in the isle's namespaces with power over them. */
static int close_ways(const struct target *t, struct isle_err *err)
{
	const struct isle_netfilter filter = {&t->own, t->forward, t->generation};
	int r = setns(t->userns, CLONE_NEWUSER) < 0 || setns(t->netns, CLONE_NEWNET) < 0 ? -errno : isle_net_lo_up();

	if (r < 0)
		return isle_err_errno(err, r, "cannot enter the isle's network");
	isle_ignore(isle_net_blackholes()); /* a kernel without such routes: the filter has the same */
	return isle_netfilter_apply(&filter, err);
}

/* What follows is done by a child, which tells how it went and then goes or stays. */
static isle_noreturn void anchor_main(const struct target *t, pid_t parent, int report, bool stays)
{
	struct isle_err err = ISLE_ERR_INIT;
	int r;

	r = close_ways(t, &err);
	drop_powers();
	/* A change of powers undoes it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)prctl(PR_SET_DUMPABLE, 1);
	err.code = r < 0 ? r : 0;
	if (isle_write_all(report, &err, sizeof(err)) < 0 || r < 0 || !stays)
		_exit(r < 0);
	for (;;)
		pause();
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

/* Starts the child and returns when the ways are closed. */
static int start_anchor(struct target *t, bool stays, struct isle_err *err)
{
	struct isle_err report = ISLE_ERR_INIT;
	auto_fd int in = -1;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return isle_err_errno(err, -errno, "cannot make a pipe");
	in = ends[0];
	pid_t parent = getpid();
	t->anchor = fork();
	if (t->anchor == 0)
		anchor_main(t, parent, ends[1], stays);
	close(ends[1]);
	if (t->anchor < 0)
		return isle_err_errno(err, -errno, "cannot start a process");
	r = read_report(in, &report);
	if (r < 0)
		return isle_err_errno(err, r, "cannot close the ways from the isle to this machine itself");
	if (report.code < 0 && err)
		*err = report;
	snprintf(t->netns_path, sizeof(t->netns_path), "/proc/%d/ns/net", (int)t->anchor);
	snprintf(t->userns_path, sizeof(t->userns_path), "/proc/%d/ns/user", (int)t->anchor);
	return report.code;
}

static void end_anchor(struct target *t)
{
	if (t->anchor > 0 && kill(t->anchor, SIGKILL) == 0)
		while (waitpid(t->anchor, NULL, 0) < 0 && errno == EINTR)
			;
	t->anchor = 0;
}

static void fill_arguments(const struct target *t, bool root, const char **argv)
{
	size_t n = 0;

	/* No port in, none out, none of the host's loopback through the gateway's address. */
	for (const char *const *a = (const char *const[]){"pasta", "--quiet", "--foreground", "--config-net",
							  "--no-map-gw", "--no-netns-quit", "-t", "none", "-u", "none",
							  "-T", "none", "-U", "none", "--pid", "/proc/self/fd/1", NULL};
	     *a; a++)
		argv[n++] = *a;
	if (root) {
		argv[n++] = "--runas";
		argv[n++] = "0";
	}
	if ((t->forward & ISLE_RESOLV_LOCAL4) != 0) {
		argv[n++] = "--dns-forward";
		argv[n++] = ISLE_RESOLV_FORWARD4;
	}
	if ((t->forward & ISLE_RESOLV_LOCAL6) != 0) {
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

static int find_pasta(struct isle_helper *ret, struct isle_err *err)
{
	int r = isle_helper_find("pasta", ret, err);

	if (r < 0)
		isle_err_hint(err, r == -ENOENT ? "install it (apt install passt), or choose --net none or --net host"
						: "make it root's: chown root, chmod go-w");
	return r;
}

/* Waits for the pid that it writes: 0; its exit status when it ends before that; or -errno. */
static int await_pasta(int pidfd, pid_t pid, int out)
{
	struct pollfd fds[] = {{.fd = out, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	char text[32];
	int n;

	do
		n = poll(fds, ARRAY_SIZE(fds), START_LIMIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	read_pipe(out, text, sizeof(text));
	if (strtol(text, NULL, 10) == (long)pid)
		return 0;
	int status = isle_spawn_wait(pidfd, pid, START_LIMIT);
	return status == 0 ? -ECHILD : status;
}

/* Starts pasta and waits until the interface is configured. Returns a pidfd. What pasta complains of later goes into a
 * pipe that stays open in the minder, and when that is full nowhere. */
static int start_pasta(struct target *t, const struct isle_helper *program, bool root, struct isle_err *err)
{
	static const char *const nothing[] = {NULL};
	const char *argv[ARGUMENTS];
	auto_fd int out = -1, pidfd = -1;
	int out_pipe[2], err_pipe[2];
	pid_t pid;

	if (pipe2(out_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return isle_err_errno(err, -errno, "cannot make a pipe");
	out = out_pipe[0];
	if (pipe2(err_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(out_pipe[1]);
		return isle_err_errno(err, -errno, "cannot make a pipe");
	}
	t->complaints = err_pipe[0];
	fill_arguments(t, root, argv);
	pidfd = isle_spawn(&(struct isle_spawn_options){.argv = argv,
							.program = program->path,
							.environment = nothing,
							.stdin_fd = -1,
							.stdout_fd = out_pipe[1],
							.stderr_fd = err_pipe[1],
							.ends_with_caller = true},
			   &pid);
	close(out_pipe[1]);
	close(err_pipe[1]);
	if (pidfd < 0)
		return isle_err_errno(err, pidfd, "cannot run pasta");
	int status = await_pasta(pidfd, pid, out);
	if (status < 0) {
		(void)isle_pidfd_send_signal(pidfd, SIGKILL);
		return isle_err_errno(err, status, "pasta does not get ready");
	}
	return status > 0 ? explain_failure(status, t->complaints, err) : fd_take(&pidfd);
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

/* Has the filter replaced if the host's addresses are others than it knows. */
static int follow_host(struct target *t)
{
	struct isle_net_addresses now;
	int r = isle_net_addresses_changed(t->changes);

	if (r <= 0)
		return r;
	r = isle_net_addresses_read(&now);
	if (r < 0)
		return r;
	if (isle_net_addresses_same(&now, &t->own)) {
		isle_net_addresses_done(&now);
		return 0;
	}
	isle_net_addresses_done(&t->own);
	t->own = now;
	t->generation++;
	r = start_anchor(t, false, NULL);
	end_anchor(t);
	return r;
}

/* Waits until the isle, or pasta, or we are to end: 0. -errno: the filter does not fit any more. */
static int wait_for_end(struct target *t, int pasta)
{
	enum { ISLE, PASTA, SIGNAL, CHANGES, COUNT };
	sigset_t set;
	struct pollfd fds[COUNT] = {
		[ISLE] = {t->pidfd, POLLIN, 0}, [PASTA] = {pasta, POLLIN, 0}, [CHANGES] = {t->changes, POLLIN, 0}};

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	fds[SIGNAL] = (struct pollfd){signalfd(-1, &set, SFD_CLOEXEC), POLLIN, 0};
	for (;;) {
		int r = poll(fds, COUNT, -1) < 0 && errno != EINTR ? -errno : 0;

		if (r >= 0 && fds[CHANGES].revents != 0)
			r = follow_host(t);
		if (r < 0 || fds[ISLE].revents != 0 || fds[PASTA].revents != 0 || fds[SIGNAL].revents != 0)
			return r;
	}
}

static int start_all(struct target *t, const struct isle_pasta_options *options, struct isle_err *err)
{
	struct isle_helper program;
	int r = open_target(options->pid, t, err);

	if (r >= 0)
		r = find_pasta(&program, err);
	if (r >= 0)
		r = find_addresses(t, err);
	if (r >= 0)
		r = start_anchor(t, true, err);
	if (r >= 0)
		r = start_pasta(t, &program, options->root || geteuid() == 0, err);
	end_anchor(t);
	return r;
}

static isle_noreturn void minder(const struct isle_pasta_options *options, int report)
{
	struct target t = {.pidfd = -1, .netns = FD_NETNS, .userns = -1, .changes = -1, .complaints = -1};
	struct isle_err err = ISLE_ERR_INIT;
	int pasta, r;

	let_go(report, options->netns);
	pasta = r = start_all(&t, options, &err);
	drop_powers(); /* it ends a process of its own user, and owns the user namespace that it enters again */
	err.code = r < 0 ? r : 0;
	if (isle_write_all(FD_REPORT, &err, sizeof(err)) < 0 || r < 0) {
		if (pasta >= 0)
			(void)isle_pidfd_send_signal(pasta, SIGKILL);
		_exit(1);
	}
	close(FD_REPORT);
	r = wait_for_end(&t, pasta);
	(void)isle_pidfd_send_signal(pasta, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(r < 0 ? ISLE_PASTA_CLOSED : 0);
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
