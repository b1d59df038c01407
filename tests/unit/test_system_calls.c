/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of system calls (tools/filter_rules.c) against the finished filter programs: every number, in every
 * variant. With `--print` it writes doc/system-calls.md; with the path of that file it tests that it is up to date as
 * well.
 */
#include "core_dump.h"
#include "macros.h"
#include "static_filter.h"
#include "system_calls_table.h"
#include "trap.h"

#include "calls.h"
#include <errno.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

enum { FIRST_X32 = 0x40000000, LAST_SWEPT = 4096 };

static const char *document;

static const struct system_call_row *find_row(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_call_rows); i++)
		if (system_call_rows[i].nr == nr)
			return &system_call_rows[i];
	return NULL;
}

/* What the table says of a call whatever its arguments: 0 or an errno. */
static int row_error(const struct system_call_row *row, unsigned flags)
{
	if (row == NULL)
		return ENOSYS;
	if (row->answer == FILTER_ALLOW || (row->answer == FILTER_UNLESS_NEST && (flags & ISLE_FILTER_NEST) != 0))
		return 0;
	return row->error;
}

static bool is_told(const struct system_call_row *row)
{
	return row != NULL && (row->answer == FILTER_REFUSE || row->answer == FILTER_UNLESS_NEST);
}

static bool has_condition(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_call_conditions); i++)
		if (system_call_conditions[i].nr == nr)
			return true;
	return false;
}

static uint32_t run(unsigned flags, unsigned traps, const struct seccomp_data *data)
{
	struct sock_filter code[ISLE_FILTER_ROOM];

	return isle_filter_run(code, isle_static_filter_program(flags, traps, code), data);
}

/* What is trapped is allowed by the filter: the supervisor is asked about nothing that a wall refuses always. */
static void check_number(unsigned flags, int nr, uint64_t argument)
{
	struct seccomp_data data = {.nr = nr, .arch = OUR_ARCH};
	const struct system_call_row *row = find_row(nr);
	int error = row_error(row, flags);

	for (size_t i = 0; i < ARRAY_SIZE(data.args); i++)
		data.args[i] = argument;
	uint32_t alone = run(flags, 0, &data);
	uint32_t told = run(flags, ISLE_TRAP_READS | ISLE_TRAP_STATS, &data);
	if (error == 0) {
		if (alone != SECCOMP_RET_ALLOW)
			print_error("%d (%s) is not allowed: 0x%x\n", nr, row->name, alone);
		assert_int_equal(alone, SECCOMP_RET_ALLOW);
		assert_true(told == SECCOMP_RET_ALLOW || (told == SECCOMP_RET_USER_NOTIF && isle_trapped_find(nr)));
		return;
	}
	if (alone != (SECCOMP_RET_ERRNO | (uint32_t)error))
		print_error("%d (%s) is answered with 0x%x\n", nr, row == NULL ? "no row" : row->name, alone);
	assert_int_equal(alone, SECCOMP_RET_ERRNO | (uint32_t)error);
	assert_int_equal(told, is_told(row) ? SECCOMP_RET_USER_NOTIF : alone);
	assert_int_equal(isle_static_filter_answer(flags, &data), error);
	if (is_told(row))
		assert_string_equal(isle_static_filter_name(nr), row->name);
}

static const unsigned variants[] = {0, ISLE_FILTER_NEST, ISLE_FILTER_HOST_NET, ISLE_FILTER_NEST | ISLE_FILTER_HOST_NET};

static void test_every_number(void **state)
{
	static const uint64_t arguments[] = {0, 1, 0x5a5a5a5a5a5a5a5a, ~UINT64_C(0)};

	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (int nr = 0; nr < LAST_SWEPT; nr++)
			for (size_t i = 0; i < ARRAY_SIZE(arguments); i++)
				if (i == 0 || !has_condition(nr))
					check_number(variants[v], nr, arguments[i]);
		for (int bit = 12; bit < 30; bit++)
			check_number(variants[v], 1 << bit, 0);
	}
}

