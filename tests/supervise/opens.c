/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaches files in as many ways as the kernel has. Each case runs in a process of its own in directory H and has a
 * directory H/CASE to itself. It ends with 0 when it got what it wanted, with 77 when this kernel or user cannot do it,
 * and prints what was delivered to it: one line "KIND PATH" for each, PATH below H. tests/supervise/opens.sh makes the
 * files and compares.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

/* What is in the descriptor must be what opens.sh has put into every file. */
static void drain(int fd)
{
	char text[8] = "";

	if (fd < 0)
		die("open");
	if (read(fd, text, 4) != 4 || strcmp(text, "host") != 0)
		die("read");
	close(fd);
}

static int dir_of(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY);

	if (fd < 0)
		die(path);
	return fd;
}

static int openat2_(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static void plain(void)
{
	drain(open("plain/a", O_RDONLY));
	drain((int)syscall(SYS_open, "plain/b", O_RDONLY));
	drain((int)syscall(SYS_openat, AT_FDCWD, "plain/./c", O_RDONLY));
	drain(openat2_(AT_FDCWD, "plain//d", O_RDONLY, 0));
	drain(open("plain/e", O_RDWR));
	drain(open("plain/f", O_RDWR | O_APPEND | O_CREAT, 0600));
	puts("content plain/a\ncontent plain/b\ncontent plain/c\ncontent plain/d\ncontent plain/e\ncontent plain/f");
}

static void dots(void)
{
	int dir = dir_of("dots/sub");

	drain(open("dots/sub/../a", O_RDONLY));
	drain(openat(dir, "../b", O_RDONLY));
	if (fchdir(dir) < 0)
		die("fchdir");
	drain(open("../c", O_RDONLY));
	drain(open("../../dots/./sub/..//d", O_RDONLY));
	puts("content dots/a\ncontent dots/b\ncontent dots/c\ncontent dots/d");
}

/* H/links: link -> a, up -> ../links/b, dir -> sub, chain -> link2 -> dir/c, dangling -> gone, loop -> loop */
static void links(void)
{
	drain(open("links/link", O_RDONLY));
	drain(open("links/up", O_RDONLY));
	drain(open("links/chain", O_RDONLY));
	drain(open("links/dir/../b", O_RDONLY));
	if (open("links/dangling", O_RDONLY) >= 0 || open("links/loop", O_RDONLY) >= 0)
		die("links");
	puts("link links/link\ncontent links/a\nlink links/up\ncontent links/b\nlink links/chain\nlink links/link2");
	puts("link links/dir\ncontent links/sub/c\nlink links/dangling\nmissing links/gone\nlink links/loop");
}

static void nofollow(void)
{
	char target[64];

	if (open("nofollow/link", O_RDONLY | O_NOFOLLOW) >= 0 || errno != ELOOP)
		die("nofollow");
	if (readlink("nofollow/link", target, sizeof(target)) != 1)
		die("readlink");
	int link = open("nofollow/other", O_PATH | O_NOFOLLOW);
	if (link < 0 || readlinkat(link, "", target, sizeof(target)) != 1)
		die("readlinkat");
	/* A slash at the end follows the link all the same. */
	int dir = open("nofollow/dir/", O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
	int dot = open("nofollow/dir2/.", O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
	if (dir < 0 || dot < 0)
		die("slash");
	puts("link nofollow/link\nlink nofollow/other\nlink nofollow/dir\nlist nofollow/sub\nlink nofollow/dir2\nlist "
	     "nofollow/sub2");
}

static void opath(void)
{
	char name[64];
	int fd = open("opath/a", O_PATH);

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	drain(open(name, O_RDONLY));
	fd = open("opath/b", O_PATH);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	drain(open(name, O_RDONLY));
	fd = open("opath/c", O_PATH);
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), fd);
	drain(open(name, O_RDONLY));
	fd = open("opath/d", O_PATH);
	snprintf(name, sizeof(name), "/proc/thread-self/fd/%d", fd);
	drain(open(name, O_RDONLY));
	fd = open("opath/e", O_PATH);
	snprintf(name, sizeof(name), "/proc/self/task/%d/fd/%d", getpid(), fd);
	drain(open(name, O_RDONLY));
	puts("content opath/a\ncontent opath/b\ncontent opath/c\ncontent opath/d\ncontent opath/e");
}

/* Ways into /proc that are not written plainly. */
static void magic(void)
{
	char name[64];
	int fd = open("magic/a", O_PATH);
	int proc = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);

	snprintf(name, sizeof(name), "%d", fd);
	drain(openat(proc, name, O_RDONLY));
	fd = open("magic/b", O_PATH);
	snprintf(name, sizeof(name), "/proc/self/../self/fd/%d", fd);
	drain(open(name, O_RDONLY));
	/* magic/self -> /proc/self, as a program may make itself a link */
	fd = open("magic/c", O_PATH);
	snprintf(name, sizeof(name), "magic/self/fd/%d", fd);
	drain(open(name, O_RDONLY));
	drain(open("magic/self/cwd/magic/d", O_RDONLY));
	drain(open("/proc/self/cwd/magic/e", O_RDONLY));
	fd = open("magic/f", O_PATH);
	if (dup2(fd, 0) != 0)
		die("dup2");
	drain(open("/dev/stdin", O_RDONLY));
	fd = open("magic/g", O_PATH);
	if (dup2(fd, 0) != 0)
		die("dup2");
	drain(open("magic/input", O_RDONLY)); /* -> /dev/stdin */
	drain(open("/proc/self/fd/../cwd/magic/h", O_RDONLY));
	puts("content magic/a\ncontent magic/b\ncontent magic/c\ncontent magic/d\ncontent magic/e\ncontent magic/f");
	puts("content magic/g\ncontent magic/h");
}

