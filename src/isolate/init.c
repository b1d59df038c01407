/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init.
 *
 * The order of the set-up, each step with what it needs:
 *     the limit of core dumps      before anything else: all inside descend from here (core_dump.h)
 *  0. root mode, with a way out: the network namespace, over which no root inside has power (link.h)
 *  1. own /proc, /sys, /dev     in the new pid namespace, the host's /proc and /dev still in sight; as root still with
 *                               the machine's powers, so that these mounts belong to the host's user namespace
 *  2. pivot_root                before the user namespace of root mode: there the mounts are locked
 *  3. root mode: user namespace with the identity map, and with it mount, ipc, uts, cgroup namespaces, and a network
 *                               namespace where there is no way out. From here uid 0 owns files and nothing of the
 *                               machine; what is left to cover of /proc is covered before or after (own_proc.c)
 *  4. what belongs to those namespaces: message queues, host name, loopback
 *  5. powers dropped            user mode: all; root mode: those that no program needs for files and processes
 *  6. bound to the keeper       after the last change of powers, which undoes PR_SET_PDEATHSIG; before any leader
 *
 * Then it serves. What filters system calls is put up in each leader (leader.c), before any program of the user runs.
 *
 * The end of runs. Programs inside can stop or kill every process inside but init: the kernel keeps such signals from
 * pid 1 of their own namespace. So init, not the leader, sees to it that a run ends:
 *
 *   leader started --> supervisor gone, or leader stopped again and again --> leader killed --> leader dead
 *                  \-> leader ended by itself, or killed by somebody inside ----------------/
 *   leader dead --> orphans killed until there are none --> ENDED
 *
 * 1. Leaders are cloned with LEADER_EXIT as their exit signal, and the kernel gives each process that loses its parent
 *    SIGCHLD as its own. So wait(2) without __WCLONE finds orphans only. A leader is a subreaper: what it has started
 *    becomes an orphan of init when that leader is dead, and not before.
 * 2. Whoever is left of a dead leader's run has an orphan among its ancestors, or is one. So ECHILD from a wait for
 *    orphans, which the kernel answers in one step, says that nothing is left; a walk through /proc could not.
 * 3. When no leader is alive, kill(-1) ends all in one step. Beside a run that goes on, orphans and what is below them
 *    are looked for and killed (leftover.h); a program that forks faster than it is found has SWEEP_LIMIT_MS, then
 *    everything inside is killed: programs of one isle are not protected from each other.
 * 4. The keeper is told of a run's end after that. It gives up the lock for nothing less.
 * 5. The keeper's death kills init, also when it is stopped; that of init kills everything.
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

#include "clock.h"
#include "core_dump.h"
#include "kernel.h"
#include "leftover.h"
#include "link.h"
#include "own.h"
#include "wire.h"

enum {
	LEADERS_MAX = 1024,
	LEADER_EXIT = SIGUSR1,
	SWEEP_LIMIT_MS = 2000,
	SWEEP_PAUSE_MS = 1,
	SWEEP_PAUSE_LONG_MS = 50, /* what is left after the limit is in uninterruptible sleep */
	STOPS_A_SECOND = 64,
	REQUEST_LIMIT_S = 60,
};

struct leader {
	pid_t pid; /* 0: free */
	uint32_t run;
	int connection; /* a copy, to see the supervisor go; -1: it has gone */
	bool dead;	/* what is left of its run is being ended */
	int64_t second; /* in which it was stopped last */
	unsigned stops; /* in that second */
};

struct init {
	int devices[ISLE_OWN_DEVICES]; /* own.h */
	const struct isle_init_options *options;
	int proc; /* what lies below /proc, -1 */
	struct isle_err err;
	struct leader leaders[LEADERS_MAX];
	size_t used;	     /* entries that may be in use */
	uint32_t live;	     /* leaders */
	int64_t sweep_since; /* milliseconds of CLOCK_MONOTONIC; 0: there are no orphans */
	int signals;
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
	int r = isle_own_proc(o->root, o->empty_dir, o->empty_file, nest && o->user ? ISLE_PROC_UNCOVERED : 0,
			      &in->proc);

	if (r < 0)
		return fail(in, r, "a proc file system of its own");
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

/* The keeper has written the maps and noted who init is. */
static int await_mapped(struct init *in)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	int r = isle_wire_receive(in->options->keeper, &m);

	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	if (m.type != ISLE_WIRE_MAPPED || m.size != sizeof(r))
		return -EPROTO;
	memcpy(&r, m.data, sizeof(r));
	return r;
}

/* For user id 0: from here on the current directory is what lies below /proc, also in a mount namespace that is entered
 * next. */
static int enter_proc(struct init *in)
{
	return in->proc >= 0 && fchdir(in->proc) < 0 ? fail(in, -errno, "a proc file system of its own") : 0;
}

