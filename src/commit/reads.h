/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an isle has read, folded from the logs of its runs (events.h): for each path of the host the state it had when
 * the isle first read it. Reads of before a commit that took all of the isle, or of a path that was committed on its
 * own, do not count any more (settled.h).
 */
#include "events.h"
#include "map.h"
#include "plan.h"
#include "pool.h"

struct isle_read_state {
	int64_t time;
	struct isle_identity then;
};

struct isle_read_path {
	struct isle_read_path *next;	   /* in the order of first reads, which goes through directories one by one */
	unsigned how;			   /* enum isle_read */
	unsigned write;			   /* enum isle_write: the first one; 0: none */
	const struct isle_read_path *from; /* write is RENAME: what the name was given to; else NULL */
	uint32_t run, process;		   /* who was first to read it, else to write; run 0 is the isle's first */
	uint64_t names;			   /* of the directory when it was first listed; 0: not known */
	struct isle_read_state *content;   /* CONTENT, EXEC, LINK, STAT: at the first of these; NULL: none */
	struct isle_read_state *list;	   /* LIST */
	struct isle_read_state *lookup;	   /* LOOKUP */
	struct isle_read_state *kept;	   /* before the last run that wrote to it did so; NULL: not known */
	char path[];
};

struct isle_reads {
	struct isle_read_path *first, **last;
	struct isle_map paths; /* host path (of the value) -> struct isle_read_path */
	struct isle_pool pool; /* which has them */
	unsigned runs;	       /* logs */
	unsigned untracked;    /* runs that were not recorded, with --no-track */
	unsigned lost;	       /* runs whose record is not complete */
};

#define ISLE_READS_INIT ((struct isle_reads){.paths = ISLE_MAP_BORROWS})

int isle_reads_load(const struct isle *isle, struct isle_reads *ret_reads, struct isle_err *err) isle_must_check;
void isle_reads_done(struct isle_reads *reads);
#define auto_reads __attribute__((cleanup(isle_reads_done)))

/* NULL: not read or written, as far as is known. */
const struct isle_read_path *isle_reads_find(const struct isle_reads *reads, const char *path);

/* A process of a run, 0 being the first. */
struct isle_reads_who {
	uint32_t run, process;
	char *command;	    /* for people; heap; NULL: not known */
	uint32_t at, above; /* isle_reads_commands(): whose is looked for, and who started that */
};

/* Finds their commands; where one ran no program itself, that of the one that it was forked from. The list is put in
 * another order; its entries have no command yet. */
void isle_reads_commands(const struct isle *isle, struct isle_reads_who *list, size_t count);
