/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs whose memory becomes another one. Linked so that `path` is at the same address in all of them: who looks
 * into the memory of before finds the path of before.
 *
 *   memory exec OLD NEW    opens OLD often, becomes `memory open NEW`
 *   memory thread OLD NEW  the same, of a second thread, while the main thread goes on opening OLD
 *   memory vfork OLD NEW   a child that shares the memory opens OLD often and becomes `memory open NEW`
 *   memory open NEW        opens NEW often
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OFTEN = 100 };

static char path[256];
static char **arguments;

static void open_often(void)
{
	for (int i = 0; i < OFTEN; i++)
		close(open(path, O_RDONLY));
}

static void become(void)
{
	char *argv[] = {arguments[0], "open", arguments[3], NULL};

	execv("/proc/self/exe", argv);
	_exit(9);
}

static void *become_in_thread(void *unused)
{
	(void)unused;
	usleep(20000);
	become();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 3)
		return 2;
	arguments = argv;
	snprintf(path, sizeof(path), "%s", argv[2]);
	if (strcmp(argv[1], "exec") == 0) {
		open_often();
		become();
	} else if (strcmp(argv[1], "thread") == 0) {
		if (pthread_create(&thread, NULL, become_in_thread, NULL) != 0)
			return 3;
		for (;;)
			open_often();
	} else if (strcmp(argv[1], "vfork") == 0) {
		pid_t pid = vfork();
		int status = -1;

		if (pid == 0) {
			open_often();
			become();
		}
		waitpid(pid, &status, 0);
		return status == 0 ? 0 : 4;
	}
	open_often();
	return 0;
}
