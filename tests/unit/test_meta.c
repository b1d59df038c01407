/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata of files: read, compare, apply. What only root may do is left out for others. */
#include "kernel.h"
#include "meta.h"
#include "unit.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* u::rw-, u:1:rw-, g::r--, m::rw-, o::--- as the kernel takes it (acl(5), version 2) */
static const unsigned char acl[] = {
	2, 0, 0,   0,	1,   0,	  6,  0, 255, 255, 255, 255, 2,	  0,   6,  0, 1, 0, 0,	 0,   4,   0,
	4, 0, 255, 255, 255, 255, 16, 0, 6,   0,   255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
};
/* cap_net_raw=ep, version 2 */
static const unsigned char caps[] = {1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static int is_root(void)
{
	return geteuid() == 0;
}

/* A path for calls that take no directory. */
static const char *full(void **state, const char *name)
{
	static char path[2][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 2];

	snprintf(p, PATH_MAX, "%s/%s", unit_dir_path(state), name);
	return p;
}

static void set_xattr(void **state, const char *name, const char *key, const void *value, size_t size)
{
	assert_int_equal(lsetxattr(full(state, name), key, value, size, 0), 0);
}

static void set_times(int dir, const char *name, time_t atime, long atime_ns, time_t mtime, long mtime_ns)
{
	struct timespec times[2] = {{atime, atime_ns}, {mtime, mtime_ns}};

	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Asserts that a has what b has, but for these differences. */
static void assert_diff(int dir, const char *a, const char *b, unsigned expected)
{
	auto_meta struct isle_meta x = ISLE_META_INIT;
	auto_meta struct isle_meta y = ISLE_META_INIT;

	assert_int_equal(isle_meta_read(dir, a, &x), 0);
	assert_int_equal(isle_meta_read(dir, b, &y), 0);
	assert_int_equal(isle_meta_compare(&x, &y), expected);
	assert_int_equal(isle_meta_compare(&y, &x), expected);
}

static void apply(int dir, const char *from, const char *to, unsigned what)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;

	assert_int_equal(isle_meta_read(dir, from, &meta), 0);
	assert_int_equal(isle_meta_apply(dir, to, &meta, what), 0);
}

static void test_read(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int dir = unit_dir(state);
	const struct isle_xattr *x;

	unit_write(dir, "f", "12345");
	set_xattr(state, "f", "user.zz", "last", 4);
	set_xattr(state, "f", "user.empty", "", 0);
	set_xattr(state, "f", "user.overlay.opaque", "y", 1);
	set_xattr(state, "f", "user.overlayx", "kept", 4);
	assert_int_equal(isle_meta_read(dir, "f", &meta), 0);
	assert_int_equal(meta.st.stx_size, 5);
	assert_int_equal(meta.st.stx_mode, S_IFREG | 0644);
	assert_int_equal(meta.xattr_count, 3);
	assert_string_equal(meta.xattrs[0].name, "user.empty");
	assert_int_equal(meta.xattrs[0].size, 0);
	assert_string_equal(meta.xattrs[1].name, "user.overlayx");
	assert_string_equal(meta.xattrs[2].name, "user.zz");
	x = isle_meta_xattr(&meta, "user.zz");
	assert_ptr_equal(x, &meta.xattrs[2]);
	assert_int_equal(x->size, 4);
	assert_memory_equal(x->value, "last", 4);
	assert_null(isle_meta_xattr(&meta, "user.overlay.opaque"));
	assert_null(isle_meta_xattr(&meta, "user.z"));
	isle_meta_done(&meta);
	assert_int_equal(meta.xattr_count, 0);
	assert_int_equal(isle_meta_read(dir, "none", &meta), -ENOENT);
	assert_int_equal(isle_meta_read(dir, "f/x", &meta), -ENOTDIR);
}

static void test_read_the_descriptor_itself(void **state)
{
	auto_meta struct isle_meta own = ISLE_META_INIT;
	auto_meta struct isle_meta file = ISLE_META_INIT;
	int dir = unit_dir(state);
	auto_fd int path_fd = -1;

	assert_int_equal(fsetxattr(dir, "user.dir", "1", 1, 0), 0);
	assert_int_equal(isle_meta_read(dir, "", &own), 0);
	assert_true(S_ISDIR(own.st.stx_mode));
	assert_non_null(isle_meta_xattr(&own, "user.dir"));
	unit_write(dir, "f", "");
	set_xattr(state, "f", "user.file", "1", 1);
	path_fd = openat(dir, "f", O_PATH | O_CLOEXEC);
	assert_int_equal(isle_meta_read(path_fd, "", &file), 0);
	assert_non_null(isle_meta_xattr(&file, "user.file"));
}

static void test_read_big_and_many(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int dir = unit_dir(state);
	char value[1500], key[64]; /* ext4 has one block of 4 KiB for all */

	unit_write(dir, "f", "");
	memset(value, 'v', sizeof(value));
	if (lsetxattr(full(state, "f"), "user.big", value, sizeof(value), 0) < 0)
		skip();		       /* ext4 has one block for all */
	for (int i = 0; i < 20; i++) { /* more names than fit into the first list */
		snprintf(key, sizeof(key), "user.a-name-that-is-long-enough-to-fill-the-list-%02d", i);
		set_xattr(state, "f", key, &i, 1);
	}
	assert_int_equal(isle_meta_read(dir, "f", &meta), 0);
	assert_int_equal(meta.xattr_count, 21);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(meta.xattrs[i].size, 1);
		assert_int_equal(*(const char *)meta.xattrs[i].value, (char)i);
	}
	assert_int_equal(meta.xattrs[20].size, sizeof(value));
	assert_memory_equal(meta.xattrs[20].value, value, sizeof(value));
}

