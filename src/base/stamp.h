/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel stamps files with a clock that stands still between two ticks (1 to 10 ms): what happens at the end of a
 * run and what the host does right after it can get the same times. Since Linux 6.13 a file that was looked at since
 * its last change gets an exact time at the next one if need be, and no file of the machine gets an earlier time after
 * that.
 */
#include <stdbool.h>
#include <stdint.h>

/* Returns a moment, in nanoseconds since the epoch, that no time stamp until now is later than, and every one from now
 * on is. name in dir is a file or directory of ours, whose change time is moved for that. Takes some microseconds;
 * before Linux 6.13, or when the file cannot be changed, it waits for the next tick. Without patience it does not wait,
 * and then this may not hold. */
int64_t isle_stamp_pass(int dir, const char *name, bool patient);