static void resolve(void)
{
	int dir = dir_of("resolve/root");

	drain(openat2_(dir, "/etc/a", O_RDONLY, RESOLVE_IN_ROOT));
	drain(openat2_(dir, "../../../etc/b", O_RDONLY, RESOLVE_IN_ROOT));
	drain(openat2_(dir, "absolute", O_RDONLY, RESOLVE_IN_ROOT)); /* -> /etc/c */
	drain(openat2_(dir, "etc/d", O_RDONLY, RESOLVE_BENEATH));
	drain(openat2_(dir, "etc/e", O_RDONLY, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV));
	if (openat2_(dir, "/nothing", O_RDONLY, RESOLVE_IN_ROOT) >= 0)
		die("nothing");
	puts("content resolve/root/etc/a\ncontent resolve/root/etc/b\ncontent resolve/root/etc/c\nlink "
	     "resolve/root/absolute");
	puts("content resolve/root/etc/d\ncontent resolve/root/etc/e\nmissing resolve/root/nothing");
}

static void missing(void)
{
	struct stat st;

	if (open("missing/no", O_RDONLY) >= 0 || open("missing/no-dir/below", O_RDONLY) >= 0 ||
	    open("missing/file/below", O_RDONLY) >= 0 || errno != ENOTDIR || chdir("missing/nowhere") == 0 ||
	    readlink("missing/no-link", (char[8]){0}, 8) >= 0 || open("missing/sub/../no-up", O_RDONLY) >= 0 ||
	    open("missing/none/../file", O_RDONLY) >= 0)
		die("missing");
	(void)stat("missing/only-stat", &st);
	execl("missing/no-program", "x", (char *)NULL);
	puts("missing missing/no\nmissing missing/no-dir\nlookup missing/file\nmissing missing/nowhere");
	puts("missing missing/no-link\nmissing missing/no-up\nmissing missing/none\nmissing missing/no-program");
}

static void writing(void)
{
	int fd = open("writing/excl", O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd >= 0)
		die("excl");
	/* Known by the attempt before, but read only now. */
	drain(open("writing/excl", O_RDWR | O_NOFOLLOW));
	/* Cut: nothing of it was read; then it is the isle's own. */
	close(open("writing/cut", O_WRONLY | O_TRUNC));
	close(open("writing/cut2", O_CREAT | O_TRUNC | O_WRONLY, 0600));
	close((int)syscall(SYS_creat, "writing/cut3", 0600));
	fd = open("writing/cut", O_RDONLY);
	close(fd);
	fd = open("writing/own", O_RDWR | O_CREAT, 0600);
	close(fd);
	close(open("writing/own", O_RDONLY));
	if (truncate("writing/short", 4) < 0)
		die("truncate");
	puts("content writing/excl\ncontent writing/short\nown writing/own\nown writing/cut\nown writing/cut2\nown "
	     "writing/cut3");
}

