/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the identity-mapped root owns by plain ownership: /proc/sys, /sys, device nodes; and what must not be seen at
 * all. Opening for writing is as far as these go: nothing is written.
 */
#include "escape.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ESCAPED when the file can be opened like this. One that is not there is as good as masked. */
static int can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return REFUSED;
	tell("%s", path);
	close(fd);
	return ESCAPED;
}

static int try_core_pattern(void)
{
	return can_open("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int try_sysrq(void)
{
	return can_open("/proc/sysrq-trigger", O_WRONLY);
}

static int seen, found;

/* One object of a tree: regular files for writing, and the same mode once more for all that is owned. ns_last_pid is
 * the isle's own, open to everybody; write(2) looks at powers. */
static int try_object(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)walk;
	if (++seen > 60000 || found >= 5)
		return 1;
	if (type != FTW_F && type != FTW_D)
		return 0;
	if (type == FTW_F && S_ISREG(st->st_mode) && strcmp(path, "/proc/sys/kernel/ns_last_pid") != 0 &&
	    can_open(path, O_WRONLY) == ESCAPED)
		found++;
	if (chmod(path, st->st_mode & 07777) == 0) {
		tell("chmod %s", path);
		found++;
	}
	return 0;
}

static int try_tree(const char *path)
{
	seen = found = 0;
	if (access(path, F_OK) < 0)
		return ABSENT;
	if (nftw(path, try_object, 32, FTW_PHYS) < 0 || seen == 0)
		return UNTRIED;
	return found ? ESCAPED : REFUSED;
}

static int try_proc_sys(void)
{
	return try_tree("/proc/sys");
}

static int try_sys(void)
{
	return try_tree("/sys");
}

static int try_proc_machine(void)
{
	static const char *const trees[] = {"/proc/irq",    "/proc/bus",  "/proc/fs",
					    "/proc/asound", "/proc/acpi", "/proc/scsi"};
	int worst = REFUSED;

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++)
		if (try_tree(trees[i]) == ESCAPED)
			worst = ESCAPED;
	return worst;
}

/* Identity-mapped root can open any file of proc. EIO: there is nothing that would take what is written. */
static int takes_writes(const char *path)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int outcome = REFUSED;

	if (fd < 0)
		return REFUSED;
	if (write(fd, "", 0) >= 0 || errno != EIO) {
		tell("%s", path);
		outcome = ESCAPED;
	}
	close(fd);
	return outcome;
}

/* Files directly in /proc: none of them belongs to a process. */
static int try_proc_files(void)
{
	DIR *proc = opendir("/proc");
	int worst = REFUSED;
	struct dirent *entry;

	if (!proc)
		return UNTRIED;
	while ((entry = readdir(proc))) {
		char path[300];

		snprintf(path, sizeof(path), "/proc/%s", entry->d_name);
		if (entry->d_type == DT_REG && takes_writes(path) == ESCAPED)
			worst = ESCAPED;
	}
	closedir(proc);
	return worst;
}

static int try_read_memory(void)
{
	static const char *const files[] = {"/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list",
					    "/dev/mem",	   "/dev/kmem",	 "/dev/port",  "/dev/kmsg"};
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(files[i], O_RDONLY | O_NONBLOCK);

		/* What is masked is /dev/null. */
		if (fd >= 0 && read(fd, &byte, 1) != 0 && errno != EPERM) {
			tell("%s", files[i]);
			return ESCAPED;
		}
		if (fd >= 0)
			close(fd);
	}
	return REFUSED;
}

static int try_device(mode_t type, unsigned major_number, unsigned minor_number)
{
	char path[4200];
	int fd = scratch(path, sizeof(path));
	int outcome = REFUSED;

	if (fd < 0)
		return UNTRIED;
	close(fd);
	unlink(path);
	if (mknod(path, type | 0600, makedev(major_number, minor_number)) == 0) {
		outcome = can_open(path, O_RDONLY);
		unlink(path);
	}
	return outcome;
}

static int try_mknod_memory(void)
{
	return try_device(S_IFCHR, 1, 1);
}

static int try_mknod_kmsg(void)
{
	return try_device(S_IFCHR, 1, 11);
}

