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

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_dir_test(test_round),
		unit_dir_test(test_damage),
		unit_dir_test(test_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
