/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   escape                  all attempts; exit 1 when one escaped or could not be tried
 *   escape NAME...          these
 *   escape --handle FILE    (on the host) prints the handle of FILE for ESCAPE_HANDLE
 */
#include "escape.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void tell(const char *format, ...)
{
	va_list args;

	printf("  (");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(")\n");
	fflush(stdout);
}

int refused(long result, int error, int other)
{
	int code = errno;

	if (result < 0 && (code == error || (other && code == other)))
		return REFUSED;
	if (result < 0)
		tell("error %d: %s", code, strerror(code));
	return ESCAPED;
}

const char *host(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

int scratch(char *path, size_t size)
{
	if (!host("ESCAPE_DIR"))
		return -1;
	snprintf(path, size, "%s/escape-XXXXXX", host("ESCAPE_DIR"));
	return mkstemp(path);
}

static int run_attempt(const struct attempt *attempt)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		_exit(attempt->function());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return UNTRIED;
	if (WIFSIGNALED(status)) /* an i386 call on a kernel without that table: SIGSEGV */
		return WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV ? REFUSED : UNTRIED;
	return WEXITSTATUS(status);
}

static int run_named(const struct attempts *all, char *const *names, int *tried)
{
	static const char *const words[] = {"REFUSED", "ESCAPED", "UNTRIED", "absent"};
	int bad = 0;

	for (size_t i = 0; i < all->count; i++) {
		int outcome, wanted = !names[0];

		for (char *const *name = names; *name; name++)
			wanted |= strcmp(*name, all->list[i].name) == 0;
		if (!wanted)
			continue;
		outcome = run_attempt(&all->list[i]);
		if (outcome < REFUSED || outcome > ABSENT)
			outcome = UNTRIED;
		printf("%s %s\n", words[outcome], all->list[i].name);
		bad |= outcome == ESCAPED || outcome == UNTRIED;
		++*tried;
	}
	return bad;
}

static int print_handle(const char *path)
{
	union {
		struct file_handle handle;
		unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, path, &file.handle, &mount_id, 0) < 0)
		return 1;
	printf("%d:", file.handle.handle_type);
	for (unsigned i = 0; i < file.handle.handle_bytes; i++)
		printf("%02x", file.handle.f_handle[i]);
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct attempts *const all[] = {&attempts_calls, &attempts_files, &attempts_links, &attempts_host};
	char link[64] = "";
	int bad = 0, tried = 0;

	if (argc == 3 && strcmp(argv[1], "--handle") == 0)
		return print_handle(argv[2]);
	/* On the host an attempt would work, and do harm. */
	if (readlink("/proc/self/ns/pid", link, sizeof(link) - 1) < 0 || strcmp(link, "pid:[4026531836]") == 0) {
		fprintf(stderr, "escape: this is not the inside of an isle\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		bad |= run_named(all[i], argv + 1, &tried);
	return bad || tried == 0;
}