/* ESCAPE_DISK: MAJOR:MINOR of the disk of the host's root. */
static int try_mknod_disk(void)
{
	unsigned major_number, minor_number;

	if (!host("ESCAPE_DISK") || sscanf(host("ESCAPE_DISK"), "%u:%u", &major_number, &minor_number) != 2)
		return UNTRIED;
	return try_device(S_IFBLK, major_number, minor_number);
}

static int try_node(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)type;
	(void)walk;
	seen++;
	if (S_ISBLK(st->st_mode))
		found += can_open(path, O_RDONLY) == ESCAPED;
	/* Memory, null, full, zero, random: 1; terminals: 5; ptys: 136..143. What else is there is the machine's, but
	 * for /dev/net/tun and /dev/fuse, which have no power by themselves. */
	if (S_ISCHR(st->st_mode) && !(major(st->st_rdev) == 1 && minor(st->st_rdev) != 1) && major(st->st_rdev) != 5 &&
	    (major(st->st_rdev) < 136 || major(st->st_rdev) > 143) && st->st_rdev != makedev(10, 200) &&
	    st->st_rdev != makedev(10, 229))
		found += can_open(path, O_RDWR) == ESCAPED;
	return 0;
}

static int try_dev(void)
{
	seen = found = 0;
	if (nftw("/dev", try_node, 32, FTW_PHYS | FTW_MOUNT) < 0 || seen < 3)
		return UNTRIED;
	return found ? ESCAPED : REFUSED;
}

/* ESCAPE_STORE: nothing of the store may be seen, under its own name or through the root of a process. */
static int try_store(void)
{
	const char *store = host("ESCAPE_STORE");
	char path[4200];

	if (!store)
		return UNTRIED;
	snprintf(path, sizeof(path), "%s/isles", store);
	if (access(path, F_OK) == 0)
		return ESCAPED;
	snprintf(path, sizeof(path), "/proc/1/root%s/isles", store);
	if (access(path, F_OK) == 0)
		return ESCAPED;
	snprintf(path, sizeof(path), "%s/catalog.db", store);
	return access(path, F_OK) == 0 ? ESCAPED : REFUSED;
}

/* chroot(2) is allowed where there is CAP_SYS_CHROOT; the way out of it ends at the view's root. */
static int try_chroot(void)
{
	struct stat before, after;
	char path[4200];
	int outcome = REFUSED;

	if (stat("/", &before) < 0 || scratch(path, sizeof(path)) < 0 || unlink(path) < 0 || mkdir(path, 0700) < 0)
		return UNTRIED;
	if (chroot(path) == 0) {
		for (int i = 0; i < 100; i++)
			if (chdir("..") < 0)
				return UNTRIED;
		if (stat(".", &after) < 0 || before.st_dev != after.st_dev || before.st_ino != after.st_ino)
			outcome = ESCAPED;
		if (chroot(".") < 0)
			return UNTRIED;
	}
	rmdir(path);
	return outcome;
}

/* Ordinary users get no power: neither now nor by a set-user-ID program. */
static int try_privileges(void)
{
	char line[256];
	unsigned long long caps = 1;
	FILE *status;

	if (geteuid() == 0)
		return ABSENT;
	status = fopen("/proc/self/status", "re");
	if (!status)
		return UNTRIED;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(status);
	if (caps != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return ESCAPED;
	return REFUSED;
}

/* ESCAPE_FILE, a file of the host: what happens to it here must not happen there; escape.sh looks. */
static int try_write_host(void)
{
	const char *path = host("ESCAPE_FILE");
	int fd = path ? open(path, O_RDWR) : -1;

	if (fd < 0 || write(fd, "escaped", 7) != 7 || chmod(path, 0777) < 0 || close(fd) < 0)
		return UNTRIED;
	return REFUSED;
}

static const struct attempt list[] = {
	{"core-pattern", try_core_pattern},
	{"sysrq", try_sysrq},
	{"proc-sys", try_proc_sys},
	{"sys", try_sys},
	{"proc-machine", try_proc_machine},
	{"proc-files", try_proc_files},
	{"read-memory", try_read_memory},
	{"mknod-memory", try_mknod_memory},
	{"mknod-kmsg", try_mknod_kmsg},
	{"mknod-disk", try_mknod_disk},
	{"dev", try_dev},
	{"store", try_store},
	{"chroot", try_chroot},
	{"privileges", try_privileges},
	{"write-host", try_write_host},
};

const struct attempts attempts_files = {list, ARRAY_SIZE(list)};
