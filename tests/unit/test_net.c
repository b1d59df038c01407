// SPDX-License-Identifier: Apache-2.0
/* src/net: name servers, the loopback device and routes in a network namespace of its own, the failures of pasta. */
#include "addresses.h"
#include "helper.h"
#include "link.h"
#include "netfilter.h"
#include "pasta.h"
#include "resolv.h"
#include "unit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void check_rewrite(const char *from, int kinds, const char *to)
{
	char *text = NULL;

	assert_int_equal(isle_resolv_rewrite(from, strlen(from), &text), kinds);
	if (to)
		assert_string_equal(text, to);
	else
		assert_null(text);
	free(text);
	assert_int_equal(isle_resolv_rewrite(from, strlen(from), NULL), kinds);
}

static void test_resolv_serves(void **state)
{
	(void)state;
	check_rewrite("", 0, NULL);
	check_rewrite("nameserver 192.168.1.1\nsearch example.org\n", 0, NULL);
	check_rewrite("# nameserver 127.0.0.1\n;nameserver ::1\n", 0, NULL);
	check_rewrite("nameserver\nnameserver \nnameserverx 127.0.0.1\nnameserver nonsense", 0, NULL);
	check_rewrite("nameserver 1270.0.0.1\nnameserver 12.127.0.1\nnameserver 2001:db8::1\n", 0, NULL);
}

static void test_resolv_replaced(void **state)
{
	(void)state;
	check_rewrite("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a b\n", ISLE_RESOLV_LOCAL4,
		      "nameserver " ISLE_RESOLV_FORWARD4 "\noptions edns0 trust-ad\nsearch a b\n");
	check_rewrite("nameserver\t127.0.0.1 \nnameserver 127.0.1.1\nnameserver 9.9.9.9", ISLE_RESOLV_LOCAL4,
		      "nameserver " ISLE_RESOLV_FORWARD4 "\nnameserver 9.9.9.9\n");
	check_rewrite("nameserver ::1\r\nnameserver 169.254.169.254\n", ISLE_RESOLV_LOCAL4 | ISLE_RESOLV_LOCAL6,
		      "nameserver " ISLE_RESOLV_FORWARD6 "\nnameserver " ISLE_RESOLV_FORWARD4 "\n");
	check_rewrite("nameserver 168.63.129.16\n", ISLE_RESOLV_LOCAL4, "nameserver " ISLE_RESOLV_FORWARD4 "\n");
	check_rewrite("nameserver fe80::1%eth0\n", ISLE_RESOLV_LOCAL6, "nameserver " ISLE_RESOLV_FORWARD6 "\n");
}

/* The errno of connect(2) of a datagram socket: what the routes say, without a packet. */
static int reach(const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	bool is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	auto_fd int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return EINVAL;
	if (fd < 0)
		return errno;
	return connect(fd, is4 ? (void *)&v4 : (void *)&v6, is4 ? sizeof(v4) : sizeof(v6)) < 0 ? errno : 0;
}

static const struct {
	const char *address;
	int want;
} reaches[] = {
	{"127.0.0.1", 0},
	{"::1", 0},
	{"169.254.169.254", EHOSTUNREACH},
	{"169.254.170.2", EHOSTUNREACH},
	{"169.254.0.1", EHOSTUNREACH},
	{"169.254.255.255", EHOSTUNREACH},
	{"169.254.1.1", ENETUNREACH},
	{"100.100.100.200", EHOSTUNREACH},
	{"192.168.1.1", ENETUNREACH},
	{"fd00:ec2::254", EHOSTUNREACH},
	{"fd20:ce::254", EHOSTUNREACH},
	{"198.51.100.7", EHOSTUNREACH},
};

/* In a child with a network namespace of its own: 0, or 1 + the number of the row that differs. */
static int check_routes(void)
{
	static const struct isle_net_prefix own = {AF_INET, 32, {198, 51, 100, 7}};

	if (isle_net_lo_up() < 0 || isle_net_blackholes() < 0 || isle_net_blackholes() < 0)
		return 100;
	if (isle_net_unreachable(&own, 1) < 0)
		return 101;
	for (size_t i = 0; i < ARRAY_SIZE(reaches); i++) {
		int got = reach(reaches[i].address);

		if (got != reaches[i].want) {
			fprintf(stderr, "%s: %s instead of %s\n", reaches[i].address, strerror(got),
				strerror(reaches[i].want));
			return 1;
		}
	}
	return 0;
}

