/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ways out of an isle, tried from inside. The attempts are rows of the tables in attempts/ (README.md); host.py says
 * what stands ready on the host and looks afterwards whether the host is as before. Each attempt runs in a child, so
 * that a filter may kill it.
 */
#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* main.c: what an attempt came to. The numbers are exit statuses. */
enum outcome {
	REFUSED = 0, /* also when the filter killed the attempt */
	ESCAPED = 1,
	UNTRIED = 2, /* the attempt could not be made: a failure of the test */
	ABSENT = 3,  /* the host has not what this is about */
};

/* An attempt that is more than a sequence of calls; a row names it as "do NAME". */
struct attempt {
	const char *name;
	int (*function)(void);
};

struct attempts {
	const struct attempt *list;
	size_t count;
};

extern const struct attempts attempts_calls; /* system calls */
extern const struct attempts attempts_files; /* /proc, /sys, /dev, the store */
extern const struct attempts attempts_links; /* descriptors and the magic links of /proc */
extern const struct attempts attempts_host;  /* processes, sockets and memory of the host */

/* What was seen, as part of the line of this attempt. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ESCAPED if the call gave >= 0 or failed with another errno than one of the two (0: none). */
int refused(long result, int error, int other);

/* What host.py has put into the environment; NULL when it has not. */
const char *host(const char *name);

/* A new file in ESCAPE_DIR, a directory of the host: its name goes to path, its descriptor is returned. */
int scratch(char *path, size_t size);

/* steps.c: carries out "[VARIABLE=]CALL ARGUMENT... ; ..." and returns the last result or -errno of the first step
 * that failed; STEPS_UNTRIED, having told why, when the text is wrong or something it needs is missing. */
enum { STEPS_UNTRIED = -100000 };
long run_steps(char *text);

/* words.c: the numbers of system calls, constants and errors by name. */
long call_number(const char *name);
int constant(const char *name, long *ret_value);
int error_number(const char *name);
const char *error_name(int error);

struct call_name {
	const char *name;
	int number;
};

extern const struct call_name call_names[]; /* of the headers of the build, in no order */
extern const size_t call_count;

/* fuzz.c: random calls for so many seconds. Returns an exit status. */
int fuzz(unsigned long seed, unsigned seconds, unsigned long only);
