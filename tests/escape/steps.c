/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of an attempt: system calls by their kernel names, with arguments as README.md describes. Calls that take
 * a path relative to a directory can be written in their old form (open, chmod ...), which not every architecture has.
 */
#include "escape.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 16, VARIABLES_MAX = 16, CONNECT_MS = 600, LINK_MS = 6000 };

struct variable {
	char name[16];
	long value;
};

struct steps {
	struct variable variables[VARIABLES_MAX];
	size_t count;
	long length; /* of the last argument that is memory */
	const char *problem;
	const char *word;
};

static long set_problem(struct steps *s, const char *problem, const char *word)
{
	s->problem = problem;
	s->word = word;
	return 0;
}

static void *keep(struct steps *s, const void *data, size_t size)
{
	char *copy = calloc(1, size + 16);

	if (copy && data)
		memcpy(copy, data, size);
	s->length = (long)size;
	return copy;
}

/* The interface that leads out, once there is one: the first socket starts the network. "lo" where none will come. */
static const char *way_out(void)
{
	static char name[IF_NAMESIZE];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int patience = host("ESCAPE_NET") && strcmp(host("ESCAPE_NET"), "internet") == 0 ? LINK_MS : 0;

	if (name[0])
		return name;
	for (int waited = 0; !name[0] || strcmp(name, "lo") == 0; waited += 20) {
		struct if_nameindex *all = if_nameindex();

		for (struct if_nameindex *i = all; i && i->if_index; i++)
			if (!name[0] || strcmp(name, "lo") == 0)
				snprintf(name, sizeof(name), "%s", i->if_name);
		if_freenameindex(all);
		if (waited >= patience)
			break;
		usleep(20000);
	}
	close(fd);
	return name[0] ? name : "lo";
}

/* inet:ADDRESS:PORT, inet6:[ADDRESS]:PORT (link-local ones with the way out as scope), unix:PATH, abstract:NAME */
static long parse_address(struct steps *s, const char *word)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char text[64];
	unsigned port;

	if (sscanf(word, "inet:%63[0-9.]:%u", text, &port) == 2 && inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		in.sin_port = htons((uint16_t)port);
		return (long)keep(s, &in, sizeof(in));
	}
	if (sscanf(word, "inet6:[%63[0-9a-f.:]]:%u", text, &port) == 2 &&
	    inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		in6.sin6_port = htons((uint16_t)port);
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || IN6_IS_ADDR_MULTICAST(&in6.sin6_addr))
			in6.sin6_scope_id = if_nametoindex(way_out());
		return (long)keep(s, &in6, sizeof(in6));
	}
	if (strncmp(word, "unix:", 5) == 0 && strlen(word + 5) < sizeof(un.sun_path)) {
		strncpy(un.sun_path, word + 5, sizeof(un.sun_path) - 1);
		return (long)keep(s, &un, sizeof(un));
	}
	if (strncmp(word, "abstract:", 9) == 0 && strlen(word + 9) < sizeof(un.sun_path) - 1) {
		memcpy(un.sun_path + 1, word + 9, strlen(word + 9));
		return (long)keep(s, &un, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(word + 9));
	}
	return set_problem(s, "no such address", word);
}

static long parse_hex(struct steps *s, const char *word)
{
	unsigned char bytes[256];
	size_t count = 0;
	unsigned byte;

	for (; count < sizeof(bytes) && sscanf(word, "%2x", &byte) == 1; word += 2)
		bytes[count++] = (unsigned char)byte;
	return (long)keep(s, bytes, count);
}

/* A|B|C of numbers, constants and variables */
static long parse_number(struct steps *s, const char *word)
{
	char copy[256], *rest = copy, *part;
	long total = 0;

	snprintf(copy, sizeof(copy), "%s", word);
	while ((part = strsep(&rest, "|"))) {
		char *end;
		long value;
		int negative = part[0] == '~';

		part += negative;
		value = part[0] == '-' ? strtol(part, &end, 0) : (long)strtoul(part, &end, 0);
		if ((!part[0] || *end) && constant(part, &value) < 0)
			return set_problem(s, "no such word", word);
		total |= negative ? ~value : value;
	}
	return total;
}

static long parse_variable(struct steps *s, const char *name)
{
	for (size_t i = s->count; i > 0; i--)
		if (strcmp(s->variables[i - 1].name, name) == 0)
			return s->variables[i - 1].value;
	if (strcmp(name, "self") == 0)
		return getpid();
	if (strcmp(name, "leader") == 0)
		return getsid(0);
	if (strcmp(name, "runner") == 0)
		return getppid();
	if (strcmp(name, "uid") == 0)
		return getuid();
	return set_problem(s, "no such variable", name);
}