static void test_routes(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			_exit(77);
		_exit(check_routes());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		unit_missing("a network namespace");
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct isle_net_prefix prefix_of(const char *text)
{
	struct isle_net_prefix prefix = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	char address[INET6_ADDRSTRLEN];
	unsigned bits = 0;

	assert_int_equal(sscanf(text, "%45[^/]/%u", address, &bits), 2);
	assert_int_equal(inet_pton(prefix.family, address, prefix.address), 1);
	prefix.bits = (uint8_t)bits;
	return prefix;
}

static void test_addresses_sorted(void **state)
{
	static const char *const given[] = {"10.1.0.0/16", "fe80::1/128", "10.1.2.3/32", "10.1.0.0/24", "9.0.0.0/8",
					    "fe80::/10",   "10.2.0.1/32", "10.1.0.0/16", "fd00::/8",	"::1/128"};
	static const char *const want[] = {"9.0.0.0/8", "10.1.0.0/16", "10.2.0.1/32",
					   "::1/128",	"fd00::/8",    "fe80::/10"};
	auto_addresses struct isle_net_addresses all = ISLE_NET_ADDRESSES_INIT;
	struct isle_net_prefix one;

	(void)state;
	isle_net_addresses_sort(&all);
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		one = prefix_of(given[i]);
		assert_int_equal(isle_net_addresses_add(&all, &one), 0);
	}
	isle_net_addresses_sort(&all);
	assert_int_equal(all.count, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		one = prefix_of(want[i]);
		assert_memory_equal(&all.list[i], &one, sizeof(one));
	}
	one = prefix_of("10.1.77.1/32");
	assert_true(isle_net_addresses_has(&all, AF_INET, one.address));
	assert_false(isle_net_addresses_has(&all, AF_INET6, one.address));
	one = prefix_of("10.2.0.2/32");
	assert_false(isle_net_addresses_has(&all, AF_INET, one.address));
}

static void test_own_addresses(void **state)
{
	auto_addresses struct isle_net_addresses all = ISLE_NET_ADDRESSES_INIT;
	struct isle_net_prefix loopback = prefix_of("127.0.0.1/32");
	auto_fd int changes = isle_net_addresses_subscribe();

	(void)state;
	assert_true(changes >= 0);
	assert_int_equal(isle_net_addresses_read(&all), 0);
	assert_true(isle_net_addresses_has(&all, AF_INET, loopback.address));
	assert_true(isle_net_addresses_same(&all, &all));
	assert_true(isle_net_addresses_changed(changes) >= 0);
}

static void write_filter(const struct isle_netfilter *filter, struct isle_buf *text)
{
	auto_addresses struct isle_net_addresses closed = ISLE_NET_ADDRESSES_INIT;

	assert_int_equal(isle_netfilter_closed(filter, &closed), 0);
	assert_int_equal(isle_netfilter_text(filter, &closed, 0, text), 0);
}

/* A host with many addresses: in parts, and the rules of before go with the last. */
static void test_filter_parts(void **state)
{
	auto_addresses struct isle_net_addresses own = ISLE_NET_ADDRESSES_INIT, closed = ISLE_NET_ADDRESSES_INIT;
	struct isle_netfilter filter = {&own, 0, 7};
	size_t part = 0, elements = 0;
	int more = 1;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct isle_net_prefix one = {AF_INET, 32, {10, (uint8_t)(i >> 8), (uint8_t)i, 1}};

		assert_int_equal(isle_net_addresses_add(&own, &one), 0);
	}
	assert_int_equal(isle_netfilter_closed(&filter, &closed), 0);
	assert_true(closed.count > 7 * 3000UL);
	for (; more; part++) {
		auto_buf struct isle_buf text = ISLE_BUF_INIT;

		more = isle_netfilter_text(&filter, &closed, part, &text);
		assert_true(more >= 0);
		assert_int_equal(strstr(text.data, "delete table inet isle6\n") != NULL, !more);
		assert_int_equal(strstr(text.data, "hook output") != NULL, part == 0);
		for (const char *at = text.data; (at = strchr(at, '/')); at++)
			elements++;
	}
	assert_true(part > 20);
	assert_int_equal(elements, closed.count + 1); /* and the prefix in the rules */
}

