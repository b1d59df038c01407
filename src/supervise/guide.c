/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One notification: received, handled, recorded, answered. The answer comes after the write to the log, so what a
 * program has been given is on record even if the guide is killed at any moment:
 *
 *   received --> handler --> log written --> continue        (or: answered with the handler's result)
 *                   |            |
 *                   +- failed ---+-------> the call fails with that error
 */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "attributes.h"
#include "binds.h"
#include "buf.h"
#include "calls.h"
#include "listener.h"
#include "nested.h"
#include "repair.h"
#include "static_filter.h"

/* Seconds between two refreshes of a view in which nothing is known to have moved: for names that a program asks for
 * without opening them, which are not trapped. */
enum { REFRESH_SECONDS = 5 };

/* Seconds after which current directories and what is known of the view's directories are asked for anew: another run
 * in the same isle can have renamed them. */
enum { REMEMBER_SECONDS = 2 };

static uint32_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint32_t)t.tv_sec;
}

static int start_log(struct isle_guide *guide)
{
	const struct isle_guide_options *o = &guide->options;
	struct isle_event event = {.type = ISLE_EVENT_RUN, .how = o->track, .path = o->directory};
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_events_create(o->isle, &guide->events);

	for (char *const *a = o->argv; *a != NULL; a++)
		isle_buf_add(&text, *a, strlen(*a) + 1);
	if (r >= 0)
		r = isle_buf_error(&text);
	event.text = text.data;
	event.text_size = text.size < 64 << 10 ? text.size : 0;
	if (r >= 0)
		r = isle_events_add(guide->events, &event, NULL);
	return r < 0 ? r : isle_events_flush(guide->events);
}

int isle_guide_new(const struct isle_guide_options *options, struct isle_guide **ret_guide, struct isle_err *err)
{
	struct isle_guide *guide = calloc(1, sizeof(*guide));
	int r = guide == NULL ? -ENOMEM : 0;

	if (r < 0)
		return isle_err_errno(err, r, "cannot watch the run");
	guide->options = *options;
	guide->processes = ISLE_PROCESSES_INIT;
	guide->nested = guide->listener = guide->root = guide->timer = guide->moves = guide->move.process = -1;
	guide->user = options->user;
	guide->second = guide->refreshed = guide->remembered = seconds();
	isle_siphash_key_new(&guide->key);
	if (options->track == ISLE_TRACK_NONE) {
		r = start_log(guide);
		isle_events_close(guide->events);
		guide->events = NULL;
	}
	if (r >= 0 && (options->traps & ISLE_TRAP_READS) != 0) {
		r = start_log(guide);
		if (r >= 0)
			r = isle_processes_init(&guide->processes, guide->events);
		if (r >= 0)
			r = isle_glance_init(&guide->seen);
	}
	if (r >= 0 && (options->traps & (ISLE_TRAP_READS | ISLE_TRAP_NAMES | ISLE_TRAP_OWNERS)) != 0)
		r = isle_origins_init(&guide->origins, options->isle);
	if (r < 0) {
		isle_guide_free(guide);
		return isle_err_errno(err, r, "cannot record what the run does");
	}
	*ret_guide = guide;
	return 0;
}

void isle_guide_free(struct isle_guide *guide)
{
	if (guide == NULL)
		return;
	isle_cleanup_fd(&guide->listener);
	isle_cleanup_fd(&guide->root);
	isle_cleanup_fd(&guide->timer);
	if (guide->move.process >= 0) /* the tree is whole before the run ends */
		isle_ignore(waitpid(guide->move.pid, NULL, 0));
	isle_cleanup_fd(&guide->move.process);
	isle_cleanup_fd(&guide->moves);
	free(guide->move.from);
	free(guide->move.to);
	free(guide->waiting);
	isle_mounts_done(&guide->view_mounts);
	isle_processes_done(&guide->processes);
	isle_origins_done(&guide->origins);
	isle_carried_done(&guide->carried);
	isle_known_done(&guide->recorded);
	isle_glance_done(&guide->seen);
	isle_near_forget(&guide->near);
	isle_events_close(guide->events);
	free(guide->repeated);
	free(guide);
}

/* A descriptor and not the timeout of poll(2), which would be set for every trapped call. */
static int start_timer(void)
{
	const struct itimerspec every = {{.tv_sec = REFRESH_SECONDS}, {.tv_sec = REFRESH_SECONDS}};
	auto_fd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0 ? -errno : fd_take(&timer);
}

