/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, whole files, copying data, walking and removing trees. */
#include "account.h"
#include "io.h"
#include "kernel.h"
#include "path.h"
#include "unit.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int old_kernel;

static int open_in(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void make_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static void make_link(const char *target, int dir, const char *name)
{
	assert_int_equal(symlinkat(target, dir, name), 0);
}

static int exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Waits for a child made by fork(): its exit status. */
static int child_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_auto_fd_closes(void **state)
{
	int before = unit_count_fds();

	(void)state;
	{
		auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV);
	assert_int_equal(unit_count_fds(), before);
}

static void test_stdio_init_fills_the_gaps(void **state)
{
	pid_t pid = fork();
	struct stat null, st;

	(void)state;
	if (pid == 0) {
		close(0);
		close(2);
		if (isle_stdio_init() != 0 || stat("/dev/null", &null) < 0)
			_exit(1);
		for (int fd = 0; fd <= 2; fd += 2)
			if (fstat(fd, &st) < 0 || st.st_rdev != null.st_rdev || (fcntl(fd, F_GETFD) & FD_CLOEXEC))
				_exit(2);
		if (read(0, &st, 1) != -1 || errno != EBADF || write(2, "", 1) != -1 || errno != EBADF)
			_exit(4);
		if (fcntl(3, F_GETFD) >= 0 && fstat(3, &st) == 0 && st.st_rdev == null.st_rdev)
			_exit(3); /* one more than was missing */
		_exit(0);
	}
	assert_int_equal(child_status(pid), 0);
}

static void test_write_all_to_a_slow_reader(void **state)
{
	enum { SIZE = 300000 };
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	char *data = malloc(SIZE);
	int fds[2];
	pid_t pid;

	(void)state;
	assert_non_null(data);
	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(isle_write_all(fds[1], data, SIZE) == 0 ? 0 : 1);
	}
	close(fds[1]);
	assert_int_equal(isle_read_all(fds[0], &buf, SIZE), 0);
	close(fds[0]);
	assert_int_equal(child_status(pid), 0);
	assert_int_equal(buf.size, SIZE);
	assert_memory_equal(buf.data, data, SIZE);
	free(data);
}

static void test_write_all_fails(void **state)
{
	auto_fd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(isle_write_all(fd, "x", 1), -ENOSPC);
	assert_int_equal(isle_write_all(fd, "", 0), 0);
}

static void test_read_file(void **state)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	int dir = unit_dir(state);

	unit_write(dir, "f", "content");
	unit_write(dir, "empty", "");
	assert_int_equal(isle_buf_adds(&buf, "<"), 0);
	assert_int_equal(isle_read_file(dir, "f", &buf, 7), 0);
	assert_int_equal(isle_read_file(dir, "empty", &buf, 0), 0);
	assert_string_equal(buf.data, "<content");
	assert_int_equal(isle_read_file(dir, "f", &buf, 6), -EFBIG);
	assert_string_equal(buf.data, "<content");
	assert_int_equal(isle_read_file(dir, "none", &buf, 10), -ENOENT);
	assert_int_equal(isle_read_file(dir, ".", &buf, 10), -EISDIR);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(isle_read_file(dir, "fifo", &buf, 10), -EINVAL); /* and does not wait */
	isle_buf_clear(&buf);
	assert_int_equal(isle_read_file(AT_FDCWD, "/proc/self/status", &buf, 1 << 20), 0);
	assert_non_null(strstr(buf.data, "\nPid:"));
}

