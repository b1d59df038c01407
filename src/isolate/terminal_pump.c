// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes between the user's terminal and the pty.
 *
 * 1. Both descriptors are non-blocking; each direction has one fixed buffer. A direction whose buffer is full is not
 *    polled for reading and one whose buffer is empty is not polled for writing, so nothing waits busily, and a slow
 *    side slows the other down through the kernel's own buffers.
 * 2. A descriptor with nothing to wait for is left out altogether: poll(2) would report a hang-up again and again.
 * 3. Reading an empty pty master flushes what is still under way from the slave before it says EAGAIN (n_tty_read()
 *    since Linux 4.5), so EAGAIN after the last writer has ended means that all has been read.
 * 4. While the terminal is away (terminal.c) both line disciplines translate "\n" to "\r\n". The second "\r" is
 *    taken out, so that the terminal gets the very bytes that it would have got without us.
 * 5. If the terminal is gone, output is read and dropped: CMD gets the hang-up as a signal, not as a stuck write.
 */
#include "terminal_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { ROUNDS = 16 }; /* per call, so that the other descriptors of the loop get their turn */

static size_t pending(const struct isle_terminal_buffer *b)
{
	return b->end - b->begin;
}

/* One byte is kept free for a "\r" that was held back. */
static bool has_room(const struct isle_terminal_buffer *b)
{
	return pending(b) < sizeof(b->data) - 1;
}

static void compact(struct isle_terminal_buffer *b)
{
	memmove(b->data, b->data + b->begin, pending(b));
	b->end -= b->begin;
	b->begin = 0;
}

/* Reads once into the free part, leaving room for `reserve` bytes in front. As read(2), with -errno. */
static ssize_t fill(int fd, struct isle_terminal_buffer *b, size_t reserve)
{
	ssize_t n;

	compact(b);
	n = read(fd, b->data + b->end + reserve, sizeof(b->data) - b->end - reserve);
	return n < 0 ? -errno : n;
}

static ssize_t flush(int fd, struct isle_terminal_buffer *b)
{
	ssize_t n;

	if (pending(b) == 0)
		return -EAGAIN;
	n = write(fd, b->data + b->begin, pending(b));
	if (n < 0)
		return -errno;
	b->begin += (size_t)n;
	return n;
}

static bool is_transient(ssize_t n)
{
	return n == -EAGAIN || n == -EINTR;
}

static bool translates(int fd)
{
	struct termios modes;

	return tcgetattr(fd, &modes) == 0 && (modes.c_oflag & OPOST) && (modes.c_oflag & ONLCR);
}

static void put(struct isle_terminal_buffer *b, char c)
{
	b->data[b->end++] = c;
}

/* Appends the size bytes at `from`, which lie at least one byte behind the end of the buffer. */
static void add_output(struct isle_terminal *t, const char *from, size_t size, bool untranslate)
{
	struct isle_terminal_buffer *b = &t->out;

	for (size_t i = 0; i < size; i++) {
		char c = from[i];

		if (t->held_return && c != '\n')
			put(b, '\r');
		t->held_return = untranslate && c == '\r';
		if (!t->held_return)
			put(b, c);
	}
}

static void output_ended(struct isle_terminal *t)
{
	close(fd_take(&t->master));
	t->in.begin = t->in.end = 0;
	if (t->held_return)
		put(&t->out, '\r');
	t->held_return = false;
}

/* False when nothing more can be read for now. */
static bool read_master(struct isle_terminal *t, bool untranslate)
{
	size_t end;
	ssize_t n;

	if (t->master < 0 || !has_room(&t->out))
		return false;
	n = fill(t->master, &t->out, 1);
	end = t->out.end;
	if (n > 0) {
		if (!t->tty_gone)
			add_output(t, t->out.data + end + 1, (size_t)n, untranslate);
		return true;
	}
	if (!is_transient(n) || (n == -EAGAIN && t->ended))
		output_ended(t);
	return n == -EINTR;
}

static bool write_tty(struct isle_terminal *t)
{
	ssize_t n = flush(t->tty, &t->out);

	if (n < 0 && !is_transient(n)) {
		t->tty_gone = true;
		t->out.begin = t->out.end = 0;
	}
	return n > 0;
}

void isle_terminal_pump_out(struct isle_terminal *t)
{
	bool untranslate = !t->taken && t->master >= 0 && translates(t->tty) && translates(t->master);

	for (int i = 0; i < ROUNDS; i++) {
		bool moved = read_master(t, untranslate);

		moved = write_tty(t) || moved;
		if (!moved)
			return;
	}
}

static void pump_in(struct isle_terminal *t, bool readable)
{
	if (readable && t->taken && !t->tty_gone && has_room(&t->in)) {
		ssize_t n = fill(t->tty, &t->in, 0);

		if (n > 0)
			t->in.end += (size_t)n;
		else if (!is_transient(n))
			t->tty_gone = true;
	}
	while (t->master >= 0 && flush(t->master, &t->in) > 0)
		;
}

unsigned isle_terminal_poll_fds(const struct isle_terminal *t, struct pollfd *fds)
{
	const struct pollfd tty = {
		.fd = t->tty,
		.events = (short)((t->taken && has_room(&t->in) ? POLLIN : 0) | (pending(&t->out) > 0 ? POLLOUT : 0)),
	};
	const struct pollfd master = {
		.fd = t->master,
		.events = (short)((has_room(&t->out) ? POLLIN : 0) | (pending(&t->in) > 0 ? POLLOUT : 0)),
	};
	unsigned count = 0;

	if (tty.fd >= 0 && tty.events && !t->tty_gone)
		fds[count++] = tty;
	if (master.fd >= 0 && master.events)
		fds[count++] = master;
	return count;
}

void isle_terminal_handle(struct isle_terminal *t, const struct pollfd *fds, unsigned count)
{
	bool keys = false, any = false;

	for (unsigned i = 0; i < count; i++) {
		any = any || fds[i].revents;
		keys = keys || (fds[i].fd == t->tty && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)));
	}
	if (!any)
		return;
	pump_in(t, keys);
	isle_terminal_pump_out(t);
}

bool isle_terminal_drained(const struct isle_terminal *t)
{
	return t->master < 0 && (pending(&t->out) == 0 || t->tty_gone || t->tty < 0);
}
