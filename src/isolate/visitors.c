/* SPDX-License-Identifier: Apache-2.0 */
#include "visitors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "io.h"

enum { VISITOR_MS = 1000, DEAF_MS = 50 };

static bool is_owner(int connection)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void take_off(struct isle_visitors *v, unsigned i)
{
	v->count--;
	memmove(&v->list[i], &v->list[i + 1], (v->count - i) * sizeof(*v->list));
}

static void send_away(struct isle_visitors *v, unsigned i)
{
	isle_cleanup_fd(&v->list[i].connection);
	take_off(v, i);
}

/* False when nothing whole can come any more. */
static bool hear(struct isle_visitor *visitor)
{
	int r = isle_wire_receive_some(visitor->connection, &visitor->said);

	visitor->complete = r > 0;
	return r >= 0;
}

static void add(struct isle_visitors *v, int connection)
{
	struct isle_visitor *visitor;

	if (v->count == ISLE_VISITORS_MAX)
		send_away(v, 0);
	visitor = &v->list[v->count++];
	*visitor = (struct isle_visitor){.connection = connection, .until = isle_monotonic_ms() + VISITOR_MS};
	if (!hear(visitor)) /* most speak at once */
		send_away(v, v->count - 1);
}

void isle_visitors_admit(struct isle_visitors *v, int listener)
{
	/* At most so many that those who are in are not all sent away for them. */
	for (unsigned i = 0; i < ISLE_VISITORS_MAX / 4; i++) {
		struct pollfd more = {.fd = listener, .events = POLLIN};
		int connection;

		if (poll(&more, 1, 0) <= 0)
			return;
		connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection < 0) {
			if (errno != EINTR && errno != ECONNABORTED)
				v->deaf = isle_monotonic_ms() + DEAF_MS;
			return;
		}
		if (is_owner(connection))
			add(v, connection);
		else
			close(connection);
	}
}

bool isle_visitors_listening(const struct isle_visitors *v, int64_t *until)
{
	if (v->deaf == 0 || isle_monotonic_ms() >= v->deaf)
		return true;
	isle_sooner(until, v->deaf);
	return false;
}

void isle_visitors_watch(const struct isle_visitors *v, struct pollfd *fds, nfds_t *count, int64_t *until)
{
	for (unsigned i = 0; i < v->count; i++) {
		const struct isle_visitor *visitor = &v->list[i];

		fds[(*count)++] = (struct pollfd){.fd = visitor->complete ? -1 : visitor->connection, .events = POLLIN};
		if (!visitor->complete)
			isle_sooner(until, visitor->until);
	}
}

void isle_visitors_hear(struct isle_visitors *v, const struct pollfd *fds)
{
	int64_t now = isle_monotonic_ms();

	/* From behind, so that who is sent away does not move those that have yet to be looked at. */
	for (unsigned i = v->count; i-- > 0;) {
		struct isle_visitor *visitor = &v->list[i];

		if (visitor->complete)
			continue;
		if ((fds[i].revents != 0 && !hear(visitor)) || (!visitor->complete && now >= visitor->until))
			send_away(v, i);
	}
}

bool isle_visitors_next(struct isle_visitors *v, struct isle_visitor *ret_visitor)
{
	for (unsigned i = 0; i < v->count; i++) {
		if (!v->list[i].complete)
			continue;
		*ret_visitor = v->list[i];
		take_off(v, i);
		return true;
	}
	return false;
}

void isle_visitors_put_back(struct isle_visitors *v, const struct isle_visitor *visitor)
{
	memmove(&v->list[1], &v->list[0], v->count * sizeof(*v->list));
	v->list[0] = *visitor;
	v->count++;
}