/* tmpfs and others take values up to 64 KiB. */
static void test_read_largest_value(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	auto_fd int fd = memfd_create("isle-unit", MFD_CLOEXEC);
	static char value[XATTR_SIZE_MAX];

	(void)state;
	if (!is_root())
		skip();
	memset(value, 'v', sizeof(value));
	assert_int_equal(fsetxattr(fd, "trusted.big", value, sizeof(value), 0), 0);
	assert_int_equal(isle_meta_read(fd, "", &meta), 0);
	assert_int_equal(meta.xattr_count, 1);
	assert_int_equal(meta.xattrs[0].size, XATTR_SIZE_MAX);
	assert_memory_equal(meta.xattrs[0].value, value, XATTR_SIZE_MAX);
}

static void test_read_follows_and_opens_nothing(void **state)
{
	auto_meta struct isle_meta link = ISLE_META_INIT;
	auto_meta struct isle_meta fifo = ISLE_META_INIT;
	auto_meta struct isle_meta device = ISLE_META_INIT;
	int dir = unit_dir(state);

	unit_write(dir, "f", "target");
	set_xattr(state, "f", "user.file", "1", 1);
	assert_int_equal(symlinkat("f", dir, "l"), 0);
	assert_int_equal(mkfifoat(dir, "p", 0600), 0);
	if (is_root()) {
		set_xattr(state, "l", "trusted.link", "2", 1);
		set_xattr(state, "p", "trusted.fifo", "3", 1);
	}
	assert_int_equal(isle_meta_read(dir, "l", &link), 0);
	assert_true(S_ISLNK(link.st.stx_mode));
	assert_int_equal(link.st.stx_size, 1);
	assert_int_equal(link.xattr_count, is_root());
	assert_null(isle_meta_xattr(&link, "user.file"));
	assert_int_equal(isle_meta_read(dir, "p", &fifo), 0);
	assert_int_equal(fifo.xattr_count, is_root());
	assert_int_equal(isle_meta_read(AT_FDCWD, "/dev/tty", &device), 0);
	assert_int_equal(device.st.stx_rdev_major, 5);
}

static void test_compare(void **state)
{
	int dir = unit_dir(state);

	unit_write(dir, "a", "x");
	unit_write(dir, "b", "y");
	set_times(dir, "a", 1, 0, 1000, 5);
	set_times(dir, "b", 2, 0, 1000, 5);
	assert_diff(dir, "a", "b", 0);
	set_times(dir, "b", 2, 0, 1000, 6);
	assert_diff(dir, "a", "b", ISLE_META_MTIME);
	assert_int_equal(fchmodat(dir, "b", 04644, 0), 0);
	assert_diff(dir, "a", "b", ISLE_META_MTIME | ISLE_META_MODE);
	set_times(dir, "b", 2, 0, 1000, 5);
	assert_int_equal(fchmodat(dir, "b", 0644, 0), 0);

	set_xattr(state, "a", "user.k", "1", 1);
	assert_diff(dir, "a", "b", ISLE_META_XATTR);
	set_xattr(state, "b", "user.k", "2", 1);
	assert_diff(dir, "a", "b", ISLE_META_XATTR);
	set_xattr(state, "b", "user.k", "11", 2);
	assert_diff(dir, "a", "b", ISLE_META_XATTR);
	set_xattr(state, "b", "user.k", "1", 1);
	assert_diff(dir, "a", "b", 0);
	set_xattr(state, "b", "user.j", "1", 1);
	set_xattr(state, "a", "user.l", "1", 1);
	assert_diff(dir, "a", "b", ISLE_META_XATTR);
}

