/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a trace. What a program chose (names, arguments) goes through isle_quote_add(): nothing of it reaches a
 * terminal as it is unless it is printable.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "quote.h"
#include "trace_internal.h"

enum { NANOSECONDS = 1000000000 };

void isle_program_add(struct isle_buf *buf, const struct isle_trace *trace, const struct isle_trace_exec *exec)
{
	if (exec == NULL) {
		isle_buf_adds(buf, "a process");
		return;
	}
	const char *path = isle_trace_string(trace, exec->path);
	const char *slash = strrchr(path, '/');
	isle_quote_add(buf, slash != NULL && slash[1] != '\0' ? slash + 1 : path);
}

void isle_who_add(struct isle_buf *buf, const struct isle_trace *trace, const struct isle_trace_process *process,
		  int64_t time)
{
	if (process == NULL) {
		isle_buf_adds(buf, "a process that is not known");
		return;
	}
	isle_program_add(buf, trace, isle_trace_program(trace, process, time));
	if (process->pid > 0)
		isle_buf_addf(buf, " (%d)", process->pid);
}

void isle_seconds_add(struct isle_buf *buf, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	isle_buf_addf(buf, "%" PRId64 ".%03" PRId64, ns / NANOSECONDS, ns % NANOSECONDS / 1000000);
}

void isle_clock_add(struct isle_buf *buf, int64_t ns)
{
	time_t seconds = (time_t)(ns / NANOSECONDS);
	struct tm tm;
	char text[32];

	if (ns == 0 || !localtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		isle_buf_adds(buf, "-");
	else
		isle_buf_adds(buf, text);
}

int isle_exit_code(int32_t status)
{
	if (status == -1)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void isle_exit_add(struct isle_buf *buf, int32_t status)
{
	const char *name = status != -1 && WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (name != NULL)
		isle_buf_adds(buf, name);
	else if (status != -1)
		isle_buf_addf(buf, "%d", isle_exit_code(status));
}

/* How many bytes of the first `columns` characters there are; a byte that continues a character has none. */
static size_t bytes_of(const char *text, size_t size, size_t columns)
{
	size_t i = 0;

	for (; i < size; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return i;
}

void isle_columns_cut(struct isle_buf *buf, size_t start, size_t width)
{
	const char *text = buf->data + start;
	size_t size = buf->size - start;

	if (buf->error != 0 || width < 4 || bytes_of(text, size, width) == size)
		return;
	isle_buf_cut(buf, start + bytes_of(text, size, width - 3));
	isle_buf_adds(buf, "...");
}

void isle_address_add(struct isle_buf *buf, const struct isle_event *event)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (event->net.family == AF_INET || event->net.family == AF_INET6) {
		isle_buf_adds(buf, inet_ntop(event->net.family, event->net.address, text, sizeof(text)) ? text : "?");
		isle_buf_addf(buf, " port %u", event->net.port);
		if (*event->path != '\0') {
			isle_buf_adds(buf, " (");
			isle_quote_add(buf, event->path);
			isle_buf_addc(buf, ')');
		}
	} else if (event->net.family == AF_UNIX) {
		isle_quote_add(buf, *event->path != '\0' ? event->path : "a unix socket");
	} else {
		isle_buf_addf(buf, "address family %u", event->net.family);
	}
}

/* --- the words for the numbers of the log --- */

static const char *word(const char *const *words, size_t count, size_t i)
{
	return i < count && words[i] != NULL ? words[i] : "unknown";
}

const char *isle_net_act_name(unsigned act)
{
	static const char *const names[] = {
		[ISLE_NET_CONNECT] = "connect",
		[ISLE_NET_BIND] = "bind",
		[ISLE_NET_SEND] = "send",
	};

	return word(names, ARRAY_SIZE(names), act);
}

const char *isle_refuser_name(unsigned how)
{
	switch ((enum isle_refuser)how) {
	case ISLE_REFUSER_SECCOMP:
		return "seccomp";
	case ISLE_REFUSER_VIEW:
		return "view";
	case ISLE_REFUSER_NETWORK:
		return "network";
	case ISLE_REFUSER_LANDLOCK:
		return "landlock";
	case ISLE_REFUSER_OTHER:
		break;
	}
	return NULL;
}

const char *isle_write_name(unsigned how)
{
	static const char *const names[] = {
		[ISLE_WRITE_OPEN] = "write",	[ISLE_WRITE_TRUNCATE] = "truncate", [ISLE_WRITE_APPEND] = "append",
		[ISLE_WRITE_CREATE] = "create", [ISLE_WRITE_MKDIR] = "mkdir",	    [ISLE_WRITE_REMOVE] = "remove",
		[ISLE_WRITE_RENAME] = "rename", [ISLE_WRITE_LINK] = "link",	    [ISLE_WRITE_SYMLINK] = "symlink",
		[ISLE_WRITE_NODE] = "node",	[ISLE_WRITE_METADATA] = "metadata",
	};

	return word(names, ARRAY_SIZE(names), how);
}

const char *isle_note_name(unsigned how)
{
	static const char *const names[] = {
		[ISLE_NOTE_LINK_SPLIT] = "link-split", [ISLE_NOTE_OWNER] = "owner",
		[ISLE_NOTE_MOVED_TREE] = "moved-tree", [ISLE_NOTE_HOST_MOVED] = "host-moved",
		[ISLE_NOTE_FOLDED] = "folded",
	};

	return word(names, ARRAY_SIZE(names), how);
}

const char *isle_track_name(enum isle_track track)
{
	static const char *const names[] = {
		[ISLE_TRACK_READS] = "reads",
		[ISLE_TRACK_NONE] = "none",
		[ISLE_TRACK_FULL] = "full",
	};

	return word(names, ARRAY_SIZE(names), track);
}

const char *isle_read_name(unsigned bit)
{
	switch (bit) {
	case ISLE_READ_CONTENT:
		return "content";
	case ISLE_READ_EXEC:
		return "exec";
	case ISLE_READ_LINK:
		return "link";
	case ISLE_READ_LIST:
		return "list";
	case ISLE_READ_LOOKUP:
		return "lookup";
	case ISLE_READ_STAT:
		return "stat";
	default:
		return NULL;
	}
}

void isle_note_add(struct isle_buf *buf, const struct isle_event *event)
{
	if (event->how == ISLE_NOTE_FOLDED) {
		isle_quote_text_add(buf, event->other, strlen(event->other));
		return;
	}
	isle_quote_add(buf, event->path);
	switch (event->how) {
	case ISLE_NOTE_LINK_SPLIT:
		isle_buf_adds(buf, ": other names on the host keep the old content");
		break;
	case ISLE_NOTE_OWNER:
		isle_buf_adds(buf, ": owner wanted: ");
		isle_quote_add(buf, event->other);
		break;
	case ISLE_NOTE_MOVED_TREE:
		isle_buf_adds(buf, ": moved by copying to ");
		isle_quote_add(buf, event->other);
		break;
	case ISLE_NOTE_HOST_MOVED:
		isle_buf_adds(buf, ": the host replaced it while the run went on");
		break;
	default:
		isle_buf_adds(buf, ": ");
		isle_quote_add(buf, event->other);
	}
}
