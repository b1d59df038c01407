/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle_peer_string() and isle_peer_strings() on memory that ends anywhere: what comes back is what is there, as far as
 * it is mapped and fits. The process looks at itself.
 *
 * Input: two bytes for the room, two for where to begin, two for each pointer until one is 0; the rest is the memory,
 * which ends where nothing is mapped.
 */
#include "fuzz.h"
#include "peer.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 3, SIZE = PAGES * PAGE, POINTERS = 80, GUIDE_MAX = 64 };

static char *map(void)
{
	char *at = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED && mprotect(at + SIZE, PAGE, PROT_NONE) == 0);
	return at;
}

static unsigned take(const uint8_t **data, size_t *size)
{
	unsigned value = *size < 2 ? 0 : (unsigned)((*data)[0] | (*data)[1] << 8);

	*data += *size < 2 ? *size : 2;
	*size -= *size < 2 ? *size : 2;
	return value;
}

/* What must be said of the string at `at`, in memory that ends at `end`. */
static int expected(const char *at, const char *end, size_t room)
{
	size_t there = at < end ? (size_t)(end - at) : 0;
	const char *nul = memchr(at, '\0', there < room ? there : room);

	return nul != NULL ? (int)(nul - at) : there < room ? -EFAULT : -ENAMETOOLONG;
}

static void check_string(const char *at, const char *end, size_t room)
{
	char *buf = malloc(room + 1);

	must(buf);
	int r = isle_peer_string(getpid(), (uintptr_t)at, buf, room);
	must(r == expected(at, end, room));
	must(r < 0 || memcmp(buf, at, (size_t)r + 1) == 0);
	free(buf);
}

static void check_strings(char *const *pointers, size_t count, const char *end, size_t room)
{
	char *buf = malloc(room + 1);
	size_t used = 0;

	must(buf);
	size_t size = isle_peer_strings(getpid(), (uintptr_t)pointers, buf, room);
	for (size_t i = 0; i < count && i < GUIDE_MAX && pointers[i] != NULL; i++) {
		int length = expected(pointers[i], end, room - used);

		if (length < 0)
			break;
		must(used + (size_t)length + 1 <= size && memcmp(buf + used, pointers[i], (size_t)length + 1) == 0);
		used += (size_t)length + 1;
	}
	must(size == used && size <= room);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *memory, *array;
	char *list[POINTERS];
	size_t count = 0;

	if (!memory) {
		memory = map();
		array = map();
	}
	size_t room = take(&data, &size) % (2 * PAGE) + 1;
	unsigned start = take(&data, &size);
	unsigned numbers[POINTERS];
	for (; count < POINTERS && size > 0; count++) {
		numbers[count] = take(&data, &size);
		if (numbers[count] == 0)
			break;
	}
	size_t used = size < SIZE ? size : SIZE;
	char *at = memory + SIZE - used;
	if (used > 0)
		memcpy(at, data, used);
	for (size_t i = 0; i < count; i++)
		list[i] = at + numbers[i] % (used + 2);
	check_string(at + start % (used + 2), memory + SIZE, room);
	/* Ends with NULL, or where the memory does. */
	size_t bytes = count * sizeof(list[0]);
	memcpy(array + SIZE - bytes, list, bytes);
	check_strings((char *const *)(void *)(array + SIZE - bytes), count, memory + SIZE, room);
	return 0;
}
