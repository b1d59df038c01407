/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One poll loop over: the leader's connection, a signalfd, the terminal (terminal.h), the guide (guide.h), which
 * answers trapped calls.
 *
 *   request sent --> STARTED --> running --> EXITED --> terminal drained --> end of file
 *                 \-> ERROR or end of file: nothing was run
 *
 * 1. Signals are blocked from before the request until the end; each that arrives is passed on. One that the terminal
 *    sent (SI_KERNEL) goes to CMD's process group, one that a process sent goes to CMD.
 * 2. The connection's end is the end of the run: the keeper closes it last (keeper.c, 3).
 * 3. When the leader dies without EXITED, the run was killed, from outside or by CMD: reported as SIGKILL.
 * 4. While it may write to the layer (guide.h repairs what an overlay cannot do), it holds the isle (life.h): if the
 *    keeper is killed and this process is stopped, a commit does not begin beside it. The processes that it forks for
 *    that hold the isle with it.
 * 5. Each descriptor that is polled costs every trapped call 0.2 us. While calls are answered, one stands for all that
 *    seldom become readable (`seldom`, an epoll descriptor); when it does, all are polled.
 */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include "buf.h"
#include "core_dump.h"
#include "guide.h"
#include "kernel.h"
#include "life.h"
#include "live.h"
#include "quote.h"
#include "spawn.h"
#include "stamp.h"
#include "talk.h"
#include "trap.h"
#include "view.h"
#include "walls.h"
#include "wire.h"

struct supervisor {
	const struct isle *isle;
	const struct isle_run_options *options;
	int connection;
	int hold; /* of the isle: others see that this process may write to it (life.h) */
	int signals;
	int seldom;		  /* -1: nothing is trapped yet */
	struct isle_guide *guide; /* NULL: nothing is trapped */
	struct isle_standard standard;
	struct isle_terminal *terminal;
	struct isle_net_lazy network;
	struct timespec began;
	bool root; /* of the machine: asked once */
	bool started, exited, closed;
	bool killed;		       /* the leader was, and told nothing */
	uint32_t missing;	       /* walls that no leader can see: the rest come with STARTED */
	struct isle_wire_message last; /* EXITED */
	unsigned ended;		       /* processes that were left running */
	char *names;		       /* of these, in `last` */
	struct isle_run_result *result;
	struct isle_err *err;
	int failed; /* -errno of an ERROR message */
};

static const int passed_on[] = {
	SIGHUP,	 SIGINT,  SIGQUIT,  SIGUSR1,   SIGUSR2, SIGALRM, SIGTERM,
	SIGTSTP, SIGCONT, SIGWINCH, SIGVTALRM, SIGPROF, SIGIO,	 SIGPWR,
};

static void block_signals(sigset_t *ret_old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	sigprocmask(SIG_BLOCK, &set, ret_old);
}

static void fill_masks(struct isle_wire_request *q, const sigset_t *blocked)
{
	for (int sig = 1; sig < NSIG && sig <= 64; sig++) {
		if (sigismember(blocked, sig) == 1)
			q->blocked |= 1ULL << (sig - 1);
		if (isle_signal_ignored(sig) || (sig == SIGCHLD && isle_children_were_ignored()))
			q->ignored |= 1ULL << (sig - 1);
	}
}

static mode_t current_umask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

/* The first socket of the isle joins it to the network; a run beside this one may have been faster. */
static void connecting(void *data, bool done)
{
	struct supervisor *s = data;

	if (!done) {
		s->network.options.pid = isle_life_init(s->isle);
		s->network.options.root = s->root;
		s->network.tried = isle_live_has_network(s->isle);
	} else if (s->network.pid > 0) {
		isle_ignore(isle_live_note_network(s->isle, s->network.pid));
	}
}

/* The program sees an older state at worst, and a commit is checked all the same. */
static void refresh(void *data)
{
	const struct supervisor *s = data;

	isle_ignore(isle_refresh(s->isle, NULL));
}

