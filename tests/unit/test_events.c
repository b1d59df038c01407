/* SPDX-License-Identifier: Apache-2.0 */
/* The event log: what is written is read, what is damaged ends the reading. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base.h"
#include "events.h"
#include "io.h"

struct seen {
	unsigned count;
	char paths[256];
	char text[64];
	unsigned ended;
};

static int note(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct seen *seen = data;

	(void)offset;
	seen->count++;
	seen->ended += run->ended;
	size_t used = strlen(seen->paths);
	snprintf(seen->paths + used, sizeof(seen->paths) - used, "%s;", event->path);
	if (event->text_size > 0 && event->text_size < sizeof(seen->text))
		memcpy(seen->text, event->text, event->text_size);
	return 0;
}

static void write_log(const struct isle *isle)
{
	struct isle_events *events = NULL;
	struct isle_event run = {.type = ISLE_EVENT_RUN, .path = "/home", .text = "ls\0-l", .text_size = 6};
	struct isle_event read = {
		.type = ISLE_EVENT_READ, .how = ISLE_READ_CONTENT, .process = 1, .path = "/etc/hosts"};
	struct isle_event end = {.type = ISLE_EVENT_END, .end = {.status = 0, .cpu_us = 5}};
	uint64_t offset = 7;

	read.then = (struct isle_identity){.dev = 1, .ino = 2, .size = 3, .mtime = 4, .ctime = 5, .mode = S_IFREG};
	assert_int_equal(isle_events_create(isle, &events), 0);
	assert_int_equal(isle_events_add(events, &run, &offset), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(isle_events_flush(events), 0);
	assert_int_equal(isle_events_add(events, &read, &offset), 0);
	assert_true(offset > 0);
	assert_int_equal(isle_events_add(events, &end, NULL), 0);
	isle_events_close(events);
}

static int check_read(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	const struct isle_identity *then = &event->then;

	(void)run;
	(void)offset;
	if (event->type != ISLE_EVENT_READ)
		return 0;
	*(bool *)data = then->dev == 1 && then->ino == 2 && then->size == 3 && then->mtime == 4 && then->ctime == 5;
	return 17;
}

static void test_round(void **state)
{
	auto_fd int dir = unit_dir(state);
	struct isle isle = {.name = (char *)"unit", .dir = dir};
	struct seen seen = {0};
	bool right = false;

	assert_int_equal(isle_events_read(&isle, note, &seen, NULL), 0);
	assert_int_equal(seen.count, 0);
	write_log(&isle);
	write_log(&isle);
	assert_int_equal(isle_events_read(&isle, note, &seen, NULL), 0);
	assert_int_equal(seen.count, 6);
	assert_int_equal(seen.ended, 2);
	assert_string_equal(seen.paths, "/home;/etc/hosts;;/home;/etc/hosts;;");
	assert_memory_equal(seen.text, "ls\0-l", 6);
	assert_int_equal(isle_events_read(&isle, check_read, &right, NULL), 17);
	assert_true(right);
}

static void only_name(int dir, char *name, size_t size)
{
	DIR *list = fdopendir(dup(dir));
	struct dirent *entry;

	assert_non_null(list);
	while ((entry = readdir(list)) != NULL)
		if (entry->d_name[0] != '.')
			snprintf(name, size, "%s", entry->d_name);
	closedir(list);
}

/* Whatever byte is changed and wherever the log is cut: no record reaches outside of it. */
static void test_damage(void **state)
{
	auto_fd int dir = unit_dir(state);
	struct isle isle = {.name = (char *)"unit", .dir = dir};
	struct isle_events_run run = {0};
	auto_buf struct isle_buf log = ISLE_BUF_INIT;
	char name[256];

	write_log(&isle);
	auto_fd int events = openat(dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	only_name(events, name, sizeof(name));
	assert_int_equal(isle_read_file(events, name, &log, 1 << 20), 0);
	for (size_t cut = 0; cut <= log.size; cut++) {
		auto_free char *copy = malloc(cut > 0 ? cut
						      : 1); /* exactly as long: a sanitizer sees what lies outside */
		struct seen seen = {0};

		memcpy(copy, log.data, cut);
		assert_int_equal(isle_events_parse(copy, cut, &run, note, &seen), 0);
		assert_true(seen.count <= 3 && (seen.count == 3) == (cut == log.size));
	}
	for (size_t i = 0; i < log.size * 4; i++) {
		auto_free char *copy = malloc(log.size);
		struct seen seen = {0};

		memcpy(copy, log.data, log.size);
		copy[i / 4] = (char)(copy[i / 4] ^ (i % 4 == 0 ? 0xff : i % 4 == 1 ? 0x80 : i % 4 == 2 ? 0x08 : 0x01));
		assert_int_equal(isle_events_parse(copy, log.size, &run, note, &seen), 0);
		assert_true(seen.count <= 3);
	}
}

static void keep(const struct isle *isle, const char *path, int file, const char *content)
{
	struct isle_events *events = NULL;
	struct isle_event kept = {.type = ISLE_EVENT_KEPT, .path = path, .then.size = strlen(content)};

	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, content, strlen(content), 0), strlen(content));
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(isle_base_keep(isle, file, &kept.kept.offset, &kept.kept.size), 0);
	assert_int_equal(isle_events_create(isle, &events), 0);
	assert_int_equal(isle_events_add(events, &kept, NULL), 0);
	isle_events_close(events);
}

