/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of `isle trace` and `isle explain` share: the runs and processes of an isle (trace_model.c), and
 * passes over the events that an options' filters let through.
 *
 *   auto_trace struct isle_trace trace = ISLE_TRACE_INIT;
 *   r = isle_trace_load(isle, options, &trace, err);
 *   r = isle_trace_events(&trace, each, data, err);
 */
#include "buf.h"
#include "events.h"
#include "json.h"
#include "review_internal.h"
#include "secrets.h"
#include "trace.h"

/* --- trace_model.c ------------------------------------------------------------------------------------------------ */

/* Strings are offsets in trace->strings. */
struct isle_trace_exec {
	size_t path, cwd, argv; /* argv: strings one after the other */
	size_t argv_size;
	int64_t time;
	uint32_t next; /* index + 1 of the next one of the process */
};

struct isle_trace_process {
	uint32_t run;			    /* index in runs */
	uint32_t number;		    /* within the run */
	uint32_t parent_number;		    /* 0: none */
	uint32_t parent;		    /* index + 1; always less than its own */
	uint32_t program;		    /* index + 1 of it or the nearest above that ran a program */
	uint32_t first_child, next_sibling; /* index + 1 */
	uint32_t first_exec, last_exec;	    /* index + 1 */
	uint32_t seen_exec;		    /* where isle_trace_program() was last */
	int32_t pid;			    /* 0: unknown */
	uint32_t uid;
	int32_t status;		    /* as wait(2), -1: unknown */
	int64_t start, end, cpu_us; /* end 0: not known; cpu -1: not known */
	bool chosen;		    /* by options->process, or below one that is */
	bool touched;		    /* had an event that the filters let through */
	bool acted;		    /* wrote, was refused, used the network, or died by a signal */
	/* trace_tree.c */
	bool shown, leads, folded;
	uint32_t above; /* index + 1 of the nearest shown one above */
	uint32_t folds; /* index + 1 of what was left out below it */
};

struct isle_trace_run {
	uint64_t id;
	unsigned number; /* 1 is the first */
	int64_t start, end;
	int32_t status; /* as wait(2), -1: unknown */
	enum isle_track track;
	int64_t received, sent; /* bytes by the network of the isle's own; -1: not known, none */
	bool begun, ended, lost;
	size_t directory, argv, argv_size; /* in strings */
	size_t why;			   /* what was lost */
	size_t first, count;		   /* its processes */
};

struct isle_trace_count {
	uint32_t run;
	uint64_t offset, times;
};

struct isle_trace {
	const struct isle *isle;
	const struct isle_trace_options *options;
	struct isle_trace_run *runs;
	size_t run_count, run_room;
	struct isle_trace_process *processes;
	size_t process_count, process_room;
	struct isle_trace_exec *execs;
	size_t exec_count, exec_room;
	struct isle_trace_count *counts; /* sorted by run and offset */
	size_t count_count, count_room;
	struct isle_buf strings;
	size_t cwd;	      /* the last one that was added */
	const char *homes[5]; /* of whoever uses the isle */
	char *home_memory[4];
};

#define ISLE_TRACE_INIT ((struct isle_trace){0})

int isle_trace_load(const struct isle *isle, const struct isle_trace_options *options, struct isle_trace *ret_trace,
		    struct isle_err *err) isle_must_check;
void isle_trace_done(struct isle_trace *trace);
#define auto_trace __attribute__((cleanup(isle_trace_done)))

static inline const char *isle_trace_string(const struct isle_trace *trace, size_t at)
{
	return trace->strings.data + at;
}

/* An event with what is known about it. */
struct isle_trace_event {
	const struct isle_event *event;
	const struct isle_trace_run *run;
	struct isle_trace_process *process; /* NULL: not known */
	uint64_t times;			    /* how often it happened */
	unsigned kind;			    /* enum isle_trace_kind; 0: none (notes, lost, ...) */
	enum isle_secret secret;	    /* of what was read */
};

typedef int isle_trace_each(const struct isle_trace_event *event, void *data);

/* Calls each() with the events of the chosen runs, processes and paths, and those of no process and path. Only those
 * of the kinds given, of all where it is 0. A non-zero return ends it; it is returned when negative. */
int isle_trace_events(struct isle_trace *trace, unsigned kinds, isle_trace_each *each, void *data,
		      struct isle_err *err) isle_must_check;

/* The bits of options->kinds that are wanted. */
static inline bool isle_trace_wants(const struct isle_trace *trace, unsigned kinds)
{
	return trace->options->kinds == 0 || (trace->options->kinds & kinds) != 0;
}

bool isle_trace_run_chosen(const struct isle_trace *trace, const struct isle_trace_run *run);

