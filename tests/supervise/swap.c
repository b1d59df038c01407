/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races against whoever looks at the arguments of a call before the kernel does: a thread swaps the path, all the time,
 * between DIR/o, which is allowed, and DIR/h, which is not. tests/supervise/races.sh
 *
 *   swap WHAT DIR SECONDS         exit 0: DIR/h was refused or led to nothing of the host; 1: it was reached; 2: no
 * race swap guard WHAT DIR SECONDS   the same below a supervisor that refuses DIR/h when it sees it and lets the kernel
 * do all else: what isle must not be. Ends with 1 where this program is able to race at all
 *
 *   connect   DIR/h is a socket of the host, which sends "H"; DIR/o one of our own
 *   open      DIR/h/file is hidden, it says "H"; DIR/o/file says "O"
 *   write     DIR/h is a link to a file of /proc that is the machine's; DIR/o is a file
 *   exec      DIR/h is a program that ends with 9 when it may do what it must not; DIR/o ends with 0
 *   node      DIR/h is a link to another directory; a memory device is made in both, and opened
 *   how       openat2(2) of DIR/o, whose flags are swapped between reading and overwriting
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { OWN, REACHED, FAILED, OUTCOMES };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static volatile char *const path = address.sun_path;
static volatile char *letter; /* what is swapped */
static struct open_how how;
static int reads_how;

static void die(const char *what)
{
	fprintf(stderr, "swap: %s: %s\n", what, strerror(errno));
	_exit(3);
}

static void *swap(void *unused)
{
	for (;;) {
		if (reads_how) {
			*(volatile uint64_t *)&how.flags = O_WRONLY | O_TRUNC;
			*(volatile uint64_t *)&how.flags = O_RDONLY;
			continue;
		}
		*letter = 'h';
		for (volatile int i = 0; i < 20; i++)
			;
		*letter = 'o';
		for (volatile int i = 0; i < 20; i++)
			;
	}
	return unused;
}

static int say(int fd)
{
	char c = '\0';
	int r = read(fd, &c, 1) == 1 && c == 'H' ? REACHED : c == 'O' ? OWN : FAILED;

	close(fd);
	return r;
}

static void *serve(void *listener)
{
	for (;;) {
		int fd = accept((int)(intptr_t)listener, NULL, NULL);

		if (fd < 0 || write(fd, "O", 1) != 1)
			die("accept");
		close(fd);
	}
	return NULL;
}

static void start_server(void)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	*letter = 'o';
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		die("server");
	pthread_create(&thread, NULL, serve, (void *)(intptr_t)listener);
}

static int try_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return say(fd);
	close(fd);
	return FAILED;
}

static int try_open(void)
{
	int fd = open((const char *)path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? FAILED : say(fd);
}

static int try_write(void)
{
	int fd = open((const char *)path, O_WRONLY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return FAILED;
	if (fstatfs(fd, &fs) < 0)
		die("fstatfs");
	close(fd);
	return fs.f_type == PROC_SUPER_MAGIC ? REACHED : OWN;
}

/* With vfork(2): the other thread goes on swapping in the memory that the child shares. */
static int try_exec(void)
{
	char *argv[] = {"swap", "report", NULL};
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execve((const char *)path, argv, environ);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		die("exec");
	return WEXITSTATUS(status) == 9 ? REACHED : WEXITSTATUS(status) == 0 ? OWN : FAILED;
}

static int try_node(void)
{
	int made = mknod((const char *)path, S_IFCHR | 0666, makedev(1, 1)) == 0;
	int outcome = made ? OWN : FAILED;

	for (int i = 0; i < 2; i++) {
		char fixed[sizeof(address.sun_path)];

		memcpy(fixed, address.sun_path, sizeof(fixed));
		fixed[letter - path] = "oh"[i];
		int fd = open(fixed, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			outcome = REACHED;
		close(fd);
		unlink(fixed);
	}
	return outcome;
}

static int try_how(void)
{
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0)
		die("openat2");
	int r = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? OWN : FAILED;
	close(fd);
	return r;
}

static const struct attempt {
	const char *name, *below; /* the letter */
	int (*function)(void);
} attempts[] = {
	{"connect", "", try_connect}, {"open", "/file", try_open}, {"write", "", try_write},
	{"exec", "", try_exec},	      {"node", "/node", try_node}, {"how", "", try_how},
};

static int listener = -1;

/* Looks, and lets go on: the mistake that this is all about. */
static void *guard(void *unused)
{
	for (;;) {
		struct seccomp_notif call;
		struct seccomp_notif_resp answer;
		char text[sizeof(address.sun_path)] = "";

		memset(&call, 0, sizeof(call));
		memset(&answer, 0, sizeof(answer));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			continue;
		bool net = call.data.nr == SYS_connect, at = call.data.nr == SYS_openat;
		uint64_t where = call.data.args[net || at ? 1 : 0] + (net ? offsetof(struct sockaddr_un, sun_path) : 0);
		struct iovec local = {text, sizeof(text) - 1}, remote = {(void *)(uintptr_t)where, sizeof(text) - 1};
		ssize_t n = process_vm_readv((pid_t)call.pid, &local, 1, &remote, 1, 0);
		answer.id = call.id;
		if (n > 0 && strncmp(text, (const char *)path, (size_t)(letter - path)) == 0 &&
		    text[letter - path] == 'h')
			answer.error = -EPERM;
		else
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return unused;
}

/* Of this thread and what it starts. */
static void start_guard(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {6, code};
	pthread_t thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	/* The thread is started before: it must not have the filter itself. It has nothing to receive yet. */
	pthread_create(&thread, NULL, guard, NULL);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		die("listener");
}

static int race(const struct attempt *attempt, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned count[OUTCOMES] = {0};
	pthread_t thread;

	pthread_create(&thread, NULL, swap, NULL);
	while (time(NULL) < end && count[REACHED] == 0)
		for (int i = 0; i < 50; i++)
			count[attempt->function()]++;
	printf("%s: %u of our own, %u refused, %u reached\n", attempt->name, count[OWN], count[FAILED], count[REACHED]);
	if (count[REACHED] > 0)
		return 1;
	/* A program that runs without what it must not have counts as one of our own. */
	return count[OWN] == 0 || (count[FAILED] == 0 && attempt->function != try_exec) ? 2 : 0;
}

int main(int argc, char **argv)
{
	int guarded = argc > 1 && strcmp(argv[1], "guard") == 0;
	const struct attempt *attempt = NULL;

	if (argc == 2 && strcmp(argv[1], "report") == 0) /* run as DIR/o or DIR/h, which is set-user-ID */
		return geteuid() == getuid() ? 0 : 9;
	argv += guarded;
	if (argc - guarded != 4)
		return 3;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if (strcmp(argv[1], attempts[i].name) == 0)
			attempt = &attempts[i];
	if (!attempt)
		return 3;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/o%s", argv[2], attempt->below);
	letter = path + strlen(argv[2]) + 1;
	reads_how = attempt->function == try_how;
	if (attempt->function == try_connect)
		start_server();
	if (guarded)
		start_guard();
	return race(attempt, atoi(argv[3]));
}
