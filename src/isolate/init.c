/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init.
 *
 * The order of the set-up, each step with what it needs:
 *  0. root mode, with a way out: the network namespace, over which no root inside has power (link.h)
 *  1. own /proc, /sys, /dev     in the new pid namespace, the host's /proc and /dev still in sight; as root still with
 *                               the machine's powers, so that these mounts belong to the host's user namespace
 *  2. pivot_root                before the user namespace of root mode: there the mounts are locked
 *  3. root mode: user namespace with the identity map, and with it mount, ipc, uts, cgroup namespaces, and a network
 *                               namespace where there is no way out. From here uid 0 owns files and nothing of the
 *                               machine
 *  4. what belongs to those namespaces: message queues, host name, loopback
 *  5. powers dropped            user mode: all; root mode: those that no program needs for files and processes
 * Then it serves. What filters system calls is put up in each leader (leader.c), before any program of the user runs.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel.h"
#include "link.h"
#include "own.h"
#include "wire.h"

enum { LEADERS_MAX = 1024 };

struct init {
	const struct isle_init_options *options;
	struct isle_err err;
	struct {
		pid_t pid; /* 0: free */
		uint32_t run;
	} leaders[LEADERS_MAX];
	uint32_t live;
};

static int fail(struct init *in, int code, const char *what)
{
	isle_err_errno(&in->err, code, "cannot isolate: %s", what);
	isle_wire_send_error(in->options->connection, &in->err);
	return code;
}

static int make_own_trees(struct init *in)
{
	const struct isle_init_options *o = in->options;
	bool nest = (o->run->flags & ISLE_RUN_NEST) != 0;
	int r = isle_own_proc(o->root, o->empty_dir, o->empty_file, nest && o->user ? ISLE_PROC_UNCOVERED : 0);

	if (r < 0) {
		fail(in, r, "a proc file system of its own");
		return r;
	}
	r = isle_own_sys(o->root, o->empty_dir);
	if (r < 0)
		return fail(in, r, "a read-only /sys");
	r = isle_own_dev(o->root, o->user);
	return r < 0 ? fail(in, r, "a /dev of its own") : 0;
}

static int change_root(struct init *in)
{
	if (fchdir(in->options->root) < 0)
		return fail(in, -errno, "entering the view");
	int r = isle_pivot_root(".", ".");
	if (r < 0)
		return fail(in, r, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fail(in, -errno, "leaving the host's root");
	return 0;
}

/* Root mode: the keeper, outside, writes the identity map. */
static int enter_user_namespace(struct init *in)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (in->options->run->net == ISLE_NET_NONE)
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0)
		return fail(in, -errno, "a user namespace");
	int r = isle_wire_send(in->options->keeper, ISLE_WIRE_MAP_ME, NULL, 0);
	if (r >= 0 && isle_wire_receive(in->options->keeper, &m) <= 0)
		r = -ECONNRESET;
	if (r >= 0 && (m.type != ISLE_WIRE_MAPPED || m.size != sizeof(r)))
		r = -EPROTO;
	if (r >= 0)
		memcpy(&r, m.data, sizeof(r));
	if (r < 0)
		return fail(in, r, "mapping the users");
	/* A change of user namespace makes a process traceable by its new root again. */
	isle_ignore(prctl(PR_SET_DUMPABLE, 0));
	return 0;
}

static int set_up_namespaces(struct init *in)
{
	const struct isle_run_options *run = in->options->run;
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? -errno : isle_own_mqueue(root);

	if (r < 0)
		return fail(in, r, "message queues of its own");
	if (run->hostname != NULL && sethostname(run->hostname, strlen(run->hostname)) < 0)
		return fail(in, -errno, "setting the host name");
	if (run->net != ISLE_NET_HOST && in->options->network < 0) {
		r = isle_net_lo_up();
		if (r < 0)
			return fail(in, r, "the loopback interface");
		isle_ignore(isle_net_blackholes()); /* a kernel without such routes has nothing to reach there either */
	}
	return 0;
}

/* What identity-mapped root has no use for: every one of these is about the machine or the kernel. */
static const int needless[] = {
	CAP_SYS_ADMIN, CAP_SYS_MODULE,	       CAP_SYS_RAWIO,	  CAP_SYS_BOOT,	  CAP_SYS_TIME,	     CAP_SYS_PACCT,
	CAP_SYSLOG,    CAP_MAC_ADMIN,	       CAP_MAC_OVERRIDE,  CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_PERFMON,
	CAP_BPF,       CAP_CHECKPOINT_RESTORE, CAP_AUDIT_CONTROL, CAP_AUDIT_READ,
};

