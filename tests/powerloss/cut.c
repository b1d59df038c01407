// SPDX-License-Identifier: Apache-2.0
/*
 * What a disk may hold after a power loss, from a log (log.h) of what reached it.
 *
 *   cut list LOG                            "N flush", "N mark WORD" for each of these records, "N end"
 *   cut image LOG BASE OUT N HOW SEED       OUT is BASE with the writes before record N, as HOW says
 *
 * All writes before the last flush of their disk that comes before N are there. Of those after it, which the disk may
 * hold in its cache:
 *   flush    none
 *   all      each
 *   some     a random choice, in which any write may be missing whatever comes after it
 *   torn     the same, and of some of them only some sectors
 * Prints what was done. BASE may already hold writes of the log: they are only done again.
 */
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, CHUNK = 1 << 20, DISKS = 10 };

struct log {
	const unsigned char *data;
	size_t size, at;
	uint64_t number; /* of the next record */
};

static void die(const char *what)
{
	fprintf(stderr, "cut: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void log_open(struct log *log, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die(path);
	close(fd);
	*log = (struct log){.data = data, .size = (size_t)st.st_size};
}

static bool log_next(struct log *log, struct log_record *ret_record, const unsigned char **ret_data)
{
	if (log->size - log->at < sizeof(*ret_record))
		return false;
	memcpy(ret_record, log->data + log->at, sizeof(*ret_record));
	if (ret_record->size > log->size - log->at - sizeof(*ret_record))
		return false;
	*ret_data = log->data + log->at + sizeof(*ret_record);
	log->at += sizeof(*ret_record) + ret_record->size;
	log->number++;
	return true;
}

static int list(const char *path)
{
	struct log log;
	struct log_record record;
	const unsigned char *data;

	log_open(&log, path);
	while (log_next(&log, &record, &data)) {
		unsigned long long number = log.number - 1;

		if (record.kind == LOG_FLUSH)
			printf("%llu flush\n", number);
		if (record.kind == LOG_MARK)
			printf("%llu mark %.*s\n", number, (int)record.size - 1, (const char *)data);
	}
	printf("%llu end\n", (unsigned long long)log.number);
	return 0;
}

/* xorshift64*: the same everywhere, unlike random(3). */
static uint64_t chance(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL >> 33;
}

static void put(int out, const unsigned char *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(out, data, size, (off_t)offset);

		if (n < 0)
			die("write");
		data += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
}

/* Holes stay holes. */
static int copy_base(const char *base, const char *path)
{
	int in = open(base, O_RDONLY | O_CLOEXEC), out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static unsigned char chunk[CHUNK];
	struct stat st;
	off_t at = 0, end;

	if (in < 0 || out < 0 || fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0)
		die(path);
	while ((at = lseek(in, at, SEEK_DATA)) >= 0) {
		end = lseek(in, at, SEEK_HOLE);
		while (at < end) {
			size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
			ssize_t n = pread(in, chunk, want, at);

			if (n <= 0)
				die(base);
			put(out, chunk, (size_t)n, (uint64_t)at);
			at += n;
		}
	}
	close(in);
	return out;
}

static void put_torn(int out, const struct log_record *record, const unsigned char *data, uint64_t *state)
{
	uint64_t at, size;

	for (at = 0; at < record->size; at += size) {
		size = record->size - at < SECTOR ? record->size - at : SECTOR;
		if (chance(state) % 2)
			put(out, data + at, size, record->offset + at);
	}
}

static void last_flushes(const char *path, uint64_t end, uint64_t flushes[DISKS])
{
	struct log log;
	struct log_record record;
	const unsigned char *data;

	log_open(&log, path);
	while (log.number < end && log_next(&log, &record, &data))
		if (record.kind == LOG_FLUSH)
			flushes[record.disk % DISKS] = log.number - 1;
}

static int make_image(char **argv)
{
	const char *how = argv[5];
	uint64_t end = strtoull(argv[4], NULL, 10), state = strtoull(argv[6], NULL, 10) * 2654435761U + 1;
	uint64_t flushes[DISKS] = {0};
	unsigned kept = 0, lost = 0, torn = 0;
	/* Between losing nearly all and losing nearly nothing. */
	uint64_t keep = 10 + chance(&state) % 81;
	struct log log;
	struct log_record record;
	const unsigned char *data;
	int out = copy_base(argv[2], argv[3]);

	last_flushes(argv[1], end, flushes);
	log_open(&log, argv[1]);
	while (log.number < end && log_next(&log, &record, &data)) {
		if (record.kind != LOG_WRITE)
			continue;
		if (log.number <= flushes[record.disk % DISKS]) {
			put(out, data, record.size, record.offset);
		} else if (strcmp(how, "flush") == 0 || (how[0] != 'a' && chance(&state) % 100 >= keep)) {
			lost++;
		} else if (strcmp(how, "torn") == 0 && chance(&state) % 3 == 0) {
			put_torn(out, &record, data, &state);
			torn++;
		} else {
			put(out, data, record.size, record.offset);
			kept++;
		}
	}
	printf("record %s, last flush of the first disk %llu, %s with seed %s: of the writes since then %u there, %u "
	       "torn, %u lost\n",
	       argv[4], (unsigned long long)flushes[0], how, argv[6], kept, torn, lost);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "list") == 0)
		return list(argv[2]);
	if (argc == 8 && strcmp(argv[1], "image") == 0)
		return make_image(argv + 1);
	fprintf(stderr, "usage: cut list LOG | cut image LOG BASE OUT RECORD flush|all|some|torn SEED\n");
	return 2;
}
