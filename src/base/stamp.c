/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp.h"

#include <stdbool.h>
#include <sys/stat.h>

#include "clock.h"
#include "kernel.h"
#include "macros.h"

/* Changes it, so that its change time is that of now. */
static bool touch(int dir, const char *name, const struct statx *st)
{
	return fchmodat(dir, name, st->stx_mode & 07777, 0) >= 0;
}

/* The first change takes the time of the tick, the second, after a look, an exact one. */
static bool stamp_exactly(int dir, const char *name, int64_t after)
{
	struct statx st;

	for (int i = 0; i < 2; i++)
		if (isle_statx(dir, name, &st) < 0 || S_ISLNK(st.stx_mode) || !touch(dir, name, &st))
			return false;
	return isle_statx(dir, name, &st) >= 0 && isle_time_ns(&st.stx_ctime) > after;
}

static void wait_for_tick(int64_t after)
{
	const struct timespec pause = {.tv_nsec = 200000};
	struct timespec stamp;

	while (clock_gettime(CLOCK_REALTIME_COARSE, &stamp) == 0 &&
	       (int64_t)stamp.tv_sec * ISLE_NS + stamp.tv_nsec <= after)
		nanosleep(&pause, NULL);
}

int64_t isle_stamp_pass(int dir, const char *name, bool patient)
{
	int64_t now = isle_now();

	if (!stamp_exactly(dir, name, now) && patient)
		wait_for_tick(now);
	return now;
}
