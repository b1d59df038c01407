// SPDX-License-Identifier: Apache-2.0
/*
 * Name servers that only the host reaches: its loopback (systemd-resolved, dnsmasq, unbound) and link-local addresses
 * (the name server of some clouds is their metadata service, which an isle must not reach). pasta forwards queries
 * to the first name server of each family, so one replacement for each family is enough.
 */
#include "resolv.h"
#include "buf.h"
#include "io.h"
#include "link.h"
#include "pasta.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { RESOLV_LIMIT = 65536 };

/* The bit of the kind of this address, or 0 where it is reachable from inside. */
static unsigned local_kind(const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;
	char plain[INET6_ADDRSTRLEN];
	size_t length = strcspn(address, "%"); /* without a scope */

	if (length >= sizeof(plain))
		return 0;
	memcpy(plain, address, length);
	plain[length] = '\0';
	if (inet_pton(AF_INET, plain, &v4) == 1) {
		uint32_t host = ntohl(v4.s_addr);

		if (host >> 24 == 127 || host >> 16 == 0xa9fe || host == 0)
			return ISLE_RESOLV_LOCAL4;
		return isle_net_is_closed(AF_INET, (const uint8_t *)&v4) ? ISLE_RESOLV_LOCAL4 : 0;
	}
	if (inet_pton(AF_INET6, plain, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6)
			       ? ISLE_RESOLV_LOCAL6
			       : 0;
	return 0;
}

/* The kind of the name server that this line names; 0 also for every other line. */
static unsigned line_kind(const char *line, size_t size)
{
	static const char keyword[] = "nameserver";
	const size_t length = sizeof(keyword) - 1;
	char word[80];
	size_t begin, end;

	if (size <= length || memcmp(line, keyword, length) != 0 || !strchr(" \t", line[length]))
		return 0;
	for (begin = length; begin < size && strchr(" \t", line[begin]); begin++)
		;
	for (end = begin; end < size && !strchr(" \t\r", line[end]); end++)
		;
	if (end - begin >= sizeof(word))
		return 0;
	memcpy(word, line + begin, end - begin);
	word[end - begin] = '\0';
	return local_kind(word);
}

int isle_resolv_rewrite(const char *text, size_t size, char **ret_text)
{
	auto_buf struct isle_buf out = ISLE_BUF_INIT;
	unsigned found = 0;

	for (size_t at = 0; at < size;) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t length = newline ? (size_t)(newline - text) - at : size - at;
		unsigned kind = line_kind(text + at, length);

		if (kind && !(found & kind))
			isle_buf_addf(&out, "nameserver %s\n",
				      kind == ISLE_RESOLV_LOCAL4 ? ISLE_RESOLV_FORWARD4 : ISLE_RESOLV_FORWARD6);
		else if (!kind && isle_buf_add(&out, text + at, length) == 0)
			isle_buf_addc(&out, '\n');
		found |= kind;
		at += length + 1;
	}
	if (isle_buf_error(&out) < 0)
		return -ENOMEM;
	if (found && ret_text) {
		*ret_text = isle_buf_take(&out);
		if (!*ret_text)
			return -ENOMEM;
	}
	return (int)found;
}

int isle_resolv_read_host(char **ret_text)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_read_file(AT_FDCWD, "/etc/resolv.conf", &text, RESOLV_LIMIT);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 0;
	return isle_resolv_rewrite(text.data, text.size, ret_text);
}

int isle_pasta_resolv_conf(char **ret_text)
{
	int r = isle_resolv_read_host(ret_text);

	return r > 0 ? 1 : r;
}