static void test_write_file(void **state)
{
	int dir = unit_dir(state);

	assert_int_equal(isle_write_file(dir, "f", "x"), -ENOENT); /* it creates nothing */
	unit_write(dir, "f", "12345");
	assert_int_equal(isle_write_file(dir, "f", "ab"), 0);
	unit_assert_content(dir, "f", "ab345");
	assert_int_equal(isle_write_file(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

static int count_entries(int dir)
{
	DIR *list = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int count = 0;

	assert_non_null(list);
	while ((entry = readdir(list)))
		count += isle_component_valid(entry->d_name);
	closedir(list);
	return count;
}

static void test_replace_file(void **state)
{
	int dir = unit_dir(state);
	struct stat st;

	assert_int_equal(isle_replace_file(dir, "f", "one", 3), 0);
	unit_assert_content(dir, "f", "one");
	assert_int_equal(isle_replace_file(dir, "f", "", 0), 0);
	unit_assert_content(dir, "f", "");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	unit_write(dir, "target", "untouched");
	make_link("target", dir, "l");
	assert_int_equal(isle_replace_file(dir, "l", "new", 3), 0);
	unit_assert_content(dir, "target", "untouched");
	unit_assert_content(dir, "l", "new");

	make_dir(dir, "d");
	assert_int_equal(isle_replace_file(dir, "d", "x", 1), -EISDIR);
	assert_int_equal(count_entries(dir), 4); /* nothing temporary is left */
}

/* Asserts that b has the size, the content and no fewer holes than a. */
static void assert_same_data(int dir, const char *a, const char *b, int holes)
{
	auto_buf struct isle_buf x = ISLE_BUF_INIT;
	auto_buf struct isle_buf y = ISLE_BUF_INIT;
	struct stat sa, sb;

	assert_int_equal(fstatat(dir, a, &sa, 0), 0);
	assert_int_equal(fstatat(dir, b, &sb, 0), 0);
	assert_int_equal(sa.st_size, sb.st_size);
	if (holes)
		assert_true(sb.st_blocks <= sa.st_blocks + 16);
	assert_int_equal(isle_read_file(dir, a, &x, 1 << 26), 0);
	assert_int_equal(isle_read_file(dir, b, &y, 1 << 26), 0);
	assert_int_equal(x.size, y.size);
	if (x.size > 0)
		assert_memory_equal(x.data, y.data, x.size);
}

static void copy(int dir, const char *from, const char *to)
{
	auto_fd int in = open_in(dir, from, O_RDONLY);
	auto_fd int out = open_in(dir, to, O_RDWR | O_CREAT);

	assert_int_equal(isle_copy_data(in, out), 0);
}

static void test_copy_data(void **state)
{
	int dir = unit_dir(state);
	auto_fd int sparse = open_in(dir, "sparse", O_RDWR | O_CREAT);

	unit_write(dir, "small", "small");
	unit_write(dir, "empty", "");
	/* hole, data, hole, data, hole */
	assert_int_equal(pwrite(sparse, "middle", 6, 1 << 20), 6);
	assert_int_equal(pwrite(sparse, "later", 5, 5 << 20), 5);
	assert_int_equal(ftruncate(sparse, 9 << 20), 0);

	copy(dir, "small", "a");
	assert_same_data(dir, "small", "a", 0);
	copy(dir, "sparse", "b");
	assert_same_data(dir, "sparse", "b", 1);
	/* onto something longer, whose data must not shine through the holes */
	copy(dir, "sparse", "a");
	copy(dir, "small", "b");
	assert_same_data(dir, "sparse", "a", 1);
	assert_same_data(dir, "small", "b", 0);
	copy(dir, "empty", "a");
	assert_same_data(dir, "empty", "a", 0);
}

static void test_copy_data_all_hole_or_terabyte(void **state)
{
	int dir = unit_dir(state);
	auto_fd int in = open_in(dir, "in", O_RDWR | O_CREAT);
	auto_fd int out = open_in(dir, "out", O_RDWR | O_CREAT);
	struct stat st;

	assert_int_equal(ftruncate(in, (off_t)1 << 40), 0);
	assert_int_equal(isle_copy_data(in, out), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, (off_t)1 << 40);
	assert_true(st.st_blocks < 100);
}

static void test_copy_data_between_file_systems(void **state)
{
	int dir = unit_dir(state);
	auto_fd int out = open_in(dir, "out", O_RDWR | O_CREAT);
	auto_fd int proc = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	auto_fd int shm = memfd_create("isle-unit", MFD_CLOEXEC);
	struct stat st;
	char text[8];

	assert_int_equal(isle_copy_data(proc, out), 0); /* st_size is 0 there */
	assert_int_equal(fstat(out, &st), 0);
	assert_true(st.st_size > 10);
	assert_int_equal(pwrite(shm, "memory", 6, 0), 6);
	assert_int_equal(isle_copy_data(shm, out), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(pread(out, text, sizeof(text), 0), 6);
	assert_memory_equal(text, "memory", 6);
}

static void test_copy_data_fails(void **state)
{
	int dir = unit_dir(state);
	auto_fd int in = -1;
	auto_fd int out = -1;

	unit_write(dir, "f", "x");
	in = open_in(dir, "f", O_RDONLY);
	out = open_in(dir, "g", O_RDONLY | O_CREAT);
	assert_int_equal(isle_copy_data(in, out), -EBADF);
}

/* d/e/f (a file), l -> d, d/up -> .., abs -> / */
static void make_tree(int dir)
{
	make_dir(dir, "d");
	make_dir(dir, "d/e");
	unit_write(dir, "d/e/f", "deep");
	make_link("d", dir, "l");
	make_link("..", dir, "d/up");
	make_link("/", dir, "abs");
}

static int walk_result(int root, const char *path, int flags)
{
	auto_fd int fd = isle_walk(root, path, flags);

	if (fd >= 0)
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd < 0 ? fd : 0;
}

static void test_walk(void **state)
{
	static const struct {
		const char *path;
		int flags, result;
	} rows[] = {
		{"", O_RDONLY | O_DIRECTORY, 0},
		{".", O_PATH, 0},
		{"d/e/f", O_RDONLY, 0},
		{"./d//e/./f", O_RDONLY, 0},
		{"d/e/", O_RDONLY, 0},
		{"d/e/f", O_PATH, 0},
		{"d/e/f", O_PATH | O_NONBLOCK | O_NOCTTY, 0},
		{"none", O_RDONLY, -ENOENT},
		{"d/none/f", O_RDONLY, -ENOENT},
		{"d/e/f/g", O_RDONLY, -ENOTDIR},
		{"d/e/f/", O_RDONLY, -ENOTDIR},
		{"d/e/f", O_RDONLY | O_DIRECTORY, -ENOTDIR},
		{"l", O_RDONLY, -ELOOP},
		{"l", O_RDONLY | O_DIRECTORY, -ELOOP},
		{"l/e/f", O_RDONLY, -ELOOP},
		{"d/up/d", O_RDONLY, -ELOOP},
		{"abs/etc", O_PATH, -ELOOP},
		{"l", O_PATH, 0}, /* the link itself */
		{"/", O_PATH, -EXDEV},
		{"/etc", O_PATH, -EXDEV},
		{"..", O_PATH, -EXDEV},
		{"d/..", O_PATH, -EXDEV},
		{"d/../d", O_PATH, -EXDEV},
		{"..d", O_PATH, -ENOENT},
		{"d..", O_PATH, -ENOENT},
	};
	int dir = unit_dir(state);
	int before = unit_count_fds();

	make_tree(dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = walk_result(dir, rows[i].path, rows[i].flags);

		if (r != rows[i].result)
			fail_msg("'%s' flags %o: %d, not %d", rows[i].path, rows[i].flags, r, rows[i].result);
	}
	assert_int_equal(unit_count_fds(), before);
}

static void test_walk_never_takes_magic_links(void **state)
{
	auto_fd int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(proc >= 0);
	assert_int_equal(walk_result(proc, "root/etc", O_PATH), -ELOOP);
	assert_int_equal(walk_result(proc, "cwd", O_RDONLY), -ELOOP);
	assert_int_equal(walk_result(proc, "fd/0", O_RDONLY), -ELOOP);
	assert_int_equal(walk_result(proc, "status", O_RDONLY), 0);
}

static void test_walk_creates(void **state)
{
	int dir = unit_dir(state);
	struct stat st;

	assert_int_equal(walk_result(dir, "new", O_WRONLY | O_CREAT | O_EXCL), 0);
	assert_int_equal(fstatat(dir, "new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(walk_result(dir, "new", O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
}

/* A tree deeper than PATH_MAX, and the path that leads to its end. */
static char *make_deep(int dir, const char *name, unsigned depth)
{
	struct isle_buf path = ISLE_BUF_INIT;
	auto_fd int at = open_in(dir, ".", O_PATH | O_DIRECTORY);

	for (unsigned i = 0; i < depth; i++) {
		int next;

		make_dir(at, name);
		next = open_in(at, name, O_PATH | O_DIRECTORY);
		close(at);
		at = next;
		isle_buf_addf(&path, "%s%s", i > 0 ? "/" : "", name);
	}
	unit_write(at, "end", "end");
	return isle_buf_take(&path);
}

static void test_walk_deeper_than_path_max(void **state)
{
	int dir = unit_dir(state);
	auto_free char *path = make_deep(dir, "a-name-of-some-length", 300);
	auto_fd int fd = -1;

	assert_true(strlen(path) > PATH_MAX);
	fd = isle_walk(dir, path, O_PATH | O_DIRECTORY);
	assert_true(fd >= 0);
	unit_assert_content(fd, "end", "end");
	make_link(".", fd, "link");
	memcpy(path + strlen(path) - 4, "none", 4);
	assert_int_equal(isle_walk(dir, path, O_PATH), -ENOENT);
}

static void test_walk_long_component(void **state)
{
	char name[NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(walk_result(unit_dir(state), name, O_PATH), -ENAMETOOLONG);
	name[NAME_MAX] = '\0';
	assert_int_equal(walk_result(unit_dir(state), name, O_PATH), -ENOENT);
}

static void test_walk_parent(void **state)
{
	static const char *const bad[] = {"", "/", "d/", "d/..", "d/.", "..", "."};
	int dir = unit_dir(state);
	const char *name = NULL;
	auto_fd int fd = -1;

	make_tree(dir);
	fd = isle_walk_parent(dir, "d/e/f", O_PATH, &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "f");
	unit_assert_content(fd, name, "deep");
	close(fd_take(&fd));
	fd = isle_walk_parent(dir, "new", O_PATH, &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "new");
	name = "kept";
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(isle_walk_parent(dir, bad[i], O_PATH, &name), -EINVAL);
	assert_int_equal(isle_walk_parent(dir, "l/e", O_PATH, &name), -ELOOP);
	assert_int_equal(isle_walk_parent(dir, "/etc", O_PATH, &name), -EXDEV);
	assert_int_equal(isle_walk_parent(dir, "d/e/f/g", O_PATH, &name), -ENOTDIR);
	assert_string_equal(name, "kept");
}

static void test_walk_in_root(void **state)
{
	int dir = unit_dir(state);
	auto_fd int file = -1;
	auto_fd int root = -1;
	struct stat a, b;

	make_tree(dir);
	file = isle_walk_in_root(dir, "/../abs/../l/up/l/e/f", O_RDONLY);
	if (old_kernel) {
		assert_int_equal(file, -ENOSYS);
		return;
	}
	assert_true(file >= 0);
	root = isle_walk_in_root(dir, "abs", O_PATH);
	assert_true(root >= 0);
	assert_int_equal(fstat(root, &a), 0);
	assert_int_equal(fstat(dir, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(isle_walk_in_root(dir, "abs/etc", O_PATH), -ENOENT);
}

static void test_mkdir_walk(void **state)
{
	int dir = unit_dir(state);
	auto_fd int fd = -1;
	auto_fd int again = -1;
	auto_fd int root = -1;
	struct stat st;

	make_tree(dir);
	fd = isle_mkdir_walk(dir, "d/new/x/", 0700);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(dir, "d/new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	again = isle_mkdir_walk(dir, "d/new/x", 0755);
	assert_true(again >= 0);
	root = isle_mkdir_walk(dir, "", 0700);
	assert_true(root >= 0);
	assert_int_equal(isle_mkdir_walk(dir, "l/evil", 0700), -ELOOP);
	assert_int_equal(isle_mkdir_walk(dir, "l", 0700), -ELOOP);
	assert_int_equal(isle_mkdir_walk(dir, "d/e/f", 0700), -ENOTDIR);
	assert_int_equal(isle_mkdir_walk(dir, "d/../x", 0700), -EXDEV);
	assert_int_equal(isle_mkdir_walk(dir, "/x", 0700), -EXDEV);
	assert_false(exists(dir, "d/evil"));
}

static void test_component_valid(void **state)
{
	(void)state;
	assert_true(isle_component_valid("a"));
	assert_true(isle_component_valid("..."));
	assert_true(isle_component_valid("\n"));
	assert_false(isle_component_valid(""));
	assert_false(isle_component_valid("."));
	assert_false(isle_component_valid(".."));
	assert_false(isle_component_valid("a/b"));
	assert_false(isle_component_valid("a/"));
}

static void test_path_below(void **state)
{
	(void)state;
	assert_true(isle_path_below("/a", "/a"));
	assert_true(isle_path_below("/a/b", "/a"));
	assert_true(isle_path_below("/a", "/"));
	assert_true(isle_path_below("/", "/"));
	assert_true(isle_path_below("a/b", "a"));
	assert_true(isle_path_below("/a/b", "/a/"));
	assert_false(isle_path_below("/ab", "/a"));
	assert_false(isle_path_below("/", "/a"));
	assert_false(isle_path_below("/b", "/a"));
}

static void assert_join(const char *dir, const char *name, const char *expected)
{
	auto_free char *path = isle_path_join(dir, name);

	assert_string_equal(path, expected);
}

static void test_path_join(void **state)
{
	(void)state;
	assert_join("/", "b", "/b");
	assert_join("", "b", "b");
	assert_join("/a", "b", "/a/b");
	assert_join("/a/", "b", "/a/b");
	assert_join("/a//", "//b", "/a/b");
	assert_join("a", "b/c", "a/b/c");
	assert_join("", "/b", "/b");
}

static void assert_absolute(const char *path, const char *expected)
{
	auto_free char *absolute = isle_path_absolute(path);

	assert_string_equal(absolute, expected);
}

static void test_path_absolute(void **state)
{
	auto_free char *cwd = getcwd(NULL, 0);
	auto_free char *expected = isle_path_join(cwd, "x");

	(void)state;
	assert_absolute("/", "/");
	assert_absolute("//", "/");
	assert_absolute("/a/b/", "/a/b");
	assert_absolute("/a/./b//c/../d", "/a/b/d");
	assert_absolute("/../..", "/");
	assert_absolute("/a/..", "/");
	assert_absolute("/a/../..b/...", "/..b/...");
	assert_absolute("x", expected);
	assert_absolute("./y/../x/.", expected);
	assert_absolute(".", cwd);
	assert_absolute("", cwd);
}

static void test_readlink(void **state)
{
	int dir = unit_dir(state);
	auto_free char *target = NULL;
	auto_free char *big = NULL;
	char name[4000];

	make_link("target", dir, "l");
	assert_int_equal(isle_readlink(dir, "l", &target), 0);
	assert_string_equal(target, "target");
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	make_link(name, dir, "big");
	assert_int_equal(isle_readlink(dir, "big", &big), 0);
	assert_string_equal(big, name);
	unit_write(dir, "f", "");
	assert_int_equal(isle_readlink(dir, "f", &target), -EINVAL);
	assert_int_equal(isle_readlink(dir, "none", &target), -ENOENT);
	assert_string_equal(target, "target");
}

static void test_remove_tree(void **state)
{
	int dir = unit_dir(state);
	int before = unit_count_fds();

	make_tree(dir);
	make_dir(dir, "outside");
	unit_write(dir, "outside/kept", "kept");
	make_link("../outside", dir, "d/out");
	assert_int_equal(mkfifoat(dir, "d/fifo", 0600), 0);
	assert_int_equal(isle_remove_tree(dir, "d"), 0);
	assert_false(exists(dir, "d"));
	unit_assert_content(dir, "outside/kept", "kept");
	assert_int_equal(isle_remove_tree(dir, "l"), 0); /* a link, file or empty directory alone */
	assert_int_equal(isle_remove_tree(dir, "outside/kept"), 0);
	assert_int_equal(isle_remove_tree(dir, "outside"), 0);
	assert_int_equal(isle_remove_tree(dir, "none"), -ENOENT);
	assert_int_equal(unit_count_fds(), before);
}

static void test_remove_tree_closed_directories(void **state)
{
	int dir = unit_dir(state);

	make_dir(dir, "t");
	make_dir(dir, "t/work");
	make_dir(dir, "t/work/work");
	unit_write(dir, "t/work/work/f", "x");
	unit_write(dir, "t/work/f", "x");
	assert_int_equal(fchmodat(dir, "t/work/work", 0000, 0), 0);
	assert_int_equal(fchmodat(dir, "t/work", 0500, 0), 0);
	assert_int_equal(fchmodat(dir, "t", 0000, 0), 0);
	assert_int_equal(isle_remove_tree(dir, "t"), 0);
	assert_false(exists(dir, "t"));
}

static void test_remove_tree_any_depth(void **state)
{
	int dir = unit_dir(state);
	auto_fd int sub = -1;

	make_dir(dir, "t");
	sub = open_in(dir, "t", O_PATH | O_DIRECTORY);
	free(make_deep(sub, "n", 450));
	free(make_deep(sub, "m", 250));
	unit_write(sub, ".isle-deep.0", "in the way");
	assert_int_equal(isle_remove_tree(dir, "t"), 0);
	assert_false(exists(dir, "t"));
}

/* In a mount namespace of its own: what is mounted inside stays, the rest goes. */
static int remove_around_mount(void)
{
	int r;

	if (unit_own_mounts() < 0)
		return 77;
	if (mount("kept", "t/m", NULL, MS_BIND, NULL) < 0)
		return 1;
	r = isle_remove_tree(AT_FDCWD, "t");
	if (r != -EXDEV && r != -EBUSY)
		return 2;
	if (!exists(AT_FDCWD, "kept/f") || !exists(AT_FDCWD, "t/m/f"))
		return 3;
	if (exists(AT_FDCWD, "t/a") || exists(AT_FDCWD, "t/z"))
		return 4;
	return isle_remove_tree(AT_FDCWD, "t/m") < 0 && exists(AT_FDCWD, "kept/f") ? 0 : 5;
}

static void test_remove_tree_stops_at_mounts(void **state)
{
	int dir = unit_dir(state);
	pid_t pid;
	int status;

	make_dir(dir, "kept");
	unit_write(dir, "kept/f", "kept");
	make_dir(dir, "t");
	make_dir(dir, "t/m");
	unit_write(dir, "t/a", "x");
	unit_write(dir, "t/z", "x");
	pid = fork();
	if (pid == 0)
		_exit(fchdir(dir) == 0 ? remove_around_mount() : 6); /* unshare takes it along */
	status = child_status(pid);
	if (status == 77)
		unit_missing("a mount namespace of one's own");
	assert_int_equal(status, 0);
	unit_assert_content(dir, "kept/f", "kept");
}

static void test_account_home(void **state)
{
	char *home = isle_account_home(0);

	(void)state;
	assert_non_null(home);
	assert_string_equal(home, "/root");
	free(home);
	assert_null(isle_account_home((uid_t)-2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto_fd_closes),
		cmocka_unit_test(test_stdio_init_fills_the_gaps),
		cmocka_unit_test(test_write_all_to_a_slow_reader),
		cmocka_unit_test(test_write_all_fails),
		unit_dir_test(test_read_file),
		unit_dir_test(test_write_file),
		unit_dir_test(test_replace_file),
		unit_dir_test(test_copy_data),
		unit_dir_test(test_copy_data_all_hole_or_terabyte),
		unit_dir_test(test_copy_data_between_file_systems),
		unit_dir_test(test_copy_data_fails),
		unit_dir_test(test_walk),
		cmocka_unit_test(test_walk_never_takes_magic_links),
		unit_dir_test(test_walk_creates),
		unit_dir_test(test_walk_deeper_than_path_max),
		unit_dir_test(test_walk_long_component),
		unit_dir_test(test_walk_parent),
		unit_dir_test(test_walk_in_root),
		unit_dir_test(test_mkdir_walk),
		cmocka_unit_test(test_account_home),
		cmocka_unit_test(test_component_valid),
		cmocka_unit_test(test_path_below),
		cmocka_unit_test(test_path_join),
		cmocka_unit_test(test_path_absolute),
		unit_dir_test(test_readlink),
		unit_dir_test(test_remove_tree),
		unit_dir_test(test_remove_tree_closed_directories),
		unit_dir_test(test_remove_tree_any_depth),
		unit_dir_test(test_remove_tree_stops_at_mounts),
	};

	old_kernel = unit_old_kernel();
	umask(022);
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
