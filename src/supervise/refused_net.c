/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network of the isle refuses, as far as that can be told beforehand: everything without a network, addresses
 * that are nobody's business, and services of the host on its loopback or behind an abstract socket, which the isle has
 * of its own. Of a service it is said only if the host has it and the isle has not, at that moment.
 */
#include "guide_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "link.h"
#include "netns.h"

static int note(struct isle_guide *guide, const struct isle_call *call, const char *what, const char *why, int error)
{
	const struct isle_event event = {.type = ISLE_EVENT_REFUSED,
					 .how = ISLE_REFUSER_NETWORK,
					 .path = what,
					 .other = why,
					 .refused.error = error};

	return isle_guide_waits(guide, call) ? isle_guide_refuse(guide, call, &event) : 0;
}

static bool is_v4(const struct isle_event *net)
{
	return net->net.family == AF_INET || IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)net->net.address);
}

static bool is_loopback(const struct isle_event *net)
{
	if (is_v4(net))
		return net->net.address[net->net.family == AF_INET ? 0 : 12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)net->net.address);
}

static bool is_unspecified(const struct isle_event *net)
{
	static const uint8_t zeros[sizeof(net->net.address)];

	return memcmp(net->net.address, zeros, sizeof(zeros)) == 0;
}

int isle_guide_refused_by_network(struct isle_guide *guide, const struct isle_call *call, const struct isle_event *net,
				  unsigned flags)
{
	enum isle_net_mode mode = guide->options.net;
	char address[INET6_ADDRSTRLEN] = "";
	char what[INET6_ADDRSTRLEN + 32];

	if (mode == ISLE_NET_HOST || net->net.act == ISLE_NET_BIND || is_unspecified(net))
		return 0;
	inet_ntop(net->net.family, net->net.address, address, sizeof(address));
	snprintf(what, sizeof(what), "%s %s port %u", net->net.act == ISLE_NET_SEND ? "send" : "connect", address,
		 net->net.port);
	if (is_loopback(net)) {
		if ((flags & ISLE_FIRST_TIME) == 0 || net->net.act != ISLE_NET_CONNECT ||
		    !isle_netns_listens(0, net->net.port, is_v4(net)) ||
		    isle_netns_listens(call->tid, net->net.port, is_v4(net)))
			return 0;
		return note(guide, call, what,
			    "an isle has a loopback of its own; the host's services are not there (network)",
			    ECONNREFUSED);
	}
	if (isle_net_is_closed(net->net.family, net->net.address))
		return note(guide, call, what,
			    "metadata services and link-local addresses are closed to an isle (network)", EHOSTUNREACH);
	if (mode != ISLE_NET_NONE || !isle_netns_is_alone(call->tid))
		return 0;
	return note(guide, call, what, "there is no network: --net none (network)", ENETUNREACH);
}

int isle_guide_refused_abstract(struct isle_guide *guide, const struct isle_call *call, const char *name, size_t size)
{
	char what[160] = "connect @";
	size_t used = strlen(what);

	if (guide->options.net == ISLE_NET_HOST || size == 0 || used + size >= sizeof(what))
		return 0;
	for (size_t i = 0; i < size; i++) /* as the kernel prints it */
		what[used++] = (char)(name[i] == '\0' ? '@' : name[i]);
	what[used] = '\0';
	const char *shown = what + strlen("connect ");
	if (!isle_netns_has_abstract(0, shown) || isle_netns_has_abstract(call->tid, shown))
		return 0;
	return note(guide, call, what, "abstract sockets of the host are not in an isle (network)", ECONNREFUSED);
}
