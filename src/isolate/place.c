/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "path.h"
#include "quote.h"
#include "talk.h"
#include "trusted.h"

/* Local, kept over a restart, and with extended attributes. */
static bool can_hold_layers(const struct isle_mount *m)
{
	static const char *const types[] = {"ext4", "xfs", "btrfs", "f2fs", "ext3", "ext2", "bcachefs"};

	if ((m->flags & MS_RDONLY) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(m->type, types[i]) == 0)
			return true;
	}
	return false;
}

/* A directory of our own at DIR/.isle..., made when it is not there. None where somebody else could exchange it: a
 * layer that root commits must not be another user's to forge. */
static char *try_directory(const char *dir)
{
	const struct isle_find_options options = {ISLE_FIND_TRUSTED | ISLE_FIND_NO_LINKS | ISLE_FIND_MAKE, 1};
	struct isle_err why = ISLE_ERR_INIT;
	struct isle_found found;
	char name[32];

	if (geteuid() == 0)
		snprintf(name, sizeof(name), ".isle");
	else
		snprintf(name, sizeof(name), ".isle-%u", (unsigned)geteuid());
	auto_free char *path = isle_path_join(dir, name);
	int r = path == NULL ? -ENOMEM : isle_find_object(path, &options, &found, &why);
	if (r < 0) {
		if (why.text[0] != '\0')
			isle_verbose("no layers in %s: %s", isle_quote(path), why.text);
		return NULL;
	}
	close(found.fd);
	return ptr_take(&path);
}

/* The topmost directory on the way from the mount point to path that belongs to the caller. */
static char *try_on_the_way(const struct isle_mounts *mounts, const struct isle_mount *m, const char *path)
{
	struct stat st;

	if (path == NULL || path[0] != '/' || isle_mounts_find(mounts, path) != m)
		return NULL;
	auto_free char *copy = strdup(path);
	if (copy == NULL)
		return NULL;
	for (char *c = copy + strlen(m->point); *c != '\0';) {
		c += strspn(c, "/");
		c += strcspn(c, "/");
		char kept = *c;
		*c = '\0';
		/* A guess only: try_directory() looks for itself. */
		if (lstat(copy, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
			return try_directory(copy);
		*c = kept;
	}
	return NULL;
}

bool isle_place_has_room(const char *place)
{
	enum { LEAST_BYTES = 1 << 20, LEAST_FILES = 64 };
	auto_fd int fd = isle_walk_host(place, O_PATH | O_DIRECTORY);
	struct statvfs fs;

	if (fd < 0 || fstatvfs(fd, &fs) < 0)
		return true;
	/* What is reserved for root is not for layers. Without a number of files there is no limit. */
	return fs.f_bavail * fs.f_frsize >= LEAST_BYTES && (fs.f_files == 0 || fs.f_favail >= LEAST_FILES);
}

int isle_place_find(const struct isle_mounts *mounts, const char *path, char **ret_place)
{
	const struct isle_mount *m = isle_mounts_find(mounts, path);
	const char *places = getenv("ISLE_PLACES");

	if (places != NULL && strcmp(places, "none") == 0)
		return 0;
	if (m == NULL || !can_hold_layers(m))
		return 0;
	auto_free char *place = try_directory(m->point);
	if (place == NULL && geteuid() != 0) {
		auto_free char *cwd = getcwd(NULL, 0);

		place = try_on_the_way(mounts, m, cwd);
		if (place == NULL)
			place = try_on_the_way(mounts, m, getenv("HOME"));
	}
	if (place == NULL)
		return 0;
	*ret_place = ptr_take(&place);
	return 1;
}