static void assert_base(const struct isle *isle, const struct isle_bases *bases, const char *path, const char *content)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	const struct isle_base *base = isle_bases_find(bases, path);

	assert_non_null(base);
	assert_int_equal(isle_base_read(isle, base, &text), 0);
	assert_string_equal(text.data == NULL ? "" : text.data, content);
}

static void test_base(void **state)
{
	auto_fd int dir = unit_dir(state);
	struct isle isle = {.name = (char *)"unit", .dir = dir};
	auto_bases struct isle_bases bases = {0};
	auto_fd int file = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	keep(&isle, "/a", file, "first");
	keep(&isle, "/b", file, "");
	keep(&isle, "/a", file, "then");
	assert_int_equal(isle_bases_load(&isle, &bases, NULL), 0);
	assert_base(&isle, &bases, "/a", "then");
	assert_base(&isle, &bases, "/b", "");
	assert_null(isle_bases_find(&bases, "/c"));
	assert_int_equal(ftruncate(file, ISLE_BASE_FILE_LIMIT + 1), 0);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	uint64_t offset, size;
	assert_int_equal(isle_base_keep(&isle, file, &offset, &size), -EFBIG);
}

/* --- folding --- */

/* A run that reads /a (in this state of it), /b, or in `special` runs /c, and more; the first and the last are counted.
 */
static void write_run(const struct isle *isle, uint64_t state, bool special, bool ended)
{
	struct isle_events *events = NULL;
	struct isle_event run = {.type = ISLE_EVENT_RUN, .path = "/"};
	struct isle_event read = {.type = ISLE_EVENT_READ, .how = ISLE_READ_CONTENT, .process = 1};
	struct isle_event write = {.type = ISLE_EVENT_WRITE, .how = ISLE_WRITE_CREATE, .process = 1, .path = "/w"};
	char often[32];
	struct isle_event count = {.type = ISLE_EVENT_COUNT, .counted.times = 9}, end = {.type = ISLE_EVENT_END};

	assert_int_equal(isle_events_create(isle, &events), 0);
	assert_int_equal(isle_events_add(events, &run, NULL), 0);
	read.then = (struct isle_identity){.dev = 1, .ino = 2, .ctime = (int64_t)state, .mode = S_IFREG};
	read.path = "/a";
	assert_int_equal(isle_events_add(events, &read, &count.counted.offset), 0);
	assert_int_equal(isle_events_add(events, &count, NULL), 0);
	read.path = special ? "/c" : "/b";
	read.then.ctime = 1;
	assert_int_equal(isle_events_add(events, &read, NULL), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(often, sizeof(often), "/often-%d", i);
		read.path = often;
		assert_int_equal(isle_events_add(events, &read, NULL), 0);
	}
	assert_int_equal(isle_events_add(events, &write, &count.counted.offset), 0);
	assert_int_equal(isle_events_add(events, &count, NULL), 0);
	if (ended)
		assert_int_equal(isle_events_add(events, &end, NULL), 0);
	isle_events_close(events);
}

