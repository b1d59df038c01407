/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper.
 *
 *   start --> namespaces --> view mounted --> init cloned --> serving --> closing --> end
 *
 * 1. Until init is cloned any failure goes to the supervisor as an error and the keeper ends: nothing was run.
 * 2. The lock is held from before the first mount until no process is left inside. It is given up after live.sock is
 *    unlinked, so whoever finds the lock free finds no socket, and a lock that is taken without a socket means: wait.
 * 3. The keeper holds a copy of each run's connection until it has dealt with that run's end; the supervisor, which
 *    waits for the end of file, therefore returns only when an isle that is at rest can be locked.
 * 4. The mounts end with the keeper, after the lock. The next one to take it waits for that (isle_life_await_keeper()).
 * 5. Init's death is the death of everything inside (pid namespace). The keeper then only cleans up.
 * 6. The keeper's death is init's (PR_SET_PDEATHSIG in init). Init is noted before a program runs, and forgotten only
 *    when none is left, so whoever finds the lock of a keeper that was killed waits for that death (life.h).
 * 7. Nothing inside can reach the keeper, and it outlives init. So it is what holds init to its duty: an init that is
 *    stopped is continued at once, and one that does not report the end of a run whose supervisor has gone is killed.
 * 8. The keeper waits for nobody: not for a visitor who is silent or slow (visitors.h), nor for init to read.
 *
 * A run, as the keeper sees it:
 *
 *   passed on --> its supervisor has gone --> ENDED by init: connection closed, perhaps the lock given up
 *             \                           \-> END_LIMIT_MS later: init is killed
 *              \-> ENDED
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "boot.h"
#include "clock.h"
#include "init.h"
#include "io.h"
#include "kernel.h"
#include "life.h"
#include "link.h"
#include "live.h"
#include "meta.h"
#include "talk.h"
#include "visitors.h"
#include "wire.h"

extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { SYS_MS_REC = 0x4000, SYS_MS_PRIVATE = 0x40000 };

/* Init itself gives up after two seconds and kills everything (init.c). */
enum { RUNS_MAX = 1024, END_LIMIT_MS = 4000 };

struct keeper {
	const struct isle_keeper_options *options;
	struct isle_err err;
	int root;     /* of the view */
	int init;     /* socket */
	int listener; /* live.sock */
	int signals;  /* SIGCHLD: init is stopped */
	pid_t init_pid;
	struct isle_net_maker network;
	uint32_t next_run;
	uint32_t live;
	struct isle_visitors visitors;
	bool held_up; /* init has to read before it can be told of another run */
	bool mapped;  /* init waits for nothing but runs: before that it would take one for the answer to MAP_ME */
	struct {
		uint32_t number;
		int connection; /* -1: none */
		int64_t gone;	/* since when there is no supervisor, milliseconds of CLOCK_MONOTONIC; 0: there is */
	} runs[RUNS_MAX];
	int64_t linger_ms;
	int64_t linger_until; /* milliseconds of CLOCK_MONOTONIC, 0: not lingering */
};

isle_noreturn static void fail(struct keeper *k)
{
	isle_wire_send_error(k->options->connection, &k->err);
	_exit(1);
}

