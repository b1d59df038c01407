/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `isle explain` for people: a headline, and below it lines of a word and what there is to say under it.
 *
 *     /home/u/.bashrc: modified, file  [autostart]
 *       changed by   tee (4713) in run 1, 2026-11-22 10:11:12, +0.520: write
 *                    tee -a .bashrc
 *                    started by: sh (4712), install.sh (4711)
 *       had read     /home/u/Downloads/payload.sh
 *       base         kept, 220 B
 *       commit       would replace the host's; needs --allow=autostart
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "explain_internal.h"
#include "quote.h"
#include "units.h"

enum { LINES_SHOWN = 8, ANCESTORS_SHOWN = 8 };

struct text {
	const struct isle_explain *explain;
	FILE *out;
	struct isle_buf line;
};

/* Ends a line; the label stands before the first one of its kind, blanks before the others. */
static void put(struct text *text, const char *label)
{
	fprintf(text->out, "  %-11s  %s\n", label, text->line.data == NULL ? "" : text->line.data);
	isle_buf_clear(&text->line);
}

static const char *kind_text(enum isle_change_kind kind)
{
	static const char *const names[] = {
		[ISLE_CREATE] = "new",	   [ISLE_MODIFY] = "modified",	[ISLE_DELETE] = "deleted",
		[ISLE_RENAME] = "renamed", [ISLE_REPLACE] = "replaced", [ISLE_METADATA] = "other metadata",
	};

	return names[kind];
}

static void add_marks(struct isle_buf *line, unsigned marks)
{
	const char *separator = "  [";

	for (unsigned bit = 1; bit <= marks; bit <<= 1) {
		if ((marks & bit) == 0)
			continue;
		isle_buf_adds(line, separator);
		isle_buf_adds(line, isle_mark_name((enum isle_mark)bit));
		separator = ", ";
	}
	if (marks != 0)
		isle_buf_addc(line, ']');
}

static void add_change(struct isle_buf *line, const struct isle_explain *explain)
{
	const struct isle_change *change = explain->change;

	isle_buf_addf(line, "%s, %s", kind_text(change->kind),
		      isle_type_name(change->kind == ISLE_DELETE ? change->before.mode : change->after.mode));
	if (change->kind == ISLE_RENAME && strcmp(change->path, explain->path) == 0) {
		isle_buf_adds(line, " from ");
		isle_quote_add(line, change->from);
	} else if (change->kind == ISLE_RENAME) {
		isle_buf_adds(line, " to ");
		isle_quote_add(line, change->path);
	}
	add_marks(line, change->marks);
}

static void put_headline(struct text *text)
{
	const struct isle_explain *explain = text->explain;
	struct isle_buf *line = &text->line;

	isle_quote_add(line, explain->path);
	isle_buf_adds(line, ": ");
	if (explain->change != NULL) {
		add_change(line, explain);
	} else if (explain->within != NULL) {
		isle_buf_addf(line, "as a part of %s, which is %s", isle_quote(explain->within->path),
			      kind_text(explain->within->kind));
	} else if (explain->below_count > 0) {
		isle_buf_adds(line, "not changed itself");
	} else {
		isle_buf_adds(line, "not changed");
	}
	fprintf(text->out, "%s\n", line->data);
	isle_buf_clear(line);
}

/* --- events --- */

static void add_moment(struct text *text, const struct isle_kept_event *kept)
{
	const struct isle_trace_run *run = kept->found.run;

	isle_who_add(&text->line, &text->explain->trace, kept->found.process, kept->event.time);
	isle_buf_addf(&text->line, " in run %u, ", run->number);
	isle_clock_add(&text->line, kept->event.time);
	isle_buf_adds(&text->line, ", +");
	isle_seconds_add(&text->line, kept->event.time - run->start);
}

