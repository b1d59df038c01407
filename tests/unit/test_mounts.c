/* SPDX-License-Identifier: Apache-2.0 */
/* The list of mounts: from text, and from the kernel with statx(2) as the independent judge. */
#include "io.h"
#include "kernel.h"
#include "mounts.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define ROOT		      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
#define AT(id, parent, point) #id " " #parent " 0:" #id " / " point " rw - tmpfs t" #id " rw\n"

/* Asserts which mounts are listed: "POINT=ID POINT=ID ..." in order. */
static void assert_listed(const char *text, const char *expected)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	assert_int_equal(isle_mounts_parse(text, strlen(text), &mounts), 0);
	for (size_t i = 0; i < mounts.count; i++)
		isle_buf_addf(&buf, "%s%s=%d", i > 0 ? " " : "", mounts.list[i].point, mounts.list[i].id);
	assert_string_equal(buf.data ? buf.data : "", expected);
}

static void test_fields(void **state)
{
	static const char text[] =
		"36 35 98:7 /root\\040x /mnt\\012\\134\\011y ro,nosuid,nodevx,noexec,relatime shared:1 master:2 - "
		"fuse.sshfs src\\040a rw,user_id=0\n";
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	const struct isle_mount *m;

	(void)state;
	assert_int_equal(isle_mounts_parse(text, sizeof(text) - 1, &mounts), 0);
	assert_int_equal(mounts.count, 1);
	m = &mounts.list[0];
	assert_int_equal(m->id, 36);
	assert_int_equal(m->parent_id, 35);
	assert_int_equal(m->dev, makedev(98, 7));
	assert_string_equal(m->root, "/root x");
	assert_string_equal(m->point, "/mnt\n\\\ty");
	assert_string_equal(m->type, "fuse.sshfs");
	assert_string_equal(m->source, "src a");
	assert_string_equal(m->options, "ro,nosuid,nodevx,noexec,relatime");
	assert_string_equal(m->super_options, "rw,user_id=0");
	assert_int_equal(m->flags, MS_RDONLY | MS_NOSUID | MS_NOEXEC);
}

