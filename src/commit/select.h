/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which changes an operation takes: what the patterns say, and what that needs (CRITERIA.md section 4).
 */
#include "commit.h"
#include "map.h"

struct isle_choice {
	const struct isle_changes *changes;
	unsigned char *chosen;	    /* per change: 1 */
	unsigned char *linked;	    /* per change: 1: chosen only because another name of the same file is */
	unsigned char *forbidden;   /* per change: excluded, or stopped by a conflict */
	struct isle_map groups;	    /* link group -> index + 1 of its first member */
	size_t *next_in_group;	    /* per change: index + 1 of the next member, 0: last */
	struct isle_map counts;	    /* link group, and link group with an inode of the host -> how many members */
	struct isle_map moved_from; /* path -> index + 1 of the RENAME that takes its object away */
	struct isle_map data_of;    /* host path -> index + 1 of the change that has its data from there */
	size_t *other_end;	    /* per change: index + 1 of what goes with it, 0: nothing; NULL: for none */
	struct isle_findings *notes;
};

void isle_choice_done(struct isle_choice *choice);
#define auto_choice __attribute__((cleanup(isle_choice_done)))

/* True if there is anything that not every change fits, so that the scan has to list each on its own. */
bool isle_select_partial(const struct isle_select *select);

/* Chooses by pattern. notes may be NULL. */
int isle_choice_init(const struct isle_changes *changes, const struct isle_select *select, struct isle_findings *notes,
		     struct isle_choice *ret_choice, struct isle_err *err) isle_must_check;

/* Forbids one change; the next closure leaves out what needs it. */
void isle_choice_forbid(struct isle_choice *choice, size_t i);

/* These two are the ends of one rename, and go together. -ENOMEM. */
int isle_choice_pair(struct isle_choice *choice, size_t i, size_t j) isle_must_check;

/* Adds what the chosen ones need, and leaves out those that need what is forbidden, until nothing moves. */
int isle_choice_close(struct isle_choice *choice) isle_must_check;

/* The index of the first change with this path, or -1. */
ssize_t isle_changes_find(const struct isle_changes *changes, const char *path);
/* The range [*ret_begin, *ret_end) of the changes strictly below path. */
void isle_changes_below(const struct isle_changes *changes, const char *path, size_t *ret_begin, size_t *ret_end);

/* The first name (index + 1) of a file with several names, 0: it has one. */
size_t isle_choice_group(const struct isle_choice *choice, const struct isle_change *change);
/* How many members it has, or with host_ino how many at which the host has that object. */
size_t isle_choice_count(const struct isle_choice *choice, const struct isle_change *change, uint64_t host_ino);

/* Adds a finding; why is printf-like. -ENOMEM. */
int isle_finding_add(struct isle_findings *findings, const char *path, const char *kind, struct isle_finding **ret_new,
		     const char *why, ...) isle_printf(5, 6);