/* What the isle made and removed shows the host's state again. */
static void again(void)
{
	close(open("again/new", O_WRONLY | O_CREAT, 0600));
	close(open("again/new", O_RDONLY));
	unlink("again/new");
	if (open("again/new", O_RDONLY) >= 0)
		die("again");
	puts("missing again/new");
}

static void linkat_empty(void)
{
	char name[64];
	int fd = open("linkat_empty", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		exit(77);
	if (linkat(fd, "", AT_FDCWD, "linkat_empty/new", AT_EMPTY_PATH) < 0 && errno != ENOENT && errno != EPERM)
		die("linkat");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, name, AT_FDCWD, "linkat_empty/newer", AT_SYMLINK_FOLLOW) < 0)
		die("linkat");
	if (access("linkat_empty/newer", F_OK) < 0)
		die("access");
	/* Natively as here: fchmodat2(fd, "", AT_EMPTY_PATH). */
	if (syscall(452, fd, "", 0640, AT_EMPTY_PATH) < 0 && errno != ENOSYS)
		die("fchmodat2");
	puts("own linkat_empty/newer");
}

static void *open_in_thread(void *path)
{
	drain(open(path, O_RDONLY));
	return NULL;
}

static void *change_directory(void *path)
{
	if (chdir(path) < 0)
		die("chdir");
	return NULL;
}

static void threads(void)
{
	pthread_t thread[32];
	char names[32][32];

	for (int i = 0; i < 32; i++) {
		snprintf(names[i], sizeof(names[i]), "threads/t%d", i);
		pthread_create(&thread[i], NULL, open_in_thread, names[i]);
	}
	for (int i = 0; i < 32; i++) {
		pthread_join(thread[i], NULL);
		printf("content %s\n", names[i]);
	}
	/* The current directory is that of all threads. */
	drain(open("threads/before", O_RDONLY));
	pthread_create(&thread[0], NULL, change_directory, "threads/sub");
	pthread_join(thread[0], NULL);
	drain(open("after", O_RDONLY));
	puts("content threads/before\ncontent threads/sub/after");
}

static int shared_child(void *arg)
{
	(void)arg;
	return chdir("shared/sub") < 0 ? 1 : 0;
}

/* Two processes with one current directory. */
static void shared(void)
{
	static char stack[1 << 16];
	int status;

	drain(open("shared/before", O_RDONLY));
	pid_t pid = clone(shared_child, stack + sizeof(stack), CLONE_FS | SIGCHLD, NULL);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("clone");
	drain(open("after", O_RDONLY));
	puts("content shared/before\ncontent shared/sub/after");
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		die("child");
}

static void spawn(void)
{
	char *argv[] = {"prog", NULL};
	pid_t pid;

	if (posix_spawn(&pid, "spawn/one", NULL, NULL, argv, environ) != 0)
		die("posix_spawn");
	wait_for(pid);
	pid = vfork();
	if (pid == 0) {
		execv("spawn/two", argv);
		_exit(1);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		int fd = open("spawn/three", O_PATH | O_CLOEXEC);

		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
		_exit(1);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, dir_of("spawn"), "four", argv, environ, 0);
		_exit(1);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		int fd = open("spawn/script", O_RDONLY);

		fexecve(fd, argv, environ);
		_exit(1);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		execv("spawn/nested", argv); /* #!H/spawn/outer, which is #!/bin/sh */
		_exit(1);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		if (chdir("spawn") < 0)
			_exit(1);
		execv("./relative", argv); /* #!outer */
		_exit(1);
	}
	wait_for(pid);
	puts("exec spawn/one\nexec spawn/two\nexec spawn/three\nexec spawn/four\nexec spawn/script\nexec "
	     "spawn/nested\nexec spawn/outer");
	puts("exec spawn/relative\nexec spawn/outer2");
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	execl("threadexec/prog", "prog", (char *)NULL);
	return NULL;
}

