/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The table of system calls: what the static filter answers to each, and why. One table makes the filter
 * (genfilter.c), its test (tests/unit/test_system_calls.c) and doc/system-calls.md.
 *
 * A number without a row is answered with ENOSYS, which programs take for an older kernel. A call of the kernel's
 * headers without a row makes a test fail (genfilter_check.c): somebody has to look at it first.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum filter_answer {
	FILTER_ALLOW,	    /* the rows of filter_conditions excepted */
	FILTER_REFUSE,	    /* and on record where there is one */
	FILTER_QUIET,	    /* refused, and never on record: it says no more than that the kernel is older */
	FILTER_UNLESS_NEST, /* FILTER_REFUSE, allowed with --nest */
};

/* Calls with the same answer for the same reason. */
struct filter_group {
	enum filter_answer answer;
	int error;
	const char *reason;
	/* Names, in any order, with a blank between. NAME=N: libseccomp may not know it, and it has this number on all
	 * architectures. NAME=N@x86_64: only there. */
	const char *calls;
};

extern const struct filter_group filter_groups[];
extern const size_t filter_group_count;

enum filter_case {
	FILTER_ALWAYS,
	FILTER_NOT_NEST, /* refused without --nest */
	FILTER_HOST_NET, /* refused with --net host */
};

/* What is refused of a call that is allowed else. Rows about one call stand together. */
struct filter_condition {
	const char *name;
	enum filter_case when;
	int error;	  /* 0: the answer is success, and nothing is done */
	const char *what; /* the arguments, in words */
	const char *reason;
	uint64_t example[4]; /* such arguments */
};

extern const struct filter_condition filter_conditions[];
extern const size_t filter_condition_count;

struct filter_target {
	const char *name; /* meson's host_machine.cpu_family() */
	uint32_t scmp;	  /* SCMP_ARCH_... */
	uint32_t audit;	  /* AUDIT_ARCH_...; libseccomp uses the same values */
};

enum { FILTER_TARGETS = 2 };
extern const struct filter_target filter_targets[FILTER_TARGETS];

/* One call of the table. */
struct filter_call {
	const struct filter_group *group;
	char name[32];
	int numbers[FILTER_TARGETS]; /* -1: that architecture has it not */
	int nr;			     /* of the target */
	bool by_hand;		     /* libseccomp may not know it */
};

/* All calls of the table. */
const struct filter_call *filter_calls(const struct filter_target *target, size_t *ret_count);

/* The call of this number, NULL: none. */
const struct filter_call *filter_find(const struct filter_target *target, int nr);

/* Ends the program. */
void filter_die(const char *what, int error) __attribute__((noreturn));

/* genfilter_table.c: the table as C, for tests and for the printer of the documentation. */
void filter_print_table(const struct filter_target *target);

/* genfilter_table.c: what libseccomp and, if not NULL, a file of `#define __NR_name number` (cc -E -dM) have and the
 * table has not goes to stderr. Returns how many there are. */
unsigned filter_check(const struct filter_target *target, const char *macros);
