/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a run as a tree:
 *
 *     pid      start       took        cpu  exit  command
 *    4711     +0.000      3.200      0.400     0  sh -c 'make all'
 *    4712     +0.010      0.500      0.480     2    make all  (in /home/u/src)
 *    4712     +0.012                              -> cc -c a.c
 *
 * A process that only forked (a subshell, a worker) is left out unless it did something on its own; what it started
 * moves up to its parent. Of many that run the same program below the same process, the first are shown and the others
 * counted, with what they started.
 *
 * The depth is what a program makes it, so nothing here is recursive.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "map.h"
#include "quote.h"
#include "trace_internal.h"

enum {
	INDENT_MOST = 20, /* levels */
	ALIKE_SHOWN = 10, /* of one program below the same process */
	EXECS_SHOWN = 6,  /* of one process */
	COMMAND_LONGEST = 4000,
};

/* Processes below one that run the same program. */
struct fold {
	const struct isle_trace_exec *program;
	uint64_t count, hidden;
	uint32_t next; /* index + 1 of another one of the same process, with hidden ones */
};

struct tree {
	struct isle_trace *trace;
	const struct isle_trace_run *run;
	FILE *out;
	struct isle_buf line;
	struct isle_map alike; /* shown process above and program -> index + 1 in folds */
	struct fold *folds;
	size_t fold_count, fold_room;
};

static struct isle_trace_process *at(const struct tree *tree, uint32_t index)
{
	return index == 0 ? NULL : &tree->trace->processes[index - 1];
}

static bool is_told(const struct isle_trace *trace, const struct isle_trace_process *process)
{
	bool tells = process->first_exec != 0 || process->acted || process->parent == 0 || trace->options->all;

	if (trace->options->path != NULL)
		return process->touched;
	return tells && process->chosen;
}

/* From the last to the first, so that with a filter what leads to a shown process is shown, too. */
static void choose(struct tree *tree)
{
	struct isle_trace *trace = tree->trace;
	bool filtered = trace->options->path != NULL || trace->options->process != NULL;
	size_t first = tree->run->first, end = first + tree->run->count;

	for (size_t i = end; i > first; i--) {
		struct isle_trace_process *process = &trace->processes[i - 1];
		bool told = is_told(trace, process);

		process->shown = told || (process->leads && (process->first_exec != 0 || process->parent == 0));
		if (filtered && (told || process->leads) && process->parent != 0)
			at(tree, process->parent)->leads = true;
	}
	for (size_t i = first; i < end; i++) {
		struct isle_trace_process *process = &trace->processes[i];
		const struct isle_trace_process *parent = at(tree, process->parent);

		if (parent != NULL)
			process->above = parent->shown ? process->parent : parent->above;
	}
}

/* --- what is left out ---
 *
 * Of the processes below the same one that run the same program, the first are shown. */

/* The entry for the processes that run this program below process->above; NULL when out of memory. */
static struct fold *get_fold(struct tree *tree, const struct isle_trace_process *process,
			     const struct isle_trace_exec *exec)
{
	auto_buf struct isle_buf key = ISLE_BUF_INIT;
	void *found;

	isle_buf_addf(&key, "%" PRIu32 ":%s", process->above,
		      exec == NULL ? "" : isle_trace_string(tree->trace, exec->path));
	if (isle_buf_error(&key) < 0)
		return NULL;
	found = isle_map_get(&tree->alike, key.data);
	if (found != NULL)
		return &tree->folds[(uintptr_t)found - 1];
	if (tree->fold_count == tree->fold_room) {
		size_t room = tree->fold_room == 0 ? 64 : tree->fold_room * 2;
		struct fold *larger = reallocarray(tree->folds, room, sizeof(*larger));

		if (larger == NULL)
			return NULL;
		tree->folds = larger;
		tree->fold_room = room;
	}
	/* The value is no pointer, but the index + 1. */
	if (isle_map_set(&tree->alike, key.data, (void *)(uintptr_t)(tree->fold_count + 1)) < 0)
		return NULL;
	struct fold *new = &tree->folds[tree->fold_count++];
	*new = (struct fold){.program = exec};
	return new;
}

static int fold_one(struct tree *tree, struct isle_trace_process *process)
{
	struct isle_trace_process *parent = at(tree, process->parent), *above = at(tree, process->above);

	process->folded = parent != NULL && parent->folded;
	if (process->folded)
		process->shown = false;
	if (!process->shown || above == NULL)
		return 0;
	struct fold *fold = get_fold(tree, process, isle_trace_program(tree->trace, process, 0));
	if (fold == NULL)
		return -ENOMEM;
	if (++fold->count <= ALIKE_SHOWN || (process->status != -1 && WIFSIGNALED(process->status)))
		return 0;
	process->shown = false;
	process->folded = true;
	if (fold->hidden++ == 0) {
		fold->next = above->folds;
		above->folds = (uint32_t)(fold - tree->folds) + 1;
	}
	return 0;
}

static int fold(struct tree *tree)
{
	int r = 0;

	for (size_t i = tree->run->first; i < tree->run->first + tree->run->count && r >= 0; i++)
		r = fold_one(tree, &tree->trace->processes[i]);
	return r;
}