static void test_conditions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(system_call_conditions); i++) {
		const struct system_call_condition *c = &system_call_conditions[i];
		struct seccomp_data data = {.nr = c->nr, .arch = OUR_ARCH};

		memcpy(data.args, c->example, sizeof(c->example));
		for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
			bool nest = (variants[v] & ISLE_FILTER_NEST) != 0;
			bool host = (variants[v] & ISLE_FILTER_HOST_NET) != 0;
			bool refused = c->when == FILTER_ALWAYS || (c->when == FILTER_NOT_NEST && !nest) ||
				       (c->when == FILTER_HOST_NET && host);

			assert_int_equal(run(variants[v], 0, &data),
					 refused ? SECCOMP_RET_ERRNO | (uint32_t)c->error : SECCOMP_RET_ALLOW);
		}
	}
}

static void test_table_is_consistent(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(system_call_rows); i++) {
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(system_call_rows[i].name, system_call_rows[j].name);
			assert_true(system_call_rows[i].nr < 0 || system_call_rows[i].nr != system_call_rows[j].nr);
		}
	}
	for (const struct isle_trapped *t = isle_trapped_calls; t->name != NULL; t++) {
		const struct system_call_row *row = t->nr < 0 ? NULL : find_row(t->nr);

		if (t->nr < 0)
			continue;
		assert_non_null(row);
		assert_string_equal(row->name, t->name);
		assert_int_equal(row_error(row, ISLE_FILTER_NEST), 0);
	}
}

#if defined(__x86_64__)
static void test_x32(void **state)
{
	(void)state;
	for (int nr = 0; nr < LAST_SWEPT; nr++) {
		struct seccomp_data data = {.nr = FIRST_X32 | nr, .arch = OUR_ARCH};

		assert_int_equal(run(0, 0, &data), SECCOMP_RET_KILL_PROCESS);
	}
}
#endif

static void test_core_pattern(void **state)
{
	(void)state;
	assert_int_equal(isle_core_judge("core", RLIM_INFINITY), 0);
	assert_int_equal(isle_core_judge("core", 0), 0);
	assert_int_equal(isle_core_judge("/var/cores/%e|@", 0), 0);
	assert_int_equal(isle_core_judge("", 0), 0);
	assert_int_equal(isle_core_judge("|/usr/share/apport/apport %p", 1), 0);
	assert_int_equal(isle_core_judge("|/usr/share/apport/apport %p", RLIM_INFINITY), 0);
	assert_int_equal(isle_core_judge("|/usr/share/apport/apport %p", 0), -EPERM);
	assert_int_equal(isle_core_judge("@/run/crash.sock", RLIM_INFINITY), -EPROTONOSUPPORT);
	assert_int_equal(isle_core_judge("@@/run/crash.sock", 1), -EPROTONOSUPPORT);
	assert_int_equal(isle_core_judge("@/run/crash.sock", 0), -EPROTONOSUPPORT);
}

/* The document. */

static const char *when_asked(const char *name)
{
	static const struct {
		unsigned trap;
		const char *text;
	} groups[] = {{ISLE_TRAP_READS, "record"},  {ISLE_TRAP_STATS, "full record"}, {ISLE_TRAP_NET, "network"},
		      {ISLE_TRAP_NAMES, "names"},   {ISLE_TRAP_NODES, "devices"},     {ISLE_TRAP_OWNERS, "owners"},
		      {ISLE_TRAP_MOUNTS, "mounts"}, {ISLE_TRAP_ATTRIBUTES, "rights"}, {ISLE_TRAP_BINDS, "binds"}};
	static char text[128];

	*text = '\0';
	for (const struct isle_trapped *t = isle_trapped_calls; t->name != NULL; t++)
		for (size_t i = 0; strcmp(t->name, name) == 0 && i < ARRAY_SIZE(groups); i++)
			if ((t->traps & groups[i].trap) != 0)
				snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? ", " : "",
					 groups[i].text);
	return text;
}

static void print_number(FILE *out, int nr)
{
	if (nr < 0)
		fprintf(out, " - |");
	else
		fprintf(out, " %d |", nr);
}