static void put_command(struct text *text, const struct isle_trace_process *process, int64_t time)
{
	const struct isle_trace *trace = &text->explain->trace;
	const struct isle_trace_exec *exec = isle_trace_program(trace, process, time);

	if (exec == NULL || exec->argv_size == 0)
		return;
	isle_quote_command_add(&text->line, isle_trace_string(trace, exec->argv), exec->argv_size);
	isle_columns_cut(&text->line, 0, 400);
	isle_buf_adds(&text->line, "  (in ");
	isle_quote_add(&text->line, isle_trace_string(trace, exec->cwd));
	isle_buf_addc(&text->line, ')');
	put(text, "");
}

static void put_ancestors(struct text *text, const struct isle_trace_process *process)
{
	const struct isle_trace *trace = &text->explain->trace;
	const char *separator = "started by: ";
	unsigned count = 0;

	while (process->parent != 0 && count < ANCESTORS_SHOWN) {
		process = &trace->processes[process->parent - 1];
		if (process->first_exec == 0)
			continue;
		isle_buf_adds(&text->line, separator);
		isle_who_add(&text->line, trace, process, 0);
		separator = ", ";
		count++;
	}
	if (process->parent != 0)
		isle_buf_adds(&text->line, ", ...");
	if (count > 0)
		put(text, "");
}

static void add_write(struct text *text, const struct isle_event *event)
{
	bool here = strcmp(event->path, text->explain->path) == 0;

	isle_buf_addf(&text->line, ": %s", isle_write_name(event->how));
	if (*event->other != '\0' && !here) {
		isle_buf_adds(&text->line, " of ");
		isle_quote_add(&text->line, event->path);
	} else if (!here) {
		isle_buf_adds(&text->line, ", as ");
		isle_quote_add(&text->line, event->path);
	}
	if (*event->other != '\0' && strcmp(event->other, text->explain->path) != 0) {
		isle_buf_adds(&text->line, " to ");
		isle_quote_add(&text->line, event->other);
	}
}

/* The first with its command, of the others the last ones in short. */
static void put_writes(struct text *text)
{
	const struct isle_kept_events *writes = &text->explain->writes;
	size_t skipped = writes->count > LINES_SHOWN ? writes->count - LINES_SHOWN : 0;

	if (writes->count == 0 && text->explain->change != NULL) {
		isle_buf_adds(&text->line, "not recorded");
		put(text, "changed by");
	}
	for (size_t i = 0; i < writes->count; i++) {
		const struct isle_kept_event *kept = writes->list[i];

		if (i > 0 && i <= skipped)
			continue;
		add_moment(text, kept);
		add_write(text, &kept->event);
		put(text, i == 0 ? "changed by" : "and by");
		if (i > 0 || kept->found.process == NULL)
			continue;
		put_command(text, kept->found.process, kept->event.time);
		put_ancestors(text, kept->found.process);
	}
}

static void put_before(struct text *text)
{
	const struct isle_explain *explain = text->explain;
	const struct isle_kept_events *before = &explain->before;
	size_t shown = before->count < LINES_SHOWN ? before->count : LINES_SHOWN;
	uint64_t more = before->count - shown + before->more;

	for (size_t i = 0; i < shown; i++) {
		const struct isle_kept_event *kept = before->list[i];

		isle_quote_add(&text->line, kept->event.path);
		if (kept->found.secret != ISLE_SECRET_NONE)
			isle_buf_addf(&text->line, "  (%s)", isle_secret_name(kept->found.secret));
		if (kept->found.process != explain->writes.list[0]->found.process) {
			isle_buf_adds(&text->line, "  by ");
			isle_who_add(&text->line, &explain->trace, kept->found.process, kept->event.time);
		}
		put(text, i == 0 ? "had read" : "");
	}
	if (more + explain->before_usual == 0)
		return;
	if (more > 0)
		isle_buf_addf(&text->line, "%" PRIu64 " more%s", more, explain->before_usual > 0 ? ", " : "");
	if (explain->before_usual > 0)
		isle_buf_addf(&text->line, "%" PRIu64 " of the system", explain->before_usual);
	put(text, shown == 0 ? "had read" : "");
}

