/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Moments as nanoseconds since the epoch, the form in which they are stored and compared; waits in milliseconds. */
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

enum { ISLE_NS = 1000000000 }; /* in a second */

/* The wall clock. */
static inline int64_t isle_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * ISLE_NS + now.tv_nsec;
}

/* For limits of waits: milliseconds of CLOCK_MONOTONIC, which nobody sets. */
static inline int64_t isle_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lowers the moment *until, 0 being none, to `time` if that comes first. */
static inline void isle_sooner(int64_t *until, int64_t time)
{
	if (*until == 0 || time < *until)
		*until = time;
}

static inline int64_t isle_time_ns(const struct statx_timestamp *time)
{
	return time->tv_sec * ISLE_NS + time->tv_nsec;
}

static inline struct statx_timestamp isle_time_from(int64_t ns)
{
	return (struct statx_timestamp){.tv_sec = ns / ISLE_NS, .tv_nsec = (uint32_t)(ns % ISLE_NS)};
}