static int cover_proc(struct init *in)
{
	int r = in->proc < 0 ? 0 : isle_own_proc_cover();

	if (r >= 0 && chdir("/") < 0)
		r = -errno;
	return r < 0 ? fail(in, r, "a read-only /proc") : 0;
}

/* Root mode: the keeper, outside, writes the identity map, and meanwhile /proc is covered unless it is already. */
static int enter_user_namespace(struct init *in, bool covered)
{
	int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (in->options->run->net == ISLE_NET_NONE)
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0)
		return fail(in, -errno, "a user namespace");
	int r = isle_wire_send(in->options->keeper, ISLE_WIRE_MAP_ME, NULL, 0);
	int cover = r < 0 || covered ? 0 : cover_proc(in);
	if (r >= 0)
		r = await_mapped(in);
	if (r < 0)
		return fail(in, r, "mapping the users");
	if (cover < 0)
		return cover;
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
	/* Whether /proc is covered before or after there is a user namespace to enter (own_proc.c, 4). */
	bool early = in->options->user || (in->options->run->flags & ISLE_RUN_NEST) != 0;
	int r = isle_core_forbid();

	if (r < 0)
		return fail(in, r, "the limit of core dumps");
	r = make_own_trees(in);
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
	if (r >= 0)
		r = enter_proc(in);
	if (r >= 0 && early)
		r = cover_proc(in);
	if (r >= 0 && !in->options->user)
		r = enter_user_namespace(in, early);
	if (r >= 0)
		r = set_up_namespaces(in);
	if (r >= 0)
		r = drop_powers(in);
	return r;
}

/* What a leader must not keep: it would hold up the ends of others, and a leader can be held up. */
static void close_for_leader(const struct init *in, int connection)
{
	for (size_t i = 0; i < in->used; i++)
		if (in->leaders[i].pid != 0 && in->leaders[i].connection >= 0 &&
		    in->leaders[i].connection != connection)
			isle_ignore(close(in->leaders[i].connection));
	isle_ignore(close(in->signals));
	isle_ignore(close(in->options->keeper));
}

static void tell_ended(struct init *in, uint32_t run)
{
	const struct isle_wire_ended ended = {.run = run, .live = in->live};

	isle_ignore(isle_wire_send(in->options->keeper, ISLE_WIRE_ENDED, &ended, sizeof(ended)));
}

/* Takes the connection over. */
static void start_leader(struct init *in, uint32_t run, int connection)
{
	size_t i = 0;

	/* Who has joined and says no more must not keep a place for good. Run 0 asked for the isle itself. */
	if (run != 0)
		isle_wire_limit(connection, REQUEST_LIMIT_S);
	while (i < LEADERS_MAX && in->leaders[i].pid != 0)
		i++;
	pid_t pid = i == LEADERS_MAX ? -1 : isle_clone(LEADER_EXIT, NULL);
	if (pid == 0) {
		close_for_leader(in, connection);
		isle_leader_main(connection, in->options->user, in->devices);
	}
	if (pid > 0) {
		in->leaders[i] = (struct leader){.pid = pid, .run = run, .connection = connection};
		in->live++;
		if (in->used <= i)
			in->used = i + 1;
		return;
	}
	isle_err_errno(&in->err, -EAGAIN, "cannot start a process in the isle");
	isle_wire_send_error(connection, &in->err);
	isle_ignore(close(connection));
	tell_ended(in, run);
}

static void let_go(struct leader *leader)
{
	isle_cleanup_fd(&leader->connection);
	leader->connection = -1;
}

/* Its run is to end; what it has started ends after it. */
static void end_leader(struct leader *leader)
{
	let_go(leader);
	if (!leader->dead)
		isle_ignore(kill(leader->pid, SIGKILL));
}

/* A leader has no business being stopped. One that somebody keeps stopping would keep the user from ending the run. */
static void continue_leader(struct leader *leader)
{
	int64_t second = isle_monotonic_ms() / 1000;

	if (second != leader->second)
		leader->stops = 0;
	leader->second = second;
	isle_ignore(kill(leader->pid, ++leader->stops > STOPS_A_SECOND ? SIGKILL : SIGCONT));
}

static struct leader *find_leader(struct init *in, pid_t pid)
{
	for (size_t i = 0; i < in->used; i++)
		if (in->leaders[i].pid == pid && !in->leaders[i].dead)
			return &in->leaders[i];
	return NULL;
}

/* The supervisor may be stopped, and what it has not read yet may fill the socket: init waits for nobody. */
static void tell_killed(const struct leader *leader)
{
	if (leader->connection >= 0 && fcntl(leader->connection, F_SETFL, O_NONBLOCK) == 0)
		isle_ignore(isle_wire_send(leader->connection, ISLE_WIRE_KILLED, NULL, 0));
}