static void test_flags(void **state)
{
	static const struct {
		const char *options, *super;
		unsigned long flags;
	} rows[] = {
		{"rw", "rw", 0},
		{"ro", "rw", MS_RDONLY},
		{"rw", "ro", MS_RDONLY},
		{"rw", "rw,nosuid,nodev", 0}, /* such words of a super block are its own affair */
		{"rw,nodev,noatime", "rw", MS_NODEV},
		{"noexec", "errors=remount-ro", MS_NOEXEC},
		{"row,ro2,nosuid", "", MS_NOSUID},
		{"", "", 0},
		{",,ro,", ",", MS_RDONLY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
		char text[200];

		snprintf(text, sizeof(text), "1 0 0:1 / / %s - t s %s\n", rows[i].options, rows[i].super);
		assert_int_equal(isle_mounts_parse(text, strlen(text), &mounts), 0);
		assert_int_equal(mounts.count, 1);
		assert_int_equal(mounts.list[0].flags, rows[i].flags);
	}
}

static void test_empty_source(void **state)
{
	static const char text[] = "1 0 0:1 / / rw - tmpfs  rw,size=1\n";
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;

	(void)state;
	assert_int_equal(isle_mounts_parse(text, sizeof(text) - 1, &mounts), 0);
	assert_int_equal(mounts.count, 1);
	assert_string_equal(mounts.list[0].source, "");
	assert_string_equal(mounts.list[0].super_options, "rw,size=1");
}

static void test_what_can_be_reached(void **state)
{
	(void)state;
	assert_listed(ROOT AT(2, 1, "/b") AT(3, 1, "/a") AT(4, 3, "/a/x"), "/=1 /a=3 /a/x=4 /b=2");
	/* a stack: the top, and what lies on the top */
	assert_listed(ROOT AT(2, 1, "/m") AT(3, 2, "/m") AT(4, 3, "/m"), "/=1 /m=4");
	assert_listed(ROOT AT(2, 1, "/m") AT(5, 2, "/m/old") AT(3, 2, "/m") AT(4, 3, "/m/new"), "/=1 /m=3 /m/new=4");
	/* one that covers the directory another is mounted below, and its children with it */
	assert_listed(ROOT AT(2, 1, "/m/deep/x") AT(3, 2, "/m/deep/x/y") AT(4, 1, "/m"), "/=1 /m=4");
	assert_listed(ROOT AT(4, 1, "/m") AT(2, 1, "/m/deep/x"), "/=1 /m=4");
	assert_listed(ROOT AT(2, 1, "/m") AT(3, 1, "/m-2") AT(4, 1, "/m/x") AT(5, 1, "/mm"), "/=1 /m=2 /m-2=3 /mm=5");
	/* the same point under the same parent: the later one */
	assert_listed(ROOT AT(2, 1, "/m") AT(3, 1, "/m") AT(4, 2, "/m/x"), "/=1 /m=3");
	/* over the root: no look-up of this process gets there */
	assert_listed(ROOT AT(2, 1, "/") AT(3, 2, "/x") AT(4, 1, "/y"), "/=1 /y=4");
	/* children before parents */
	assert_listed(AT(9, 7, "/a/b") AT(7, 1, "/a") ROOT, "/=1 /a=7 /a/b=9");
	/* a root that is no mount of its own, as after chroot */
	assert_listed(AT(2, 99, "/proc") AT(3, 99, "/sys") AT(4, 2, "/proc/x"), "/proc=2 /proc/x=4 /sys=3");
	/* its own parent, as rootfs */
	assert_listed("1 1 0:1 / / rw - rootfs rootfs rw\n" AT(2, 1, "/a"), "/=1 /a=2");
}

static void test_order_is_by_byte(void **state)
{
	(void)state;
	assert_listed(ROOT AT(2, 1, "/a/b") AT(3, 1, "/a\\040b") AT(4, 1, "/a-b") AT(5, 1, "/\377"),
		      "/=1 /a b=3 /a-b=4 /a/b=2 /\377=5");
}

static void test_hostile_text(void **state)
{
	static const char *const nothing[] = {
		"",
		"\n",
		"\n\n\n",
		" ",
		"x",
		"1",
		"1 0 8:1 / / rw",
		"1 0 8:1 / / rw - ext4 src",
		"1 0 8:1 / / rw ext4 src rw",
		"1 0 8 / / rw - a b c",
		"1 0 8: / / rw - a b c",
		"1 0 :1 / / rw - a b c",
		"-1 0 8:1 / / rw - a b c",
		"1 -1 8:1 / / rw - a b c",
		"1 0 8:1 / relative rw - a b c",
		"1 0 8:1 /  rw - a b c",
		"99999999999999999999 0 8:1 / / rw - a b c",
		"2147483648 0 8:1 / / rw - a b c",
		"1x 0 8:1 / / rw - a b c",
		"1 0 8:99999999999 / / rw - a b c",
		"\\",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		assert_listed(nothing[i], "");
	/* what is around a bad line stays */
	assert_listed("rubbish\n" ROOT "2 1\n" AT(3, 1, "/a") "\n", "/=1 /a=3");
	/* no newline at the end */
	assert_listed("1 0 8:1 / / rw - ext4 src rw", "/=1");
	/* cycles are nowhere */
	assert_listed(ROOT AT(2, 3, "/a") AT(3, 2, "/b") AT(4, 3, "/c"), "/=1");
	/* one id, one point twice */
	assert_listed(ROOT ROOT, "/=1");
	assert_listed(ROOT AT(2, 1, "/a") AT(2, 1, "/b") AT(3, 2, "/b/c"), "/=1 /a=2 /b=2 /b/c=3");
	/* escapes that are none */
	assert_listed("1 0 8:1 / /\\000\\400\\08\\1 rw - a b c\n", "/\\000\\400\\08\\1=1");
	assert_listed("1 0 8:1 / /\\377\\0401 rw - a b c\n", "/\377 1=1");
}

static void test_nul_bytes(void **state)
{
	static const char text[] = "1 0 8:1 / /a\0b rw - t s rw\n2 0 8:1 / /c rw - t s rw\n";
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;

	(void)state;
	assert_int_equal(isle_mounts_parse(text, sizeof(text) - 1, &mounts), 0);
	assert_int_equal(mounts.count, 1);
	assert_string_equal(mounts.list[0].point, "/c");
}

static void test_many_stacked(void **state)
{
	enum { COUNT = 20000 };
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;

	(void)state;
	for (int i = 1; i <= COUNT; i++)
		isle_buf_addf(&buf, "%d %d 0:1 / /m rw - t s rw\n", i, i - 1);
	assert_int_equal(isle_mounts_parse(buf.data, buf.size, &mounts), 0);
	assert_int_equal(mounts.count, 1);
	assert_int_equal(mounts.list[0].id, COUNT);
}

static void test_find(void **state)
{
	static const char text[] = ROOT AT(2, 1, "/a") AT(3, 1, "/a\\040b") AT(4, 2, "/a/c/d") AT(5, 1, "/a-");
	static const struct {
		const char *path;
		int id;
	} rows[] = {
		{"/", 1},	   {"/x", 1},	   {"/a", 2},	{"/ab", 1},    {"/a/c", 2},  {"/a/c/d", 4},
		{"/a/c/d/e/f", 4}, {"/a/c/de", 2}, {"/a b", 3}, {"/a b/c", 3}, {"/a-/x", 5}, {"/a-x", 1},
	};
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_mounts struct isle_mounts none = ISLE_MOUNTS_INIT;

	(void)state;
	assert_int_equal(isle_mounts_parse(text, sizeof(text) - 1, &mounts), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct isle_mount *m = isle_mounts_find(&mounts, rows[i].path);

		assert_non_null(m);
		if (m->id != rows[i].id)
			fail_msg("%s is found in %d, not %d", rows[i].path, m->id, rows[i].id);
	}
	assert_null(isle_mounts_find(&none, "/a"));
	assert_null(isle_mounts_find(&mounts, ""));
}

static void test_below(void **state)
{
	static const char text[] = ROOT AT(2, 1, "/a/c") AT(3, 1, "/a\\040b") AT(4, 1, "/b");
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_mounts struct isle_mounts root = ISLE_MOUNTS_INIT;

	(void)state;
	assert_int_equal(isle_mounts_parse(text, sizeof(text) - 1, &mounts), 0);
	assert_true(isle_mounts_below(&mounts, "/"));
	assert_true(isle_mounts_below(&mounts, "/a"));
	assert_false(isle_mounts_below(&mounts, "/a/c"));
	assert_false(isle_mounts_below(&mounts, "/a b"));
	assert_false(isle_mounts_below(&mounts, "/b"));
	assert_false(isle_mounts_below(&mounts, "/c"));
	assert_false(isle_mounts_below(&mounts, "/a/"
						"c/d"));
	assert_int_equal(isle_mounts_parse(ROOT, strlen(ROOT), &root), 0);
	assert_false(isle_mounts_below(&root, "/"));
}

/* The mount that the kernel finds at path, or -1. */
static int64_t kernel_mount(const char *path)
{
	struct statx st;

	if (isle_statx(AT_FDCWD, path, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return -1;
	return (int64_t)st.stx_mnt_id;
}

/* Listed is exactly what statx() of the point finds; 0 or the number of the check that failed. */
static int check_against_kernel(void)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;
	auto_mounts struct isle_mounts one = ISLE_MOUNTS_INIT;
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	size_t reachable = 0;
	char *save = NULL;

	if (isle_mounts_read(&mounts) < 0 || mounts.count == 0)
		return 1;
	for (size_t i = 0; i < mounts.count; i++)
		if (kernel_mount(mounts.list[i].point) != mounts.list[i].id)
			return 2;
	if (isle_read_file(AT_FDCWD, "/proc/self/mountinfo", &buf, 1 << 24) < 0)
		return 3;
	for (char *line = strtok_r(buf.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		isle_mounts_done(&one);
		if (isle_mounts_parse(line, strlen(line), &one) < 0 || one.count != 1)
			return 4;
		reachable += kernel_mount(one.list[0].point) == one.list[0].id;
	}
	return reachable == mounts.count ? 0 : 5;
}

static int mount_at(const char *point)
{
	return mount("isle-unit", point, "tmpfs", 0, "size=64k");
}

/* Stacks and hidden mounts with odd names, below the current directory, in a mount namespace of our own. */
static int check_layouts(void)
{
	if (unit_own_mounts() < 0)
		return 77;
	if (mkdir("a b", 0755) < 0 || mkdir("a b/c\n\\", 0755) < 0 || mkdir("a b/d", 0755) < 0 ||
	    mkdir("sys", 0755) < 0)
		return 10;
	if (mount_at("a b/c\n\\") < 0 || mount_at("a b/d") < 0 || mkdir("a b/d/e", 0755) < 0 || mount_at("a b/d/e") < 0)
		return 11;
	if (check_against_kernel() != 0)
		return 12;
	if (mount_at("a b/d") < 0 || check_against_kernel() != 0) /* a stack, which hides e */
		return 13;
	if (mkdir("a b/d/f", 0755) < 0 || mount_at("a b/d/f") < 0 || check_against_kernel() != 0)
		return 14;
	if (mount_at("a b") < 0 || check_against_kernel() != 0) /* hides them all */
		return 15;
	if (mount("a b", "sys", NULL, MS_BIND | MS_REC, NULL) < 0 || check_against_kernel() != 0)
		return 16;
	if (mount_at("/") < 0) /* over the root: nobody sees it */
		return 17;
	return check_against_kernel();
}

static void test_kernel_agrees(void **state)
{
	(void)state;
	if (kernel_mount("/") < 0)
		unit_missing("statx with STATX_MNT_ID");
	assert_int_equal(check_against_kernel(), 0);
}

static void test_kernel_agrees_on_layouts(void **state)
{
	pid_t pid;
	int status;

	if (kernel_mount("/") < 0)
		unit_missing("statx with STATX_MNT_ID");
	pid = fork();
	if (pid == 0)
		_exit(fchdir(unit_dir(state)) == 0 ? check_layouts() : 9);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		unit_missing("a mount namespace of one's own");
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_empty_source),
		cmocka_unit_test(test_what_can_be_reached),
		cmocka_unit_test(test_order_is_by_byte),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_many_stacked),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_kernel_agrees),
		unit_dir_test(test_kernel_agrees_on_layouts),
	};

	return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}
