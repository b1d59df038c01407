/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pump: one process for each run that moves bytes between the caller's descriptors and the pipes of CMD.
 *
 *   moving --> told of the end --> drained --> exit
 *          \-> the supervisor is gone: what is there goes out if nobody has to be waited for, exit
 *
 * 1. It holds the caller's descriptors that it serves and its ends of the pipes, and nothing else: no lock, no
 *    directory, no store.
 * 2. All signals are blocked and it has a session of its own: Ctrl-C and Ctrl-Z are for CMD, whose last words still
 *    arrive.
 * 3. The end is told, not read from the pipes: a process of another run in the same isle may hold an end of them.
 * 4. What a pipe or a socket of the caller has to give is looked at, not taken (standard_input.c), so it stays
 *    readable. Only news of it wake the pump: an epoll descriptor with EPOLLET stands for all of them.
 */
#include "standard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "kernel.h"

/* Nobody is woken for what a writer adds to a pipe that is not empty and then waits for more room (pipe_write()), nor
 * when CMD reads from a pipe that is not full. While there is something unread, it is looked at again: soon after
 * something has moved, then seldom. */
enum { LOOK_SOON_US = 50, LOOK_SELDOM_US = 1000000 };

struct pump {
	struct isle_standard_channel *const *channels;
	unsigned count;
	int control;
	int null;
	int edges;
	int look_us; /* until the next look */
	bool ended;  /* nothing inside writes any more */
	bool alone;  /* the supervisor is gone */
};

static bool is_kept(const struct pump *p, int fd)
{
	bool kept = fd == p->control || fd == p->null || fd == p->edges;

	for (unsigned i = 0; i < p->count && !kept; i++) {
		const struct isle_standard_channel *c = p->channels[i];

		kept = fd == c->host || fd == c->inner || fd == c->watch || fd == c->scratch || fd == c->drain;
	}
	return kept;
}

static void close_others(const struct pump *p)
{
	unsigned from = 0, last = 0;

	for (unsigned i = 0; i < p->count; i++) {
		const int fds[] = {p->channels[i]->host,
				   p->channels[i]->inner,
				   p->channels[i]->watch,
				   p->channels[i]->scratch,
				   p->channels[i]->drain,
				   p->control,
				   p->null,
				   p->edges};

		for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
			if (fds[k] >= 0 && (unsigned)fds[k] > last)
				last = (unsigned)fds[k];
	}
	for (unsigned fd = 0; fd <= last; fd++) {
		if (!is_kept(p, (int)fd))
			continue;
		if (fd > from)
			isle_ignore(isle_close_range(from, fd - 1, 0));
		from = fd + 1;
	}
	if (isle_close_range(from, ~0U, 0) < 0) /* before Linux 5.9 */
		for (unsigned fd = 0; fd < 1024; fd++)
			if (!is_kept(p, (int)fd))
				close((int)fd);
}

static bool has_edges(const struct isle_standard_channel *c)
{
	return c->input && (c->kind == STANDARD_PIPE || c->kind == STANDARD_SOCKET);
}

static void watch_edges(const struct pump *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = i};

		if (has_edges(p->channels[i]))
			isle_ignore(epoll_ctl(p->edges, EPOLL_CTL_ADD, p->channels[i]->host, &event));
	}
}

/* What poll(2) reports of a terminal another process may read first, and then read(2) would wait. So the pump opens the
 * terminal once more, for itself, and without waiting. A master cannot be opened again: that makes another terminal. */
static void open_own_terminal(const struct isle_standard_channel *c)
{
	char path[40];
	unsigned number;
	int flags = fcntl(c->host, F_GETFL);

	if (c->kind != STANDARD_STREAM || flags < 0 || !isatty(c->host) || ioctl(c->host, TIOCGPTN, &number) == 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->host);
	auto_fd int own = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		isle_ignore(dup3(own, c->host, O_CLOEXEC));
}

static void begin(struct pump *p)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	isle_ignore(prctl(PR_SET_NAME, "isle-pump"));
	isle_ignore(setsid() < 0);
	isle_ignore(chdir("/"));
	p->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	p->edges = epoll_create1(EPOLL_CLOEXEC);
	if (p->null < 0 || p->edges < 0)
		_exit(1);
	for (unsigned i = 0; i < p->count; i++)
		open_own_terminal(p->channels[i]);
	close_others(p);
	watch_edges(p);
}

static void tell_failure(const struct pump *p, const struct isle_standard_channel *c, int code)
{
	const struct standard_failure failure = {c->number, code, c->input};

	isle_ignore(send(p->control, &failure, sizeof(failure), MSG_NOSIGNAL) < 0);
}

static void move(struct pump *p, struct isle_standard_channel *c)
{
	if (c->input) {
		if (standard_input_feed(c, p->null))
			p->look_us = LOOK_SOON_US;
		if (c->error < 0)
			tell_failure(p, c, c->error);
		c->error = 0;
		return;
	}
	int r = standard_output_move(c);
	if (r < 0)
		tell_failure(p, c, r);
}

