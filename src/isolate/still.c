/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look ends at the first thing that the user could change, or when the budget is used up: it must stay far cheaper
 * than the layer that it saves (some 200 microseconds), and a name costs about one. A directory that is large or has
 * many directories in it is not looked into at all.
 */
#include "still.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "path.h"

enum { NAMES_MAX = 32, DEPTH_MAX = 4, LINKS_MAX = 8, SIZE_MAX_LOOKED_INTO = 4096 };

struct look {
	uid_t user;
	unsigned flags;
	unsigned names; /* seen so far */
	unsigned depth;
};

static bool is_still(struct look *look, int dir);

static bool may(int dir, const char *name, int what)
{
	return faccessat(dir, name, what, AT_EACCESS) == 0;
}

static bool within_budget(struct look *look)
{
	return (look->flags & ISLE_STILL_SHALLOW) != 0 || ++look->names <= NAMES_MAX;
}

static bool entry_is_still(struct look *look, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid == look->user)
		return false;
	if (S_ISLNK(st.st_mode))
		return true;
	if (S_ISREG(st.st_mode))
		return !may(dir, name, W_OK);
	if (!S_ISDIR(st.st_mode))
		return false;
	if ((look->flags & ISLE_STILL_SHALLOW) != 0)
		return true;
	auto_fd int child = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return child >= 0 && is_still(look, child);
}

static bool entries_are_still(struct look *look, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	bool still = stream != NULL;

	if (stream == NULL) {
		isle_cleanup_fd(&fd);
		return false;
	}
	for (struct dirent *e = readdir(stream); e != NULL && still; e = readdir(stream)) {
		if (isle_component_valid(e->d_name))
			still = within_budget(look) && entry_is_still(look, dir, e->d_name);
	}
	closedir(stream);
	return still;
}

static bool is_still(struct look *look, int dir)
{
	struct stat st;
	bool still = false;

	if (fstat(dir, &st) < 0 || st.st_uid == look->user || look->depth == DEPTH_MAX || may(dir, ".", W_OK))
		return false;
	if (!may(dir, ".", R_OK))
		return !may(dir, ".", X_OK); /* closed, or of unknown content */
	if ((look->flags & ISLE_STILL_SHALLOW) == 0 && (st.st_nlink > LINKS_MAX || st.st_size > SIZE_MAX_LOOKED_INTO))
		return false;
	look->depth++;
	still = entries_are_still(look, dir);
	look->depth--;
	return still;
}

bool isle_is_still(int dir, unsigned flags)
{
	struct look look = {.user = geteuid(), .flags = flags};

	return is_still(&look, dir);
}