int isle_guide_start(struct isle_guide *guide, int listener, int root)
{
	int r = 0;

	guide->listener = listener;
	guide->root = root;
	if (guide->options.refresh != NULL)
		r = guide->timer = start_timer();
	if (r >= 0 && guide->user) {
		guide->moves = epoll_create1(EPOLL_CLOEXEC);
		r = guide->moves < 0 ? -errno : 0;
	}
	return r < 0 ? r : isle_listener_prepare(listener);
}

void isle_guide_fds(const struct isle_guide *guide, struct pollfd *fds)
{
	const int list[ISLE_GUIDE_FDS] = {
		[ISLE_GUIDE_CALLS] = guide->listener,
		[ISLE_GUIDE_ENDS] = guide->processes.ends,
		[ISLE_GUIDE_TIMER] = guide->timer,
		[ISLE_GUIDE_MOVES] = guide->moves,
	};

	for (size_t i = 0; i < ISLE_GUIDE_FDS; i++)
		fds[i] = (struct pollfd){.fd = guide->listener < 0 ? -1 : list[i], .events = POLLIN};
}

/* The call fails with the error that the kernel would find, too (a bad address), or with that of the guide. */
static void answer(struct isle_guide *guide, const struct isle_call *call, const struct isle_verdict *verdict, int r)
{
	int sent;

	if (r < 0)
		sent = isle_listener_answer(guide->listener, call->notif.id, 0, -r);
	else if (verdict->answered)
		sent = isle_listener_answer(guide->listener, call->notif.id, verdict->value, verdict->error);
	else
		sent = isle_listener_continue(guide->listener, &call->notif, guide->options.filter);
	if (sent < 0) {
		isle_cleanup_fd(&guide->listener);
		guide->listener = -1;
	}
}

bool isle_guide_waits(const struct isle_guide *guide, const struct isle_call *call)
{
	return isle_listener_waits(guide->listener, call->notif.id);
}

/* While a tree is moved nothing may change names, or what they lead to: it could be in the old tree. */
static bool must_wait(const struct isle_guide *guide, const struct isle_trapped *trapped, const struct isle_call *call)
{
	const uint64_t writes = O_ACCMODE | O_CREAT | O_TRUNC;

	if (guide->move.process < 0 || trapped == NULL)
		return false;
	if (trapped->handler != isle_handle_open)
		return trapped->handler == isle_handle_names || trapped->handler == isle_handle_metadata;
	switch (call->notif.data.nr) {
	case SYS_openat:
		return (call->args[2] & writes) != 0;
#ifdef SYS_open
	case SYS_open:
		return (call->args[1] & writes) != 0;
#endif
	default: /* creat, openat2 */
		return true;
	}
}