/* --- lines --- */

static void add_times(struct tree *tree, const struct isle_trace_process *process)
{
	struct isle_buf *line = &tree->line;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	if (process->pid > 0)
		isle_buf_addf(line, "%8d", process->pid);
	else
		isle_buf_addf(line, "%8s", "");
	if (process->start != 0) {
		isle_buf_addc(&text, '+');
		isle_seconds_add(&text, process->start - tree->run->start);
	}
	isle_buf_addf(line, " %10s", text.size > 0 ? text.data : "");
	isle_buf_clear(&text);
	if (process->start != 0 && process->end != 0)
		isle_seconds_add(&text, process->end - process->start);
	isle_buf_addf(line, " %10s", text.size > 0 ? text.data : "");
	isle_buf_clear(&text);
	if (process->cpu_us >= 0)
		isle_seconds_add(&text, process->cpu_us > INT64_MAX / 1000 ? INT64_MAX : process->cpu_us * 1000);
	isle_buf_addf(line, " %10s", text.size > 0 ? text.data : "");
	isle_buf_clear(&text);
	isle_exit_add(&text, process->status);
	isle_buf_addf(line, " %5s  ", text.size > 0 ? text.data : "");
}

static int put_line(struct tree *tree)
{
	size_t width = tree->trace->options->width;

	isle_columns_cut(&tree->line, 0, width > 0 ? width : COMMAND_LONGEST);
	isle_buf_addc(&tree->line, '\n');
	if (isle_buf_error(&tree->line) < 0)
		return -ENOMEM;
	fwrite(tree->line.data, 1, tree->line.size, tree->out);
	isle_buf_clear(&tree->line);
	return 0;
}

static void add_indent(struct tree *tree, unsigned depth)
{
	isle_buf_addf(&tree->line, "%*s", (int)(2 * (depth < INDENT_MOST ? depth : INDENT_MOST)), "");
}

static void add_command(struct tree *tree, const struct isle_trace_exec *exec)
{
	struct isle_trace *trace = tree->trace;

	/* A command line as long as a book is not read to its end. */
	size_t size = exec->argv_size;
	if (size > COMMAND_LONGEST && !trace->options->all) {
		const char *argv = isle_trace_string(trace, exec->argv);
		size_t kept = 0;

		while (kept < COMMAND_LONGEST)
			kept += strlen(argv + kept) + 1;
		size = kept;
	}
	if (size > 0)
		isle_quote_command_add(&tree->line, isle_trace_string(trace, exec->argv), size);
	else
		isle_program_add(&tree->line, trace, exec);
	if (size < exec->argv_size)
		isle_buf_adds(&tree->line, " ...");
}

/* The working directory of the nearest shown process above, "" when there is none. */
static const char *directory_above(const struct tree *tree, const struct isle_trace_process *process)
{
	const struct isle_trace_process *parent = at(tree, process->above);
	const struct isle_trace_exec *exec = isle_trace_program(tree->trace, parent, 0);

	return exec == NULL ? isle_trace_string(tree->trace, tree->run->directory)
			    : isle_trace_string(tree->trace, exec->cwd);
}

static void add_directory(struct tree *tree, const char *above, const char *directory)
{
	if (*directory == '\0' || strcmp(above, directory) == 0)
		return;
	isle_buf_adds(&tree->line, "  (in ");
	isle_quote_add(&tree->line, directory);
	isle_buf_addc(&tree->line, ')');
}

/* True for the second one when it is the interpreter of the first, a script: its arguments are those of the script,
 * with its own name before them. */
static bool is_interpreter(const struct isle_trace *trace, const struct isle_trace_exec *script,
			   const struct isle_trace_exec *exec)
{
	const char *old = isle_trace_string(trace, script->argv), *new = isle_trace_string(trace, exec->argv);
	size_t old_name = strnlen(old, script->argv_size), new_name = strnlen(new, exec->argv_size);

	if (script->argv_size == 0 || exec->argv_size <= new_name + 1)
		return false;
	new += new_name + 1;
	size_t size = exec->argv_size - new_name - 1, named = strnlen(new, size);
	return strcmp(new, isle_trace_string(trace, script->path)) == 0 &&
	       size - named == script->argv_size - old_name && memcmp(new + named, old + old_name, size - named) == 0;
}

/* An interpreter is named beside its script. The first exec that is none of one is returned as index + 1. */
static uint32_t add_interpreters(struct tree *tree, const struct isle_trace_exec *exec)
{
	const struct isle_trace *trace = tree->trace;
	uint32_t next = exec->next;

	while (next != 0 && !trace->options->all && is_interpreter(trace, exec, &trace->execs[next - 1])) {
		isle_buf_adds(&tree->line, "  (-> ");
		isle_quote_add(&tree->line, isle_trace_string(trace, trace->execs[next - 1].path));
		isle_buf_addc(&tree->line, ')');
		next = trace->execs[next - 1].next;
	}
	return next;
}