/* Index in trace->processes, or -1. */
ssize_t isle_trace_find(const struct isle_trace *trace, size_t run, uint32_t number);

/* What the process was running at that time, itself or by its ancestors (time 0: last); NULL when not known. */
const struct isle_trace_exec *isle_trace_program(const struct isle_trace *trace,
						 const struct isle_trace_process *process, int64_t time);

/* Fills trace->homes; isle_trace_load() does that. */
void isle_trace_find_homes(struct isle_trace *trace);

/* What an absolute path of the host is to those who read it. */
enum isle_secret isle_trace_secret(const struct isle_trace *trace, const char *path, bool exists);

/* --- usual.c ------------------------------------------------------------------------------------------------------ */

/* True for what nearly every program reads: programs and libraries of the system, its locales and names. */
bool isle_usual_read(const char *path);

/* --- command.c: words for people ---------------------------------------------------------------------------------- */

/* The last component of the program's name: "cat". */
void isle_program_add(struct isle_buf *buf, const struct isle_trace *trace, const struct isle_trace_exec *exec);
/* "cat (4711)", "a process" */
void isle_who_add(struct isle_buf *buf, const struct isle_trace *trace, const struct isle_trace_process *process,
		  int64_t time);
/* " 2.104 s" without the blank: seconds with three digits. */
void isle_seconds_add(struct isle_buf *buf, int64_t ns);
/* "2026-11-22 10:11:12", local. */
void isle_clock_add(struct isle_buf *buf, int64_t ns);
/* A status of wait(2): "0", "KILL"; "" when not known. */
void isle_exit_add(struct isle_buf *buf, int32_t status);
/* 0..255, 128 + signal; -1 when not known. */
int isle_exit_code(int32_t status);
/* Cuts what buf has from `start` on to at most width columns (of one character each), with "..." at the end. */
void isle_columns_cut(struct isle_buf *buf, size_t start, size_t width);
/* "connect 140.82.112.3 port 443 (github.com)" without the first word. */
void isle_address_add(struct isle_buf *buf, const struct isle_event *event);
/* "/a: owner wanted: 0:0" */
void isle_note_add(struct isle_buf *buf, const struct isle_event *event);
const char *isle_net_act_name(unsigned act);
const char *isle_write_name(unsigned how);
/* What refused something; NULL: not one of the walls. */
const char *isle_refuser_name(unsigned how);
const char *isle_note_name(unsigned how);
const char *isle_track_name(enum isle_track track);
/* The names of enum isle_read in a fixed order; NULL after the last. */
const char *isle_read_name(unsigned bit);

/* --- trace_json.c ------------------------------------------------------------------------------------------------- */

/* ns 0: null */
void isle_trace_put_time(struct isle_json *json, const char *key, int64_t ns);
void isle_trace_put_strings(struct isle_json *json, const char *key, const char *strings, size_t size);
void isle_trace_put_process(struct isle_json *json, const struct isle_trace *trace,
			    const struct isle_trace_process *process);
void isle_trace_put_read(struct isle_json *json, const struct isle_trace_event *event);
void isle_trace_put_write(struct isle_json *json, const struct isle_trace_event *event);
void isle_trace_put_note(struct isle_json *json, const struct isle_trace_event *event);
void isle_trace_put_refused(struct isle_json *json, const struct isle_trace_event *event);

/* --- trace_tree.c ------------------------------------------------------------------------------------------------- */

/* Prints the processes of one run. */
int isle_trace_tree(struct isle_trace *trace, const struct isle_trace_run *run, FILE *out) isle_must_check;

/* --- trace_gather.c: what the text says besides ------------------------------------------------------------------- */

struct isle_seen_directory {
	char *path;
	uint64_t files;
	char *name;	      /* the one file, while there is one */
	uint32_t programs[3]; /* index + 1 of the first execs that read there */
	bool more;	      /* further programs */
};

/* One line of a list, with who did it first. */
struct isle_seen_line {
	char *text;
	size_t process; /* index + 1; 0: not known */
	int64_t time;
	uint64_t times;
	unsigned order; /* lines of lower order come first */
};

struct isle_seen_lines {
	struct isle_seen_line *list;
	size_t count, room;
	uint64_t more; /* that found no room */
};

struct isle_seen {
	struct isle_seen_directory **directories; /* sorted by path */
	size_t directory_count, directory_room;
	struct isle_seen_lines secrets, refused, net, notes;
	uint64_t files, usual, listed, links, missing, looked;
};

int isle_trace_gather(struct isle_trace *trace, struct isle_seen *ret_seen, struct isle_err *err) isle_must_check;
void isle_seen_done(struct isle_seen *seen);
#define auto_seen __attribute__((cleanup(isle_seen_done)))
