/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which walls this machine has.
 *
 * A feature is tested by using it, in a child that is thrown away; version numbers and configuration files are read
 * only to explain a failure (walls_explain.c). Each wall has one function here that returns 0 or -errno. They run one
 * after the other in one child, in the order of walls_probes[], because each needs what the ones before set up; the
 * results come back through shared memory, so that a child that is killed has failed in all that it did not do.
 */
#include "walls.h"
#include "core_dump.h"
#include "kernel.h"
#include "macros.h"
#include "netfilter.h"
#include "path.h"
#include "trap.h"
#include "walls_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *const wall_names[ISLE_WALL_COUNT] = {
	"userns",  "mountns",  "pidns",	  "ipcns",  "utsns",	 "netns",    "cgroupns",
	"overlay", "landlock", "seccomp", "notify", "netfilter", "coredump",
};

static struct walls_result result;
static const char *place;

const char *isle_wall_name(enum isle_wall wall)
{
	return wall_names[__builtin_ctz(wall)];
}

unsigned isle_wall_by_name(const char *name)
{
	for (unsigned i = 0; i < ISLE_WALL_COUNT; i++)
		if (strcmp(name, wall_names[i]) == 0)
			return 1U << i;
	return 0;
}

void isle_walls_place(const char *directory)
{
	place = directory;
	result.known = false;
}

