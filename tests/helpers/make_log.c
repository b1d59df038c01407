/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_log ISLE: writes the log of a run of this isle, from lines on standard input. Fields are separated by tabs; each
 * line is a millisecond later than the one before.
 *
 *   run TRACK DIRECTORY ARGUMENT...          start PROCESS PARENT PID UID
 *   exec PROCESS PATH CWD ARGUMENT...        exit PROCESS STATUS CPU-US          (as wait(2))
 *   read PROCESS HOW PATH                    with the state of the host's file now
 *   write PROCESS HOW PATH [OTHER]           refused PROCESS ERRNO WHAT WHY [WALL]
 *   net PROCESS ACT ADDRESS PORT [NAME]      unix PROCESS ACT PATH
 *   note PROCESS HOW PATH OTHER              kept PROCESS PATH                   keeps its content, too
 *   times LINE COUNT                         the event of that line happened so often (1 is the first)
 *   lost WHY                                 end STATUS
 *   many COUNT                               so many processes of a build with ten events each
 *
 * HOW and ACT are the numbers of events.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "events.h"

enum { FIELDS = 32, LINES = 4096 };

static const struct isle *isle;
static struct isle_events *events;
static uint64_t offsets[LINES];
static int64_t now;
static char *field[FIELDS];
static int fields;

static void fail(const char *what)
{
	fprintf(stderr, "make_log: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *get(int i)
{
	return i < fields ? field[i] : "";
}

static int number(int i)
{
	return (int)strtol(get(i), NULL, 10);
}

static void add(struct isle_event *event, uint64_t *offset)
{
	event->time = now;
	int r = isle_events_add(events, event, offset);
	if (r < 0) {
		errno = -r;
		fail("add");
	}
}

/* The fields from i on as strings one after the other. */
static void put_arguments(struct isle_event *event, int i, char *room, size_t size)
{
	size_t used = 0;

	for (; i < fields && used + strlen(field[i]) + 1 <= size; i++) {
		memcpy(room + used, field[i], strlen(field[i]) + 1);
		used += strlen(field[i]) + 1;
	}
	event->text = room;
	event->text_size = used;
}

static void set_then(struct isle_event *event, const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) == 0)
		isle_identity_from(&st, &event->then);
}

static void keep(struct isle_event *event)
{
	int fd = open(event->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || isle_base_keep(isle, fd, &event->kept.offset, &event->kept.size) < 0)
		fail(event->path);
	close(fd);
}

static void set_address(struct isle_event *event)
{
	event->net.act = (uint32_t)number(2);
	event->net.port = (uint16_t)number(4);
	event->path = get(5);
	event->net.family = strchr(get(3), ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(event->net.family, get(3), event->net.address) != 1)
		fail(get(3));
}

/* What about a process has PROCESS as its first field, and mostly HOW and PATH after it. */
static bool fill(struct isle_event *event, char *room, size_t size)
{
	const char *word = get(0);

	event->process = (uint32_t)number(1);
	event->how = (unsigned)number(2);
	event->path = get(3);
	event->other = get(4);
	if (strcmp(word, "start") == 0) {
		*event = (struct isle_event){.type = ISLE_EVENT_START, .process = event->process};
		event->start.parent = (uint32_t)number(2);
		event->start.pid = number(3);
		event->start.uid = (uint32_t)number(4);
	} else if (strcmp(word, "exec") == 0) {
		*event = (struct isle_event){.type = ISLE_EVENT_EXEC, .process = event->process};
		event->path = get(2);
		event->other = get(3);
		put_arguments(event, 4, room, size);
	} else if (strcmp(word, "exit") == 0) {
		*event = (struct isle_event){.type = ISLE_EVENT_EXIT, .process = event->process};
		event->end.status = number(2);
		event->end.cpu_us = number(3);
	} else if (strcmp(word, "read") == 0) {
		event->type = ISLE_EVENT_READ;
		set_then(event, event->path);
	} else if (strcmp(word, "write") == 0) {
		event->type = ISLE_EVENT_WRITE;
	} else if (strcmp(word, "note") == 0) {
		event->type = ISLE_EVENT_NOTE;
	} else if (strcmp(word, "refused") == 0) {
		event->type = ISLE_EVENT_REFUSED;
		event->how = (unsigned)number(5);
		event->refused.error = number(2);
	} else if (strcmp(word, "net") == 0) {
		event->type = ISLE_EVENT_NET;
		set_address(event);
		event->how = 0;
		event->other = "";
	} else if (strcmp(word, "unix") == 0) {
		event->type = ISLE_EVENT_NET;
		event->net.act = (uint32_t)number(2);
		event->net.family = AF_UNIX;
	} else if (strcmp(word, "kept") == 0) {
		*event = (struct isle_event){.type = ISLE_EVENT_KEPT, .process = event->process, .path = get(2)};
		set_then(event, event->path);
		keep(event);
	} else {
		return false;
	}
	return true;
}