static long parse_memory(struct steps *s, const char *word, const char *colon)
{
	size_t kind = (size_t)(colon - word);

	if (strncmp(word, "buf", kind) == 0)
		return (long)keep(s, NULL, (size_t)strtoul(colon + 1, NULL, 0));
	if (strncmp(word, "hex", kind) == 0)
		return parse_hex(s, colon + 1);
	if (strncmp(word, "int", kind) == 0) {
		int value = (int)parse_number(s, colon + 1);

		return (long)keep(s, &value, sizeof(value));
	}
	if (strncmp(word, "long", kind) == 0) {
		long value = parse_number(s, colon + 1);

		return (long)keep(s, &value, sizeof(value));
	}
	if (strncmp(word, "rlimit", kind) == 0) {
		long value = parse_number(s, colon + 1), both[2] = {value, value};

		return (long)keep(s, both, sizeof(both));
	}
	if (strncmp(word, "dev", kind) == 0) {
		unsigned major_number = 0, minor_number = 0;

		if (sscanf(colon + 1, "%u:%u", &major_number, &minor_number) != 2)
			return set_problem(s, "no such device", word);
		return (long)makedev(major_number, minor_number);
	}
	return parse_address(s, word);
}

/* A path in which %name stands for the number that this variable has. */
static void *keep_path(struct steps *s, const char *word)
{
	char path[4300];
	const char *percent = strchr(word, '%');
	size_t before = percent ? (size_t)(percent - word) : 0;
	size_t length = percent ? strcspn(percent + 1, "/") : 0;
	char name[16];

	if (!percent || length >= sizeof(name))
		return keep(s, word, strlen(word));
	snprintf(name, length + 1, "%s", percent + 1);
	snprintf(path, sizeof(path), "%.*s%ld%s", (int)before, word, parse_variable(s, name), percent + 1 + length);
	return keep(s, path, strlen(path));
}

static long parse_word(struct steps *s, char *word)
{
	const char *colon = strchr(word, ':');
	size_t length = strlen(word);

	if (word[0] == '"' && length >= 2) {
		word[length - 1] = '\0';
		return (long)keep(s, word + 1, length - 2);
	}
	if (word[0] == '/' || (word[0] == '.' && (!word[1] || word[1] == '/' || word[1] == '.')))
		return (long)keep_path(s, word);
	if (word[0] == '%')
		return parse_variable(s, word + 1);
	if (strcmp(word, "@if") == 0)
		return (long)keep(s, way_out(), strlen(way_out()) + 1);
	if (strcmp(word, "@ifindex") == 0)
		return (long)if_nametoindex(way_out());
	if (strcmp(word, "@ifindex-int") == 0 || strcmp(word, "@ifindex-net") == 0) {
		int index = (int)if_nametoindex(way_out());

		index = word[9] == 'n' ? (int)htonl((uint32_t)index) : index;
		return (long)keep(s, &index, sizeof(index));
	}
	if (strcmp(word, "len") == 0)
		return s->length;
	if (strcmp(word, "null") == 0)
		return 0;
	return colon ? parse_memory(s, word, colon) : parse_number(s, word);
}

/* Old forms: the call that is made, and what comes before and after the arguments. */
static const struct {
	const char *name, *call;
	unsigned at; /* AT_FDCWD stands here as well: bit n, argument n */
	int last;    /* a flag at argument n, 0: none */
	long flag;
} forms[] = {
	{"open", "openat", 1, 0, 0},	     {"chmod", "fchmodat", 1, 0, 0},
	{"chown", "fchownat", 1, 4, 0},	     {"lchown", "fchownat", 1, 4, AT_SYMLINK_NOFOLLOW},
	{"mkdir", "mkdirat", 1, 0, 0},	     {"mknod", "mknodat", 1, 0, 0},
	{"unlink", "unlinkat", 1, 2, 0},     {"rmdir", "unlinkat", 1, 2, AT_REMOVEDIR},
	{"rename", "renameat2", 5, 4, 0},    {"link", "linkat", 5, 4, 0},
	{"symlink", "symlinkat", 2, 0, 0},   {"access", "faccessat", 1, 0, 0},
	{"stat", "newfstatat", 1, 3, 0},     {"utimes", "utimensat", 1, 3, 0},
	{"readlink", "readlinkat", 1, 0, 0},
};