struct told {
	struct isle_buf text;
	uint64_t write_offset;
	int64_t first_end; /* of the first run */
};

/* "0:/a/b/w*| ..." for each run; '*' is a count of the write before it, '!' any other. */
static int tell(const struct isle_events_run *run, const struct isle_event *event, uint64_t offset, void *data)
{
	struct told *told = data;

	if (event->type == ISLE_EVENT_RUN) {
		isle_buf_addf(&told->text, "%u:", run->index);
		told->write_offset = 0;
	}
	if (strncmp(event->path, "/often", 6) == 0)
		return 0;
	if (event->type == ISLE_EVENT_READ || event->type == ISLE_EVENT_WRITE)
		isle_buf_adds(&told->text, event->path);
	if (event->type == ISLE_EVENT_WRITE)
		told->write_offset = offset;
	if (event->type == ISLE_EVENT_COUNT)
		isle_buf_addc(&told->text, event->counted.offset == told->write_offset ? '*' : '!');
	if (event->type == ISLE_EVENT_NOTE)
		isle_buf_addc(&told->text, 'N');
	if (event->type == ISLE_EVENT_END) {
		isle_buf_addc(&told->text, '|');
		if (told->first_end == 0)
			told->first_end = event->time;
	}
	return 0;
}

static void assert_told(const struct isle *isle, const char *want, int64_t *first_end)
{
	struct told told = {0};

	assert_int_equal(isle_events_read(isle, tell, &told, NULL), 0);
	assert_string_equal(told.text.data, want);
	if (first_end != NULL)
		*first_end = told.first_end;
	isle_buf_done(&told.text);
}

static void test_fold(void **state)
{
	auto_fd int dir = unit_dir(state);
	struct isle isle = {.name = (char *)"unit", .dir = dir};
	int64_t moment = 0;
	struct isle_events_boundaries boundaries = {&moment, 0};
	uint64_t saved = 0;

	assert_int_equal(isle_events_fold(&isle, 0, &boundaries, &saved, NULL), 0); /* there is no log */
	write_run(&isle, 1, false, true);
	write_run(&isle, 1, true, true);
	write_run(&isle, 2, false, true);  /* another state of /a */
	write_run(&isle, 2, false, false); /* killed */
	write_run(&isle, 2, false, true);
	write_run(&isle, 2, false, true);
	assert_int_equal(isle_events_fold(&isle, 6, &boundaries, &saved, NULL), 0);
	assert_int_equal(saved, 0);
	assert_told(&isle, "0:/a!/b/w*|1:/a!/c/w*|2:/a!/b/w*|3:/a!/b/w*4:/a!/b/w*|5:/a!/b/w*|", &moment);
	/* Behind a commit, the first reads are those after it. */
	boundaries.count = 1;
	assert_int_equal(isle_events_fold(&isle, 4, &boundaries, &saved, NULL), 0);
	assert_int_equal(saved, 0);
	boundaries.count = 0;
	assert_int_equal(isle_events_fold(&isle, 1, &boundaries, &saved, NULL), 0);
	assert_true(saved > 0);
	/* The counts go with what they count, and the others still find it. */
	assert_told(&isle, "0:/a!/b/w*|1:/c/w*N|2:/a!/w*N|3:/a!/b/w*4:/w*N|5:/a!/b/w*|", NULL);
	assert_int_equal(isle_events_fold(&isle, 1, &boundaries, &saved, NULL), 0);
	assert_int_equal(saved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_dir_test(test_round),
		unit_dir_test(test_damage),
		unit_dir_test(test_base),
		unit_dir_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