/* What this channel waits for: its own end, and the caller's. */
static void poll_channel(const struct isle_standard_channel *c, struct pollfd *inner, struct pollfd *host)
{
	bool level = c->input && !has_edges(c);

	*inner = (struct pollfd){.fd = c->inner};
	*host = (struct pollfd){.fd = -1};
	if (c->inner < 0)
		return;
	if (!c->input) {
		/* The caller's descriptor is watched even then: CMD is to learn that nobody reads. */
		inner->events = c->blocked ? 0 : POLLIN;
		*host = (struct pollfd){.fd = c->kind == STANDARD_FILE && !c->blocked ? -1 : c->host,
					.events = c->blocked ? POLLOUT : 0};
		if (c->blocked)
			inner->fd = -1; /* its hang-up would be told again and again */
	} else if (c->full) {
		inner->events = POLLOUT;
	} else {
		inner->fd = -1;
		if (level)
			*host = (struct pollfd){.fd = c->host, .events = POLLIN};
	}
}

static bool is_ready(const struct isle_standard_channel *c, const struct pollfd *inner, const struct pollfd *host)
{
	return c->changed || inner->revents != 0 || host->revents != 0;
}

/* A reader that has gone ends the channel before CMD writes the next time. */
static void look_at_reader(struct isle_standard_channel *c, const struct pollfd *host)
{
	bool gone = !c->input && (host->revents & (POLLERR | POLLHUP)) != 0 && (host->revents & POLLOUT) == 0;

	if (!gone || c->inner < 0 || c->kind == STANDARD_FILE)
		return;
	isle_cleanup_fd(&c->inner);
	c->inner = -1;
}

static void hear_supervisor(struct pump *p)
{
	char byte;
	ssize_t n = recv(p->control, &byte, 1, MSG_DONTWAIT);

	if (n == 1)
		p->ended = true;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->alone = true;
}

static void hear_edges(const struct pump *p)
{
	struct epoll_event events[ISLE_STANDARD_COUNT];
	int n = epoll_wait(p->edges, events, ISLE_STANDARD_COUNT, 0);

	for (int i = 0; i < n; i++)
		p->channels[events[i].data.u32]->changed = true;
}

static bool is_drained(const struct isle_standard_channel *c)
{
	return c->input || c->inner < 0 ||
	       (!c->blocked && c->begin == c->end && (standard_poll_now(c->inner, POLLIN) & POLLIN) == 0);
}

static bool is_finished(const struct pump *p)
{
	for (unsigned i = 0; i < p->count && !p->alone; i++)
		if (!is_drained(p->channels[i]))
			return false;
	return p->alone || p->ended;
}

static bool has_unread(const struct pump *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (has_edges(p->channels[i]) && p->channels[i]->inner >= 0 && p->channels[i]->unread > 0)
			return true;
	return false;
}

static int wait_for_news(struct pump *p, struct pollfd *fds, unsigned count)
{
	struct timespec time = {.tv_sec = p->look_us / 1000000, .tv_nsec = p->look_us % 1000000 * 1000L};
	int ready = ppoll(fds, count, has_unread(p) ? &time : NULL, NULL);

	if (ready == 0)
		p->look_us = p->look_us * 2 < LOOK_SELDOM_US ? p->look_us * 2 : LOOK_SELDOM_US;
	return ready;
}

static void turn(struct pump *p)
{
	struct pollfd fds[2 + 2 * ISLE_STANDARD_COUNT] = {{.fd = p->control, .events = POLLIN},
							  {.fd = p->edges, .events = POLLIN}};
	struct pollfd *at = fds + 2;

	for (unsigned i = 0; i < p->count; i++)
		poll_channel(p->channels[i], at + 2 * i, at + 2 * i + 1);
	int ready = wait_for_news(p, fds, 2 + 2 * p->count);
	if (ready < 0)
		return;
	if (fds[0].revents != 0)
		hear_supervisor(p);
	if (fds[1].revents != 0)
		hear_edges(p);
	for (unsigned i = 0; i < p->count; i++) {
		struct isle_standard_channel *c = p->channels[i];

		look_at_reader(c, at + 2 * i + 1);
		if (c->inner >= 0 && (ready == 0 || p->ended || p->alone || is_ready(c, at + 2 * i, at + 2 * i + 1)))
			move(p, c);
	}
}

void standard_pump_main(struct isle_standard_channel *const *channels, unsigned count, int control)
{
	struct pump p = {.channels = channels, .count = count, .control = control, .look_us = LOOK_SOON_US};

	begin(&p);
	for (unsigned i = 0; i < count; i++)
		move(&p, channels[i]);
	while (!is_finished(&p))
		turn(&p);
	for (unsigned i = 0; i < count; i++)
		if (channels[i]->input)
			standard_input_settle(channels[i], p.null);
	_exit(0);
}
