/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What unit tests share: cmocka with the headers it wants, a temporary directory per test, and an old kernel.
 *
 *   static void test_x(void **state)
 *   {
 *           int dir = unit_dir(state);
 *   ...
 *           unit_dir_test(test_x),
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those above */
#include <cmocka.h>

/* A new empty directory, open in unit_dir(); removed with all that is in it at the end. */
int unit_dir_setup(void **state);
int unit_dir_teardown(void **state);
int unit_dir(void **state);
const char *unit_dir_path(void **state);
#define unit_dir_test(test) cmocka_unit_test_setup_teardown(test, unit_dir_setup, unit_dir_teardown)

/* Creates dir/name with this content and mode 0644. */
void unit_write(int dir, const char *name, const char *content);
/* Asserts that dir/name is a file with this content. */
void unit_assert_content(int dir, const char *name, const char *content);
/* How many descriptors this process has open. */
int unit_count_fds(void);

/* Moves a child process into a private mount namespace of its own, and a user namespace where it needs that. 0 or
 * -errno. The current directory moves along, other descriptors cannot be used for mounting. */
int unit_own_mounts(void);

/* Leaves the test: the kernel or the rights here do not have what it needs. A failure when ISLE_MUST_WORK is set. */
void unit_missing(const char *what);

/* When ISLE_TEST_OLD_KERNEL is set: system calls newer than Linux 5.1 that the code has another way for fail with
 * ENOSYS from here on. First in main(). Returns true when it is so. */
int unit_old_kernel(void);
