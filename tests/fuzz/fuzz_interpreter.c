/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter that a program file names: found within the file, a string that is not empty. */
#include "fuzz.h"
#include "interpreter.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROOM = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("program", MFD_CLOEXEC);
	char *path = malloc(ROOM);

	must(fd >= 0 && path);
	must(write(fd, data, size) == (ssize_t)size);
	int r = isle_interpreter_of(fd, path, ROOM);
	must(r == 0 || r == 1);
	if (r == 1) {
		size_t length = strnlen(path, ROOM);

		must(length > 0 && length < ROOM);
		must(memmem(data, size, path, length));
	}
	free(path);
	close(fd);
	return 0;
}
