/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to tell of an operation: what came along, conflicts with their three states, what is flagged. */
#include "keep.h"
#include "quote.h"
#include "talk.h"
#include "writers.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SHOWN_MAX = 50 };

static void tell_notes(const struct isle_findings *notes)
{
	for (size_t i = 0; i < notes->count && i < SHOWN_MAX; i++) {
		if (notes->list[i].path[0] != '\0')
			isle_note("%s: %s (%s)", notes->list[i].kind, isle_quote(notes->list[i].path),
				  notes->list[i].why);
		else
			isle_note("%s", notes->list[i].why);
	}
	if (notes->count > SHOWN_MAX)
		isle_note("... and %zu more", notes->count - SHOWN_MAX);
}

/* --- conflicts --- */

static void print_time(const struct statx_timestamp *time, FILE *out)
{
	char text[40] = "";
	time_t seconds = (time_t)time->tv_sec;
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%s.%06u\n", text, time->tv_nsec / 1000);
}

static void print_state(const char *when, const struct isle_stat *st, FILE *out)
{
	fprintf(out, "  %s: ", when);
	if (st->mode == 0) {
		fputs("nothing\n", out);
		return;
	}
	fputs(isle_type_name(st->mode), out);
	if (S_ISREG(st->mode))
		fprintf(out, ", %" PRIu64 " bytes", st->size);
	fprintf(out, ", mode %04o, owner %u:%u, inode %" PRIu64 ", last changed ", st->mode & 07777, st->uid, st->gid,
		st->ino);
	print_time(&st->ctime, out);
}

static void print_states(const struct isle_finding *conflict, FILE *out)
{
	if (conflict->dated) {
		fputs("  then: not on record; not changed later than ", out);
		print_time(&conflict->then.ctime, out);
	} else {
		print_state("then", &conflict->then, out);
	}
	print_state("host now", &conflict->now, out);
	if (conflict->change != ISLE_READ_ONLY)
		print_state("isle", &conflict->isle, out);
}

static void print_conflict(const struct isle_finding *conflict, const char *before, const char *after, FILE *out)
{
	fprintf(out, "%sconflict: %s: %s%s\n", before, isle_quote(conflict->path), conflict->why, after);
	if (conflict->command)
		fprintf(out, "  %s by: %s (run %u)\n", conflict->wrote ? "changed" : "read", conflict->command,
			conflict->run);
}

void isle_keep_print_conflict(const struct isle_finding *conflict, const char *before, FILE *out)
{
	print_conflict(conflict, before, "", out);
	print_states(conflict, out);
}

static const char *chosen(enum isle_on_conflict how)
{
	switch (how) {
	case ISLE_CONFLICT_ABORT:
		break;
	case ISLE_CONFLICT_SKIP:
		return ": left in the isle";
	case ISLE_CONFLICT_HOST:
		return ": dropped from the isle";
	case ISLE_CONFLICT_ISLE:
		return ": the isle wins";
	case ISLE_CONFLICT_BOTH:
		return ": both are kept";
	case ISLE_CONFLICT_MERGE:
		return ": merged";
	case ISLE_CONFLICT_APPEND:
		return ": both ends are kept";
	}
	return "";
}

static void tell_conflicts(const struct isle_commit_result *result)
{
	bool done = result->outcome == ISLE_OUTCOME_DONE || result->outcome == ISLE_OUTCOME_NOTHING;

	for (size_t i = 0; i < result->conflicts.count; i++) {
		const struct isle_finding *conflict = &result->conflicts.list[i];

		if (done || i >= SHOWN_MAX)
			print_conflict(conflict, "isle: ", done ? chosen(conflict->choice) : "", stderr);
		else
			isle_keep_print_conflict(conflict, "isle: ", stderr);
	}
}

static void tell_flagged(const struct isle_findings *flagged, const char *word)
{
	for (size_t i = 0; i < flagged->count; i++) {
		fprintf(stderr, "isle: %s: %s:", word, isle_quote(flagged->list[i].path));
		for (unsigned bit = 1; bit <= ISLE_MARKS_FLAGGED; bit <<= 1)
			if (flagged->list[i].marks & bit)
				fprintf(stderr, " %s", isle_mark_name((enum isle_mark)bit));
		fputc('\n', stderr);
	}
}

void isle_keep_tell(const struct isle_commit_result *result)
{
	for (size_t i = 0; i < result->writable_count; i++) {
		auto_free char *text = isle_writable_text(&result->writable[i]);

		isle_note("%s", text ? text : result->writable[i].path);
	}
	tell_notes(&result->notes);
	tell_conflicts(result);
	tell_flagged(&result->flagged, "flagged");
}

void isle_keep_tell_allowed(const struct isle_commit_result *result)
{
	tell_flagged(&result->allowed, "flagged, and allowed");
}
