/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: finds the verb and calls it. Nothing else happens before, start-up is counted in microseconds.
 */
#include "error.h"
#include "io.h"
#include "quote.h"
#include "spawn.h"
#include "verb.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int unknown_verb(const char *name)
{
	const struct isle_verb *nearest = isle_verb_nearest(name);

	fprintf(stderr, "isle: no such %s: %s\n", *name == '-' ? "option" : "verb", isle_quote(name));
	if (nearest)
		fprintf(stderr, "hint: did you mean 'isle %s'?\n", nearest->name);
	else
		fprintf(stderr, "Try 'isle --help'.\n");
	return ISLE_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct isle_verb *verb;

	if (argc < 2) {
		isle_help_all();
		return ISLE_EXIT_OK;
	}
	verb = isle_verb_find(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	isle_help_verb(verb);
	return ISLE_EXIT_OK;
}

static int dispatch(int argc, char **argv)
{
	const struct isle_verb *verb;

	if (argc < 2) {
		fprintf(stderr, "isle: no verb given\nTry 'isle --help'.\n");
		return ISLE_EXIT_USAGE;
	}
	verb = isle_verb_find(argv[1]);
	if (verb)
		return verb->main(argc - 1, argv + 1);
	if (strcmp(argv[1], "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(1, argv);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("isle %s\n", ISLE_VERSION);
		return ISLE_EXIT_OK;
	}
	return unknown_verb(argv[1]);
}

/* A result that did not reach stdout is a failure, whatever the verb said. */
static int close_stdout(int status)
{
	bool failed = ferror(stdout);

	if (fclose(stdout) != 0)
		failed = true;
	else if (failed)
		errno = EIO;
	if (!failed)
		return status;
	fprintf(stderr, "isle: cannot write to standard output: %s\n", strerror(errno));
	return status == ISLE_EXIT_OK || status == ISLE_EXIT_CHANGES ? ISLE_EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
	if (isle_stdio_init() < 0)
		return ISLE_EXIT_NOT_STARTED;
	isle_inherited_init();
	return close_stdout(dispatch(argc, argv));
}
