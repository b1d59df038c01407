/* SPDX-License-Identifier: Apache-2.0 */
#include "dirs.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

void isle_dirs_forget(struct isle_dirs *dirs)
{
	isle_cleanup_fd(&dirs->fd);
	dirs->fd = -1;
}

struct isle_dirs *isle_dirs_new(size_t count)
{
	struct isle_dirs *list = calloc(count > 0 ? count : 1, sizeof(*list));

	for (size_t i = 0; list && i < count; i++)
		list[i] = ISLE_DIRS_INIT;
	return list;
}

void isle_dirs_done(struct isle_dirs *dirs)
{
	isle_cleanup_fd(&dirs->fd);
	isle_cleanup_fd(&dirs->root);
	free(dirs->parent);
	*dirs = ISLE_DIRS_INIT;
}

int isle_dirs_init_host(struct isle_dirs *dirs)
{
	*dirs = ISLE_DIRS_INIT;
	dirs->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dirs->root < 0 ? -errno : 0;
}

static int remember(struct isle_dirs *dirs, const char *path, size_t length)
{
	if (length + 1 > dirs->room) {
		char *parent = realloc(dirs->parent, length + 64);

		if (!parent)
			return -ENOMEM;
		dirs->parent = parent;
		dirs->room = length + 64;
	}
	memcpy(dirs->parent, path, length);
	dirs->parent[length] = '\0';
	dirs->length = length;
	return 0;
}

int isle_dirs_parent(struct isle_dirs *dirs, const char *path, const char **ret_name)
{
	const char *slash;
	size_t length;
	int fd, r;

	while (*path == '/')
		path++;
	slash = strrchr(path, '/');
	length = slash ? (size_t)(slash - path) : 0;
	if (!isle_component_valid(slash ? slash + 1 : path))
		return -EINVAL;
	if (dirs->fd < 0 || dirs->length != length || memcmp(dirs->parent, path, length) != 0) {
		isle_dirs_forget(dirs);
		r = remember(dirs, path, length);
		if (r < 0)
			return r;
		fd = isle_walk(dirs->root, dirs->parent, O_PATH | O_DIRECTORY);
		if (fd < 0)
			return fd;
		dirs->fd = fd;
	}
	*ret_name = slash ? slash + 1 : path;
	return dirs->fd;
}