static void take_other(struct isle_event *event, char *room, size_t size)
{
	const char *word = get(0);

	*event = (struct isle_event){0};
	if (strcmp(word, "run") == 0) {
		event->type = ISLE_EVENT_RUN;
		event->how = (unsigned)number(1);
		event->path = get(2);
		put_arguments(event, 3, room, size);
	} else if (strcmp(word, "times") == 0) {
		event->type = ISLE_EVENT_COUNT;
		event->counted.offset = offsets[number(1) % LINES];
		event->counted.times = (uint64_t)number(2);
	} else if (strcmp(word, "lost") == 0) {
		event->type = ISLE_EVENT_LOST;
		event->other = get(1);
	} else if (strcmp(word, "end") == 0) {
		event->type = ISLE_EVENT_END;
		event->end.status = number(1);
	} else {
		errno = EINVAL;
		fail(word);
	}
}

static void make_process(int i)
{
	char path[256];
	const char argv[] = "cc\0-c\0source.c\0-o\0source.o";
	const uint32_t process = (uint32_t)i + 2;
	struct isle_event start = {.type = ISLE_EVENT_START, .process = process};
	struct isle_event exec = {
		.type = ISLE_EVENT_EXEC, .process = process, .path = "/usr/bin/cc", .other = "/home/u/src"};
	struct isle_event end = {.type = ISLE_EVENT_EXIT, .process = process, .end.cpu_us = 1000};
	struct isle_event file = {.type = ISLE_EVENT_READ, .how = ISLE_READ_CONTENT, .process = process, .path = path};
	struct isle_event net = {.type = ISLE_EVENT_NET, .process = process, .net.act = ISLE_NET_CONNECT};

	start.start.parent = 1;
	start.start.pid = 1000 + i;
	add(&start, NULL);
	exec.text = argv;
	exec.text_size = sizeof(argv);
	add(&exec, NULL);
	file.then.mode = S_IFREG | 0644;
	for (int k = 0; k < 6; k++) {
		snprintf(path, sizeof(path), "/%s/part-%d/source-%d-%d.c", k < 3 ? "home/u/src" : "usr/include",
			 i % 1000, i, k);
		file.then.mode = k == 5 ? 0 : S_IFREG | 0644;
		add(&file, NULL);
	}
	net.net.family = AF_INET;
	net.net.port = (uint16_t)(i % 100);
	add(&net, NULL);
	add(&end, NULL);
}

static void take_line(char *line, int count)
{
	static char room[65536];
	struct isle_event event = {0};

	fields = 0;
	for (char *word; fields < FIELDS && (word = strsep(&line, "\t")) != NULL;)
		field[fields++] = word;
	now += 1000000;
	if (strcmp(get(0), "many") == 0) {
		for (int i = 0; i < number(1); i++) {
			make_process(i);
			if (i % 1000 == 0 && isle_events_flush(events) < 0)
				fail("flush");
		}
		return;
	}
	if (!fill(&event, room, sizeof(room)))
		take_other(&event, room, sizeof(room));
	add(&event, &offsets[count % LINES]);
}

int main(int argc, char **argv)
{
	struct isle_err err = ISLE_ERR_INIT;
	struct isle_store *store = NULL;
	struct isle *found = NULL;
	struct timespec t;
	char *line = NULL;
	size_t room = 0;
	ssize_t size;

	if (argc != 2 || isle_store_open(&store, &err) < 0 || isle_find(store, argv[1], &found, &err) < 0 ||
	    isle_events_create(found, &events) < 0) {
		isle_err_print(&err);
		return 1;
	}
	isle = found;
	clock_gettime(CLOCK_REALTIME, &t);
	now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	for (int count = 1; (size = getline(&line, &room, stdin)) > 0; count++) {
		if (line[size - 1] == '\n')
			line[size - 1] = '\0';
		if (line[0] != '\0')
			take_line(line, count);
	}
	if (isle_events_flush(events) < 0)
		fail("flush");
	isle_events_close(events);
	free(line);
	isle_free(found);
	isle_store_free(store);
	return 0;
}