/* Further programs that the same process turned into. */
static int put_execs(struct tree *tree, uint32_t from, const char *above, unsigned depth)
{
	unsigned count = 0;
	uint32_t next;
	int r = 0;

	for (uint32_t i = from; i != 0 && r >= 0; i = next) {
		const struct isle_trace_exec *exec = &tree->trace->execs[i - 1];
		auto_buf struct isle_buf text = ISLE_BUF_INIT;

		next = exec->next;

		/* The last one is what it was for the longest, so that is never left out. */
		if (++count > EXECS_SHOWN && exec->next != 0 && !tree->trace->options->all)
			continue;
		isle_buf_addc(&text, '+');
		isle_seconds_add(&text, exec->time - tree->run->start);
		isle_buf_addf(&tree->line, "%8s %10s %10s %10s %5s  ", "", text.data, "", "", "");
		add_indent(tree, depth);
		isle_buf_adds(&tree->line, "-> ");
		add_command(tree, exec);
		next = add_interpreters(tree, exec);
		add_directory(tree, above, isle_trace_string(tree->trace, exec->cwd));
		above = isle_trace_string(tree->trace, exec->cwd);
		r = put_line(tree);
	}
	return r;
}

static int put_process(struct tree *tree, const struct isle_trace_process *process, unsigned depth)
{
	const struct isle_trace *trace = tree->trace;
	int r;

	add_times(tree, process);
	add_indent(tree, depth);
	if (process->first_exec == 0) {
		const struct isle_trace_exec *exec = isle_trace_program(trace, process, process->start);

		isle_program_add(&tree->line, trace, exec);
		isle_buf_adds(&tree->line, exec == NULL ? "" : " (forked)");
		return put_line(tree);
	}
	const struct isle_trace_exec *first = &trace->execs[process->first_exec - 1];
	add_command(tree, first);
	uint32_t next = add_interpreters(tree, first);
	add_directory(tree, directory_above(tree, process), isle_trace_string(trace, first->cwd));
	r = put_line(tree);
	return r < 0 ? r : put_execs(tree, next, isle_trace_string(trace, first->cwd), depth);
}

/* --- going through it --- */

static int put_folds(struct tree *tree, const struct isle_trace_process *process, unsigned depth)
{
	const char *separator = ": ";
	uint64_t sum = 0;

	if (process->folds == 0)
		return 0;
	for (uint32_t i = process->folds; i != 0; i = tree->folds[i - 1].next)
		sum += tree->folds[i - 1].hidden;
	isle_buf_addf(&tree->line, "%8s %10s %10s %10s %5s  ", "", "", "", "", "");
	add_indent(tree, depth);
	isle_buf_addf(&tree->line, "and %" PRIu64 " more", sum);
	for (uint32_t i = process->folds; i != 0; i = tree->folds[i - 1].next) {
		isle_buf_adds(&tree->line, separator);
		isle_program_add(&tree->line, tree->trace, tree->folds[i - 1].program);
		isle_buf_addf(&tree->line, " (%" PRIu64 ")", tree->folds[i - 1].hidden);
		separator = ", ";
	}
	return put_line(tree);
}

/* The process after this one and all below it; *depth follows. *ret_next is NULL at the end of this root. */
static int go_on(struct tree *tree, struct isle_trace_process *process, unsigned *depth,
		 struct isle_trace_process **ret_next)
{
	int r = 0;

	if (process->first_child != 0 && !process->folded) {
		*depth += process->shown;
		*ret_next = at(tree, process->first_child);
		return 0;
	}
	while (process != NULL && process->next_sibling == 0 && r >= 0) {
		process = at(tree, process->parent);
		if (process == NULL || !process->shown)
			continue;
		r = put_folds(tree, process, *depth);
		(*depth)--;
	}
	*ret_next = process == NULL ? NULL : at(tree, process->next_sibling);
	return r;
}

static int put_root(struct tree *tree, struct isle_trace_process *root)
{
	struct isle_trace_process *process = root;
	unsigned depth = 0;
	int r = 0;

	while (process != NULL && r >= 0) {
		if (process->shown)
			r = put_process(tree, process, depth);
		if (r >= 0)
			r = go_on(tree, process, &depth, &process);
	}
	return r;
}

static void tree_done(struct tree *tree)
{
	isle_buf_done(&tree->line);
	isle_map_done(&tree->alike);
	free(tree->folds);
}

int isle_trace_tree(struct isle_trace *trace, const struct isle_trace_run *run, FILE *out)
{
	struct tree tree = {.trace = trace, .run = run, .out = out};
	bool any = false;
	int r;

	choose(&tree);
	r = trace->options->all ? 0 : fold(&tree);
	for (size_t i = run->first; i < run->first + run->count; i++)
		any |= trace->processes[i].shown;
	if (any)
		fprintf(out, "%8s %10s %10s %10s %5s  %s\n", "pid", "start", "took", "cpu", "exit", "command");
	for (size_t i = run->first; i < run->first + run->count && r >= 0; i++)
		if (trace->processes[i].parent == 0)
			r = put_root(&tree, &trace->processes[i]);
	tree_done(&tree);
	return r;
}
