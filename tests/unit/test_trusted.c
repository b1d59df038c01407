/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up a path of which others may control a part. */
#include "trusted.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void make_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static void make_link(const char *target, int dir, const char *name)
{
	assert_int_equal(symlinkat(target, dir, name), 0);
}

/* The path of a name in the test's directory, in one of two buffers. */
static const char *path_in(void **state, const char *name)
{
	static char paths[2][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	snprintf(path, PATH_MAX, "%s/%s", unit_dir_path(state), name);
	return path;
}

static int find_in(void **state, const char *name, unsigned flags, unsigned own, struct isle_found *ret_found)
{
	const struct isle_find_options options = {flags, own};
	struct isle_err err = ISLE_ERR_INIT;
	int r = isle_find_object(path_in(state, name), &options, ret_found, &err);

	assert_int_equal(r == -EPERM, err.text[0] != '\0');
	return r;
}

static void test_find_object(void **state)
{
	int dir = unit_dir(state), before = unit_count_fds();
	char real[PATH_MAX];
	struct isle_found found;

	make_dir(dir, "a");
	make_dir(dir, "a/b");
	unit_write(dir, "a/b/file", "x");
	make_link("a", dir, "to-a");
	make_link("../to-a/./b//file", dir, "a/to-file");
	make_link("loop", dir, "loop");
	assert_int_equal(find_in(state, "to-a/to-file", 0, 0, &found), 0);
	assert_non_null(realpath(path_in(state, "a/b/file"), real));
	assert_string_equal(found.path, real);
	assert_true(S_ISREG(found.st.st_mode) && S_ISDIR(found.above.st_mode));
	close(found.fd);
	assert_int_equal(find_in(state, "a/../a//b/.", 0, 0, &found), 0);
	assert_non_null(realpath(path_in(state, "a/b"), real));
	assert_string_equal(found.path, real);
	close(found.fd);
	assert_int_equal(find_in(state, "loop", 0, 0, &found), -ELOOP);
	assert_int_equal(find_in(state, "to-a/b", ISLE_FIND_NO_LINKS, 0, &found), -ELOOP);
	assert_int_equal(find_in(state, "a/b/none", 0, 0, &found), -ENOENT);
	assert_int_equal(find_in(state, "a/b/file/none", 0, 0, &found), -ENOTDIR);
	assert_int_equal(unit_count_fds(), before);
}

static void test_find_object_of_others(void **state)
{
	int dir = unit_dir(state), before = unit_count_fds();
	struct isle_found found;

	make_dir(dir, "open");
	make_dir(dir, "sticky");
	make_dir(dir, "target");
	make_link("../target", dir, "open/link");
	make_link("../target", dir, "sticky/link");
	make_dir(dir, "open/own");
	assert_int_equal(fchmodat(dir, "open", 0777, 0), 0);
	assert_int_equal(fchmodat(dir, "sticky", 01777, 0), 0);
	assert_int_equal(find_in(state, "open/link", ISLE_FIND_SAFE_LINKS, 0, &found), -EPERM);
	assert_int_equal(find_in(state, "open/own", ISLE_FIND_TRUSTED, 0, &found), -EPERM);
	assert_int_equal(fchmodat(dir, "open", 0775, 0), 0);
	assert_int_equal(find_in(state, "open/link", ISLE_FIND_SAFE_LINKS, 0, &found), -EPERM);
	assert_int_equal(find_in(state, "sticky/link", ISLE_FIND_SAFE_LINKS, 0, &found), 0);
	close(found.fd);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(dir, "sticky/link", 1, 1, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(find_in(state, "sticky/link", ISLE_FIND_SAFE_LINKS, 0, &found), -EPERM);
		assert_int_equal(fchownat(dir, "open", 1, 1, 0), 0);
		assert_int_equal(fchmodat(dir, "open", 0755, 0), 0);
		assert_int_equal(find_in(state, "open/link", ISLE_FIND_SAFE_LINKS, 0, &found), -EPERM);
	}
	assert_int_equal(unit_count_fds(), before);
}

static void test_find_own(void **state)
{
	const unsigned flags = ISLE_FIND_NO_LINKS | ISLE_FIND_MAKE;
	int dir = unit_dir(state);
	struct isle_found found;

	assert_int_equal(find_in(state, "own/id", flags, 2, &found), 0);
	assert_int_equal(found.st.st_mode & 07777, 0700);
	assert_int_equal(found.above.st_mode & 07777, 0700);
	close(found.fd);
	assert_int_equal(fchmodat(dir, "own", 0710, 0), 0);
	assert_int_equal(find_in(state, "own/id", flags, 1, &found), 0);
	close(found.fd);
	assert_int_equal(find_in(state, "own/id", flags, 2, &found), -EPERM);
	make_link("own/id", dir, "link");
	assert_int_equal(find_in(state, "link", flags, 1, &found), -EPERM);
	unit_write(dir, "file", "");
	assert_int_equal(find_in(state, "file", flags, 1, &found), -EPERM);
}

static void test_open_same(void **state)
{
	int dir = unit_dir(state);
	int held = -1;
	auto_fd int fd = -1;

	make_dir(dir, "d");
	make_dir(dir, "e");
	held = openat(dir, "d", O_PATH | O_CLOEXEC);
	assert_true(held >= 0);
	fd = isle_open_same(path_in(state, "d"), held, O_PATH);
	assert_true(fd >= 0);
	assert_int_equal(isle_open_same(path_in(state, "e"), held, O_PATH), -ESTALE);
	assert_int_equal(renameat(dir, "d", dir, "f"), 0);
	make_link("f", dir, "d");
	assert_int_equal(isle_open_same(path_in(state, "d"), held, O_RDONLY | O_DIRECTORY), -ELOOP);
	close(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_dir_test(test_find_object),
		unit_dir_test(test_find_object_of_others),
		unit_dir_test(test_find_own),
		unit_dir_test(test_open_same),
	};

	umask(022);
	return cmocka_run_group_tests_name("trusted", tests, NULL, NULL);
}