static void test_compare_types(void **state)
{
	int dir = unit_dir(state);

	unit_write(dir, "f", "");
	set_times(dir, "f", 1, 0, 1000, 0);
	assert_int_equal(mkdirat(dir, "d", 0644), 0);
	assert_int_equal(mkdirat(dir, "e", 0644), 0);
	for (int i = 0; i < 200; i++) { /* e becomes bigger */
		char name[64];

		snprintf(name, sizeof(name), "e/a-long-name-to-fill-the-directory-%d", i);
		assert_int_equal(fchmodat(dir, "e", 0755, 0), 0);
		unit_write(dir, name, "");
	}
	assert_int_equal(fchmodat(dir, "e", 0644, 0), 0);
	set_times(dir, "d", 1, 0, 1000, 0);
	set_times(dir, "e", 1, 0, 1000, 0);
	assert_diff(dir, "d", "e", 0);
	assert_diff(dir, "d", "d", 0);
	unit_write(dir, "g", "longer");
	set_times(dir, "g", 1, 0, 1000, 0);
	assert_diff(dir, "f", "g", ISLE_META_SIZE);
}

static void test_compare_different_types(void **state)
{
	auto_meta struct isle_meta file = ISLE_META_INIT;
	auto_meta struct isle_meta dir_meta = ISLE_META_INIT;
	int dir = unit_dir(state);

	unit_write(dir, "f", "");
	assert_int_equal(isle_meta_read(dir, "f", &file), 0);
	assert_int_equal(isle_meta_read(dir, "", &dir_meta), 0);
	assert_true(isle_meta_compare(&file, &dir_meta) & ISLE_META_TYPE);
	assert_true(isle_meta_compare(&dir_meta, &file) & ISLE_META_TYPE);
	assert_int_equal(isle_meta_compare(&file, &file), 0);
}