static bool has_writes(const struct isle_run_options *options)
{
	return options->write != NULL && options->write[0] != NULL;
}

static unsigned traps(const struct supervisor *s)
{
	const struct isle_run_options *o = s->options;
	unsigned traps = 0;

	if (o->net == ISLE_NET_INTERNET && !isle_live_has_network(s->isle))
		traps |= ISLE_TRAP_NET;
	if (o->track != ISLE_TRACK_NONE)
		traps |= ISLE_TRAP_READS;
	if (o->track == ISLE_TRACK_FULL)
		traps |= ISLE_TRAP_STATS;
	if ((traps & ISLE_TRAP_READS) != 0 && (o->flags & ISLE_RUN_NEST) != 0)
		traps |= ISLE_TRAP_MOUNTS;
	if (geteuid() == 0 && o->net == ISLE_NET_HOST)
		traps |= ISLE_TRAP_ATTRIBUTES;
	if (o->net == ISLE_NET_HOST || has_writes(o))
		traps |= ISLE_TRAP_BINDS;
	traps |= s->root ? ISLE_TRAP_NODES : ISLE_TRAP_NAMES | ISLE_TRAP_OWNERS;
	return traps;
}

/* As leader.c has it. */
static unsigned filter_flags(const struct supervisor *s)
{
	const struct isle_run_options *o = s->options;

	return (s->root ? ISLE_FILTER_ROOT : 0) | ((o->flags & ISLE_RUN_NEST) != 0 ? ISLE_FILTER_NEST : 0) |
	       (o->net == ISLE_NET_HOST ? ISLE_FILTER_HOST_NET : 0);
}

static const char *search_path(char *const *environment)
{
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, "PATH=", 5) == 0)
			return *environment + 5;
	return NULL;
}

static int make_guide(struct supervisor *s, unsigned trapped)
{
	const struct isle_guide_options options = {
		.isle = s->isle,
		.track = s->options->track,
		.traps = trapped,
		.filter = filter_flags(s),
		.user = !s->root,
		.writes = has_writes(s->options),
		.fake_owner = (s->options->flags & ISLE_RUN_FAKE_OWNER) != 0,
		.directory = s->options->directory,
		.argv = s->options->argv,
		.path = search_path(s->options->environment),
		.net = s->options->net,
		.connection = s->connection,
		.network = &s->network,
		.refresh = s->options->track == ISLE_TRACK_NONE ? NULL : refresh,
		.connecting = connecting,
		.data = s,
	};

	/* A run that is not recorded leaves a log all the same: that it was not. */
	return trapped == 0 && options.track != ISLE_TRACK_NONE ? 0 : isle_guide_new(&options, &s->guide, s->err);
}

/* As the machine is now: what changes kernel.core_pattern to a socket during the run is not seen. */
static int check_core_dumps(struct supervisor *s)
{
	int r = isle_core_wall();

	if (r >= 0)
		return 0;
	s->missing |= ISLE_WALL_COREDUMP;
	if ((s->options->require & ISLE_WALL_COREDUMP) == 0)
		return 0;
	isle_err_hint(s->err, "see: isle doctor");
	return isle_err_text(s->err, -EPROTONOSUPPORT, "the demanded protection '%s' cannot be had here",
			     isle_wall_name(ISLE_WALL_COREDUMP));
}

/* The pump starts while the leader prepares the command. */
static int start_standard(struct supervisor *s)
{
	int r = isle_standard_start(&s->standard);

	return r < 0 ? isle_err_errno(s->err, r, "cannot start a process for the input and output of the command") : 0;
}