static void print_rows(FILE *out, int answer)
{
	fprintf(out, "| call | x86_64 | aarch64 | %s | why |\n| --- | --- | --- | --- | --- |\n",
		answer == FILTER_ALLOW ? "asked" : "error");
	for (size_t i = 0; i < ARRAY_SIZE(system_call_rows); i++) {
		const struct system_call_row *row = &system_call_rows[i];

		if (row->answer != answer || (row->x86_64 < 0 && row->aarch64 < 0))
			continue;
		fprintf(out, "| %s |", row->name);
		print_number(out, row->x86_64);
		print_number(out, row->aarch64);
		fprintf(out, " %s | %s |\n",
			answer == FILTER_ALLOW ? when_asked(row->name) : strerrorname_np(row->error), row->reason);
	}
}

static void print_conditions(FILE *out)
{
	static const char *const when[] = {"", "without --nest", "with --net host"};

	fprintf(out, "| call | arguments | when | answer | why |\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < ARRAY_SIZE(system_call_conditions); i++) {
		const struct system_call_condition *c = &system_call_conditions[i];

		fprintf(out, "| %s | %s | %s | %s | %s |\n", c->name, c->what, when[c->when],
			c->error == 0 ? "success, and nothing is done" : strerrorname_np(c->error), c->reason);
	}
}

static void print_document(FILE *out)
{
	fputs("# System calls\n\n"
	      "What the system call filter answers to each call, and why. Made from the rules of the filter\n"
	      "(`tools/filter_rules.c`) by `test_system_calls --print`; do not edit. The tests `unit-system-calls` "
	      "and\n"
	      "`system-calls-known` compare it with the finished filter, the kernel's headers and libseccomp.\n\n"
	      "A number that is in no row gets ENOSYS. Calls of other tables (i386, x32) end the process.\n\n"
	      "*asked*: the supervisor hears of the call before the kernel does it, to record it or to help with it:\n"
	      "*record* in recorded runs, *full record* with `--track=full`, *network* until the network is started, "
	      "*names*\n"
	      "and *owners* for an ordinary user, *devices* for root, *mounts* with `--nest`. It is no wall. In "
	      "recorded runs\n"
	      "it is also asked about what is refused, and can answer with the error alone. What it does itself, as a "
	      "wall:\n"
	      "*rights* for uid 0 with `--net host`, *binds* with `--net host` and `--write`.\n\n## Allowed\n\n",
	      out);
	print_rows(out, FILTER_ALLOW);
	fputs("\n## Allowed, but for these arguments\n\n", out);
	print_conditions(out);
	fputs("\n## Refused\n\n", out);
	print_rows(out, FILTER_REFUSE);
	fputs("\n## Refused without `--nest`\n\n", out);
	print_rows(out, FILTER_UNLESS_NEST);
	fputs("\n## Refused as by an older kernel, and not on record\n\n", out);
	print_rows(out, FILTER_QUIET);
}

static void test_document(void **state)
{
	char *want = NULL, *have = NULL;
	size_t size = 0, room = 0;
	FILE *file = document == NULL ? NULL : fopen(document, "re");

	(void)state;
	if (document == NULL)
		skip();
	FILE *out = open_memstream(&want, &size);
	assert_non_null(file);
	assert_non_null(out);
	print_document(out);
	fclose(out);
	ssize_t got = getdelim(&have, &room, '\0', file);
	fclose(file);
	if (got != (ssize_t)size || memcmp(want, have, size) != 0)
		fail_msg("%s is out of date: write it again with test_system_calls --print", document);
	free(want);
	free(have);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_number),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_table_is_consistent),
#if defined(__x86_64__)
		cmocka_unit_test(test_x32),
#endif
		cmocka_unit_test(test_core_pattern),
		cmocka_unit_test(test_document),
	};

	if (argc > 1 && strcmp(argv[1], "--print") == 0) {
		print_document(stdout);
		return fflush(stdout) == EOF;
	}
	document = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
