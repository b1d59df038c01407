/* SPDX-License-Identifier: Apache-2.0 */
/* Option parsing (args.c) and the look-up of verbs (verbs.c). */
#include "verb.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct isle_option options[] = {
	{"all", 'a', NULL, "all of it", 'a'},
	{"name", 'n', "NAME", "an argument", 'n'},
	{"criteria", 0, "aec|write|none", "a choice", 'c'},
	{"track", 't', "[full]", "an optional argument", 't'},
	{0},
};

static const struct isle_verb mixing = {.name = "mix", .synopsis = "", .summary = "mix", .options = options};
static const struct isle_verb stopping = {
	.name = "stop", .synopsis = "", .summary = "stop", .options = options, .stop_at_operand = true};

/* Parses and writes what came out as "ID=VALUE ... | OPERAND ..." or "... error" into out. */
static void parse(const struct isle_verb *verb, char *const *words, char *out, size_t size)
{
	char *argv[16] = {"verb"};
	struct isle_args args;
	int argc = 1;
	int id;
	FILE *file = fmemopen(out, size, "w");

	assert_non_null(file);
	for (; words[argc - 1]; argc++)
		argv[argc] = words[argc - 1];
	isle_args_init(&args, verb, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		fprintf(file, "%c%s%s ", id, args.value ? "=" : "", args.value ? args.value : "");
	if (id == ISLE_ARGS_ERROR)
		fputs("error", file);
	if (id == ISLE_ARGS_HELP)
		fputs("help", file);
	if (id == 0) {
		fputc('|', file);
		for (int i = 0; i < args.operand_count; i++)
			fprintf(file, " %s", args.operands[i]);
		assert_null(args.operands[args.operand_count]);
	}
	fclose(file);
}

static void test_parse(void **state)
{
	static const struct {
		const struct isle_verb *verb;
		char *words[8];
		const char *expected;
	} rows[] = {
		{&mixing, {NULL}, "|"},
		{&mixing, {"x", "-a", "y"}, "a | x y"},
		{&mixing, {"-an", "v", "x"}, "a n=v | x"},
		{&mixing, {"-anv", "x"}, "a n=v | x"},
		{&mixing, {"x", "--name", "-a", "y"}, "n=-a | x y"},
		{&mixing, {"x", "--name=", "y"}, "n= | x y"},
		{&mixing, {"--name=a=b"}, "n=a=b |"},
		{&mixing, {"-", "-a"}, "a | -"},
		{&mixing, {"-a", "--", "-a", "--"}, "a | -a --"},
		{&mixing, {"--track", "x"}, "t | x"},
		{&mixing, {"--track=full", "x"}, "t=full | x"},
		{&mixing, {"-ta"}, "t a |"},
		{&mixing, {"--criteria", "aec"}, "c=aec |"},
		{&mixing, {"--nam", "x"}, "error"},
		{&mixing, {"--names"}, "error"},
		{&mixing, {"--name"}, "error"},
		{&mixing, {"--all=yes"}, "error"},
		{&mixing, {"-an"}, "a error"},
		{&mixing, {"-x"}, "error"},
		{&mixing, {"-ax"}, "a error"},
		{&stopping, {"-a", "cmd", "-a", "--", "x"}, "a | cmd -a -- x"},
		{&stopping, {"-n", "v", "--", "cmd", "--", "-a"}, "n=v | cmd -- -a"},
		{&stopping, {"--", "--", "x"}, "| -- x"},
		{&stopping, {"-a", "-", "-a"}, "a | - -a"},
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		parse(rows[i].verb, rows[i].words, out, sizeof(out));
		assert_string_equal(out, rows[i].expected);
	}
}

static void test_help(void **state)
{
	char out[64];

	(void)state;
	parse(&mixing, (char *[]){"x", "--help", NULL}, out, sizeof(out));
	assert_string_equal(out, "help");
	parse(&stopping, (char *[]){"-ah", NULL}, out, sizeof(out));
	assert_string_equal(out, "a help");
	parse(&stopping, (char *[]){"cmd", "-h", NULL}, out, sizeof(out));
	assert_string_equal(out, "| cmd -h");
}

static void test_verbs(void **state)
{
	(void)state;
	assert_ptr_equal(isle_verb_find("list"), isle_verb_nearest("lst"));
	assert_non_null(isle_verb_find("list"));
	assert_null(isle_verb_find("lis"));
	assert_null(isle_verb_find(""));
	assert_string_equal(isle_verb_nearest("renmae")->name, "rename");
	assert_null(isle_verb_nearest("completion"));
	assert_null(isle_verb_nearest("entirely-different"));
	assert_null(isle_verb_nearest("x"));
}

/* What parsing, --help and completion take for granted of each table. */
static void check_verb(const struct isle_verb *verb)
{
	assert_non_null(verb->name);
	assert_non_null(verb->synopsis);
	assert_non_null(verb->summary);
	assert_non_null(verb->main);
	for (const struct isle_option *o = verb->options; o && o->name; o++) {
		assert_true(o->id > 0);
		assert_non_null(o->help);
		assert_true(strlen(o->name) > 1 && o->name[0] != '-');
		for (const struct isle_option *p = o + 1; p->name; p++) {
			assert_string_not_equal(o->name, p->name);
			assert_true(o->letter == 0 || o->letter != p->letter);
			assert_int_not_equal(o->id, p->id);
		}
	}
}

static void test_tables(void **state)
{
	size_t count = 0;

	(void)state;
	for (const struct isle_verb *const *verb = isle_verbs; *verb; verb++, count++) {
		check_verb(*verb);
		assert_ptr_equal(isle_verb_find((*verb)->name), *verb);
	}
	assert_true(count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
