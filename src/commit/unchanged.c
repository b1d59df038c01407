/* SPDX-License-Identifier: Apache-2.0 */
#include "unchanged.h"
#include "kernel.h"
#include "path.h"
#include "subtree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void isle_unchanged_done(struct isle_unchanged *unchanged)
{
	for (size_t i = 0; i < unchanged->paths.room; i++)
		if (unchanged->paths.slots[i].key)
			free(unchanged->paths.slots[i].value);
	isle_map_done(&unchanged->paths);
	free(unchanged->looked);
	*unchanged = (struct isle_unchanged){0};
}

static void set_key(unsigned layer, uint64_t ino, char key[48])
{
	snprintf(key, 48, "%u %" PRIx64, layer, ino);
}

/* Of two names the first one met is as good as the other. */
static int note(struct isle_builder *b, unsigned layer, uint64_t ino, char *path)
{
	auto_free char *own = path;
	char key[48];
	int r;

	set_key(layer, ino, key);
	if (isle_changes_find(&b->changes, own) >= 0 || isle_map_get(&b->unchanged.paths, key))
		return 0;
	r = isle_map_set(&b->unchanged.paths, key, own);
	if (r >= 0)
		ptr_take(&own);
	return r;
}

static int look_through(struct isle_builder *b, unsigned layer, const char *below, int dir)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *entry;

	while (r >= 0 && (entry = isle_next_entry(stream, &r))) {
		auto_free char *path = isle_path_join(below, entry->d_name);
		auto_fd int sub = -1;
		struct isle_stat st;

		r = path ? isle_look(dir, entry->d_name, &st) : -ENOMEM;
		if (r <= 0)
			continue;
		r = 0;
		if (!S_ISDIR(st.mode)) {
			r = st.nlink > 1 ? note(b, layer, st.ino, ptr_take(&path)) : 0;
			continue;
		}
		sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = look_through(b, layer, path, sub);
		else if (errno != EACCES)
			r = -errno;
	}
	return r;
}

static int look_at_layer(struct isle_builder *b, unsigned layer)
{
	const char *name;
	auto_fd int root = -1;
	int r;

	if (!b->unchanged.looked)
		b->unchanged.looked = calloc(b->layers.count + 1, 1);
	if (!b->unchanged.looked)
		return -ENOMEM;
	if (b->unchanged.looked[layer])
		return 0;
	b->unchanged.looked[layer] = 1;
	r = isle_builder_upper(b, layer, "x", &name);
	if (r < 0)
		return r;
	root = openat(b->uppers[layer].root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : look_through(b, layer, b->layers.list[layer].path, root);
}

/* Below a renamed directory the host has it at the old place. */
static char *host_path(const struct isle_builder *b, const char *path)
{
	auto_free char *above = strdup(path);
	char *slash;

	while (above && (slash = strrchr(above, '/')) && slash > above) {
		*slash = '\0';
		for (ssize_t k = isle_changes_find(&b->changes, above);
		     k >= 0 && (size_t)k < b->changes.count && strcmp(b->changes.list[k].path, above) == 0; k++) {
			const struct isle_change *change = &b->changes.list[k];

			if (change->kind == ISLE_RENAME && S_ISDIR(change->after.mode))
				return isle_path_join(change->from, path + (slash - above) + 1);
		}
	}
	return above ? strdup(path) : NULL;
}

int isle_unchanged_name(struct isle_builder *b, const struct isle_change *change, char **ret_path)
{
	const char *path;
	char key[48];
	int r = look_at_layer(b, change->layer);

	if (r < 0)
		return r;
	set_key(change->layer, change->after.ino, key);
	path = isle_map_get(&b->unchanged.paths, key);
	if (!path)
		return 0;
	*ret_path = host_path(b, path);
	return *ret_path ? 1 : -ENOMEM;
}