static int let_wait(struct isle_guide *guide, const struct isle_call *call)
{
	if (guide->waiting_count == guide->waiting_room) {
		size_t room = guide->waiting_room == 0 ? 16 : guide->waiting_room * 2;
		struct seccomp_notif *list = reallocarray(guide->waiting, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		guide->waiting = list;
		guide->waiting_room = room;
	}
	guide->waiting[guide->waiting_count++] = call->notif;
	return 0;
}

static void handle_call(struct isle_guide *guide, const struct isle_call *call)
{
	const struct isle_trapped *trapped = isle_trapped_find(call->notif.data.nr);
	struct isle_verdict verdict = {0};
	int r = 0;

	if (must_wait(guide, trapped, call)) {
		r = let_wait(guide, call);
		if (r < 0)
			answer(guide, call, &verdict, r);
		return;
	}
	/* The leader is ours, and looks through its own /proc at the end of the run. */
	bool ours = guide->processes.leader != 0 && call->tid == guide->processes.leader;
	isle_guide_settle(guide, call);
	guide->elsewhere = ours ? 0 : isle_nested(guide, call);
	if (trapped != NULL && !ours && trapped->handler != NULL &&
	    (guide->events != NULL || trapped->handler == isle_handle_socket))
		r = trapped->handler(guide, call, &verdict);
	/* The kernel knows the mounts of such a namespace, and a repair does not. */
	if (r >= 0 && trapped != NULL && !ours && guide->elsewhere == 0 && !verdict.answered &&
	    trapped->repair != NULL && (trapped->traps & guide->options.traps & ISLE_TRAP_REPAIRS) != 0)
		r = trapped->repair(guide, call, &verdict);
	if (r >= 0 && !verdict.answered && (guide->options.traps & ISLE_TRAP_ATTRIBUTES) != 0 &&
	    isle_attributes_is_change(call->notif.data.nr))
		r = isle_attributes_change(guide, call, &verdict);
	if (r >= 0 && (guide->options.traps & ISLE_TRAP_BINDS) != 0 && call->notif.data.nr == SYS_bind)
		r = isle_bind_in_place(guide, call, &verdict);
	if (guide->events != NULL) {
		int flushed = isle_events_flush(guide->events);

		/* A process may end, whatever happens: it would be killed for trying in vain. */
		r = r < 0 ? r : trapped != NULL && trapped->handler == isle_handle_exit ? 0 : flushed;
	}
	if (r < 0 || !verdict.later)
		answer(guide, call, &verdict, r);
}

static void start_call(struct isle_call *call)
{
	call->tid = (pid_t)call->notif.pid;
	call->args = (const uint64_t *)call->notif.data.args;
}

/* The caller is answered, and those that waited for it have their turn. */
static void end_move(struct isle_guide *guide)
{
	struct isle_call call = {.notif = guide->move.notif};
	struct isle_verdict verdict = {0};
	struct seccomp_notif *waiting = guide->waiting;
	size_t count = guide->waiting_count;

	start_call(&call);
	int r = isle_repair_rename_end(guide, &call, &verdict);
	if (guide->events != NULL && r >= 0)
		r = isle_events_flush(guide->events);
	answer(guide, &call, &verdict, r);
	guide->waiting = NULL;
	guide->waiting_count = guide->waiting_room = 0;
	for (size_t i = 0; i < count && guide->listener >= 0; i++) {
		call.notif = waiting[i];
		start_call(&call);
		if (isle_guide_waits(guide, &call))
			handle_call(guide, &call);
	}
	free(waiting);
}

static void handle_listener(struct isle_guide *guide)
{
	struct isle_call call;
	int r = isle_listener_receive(guide->listener, &call.notif);

	if (r < 0) {
		isle_cleanup_fd(&guide->listener);
		guide->listener = -1;
	}
	if (r <= 0)
		return;
	start_call(&call);
	/* First of all: nobody else here is to see what the filter refuses. */
	int refused = isle_handle_refused(guide, &call);
	if (refused > 0)
		answer(guide, &call, &(struct isle_verdict){.answered = true}, -refused);
	else
		handle_call(guide, &call);
}

void isle_guide_handle(struct isle_guide *guide, const struct pollfd *fds)
{
	uint64_t expired;

	guide->second = seconds();
	if (guide->second - guide->remembered >= REMEMBER_SECONDS) {
		guide->remembered = guide->second;
		isle_processes_moved(&guide->processes);
		isle_origins_look(&guide->origins);
	}
	if (fds[ISLE_GUIDE_ENDS].revents != 0) {
		isle_processes_reap(&guide->processes);
		isle_ignore(isle_events_flush(guide->events));
	}
	if (fds[ISLE_GUIDE_TIMER].revents != 0)
		isle_ignore(read(guide->timer, &expired, sizeof(expired)));
	if (fds[ISLE_GUIDE_MOVES].revents != 0 && guide->move.process >= 0)
		end_move(guide);
	if ((fds[ISLE_GUIDE_CALLS].revents & POLLIN) != 0) {
		handle_listener(guide);
	} else if (fds[ISLE_GUIDE_CALLS].revents != 0) { /* nobody is left who could call */
		isle_cleanup_fd(&guide->listener);
		guide->listener = -1;
	}
	if (guide->listener >= 0 && guide->options.refresh != NULL &&
	    guide->second - guide->refreshed >= REFRESH_SECONDS) {
		guide->refreshed = guide->second;
		guide->options.refresh(guide->options.data);
	}
}

void isle_guide_lost(struct isle_guide *guide, const char *why)
{
	if (guide->events == NULL)
		return;
	isle_ignore(isle_guide_lose(guide, why));
	isle_ignore(isle_events_flush(guide->events));
}

bool isle_guide_has_written(const struct isle_guide *guide)
{
	/* What is mounted inside can write as well. */
	if ((guide->options.filter & ISLE_FILTER_NEST) != 0)
		return true;
	return guide->wrote || guide->lost || guide->events == NULL || guide->options.track == ISLE_TRACK_NONE;
}

unsigned isle_guide_nesting(const struct isle_guide *guide)
{
	return guide->nesting;
}

void isle_guide_end(struct isle_guide *guide, int32_t status)
{
	struct isle_event event = {.type = ISLE_EVENT_END, .end = {.status = status, .cpu_us = -1}};

	if (guide->events == NULL)
		return;
	isle_guide_traffic(guide, &event.end.received, &event.end.sent);
	isle_processes_reap(&guide->processes);
	isle_guide_count(guide);
	isle_ignore(isle_events_add(guide->events, &event, NULL));
	isle_ignore(isle_events_flush(guide->events));
}