static int send_request(struct supervisor *s, const sigset_t *blocked)
{
	const struct isle_run_options *o = s->options;
	int fds[ISLE_STANDARD_COUNT];
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	struct isle_wire_request q = {.flags = o->flags, .require = o->require, .net = (uint32_t)o->net};

	for (char *const *a = o->argv; *a != NULL; a++)
		q.argc++;
	for (char *const *e = o->environment; *e != NULL; e++)
		q.envc++;
	q.umask = current_umask();
	q.nice = getpriority(PRIO_PROCESS, 0);
	q.linger_ms = (uint32_t)(o->linger * 1000);
	q.traps = traps(s);
	fill_masks(&q, blocked);
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++)
		isle_ignore(isle_inherited_limit(resource, &q.limits[resource]));
	q.terminal = s->terminal->setup;
	q.pty = s->terminal->pty;
	memcpy(q.standard, s->standard.setup, sizeof(q.standard));
	isle_buf_add(&text, &q, sizeof(q));
	isle_buf_add(&text, o->directory, strlen(o->directory) + 1);
	for (char *const *a = o->argv; *a != NULL; a++)
		isle_buf_add(&text, *a, strlen(*a) + 1);
	for (char *const *e = o->environment; *e != NULL; e++)
		isle_buf_add(&text, *e, strlen(*e) + 1);
	int r = isle_buf_error(&text);
	if (r >= 0)
		r = make_guide(s, q.traps);
	if (r >= 0)
		r = isle_wire_send_fds(s->connection, ISLE_WIRE_REQUEST, text.data, text.size, fds,
				       isle_standard_fds(&s->standard, fds));
	return r == -EPIPE ? 0 : r; /* why the other side has gone is still to be read */
}

static void tell(struct supervisor *s, unsigned type, const void *data, size_t size)
{
	isle_ignore(isle_wire_send(s->connection, type, data, size));
}

static void tell_go(struct supervisor *s, enum isle_terminal_go go)
{
	int32_t value = go;

	if (go != ISLE_TERMINAL_STAY)
		tell(s, ISLE_WIRE_GO, &value, sizeof(value));
}

static void say_missing(const struct isle_run_options *options, uint32_t missing)
{
	if ((missing & ISLE_WALL_LANDLOCK) != 0 && (options->flags & ISLE_RUN_NEST) != 0) {
		missing &= ~(uint32_t)ISLE_WALL_LANDLOCK;
		isle_note("protection 'landlock' is left out by --nest, since it would forbid mounts");
	}
	for (unsigned bit = 0; bit < ISLE_WALL_COUNT; bit++) {
		if ((missing & (1U << bit)) != 0)
			isle_note("protection '%s' is missing on this machine; see: isle doctor",
				  isle_wall_name((enum isle_wall)(1U << bit)));
	}
}

/* Which protections this run has. */
static void say_walls(const struct isle_run_options *options, uint32_t missing)
{
	auto_buf struct isle_buf list = ISLE_BUF_INIT;

	if (isle_talk_get() < ISLE_TALK_VERBOSE)
		return;
	if (options->net == ISLE_NET_HOST)
		missing |= ISLE_WALL_NETNS;
	if (options->net != ISLE_NET_INTERNET)
		missing |= ISLE_WALL_NETFILTER;
	for (unsigned bit = 0; bit < ISLE_WALL_COUNT; bit++)
		if ((missing & (1U << bit)) == 0)
			isle_buf_addf(&list, " %s", isle_wall_name(1U << bit));
	isle_verbose("walls:%s", list.data == NULL ? "" : list.data);
}

static void say_end(const struct isle_run_result *result)
{
	if (result->outcome == ISLE_RUN_EXITED)
		isle_verbose("exited with status %d after %.3f s", result->status, result->seconds);
	else if (result->outcome == ISLE_RUN_SIGNALLED)
		isle_verbose("ended by signal %d after %.3f s", result->status, result->seconds);
}

static int watch_seldom(int seldom, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return fd < 0 ? 0 : epoll_ctl(seldom, EPOLL_CTL_ADD, fd, &event);
}

static int start_guide(struct supervisor *s, int listener, int root)
{
	struct pollfd fds[ISLE_GUIDE_FDS];
	int r = isle_guide_start(s->guide, listener, root);

	if (r < 0)
		return r;
	isle_guide_fds(s->guide, fds);
	s->seldom = epoll_create1(EPOLL_CLOEXEC);
	if (s->seldom < 0 || watch_seldom(s->seldom, s->connection) < 0 || watch_seldom(s->seldom, s->signals) < 0)
		return -errno;
	for (size_t i = 0; i < ISLE_GUIDE_FDS; i++)
		if (i != ISLE_GUIDE_CALLS && watch_seldom(s->seldom, fds[i].fd) < 0)
			return -errno;
	return 0;
}