static long make_call(struct steps *s, const char *name, const long *given, size_t count)
{
	long a[8] = {0};
	long number = -1;
	size_t n = 0;
	struct timeval limit = {0, CONNECT_MS * 1000};

	for (size_t f = 0; f < ARRAY_SIZE(forms) && number < 0; f++) {
		if (strcmp(forms[f].name, name) != 0)
			continue;
		number = call_number(forms[f].call);
		for (size_t i = 0; n < 6 && (i < count || forms[f].at >> n);) {
			if (forms[f].at & 1U << n)
				a[n++] = AT_FDCWD;
			else if (i < count)
				a[n++] = given[i++];
			else
				break;
		}
		if (forms[f].last)
			a[forms[f].last] = forms[f].flag;
	}
	if (number < 0) {
		number = call_number(name);
		memcpy(a, given, count * sizeof(*a));
	}
	if (number < 0 && sscanf(name, "call-%ld", &number) != 1)
		return set_problem(s, "no such call", name);
	long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (result >= 0 && number == SYS_socket && (a[0] == AF_INET || a[0] == AF_INET6))
		setsockopt((int)result, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return result < 0 ? -errno : result;
}

/* wait FD MS: until something comes; -ETIMEDOUT. */
static long wait_reply(long fd, long milliseconds)
{
	struct pollfd poller = {.fd = (int)fd, .events = POLLIN};
	char bytes[512];
	long got;

	if (poll(&poller, 1, (int)milliseconds) <= 0)
		return -ETIMEDOUT;
	got = read((int)fd, bytes, sizeof(bytes));
	return got < 0 ? -errno : got > 0 ? got : -EPIPE;
}

/* pktinfo FD SOURCE ADDRESS LENGTH TEXT: a datagram out of the way out, with this source (0: any). */
static long send_from(long fd, uint32_t source, void *address, long length, char *words)
{
	char room[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
	struct iovec text = {words, strlen(words)};
	struct msghdr message = {.msg_name = address,
				 .msg_namelen = (socklen_t)length,
				 .msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = room};
	int index = (int)if_nametoindex(way_out());
	struct in_pktinfo info = {.ipi_ifindex = index, .ipi_spec_dst.s_addr = source};
	struct in6_pktinfo info6 = {.ipi6_ifindex = (unsigned)index};
	int six = ((struct sockaddr *)address)->sa_family == AF_INET6;
	struct cmsghdr *control = (struct cmsghdr *)(void *)room;

	message.msg_controllen = six ? CMSG_SPACE(sizeof(info6)) : CMSG_SPACE(sizeof(info));
	*control = (struct cmsghdr){.cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP,
				    .cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO,
				    .cmsg_len = six ? CMSG_LEN(sizeof(info6)) : CMSG_LEN(sizeof(info))};
	if (six)
		memcpy(CMSG_DATA(control), &info6, sizeof(info6));
	else
		memcpy(CMSG_DATA(control), &info, sizeof(info));
	return sendmsg((int)fd, &message, 0) < 0 ? -errno : 0;
}

/* -ECHILD for any failure of the program: what it did is what counts. */
static long run_program(char *const *words)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(words[0], words);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static long run_special(const char *name)
{
	static const struct attempts *const all[] = {&attempts_calls, &attempts_files, &attempts_links, &attempts_host};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t k = 0; k < all[i]->count; k++)
			if (strcmp(all[i]->list[k].name, name) == 0)
				_exit(all[i]->list[k].function());
	return -ENOENT;
}

/* A child that dies by a signal, for core files. */
static long crash(int number)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(number, SIG_DFL);
		kill(getpid(), number);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) && WCOREDUMP(status) ? 1 : -ENOENT;
}

static long do_step(struct steps *s, char **words, size_t count)
{
	long a[WORDS_MAX] = {0};

	if (strcmp(words[0], "do") == 0 && count == 2)
		return run_special(words[1]);
	if (strcmp(words[0], "exec") == 0 && count > 1)
		return run_program(words + 1);
	for (size_t i = 1; i < count && !s->problem; i++)
		a[i - 1] = parse_word(s, words[i]);
	if (s->problem)
		return 0;
	if (strcmp(words[0], "wait") == 0)
		return wait_reply(a[0], a[1]);
	if (strcmp(words[0], "sleep") == 0)
		return usleep((useconds_t)a[0] * 1000);
	if (strcmp(words[0], "pktinfo") == 0)
		return send_from(a[0], htonl((uint32_t)a[1]), (void *)a[2], a[3], (char *)a[4]);
	if (strcmp(words[0], "crash") == 0)
		return crash((int)a[0]);
	if (strcmp(words[0], "fork") == 0)
		return fork() == 0 ? 0 : (_exit(REFUSED), 0);
	return make_call(s, words[0], a, count - 1);
}

static long run_step(struct steps *s, char *text)
{
	char *words[WORDS_MAX + 1] = {NULL}, *word;
	char *equals;
	size_t count = 0;
	long result;

	while ((word = strsep(&text, " \t")))
		if (*word && count < WORDS_MAX)
			words[count++] = word;
	if (count == 0)
		return set_problem(s, "an empty step", "");
	equals = strchr(words[0], '=');
	if (equals)
		*equals++ = '\0';
	word = equals ? words[0] : NULL;
	words[0] = equals ? equals : words[0];
	result = do_step(s, words, count);
	if (word && s->count < VARIABLES_MAX) {
		snprintf(s->variables[s->count].name, sizeof(s->variables[0].name), "%s", word);
		s->variables[s->count++].value = result;
	}
	return result;
}

/* A step that begins with "?" may fail. */
long run_steps(char *text)
{
	struct steps s = {0};
	long result = 0;
	char *step;

	while ((step = strsep(&text, ";"))) {
		step += strspn(step, " \t");
		int may_fail = step[0] == '?';

		result = run_step(&s, step + may_fail);
		if (s.problem) {
			tell("%s: %s", s.problem, s.word);
			return STEPS_UNTRIED;
		}
		if (result < 0 && !may_fail)
			return result;
	}
	return result;
}
