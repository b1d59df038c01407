/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Included before every source file of isle (src/meson.build): functions nobody may call. Their headers come
 * first, since a poisoned name must not even be declared afterwards.
 *
 *   strcpy, strcat, strncpy, sprintf, vsprintf, gets    lengths are known or the call is wrong: isle_buf, snprintf(3)
 *   atoi, atol, atoll, atof                             do not tell errors: strtol(3) and relatives
 *   system, popen                                       a shell between us and a program: isle_spawn()
 *   gmtime, localtime, asctime                          static storage: the _r forms, strftime(3)
 *   tmpnam, tempnam, mktemp                             races
 *   getpwnam, getpwuid, getgrnam, getgrgid              load shared libraries, which a static program must not
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* With _FORTIFY_SOURCE and clang glibc defines these as macros, and clang warns when a macro is poisoned. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof
#pragma GCC poison system popen
#pragma GCC poison gmtime localtime asctime
#pragma GCC poison tmpnam tempnam mktemp
#pragma GCC poison getpwnam getpwuid getgrnam getgrgid
