/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "io.h"

struct header {
	uint32_t type, size;
};

union control {
	char bytes[CMSG_SPACE(sizeof(int) * ISLE_WIRE_FDS)];
	struct cmsghdr align;
};

void isle_wire_done(struct isle_wire_message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++)
		isle_cleanup_fd(&message->fds[i]);
	free(message->data);
	*message = ISLE_WIRE_MESSAGE_INIT;
}

static int send_rest(int sock, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(sock, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* How much was sent. */
static ssize_t send_first(int sock, const struct header *header, const void *data, const int *fds, unsigned fd_count,
			  int flags)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)header, sizeof(*header)}, {(void *)(uintptr_t)data, header->size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = header->size > 0 ? 2 : 1};
	union control control = {0};
	ssize_t n;

	if (header->size > ISLE_WIRE_LIMIT || fd_count > ISLE_WIRE_FDS)
		return -EMSGSIZE;
	if (fd_count > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n < sizeof(*header) ? -EIO : n; /* a stream socket takes 8 bytes or none */
}

int isle_wire_send_fds(int sock, unsigned type, const void *data, size_t size, const int *fds, unsigned fd_count)
{
	struct header header = {type, (uint32_t)size};
	ssize_t n = size > ISLE_WIRE_LIMIT ? -EMSGSIZE : send_first(sock, &header, data, fds, fd_count, 0);

	if (n < 0)
		return (int)n;
	if ((size_t)n == sizeof(header) + size)
		return 0; /* also without data, of which there is no address then */
	return send_rest(sock, (const char *)data + (n - sizeof(header)), size + sizeof(header) - (size_t)n);
}

int isle_wire_try_send_fds(int sock, unsigned type, const void *data, size_t size, const int *fds, unsigned fd_count)
{
	struct header header = {type, (uint32_t)size};
	ssize_t n = send_first(sock, &header, data, fds, fd_count, MSG_DONTWAIT);

	if (n < 0)
		return (int)n;
	return (size_t)n == sizeof(header) + size ? 0 : -EIO; /* what is small goes as a whole */
}

int isle_wire_send(int sock, unsigned type, const void *data, size_t size)
{
	return isle_wire_send_fds(sock, type, data, size, NULL, 0);
}

static void take_fds(struct msghdr *msg, struct isle_wire_message *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && message->fd_count < ISLE_WIRE_FDS; i++)
			memcpy(&message->fds[message->fd_count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

static int receive_bytes(int sock, void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(sock, (char *)data + done, size - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : -errno;
		done += (size_t)n;
	}
	return 0;
}

int isle_wire_receive(int sock, struct isle_wire_message *ret_message)
{
	auto_message struct isle_wire_message message = ISLE_WIRE_MESSAGE_INIT;
	struct header header;
	union control control;
	struct iovec iov = {&header, sizeof(header)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? 0 : -errno;
	take_fds(&msg, &message);
	int r = receive_bytes(sock, (char *)&header + n, sizeof(header) - (size_t)n);
	if (r < 0)
		return r;
	if (header.size > ISLE_WIRE_LIMIT)
		return -EMSGSIZE;
	message.type = header.type;
	message.size = header.size;
	message.data = calloc(1, (size_t)header.size + 1);
	if (message.data == NULL)
		return -ENOMEM;
	r = receive_bytes(sock, message.data, message.size);
	if (r < 0)
		return r;
	*ret_message = message;
	message = ISLE_WIRE_MESSAGE_INIT;
	return 1;
}

void isle_wire_limit(int sock, unsigned seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	isle_ignore(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
}

int isle_wire_receive_some(int sock, struct isle_wire_partial *p)
{
	for (;;) {
		bool headed = p->have >= sizeof(struct header);
		char *to = headed ? p->data + (p->have - sizeof(struct header)) : (char *)p + p->have;
		size_t want = sizeof(struct header) + (headed ? p->size : 0) - p->have;
		ssize_t n;

		if (headed && p->size > sizeof(p->data))
			return -EMSGSIZE;
		if (headed && want == 0)
			return 1;
		n = recv(sock, to, want, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		p->have += (size_t)n;
	}
}

void isle_wire_send_error(int sock, const struct isle_err *err)
{
	isle_ignore(isle_wire_send(sock, ISLE_WIRE_ERROR, err, sizeof(*err)));
}
