/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least program that isolates as isle does: the same namespaces and overlay mounts, no supervisor, no filter, no
 * terminal, nothing remembered. What isle costs beyond it is isle's own. It is the yardstick of bench/run, not a tool.
 *
 *   bare [-d DIR] [-r DIR] [-p] [-x WORD]... -- CMD [ARG...]
 *   bare -j PID -- CMD [ARG...]       joins the namespaces of PID (that of init, printed by -x stay)
 *
 *   -d  the layers are made in a new directory in DIR (/var/tmp)    -r  they are those of an earlier call, in DIR
 *   -p  prints what each step took, in microseconds
 *   -x  leaves out or changes a step, to learn what it costs: see `experiments`
 *
 * As root: one overlay of / and the identity map. As a user: the root is a tmpfs with one overlay for each directory;
 * a directory that has a mount below it is a plain one with overlays in it, since overlayfs refuses such a lower.
 * The layers stay; who calls it removes them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum experiment {
	X_DURABLE = 1 << 0,
	X_NO_NET = 1 << 1,
	X_NO_PID = 1 << 2,
	X_NO_OVERLAY = 1 << 3,
	X_ONE_USER = 1 << 4,
	X_NO_IPC = 1 << 5,
	X_NO_UTS = 1 << 6,
	X_NO_CGROUP = 1 << 7,
	X_STAY = 1 << 8,
	X_BEHIND = 1 << 9,
	X_NO_USER = 1 << 10,
	X_NO_PROC = 1 << 11,
	X_TABLE = 1 << 12,
	X_AGAIN = 1 << 13, /* of -r */
};

static const struct {
	const char *word;
	enum experiment bit;
} experiments[] = {
	{"durable", X_DURABLE}, /* no `volatile` */
	{"no-net", X_NO_NET},	/* without a network namespace; likewise the next ones */
	{"no-pid", X_NO_PID},
	{"no-ipc", X_NO_IPC},
	{"no-uts", X_NO_UTS},
	{"no-cgroup", X_NO_CGROUP},
	{"no-user", X_NO_USER},	      /* root only */
	{"no-proc", X_NO_PROC},	      /* the host's proc stays */
	{"no-overlay", X_NO_OVERLAY}, /* binds instead of overlays */
	{"one-user", X_ONE_USER},     /* as a user: without the nested user namespace */
	{"stay", X_STAY},	      /* init stays until its stdin ends, after CMD has ended */
	{"behind", X_BEHIND},	      /* a further process holds the mounts: their end is not waited for */
	{"table", X_TABLE},	      /* fork() instead of vfork() for the last process */
};

enum { MARKS_MAX = 128, MOUNTS_MAX = 256, STACK_SIZE = 256 * 1024 };

static struct {
	int count;
	struct {
		const char *name;
		long long ns;
	} list[MARKS_MAX];
} * marks; /* shared with the children */

static struct {
	unsigned x;
	const char *layers, *root;
	char **argv;
	uid_t uid;
	gid_t gid;
	int number; /* of the next layer */
	int ready[2], mapped[2];
	char *mounts[MOUNTS_MAX];
	int mount_count;
	char directory[PATH_MAX];
} bare;