static void threadexec(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread;

		pthread_create(&thread, NULL, exec_in_thread, NULL);
		pause();
	}
	wait_for(pid);
	puts("exec threadexec/prog");
}

/* A name with every byte that a name can have. */
static void bytes(void)
{
	for (int b = 1; b < 256; b++) {
		char name[16];

		if (b == '/' || b == '.')
			continue;
		snprintf(name, sizeof(name), "bytes/%c", b);
		drain(open(name, O_RDONLY));
	}
	drain(open("bytes/x (deleted)", O_RDONLY));
	puts("content bytes/x (deleted)\ncontent bytes/ \ncontent bytes/\\\ncontent bytes/\"");
}

static void jail(void)
{
	if (geteuid() != 0)
		exit(77);
	pid_t pid = fork();
	if (pid == 0) {
		if (chroot("jail") < 0 || chdir("/") < 0)
			die("chroot");
		drain(open("/etc/a", O_RDONLY));
		drain(open("etc/b", O_RDONLY));
		drain(open("../../etc/c", O_RDONLY));
		drain(open("/absolute", O_RDONLY)); /* -> /etc/d */
		if (open("/nothing", O_RDONLY) >= 0)
			die("nothing");
		_exit(0);
	}
	wait_for(pid);
	puts("content jail/etc/a\ncontent jail/etc/b\ncontent jail/etc/c\ncontent jail/etc/d\nlink "
	     "jail/absolute\nmissing jail/nothing");
}

static void undumpable(void)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		die("prctl");
	drain(open("undumpable/a", O_RDONLY));
	puts("content undumpable/a");
}

/* Where the path lies in memory must not matter. */
static void edges(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[4300] = "";

	munmap(page + 4096, 4096);
	memcpy(page + 4096 - 8, "edges/a", 8);
	drain(open(page + 4096 - 8, O_RDONLY));
	if (open(page + 4096, O_RDONLY) >= 0 || errno != EFAULT)
		die("EFAULT");
	memset(page + 4000, 'x', 96);
	if (open(page + 4000, O_RDONLY) >= 0 || errno != EFAULT)
		die("EFAULT at the end");
	/* As long as a path can be. */
	memset(name, '/', 4095);
	memcpy(name + 4095 - 7, "edges/b", 7);
	memcpy(name, "./", 2);
	drain(open(name, O_RDONLY));
	memset(name, 'y', 4096);
	if (open(name, O_RDONLY) >= 0 || errno != ENAMETOOLONG || open("", O_RDONLY) >= 0 || errno != ENOENT)
		die("too long");
	puts("content edges/a\ncontent edges/b");
}

/* A file beyond 4096 levels, further down than a path can name: delivered, so the record says that it is incomplete. */
static void deep(void)
{
	if (chdir("deep") < 0)
		die("chdir");
	for (int i = 0; i < 4096; i++)
		if (chdir("d") < 0)
			die("chdir d");
	drain(open("a", O_RDONLY));
	puts("lost");
}

/* The same in directories that the isle has made: nothing of the host is there. */
static void deepown(void)
{
	if (mkdir("deepown/own", 0700) < 0 || chdir("deepown/own") < 0)
		die("mkdir");
	for (int i = 0; i < 4096; i++)
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			die("mkdir d");
	int fd = open("a", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, "host", 4) != 4)
		die("write");
	drain(open("a", O_RDONLY));
}

/* Renames elsewhere make the kernel give up paths with ".." that it is asked to keep inside a root (EAGAIN). */
static void renames(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(open("renames/x", O_WRONLY | O_CREAT, 0600));
		for (;;)
			if (rename("renames/x", "renames/y") < 0 || rename("renames/y", "renames/x") < 0)
				_exit(1);
	}
	for (int i = 0; i < 2000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "renames/%08d/../../renames/../renames/a", 0);
		drain(open(name, O_RDONLY));
		if (openat(AT_FDCWD, "renames/00000000/../../renames/none", O_RDONLY) >= 0)
			die("none");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	puts("content renames/a\nmissing renames/none");
}