static void reap_leaders(struct init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WCLONE)) > 0) {
		struct leader *leader = find_leader(in, pid);

		if (leader == NULL)
			continue;
		if (WIFSTOPPED(status)) {
			continue_leader(leader);
			continue;
		}
		if (WIFSIGNALED(status))
			tell_killed(leader);
		let_go(leader);
		leader->dead = true;
		in->live--;
	}
}

/* True when there is none (2). */
static bool reap_orphans(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

static void report_dead(struct init *in)
{
	for (size_t i = 0; i < in->used; i++) {
		if (in->leaders[i].pid == 0 || !in->leaders[i].dead)
			continue;
		in->leaders[i].pid = 0;
		tell_ended(in, in->leaders[i].run);
	}
	while (in->used > 0 && in->leaders[in->used - 1].pid == 0)
		in->used--;
}

static bool is_live_leader(pid_t pid, void *data)
{
	return find_leader(data, pid) != NULL;
}

static void sweep(struct init *in)
{
	if (reap_orphans()) {
		in->sweep_since = 0;
		report_dead(in);
		return;
	}
	if (in->sweep_since == 0)
		in->sweep_since = isle_monotonic_ms();
	bool hard = in->live == 0;
	if (!hard)
		hard = isle_leftover_kill_orphans(is_live_leader, in) &&
		       isle_monotonic_ms() - in->sweep_since >= SWEEP_LIMIT_MS;
	if (hard)
		isle_ignore(kill(-1, SIGKILL));
}

/* False when the keeper has gone or wants the end. */
static bool handle_keeper(struct init *in)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	uint32_t run;

	if (isle_wire_receive(in->options->keeper, &m) <= 0)
		return false;
	if (m.type != ISLE_WIRE_RUN || m.size != sizeof(run))
		return true;
	memcpy(&run, m.data, sizeof(run));
	if (m.fd_count == 1)
		start_leader(in, run, fd_take(&m.fds[0]));
	else
		tell_ended(in, run); /* somebody inside has taken our limit of descriptors away */
	return true;
}

static int make_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, LEADER_EXIT);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int sweep_timeout(const struct init *in)
{
	if (in->sweep_since == 0)
		return -1;
	return isle_monotonic_ms() - in->sweep_since < 2 * SWEEP_LIMIT_MS ? SWEEP_PAUSE_MS : SWEEP_PAUSE_LONG_MS;
}

enum { FD_KEEPER, FD_SIGNALS, FD_LEADERS };

static void serve(struct init *in)
{
	static struct pollfd fds[FD_LEADERS + LEADERS_MAX];
	struct signalfd_siginfo info;

	for (;;) {
		fds[FD_KEEPER] = (struct pollfd){.fd = in->options->keeper, .events = POLLIN};
		fds[FD_SIGNALS] = (struct pollfd){.fd = in->signals, .events = POLLIN};
		for (size_t i = 0; i < in->used; i++)
			fds[FD_LEADERS + i] = (struct pollfd){
				.fd = in->leaders[i].pid == 0 || in->leaders[i].dead ? -1 : in->leaders[i].connection};
		size_t watched = in->used;
		if (poll(fds, FD_LEADERS + watched, sweep_timeout(in)) < 0 && errno != EINTR)
			return;
		if (fds[FD_SIGNALS].revents != 0)
			isle_ignore(read(in->signals, &info, sizeof(info)));
		for (size_t i = 0; i < watched; i++)
			if (fds[FD_LEADERS + i].revents != 0) /* POLLHUP: nothing else was asked for */
				end_leader(&in->leaders[i]);
		reap_leaders(in);
		sweep(in);
		if (fds[FD_KEEPER].revents != 0 && !handle_keeper(in))
			return;
	}
}

/* From here on the keeper's death is this process's, also when it is stopped. False: it is dead already. */
static bool bind_to_keeper(const struct init *in)
{
	struct pollfd keeper = {.fd = in->options->keeper};

	/* A process's descriptors are closed before its children are told of its death: one of both is seen. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && poll(&keeper, 1, 0) == 0;
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
	static struct init in;

	in.options = options; /* the rest is zero, and stays untouched: every page costs */
	in.signals = -1;
	isle_ignore(prctl(PR_SET_DUMPABLE, 0));
	isle_ignore(prctl(PR_SET_NAME, "isle-init"));
	isle_ignore(setsid()); /* a scheduling group of its own: /proc/1/autogroup can be written to inside */
	if (set_up(&in) < 0)
		_exit(1);
	close_others(options->keeper, options->connection);
	isle_own_dev_hold(in.devices);
	in.signals = make_signals();
	if (in.signals < 0 || !bind_to_keeper(&in) || (options->user && await_mapped(&in) < 0))
		_exit(1);
	start_leader(&in, 0, options->connection);
	serve(&in);
	_exit(0); /* the kernel ends everything in the pid namespace */
}