/* What the rules hold of one address of the host. */
static void test_filter_text(void **state)
{
	static const char *const parts[] = {
		"\n127.0.0.0/8,",
		"\n10.99.1.1/32,",
		"\n169.254.0.0/16,",
		"\n168.63.129.16/32,",
		"\n::/16,",
		"\nfe80::/10,",
		"\nfd99::1/128,",
		"\nfd20:ce::254/128,",
		"\n64:ff9b::a63:101/128,",	   /* 10.99.1.1 at the end of a prefix of 96 bits */
		"\n64:ff9b:1::a63:101/128,",	   /* the same */
		"\n64:ff9b:1:a63:1:100::/88,",	   /* of 48 */
		"\n64:ff9b:1:a:63:101::/96,",	   /* of 56 */
		"\n64:ff9b:1:0:a:6301:100:0/104,", /* of 64 */
		"\n2002:a63:101::/48,",
		"\n2002:7f00::/24,",
		"\n64:ff9b::7f00:0/104,",
		"\n64:ff9b::/104,",
		"udp dport 53 accept",
		"table inet isle0\ndelete table inet isle0\n",
	};
	struct isle_net_prefix list[] = {prefix_of("10.99.1.1/32"), prefix_of("fd99::1/128")};
	struct isle_net_addresses own = {list, ARRAY_SIZE(list), ARRAY_SIZE(list)};
	struct isle_netfilter filter = {&own, ISLE_RESOLV_LOCAL4, 0};
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	(void)state;
	write_filter(&filter, &text);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(text.data, parts[i]))
			fail_msg("'%s' is not in the rules:\n%s", parts[i], text.data);
	/* In the wrong place nearly every translated address has zeros. */
	assert_null(strstr(text.data, "\n64:ff9b:1::/"));
	assert_null(strstr(text.data, "fd69:"));
	/* The host has the very address: pasta might connect to it by TCP. */
	assert_non_null(strstr(text.data, "tcp dport 53 accept"));
	list[0] = prefix_of(ISLE_RESOLV_FORWARD4 "/32");
	isle_buf_clear(&text);
	write_filter(&filter, &text);
	assert_null(strstr(text.data, "tcp dport 53 accept"));
	filter.forward = 0;
	isle_buf_clear(&text);
	write_filter(&filter, &text);
	assert_null(strstr(text.data, "dport 53"));
}

static void test_helper(void **state)
{
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_helper found;

	(void)state;
	assert_int_equal(isle_helper_find("sh", &found, &err), 0);
	assert_int_equal(found.path[0], '/');
	assert_int_equal(isle_helper_find("isle-has-no-such-helper", &found, &err), -ENOENT);
	assert_string_equal(err.text, "isle-has-no-such-helper is not installed");
}

static void test_pasta_fails_with_words(void **state)
{
	struct isle_pasta_options options = {.netns = -1, .pid = fork()};
	struct isle_err err = ISLE_ERR_INIT;
	int fds = unit_count_fds();
	pid_t pid = 0;
	int status;

	(void)state;
	if (options.pid == 0)
		_exit(0);
	assert_int_equal(waitpid(options.pid, &status, 0), options.pid);
	assert_true(isle_pasta_start(&options, &pid, &err) < 0);
	assert_true(err.code < 0);
	assert_true(strlen(err.text) > 10);
	assert_int_equal(pid, 0);
	assert_int_equal(unit_count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void test_closed(void **state)
{
	static const struct {
		const char *address;
		bool closed;
	} cases[] = {
		{"169.254.169.254", true}, {"169.254.0.1", true},	   {"169.254.255.255", true},
		{"169.254.1.1", false},	   {"169.253.255.255", false},	   {"169.255.0.0", false},
		{"100.100.100.200", true}, {"100.100.100.201", false},	   {"192.0.2.1", false},
		{"fd00:ec2::254", true},   {"fd00:ec2::1:254", false},	   {"fd20:ce::254", true},
		{"fd20:ce::255", false},   {"2001:db8::a9fe:a9fe", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int family = strchr(cases[i].address, ':') == NULL ? AF_INET : AF_INET6;
		uint8_t address[16] = {0};

		assert_int_equal(inet_pton(family, cases[i].address, address), 1);
		assert_int_equal(isle_net_is_closed(family, address), cases[i].closed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),		cmocka_unit_test(test_resolv_serves),
		cmocka_unit_test(test_resolv_replaced), cmocka_unit_test(test_routes),
		cmocka_unit_test(test_own_addresses),	cmocka_unit_test(test_addresses_sorted),
		cmocka_unit_test(test_filter_text),	cmocka_unit_test(test_filter_parts),
		cmocka_unit_test(test_helper),		cmocka_unit_test(test_pasta_fails_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