static int write_line(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int map_self(uid_t uid, gid_t gid)
{
	char line[64];
	int r;

	r = write_line("/proc/self/setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return r;
	snprintf(line, sizeof(line), "%u %u 1", uid, uid);
	r = write_line("/proc/self/uid_map", line);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%u %u 1", gid, gid);
	return write_line("/proc/self/gid_map", line);
}

/* A namespace without power over the others is of no use: Ubuntu's AppArmor gives such. ENOSPC: a limit on the others,
 * which comes after the look at that power. */
static int probe_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	r = map_self(uid, gid);
	if (r < 0)
		return r;
	return unshare(CLONE_NEWUTS) < 0 && errno != ENOSPC ? -errno : 0;
}

static int probe_mountns(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int probe_utsns(void)
{
	char name[65];

	if (unshare(CLONE_NEWUTS) < 0 || gethostname(name, sizeof(name)) < 0)
		return -errno;
	return sethostname(name, strlen(name)) < 0 ? -errno : 0;
}

static int probe_ipcns(void)
{
	return unshare(CLONE_NEWIPC) < 0 ? -errno : 0;
}

static int probe_netns(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

/* In the network namespace of before: the rules as a run has them. */
static int enter_netfilter(void)
{
	const struct isle_net_addresses none = ISLE_NET_ADDRESSES_INIT;

	return isle_netfilter_apply(&(struct isle_netfilter){.own = &none}, NULL);
}

static int probe_cgroupns(void)
{
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

/* Runs function in a child and returns what it returned. */
static int in_child(int (*function)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int r = function();

		_exit(r < 0 ? -r : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int probe_netfilter(void)
{
	return in_child(enter_netfilter);
}

static int mount_proc(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (getpid() != 1)
		return -EIO;
	return mount("proc", "/proc", "proc", flags, NULL) < 0 ? -errno : 0;
}

/* A process namespace is of use only with a /proc of its own. It is mounted in a mount namespace of the user namespace:
 * as root, the one so far belongs to the host. */
static int probe_pidns(void)
{
	if (unshare(CLONE_NEWPID) < 0 || unshare(CLONE_NEWNS) < 0)
		return -errno;
	return in_child(mount_proc);
}

/* In the current directory, which holds lower/f. The deletion makes a whiteout. */
static int try_overlay(const char *upper, const char *work, const char *more)
{
	char options[256];
	int r = 0;

	if ((mkdir(upper, 0700) < 0 && errno != EEXIST) || (mkdir(work, 0700) < 0 && errno != EEXIST))
		return -errno;
	snprintf(options, sizeof(options), "lowerdir=lower,upperdir=%s,workdir=%s%s", upper, work, more);
	if (mount("isle", "merged", "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		return -errno;
	if (unlink("merged/f") < 0 || mkdir("merged/f", 0700) < 0)
		r = -errno;
	if (umount2("merged", MNT_DETACH) < 0 && r == 0)
		r = -errno;
	return r;
}

static bool root_mode(void)
{
	return geteuid() == 0;
}

static int probe_overlay(void)
{
	if (result.place_error < 0)
		return result.place_error;
	if (chdir(result.directory) < 0)
		return -errno;
	return try_overlay("upper", "work",
			   root_mode() ? ",redirect_dir=on,index=on,xino=auto,metacopy=on" : ",userxattr");
}

static int probe_volatile(void)
{
	if (result.place_error < 0)
		return result.place_error;
	return try_overlay("upper2", "work2", root_mode() ? ",volatile" : ",userxattr,volatile");
}

static unsigned filter_flags(void)
{
	return root_mode() ? ISLE_FILTER_ROOT : 0;
}

static int enter_landlock(void)
{
	auto_fd int root = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return -errno;
	r = isle_landlock_enter(root, filter_flags());
	if (r < 0)
		return r;
	/* Not below the only place where writing is allowed. */
	if (open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0)
		return -EIO;
	return 0;
}

static int probe_landlock(void)
{
	return in_child(enter_landlock);
}

static int enter_filter(void)
{
	int r = isle_filter_enter(filter_flags());

	if (r < 0)
		return r;
	if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0 || errno != ENOSYS)
		return -EIO;
	return 0;
}

static int probe_seccomp(void)
{
	return in_child(enter_filter);
}

static int enter_notify(void)
{
	int r = isle_filter_notify(filter_flags(), ISLE_TRAP_NET);

	return r < 0 ? r : 0;
}

static int probe_notify(void)
{
	return in_child(enter_notify);
}

/* That the filter keeps the limit: a program inside would set 0. */
static int keep_limit(void)
{
	const struct rlimit lower = {0, 0};
	struct rlimit before, after;
	int r = isle_core_forbid();

	if (r >= 0 && getrlimit(RLIMIT_CORE, &before) < 0)
		r = -errno;
	if (r >= 0)
		r = isle_filter_enter(filter_flags());
	if (r < 0)
		return r;
	isle_ignore(setrlimit(RLIMIT_CORE, &lower));
	if (getrlimit(RLIMIT_CORE, &after) < 0)
		return -errno;
	return after.rlim_cur == before.rlim_cur && after.rlim_max == before.rlim_max ? 0 : -EIO;
}

static int probe_coredump(void)
{
	int r = isle_core_wall();

	return r < 0 ? r : in_child(keep_limit);
}

struct walls_probe {
	unsigned index; /* bit of enum isle_wall, or WALLS_VOLATILE */
	int (*function)(void);
};

#define INDEX(wall) ((unsigned)__builtin_ctz(wall))

/* The limit of core dumps is set while the machine's powers are there, as init does it.
 * As the user, a user namespace comes before the mounts; as root it comes after them. */
static const struct walls_probe as_user[] = {
	{INDEX(ISLE_WALL_COREDUMP), probe_coredump},
	{INDEX(ISLE_WALL_USERNS), probe_userns},
	{INDEX(ISLE_WALL_MOUNTNS), probe_mountns},
	{INDEX(ISLE_WALL_OVERLAY), probe_overlay},
	{WALLS_VOLATILE, probe_volatile},
};

static const struct walls_probe as_root[] = {
	{INDEX(ISLE_WALL_COREDUMP), probe_coredump}, {INDEX(ISLE_WALL_MOUNTNS), probe_mountns},
	{INDEX(ISLE_WALL_OVERLAY), probe_overlay},   {WALLS_VOLATILE, probe_volatile},
	{INDEX(ISLE_WALL_USERNS), probe_userns},
};

static const struct walls_probe as_both[] = {
	{INDEX(ISLE_WALL_UTSNS), probe_utsns},	     {INDEX(ISLE_WALL_IPCNS), probe_ipcns},
	{INDEX(ISLE_WALL_NETNS), probe_netns},	     {INDEX(ISLE_WALL_CGROUPNS), probe_cgroupns},
	{INDEX(ISLE_WALL_LANDLOCK), probe_landlock}, {INDEX(ISLE_WALL_SECCOMP), probe_seccomp},
	{INDEX(ISLE_WALL_NOTIFY), probe_notify},     {INDEX(ISLE_WALL_NETFILTER), probe_netfilter},
	{INDEX(ISLE_WALL_PIDNS), probe_pidns},
};

static void probe_list(const struct walls_probe *list, size_t count, int *errors)
{
	for (size_t i = 0; i < count; i++)
		errors[list[i].index] = list[i].function();
}

static void probe_all(int *errors)
{
	bool root = root_mode();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	probe_list(root ? as_root : as_user, root ? ARRAY_SIZE(as_root) : ARRAY_SIZE(as_user), errors);
	probe_list(as_both, ARRAY_SIZE(as_both), errors);
}

/* The directory in which overlays are tried, with what they need. Returns a descriptor of its parent. */
static int make_directory(const char *parent)
{
	auto_fd int fd = -1;

	snprintf(result.directory, sizeof(result.directory), "%s/.isle-probe-XXXXXX", parent);
	if (!mkdtemp(result.directory))
		return -errno;
	fd = open(result.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || mkdirat(fd, "lower", 0700) < 0 || mkdirat(fd, "merged", 0700) < 0)
		return -errno;
	if (mknodat(fd, "lower/f", S_IFREG | 0600, 0) < 0)
		return -errno;
	return open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_directory(int parent)
{
	if (isle_remove_tree(parent, strrchr(result.directory, '/') + 1) < 0)
		rmdir(result.directory);
}

static void run_probes(int *errors)
{
	pid_t pid = fork();

	if (pid == 0) {
		probe_all(errors);
		_exit(0);
	}
	if (pid < 0)
		errors[0] = -errno;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void probe(void)
{
	const size_t size = sizeof(result.errors);
	auto_fd int parent = -1;
	int *errors;

	for (unsigned i = 0; i < ARRAY_SIZE(result.errors); i++)
		result.errors[i] = -EIO;
	result.known = true;
	errors = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (errors == MAP_FAILED)
		return;
	memcpy(errors, result.errors, size);
	parent = make_directory(place ? place : access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp");
	result.place_error = parent < 0 ? parent : 0;
	run_probes(errors);
	memcpy(result.errors, errors, size);
	munmap(errors, size);
	if (parent >= 0)
		remove_directory(parent);
}

const struct walls_result *isle_walls_result(void)
{
	if (!result.known)
		probe();
	return &result;
}

unsigned isle_walls_probe(void)
{
	const struct walls_result *known = isle_walls_result();
	unsigned walls = 0;

	for (unsigned i = 0; i < ISLE_WALL_COUNT; i++)
		if (known->errors[i] == 0)
			walls |= 1U << i;
	return walls;
}

struct isle_walls_details isle_walls_details(void)
{
	const struct walls_result *known = isle_walls_result();
	int abi = isle_landlock_abi();

	return (struct isle_walls_details){
		.landlock_abi = abi < 0 || known->errors[INDEX(ISLE_WALL_LANDLOCK)] < 0 ? 0 : abi,
		.volatile_overlay = known->errors[WALLS_VOLATILE] == 0,
	};
}
