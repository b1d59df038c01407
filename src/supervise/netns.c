/* SPDX-License-Identifier: Apache-2.0 */
#include "netns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "io.h"

enum { TABLE_LIMIT = 4 << 20 };

/* "" when it cannot be read. */
static const char *read_table(struct isle_buf *table, pid_t tid, const char *name)
{
	char path[48];

	if (tid == 0)
		snprintf(path, sizeof(path), "/proc/self/net/%s", name);
	else
		snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)tid, name);
	isle_buf_clear(table);
	return isle_read_file(AT_FDCWD, path, table, TABLE_LIMIT) < 0 || isle_buf_error(table) < 0 ? "" : table->data;
}

/* "  12: 0100007F:1538 00000000:0000 0A": true if the line is of a socket that listens there, on any address or on the
 * loopback. */
static bool is_listening(const char *line, unsigned port)
{
	char local[33];
	unsigned local_port, state;

	if (sscanf(line, " %*u: %32[0-9A-F]:%4X %*32[0-9A-F]:%*4X %2X", local, &local_port, &state) != 3 ||
	    local_port != port || state != 0x0a)
		return false;
	size_t zeros = strspn(local, "0"), length = strlen(local);
	bool loopback4 = length == 8 && strcmp(local + 6, "7F") == 0;
	bool loopback6 = length == 32 && zeros >= 24 && strcmp(local + 24, "01000000") == 0;
	return zeros == length || loopback4 || loopback6;
}

/* A connection by IPv4 can be taken by a socket that listens on any address by IPv6, which is in the other table. */
bool isle_netns_listens(pid_t tid, unsigned port, bool v4)
{
	static const char *const tables[] = {"tcp6", "tcp"};
	auto_buf struct isle_buf table = ISLE_BUF_INIT;

	for (size_t i = 0; i < (v4 ? 2 : 1); i++) {
		const char *line = read_table(&table, tid, tables[i]);

		for (; *line != '\0'; line = strchrnul(line, '\n'), line += *line == '\n')
			if (is_listening(line, port))
				return true;
	}
	return false;
}

/* The name is the last of its line. */
bool isle_netns_has_abstract(pid_t tid, const char *name)
{
	auto_buf struct isle_buf table = ISLE_BUF_INIT;
	size_t length = strlen(name);
	const char *text = read_table(&table, tid, "unix");

	for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name))
		if (at > text && at[-1] == ' ' && (at[length] == '\n' || at[length] == '\0'))
			return true;
	return false;
}

bool isle_netns_is_alone(pid_t tid)
{
	auto_buf struct isle_buf table = ISLE_BUF_INIT;
	unsigned lines = 0;

	for (const char *at = read_table(&table, tid, "dev"); (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines == 3; /* with two of a heading */
}

bool isle_netns_traffic(pid_t tid, struct isle_netns_traffic *ret_traffic)
{
	auto_buf struct isle_buf table = ISLE_BUF_INIT;
	const char *line = read_table(&table, tid, "dev");
	struct isle_netns_traffic sum = {0};
	bool read = *line != '\0';

	for (; *line != '\0'; line = strchrnul(line, '\n'), line += *line == '\n') {
		unsigned long long received, sent;
		char name[32];

		if (sscanf(line, " %31[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &received, &sent) != 3 ||
		    strcmp(name, "lo") == 0)
			continue;
		sum.received += received;
		sum.sent += sent;
	}
	if (read)
		*ret_traffic = sum;
	return read;
}
