/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle redo: the commands of an isle once more, in a fresh isle on the host as it is today, and how the outcome
 * differs.
 */
#include "catalog.h"
#include "change.h"
#include "clock.h"
#include "command.h"
#include "path.h"
#include "quote.h"
#include "run.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct isle_option options[] = {
	{"name", 'n', "NAME", "the name of the fresh isle (default: NAME-redo)", 'n'},
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

struct redo {
	struct isle_store *store;
	struct isle *old, *fresh;
	char *variable; /* "ISLE=NAME" */
	size_t count;
	struct isle_err err;
};

static void redo_done(struct redo *redo)
{
	isle_free(redo->old);
	isle_free(redo->fresh);
	isle_store_free(redo->store);
	free(redo->variable);
}
#define auto_redo __attribute__((cleanup(redo_done)))

/* Standard input: the file that it was, else nothing. */
static int set_input(const struct isle_command *command, struct isle_err *err)
{
	const char *path = command->input ? command->input : "/dev/null";
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return isle_err_errno(err, -errno, "cannot read the input '%s'", isle_quote(path));
	if (!command->input)
		isle_note("its input was no file: it gets none now");
	return 0;
}

/* The environment with the fresh isle's name in it; a list on the heap with borrowed strings. */
static const char **environment_of(const struct redo *redo, const struct isle_command *command)
{
	const char *const *old = command->lists[ISLE_COMMAND_ENVIRONMENT];
	const char **list;
	size_t count = 0;

	while (old[count])
		count++;
	list = calloc(count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++)
		list[i] = strncmp(old[i], "ISLE=", 5) == 0 ? redo->variable : old[i];
	return list;
}

static int run_again(const struct isle_command *command, void *data)
{
	struct redo *redo = data;
	const char *const *arguments = command->lists[ISLE_COMMAND_ARGUMENTS];
	auto_free const char **environment = environment_of(redo, command);
	struct isle_run_options run = {
		.argv = (char *const *)arguments,
		.environment = (char *const *)environment,
		.directory = command->directory,
		.hostname = command->hostname,
		.write = command->lists[ISLE_COMMAND_WRITE],
		.hide = command->lists[ISLE_COMMAND_HIDE],
		.net = (enum isle_net_mode)command->net,
		.flags = command->flags,
	};
	struct isle_run_result result = {0};
	int r = environment ? 0 : isle_err_errno(&redo->err, -ENOMEM, "cannot run the commands again");

	struct isle_command again = *command;
	again.start = isle_now();
	again.lists[ISLE_COMMAND_ENVIRONMENT] = environment;
	struct isle_run_record record = {.isle_id = redo->fresh->id,
					 .name = redo->fresh->name,
					 .argv = arguments,
					 .cwd = command->directory,
					 .start = again.start};

	redo->count++;
	isle_note("again: %s ...", isle_quote(arguments[0]));
	if (r >= 0)
		r = set_input(command, &redo->err);
	if (r >= 0 && isle_command_note(redo->fresh, &again) < 0)
		isle_verbose("how the command is run could not be written down");
	if (r >= 0)
		r = isle_run(redo->store, redo->fresh, &run, &result, &redo->err);
	if (r >= 0 && (result.outcome != ISLE_RUN_EXITED || result.status != 0)) {
		isle_note("it ended with %s %d", result.outcome == ISLE_RUN_SIGNALLED ? "signal" : "status",
			  result.status);
	}
	record.end = isle_now();
	record.status = result.outcome == ISLE_RUN_SIGNALLED ? 128 + result.status : result.status;
	if (record.status == 0 && result.output_lost)
		record.status = ISLE_EXIT_FAILED;
	if (r >= 0)
		isle_ignore(isle_catalog_note_run(redo->store, &record, NULL));
	return r < 0 ? r : 0;
}

/* --- what came of it --- */

struct outcome {
	const struct isle *isle;
	struct isle_layers layers;
	struct isle_changes changes;
};

static void outcome_done(struct outcome *outcome)
{
	isle_changes_done(&outcome->changes);
	isle_layers_done(&outcome->layers);
}
#define auto_outcome __attribute__((cleanup(outcome_done)))

static int look(struct redo *redo, const struct isle *isle, struct outcome *outcome)
{
	int r = isle_layers_read(isle, &outcome->layers, &redo->err);

	outcome->isle = isle;
	return r < 0 ? r
		     : isle_changes_scan(redo->store, isle, &outcome->layers, ISLE_SCAN_ALL, &outcome->changes,
					 &redo->err);
}