static int handle_started(struct supervisor *s, struct isle_wire_message *m)
{
	struct isle_wire_started started;
	unsigned next = 0;

	if (m->size != sizeof(started))
		return isle_err_errno(s->err, -EPROTO, "cannot talk to the isle");
	memcpy(&started, m->data, sizeof(started));
	s->started = true;
	started.missing |= s->missing;
	say_missing(s->options, started.missing);
	say_walls(s->options, started.missing | (started.listener ? 0 : ISLE_WALL_NOTIFY));
	if (started.master && next < m->fd_count) {
		int r = isle_terminal_start(s->terminal, fd_take(&m->fds[next++]));

		if (r < 0)
			return isle_err_errno(s->err, r, "cannot use the terminal");
	}
	if (s->guide != NULL && !started.listener && s->options->track != ISLE_TRACK_NONE)
		isle_guide_lost(s->guide, "this kernel has no seccomp user notification");
	if (!started.listener || next + 3 > m->fd_count || s->guide == NULL)
		return 0;
	s->network.options.netns = fd_take(&m->fds[next + 1]);
	int r = start_guide(s, fd_take(&m->fds[next]), fd_take(&m->fds[next + 2]));
	return r < 0 ? isle_err_errno(s->err, r, "cannot answer the calls of the isle") : 0;
}

static void say_leftovers(unsigned ended, char *names)
{
	char *save = NULL;
	unsigned shown = 0;

	if (ended == 0)
		return;
	for (char *name = strtok_r(names, "\n", &save); name != NULL; name = strtok_r(NULL, "\n", &save), shown++)
		isle_note("ended %s, which was left running", isle_quote(name));
	if (ended > shown)
		isle_note("ended %u more processes", ended - shown);
}

/* As wait(2) has it. */
static int32_t wait_status(const struct isle_run_result *result)
{
	switch (result->outcome) {
	case ISLE_RUN_EXITED:
		return (int32_t)(result->status & 0xff) << 8;
	case ISLE_RUN_SIGNALLED:
		return result->status;
	case ISLE_RUN_NOT_FOUND:
		return 127 << 8;
	case ISLE_RUN_NOT_EXECUTABLE:
		break;
	}
	return 126 << 8;
}

static void handle_exited(struct supervisor *s, struct isle_wire_message *m)
{
	struct isle_wire_exited exited;
	struct timespec now;

	if (m->size < sizeof(exited))
		return;
	memcpy(&exited, m->data, sizeof(exited));
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->exited = true;
	s->result->outcome = (enum isle_run_outcome)exited.outcome;
	s->result->status = exited.outcome >= ISLE_RUN_NOT_FOUND ? exited.error : exited.status;
	s->result->seconds = (double)(now.tv_sec - s->began.tv_sec) + (double)(now.tv_nsec - s->began.tv_nsec) / 1e9;
	s->ended = exited.ended;
	s->names = m->data + sizeof(exited);
	s->last = *m;
	*m = ISLE_WIRE_MESSAGE_INIT;
	if (s->guide != NULL)
		isle_guide_end(s->guide, wait_status(s->result));
	/* What the host changes from now on is to have a later time than what the run has changed (layer.h). */
	isle_stamp_pass(s->isle->dir, "layers", s->guide == NULL || isle_guide_has_written(s->guide));
	s->result->nesting = s->guide == NULL ? 0 : isle_guide_nesting(s->guide);
	isle_terminal_end(s->terminal);
}

static void handle_error(struct supervisor *s, const struct isle_wire_message *m)
{
	s->failed = -EIO;
	if (m->size != sizeof(struct isle_err) || s->err == NULL)
		return;
	memcpy(s->err, m->data, sizeof(*s->err));
	s->err->text[sizeof(s->err->text) - 1] = '\0';
	s->err->hint[sizeof(s->err->hint) - 1] = '\0';
	if (s->err->code < 0)
		s->failed = s->err->code;
}

