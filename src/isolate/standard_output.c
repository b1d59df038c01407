/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From CMD's pipe to the caller's descriptor.
 *
 * 1. The caller's description is shared with processes of the host: its flags are not changed. What could make the pump
 *    wait is asked for each time (MSG_DONTWAIT, RWF_NOWAIT), or only as much is written as poll(2) promises room for.
 *    Terminals are opened once more (standard_pump.c).
 * 2. Files take pages by splice(2). What goes to anybody else is copied: packets and pages that CMD could still change
 *    end here.
 */
#include "standard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { ROUNDS = 16, SPLICE_MAX = 1 << 20 };

short standard_poll_now(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	return poll(&one, 1, 0) > 0 ? one.revents : 0;
}

/* As much as poll(2) promises. */
static ssize_t put_little(int fd, const char *data, size_t size)
{
	if ((standard_poll_now(fd, POLLOUT) & (POLLOUT | POLLERR)) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, data, size < PIPE_BUF ? size : PIPE_BUF);
}

static ssize_t put_pipe(int fd, const char *data, size_t size)
{
	struct iovec part = {(void *)(uintptr_t)data, size};
	ssize_t n = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);

	/* Before Linux 6.4 no pipe has it. */
	return n < 0 && (errno == EOPNOTSUPP || errno == ESPIPE || errno == EINVAL) ? put_little(fd, data, size) : n;
}

static ssize_t put(const struct isle_standard_channel *c)
{
	const char *data = c->buffer + c->begin;
	size_t size = c->end - c->begin;

	switch (c->kind) {
	case STANDARD_PIPE:
		return put_pipe(c->host, data, size);
	case STANDARD_SOCKET:
		return send(c->host, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	case STANDARD_FILE:
		return write(c->host, data, size);
	case STANDARD_STREAM:
		break;
	}
	return put_little(c->host, data, size);
}

static void finish(struct isle_standard_channel *c)
{
	isle_cleanup_fd(&c->inner); /* CMD gets EPIPE, and SIGPIPE */
	c->inner = -1;
}

/* 1: moved, 0: nothing to be done for now, or -errno. */
static int splice_out(struct isle_standard_channel *c)
{
	ssize_t n = splice(c->inner, NULL, c->host, NULL, SPLICE_MAX, SPLICE_F_NONBLOCK);

	if (n > 0)
		return 1;
	if (n == 0) {
		finish(c);
		return 0;
	}
	if (errno == EINVAL) { /* a file that is appended to */
		c->copies = true;
		return 1;
	}
	return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
}

static int copy_out(struct isle_standard_channel *c)
{
	ssize_t n;

	if (c->begin == c->end) {
		n = read(c->inner, c->buffer, STANDARD_BUFFER);
		if (n == 0)
			finish(c);
		if (n <= 0)
			return n == 0 || errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
		c->begin = 0;
		c->end = (size_t)n;
	}
	n = put(c);
	if (n >= 0) {
		c->begin += (size_t)n;
		return 1;
	}
	c->blocked = errno == EAGAIN;
	return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
}

int standard_output_move(struct isle_standard_channel *c)
{
	c->blocked = false;
	for (int i = 0; i < ROUNDS && c->inner >= 0; i++) {
		int r = c->kind == STANDARD_FILE && !c->copies ? splice_out(c) : copy_out(c);

		if (r == 0)
			return 0;
		if (r > 0)
			continue;
		finish(c);
		return r == -EPIPE || r == -ECONNRESET ? 0 : r; /* nobody reads: CMD learns it, too */
	}
	c->blocked = c->begin < c->end; /* others get their turn first */
	return 0;
}