static void put_reads(struct text *text)
{
	const struct isle_kept_events *reads = &text->explain->reads;
	bool changed = text->explain->change != NULL;

	for (size_t i = 0; i < reads->count && i < LINES_SHOWN; i++) {
		const struct isle_kept_event *kept = reads->list[i];
		const char *separator = ": ";

		add_moment(text, kept);
		for (unsigned bit = 1; bit <= ISLE_READ_STAT; bit <<= 1) {
			if ((kept->event.how & bit) == 0)
				continue;
			isle_buf_addf(&text->line, "%s%s", separator, isle_read_name(bit));
			separator = ", ";
		}
		if (kept->event.then.mode == 0)
			isle_buf_adds(&text->line, ", not there");
		if (kept->found.times > 1)
			isle_buf_addf(&text->line, ", %" PRIu64 " times", kept->found.times);
		put(text, i == 0 ? "read by" : "");
		if (i == 0 && !changed && kept->found.process != NULL) {
			put_command(text, kept->found.process, kept->event.time);
			put_ancestors(text, kept->found.process);
		}
	}
	if (reads->count + reads->more > LINES_SHOWN) {
		isle_buf_addf(&text->line, "%" PRIu64 " more", reads->count + reads->more - LINES_SHOWN);
		put(text, "");
	}
	if (reads->count == 0)
		return;
	enum isle_since since = isle_explain_since(reads->list[0]);
	isle_buf_adds(&text->line, since == ISLE_SINCE_SAME	 ? "has not changed it since it was read"
				   : since == ISLE_SINCE_CHANGED ? "has changed it since it was read"
								 : "cannot be asked");
	put(text, "the host");
}

static void put_events(struct text *text, const struct isle_kept_events *events, const char *label)
{
	for (size_t i = 0; i < events->count && i < LINES_SHOWN; i++) {
		const struct isle_event *event = &events->list[i]->event;

		if (event->type == ISLE_EVENT_NOTE) {
			isle_note_add(&text->line, event);
		} else {
			isle_quote_text_add(&text->line, event->path, strlen(event->path));
			if (event->refused.error > 0)
				isle_buf_addf(&text->line, ": %s", strerror(event->refused.error));
			isle_buf_adds(&text->line, *event->other != '\0' ? ": " : "");
			isle_quote_text_add(&text->line, event->other, strlen(event->other));
			isle_buf_adds(&text->line, ", for ");
			isle_who_add(&text->line, &text->explain->trace, events->list[i]->found.process, event->time);
		}
		put(text, i == 0 ? label : "");
	}
	if (events->count > LINES_SHOWN) {
		isle_buf_addf(&text->line, "%" PRIu64 " more", events->count - LINES_SHOWN + events->more);
		put(text, "");
	}
}

/* --- what is below a directory --- */

static void put_below(struct text *text)
{
	const struct isle_explain *explain = text->explain;
	const char *separator = "";

	for (size_t kind = 0; kind < ARRAY_SIZE(explain->below); kind++) {
		if (explain->below[kind] == 0)
			continue;
		isle_buf_addf(&text->line, "%s%" PRIu64 " %s", separator, explain->below[kind],
			      kind_text((enum isle_change_kind)kind));
		separator = ", ";
	}
	if (explain->below_flagged > 0)
		isle_buf_addf(&text->line, "; %" PRIu64 " flagged", explain->below_flagged);
	if (explain->below_count > 0)
		put(text, "below it");
	for (size_t i = 0; i < explain->writer_count && i < LINES_SHOWN; i++)
		isle_buf_addf(&text->line, "%s%s (%" PRIu64 ")", i == 0 ? "" : ", ", explain->writers[i].program,
			      explain->writers[i].count);
	if (explain->writer_count > 0)
		put(text, "written by");
	if (explain->below_read == 0)
		return;
	isle_buf_addf(&text->line, "%" PRIu64 " times from below it; see: isle trace --path", explain->below_read);
	put(text, "was read");
}

/* --- commit --- */

static const char *action_text(enum isle_change_kind kind)
{
	static const char *const texts[] = {
		[ISLE_CREATE] = "would make it on the host",
		[ISLE_MODIFY] = "would replace the host's",
		[ISLE_DELETE] = "would delete the host's",
		[ISLE_RENAME] = "would rename the host's",
		[ISLE_REPLACE] = "would put it in place of the host's",
		[ISLE_METADATA] = "would change the metadata of the host's",
	};

	return texts[kind];
}

