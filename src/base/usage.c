/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"
#include "path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 200, BLOCK = 512 }; /* a descriptor and a buffer for each level */

static int add_entry(int dir, const char *name, dev_t device, unsigned depth, uint64_t *bytes)
{
	struct stat st;
	int r = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (depth > 0 && st.st_dev != device)
		return 0;
	*bytes += (uint64_t)st.st_blocks * BLOCK / (S_ISDIR(st.st_mode) || st.st_nlink == 0 ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
		return 0;
	auto_dir DIR *stream = isle_open_entries(dir, name, &r);
	const struct dirent *e;

	if (!stream)
		return 0;
	while ((e = isle_next_entry(stream, &r)))
		isle_ignore(add_entry(dirfd(stream), e->d_name, st.st_dev, depth + 1, bytes));
	return 0;
}

int isle_tree_usage(int dir, const char *name, uint64_t *bytes)
{
	return add_entry(dir, name, 0, 0, bytes);
}