static int drop_powers(struct init *in)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};
	bool nest = (in->options->run->flags & ISLE_RUN_NEST) != 0;

	for (size_t i = 0; i < ARRAY_SIZE(needless) && !in->options->user && !nest; i++) {
		if (prctl(PR_CAPBSET_DROP, needless[i]) < 0 && errno != EINVAL)
			return fail(in, -errno, "dropping powers");
	}
	if (!in->options->user)
		return 0; /* CAP_SYS_ADMIN is needed once more, for the filters; it ends with the first exec */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		isle_ignore(prctl(PR_CAPBSET_DROP, cap));
	if (syscall(SYS_capset, &header, none) < 0)
		return fail(in, -errno, "dropping powers");
	return 0;
}

static int set_up(struct init *in)
{
	int r = make_own_trees(in);

	/* Before the root changes: that of the network's maker changes with it, and it still needs the host's /proc. */
	if (r >= 0 && in->options->network >= 0) {
		r = isle_net_enter(in->options->network);
		if (r >= 0 && !in->options->user)
			r = isle_net_open_to_all();
		if (r < 0)
			return fail(in, r, "a network of its own");
	}
	if (r >= 0)
		r = change_root(in);
	if (r >= 0 && !in->options->user)
		r = enter_user_namespace(in);
	if (r >= 0)
		r = set_up_namespaces(in);
	if (r >= 0)
		r = drop_powers(in);
	return r;
}

static void start_leader(struct init *in, uint32_t run, int connection)
{
	size_t i = 0;
	struct isle_wire_ended ended = {.run = run};

	while (i < LEADERS_MAX && in->leaders[i].pid != 0)
		i++;
	pid_t pid = i == LEADERS_MAX ? -1 : fork();
	if (pid == 0)
		isle_leader_main(connection, in->options->user);
	if (pid > 0) {
		in->leaders[i].pid = pid;
		in->leaders[i].run = run;
		in->live++;
		return;
	}
	isle_err_errno(&in->err, -EAGAIN, "cannot start a process in the isle");
	isle_wire_send_error(connection, &in->err);
	ended.live = in->live;
	isle_ignore(isle_wire_send(in->options->keeper, ISLE_WIRE_ENDED, &ended, sizeof(ended)));
}

static void note_death(struct init *in, pid_t pid)
{
	for (size_t i = 0; i < LEADERS_MAX; i++) {
		if (in->leaders[i].pid != pid)
			continue;
		struct isle_wire_ended ended = {.run = in->leaders[i].run, .live = --in->live};

		in->leaders[i].pid = 0;
		isle_ignore(isle_wire_send(in->options->keeper, ISLE_WIRE_ENDED, &ended, sizeof(ended)));
		return;
	}
}

static void reap(struct init *in)
{
	for (pid_t pid = waitpid(-1, NULL, WNOHANG); pid > 0; pid = waitpid(-1, NULL, WNOHANG))
		note_death(in, pid);
}

/* False when the keeper has gone or wants the end. */
static bool handle_keeper(struct init *in)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	uint32_t run;

	if (isle_wire_receive(in->options->keeper, &m) <= 0)
		return false;
	if (m.type == ISLE_WIRE_RUN && m.size == sizeof(run) && m.fd_count == 1) {
		memcpy(&run, m.data, sizeof(run));
		start_leader(in, run, m.fds[0]);
	}
	return true;
}

static void serve(struct init *in)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	auto_fd int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd fds[2] = {{.fd = in->options->keeper, .events = POLLIN},
					{.fd = signals, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents != 0) {
			isle_ignore(read(signals, &info, sizeof(info)));
			reap(in);
		}
		if (fds[0].revents != 0 && !handle_keeper(in))
			return;
	}
}

/* Closes everything but these two and the standard three. */
static void close_others(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b);
	unsigned high = (unsigned)(a < b ? b : a);

	isle_ignore(isle_close_range(3, low - 1, 0));
	isle_ignore(isle_close_range(low + 1, high - 1, 0));
	if (isle_close_range(high + 1, ~0U, 0) >= 0)
		return;
	struct rlimit files = {0}; /* before Linux 5.9 */
	isle_ignore(getrlimit(RLIMIT_NOFILE, &files));
	for (unsigned fd = 3; fd < files.rlim_cur; fd++)
		if (fd != low && fd != high)
			close((int)fd);
}

void isle_init_main(const struct isle_init_options *options)
{
	struct init in = {.options = options};
	int connection = options->connection;

	isle_ignore(prctl(PR_SET_DUMPABLE, 0));
	isle_ignore(prctl(PR_SET_NAME, "isle-init"));
	if (set_up(&in) < 0)
		_exit(1);
	close_others(options->keeper, connection);
	start_leader(&in, 0, connection);
	isle_cleanup_fd(&connection);
	serve(&in);
	_exit(0); /* the kernel ends everything in the pid namespace */
}