/* A directory that one may not search any more, seen through what was opened before. */
static void closed(void)
{
	int dir = dir_of("closed/sub");

	if (chmod("closed", 0) < 0)
		die("chmod");
	drain(openat(dir, "a", O_RDONLY));
	if (chmod("closed", 0700) < 0)
		die("chmod back");
	puts("content closed/sub/a");
}

static void moved(void)
{
	if (chdir("moved") < 0 || mkdir("own", 0700) < 0 || chdir("own") < 0)
		die("mkdir");
	drain(open("../a", O_RDONLY));
	if (rename("../own", "../../moved/own2") < 0)
		die("rename");
	drain(open("../b", O_RDONLY));
	if (open("none", O_RDONLY) >= 0)
		die("none");
	puts("content moved/a\ncontent moved/b");
}

static void name_it(const char *from, const char *to, unsigned flags)
{
	if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
		die(from);
}

static void put(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | flags, 0600);

	if (fd < 0 || write(fd, "host", 4) != 4)
		die(path);
	close(fd);
}

/* What the host has is read under other names. */
static void carried(void)
{
	if (chdir("carried") < 0)
		die("carried");
	put("own", O_CREAT);
	drain(open("own", O_RDONLY)); /* known, before something else has this name */
	name_it("a", "own", 0);
	drain(open("own", O_RDONLY));
	name_it("b", "b2", 0);
	name_it("b2", "sub/b3", 0);
	drain(open("sub/b3", O_RDWR));
	if (chmod("c", 0640) < 0)
		die("chmod");
	name_it("c", "c2", 0);
	drain(open("c2", O_RDONLY));
	put("own2", O_CREAT);
	name_it("own2", "d", 2 /* RENAME_EXCHANGE */);
	drain(open("own2", O_RDONLY));
	drain(open("d", O_RDONLY));
	name_it("tree", "tree2", 0);
	drain(open("tree2/f", O_RDONLY));
	name_it("tree2/g", "g2", 0);
	drain(open("g2", O_RDONLY));
	name_it("tree2/deep", "deep2", 0);
	drain(open("deep2/h", O_RDONLY));
	name_it("sub", "sub2", 0);
	name_it("e", "sub2/e2", 0);
	name_it("sub2", "sub3", 0);
	drain(open("sub3/e2", O_RDONLY));
	name_it("x", "x2", 0);
	put("x2", O_TRUNC);
	drain(open("x2", O_RDONLY));
	if (unlink("tree2/y") < 0)
		die("unlink");
	put("tree2/y", O_CREAT);
	drain(open("tree2/y", O_RDONLY));
	puts("content carried/a\ncontent carried/b\ncontent carried/c\ncontent carried/d\ncontent carried/e");
	puts("content carried/tree/f\ncontent carried/tree/g\ncontent carried/tree/deep/h\nown carried/x\nown "
	     "carried/tree/y");
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"plain", plain},
	{"dots", dots},
	{"links", links},
	{"nofollow", nofollow},
	{"opath", opath},
	{"magic", magic},
	{"resolve", resolve},
	{"missing", missing},
	{"writing", writing},
	{"again", again},
	{"linkat_empty", linkat_empty},
	{"threads", threads},
	{"shared", shared},
	{"spawn", spawn},
	{"threadexec", threadexec},
	{"bytes", bytes},
	{"jail", jail},
	{"undumpable", undumpable},
	{"edges", edges},
	{"deep", deep},
	{"deepown", deepown},
	{"renames", renames},
	{"closed", closed},
	{"moved", moved},
	{"carried", carried},
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, argv[1]) == 0) {
			cases[i].run();
			return fflush(stdout) == 0 ? 0 : 1;
		}
	for (size_t i = 0; argc == 1 && i < sizeof(cases) / sizeof(cases[0]); i++)
		puts(cases[i].name);
	return argc == 1 ? 0 : 2;
}
