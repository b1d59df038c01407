/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the caller's descriptor to CMD's pipe, without taking what CMD does not read.
 *
 * Whoever shares the caller's descriptor goes on where CMD stopped: `while read x; do isle run ...; done` reads its
 * next line from it. So what comes next is looked at and left there (tee(2), MSG_PEEK, pread(2)) while CMD's pipe gets
 * a copy; what CMD has read of it is taken afterwards.
 *
 * 1. `unread` bytes of the caller's descriptor are in CMD's pipe already, and are not taken yet.
 * 2. What CMD writes into its own pipe, by opening it again, makes less be taken at most: it could have read less.
 * 3. A terminal or another device cannot be looked at. What it gives is taken at once.
 * 4. CMD's end is kept open here to count what is unread. That its readers are gone is seen at the end of the run.
 */
#include "standard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { TEE_MAX = 1 << 30 };

int standard_input_begin(struct isle_standard_channel *c)
{
	int ends[2];

	c->watch = fcntl(c->given, F_DUPFD_CLOEXEC, 3);
	if (c->watch < 0)
		return -errno;
	if (c->kind != STANDARD_PIPE)
		return 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	c->drain = ends[0];
	c->scratch = ends[1];
	isle_ignore(fcntl(c->scratch, F_SETPIPE_SZ, fcntl(c->host, F_GETPIPE_SZ)));
	return 0;
}

static void drop_from_pipe(int fd, size_t size, int null)
{
	while (size > 0) {
		ssize_t n = splice(fd, NULL, null, NULL, size, SPLICE_F_NONBLOCK);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return;
		size -= n > 0 ? (size_t)n : 0;
	}
}

static void drop_from_socket(struct isle_standard_channel *c, size_t size)
{
	while (size > 0) {
		ssize_t n = recv(c->host, c->buffer, size < STANDARD_BUFFER ? size : STANDARD_BUFFER, MSG_DONTWAIT);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return;
		size -= n > 0 ? (size_t)n : 0;
	}
}

/* Takes what CMD has read. */
static void take(struct isle_standard_channel *c, int null)
{
	int left = 0;

	if (c->unread == 0 || ioctl(c->watch, FIONREAD, &left) < 0 || (size_t)left >= c->unread)
		return;
	size_t size = c->unread - (size_t)left;
	c->unread = (size_t)left;
	switch (c->kind) {
	case STANDARD_PIPE:
		drop_from_pipe(c->host, size, null);
		break;
	case STANDARD_SOCKET:
		drop_from_socket(c, size);
		break;
	case STANDARD_FILE:
		c->offset += (off_t)size;
		isle_ignore(lseek(c->host, c->offset, SEEK_SET) < 0);
		break;
	case STANDARD_STREAM:
		break;
	}
}

/* The functions below give CMD's pipe what comes behind the unread bytes: how much, 0: nothing for now. */

static size_t add_from_pipe(struct isle_standard_channel *c, int null)
{
	const unsigned flags = SPLICE_F_NONBLOCK;
	ssize_t n, moved;

	if (c->unread == 0) {
		n = tee(c->host, c->inner, TEE_MAX, flags);
		return n > 0 ? (size_t)n : 0;
	}
	n = tee(c->host, c->scratch, TEE_MAX, flags);
	if (n <= 0)
		return 0;
	if ((size_t)n <= c->unread) {
		drop_from_pipe(c->drain, (size_t)n, null);
		return 0;
	}
	drop_from_pipe(c->drain, c->unread, null);
	moved = splice(c->drain, NULL, c->inner, NULL, (size_t)n - c->unread, flags);
	moved = moved < 0 ? 0 : moved;
	drop_from_pipe(c->drain, (size_t)n - c->unread - (size_t)moved, null);
	return (size_t)moved;
}

static size_t add_bytes(const struct isle_standard_channel *c, const char *data, ssize_t size)
{
	ssize_t n = size > 0 ? write(c->inner, data, (size_t)size) : 0;

	return n > 0 ? (size_t)n : 0;
}

/* The end is told to CMD as the end of its pipe; that it was an error, by isle. */
static void note_end(struct isle_standard_channel *c, ssize_t n)
{
	if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	c->eof = true;
	if (n < 0)
		c->error = -errno;
}

static size_t add_from_socket(struct isle_standard_channel *c)
{
	ssize_t n = recv(c->host, c->buffer, STANDARD_BUFFER, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		note_end(c, n);
	return n <= (ssize_t)c->unread ? 0 : add_bytes(c, c->buffer + c->unread, n - (ssize_t)c->unread);
}

static size_t add_from_file(struct isle_standard_channel *c)
{
	ssize_t n = pread(c->host, c->buffer, STANDARD_BUFFER, c->offset + (off_t)c->unread);

	note_end(c, n);
	return add_bytes(c, c->buffer, n);
}

/* What the pipe did not take is kept. */
static size_t add_from_stream(struct isle_standard_channel *c)
{
	if (c->begin == c->end) {
		if ((standard_poll_now(c->host, POLLIN) & (POLLIN | POLLHUP | POLLERR)) == 0)
			return 0;
		ssize_t n = read(c->host, c->buffer, STANDARD_BUFFER);
		note_end(c, n);
		c->begin = 0;
		c->end = n > 0 ? (size_t)n : 0;
	}
	size_t added = add_bytes(c, c->buffer + c->begin, (ssize_t)(c->end - c->begin));
	c->begin += added;
	return added;
}

static size_t add(struct isle_standard_channel *c, int null)
{
	switch (c->kind) {
	case STANDARD_PIPE:
		return add_from_pipe(c, null);
	case STANDARD_SOCKET:
		return add_from_socket(c);
	case STANDARD_FILE:
		return add_from_file(c);
	case STANDARD_STREAM:
		break;
	}
	return add_from_stream(c);
}

/* Nobody writes any more. Asked before the last look at what is there. */
static bool has_hung_up(const struct isle_standard_channel *c)
{
	if (c->kind != STANDARD_PIPE && c->kind != STANDARD_SOCKET)
		return false;
	return (standard_poll_now(c->host, POLLIN | POLLRDHUP) & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

bool standard_input_feed(struct isle_standard_channel *c, int null)
{
	size_t before = c->unread;
	bool moved = false;

	c->changed = false;
	for (;;) {
		take(c, null);
		moved = moved || c->unread != before;
		bool over = has_hung_up(c);
		size_t n = add(c, null);

		c->unread += n;
		before = c->unread;
		moved = moved || n > 0;
		c->full = (standard_poll_now(c->inner, POLLOUT) & POLLOUT) == 0;
		if (c->full || n == 0) {
			c->eof = c->eof || (over && !c->full);
			break;
		}
	}
	if (!c->eof || (c->kind == STANDARD_STREAM && c->begin < c->end))
		return moved;
	isle_cleanup_fd(&c->inner);
	c->inner = -1;
	return moved;
}

void standard_input_settle(struct isle_standard_channel *c, int null)
{
	take(c, null);
}
