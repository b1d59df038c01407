/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle trace` for people: first likely secrets, then of each run its processes, then what else was read by directory,
 * refusals, network, notes. A list that an option asks for by name (--kind, --all) is printed in full, one line for
 * each event, straight from the logs.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "quote.h"
#include "trace_internal.h"

enum {
	RUNS_SHOWN = 5, /* of an isle with many */
	DIRECTORIES_SHOWN = 40,
	LINES_SHOWN = 50, /* of refusals, of network use */
};

struct text {
	struct isle_trace *trace;
	struct isle_seen *seen;
	FILE *out;
	bool blank; /* something was printed: the next section is set off */
};

static void begin(struct text *text, const char *title)
{
	fprintf(text->out, "%s%s\n", text->blank ? "\n" : "", title);
	text->blank = true;
}

static int put(struct text *text, struct isle_buf *line)
{
	isle_buf_addc(line, '\n');
	if (isle_buf_error(line) < 0)
		return -ENOMEM;
	fwrite(line->data, 1, line->size, text->out);
	isle_buf_clear(line);
	return 0;
}

static int put_lines(struct text *text, const struct isle_seen_lines *lines, size_t most)
{
	auto_buf struct isle_buf line = ISLE_BUF_INIT;
	size_t shown = lines->count < most ? lines->count : most;
	uint64_t more = lines->count - shown + lines->more;
	int r = 0;

	for (size_t i = 0; i < shown && r >= 0; i++) {
		const struct isle_seen_line *l = &lines->list[i];

		isle_buf_addf(&line, "  %s  by ", l->text);
		isle_who_add(&line, text->trace, l->process == 0 ? NULL : &text->trace->processes[l->process - 1],
			     l->time);
		if (l->times > 1)
			isle_buf_addf(&line, ", %" PRIu64 " times", l->times);
		r = put(text, &line);
	}
	if (more > 0)
		fprintf(text->out, "  and %" PRIu64 " more\n", more);
	return r;
}

/* Secrets are never folded. */
static int put_section(struct text *text, const char *title, const struct isle_seen_lines *lines, unsigned kinds)
{
	const struct isle_trace_options *options = text->trace->options;
	bool folded = !options->all && options->kinds == 0 && lines != &text->seen->secrets;

	if (lines->count == 0 || !isle_trace_wants(text->trace, kinds))
		return 0;
	begin(text, title);
	return put_lines(text, lines, folded ? LINES_SHOWN : SIZE_MAX);
}

/* --- runs --- */

static int put_run_line(struct text *text, const struct isle_trace_run *run)
{
	const struct isle_trace *trace = text->trace;
	auto_buf struct isle_buf line = ISLE_BUF_INIT;

	isle_buf_addf(&line, "run %u: ", run->number);
	isle_clock_add(&line, run->start);
	if (run->begun) {
		isle_buf_adds(&line, ", ");
		isle_quote_command_add(&line, isle_trace_string(trace, run->argv), run->argv_size);
		isle_buf_adds(&line, ", in ");
		isle_quote_add(&line, isle_trace_string(trace, run->directory));
	}
	if (run->ended) {
		isle_buf_adds(&line, ", ");
		isle_seconds_add(&line, run->end - run->start);
		isle_buf_adds(&line, " s, exit ");
		isle_exit_add(&line, run->status);
	}
	if (trace->options->width > 0)
		isle_columns_cut(&line, 0, trace->options->width);
	if (isle_buf_error(&line) < 0)
		return -ENOMEM;
	begin(text, line.data);
	return 0;
}

static void put_state(struct text *text, const struct isle_trace_run *run)
{
	auto_buf struct isle_buf line = ISLE_BUF_INIT;

	if (run->track == ISLE_TRACK_NONE)
		fputs("  not recorded: --no-track\n", text->out);
	else if (!run->ended)
		fputs("  still running, or it was killed: what was recorded until then\n", text->out);
	if (run->received > 0 || run->sent > 0)
		fprintf(text->out, "  by the network: %" PRId64 " bytes received, %" PRId64 " sent\n", run->received,
			run->sent);
	if (!run->lost)
		return;
	isle_buf_adds(&line, "  not complete: ");
	isle_quote_text_add(&line, isle_trace_string(text->trace, run->why),
			    strlen(isle_trace_string(text->trace, run->why)));
	isle_ignore(put(text, &line));
}

static int put_runs(struct text *text)
{
	struct isle_trace *trace = text->trace;
	size_t skip = 0;
	int r = 0;

	if (!trace->options->all && trace->options->run == 0 && trace->run_count > RUNS_SHOWN)
		skip = trace->run_count - RUNS_SHOWN;
	if (skip > 0) {
		begin(text, "earlier runs");
		fprintf(text->out, "  %zu; see --run N, --all, 'isle log --runs'\n", skip);
	}
	for (size_t i = skip; i < trace->run_count && r >= 0; i++) {
		const struct isle_trace_run *run = &trace->runs[i];

		if (!isle_trace_run_chosen(trace, run))
			continue;
		r = put_run_line(text, run);
		put_state(text, run);
		if (r >= 0)
			r = isle_trace_tree(trace, run, text->out);
	}
	return r;
}

/* --- reads by directory --- */

static size_t depth_of(const char *path)
{
	size_t depth = 0;

	for (; *path != '\0'; path++)
		depth += *path == '/';
	return depth;
}

/* The length of the first `depth` components. */
static size_t cut_at(const char *path, size_t depth)
{
	const char *at = path;

	while (*at != '\0' && (*at != '/' || depth-- > 0))
		at++;
	return (size_t)(at - path);
}

/* Sorted, so that what has the first `depth` components in common is one after the other. */
static bool same_group(const struct isle_seen_directory *a, const struct isle_seen_directory *b, size_t depth)
{
	size_t size = cut_at(a->path, depth);

	return size == cut_at(b->path, depth) && memcmp(a->path, b->path, size) == 0;
}

static size_t count_groups(const struct isle_seen *seen, size_t depth)
{
	size_t groups = seen->directory_count > 0;

	for (size_t i = 1; i < seen->directory_count; i++)
		groups += !same_group(seen->directories[i - 1], seen->directories[i], depth);
	return groups;
}

/* The most components that a line can show of each directory. */
static size_t choose_depth(const struct isle_seen *seen)
{
	size_t depth = 1;

	for (size_t i = 0; i < seen->directory_count; i++)
		if (depth_of(seen->directories[i]->path) > depth)
			depth = depth_of(seen->directories[i]->path);
	if (depth > 32)
		depth = 32;
	while (depth > 1 && count_groups(seen, depth) > DIRECTORIES_SHOWN)
		depth--;
	return depth;
}

static void add_programs(struct text *text, const struct isle_seen_directory *directory, struct isle_buf *line)
{
	const char *separator = "  by ";

	for (size_t i = 0; i < ARRAY_SIZE(directory->programs) && directory->programs[i] != 0; i++) {
		isle_buf_adds(line, separator);
		isle_program_add(line, text->trace, &text->trace->execs[directory->programs[i] - 1]);
		separator = ", ";
	}
	if (directory->more)
		isle_buf_adds(line, ", ...");
}

/* One line for `count` directories from `first` on. */
static int put_group(struct text *text, struct isle_seen_directory *const *first, size_t count, size_t depth)
{
	auto_buf struct isle_buf line = ISLE_BUF_INIT;
	auto_free char *path = strndup(first[0]->path, cut_at(first[0]->path, depth));
	uint64_t files = 0;

	for (size_t i = 0; i < count; i++)
		files += first[i]->files;
	isle_buf_addf(&line, "%8" PRIu64 "  ", files);
	if (path == NULL)
		return -ENOMEM;
	if (files == 1 && first[0]->name != NULL) {
		isle_quote_add(&line, first[0]->name);
	} else {
		isle_quote_add(&line, *path == '\0' ? "/" : path);
		isle_buf_adds(&line, *path == '\0' ? "" : "/");
	}
	if (count > 1 && *path != '\0')
		isle_buf_addf(&line, "  (%zu directories)", count);
	if (count == 1)
		add_programs(text, first[0], &line);
	return put(text, &line);
}

static int put_directories(struct text *text)
{
	const struct isle_seen *seen = text->seen;
	size_t depth = choose_depth(seen), end, lines = 0;
	int r = 0;

	for (size_t i = 0; i < seen->directory_count && r >= 0; i = end) {
		for (end = i + 1;
		     end < seen->directory_count && same_group(seen->directories[i], seen->directories[end], depth);
		     end++)
			;
		if (++lines <= DIRECTORIES_SHOWN)
			r = put_group(text, seen->directories + i, end - i, depth);
	}
	if (lines > DIRECTORIES_SHOWN)
		fprintf(text->out, "          and %zu more directories\n", lines - DIRECTORIES_SHOWN);
	return r;
}

static void add_sum(struct isle_buf *line, uint64_t count, const char *one, const char *many)
{
	if (count > 0)
		isle_buf_addf(line, "%s%" PRIu64 " %s", line->size > 0 ? ", " : "", count, count == 1 ? one : many);
}

static int put_reads(struct text *text)
{
	const struct isle_seen *seen = text->seen;
	auto_buf struct isle_buf line = ISLE_BUF_INIT;
	char title[100];
	int r = 0;

	if (seen->files + seen->usual + seen->listed + seen->links + seen->looked + seen->missing == 0)
		return 0;
	snprintf(title, sizeof(title), "read outside of the system's directories: %" PRIu64 " file%s", seen->files,
		 seen->files == 1 ? "" : "s");
	begin(text, title);
	r = put_directories(text);
	add_sum(&line, seen->usual, "file of the system", "files of the system");
	add_sum(&line, seen->listed, "directory listed", "directories listed");
	add_sum(&line, seen->links, "link", "links");
	add_sum(&line, seen->looked, "looked up", "looked up");
	add_sum(&line, seen->missing, "name that was not there", "names that were not there");
	if (r >= 0 && line.size > 0)
		fprintf(text->out, "   also: %s\n", line.data);
	return r < 0 ? r : isle_buf_error(&line);
}

/* --- lists in full --- */

static void add_how(struct isle_buf *line, const struct isle_trace_event *event)
{
	if (event->kind == ISLE_TRACE_WRITE)
		isle_buf_adds(line, isle_write_name(event->event->how));
	else if (event->kind == ISLE_TRACE_MISSING)
		isle_buf_adds(line, "missing");
	else if (event->kind == ISLE_TRACE_READ)
		isle_buf_adds(line, "read");
	else
		for (unsigned bit = 1; bit <= ISLE_READ_STAT; bit <<= 1)
			if (event->event->how & bit) {
				isle_buf_adds(line, isle_read_name(bit));
				break;
			}
}

static int put_event(const struct isle_trace_event *event, void *data)
{
	struct text *text = data;
	auto_buf struct isle_buf line = ISLE_BUF_INIT, how = ISLE_BUF_INIT;

	isle_buf_addc(&line, '+');
	isle_seconds_add(&line, event->event->time - event->run->start);
	add_how(&how, event);
	fprintf(text->out, "%12s  %-8s  ", line.data, how.data == NULL ? "" : how.data);
	isle_buf_clear(&line);
	isle_quote_add(&line, event->event->path);
	if (*event->event->other != '\0') {
		isle_buf_adds(&line, " -> ");
		isle_quote_add(&line, event->event->other);
	}
	isle_buf_adds(&line, "  by ");
	isle_who_add(&line, text->trace, event->process, event->event->time);
	if (event->times > 1)
		isle_buf_addf(&line, ", %" PRIu64 " times", event->times);
	return put(text, &line);
}

/* The kinds of --kind, or all with --all, each event on a line. */
static int put_events(struct text *text, struct isle_err *err)
{
	const unsigned listed = ISLE_TRACE_READ | ISLE_TRACE_WRITE | ISLE_TRACE_LIST | ISLE_TRACE_MISSING |
				ISLE_TRACE_LINK | ISLE_TRACE_STAT | ISLE_TRACE_EXEC;
	const struct isle_trace_options *options = text->trace->options;
	unsigned kinds = (options->kinds == 0 ? listed : options->kinds) & listed;

	if (kinds == 0)
		return 0;
	begin(text, "files");
	return isle_trace_events(text->trace, kinds, put_event, text, err);
}

static int put_all(struct text *text, struct isle_err *err)
{
	const struct isle_trace_options *options = text->trace->options;
	const struct isle_seen *seen = text->seen;
	int r = put_section(text, "likely secrets that were read:", &seen->secrets, ISLE_TRACE_READ | ISLE_TRACE_EXEC);

	if (r >= 0 && isle_trace_wants(text->trace, ISLE_TRACE_EXEC))
		r = put_runs(text);
	if (r >= 0 && options->kinds == 0 && !options->all)
		r = put_reads(text);
	else if (r >= 0)
		r = put_events(text, err);
	if (r >= 0)
		r = put_section(text, "refused:", &seen->refused, ISLE_TRACE_REFUSED);
	if (r >= 0)
		r = put_section(text, "network:", &seen->net, ISLE_TRACE_NET);
	if (r >= 0)
		r = put_section(text, "notes:", &seen->notes, ISLE_TRACE_NOTE);
	return r;
}

int isle_trace_text(const struct isle *isle, const struct isle_trace_options *options, FILE *out, struct isle_err *err)
{
	auto_trace struct isle_trace trace = ISLE_TRACE_INIT;
	auto_seen struct isle_seen seen = {0};
	struct text text = {.trace = &trace, .seen = &seen, .out = out};
	int r = isle_trace_load(isle, options, &trace, err);

	if (r >= 0 && trace.run_count == 0)
		return 1;
	if (r >= 0)
		r = isle_trace_gather(&trace, &seen, err);
	if (r < 0)
		return r;
	r = put_all(&text, err);
	if (r < 0)
		return isle_err_errno(err, r, "cannot show what isle '%s' did", isle->name);
	return 0;
}
