/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A verb of the command line and its option table. The table drives parsing, --help, the shell completions and the
 * check against the man page. One file per verb: cmd_NAME.c defines `const struct isle_verb isle_verb_NAME`, verbs.c
 * lists them all.
 */
#include "error.h"
#include <stdbool.h>
#include <stddef.h>

/* CLI exit codes; see isle(1). */
enum isle_exit {
	ISLE_EXIT_OK = 0,
	ISLE_EXIT_FAILED = 1,
	ISLE_EXIT_USAGE = 2,
	ISLE_EXIT_CHANGES = 3,
	ISLE_EXIT_CONFLICT = 4,
	ISLE_EXIT_PROTECTION = 5,
	ISLE_EXIT_FLAGGED = 6,
	ISLE_EXIT_NOT_STARTED = 125,
	ISLE_EXIT_CANNOT_EXECUTE = 126,
	ISLE_EXIT_NOT_FOUND = 127,
};

struct isle_option {
	const char *name;     /* long name without dashes */
	char letter;	      /* 0: none */
	const char *argument; /* NULL: takes none; "[X]": optional, only as --name=X. Completion goes by its first
			       * word: FILE, PATH and DIR are files, NAME isles, a|b|c these words */
	const char *help;     /* one line */
	int id;		      /* what isle_args_next() returns, > 0 and unique in the table */
};

struct isle_verb {
	const char *name;
	const char *synopsis;		   /* after the name: "[-n NAME] [options] [--] CMD [ARG...]" */
	const char *summary;		   /* one line, lower case */
	const char *more;		   /* further lines for --help, or NULL */
	const struct isle_option *options; /* ends with name NULL */
	bool stop_at_operand;		   /* options end at the first operand (run, shell) */
	bool plain_names;		   /* operands are not isle names, for completion */
	bool hidden;			   /* works, but is not listed */
	int (*main)(int argc, char **argv);
};

/*
 * Parsing, in the manner of getopt_long(3): options and operands may be mixed unless stop_at_operand.
 *
 *   struct isle_args args;
 *   int id;
 *   isle_args_init(&args, &isle_verb_status, argc, argv);      argv[0] is the verb's name
 *   while ((id = isle_args_next(&args)) > 0)
 *           switch (id) ...                                    args.value is the argument or NULL
 *   if (id < 0)
 *           return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;     already told
 *   args.operands[0 .. args.operand_count - 1], then NULL
 *
 * The operands are gathered in argv itself, which loses its order by it. Every verb has -h and --help without listing
 * them. Long names are never abbreviated, so that a new option cannot break a script.
 */
struct isle_args {
	const struct isle_verb *verb;
	int argc;
	char **argv;
	char *value;
	char **operands;
	int operand_count;
	int at;	    /* next argument */
	char *rest; /* inside a bundle of letters */
};

enum { ISLE_ARGS_ERROR = -1, ISLE_ARGS_HELP = -2 };

void isle_args_init(struct isle_args *args, const struct isle_verb *verb, int argc, char **argv);
int isle_args_next(struct isle_args *args);

/* Prints "isle VERB: message" and "Try 'isle VERB --help'." Returns ISLE_EXIT_USAGE. */
int isle_usage(const struct isle_verb *verb, const char *format, ...) isle_printf(2, 3);

extern const struct isle_verb *const isle_verbs[]; /* ends with NULL; in the order of isle --help */
const struct isle_verb *isle_verb_find(const char *name);

/* The listed verb whose name is nearest to a mistyped one, or NULL when none is near. */
const struct isle_verb *isle_verb_nearest(const char *name);

/* On stdout: the help of one verb, and the list of all. */
void isle_help_verb(const struct isle_verb *verb);
void isle_help_all(void);

/* A question that is asked on the terminal only: prints it on stderr with " [y/N] " and reads the answer. True for
 * yes; false for anything else, also when stdin or stderr is no terminal. */
bool isle_ask(const char *format, ...) isle_printf(1, 2);
/* Asks on stderr; a line from the terminal without the blanks at its end. Its length; -1 at the end of input, after a
 * hang-up, or when the user interrupts: the safe answer. */
int isle_read_answer(const char *question, char *line, size_t room) isle_must_check;
/* True when isle_ask() would ask. */
bool isle_can_ask(void);

/* Prints err and returns ISLE_EXIT_FAILED. */
int isle_fail(const struct isle_err *err);