static void put_findings(struct text *text, const struct isle_findings *findings, const char *what)
{
	for (size_t i = 0; i < findings->count && i < LINES_SHOWN; i++) {
		const struct isle_finding *finding = &findings->list[i];

		isle_buf_adds(&text->line, what == NULL ? finding->kind : what);
		if (finding->path[0] != '\0') {
			isle_buf_adds(&text->line, ": ");
			isle_quote_add(&text->line, finding->path);
		}
		if (finding->why != NULL)
			isle_buf_addf(&text->line, ": %s", finding->why);
		put(text, "");
	}
	if (findings->count > LINES_SHOWN) {
		isle_buf_addf(&text->line, "and %zu more", findings->count - LINES_SHOWN);
		put(text, "");
	}
}

static void put_base(struct text *text)
{
	const struct isle_explain *explain = text->explain;
	const struct isle_change *change = explain->change;

	if (change == NULL || change->kind == ISLE_CREATE || !S_ISREG(change->before.mode))
		return;
	if (explain->base != NULL && explain->base->content) {
		isle_buf_adds(&text->line, "the host's old content was kept, ");
		isle_size_add(&text->line, explain->base->size);
	} else {
		isle_buf_adds(&text->line, "the host's old content was not kept");
	}
	put(text, "base");
}

static void put_commit(struct text *text)
{
	const struct isle_explain *explain = text->explain;
	const char *separator = "; needs --allow=";
	unsigned marks = 0;

	if (!explain->checked)
		return;
	if (explain->commit_err.code != 0) {
		isle_buf_addf(&text->line, "cannot be told: %s", explain->commit_err.text);
		put(text, "commit");
		return;
	}
	isle_buf_adds(&text->line, explain->commit.conflicts.count > 0 ? "would do nothing: the host has changed"
								       : action_text(explain->change->kind));
	for (size_t i = 0; i < explain->commit.flagged.count; i++)
		marks |= explain->commit.flagged.list[i].marks & ISLE_MARKS_FLAGGED;
	for (unsigned bit = 1; bit <= marks; bit <<= 1) {
		if ((marks & bit) == 0)
			continue;
		isle_buf_addf(&text->line, "%s%s", separator, isle_mark_name((enum isle_mark)bit));
		separator = ",";
	}
	put(text, "commit");
	put_findings(text, &explain->commit.conflicts, "conflict");
	put_findings(text, &explain->commit.notes, NULL);
}

static void put_unknown(struct text *text)
{
	const struct isle_explain *explain = text->explain;

	fprintf(text->out, "%s: isle '%s' neither changed it, nor was it seen to read it\n", isle_quote(explain->path),
		explain->options->isle->name);
	for (size_t i = 0; i < ISLE_EXPLAIN_NEAR && explain->near[i] != NULL; i++) {
		isle_quote_add(&text->line, explain->near[i]);
		put(text, i == 0 ? "near it" : "");
	}
}

static void put_all(struct text *text)
{
	const struct isle_explain *explain = text->explain;

	put_headline(text);
	put_writes(text);
	put_before(text);
	put_reads(text);
	put_events(text, &explain->refused, "refused");
	put_events(text, &explain->notes, "note");
	put_below(text);
	put_base(text);
	put_commit(text);
}

int isle_explain_text(const struct isle_explain_options *options, FILE *out, struct isle_err *err)
{
	auto_explain struct isle_explain explain = ISLE_EXPLAIN_INIT;
	struct text text = {.explain = &explain, .out = out};
	int r = isle_explain_load(options, &explain, err);

	if (r < 0)
		return r;
	r = isle_explain_known(&explain) ? 0 : 1;
	if (r == 0)
		put_all(&text);
	else
		put_unknown(&text);
	if (isle_buf_error(&text.line) < 0)
		r = isle_err_errno(err, -ENOMEM, "cannot explain '%s'", isle_quote(explain.path));
	isle_buf_done(&text.line);
	return r;
}
