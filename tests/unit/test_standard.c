/* SPDX-License-Identifier: Apache-2.0 */
/* What CMD gets for each kind of descriptor, and that a file handed in for reading cannot be changed through it. */
#include "macros.h"
#include "standard.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/var/tmp/isle-test-standard-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	int fd = open("file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return fd < 0 || write(fd, "content", 7) != 7 || close(fd) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink("file") < 0 || chdir("/") < 0 || rmdir(directory) < 0 ? -1 : 0;
}

/* The plan of one descriptor as number; the others are /dev/null. */
static int plan(struct isle_standard *s, int number, int fd, struct isle_err *err)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int host[ISLE_STANDARD_COUNT] = {null, null, null};

	host[number] = fd;
	return isle_standard_plan(s, host, 0, err);
}

static void refuses(int number, int fd, const char *text)
{
	struct isle_standard s;
	struct isle_err err = ISLE_ERR_INIT;

	assert_true(fd >= 0);
	assert_int_equal(plan(&s, number, fd, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, text));
	assert_string_not_equal(err.hint, "");
	isle_standard_close(&s);
	close(fd);
}

static void test_refused(void **state)
{
	int pair[2];

	(void)state;
	refuses(0, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "standard input is a directory");
	refuses(2, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "standard error is a directory");
	refuses(1, open(".", O_PATH | O_CLOEXEC), "O_PATH");
	refuses(1, open("file", O_PATH | O_CLOEXEC), "standard output is opened with O_PATH");
	refuses(0, open("/dev/null", O_PATH | O_CLOEXEC), "O_PATH");
	refuses(0, open("/dev/null", O_ACCMODE | O_CLOEXEC), "neither");
	refuses(0, eventfd(0, EFD_CLOEXEC), "kernel");
	refuses(0, open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "kernel");
	refuses(0, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "without a connection");
	refuses(1, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "not a stream");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	refuses(1, pair[0], "not a stream");
	close(pair[1]);
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void test_device(void **state)
{
	struct isle_standard s;
	struct isle_err err = ISLE_ERR_INIT;
	auto_fd int zero = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	(void)state;
	assert_int_equal(plan(&s, 0, zero, &err), 0);
	assert_int_equal(s.setup[0].way, ISLE_STANDARD_DEVICE);
	assert_int_equal(s.setup[0].major, 1);
	assert_int_equal(s.setup[0].minor, 5);
	assert_int_equal(s.setup[0].flags, O_RDONLY | O_NONBLOCK);
	assert_int_equal(s.setup[1].flags, O_RDWR);
	assert_int_equal(s.given[0], -1);
	assert_int_equal(s.channel_count, 0);
	isle_standard_close(&s);
}

/* A terminal is looked at before anything else but O_PATH. */
static void test_terminal(void **state)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int host[ISLE_STANDARD_COUNT] = {null, null, null};
	int fds[ISLE_STANDARD_COUNT];
	struct isle_standard s;

	(void)state;
	assert_int_equal(isle_standard_plan(&s, host, 5, NULL), 0);
	assert_int_equal(s.setup[0].way, ISLE_STANDARD_TERMINAL);
	assert_int_equal(s.setup[1].way, ISLE_STANDARD_DEVICE);
	assert_int_equal(s.setup[2].way, ISLE_STANDARD_TERMINAL);
	assert_int_equal(isle_standard_fds(&s, fds), 0);
	isle_standard_close(&s);
}

/* Two descriptors of one object share a pipe, so that what goes to both stays in order. */
static void test_shared(void **state)
{
	struct isle_standard s;
	int ends[2], fds[ISLE_STANDARD_COUNT];
	char text[8] = "";

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	auto_fd int again = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	int host[ISLE_STANDARD_COUNT] = {ends[0], ends[1], again};
	assert_int_equal(isle_standard_plan(&s, host, 0, NULL), 0);
	assert_int_equal(s.channel_count, 2);
	assert_int_equal(s.given[1], s.given[2]);
	assert_int_not_equal(inode(s.given[1]), inode(ends[1]));
	assert_int_not_equal(inode(s.given[0]), inode(ends[0]));
	assert_int_equal(isle_standard_fds(&s, fds), 3);
	auto_fd int out = fcntl(s.given[1], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(isle_standard_start(&s), 0);
	assert_int_equal(write(out, "text", 4), 4);
	close(fd_take(&out));
	assert_false(isle_standard_end(&s, -1));
	assert_int_equal(read(ends[0], text, sizeof(text)), 4);
	assert_string_equal(text, "text");
	isle_standard_close(&s);
	close(ends[0]);
	close(ends[1]);
}

/* Files of different offsets have nothing in common; those that are appended to have. */
static void test_files(void **state)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd int one = open("file", O_WRONLY | O_CLOEXEC);
	auto_fd int two = open("file", O_WRONLY | O_CLOEXEC);
	auto_fd int end = open("file", O_WRONLY | O_APPEND | O_CLOEXEC);
	auto_fd int end_too = open("file", O_WRONLY | O_APPEND | O_CLOEXEC);
	struct isle_standard s;

	(void)state;
	assert_int_equal(lseek(two, 3, SEEK_SET), 3);
	assert_int_equal(isle_standard_plan(&s, (int[]){null, one, two}, 0, NULL), 0);
	assert_int_equal(s.channel_count, 2);
	isle_standard_close(&s);
	assert_int_equal(isle_standard_plan(&s, (int[]){null, end, end_too}, 0, NULL), 0);
	assert_int_equal(s.channel_count, 1);
	isle_standard_close(&s);
	assert_int_equal(isle_standard_plan(&s, (int[]){null, one, end}, 0, NULL), 0);
	assert_int_equal(s.channel_count, 2);
	isle_standard_close(&s);
}

#define REFUSED(call) (errno = 0, (call) < 0 && errno == EROFS)

static void test_read_only(void **state)
{
	auto_fd int file = open("file", O_RDWR | O_CLOEXEC);
	char path[40], text[8] = "";

	(void)state;
	assert_int_equal(lseek(file, 3, SEEK_SET), 3);
	auto_fd int copy = isle_standard_read_only(file);
	if (copy < 0) {
		assert_int_equal(copy, -EPERM); /* no user namespaces here */
		skip();
	}
	assert_int_equal(inode(copy), inode(file));
	assert_int_equal(read(copy, text, sizeof(text)), 4);
	assert_string_equal(text, "tent");
	assert_int_equal(lseek(file, 0, SEEK_CUR), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	assert_true(REFUSED(open(path, O_WRONLY | O_CLOEXEC)));
	assert_true(REFUSED(open(path, O_RDWR | O_TRUNC | O_CLOEXEC)));
	assert_true(REFUSED(truncate(path, 0)));
	assert_true(REFUSED(fchmod(copy, 04755)));
	assert_true(REFUSED(fchown(copy, getuid(), getgid())));
	assert_true(REFUSED(futimens(copy, NULL)));
	assert_true(REFUSED(fsetxattr(copy, "user.test", "x", 1, 0)));
}

/* What has no path that leads to it is pumped. */
static void test_nameless(void **state)
{
	auto_fd int memory = memfd_create("test", MFD_CLOEXEC);
	struct isle_standard s;

	(void)state;
	assert_int_equal(plan(&s, 0, memory, NULL), 0);
	assert_int_equal(s.channel_count, 1);
	assert_int_not_equal(inode(s.given[0]), inode(memory));
	isle_standard_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_device), cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_shared),	 cmocka_unit_test(test_files),	cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_nameless),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
