/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "siphash.h"

/* getdents64(2) */
struct entry {
	uint64_t ino;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

enum { NONE = 1, ROOM = 32 << 10, NAME_OFFSET = 19 };

static uint64_t hash_entries(const char *at, size_t size)
{
	static const struct isle_siphash_key key = {0};
	uint64_t sum = 0;

	for (const char *end = at + size; at < end;) {
		const struct entry *entry = (const struct entry *)(const void *)at;
		const char *name = at + NAME_OFFSET;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			sum += isle_siphash(&key, name, strlen(name));
		at += entry->size;
	}
	return sum;
}

int isle_names_hash(int dir, uint64_t *ret_hash)
{
	_Alignas(8) char room[ROOM];
	uint64_t sum = NONE;
	long n;

	if (lseek(dir, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, dir, room, sizeof(room))) > 0)
		sum += hash_entries(room, (size_t)n);
	if (n < 0)
		return -errno;
	*ret_hash = sum == 0 ? 1 : sum;
	return 0;
}

int isle_names_empty(int dir, bool *ret_empty)
{
	uint64_t hash = 0;
	int r = isle_names_hash(dir, &hash);

	if (r >= 0)
		*ret_empty = hash == NONE;
	return r;
}
