/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Still directories: those of other owners in which an ordinary user can change nothing, as a short look shows. The
 * view needs no layer of the isle for them, which is most of what mounting one costs (doc/design/start-up.md). The
 * difference to be seen: an attempt to create something there fails with EROFS instead of EACCES.
 */
#include <stdbool.h>

enum isle_still_flags {
	ISLE_STILL_ALL = 0,
	ISLE_STILL_SHALLOW = 1 << 0, /* what is directly in it only, and all of it, not what is in its directories */
};

/*
 * True when the calling user could natively change nothing in the directory `dir` (O_PATH will do): neither owns nor
 * may write to it or to anything in it. False also when the look takes too long, or some of it cannot be seen. A
 * special file is not still.
 */
bool isle_is_still(int dir, unsigned flags);