static int handle_leader(struct supervisor *s)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	int32_t sig;
	int r = isle_wire_receive(s->connection, &m);

	if (r < 0)
		return isle_err_errno(s->err, r, "cannot talk to the isle");
	if (r == 0) {
		s->closed = true;
		isle_terminal_end(s->terminal);
	} else if (m.type == ISLE_WIRE_STARTED) {
		return handle_started(s, &m);
	} else if (m.type == ISLE_WIRE_ERROR) {
		handle_error(s, &m);
	} else if (m.type == ISLE_WIRE_STOPPED && m.size == sizeof(sig)) {
		memcpy(&sig, m.data, sizeof(sig));
		tell_go(s, isle_terminal_stopped(s->terminal, sig, s->connection));
	} else if (m.type == ISLE_WIRE_EXITED) {
		handle_exited(s, &m);
	} else if (m.type == ISLE_WIRE_KILLED) {
		s->killed = true;
	}
	return 0;
}

static void handle_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;
	enum isle_terminal_go go = ISLE_TERMINAL_STAY;
	struct isle_wire_signal sig;

	if (read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	sig.number = (int32_t)info.ssi_signo;
	sig.group = info.ssi_code == SI_KERNEL || sig.number == SIGTSTP || sig.number == SIGCONT;
	if (sig.number == SIGCONT)
		go = isle_terminal_continued(s->terminal);
	if (sig.number == SIGWINCH && s->terminal->pty)
		isle_terminal_resized(s->terminal);
	else if (go != ISLE_TERMINAL_STAY)
		tell_go(s, go);
	else
		tell(s, ISLE_WIRE_SIGNAL, &sig, sizeof(sig));
}

enum { KEEPER_PATIENCE_MS = 1000 };

enum {
	FD_LEADER,
	FD_SIGNALS,
	FD_TERMINAL,
	FD_GUIDE = FD_TERMINAL + ISLE_TERMINAL_FDS,
	FD_COUNT = FD_GUIDE + ISLE_GUIDE_FDS
};

/* Answers trapped calls until something else is to be done. False: none are trapped now. */
static bool answer_calls(struct supervisor *s)
{
	struct pollfd guide[ISLE_GUIDE_FDS] = {0};
	enum { CALLS, SELDOM, TERMINAL };
	struct pollfd fds[TERMINAL + ISLE_TERMINAL_FDS] = {[SELDOM] = {.fd = s->seldom, .events = POLLIN}};
	unsigned count = TERMINAL + isle_terminal_poll_fds(s->terminal, fds + TERMINAL);

	if (s->guide == NULL || s->seldom < 0 || s->exited || s->killed || s->closed)
		return false;
	for (;;) {
		isle_guide_fds(s->guide, guide);
		fds[CALLS] = guide[ISLE_GUIDE_CALLS];
		if (fds[CALLS].fd < 0)
			return false;
		int ready = poll(fds, count, -1);
		if (ready < 0 || ready > (fds[CALLS].revents != 0))
			return ready > 0;
		guide[ISLE_GUIDE_CALLS].revents = fds[CALLS].revents;
		isle_guide_handle(s->guide, guide);
	}
}

