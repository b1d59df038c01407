/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ways out of an isle, tried from inside: tests/cli/escape.sh says what stands ready on the host and looks afterwards
 * whether the host is as before. Each attempt runs in a child, so that a filter may kill it.
 */
#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum outcome {
	REFUSED = 0, /* also when the filter killed the attempt */
	ESCAPED = 1,
	UNTRIED = 2, /* the attempt could not be made: a failure of the test */
	ABSENT = 3,  /* the host has not what this is about */
};

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

/* Tells more on standard output, as part of the line. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ESCAPED if the call gave >= 0 or failed with another errno than one of the two (0: none). */
int refused(long result, int error, int other);

/* What escape.sh has put into the environment; NULL when it has not. */
const char *host(const char *name);

/* A new file in ESCAPE_DIR, a directory of the host: its name goes to path, its descriptor is returned. */
int scratch(char *path, size_t size);
