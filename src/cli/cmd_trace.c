/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "operands.h"
#include "quote.h"
#include "recovered.h"
#include "talk.h"
#include "trace.h"
#include "verbs.h"

static const struct isle_option options[] = {
	{"process", 'P', "PID|COMMAND", "only this process, or those that run COMMAND (a glob), and what they started",
	 'P'},
	{"path", 'p', "PATH|GLOB", "only what is about these paths", 'p'},
	{"kind", 'k', "KIND[,...]",
	 "only read, write, exec, net, refused, list, missing, link or stat, each event on a line", 'k'},
	{"run", 'r', "N", "only the isle's Nth recorded run", 'r'},
	{"all", 'a', NULL, "fold nothing: all processes, each event on a line", 'a'},
	{"json", 0, NULL, "as one JSON document", 'j'},
	{0},
};

/* The columns of the terminal that stdout is, 0 when it is none. */
static unsigned terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

static int parse_kinds(const char *value, unsigned *kinds)
{
	auto_free char *copy = strdup(value);
	char *rest = copy, *word;

	while (copy != NULL && (word = strsep(&rest, ",")) != NULL) {
		unsigned kind = isle_trace_kind_by_name(word);

		if (kind == 0) {
			isle_usage(
				&isle_verb_trace,
				"--kind takes read, write, exec, net, refused, list, missing, link and stat, not '%s'",
				isle_quote(word));
			return -EINVAL;
		}
		*kinds |= kind;
	}
	return copy != NULL ? 0 : -ENOMEM;
}

static int parse_run(const char *value, unsigned *run)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || number == 0 || number > 1000000000) {
		isle_usage(&isle_verb_trace, "--run takes a number from 1 on, not '%s'", isle_quote(value));
		return -EINVAL;
	}
	*run = (unsigned)number;
	return 0;
}

/* A pattern without a slash fits last components; all else is a path, absolute or from here. */
static int parse_path(const char *value, char **path)
{
	free(*path);
	struct isle_err err = ISLE_ERR_INIT;
	int r;

	*path = NULL;
	if (strpbrk(value, "*?[") != NULL && strchr(value, '/') == NULL) {
		*path = strdup(value);
		return *path != NULL ? 0 : -ENOMEM;
	}
	r = isle_operand_path(value, path, &err);
	if (r < 0)
		isle_err_print(&err);
	return r;
}

static int set_option(const struct isle_args *args, int id, struct isle_trace_options *o, char **path, bool *json)
{
	switch (id) {
	case 'P':
		o->process = args->value;
		return 0;
	case 'p':
		return parse_path(args->value, path);
	case 'k':
		return parse_kinds(args->value, &o->kinds);
	case 'r':
		return parse_run(args->value, &o->run);
	case 'a':
		o->all = true;
		return 0;
	default:
		*json = true;
		return 0;
	}
}

static int show(const char *name, const struct isle_trace_options *o, bool json)
{
	auto_store struct isle_store *store = NULL;
	auto_isle struct isle *isle = NULL;
	struct isle_err err = ISLE_ERR_INIT;
	int r = isle_store_open_to_look(&store, &err);

	if (r >= 0)
		r = isle_find(store, name, &isle, &err);
	if (r >= 0)
		r = json ? isle_trace_json(isle, o, stdout, &err) : isle_trace_text(isle, o, stdout, &err);
	if (r < 0)
		return isle_fail(&err);
	if (r > 0)
		isle_note("no run of isle '%s' was recorded", isle->name);
	return ISLE_EXIT_OK;
}

static int trace_main(int argc, char **argv)
{
	struct isle_trace_options o = {.width = terminal_width()};
	auto_free char *path = NULL;
	struct isle_args args;
	bool json = false;
	int id;

	isle_args_init(&args, &isle_verb_trace, argc, argv);
	while ((id = isle_args_next(&args)) > 0)
		if (set_option(&args, id, &o, &path, &json) < 0)
			return ISLE_EXIT_USAGE;
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count > 1)
		return isle_usage(&isle_verb_trace, "one NAME at most");
	o.path = path;
	return show(args.operand_count > 0 ? args.operands[0] : NULL, &o, json);
}

const struct isle_verb isle_verb_trace = {
	.name = "trace",
	.synopsis = "[--process PID|COMMAND] [--path GLOB] [--kind KIND] [--run N] [--all] [--json] [NAME]",
	.summary = "what the runs did: processes, files read, refusals, network",
	.more = "Likely secrets that were read come first. Files of the system are only counted.",
	.options = options,
	.main = trace_main,
};
