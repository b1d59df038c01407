/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "io.h"
#include "kernel.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct unit_dir_state {
	int fd;
	char path[256];
};

int unit_dir_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct unit_dir_state *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return -1;
	*state = dir;
	snprintf(dir->path, sizeof(dir->path), "%s/isle-unit.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(dir->path))
		return -1;
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir->fd < 0 ? -1 : 0;
}

int unit_dir_teardown(void **state)
{
	struct unit_dir_state *dir = *state;
	int r = isle_remove_tree(AT_FDCWD, dir->path);

	close(dir->fd);
	free(dir);
	return r;
}

int unit_dir(void **state)
{
	return ((struct unit_dir_state *)*state)->fd;
}

const char *unit_dir_path(void **state)
{
	return ((struct unit_dir_state *)*state)->path;
}

void unit_write(int dir, const char *name, const char *content)
{
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(isle_write_all(fd, content, strlen(content)), 0);
}

void unit_assert_content(int dir, const char *name, const char *content)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;

	assert_int_equal(isle_read_file(dir, name, &buf, 1 << 20), 0);
	assert_int_equal(buf.size, strlen(content));
	if (buf.size > 0)
		assert_memory_equal(buf.data, content, buf.size);
}

int unit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* The present user and group, as root of a user namespace that has just been entered. */
static int map_ids(uid_t uid, gid_t gid)
{
	char map[64];
	int r;

	snprintf(map, sizeof(map), "0 %ld 1", (long)uid);
	r = isle_write_file(AT_FDCWD, "/proc/self/uid_map", map);
	if (r == 0)
		r = isle_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %ld 1", (long)gid);
	return r < 0 ? r : isle_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

int unit_own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
		return -errno;
	r = uid == 0 ? 0 : map_ids(uid, gid);
	if (r < 0)
		return r;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

void unit_missing(const char *what)
{
	if (getenv("ISLE_MUST_WORK"))
		fail_msg("missing: %s", what);
	print_message("missing: %s\n", what);
	skip();
}

int unit_old_kernel(void)
{
	static const unsigned absent[] = {437 /* openat2 */,
					  435 /* clone3 */,
					  436 /* close_range */,
					  463 /* setxattrat */,
					  464 /* getxattrat */,
					  465 /* listxattrat */,
					  466 /* removexattrat */};
	struct sock_filter code[2 * ARRAY_SIZE(absent) + 2];
	struct sock_fprog program = {.filter = code};
	struct open_how how = {.flags = O_PATH};

	if (!getenv("ISLE_TEST_OLD_KERNEL"))
		return 0;
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, absent[i], 0, 1);
		code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || isle_seccomp_filter(0, &program) < 0 ||
	    isle_openat2(AT_FDCWD, ".", &how) != -ENOSYS) {
		fprintf(stderr, "cannot pretend that the kernel is old: %s\n", strerror(errno));
		exit(1);
	}
	return 1;
}
