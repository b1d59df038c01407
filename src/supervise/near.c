/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory is remembered for the rest of a second, and not across a rename inside (isle_guide_renamed()): another
 * run in the same isle can rename as well.
 */
#include "near.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "guide_internal.h"
#include "kernel.h"

static void drop(struct isle_near_directory *directory)
{
	if (directory->path == NULL)
		return;
	free(directory->path);
	free(directory->view);
	isle_cleanup_fd(&directory->fd);
	*directory = (struct isle_near_directory){.fd = -1};
}

void isle_near_forget(struct isle_near *near)
{
	for (size_t i = 0; i < ISLE_NEAR_ROOM; i++)
		drop(&near->list[i]);
}

/* -1 where a look at it says nothing about the host. */
static int open_directory(struct isle_guide *guide, const struct isle_call *call, const char *path, char **ret_view)
{
	char view[PATH_MAX];
	char walked[PATH_MAX];
	auto_fd int fd = isle_guide_open(guide, path, O_DIRECTORY);

	if (fd < 0 || isle_guide_path_of_object(fd, view, sizeof(view)) < 0 || !isle_guide_is_overlay(fd))
		return -1;
	if (strcmp(view, "/") == 0)
		view[0] = '\0';
	if (strcmp(view, path) != 0 && (isle_guide_walk(guide, call, path, walked) < 0 || strcmp(view, walked) != 0))
		return -1;
	*ret_view = strdup(view);
	return *ret_view == NULL ? -1 : fd_take(&fd);
}

static const struct isle_near_directory *find(struct isle_guide *guide, const struct isle_call *call, const char *path,
					      size_t length)
{
	uint64_t hash = isle_siphash(&guide->key, path, length);
	struct isle_near_directory *found = &guide->near.list[hash % ISLE_NEAR_ROOM];

	if (found->path != NULL && found->second == guide->second && found->length == length &&
	    memcmp(found->path, path, length) == 0)
		return found;
	drop(found);
	found->path = strndup(path, length);
	if (found->path == NULL)
		return NULL;
	found->length = length;
	found->second = guide->second;
	found->fd = open_directory(guide, call, found->path, &found->view);
	return found;
}

int isle_near_look(struct isle_guide *guide, const struct isle_call *call, const char *path, bool nofollow,
		   struct isle_sight *sight)
{
	const char *slash = strrchr(path, '/');
	struct statx st;

	if (slash == NULL || slash == path || slash[1] == '\0' || strcmp(slash, "/..") == 0 || strlen(path) >= PATH_MAX)
		return -EAGAIN;
	const struct isle_near_directory *directory = find(guide, call, path, (size_t)(slash - path));
	if (directory == NULL || directory->fd < 0)
		return -EAGAIN;
	int r = isle_statx(directory->fd, slash + 1, &st);
	if (r == -ENOENT)
		st.stx_mode = 0;
	else if (r < 0 || (S_ISLNK(st.stx_mode) && !nofollow) || (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
		return -EAGAIN;
	size_t length = strlen(directory->view);
	size_t name = strlen(slash);
	if (length + name >= sizeof(sight->view))
		return -EAGAIN;
	memcpy(sight->view, directory->view, length);
	memcpy(sight->view + length, slash, name + 1);
	sight->mode = st.stx_mode;
	return 0;
}