static bool same_data(int a, int b)
{
	char one[16384], two[sizeof(one)];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(a, one, sizeof(one), at), m = pread(b, two, sizeof(two), at);

		if (n != m || n < 0 || memcmp(one, two, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
		at += n;
	}
}

static bool same_link(const struct outcome *a, const struct isle_change *x, const struct outcome *b,
		      const struct isle_change *y)
{
	auto_free char *one = NULL, *two = NULL;
	const char *name, *other;
	auto_fd int dir = isle_change_at(a->isle, &a->layers, x, ISLE_AFTER, &name);
	auto_fd int second = isle_change_at(b->isle, &b->layers, y, ISLE_AFTER, &other);

	return dir >= 0 && second >= 0 && isle_readlink(dir, name, &one) >= 0 &&
	       isle_readlink(second, other, &two) >= 0 && strcmp(one, two) == 0;
}

static bool same_change(const struct outcome *a, const struct isle_change *x, const struct outcome *b,
			const struct isle_change *y)
{
	if (x->kind == ISLE_DELETE || y->kind == ISLE_DELETE)
		return x->kind == y->kind;
	if (x->after.mode != y->after.mode || x->after.uid != y->after.uid || x->after.gid != y->after.gid)
		return false;
	if (S_ISLNK(x->after.mode))
		return same_link(a, x, b, y);
	if (!S_ISREG(x->after.mode))
		return true;
	auto_fd int one = isle_change_open_after(a->isle, &a->layers, x);
	auto_fd int two = isle_change_open_after(b->isle, &b->layers, y);
	return x->after.size == y->after.size && one >= 0 && two >= 0 && same_data(one, two);
}

/* strcmp() of the paths of a->list[i] and b->list[j]; what is behind the end of its list comes last. */
static int compare_paths(const struct isle_changes *a, size_t i, const struct isle_changes *b, size_t j)
{
	if (i == a->count)
		return 1;
	return j == b->count ? -1 : strcmp(a->list[i].path, b->list[j].path);
}

/* Both lists are sorted by path. */
static size_t print_differences(const struct outcome *then, const struct outcome *now)
{
	const struct isle_changes *a = &then->changes, *b = &now->changes;
	size_t i = 0, j = 0, different = 0;

	while (i < a->count || j < b->count) {
		int order = compare_paths(a, i, b, j);
		const char *word = order < 0 ? "only then" : order > 0 ? "only now" : "different";

		if (order != 0 || !same_change(then, &a->list[i], now, &b->list[j])) {
			different++;
			printf("%-9s  %s\n", word, isle_quote(order <= 0 ? a->list[i].path : b->list[j].path));
		}
		i += order <= 0;
		j += order >= 0;
	}
	return different;
}

static int compare(struct redo *redo)
{
	auto_outcome struct outcome then = {0}, now = {0};
	size_t different;

	if (look(redo, redo->old, &then) < 0 || look(redo, redo->fresh, &now) < 0)
		return isle_fail(&redo->err);
	different = print_differences(&then, &now);
	if (different == 0)
		printf("the same as then\n");
	if (fflush(stdout) != 0) {
		isle_err_errno(&redo->err, -errno, "cannot print the differences");
		return isle_fail(&redo->err);
	}
	isle_note("the network and the time are today's; see 'isle diff %s', and commit it with 'isle commit %s'",
		  redo->fresh->name, redo->fresh->name);
	return different ? ISLE_EXIT_CHANGES : ISLE_EXIT_OK;
}

static int redo_main(int argc, char **argv)
{
	auto_redo struct redo redo = {0};
	auto_free char *fresh = NULL;
	struct isle_args args;
	const char *name = NULL;
	int id, r;

	isle_args_init(&args, &isle_verb_redo, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 'n')
			name = args.value;
		else
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (args.operand_count > 1)
		return isle_usage(&isle_verb_redo, "one isle at a time");
	r = isle_store_open(&redo.store, &redo.err);
	if (r >= 0)
		r = isle_find(redo.store, args.operands[0], &redo.old, &redo.err);
	if (r >= 0 && asprintf(&fresh, "%s-redo", redo.old->name) < 0)
		return ISLE_EXIT_FAILED;
	if (r >= 0)
		r = isle_create(redo.store, name ? name : fresh, &redo.fresh, &redo.err);
	if (r == -EEXIST) {
		isle_err_text(&redo.err, r, "there is an isle '%s' already", name ? name : fresh);
		isle_err_hint(&redo.err, "choose another name with --name NEW, or remove that isle with: isle rm");
	}
	if (r >= 0 && asprintf(&redo.variable, "ISLE=%s", redo.fresh->name) < 0)
		return ISLE_EXIT_FAILED;
	if (r >= 0)
		r = isle_commands_each(redo.old, run_again, &redo, &redo.err);
	if (r >= 0 && redo.count == 0)
		r = isle_err_text(&redo.err, -ENOENT, "no command of isle '%s' was recorded", redo.old->name);
	return r < 0 ? isle_fail(&redo.err) : compare(&redo);
}

const struct isle_verb isle_verb_redo = {
	.name = "redo",
	.synopsis = "[-n NEW] [-q] [NAME]",
	.summary = "run an isle's commands again in a fresh one, on today's host",
	.more = "The exit status is 0 when the outcome is the same as then and 3 when it differs.",
	.options = options,
	.main = redo_main,
};