/* One attribute of something that has none. */
static void check_xattr(int dir, const char *name, const char *key)
{
	char value[8], list[256];

	assert_int_equal(isle_xattr_get(dir, name, key, value, sizeof(value)), -ENODATA);
	assert_int_equal(isle_xattr_remove(dir, name, key), -ENODATA);
	assert_int_equal(isle_xattr_list(dir, name, list, sizeof(list)), 0);
	assert_int_equal(isle_xattr_set(dir, name, key, "value", 5), 0);
	assert_int_equal(isle_xattr_list(dir, name, list, sizeof(list)), strlen(key) + 1);
	assert_string_equal(list, key);
	assert_int_equal(isle_xattr_list(dir, name, list, 3), -ERANGE);
	assert_int_equal(isle_xattr_list(dir, name, NULL, 0), strlen(key) + 1);
	assert_int_equal(isle_xattr_get(dir, name, key, value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(isle_xattr_get(dir, name, key, value, 4), -ERANGE);
	assert_int_equal(isle_xattr_get(dir, name, key, NULL, 0), 5);
	assert_int_equal(isle_xattr_remove(dir, name, key), 0);
	assert_int_equal(isle_xattr_list(dir, name, list, sizeof(list)), 0);
}

static void test_xattr_calls(void **state)
{
	int dir = unit_dir(state);
	auto_fd int path_fd = -1;
	char list[8];

	unit_write(dir, "f", "");
	check_xattr(dir, "f", "user.file");
	check_xattr(dir, "", "user.directory");
	path_fd = openat(dir, "f", O_PATH | O_CLOEXEC);
	check_xattr(path_fd, "", "user.descriptor");
	assert_int_equal(isle_xattr_list(dir, "none", list, sizeof(list)), -ENOENT);
	assert_int_equal(isle_xattr_set(dir, "none", "user.x", "", 0), -ENOENT);
	if (!is_root())
		return;
	assert_int_equal(symlinkat("f", dir, "l"), 0);
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	assert_int_equal(mkfifoat(dir, "p", 0600), 0);
	check_xattr(dir, "l", "trusted.link");
	check_xattr(dir, "dangling", "trusted.link");
	check_xattr(dir, "p", "trusted.fifo");
}

static void test_compare_devices_owner_acl_caps(void **state)
{
	int dir = unit_dir(state);

	if (!is_root())
		skip();
	assert_int_equal(mknodat(dir, "x", S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(mknodat(dir, "y", S_IFCHR | 0600, makedev(1, 5)), 0);
	set_times(dir, "x", 1, 0, 1000, 0);
	set_times(dir, "y", 1, 0, 1000, 0);
	assert_diff(dir, "x", "y", ISLE_META_RDEV);
	unit_write(dir, "a", "");
	unit_write(dir, "b", "");
	assert_int_equal(fchownat(dir, "b", 12, 34, 0), 0);
	set_times(dir, "a", 1, 0, 1000, 0);
	set_times(dir, "b", 1, 0, 1000, 0);
	assert_diff(dir, "a", "b", ISLE_META_OWNER);
	set_xattr(state, "b", "security.capability", caps, sizeof(caps));
	assert_diff(dir, "a", "b", ISLE_META_OWNER | ISLE_META_CAPS);
	set_xattr(state, "b", "system.posix_acl_access", acl, sizeof(acl));
	assert_diff(dir, "a", "b", ISLE_META_OWNER | ISLE_META_CAPS | ISLE_META_ACL | ISLE_META_MODE);
}

static void test_apply_each(void **state)
{
	int dir = unit_dir(state);
	struct stat st;

	unit_write(dir, "from", "x");
	unit_write(dir, "to", "x");
	set_xattr(state, "from", "user.new", "n", 1);
	set_xattr(state, "from", "user.both", "n", 1);
	set_xattr(state, "to", "user.both", "o", 1);
	set_xattr(state, "to", "user.old", "o", 1);
	set_xattr(state, "to", "user.overlay.kept", "o", 1);
	assert_int_equal(fchmodat(dir, "from", 06751, 0), 0);
	set_times(dir, "from", 111, 222, 333, 444);
	set_times(dir, "to", 1, 2, 3, 4);

	apply(dir, "from", "to", 0);
	assert_diff(dir, "from", "to", ISLE_META_MODE | ISLE_META_XATTR | ISLE_META_MTIME);
	apply(dir, "from", "to", ISLE_APPLY_MODE);
	assert_diff(dir, "from", "to", ISLE_META_XATTR | ISLE_META_MTIME);
	apply(dir, "from", "to", ISLE_APPLY_XATTRS);
	assert_diff(dir, "from", "to", ISLE_META_MTIME);
	assert_int_equal(lgetxattr(full(state, "to"), "user.overlay.kept", NULL, 0), 1); /* not ours to remove */
	apply(dir, "from", "to", ISLE_APPLY_TIMES);
	assert_diff(dir, "from", "to", 0);
	assert_int_equal(fstatat(dir, "to", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 111);
	assert_int_equal(st.st_atim.tv_nsec, 222);
	assert_int_equal(st.st_mtim.tv_nsec, 444);
}

static void test_apply_all_as_root(void **state)
{
	int dir = unit_dir(state);

	if (!is_root())
		skip();
	unit_write(dir, "from", "");
	assert_int_equal(fchownat(dir, "from", 12, 34, 0), 0);
	assert_int_equal(fchmodat(dir, "from", 06755, 0), 0);
	set_xattr(state, "from", "system.posix_acl_access", acl, sizeof(acl));
	set_xattr(state, "from", "security.capability", caps, sizeof(caps));
	set_xattr(state, "from", "trusted.t", "t", 1);
	set_times(dir, "from", 1, 2, 3, 4);
	unit_write(dir, "to", "");
	apply(dir, "from", "to", ISLE_APPLY_ALL);
	assert_diff(dir, "from", "to", 0);
	apply(dir, "from", "to", ISLE_APPLY_ALL); /* again: nothing changes */
	assert_diff(dir, "from", "to", 0);

	/* and back to a plain one, which has no ACL, no capabilities and another owner */
	unit_write(dir, "plain", "");
	set_times(dir, "plain", 1, 2, 3, 4);
	assert_int_equal(fchmodat(dir, "plain", 0604, 0), 0);
	apply(dir, "plain", "to", ISLE_APPLY_ALL);
	assert_diff(dir, "plain", "to", 0);
}

static void test_apply_same_owner_is_not_set(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int dir = unit_dir(state);

	if (!is_root())
		skip();
	unit_write(dir, "f", "");
	assert_int_equal(fchmodat(dir, "f", 04755, 0), 0);
	set_xattr(state, "f", "security.capability", caps, sizeof(caps));
	assert_int_equal(isle_meta_read(dir, "f", &meta), 0);
	assert_int_equal(isle_meta_apply(dir, "f", &meta, ISLE_APPLY_OWNER), 0); /* chown would drop both */
	assert_int_equal(lgetxattr(full(state, "f"), "security.capability", NULL, 0), sizeof(caps));
	/* a new owner keeps the set-user-ID bit when the mode is asked for */
	meta.st.stx_uid = 12;
	assert_int_equal(isle_meta_apply(dir, "f", &meta, ISLE_APPLY_OWNER | ISLE_APPLY_MODE), 0);
	isle_meta_done(&meta);
	assert_int_equal(isle_meta_read(dir, "f", &meta), 0);
	assert_int_equal(meta.st.stx_mode, S_IFREG | 04755);
	assert_int_equal(meta.st.stx_uid, 12);
}

static void test_apply_to_a_link_not_its_target(void **state)
{
	auto_meta struct isle_meta target = ISLE_META_INIT;
	int dir = unit_dir(state);

	unit_write(dir, "target", "x");
	set_times(dir, "target", 5, 0, 6, 0);
	assert_int_equal(symlinkat("target", dir, "from"), 0);
	assert_int_equal(symlinkat("target", dir, "to"), 0);
	set_times(dir, "from", 7, 0, 8, 9);
	if (is_root()) {
		assert_int_equal(fchownat(dir, "from", 12, 34, AT_SYMLINK_NOFOLLOW), 0);
		set_xattr(state, "from", "trusted.link", "1", 1);
	}
	apply(dir, "from", "to", ISLE_APPLY_ALL);
	assert_diff(dir, "from", "to", 0);
	assert_int_equal(isle_meta_read(dir, "target", &target), 0);
	assert_int_equal(target.st.stx_mtime.tv_sec, 6);
	assert_int_equal(target.st.stx_uid, geteuid());
	assert_int_equal(target.st.stx_mode, S_IFREG | 0644);
	assert_int_equal(target.xattr_count, 0);
}

static void test_apply_to_fifo_directory_and_descriptor(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int dir = unit_dir(state);
	auto_fd int sub = -1;

	assert_int_equal(mkfifoat(dir, "from", 0640), 0);
	assert_int_equal(mkfifoat(dir, "to", 0600), 0);
	set_times(dir, "from", 1, 2, 3, 4);
	apply(dir, "from", "to", ISLE_APPLY_ALL);
	assert_diff(dir, "from", "to", 0);

	assert_int_equal(mkdirat(dir, "d", 0750), 0);
	assert_int_equal(mkdirat(dir, "e", 0700), 0);
	set_xattr(state, "d", "user.d", "d", 1);
	set_times(dir, "d", 1, 2, 3, 4);
	assert_int_equal(isle_meta_read(dir, "d", &meta), 0);
	sub = openat(dir, "e", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(isle_meta_apply(sub, "", &meta, ISLE_APPLY_ALL), 0);
	assert_diff(dir, "d", "e", 0);
	assert_int_equal(isle_meta_apply(dir, "none", &meta, ISLE_APPLY_ALL), -ENOENT);
}

static void test_apply_refused(void **state)
{
	auto_meta struct isle_meta meta = ISLE_META_INIT;
	int before = unit_count_fds();
	int dir = unit_dir(state);

	if (is_root())
		skip();
	unit_write(dir, "f", "");
	assert_int_equal(isle_meta_read(dir, "f", &meta), 0);
	meta.st.stx_uid = 0;
	assert_int_equal(isle_meta_apply(dir, "f", &meta, ISLE_APPLY_ALL), -EPERM);
	assert_int_equal(unit_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_dir_test(test_read),
		unit_dir_test(test_read_the_descriptor_itself),
		unit_dir_test(test_read_big_and_many),
		cmocka_unit_test(test_read_largest_value),
		unit_dir_test(test_read_follows_and_opens_nothing),
		unit_dir_test(test_compare),
		unit_dir_test(test_compare_types),
		unit_dir_test(test_compare_different_types),
		unit_dir_test(test_xattr_calls),
		unit_dir_test(test_compare_devices_owner_acl_caps),
		unit_dir_test(test_apply_each),
		unit_dir_test(test_apply_all_as_root),
		unit_dir_test(test_apply_same_owner_is_not_set),
		unit_dir_test(test_apply_to_a_link_not_its_target),
		unit_dir_test(test_apply_to_fifo_directory_and_descriptor),
		unit_dir_test(test_apply_refused),
	};

	unit_old_kernel();
	umask(022);
	return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
