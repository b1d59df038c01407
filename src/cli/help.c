/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --help, drawn from the tables. Written for 80 columns: the help of an option starts in column HELP_COLUMN and is
 * broken at spaces.
 */
#include "verb.h"
#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 28, HELP_WIDTH = 80, VERB_COLUMN = 12 };

/* Prints text from the present column on, broken at spaces; further lines start at `column`. */
static void print_wrapped(const char *text, int column)
{
	int at = column;

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (at > column && at + 1 + word > HELP_WIDTH) {
			printf("\n%*s", column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		printf("%.*s", word, text);
		at += word;
		text += word;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_option(const struct isle_option *option)
{
	int width = option->letter ? printf("  -%c, --%s", option->letter, option->name)
				   : printf("      --%s", option->name);

	if (option->argument && option->argument[0] == '[')
		width += printf("[=%s", option->argument + 1);
	else if (option->argument)
		width += printf(" %s", option->argument);
	if (width > HELP_COLUMN - 2) {
		putchar('\n');
		width = 0;
	}
	printf("%*s", HELP_COLUMN - width, "");
	print_wrapped(option->help, HELP_COLUMN);
}

void isle_help_verb(const struct isle_verb *verb)
{
	static const struct isle_option help = {"help", 'h', NULL, "this help", 1};
	bool own_letter = false;
	const char *stop = *verb->summary && verb->summary[strlen(verb->summary) - 1] == '?' ? "" : ".";

	printf("usage: isle %s%s%s\n\n%s%s\n\n", verb->name, *verb->synopsis ? " " : "", verb->synopsis, verb->summary,
	       stop);
	for (const struct isle_option *o = verb->options; o && o->name; o++) {
		print_option(o);
		own_letter = own_letter || o->letter == 'h';
	}
	if (!own_letter)
		print_option(&help);
	if (verb->more)
		printf("\n%s\n", verb->more);
}

void isle_help_all(void)
{
	printf("usage: isle VERB [argument]...\n\n"
	       "Runs programs with one-way isolation: they read the live machine, and what they write\n"
	       "stays in an isle until you commit it or throw it away.\n\n");
	for (const struct isle_verb *const *verb = isle_verbs; *verb; verb++) {
		if ((*verb)->hidden)
			continue;
		printf("  %-*s", VERB_COLUMN - 2, (*verb)->name);
		print_wrapped((*verb)->summary, VERB_COLUMN);
	}
	printf("\n  isle VERB --help    what a verb does and which options it has\n"
	       "  isle --version      the version\n\n"
	       "NAME may be any unambiguous beginning of an isle's name; '-' or none is the newest.\n");
}
