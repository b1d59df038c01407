/* SPDX-License-Identifier: Apache-2.0 */
#include "unchanged.h"
#include "kernel.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One of the names of a file; the map has the first. */
struct name {
	struct name *next;
	char path[];
};

void isle_unchanged_done(struct isle_unchanged *unchanged)
{
	for (size_t i = 0; i < unchanged->names.room; i++) {
		struct name *name = unchanged->names.slots[i].key ? unchanged->names.slots[i].value : NULL;

		while (name) {
			struct name *next = name->next;

			free(name);
			name = next;
		}
	}
	isle_map_done(&unchanged->names);
	free(unchanged->looked);
	*unchanged = (struct isle_unchanged){0};
}

static void set_key(unsigned layer, uint64_t ino, char key[48])
{
	snprintf(key, 48, "%u %" PRIx64, layer, ino);
}

/* What is deleted is the host's, also where it has the path of something that the layer has. */
static bool is_listed(const struct isle_builder *b, const char *path)
{
	for (ssize_t i = isle_changes_find(&b->changes, path);
	     i >= 0 && (size_t)i < b->changes.count && strcmp(b->changes.list[i].path, path) == 0; i++)
		if (b->changes.list[i].kind != ISLE_DELETE)
			return true;
	return false;
}

static int note(struct isle_builder *b, unsigned layer, uint64_t ino, const char *path)
{
	size_t size = strlen(path) + 1;
	auto_free struct name *name = NULL;
	struct name *first;
	char key[48];
	int r = 0;

	if (is_listed(b, path))
		return 0;
	name = malloc(sizeof(*name) + size);
	if (!name)
		return -ENOMEM;
	memcpy(name->path, path, size);
	set_key(layer, ino, key);
	first = isle_map_get(&b->unchanged.names, key);
	name->next = first ? first->next : NULL;
	if (first)
		first->next = name;
	else
		r = isle_map_set(&b->unchanged.names, key, name);
	if (r >= 0)
		ptr_take(&name);
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
			r = st.nlink > 1 ? note(b, layer, st.ino, path) : 0;
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
	const struct name *name;
	char key[48];
	int r = look_at_layer(b, change->layer);

	if (r < 0)
		return r;
	set_key(change->layer, change->after.ino, key);
	name = isle_map_get(&b->unchanged.names, key);
	if (!name)
		return 0;
	*ret_path = host_path(b, name->path);
	return *ret_path ? 1 : -ENOMEM;
}

/* The upper object has names that are no change. The index of the layer is one, too. */
static int has_more_names(struct isle_builder *b, const struct isle_change *change)
{
	size_t listed = isle_choice_count(&b->choice, change, 0);
	auto_free char *index = NULL;
	int r;

	if (change->after.nlink <= listed || !change->upper)
		return 0;
	/* The layer has been looked through already, and tells. */
	if (change->after.nlink > listed + 1 || (b->all && b->unchanged.looked && b->unchanged.looked[change->layer]))
		return 1;
	r = isle_builder_index(b, change, &index);
	return r < 0 ? r : !index;
}

static int leave(struct isle_builder *b, const struct isle_change *change)
{
	const struct isle_layer *layer = &b->layers.list[change->layer];
	const struct name *name;
	char key[48];
	int r = look_at_layer(b, change->layer);

	set_key(change->layer, change->after.ino, key);
	for (name = r < 0 ? NULL : isle_map_get(&b->unchanged.names, key); name && r >= 0; name = name->next)
		r = isle_plan_leave(&b->plan, change->layer, isle_layer_below(layer, name->path), change->after.ino);
	return r;
}

int isle_unchanged_leave(struct isle_builder *b)
{
	for (size_t i = 0; i < b->changes.count; i++) {
		const struct isle_change *change = &b->changes.list[i];
		int r = 0;

		if (b->choice.chosen[i] && isle_choice_group(&b->choice, change) == i + 1)
			r = has_more_names(b, change);
		if (r > 0 && !b->all) {
			b->need_all = true;
			return 0;
		}
		if (r > 0)
			r = leave(b, change);
		if (r < 0)
			return isle_err_errno(b->err, r, "cannot look for other names of %s", isle_quote(change->path));
	}
	return 0;
}
