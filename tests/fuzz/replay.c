/* SPDX-License-Identifier: Apache-2.0 */
/* replay DIRECTORY: every file in it goes through the parser once, whole and cut at every length. */
#include "buf.h"
#include "fuzz.h"
#include "io.h"
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, CUTS_MAX = 4096 };

static void replay(const uint8_t *data, size_t size)
{
	uint8_t *exact; /* of that size, so that a sanitizer sees the end */

	for (size_t cut = size > CUTS_MAX ? size : 0; cut <= size; cut++) {
		exact = malloc(cut > 0 ? cut : 1);
		must(exact);
		memcpy(exact, data, cut);
		LLVMFuzzerTestOneInput(exact, cut);
		free(exact);
	}
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int count = 0;

	must(dir);
	while ((entry = readdir(dir))) {
		auto_buf struct isle_buf buf = ISLE_BUF_INIT;

		if (entry->d_name[0] == '.')
			continue;
		must(isle_read_file(dirfd(dir), entry->d_name, &buf, FILE_MAX) == 0);
		must(isle_buf_reserve(&buf, 1));
		replay((const uint8_t *)buf.data, buf.size);
		count++;
	}
	closedir(dir);
	printf("%d files\n", count);
	return count > 0 ? 0 : 1;
}