static void die(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void check(int result, const char *what)
{
	if (result < 0)
		die(what);
}

static void mark(const char *name)
{
	struct timespec t;

	if (!marks || marks->count == MARKS_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	marks->list[marks->count].name = name;
	marks->list[marks->count++].ns = t.tv_sec * 1000000000LL + t.tv_nsec;
}

static const char *format(char *buffer, size_t size, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	if (vsnprintf(buffer, size, text, list) >= (int)size) {
		errno = ENAMETOOLONG;
		die(text);
	}
	va_end(list);
	return buffer;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	check(fd, path);
	if (write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void map_own_id(void)
{
	char map[64];

	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", format(map, sizeof map, "%u %u 1", bare.uid, bare.uid));
	write_file("/proc/self/gid_map", format(map, sizeof map, "%u %u 1", bare.gid, bare.gid));
}

/* A map of more than one's own id takes a process outside that has the right to it. */
static void map_all_ids(pid_t pid)
{
	char path[64];

	write_file(format(path, sizeof path, "/proc/%d/uid_map", pid), "0 0 4294967295");
	write_file(format(path, sizeof path, "/proc/%d/gid_map", pid), "0 0 4294967295");
}

static void tell(int fd)
{
	check((int)write(fd, "", 1), "write");
}

static void await(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(125);
}

/* Where something is mounted, without / itself. */
static void read_mounts(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char path[PATH_MAX];

	if (!file)
		die("mountinfo");
	while (fscanf(file, "%*s %*s %*s %*s %4095s%*[^\n]", path) == 1)
		if (path[1] && bare.mount_count < MOUNTS_MAX)
			bare.mounts[bare.mount_count++] = strdup(path);
	fclose(file);
}

/* 2: something is mounted below path, 1: on it, 0: neither */
static int mounts_at(const char *path)
{
	size_t length = strlen(path);
	int found = 0;

	for (int i = 0; i < bare.mount_count; i++) {
		if (strncmp(bare.mounts[i], path, length) != 0)
			continue;
		if (bare.mounts[i][length] == '/')
			return 2;
		if (!bare.mounts[i][length])
			found = 1;
	}
	return found;
}

/* A volatile overlay refuses a work directory that another one was not taken back from. */
static void renew_volatile(const char *work)
{
	char path[PATH_MAX];

	unlink(format(path, sizeof path, "%s/work/incompat/volatile/dirty", work));
	rmdir(format(path, sizeof path, "%s/work/incompat/volatile", work));
	mark("remove volatile mark");
}

static int overlay(const char *lower, const char *target)
{
	const char *rest = bare.uid ? "userxattr" : "redirect_dir=on,index=on,xino=auto,metacopy=on";
	char upper[PATH_MAX], work[PATH_MAX], options[4 * PATH_MAX];

	if (bare.x & X_NO_OVERLAY)
		return mount(lower, target, NULL, MS_BIND | MS_REC, NULL);
	format(options, sizeof options, "%s/%d", bare.layers, bare.number++);
	format(upper, sizeof upper, "%s/upper", options);
	format(work, sizeof work, "%s/work", options);
	mkdir(options, 0700);
	mkdir(upper, 0755);
	mkdir(work, 0700);
	mark("3 x mkdir");
	if (bare.x & X_AGAIN)
		renew_volatile(work);
	format(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,%s%s", lower, upper, work, rest,
	       bare.x & X_DURABLE ? "" : ",volatile");
	return mount("overlay", target, "overlay", MS_NOSUID * !!bare.uid, options);
}

static void compose(const char *path);

static void compose_entry(const char *path, const struct dirent *entry)
{
	char from[PATH_MAX], to[PATH_MAX], link[PATH_MAX];
	ssize_t length;

	format(from, sizeof from, "%s/%s", path, entry->d_name);
	format(to, sizeof to, "%s%s", bare.root, from);
	if (entry->d_type == DT_LNK) {
		length = readlink(from, link, sizeof link - 1);
		if (length >= 0) {
			link[length] = 0;
			check(symlink(link, to), to);
		}
	}
	if (entry->d_type != DT_DIR || !strcmp(from, "/proc") || !strcmp(from, "/sys") || !strcmp(from, "/dev"))
		return;
	check(mkdir(to, 0755), to);
	if (mounts_at(from) == 2) {
		compose(from);
		return;
	}
	mark("mkdir target");
	if (overlay(from, to) < 0 && errno != EACCES && errno != EPERM)
		die(from);
	mark("overlay");
}

/* A composite directory: its children each on their own. path is "" for the root. */
static void compose(const char *path)
{
	DIR *directory = opendir(*path ? path : "/");

	if (!directory)
		return;
	for (struct dirent *entry; (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			compose_entry(path, entry);
	closedir(directory);
}

static void mount_root(void)
{
	if (!bare.uid) {
		check(overlay("/", bare.root), "overlay");
		mark("overlay");
		return;
	}
	check(mount("tmpfs", bare.root, "tmpfs", 0, "size=1m,mode=755"), "tmpfs");
	mark("tmpfs");
	compose("");
}

static void mount_special(void)
{
	static const char *const binds[] = {"/dev", "/sys"};
	char to[PATH_MAX];

	for (size_t i = 0; i < 2; i++) {
		format(to, sizeof to, "%s%s", bare.root, binds[i]);
		if (bare.uid)
			check(mkdir(to, 0755), to);
		check(mount(binds[i], to, NULL, MS_BIND | MS_REC, NULL), to);
	}
	mark("bind /dev /sys");
	format(to, sizeof to, "%s/proc", bare.root);
	if (bare.uid)
		check(mkdir(to, 0755), to);
	if (bare.x & (X_NO_PROC | X_NO_PID))
		check(mount("/proc", to, NULL, MS_BIND | MS_REC, NULL), to);
	else
		check(mount("proc", to, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), to);
	mark("proc");
}

static void enter_root(void)
{
	check(chdir(bare.root), bare.root);
	check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	mark("pivot_root");
	check(umount2(".", MNT_DETACH), "umount");
	mark("umount old root");
	if (chdir(bare.directory) < 0)
		check(chdir("/"), "/");
}

static pid_t start_command(void)
{
	pid_t pid = bare.x & X_TABLE ? fork() : vfork();

	if (pid == 0) {
		execvp(bare.argv[0], bare.argv);
		die(bare.argv[0]);
	}
	return pid;
}

/* pid 1: starts CMD, reaps, gives its status. */
static int init(void)
{
	int status = 0, result = 125;
	pid_t pid, command = start_command();

	check(command, "fork");
	mark("fork+exec");
	while ((pid = wait(&status)) > 0)
		if (pid == command)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	mark("CMD");
	if (bare.x & X_STAY) {
		char c;

		while (read(0, &c, 1) > 0)
			;
	}
	return result;
}

static int isolated(void *unused)
{
	(void)unused;
	mark("clone");
	close(bare.mapped[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bare.uid) {
		map_own_id();
		mark("id maps");
	}
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	mark("make private");
	mount_root();
	mount_special();
	enter_root();
	if (!bare.uid && !(bare.x & X_NO_USER)) {
		check(unshare(CLONE_NEWUSER), "user namespace");
		mark("user namespace");
		tell(bare.ready[1]);
		await(bare.mapped[0]);
		mark("id maps");
	} else if (bare.uid && !(bare.x & X_ONE_USER)) {
		check(unshare(CLONE_NEWUSER), "nested user namespace");
		mark("user namespace");
		map_own_id();
		mark("id maps");
	}
	if (bare.uid)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (bare.x & X_BEHIND) {
		tell(bare.ready[1]);
		await(bare.mapped[0]);
	}
	return init();
}

static int clone_flags(void)
{
	unsigned flags = CLONE_NEWNS;

	flags |= bare.x & X_NO_PID ? 0 : CLONE_NEWPID;
	flags |= bare.x & X_NO_NET ? 0 : CLONE_NEWNET;
	flags |= bare.x & X_NO_IPC ? 0 : CLONE_NEWIPC;
	flags |= bare.x & X_NO_UTS ? 0 : CLONE_NEWUTS;
	flags |= bare.x & X_NO_CGROUP ? 0 : CLONE_NEWCGROUP;
	flags |= bare.uid ? CLONE_NEWUSER : 0;
	return (int)flags;
}

static pid_t clone_isolated(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		die("stack");
	mark("start");
	return clone(isolated, stack + STACK_SIZE, clone_flags() | SIGCHLD, NULL);
}

/* Holds the mount namespace of pid until the caller is gone, so that whoever waits for pid does not wait for the end
 * of its mounts. */
static void hold_behind(pid_t pid)
{
	char path[64], c;

	await(bare.ready[0]);
	if (open(format(path, sizeof path, "/proc/%d/ns/mnt", pid), O_RDONLY | O_CLOEXEC) < 0)
		die(path);
	if (fork() == 0) {
		close(0), close(1), close(2);
		while (read(bare.ready[0], &c, 1) > 0) /* until init is gone */
			;
		_exit(0);
	}
	tell(bare.mapped[1]);
}

static void print_marks(void)
{
	for (int i = 1; marks && i < marks->count; i++)
		fprintf(stderr, "%8.1f  %s\n", (double)(marks->list[i].ns - marks->list[i - 1].ns) / 1000,
			marks->list[i].name);
}

static int join(pid_t pid)
{
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), user, status;
	char path[64];

	check(fd, "pidfd_open");
	mark("start");
	user = open(format(path, sizeof path, "/proc/%d/ns/user", pid), O_RDONLY | O_CLOEXEC);
	check(user, path);
	if (bare.uid) {
		int outer = ioctl(user, NS_GET_PARENT);

		check(outer, "outer user namespace");
		check(setns(outer, CLONE_NEWUSER), "outer user namespace");
	}
	check(setns(fd, flags), "setns");
	check(setns(user, CLONE_NEWUSER), "user namespace");
	mark("setns");
	if (chdir(bare.directory) < 0)
		check(chdir("/"), "/");
	pid_t command = start_command();

	check(command, "fork");
	mark("fork+exec");
	while (waitpid(command, &status, 0) < 0)
		;
	mark("CMD");
	print_marks();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static unsigned experiment(const char *word)
{
	for (size_t i = 0; i < sizeof experiments / sizeof *experiments; i++)
		if (!strcmp(experiments[i].word, word))
			return experiments[i].bit;
	errno = EINVAL;
	die(word);
	return 0;
}

static int run(void)
{
	int status;
	pid_t pid;

	read_mounts();
	check(pipe2(bare.ready, O_CLOEXEC), "pipe");
	check(pipe2(bare.mapped, O_CLOEXEC), "pipe");
	pid = clone_isolated();
	check(pid, "clone");
	close(bare.ready[1]);
	if (!bare.uid && !(bare.x & X_NO_USER)) {
		await(bare.ready[0]);
		map_all_ids(pid);
		tell(bare.mapped[1]);
	}
	if (bare.x & X_BEHIND)
		hold_behind(pid);
	while (waitpid(pid, &status, 0) < 0)
		;
	mark("end of namespaces");
	print_marks();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const char *store = "/var/tmp", *layers = NULL;
	char buffer[PATH_MAX], root[PATH_MAX];
	pid_t target = 0;
	int option;

	bare.uid = geteuid();
	bare.gid = getegid();
	if (!getcwd(bare.directory, sizeof bare.directory))
		format(bare.directory, sizeof bare.directory, "/");
	while ((option = getopt(argc, argv, "+d:r:j:px:")) != -1) {
		if (option == 'd')
			store = optarg;
		else if (option == 'r')
			layers = optarg, bare.x |= X_AGAIN;
		else if (option == 'j')
			target = (pid_t)strtol(optarg, NULL, 10);
		else if (option == 'p')
			marks = mmap(NULL, sizeof *marks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		else if (option == 'x')
			bare.x |= experiment(optarg);
		else
			return 2;
	}
	bare.argv = argv + optind;
	if (!*bare.argv) {
		fprintf(stderr, "usage: bare [-d DIR] [-r DIR] [-j PID] [-p] [-x WORD]... -- CMD [ARG...]\n");
		return 2;
	}
	if (target)
		return join(target);
	if (!layers)
		layers = mkdtemp((char *)format(buffer, sizeof buffer, "%s/bare.XXXXXX", store));
	if (!layers)
		die(store);
	bare.layers = layers;
	bare.root = format(root, sizeof root, "%s/root", layers);
	mkdir(root, 0755);
	return run();
}
