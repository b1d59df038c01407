/* SPDX-License-Identifier: Apache-2.0 */
#include "overlay_index.h"
#include "path.h"
#include "subtree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_index(int layer, const char *name)
{
	if (layer < 0)
		return layer;
	return isle_component_valid(name) ? isle_walk(layer, "work/index", O_PATH | O_DIRECTORY) : -EINVAL;
}

int isle_index_find(int layer, const char *prefix, const struct isle_xattrs *overlay, uint64_t ino, char **ret_name)
{
	static const char digits[] = "0123456789abcdef";
	const size_t skip = strlen(prefix);
	const struct isle_xattr *origin = NULL;
	auto_free char *name = NULL;
	auto_fd int index = -1;
	struct isle_stat st;

	for (size_t i = 0; i < overlay->count; i++)
		if (strncmp(overlay->list[i].name, prefix, skip) == 0 &&
		    strcmp(overlay->list[i].name + skip, "origin") == 0)
			origin = &overlay->list[i];
	if (!origin || origin->size == 0)
		return 0;
	name = malloc(2 * origin->size + 1);
	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < origin->size; i++) {
		unsigned char byte = ((const unsigned char *)origin->value)[i];

		name[2 * i] = digits[byte >> 4];
		name[2 * i + 1] = digits[byte & 15];
	}
	name[2 * origin->size] = '\0';
	index = open_index(layer, name);
	if (index < 0 || isle_look(index, name, &st) <= 0 || st.ino != ino)
		return 0;
	*ret_name = ptr_take(&name);
	return 0;
}

int isle_index_has(int layer, const char *name)
{
	auto_fd int index = open_index(layer, name);
	struct isle_stat st;

	return index < 0 ? index : isle_look(index, name, &st);
}

int isle_index_remove(int layer, const char *name, const struct isle_stat *object)
{
	auto_fd int index = open_index(layer, name);
	struct isle_stat there;
	int r;

	if (index < 0)
		return index == -ENOENT ? 0 : index;
	r = object ? isle_look(index, name, &there) : 1;
	if (r <= 0 || (object && !isle_same_object(object, &there)))
		return r < 0 ? r : 0;
	return unlinkat(index, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int isle_index_add(int layer, const char *name, int dir, const char *object)
{
	auto_fd int index = open_index(layer, name);
	struct isle_stat wanted, there;
	int r;

	if (index < 0)
		return index;
	if (linkat(dir, object, index, name, 0) >= 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	r = isle_look(dir, object, &wanted);
	if (r > 0)
		r = isle_look(index, name, &there);
	return r < 0 ? r : r > 0 && isle_same_object(&wanted, &there) ? 0 : -EEXIST;
}
