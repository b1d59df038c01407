/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of a verb's arguments by its option table (verb.h).
 *
 * Operands are moved to the front of argv as they are met. An operand's new place is never behind the argument
 * that is looked at, so nothing unread is overwritten and no memory is needed.
 */
#include "quote.h"
#include "verb.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void isle_args_init(struct isle_args *args, const struct isle_verb *verb, int argc, char **argv)
{
	*args = (struct isle_args){.verb = verb, .argc = argc, .argv = argv, .operands = argv + 1, .at = 1};
}

int isle_usage(const struct isle_verb *verb, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "isle %s: ", verb->name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, "\nTry 'isle %s --help'.\n", verb->name);
	return ISLE_EXIT_USAGE;
}

static int help(const struct isle_args *args)
{
	isle_help_verb(args->verb);
	return ISLE_ARGS_HELP;
}

static const struct isle_option *find_long(const struct isle_verb *verb, const char *name, size_t size)
{
	for (const struct isle_option *o = verb->options; o && o->name; o++)
		if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
			return o;
	return NULL;
}

static const struct isle_option *find_letter(const struct isle_verb *verb, char letter)
{
	for (const struct isle_option *o = verb->options; o && o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

/* argv[at] is "--NAME" or "--NAME=VALUE". */
static int parse_long(struct isle_args *args)
{
	const char *name = args->argv[args->at] + 2;
	size_t size = strcspn(name, "=");
	const struct isle_option *option = find_long(args->verb, name, size);
	char *value = name[size] ? args->argv[args->at] + 2 + size + 1 : NULL;

	args->at++;
	if (!option) {
		if (size == 4 && memcmp(name, "help", 4) == 0 && !value)
			return help(args);
		isle_usage(args->verb, "no such option: %s", isle_quote(name - 2));
		return ISLE_ARGS_ERROR;
	}
	if (value && !option->argument) {
		isle_usage(args->verb, "option --%s takes no argument", option->name);
		return ISLE_ARGS_ERROR;
	}
	if (!value && option->argument && option->argument[0] != '[') {
		if (args->at >= args->argc) {
			isle_usage(args->verb, "option --%s needs an argument: %s", option->name, option->argument);
			return ISLE_ARGS_ERROR;
		}
		value = args->argv[args->at++];
	}
	args->value = value;
	return option->id;
}

/* args->rest points at a letter in argv[at]. */
static int parse_letter(struct isle_args *args)
{
	char letter = *args->rest++;
	char *rest = args->rest;
	const struct isle_option *option = find_letter(args->verb, letter);
	bool takes = option && option->argument && option->argument[0] != '[';

	if (*rest == '\0' || takes) {
		args->rest = NULL;
		args->at++;
	}
	if (!option) {
		char name[3] = {'-', letter, '\0'};

		if (letter == 'h')
			return help(args);
		isle_usage(args->verb, "no such option: %s", isle_quote(name));
		return ISLE_ARGS_ERROR;
	}
	if (!takes)
		return option->id;
	if (*rest == '\0' && args->at >= args->argc) {
		isle_usage(args->verb, "option -%c needs an argument: %s", letter, option->argument);
		return ISLE_ARGS_ERROR;
	}
	args->value = *rest ? rest : args->argv[args->at++];
	return option->id;
}

static void take_operand(struct isle_args *args)
{
	args->operands[args->operand_count++] = args->argv[args->at++];
}

static int finish(struct isle_args *args)
{
	while (args->at < args->argc)
		take_operand(args);
	args->operands[args->operand_count] = NULL;
	return 0;
}

int isle_args_next(struct isle_args *args)
{
	args->value = NULL;
	if (args->rest)
		return parse_letter(args);
	while (args->at < args->argc) {
		char *arg = args->argv[args->at];

		if (strcmp(arg, "--") == 0) {
			args->at++;
			break;
		}
		if (arg[0] == '-' && arg[1] == '-')
			return parse_long(args);
		if (arg[0] == '-' && arg[1] != '\0') {
			args->rest = arg + 1;
			return parse_letter(args);
		}
		if (args->verb->stop_at_operand)
			break;
		take_operand(args);
	}
	return finish(args);
}
