/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a supervisor of open(2) costs: every openat(2) of CMD waits for a notification, whose receiver copies
 * the path and lets the call go on. One process, nothing looked at, nothing recorded: the floor for isle.
 *
 *   notify [-n] CMD [ARG...]
 *
 *   -n  the path is not copied either
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SET_FLAGS = SECCOMP_IOW(4, __u64), SYNC_WAKE_UP = 1 }; /* Linux 6.6 */

static void die(const char *what)
{
	fprintf(stderr, "notify: %s: %s\n", what, strerror(errno));
	_exit(125);
}

union control {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void pass_on(int socket, int fd)
{
	char byte = 0;
	union control control = {.align = {
					 .cmsg_len = CMSG_LEN(sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS,
				 }};
	struct iovec data = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	if (sendmsg(socket, &m, 0) < 0)
		die("sendmsg");
	close(fd);
}

static int take(int socket)
{
	char byte;
	int fd;
	union control control;
	struct iovec data = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) <= 0 || m.msg_controllen == 0)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
	return fd;
}

static void run(int socket, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("prctl");
	int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		die("seccomp");
	pass_on(socket, listener);
	execvp(argv[0], argv);
	die(argv[0]);
}

static void answer(int listener, bool copies)
{
	struct seccomp_notif call = {0};
	char path[256];

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return;
	struct iovec here = {path, sizeof(path)};
	struct iovec there = {(void *)(uintptr_t)call.data.args[1],
			      sizeof(path)}; /* NOLINT(performance-no-int-to-ptr) */
	if (copies && process_vm_readv((pid_t)call.pid, &here, 1, &there, 1, 0) < 0 && errno != EFAULT)
		die("process_vm_readv");
	struct seccomp_notif_resp go_on = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on) < 0 && errno != ENOENT)
		die("SECCOMP_IOCTL_NOTIF_SEND");
}

int main(int argc, char **argv)
{
	bool copies = true;
	int pair[2];
	int status;

	for (int option; (option = getopt(argc, argv, "+n")) != -1;) {
		if (option != 'n')
			return 2;
		copies = false;
	}
	if (optind == argc || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("usage: notify [-n] CMD [ARG...]");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		run(pair[1], argv + optind);
	close(pair[1]);
	struct pollfd listener = {.fd = take(pair[0]), .events = POLLIN};
	if (ioctl(listener.fd, SET_FLAGS, SYNC_WAKE_UP) < 0)
		fprintf(stderr, "notify: no wake-up on the same processor (before Linux 6.6)\n");
	while (poll(&listener, 1, -1) > 0 && (listener.revents & POLLHUP) == 0)
		answer(listener.fd, copies);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
