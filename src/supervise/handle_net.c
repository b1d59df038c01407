/* SPDX-License-Identifier: Apache-2.0 */
/* Trapped calls of the network: the first socket starts it, addresses are recorded. */
#include "guide_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "peer.h"
#include "trap.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

int isle_handle_socket(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct isle_guide_options *o = &guide->options;

	(void)call;
	(void)ret_verdict;
	if (o->network == NULL || o->network->tried)
		return 0;
	if (o->connecting != NULL)
		o->connecting(o->data, false);
	isle_net_start_once(o->network);
	if (o->connecting != NULL)
		o->connecting(o->data, true);
	return 0;
}

/* A run that joins an isle finds its network used. */
void isle_guide_traffic_begins(struct isle_guide *guide, const struct isle_call *call)
{
	const struct isle_guide_options *o = &guide->options;

	if (guide->traffic.begun)
		return;
	guide->traffic.begun = true;
	if (o->net == ISLE_NET_INTERNET && (o->traps & ISLE_TRAP_NET) == 0)
		isle_ignore(isle_netns_traffic(call->tid, &guide->traffic.before));
}

void isle_guide_traffic_ends(struct isle_guide *guide, const struct isle_call *call)
{
	const struct isle_guide_options *o = &guide->options;
	bool used = (o->traps & ISLE_TRAP_NET) == 0 || (o->network != NULL && o->network->tried);

	guide->traffic.known = o->net == ISLE_NET_INTERNET && used &&
			       isle_netns_traffic(call->tid, &guide->traffic.after) && isle_guide_waits(guide, call);
}

void isle_guide_traffic(const struct isle_guide *guide, int64_t *ret_received, int64_t *ret_sent)
{
	const struct isle_netns_traffic *a = &guide->traffic.before, *b = &guide->traffic.after;
	bool known = guide->traffic.known && b->received >= a->received && b->sent >= a->sent;

	*ret_received = known ? (int64_t)(b->received - a->received) : -1;
	*ret_sent = known ? (int64_t)(b->sent - a->sent) : -1;
}

/* A socket file of the host: overlayfs has only its name. */
static int note_refused(struct isle_guide *guide, const struct isle_call *call, const char *path)
{
	const struct isle_event event = {.type = ISLE_EVENT_REFUSED,
					 .how = ISLE_REFUSER_VIEW,
					 .path = path,
					 .other = "connect: services of the host are not reached from an isle (view)",
					 .refused.error = ECONNREFUSED};

	return isle_guide_refuse(guide, call, &event);
}

/* A socket file is bound, which makes it, or connected to. */
static int note_socket(struct isle_guide *guide, const struct isle_call *call, const struct isle_sight *sight)
{
	bool bind = call->notif.data.nr == SYS_bind;

	if (bind && sight->mode == 0) {
		isle_origins_forget(&guide->origins);
		return isle_guide_write(guide, call, sight->view, ISLE_WRITE_NODE, NULL);
	}
	int r = isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	if (r < 0 || bind || !S_ISSOCK(sight->mode) || sight->origin != ISLE_ORIGIN_HOST)
		return r;
	return note_refused(guide, call, sight->view);
}

static int handle_unix(struct isle_guide *guide, const struct isle_call *call, const struct sockaddr_un *un,
		       size_t size)
{
	struct isle_sight sight;
	char path[sizeof(un->sun_path) + 1] = "";
	bool bind = call->notif.data.nr == SYS_bind;

	if (size <= offsetof(struct sockaddr_un, sun_path) || (call->notif.data.nr != SYS_connect && !bind))
		return 0;
	if (un->sun_path[0] == '\0')
		return bind ? 0
			    : isle_guide_refused_abstract(guide, call, un->sun_path + 1,
							  size - offsetof(struct sockaddr_un, sun_path) - 1);
	memcpy(path, un->sun_path, size - offsetof(struct sockaddr_un, sun_path));
	int length = isle_guide_path_text(guide, call, AT_FDCWD, path);
	if (length < 0)
		return 0;
	int r = length == 0 ? -ENODATA
			    : isle_guide_look(guide, call, guide->raw, bind ? ISLE_SIGHT_NOFOLLOW : 0, &sight);
	if (r == -ENODATA)
		r = isle_guide_refused_by_view(guide, call, bind ? ISLE_WANTED_CREATE : ISLE_WANTED_READ);
	else if (r >= 0)
		r = note_socket(guide, call, &sight);
	return r >= 0 || isle_guide_is_missing(r) ? 0 : r;
}

static int note_address(struct isle_guide *guide, const struct isle_call *call, const union address *address)
{
	struct isle_event event = {.type = ISLE_EVENT_NET};
	struct isle_known_slot *slot;
	int nr = call->notif.data.nr;

	event.net.act = nr == SYS_connect ? ISLE_NET_CONNECT : nr == SYS_bind ? ISLE_NET_BIND : ISLE_NET_SEND;
	event.net.family = address->any.sa_family;
	if (address->any.sa_family == AF_INET) {
		event.net.port = ntohs(address->in.sin_port);
		memcpy(event.net.address, &address->in.sin_addr, sizeof(address->in.sin_addr));
	} else {
		event.net.port = ntohs(address->in6.sin6_port);
		memcpy(event.net.address, &address->in6.sin6_addr, sizeof(address->in6.sin6_addr));
	}
	event.process = isle_guide_process(guide, call);
	uint64_t key[5] = {event.process, event.room[0], event.room[1], event.room[2], event.room[3]};
	slot = isle_known_slot(&guide->recorded, isle_siphash(&guide->key, key, sizeof(key)));
	if (slot == NULL)
		return isle_guide_lose(guide, "too many addresses");
	unsigned flags = slot->state == 0 ? ISLE_FIRST_TIME : 0;
	int r = isle_guide_repeat(guide, slot, &event);
	return r < 0 ? r : isle_guide_refused_by_network(guide, call, &event, flags);
}

int isle_handle_net(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	bool send = call->notif.data.nr == SYS_sendto;
	uint64_t where = call->args[send ? 4 : 1];
	uint64_t size = call->args[send ? 5 : 2];
	union address address;

	(void)ret_verdict;
	memset(&address, 0, sizeof(address));
	if (size < sizeof(sa_family_t) || size > sizeof(struct sockaddr_storage))
		return 0; /* the kernel refuses it */
	int r = isle_peer_read(call->tid, where, &address, size < sizeof(address) ? size : sizeof(address));
	if (r < 0)
		return r;
	if (!isle_guide_waits(guide, call))
		return -ESRCH;
	if (address.any.sa_family == AF_UNIX)
		return handle_unix(guide, call, &address.un, size < sizeof(address.un) ? size : sizeof(address.un));
	if (address.any.sa_family == AF_INET || address.any.sa_family == AF_INET6)
		return note_address(guide, call, &address);
	return 0;
}