/* uid and gid are those of before the user namespace; until the maps are there all ids are the overflow id. */
static int write_maps(uid_t uid, gid_t gid)
{
	char map[64];
	int r = isle_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");

	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)uid, (unsigned)uid);
	if (r >= 0)
		r = isle_write_file(AT_FDCWD, "/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned)gid, (unsigned)gid);
	return r < 0 ? r : isle_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

/* A descriptor from before belongs to a mount of the old mount namespace, which overlayfs and open_tree(2) refuse: the
 * store and the isle are opened again, under the same numbers, and must be the same. */
static int reopen(const struct isle_keeper_options *o)
{
	char name[32];
	auto_fd int store = open(isle_store_path(o->store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(name, sizeof(name), "isles/%s", o->isle->id);
	auto_fd int isle = store < 0 ? -1 : openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (isle >= 0 && (!isle_is_same_file(store, isle_store_fd(o->store)) || !isle_is_same_file(isle, o->isle->dir)))
		return -ESTALE;
	if (isle < 0 || dup3(store, isle_store_fd(o->store), O_CLOEXEC) < 0 || dup3(isle, o->isle->dir, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* The root of an isle must have no power over a network that leads out; over one without a way out it may (init.c). */
static int make_network(struct keeper *k)
{
	bool user = k->options->view->user;
	enum isle_net_mode net = k->options->run->net;

	if (net == ISLE_NET_HOST || (net == ISLE_NET_NONE && !user))
		return 0;
	int r = isle_net_make(user ? 0 : ISLE_NET_OWN_USER, &k->network);
	return r < 0 ? isle_err_errno(&k->err, r, "cannot make a network for the isle") : 0;
}

static void set_up(struct keeper *k, uid_t uid, gid_t gid)
{
	const struct isle_keeper_options *o = k->options;
	int r = o->view->user ? write_maps(uid, gid) : 0;

	if (r < 0)
		isle_err_errno(&k->err, r, "cannot map the user into a user namespace");
	/* Only now: the files in /proc/self of an undumpable process belong to the machine's root. */
	isle_ignore(prctl(PR_SET_DUMPABLE, 0));
	if (r >= 0)
		r = make_network(k);
	if (r >= 0 && mount(NULL, "/", NULL, SYS_MS_REC | SYS_MS_PRIVATE, NULL) < 0)
		r = isle_err_errno(&k->err, -errno, "cannot make the mounts private");
	if (r >= 0) {
		r = reopen(o);
		if (r < 0)
			isle_err_errno(&k->err, r, "cannot open the store");
	}
	if (r >= 0)
		r = isle_view_mount(o->store, o->isle, o->view, o->run->flags, &k->root, &k->err);
	if (r < 0)
		fail(k);
}

/* The child becomes init. In user mode its namespaces belong to the keeper's user namespace; as root init makes
 * most of them itself (init.c). */
static void clone_init(struct keeper *k, int pair[2])
{
	const struct isle_keeper_options *o = k->options;
	/* The owner of a cgroup namespace could mount the machine's control groups: it belongs to a user namespace
	 * outside. */
	uint64_t flags = CLONE_NEWPID | CLONE_NEWCGROUP;
	struct isle_init_options init = {.run = o->run, .user = o->view->user, .root = k->root};

	if (o->view->user)
		flags |= CLONE_NEWIPC | CLONE_NEWUTS;
	init.network = k->network.sock;
	init.keeper = pair[1];
	init.connection = o->connection;
	init.empty_dir = openat(isle_store_fd(o->store), "empty", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	init.empty_file = openat(isle_store_fd(o->store), "empty-file", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	k->init_pid = isle_clone(flags, NULL);
	if (k->init_pid == 0)
		isle_init_main(&init);
	if (k->init_pid < 0) {
		isle_err_errno(&k->err, (int)k->init_pid, "cannot make the isle's namespaces");
		fail(k);
	}
	isle_cleanup_fd(&pair[1]);
	isle_cleanup_fd(&init.empty_dir);
	isle_cleanup_fd(&init.empty_file);
	k->init = pair[0];
	isle_net_made(&k->network);
}

static void detach_stdio(void)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		isle_ignore(dup2(null, fd));
}

/* Takes the connection over, unless it fails: -EAGAIN when init has to read first. */
static int pass_run(struct keeper *k, int connection)
{
	uint32_t number = k->next_run;
	size_t slot = 0;

	while (slot < RUNS_MAX && k->runs[slot].connection >= 0)
		slot++;
	if (slot == RUNS_MAX)
		return -EUSERS;
	int r = isle_wire_try_send_fds(k->init, ISLE_WIRE_RUN, &number, sizeof(number), &connection, 1);
	if (r < 0)
		return r;
	k->runs[slot].number = number;
	k->runs[slot].connection = connection;
	k->runs[slot].gone = 0;
	k->next_run++;
	k->live++;
	k->linger_until = 0;
	return 0;
}

/* Init lets nothing run before. */
static void tell_mapped(struct keeper *k, int result)
{
	isle_ignore(isle_wire_send(k->init, ISLE_WIRE_MAPPED, &result, sizeof(result)));
	k->mapped = true;
}

static void map_init(struct keeper *k)
{
	/* The view's /proc is that of the isle's pid namespace, where init is 1. */
	static const char map[] = "0 0 4294967295\n";
	int r = isle_write_file(AT_FDCWD, "/proc/1/uid_map", map);

	if (r >= 0)
		r = isle_write_file(AT_FDCWD, "/proc/1/gid_map", map);
	tell_mapped(k, r);
}

static void close_doors(struct keeper *k)
{
	if (k->listener < 0)
		return;
	isle_ignore(unlinkat(k->options->isle->dir, "live.sock", 0));
	isle_cleanup_fd(&k->listener);
	k->listener = -1;
}

/* Invariant 2: nobody is left inside. */
static void give_up_lock(struct keeper *k)
{
	close_doors(k);
	isle_view_rest(k->options->isle, k->options->view);
	isle_boot_unmounted(k->options->isle);
	isle_life_forget_init(k->options->isle);
	isle_live_end_network(k->options->isle);
	isle_ignore(flock(k->options->lock, LOCK_UN));
}

static void end_run(struct keeper *k, const struct isle_wire_ended *ended)
{
	size_t slot = 0;

	while (slot < RUNS_MAX && (k->runs[slot].connection < 0 || k->runs[slot].number != ended->run))
		slot++;
	if (slot == RUNS_MAX)
		return;
	k->live = k->live > 0 ? k->live - 1 : 0;
	if (k->live == 0 && k->linger_ms == 0)
		give_up_lock(k);
	else if (k->live == 0)
		k->linger_until = isle_monotonic_ms() + k->linger_ms;
	isle_cleanup_fd(&k->runs[slot].connection);
	k->runs[slot].connection = -1;
}

static bool handle_init(struct keeper *k)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;

	if (isle_wire_receive(k->init, &m) <= 0)
		return false;
	if (m.type == ISLE_WIRE_MAP_ME)
		map_init(k);
	else if (m.type == ISLE_WIRE_ENDED && m.size == sizeof(struct isle_wire_ended))
		end_run(k, (const struct isle_wire_ended *)(const void *)m.data);
	return k->listener >= 0;
}

static void answer_refresh(const struct keeper *k, int connection)
{
	int32_t r = isle_view_refresh(k->root, k->options->view);

	isle_ignore(isle_wire_send(connection, ISLE_WIRE_RESULT, &r, sizeof(r)));
}

static void refuse(int connection, int code)
{
	struct isle_err err = ISLE_ERR_INIT;

	isle_err_errno(&err, code, "cannot join the isle: %d runs are in it", RUNS_MAX);
	isle_wire_send_error(connection, &err); /* the first that is sent there: it has room */
}

/* False when init has to read first. */
static bool join(struct keeper *k, const struct isle_visitor *visitor)
{
	uint32_t linger;

	memcpy(&linger, visitor->said.data, sizeof(linger));
	if (linger > k->linger_ms)
		k->linger_ms = linger;
	/* A refresh that fails leaves an older view of the host, which a commit still checks. */
	isle_ignore(isle_view_refresh(k->root, k->options->view));
	int r = pass_run(k, visitor->connection);
	if (r == -EAGAIN)
		return false;
	if (r == -EUSERS)
		refuse(visitor->connection, r);
	if (r < 0)
		isle_cleanup_fd(&visitor->connection);
	return true;
}

/* False when the isle has been given up. */
static bool obey_visitor(struct keeper *k, const struct isle_visitor *visitor)
{
	const struct isle_wire_partial *said = &visitor->said;
	bool rest = said->type == ISLE_WIRE_REST && k->live == 0;

	if (said->type == ISLE_WIRE_JOIN && said->size == sizeof(uint32_t)) {
		k->held_up = !join(k, visitor);
		if (k->held_up)
			isle_visitors_put_back(&k->visitors, visitor);
		return true;
	}
	if (said->type == ISLE_WIRE_REFRESH)
		answer_refresh(k, visitor->connection);
	if (rest)
		give_up_lock(k);
	isle_cleanup_fd(&visitor->connection);
	return !rest;
}

/* False when the isle has been given up. */
static bool obey_visitors(struct keeper *k)
{
	struct isle_visitor visitor;

	k->held_up = false;
	while (!k->held_up && isle_visitors_next(&k->visitors, &visitor))
		if (!obey_visitor(k, &visitor))
			return false;
	return true;
}

/* Invariant 7: whoever stops init wants to hold up an end. */
static void continue_init(const struct keeper *k)
{
	struct signalfd_siginfo info;
	siginfo_t state = {0};

	isle_ignore(read(k->signals, &info, sizeof(info)));
	if (waitid(P_PID, (id_t)k->init_pid, &state, WSTOPPED | WNOHANG) == 0 && state.si_pid == k->init_pid)
		isle_ignore(kill(k->init_pid, SIGCONT));
}

enum { FD_INIT, FD_LISTENER, FD_SIGNALS, FD_VISITORS };

struct watch {
	struct pollfd fds[FD_VISITORS + ISLE_VISITORS_MAX + RUNS_MAX];
	uint16_t slots[RUNS_MAX]; /* of fds from runs on */
	nfds_t runs, count;
	int64_t until; /* as keeper.linger_until */
};

static void prepare(const struct keeper *k, struct watch *w)
{
	w->until = k->linger_until;
	bool listening = k->mapped && isle_visitors_listening(&k->visitors, &w->until);

	w->fds[FD_INIT] = (struct pollfd){.fd = k->init, .events = (short)(POLLIN | (k->held_up ? POLLOUT : 0))};
	w->fds[FD_LISTENER] = (struct pollfd){.fd = listening ? k->listener : -1, .events = POLLIN};
	w->fds[FD_SIGNALS] = (struct pollfd){.fd = k->signals, .events = POLLIN};
	w->count = FD_VISITORS;
	isle_visitors_watch(&k->visitors, w->fds, &w->count, &w->until);
	w->runs = w->count;
	for (unsigned i = 0; i < RUNS_MAX; i++) {
		if (k->runs[i].connection < 0)
			continue;
		if (k->runs[i].gone != 0) {
			isle_sooner(&w->until, k->runs[i].gone + END_LIMIT_MS);
			continue;
		}
		w->slots[w->count - w->runs] = (uint16_t)i;
		w->fds[w->count++] = (struct pollfd){.fd = k->runs[i].connection}; /* POLLHUP needs no asking */
	}
}

static void note_gone(struct keeper *k, const struct watch *w)
{
	for (nfds_t i = w->runs; i < w->count; i++)
		if (w->fds[i].revents != 0)
			k->runs[w->slots[i - w->runs]].gone = isle_monotonic_ms();
}

static bool is_overdue(const struct keeper *k)
{
	int64_t now = isle_monotonic_ms();

	for (size_t i = 0; i < RUNS_MAX; i++)
		if (k->runs[i].connection >= 0 && k->runs[i].gone != 0 && now >= k->runs[i].gone + END_LIMIT_MS)
			return true;
	return k->linger_until != 0 && k->live == 0 && now >= k->linger_until;
}

/* Until the isle is to end. */
static void serve(struct keeper *k)
{
	static struct watch w;

	for (;;) {
		prepare(k, &w);
		int64_t left = w.until == 0 ? -1 : w.until - isle_monotonic_ms();
		if (w.until != 0 && left < 0)
			left = 0;
		int n = poll(w.fds, w.count, left > INT_MAX ? INT_MAX : (int)left);
		if (n < 0 && errno != EINTR)
			return;
		if (n < 0)
			continue;
		note_gone(k, &w);
		isle_visitors_hear(&k->visitors, &w.fds[FD_VISITORS]);
		if (w.fds[FD_SIGNALS].revents != 0)
			continue_init(k);
		if (w.fds[FD_LISTENER].revents != 0)
			isle_visitors_admit(&k->visitors, k->listener);
		if (!obey_visitors(k))
			return;
		if ((w.fds[FD_INIT].revents & ~POLLOUT) != 0 && !handle_init(k))
			return;
		if (is_overdue(k))
			return;
	}
}

/* Everything inside is dead when init is reaped, whatever state it was in. */
static void close_down(struct keeper *k)
{
	bool locked = k->listener >= 0;

	close_doors(k);
	isle_ignore(kill(k->init_pid, SIGKILL));
	isle_cleanup_fd(&k->init);
	while (waitpid(k->init_pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (locked)
		give_up_lock(k);
}

/* Init dies with us from the moment on in which it may run something; here it has not. */
isle_noreturn static void give_up(struct keeper *k, int code, const char *what)
{
	isle_err_errno(&k->err, code, "%s", what);
	isle_ignore(kill(k->init_pid, SIGKILL));
	fail(k);
}

static void listen_on_socket(struct keeper *k)
{
	isle_ignore(unlinkat(k->options->isle->dir, "network", 0)); /* of a keeper that was killed */
	k->listener = isle_live_listen(k->options->isle);
	if (k->listener < 0)
		give_up(k, k->listener, "cannot listen for further runs");
}

static void note_init(struct keeper *k, const struct isle_life_proc *proc)
{
	int r = isle_life_note_init(k->options->isle, proc, k->init_pid);

	isle_cleanup_fd(&proc->dir);

	if (r < 0)
		give_up(k, r, "cannot write to the isle");
}

static void watch_init(struct keeper *k)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	k->signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signals < 0)
		give_up(k, -errno, "cannot watch the isle");
}

isle_noreturn static void keeper_main(const struct isle_keeper_options *options, uid_t uid, gid_t gid)
{
	struct keeper k = {
		.options = options, .root = -1, .listener = -1, .signals = -1, .network = ISLE_NET_MAKER_INIT};
	int pair[2];
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL); /* init and leaders read theirs from signalfd, CMD gets its own mask */
	isle_ignore(prctl(PR_SET_NAME, "isle-keeper"));
	isle_ignore(setsid());
	isle_ignore(close(options->supervisor));
	umask(0);
	for (size_t i = 0; i < RUNS_MAX; i++)
		k.runs[i].connection = -1;
	k.linger_ms = (int64_t)(options->run->linger * 1000);
	isle_ignore(isle_life_note_keeper(options->lock));
	set_up(&k, uid, gid);
	detach_stdio();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		isle_err_errno(&k.err, -errno, "cannot make a socket");
		fail(&k);
	}
	struct isle_life_proc proc;
	int r = isle_life_look_at_proc(&proc);
	if (r < 0) {
		isle_err_errno(&k.err, r, "cannot open /proc");
		fail(&k);
	}
	clone_init(&k, pair);
	note_init(&k, &proc);
	if (options->view->user)
		tell_mapped(&k, 0); /* clone(2) has done it */
	watch_init(&k);
	listen_on_socket(&k);
	isle_view_settle(options->isle, options->view);
	k.runs[0].connection = options->connection;
	k.next_run = 1;
	k.live = 1;
	serve(&k);
	close_down(&k);
	_exit(0);
}

int isle_keeper_start(const struct isle_keeper_options *options, struct isle_err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	uint64_t flags = CLONE_NEWNS | (options->view->user ? CLONE_NEWUSER : 0);
	pid_t pid = isle_clone(flags, NULL);

	if (pid == 0)
		keeper_main(options, uid, gid);
	if (pid > 0)
		return 0;
	if (options->view->user) {
		isle_wall_explain(ISLE_WALL_USERNS, err);
		return isle_err_prefix(err, (int)pid, "cannot isolate");
	}
	return isle_err_errno(err, (int)pid, "cannot make a mount namespace");
}