static int turn(struct supervisor *s)
{
	struct pollfd fds[FD_COUNT];
	bool ready = answer_calls(s);
	int r = 0;

	for (size_t i = 0; i < FD_COUNT; i++)
		fds[i] = (struct pollfd){.fd = -1};
	fds[FD_LEADER] = (struct pollfd){.fd = s->closed ? -1 : s->connection, .events = POLLIN};
	fds[FD_SIGNALS] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	unsigned terminal = isle_terminal_poll_fds(s->terminal, fds + FD_TERMINAL);
	if (s->guide != NULL)
		isle_guide_fds(s->guide, fds + FD_GUIDE);
	/* Before the start and after the end it is the keeper's turn, and it may be stopped. */
	int patience = s->closed || (s->started && !s->exited && !s->killed) ? -1 : KEEPER_PATIENCE_MS;
	int n = poll(fds, FD_COUNT, ready ? 0 : patience);
	if (n < 0)
		return errno == EINTR ? 0 : isle_err_errno(s->err, -errno, "cannot wait for the isle");
	if (n == 0 && patience > 0)
		isle_life_wake_keeper(s->isle);
	if (terminal > 0)
		isle_terminal_handle(s->terminal, fds + FD_TERMINAL, terminal);
	if (fds[FD_SIGNALS].revents != 0)
		handle_signal(s);
	if (s->guide != NULL)
		isle_guide_handle(s->guide, fds + FD_GUIDE);
	if (fds[FD_LEADER].revents != 0)
		r = handle_leader(s);
	return r;
}

static int outcome(struct supervisor *s)
{
	if (s->failed < 0)
		return s->failed;
	if (s->exited)
		return 0;
	if (!s->started)
		return -ECONNRESET;
	isle_note(s->killed ? "the leader of the run was killed, so all of the run was ended"
			    : "the isle was ended from outside");
	s->result->outcome = ISLE_RUN_SIGNALLED;
	s->result->status = SIGKILL;
	return 0;
}

/* After the last of the output, which is the command's. */
static void finish_standard(struct supervisor *s)
{
	if (isle_standard_end(&s->standard, s->signals))
		s->result->output_lost = true;
	if (!s->exited)
		return;
	say_end(s->result);
	say_leftovers(s->ended, s->names);
}

static int ask(struct supervisor *s, const sigset_t *blocked)
{
	static const int standard[ISLE_STANDARD_COUNT] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	int r = isle_standard_plan(&s->standard, standard, s->terminal->setup.slots, s->err);

	if (r < 0)
		return r;
	if (s->hold == -EAGAIN) {
		isle_err_text(s->err, -EAGAIN, "isle '%s' is in use: another isle command has stopped while taking it",
			      s->isle->name);
		isle_err_hint(s->err, "let that command go on (kill -CONT), or end it");
		return -EAGAIN;
	}
	r = s->signals < 0 ? s->signals : s->hold;
	if (r >= 0)
		r = send_request(s, blocked);
	if (r < 0)
		return isle_err_errno(s->err, r, "cannot ask for the run");
	return start_standard(s);
}

int isle_supervise(const struct isle *isle, const struct isle_run_options *options, int connection,
		   struct isle_run_result *ret_result, struct isle_err *err)
{
	static struct isle_terminal terminal; /* large, and its buffers are used only if there is a terminal */
	struct supervisor s = {.isle = isle,
			       .terminal = &terminal,
			       .options = options,
			       .connection = connection,
			       .hold = isle_life_hold(isle),
			       .seldom = -1,
			       .root = isle_view_is_root(),
			       .network.options.netns = -1,
			       .result = ret_result,
			       .err = err};
	sigset_t old;
	sigset_t set;

	block_signals(&old);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signals < 0)
		s.signals = -errno;
	clock_gettime(CLOCK_MONOTONIC, &s.began);
	isle_terminal_open(s.terminal);
	*ret_result = (struct isle_run_result){.terminal = s.terminal->pty};
	int r = check_core_dumps(&s);
	if (r >= 0)
		r = ask(&s, &old);
	while (r >= 0 && !(s.closed && isle_terminal_drained(s.terminal)))
		r = turn(&s);
	isle_terminal_close(s.terminal);
	isle_net_say_end(&s.network);
	if (r >= 0)
		finish_standard(&s);
	isle_standard_close(&s.standard);
	isle_wire_done(&s.last);
	isle_cleanup_fd(&s.signals);
	isle_cleanup_fd(&s.seldom);
	isle_guide_free(s.guide);
	isle_cleanup_fd(&s.network.options.netns);
	isle_cleanup_fd(&s.hold);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : outcome(&s);
}
