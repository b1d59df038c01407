/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PATH is taken as text first, and also as where the host's symbolic links lead: "/bin/x" finds what changed
 * at "/usr/bin/x". That is for finding only.
 */
#include "look.h"
#include "path.h"
#include "recovered.h"
#include "touched.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool names_isle(const char *operand)
{
	return strchr(operand, '/') == NULL;
}

/* The path with the symbolic links above its last component resolved, NULL when it leads nowhere. */
static char *resolve_parent(const char *path)
{
	auto_free char *above = strdup(path), *real = NULL;
	char *slash = above ? strrchr(above, '/') : NULL;

	if (!slash || !slash[1])
		return NULL;
	*slash = '\0';
	real = realpath(*above ? above : "/", NULL);
	return real ? isle_path_join(real, slash + 1) : NULL;
}

static int add_path(struct isle_look *look, const char *operand)
{
	auto_free char *path = isle_path_absolute(operand), *real = NULL;

	if (!path)
		return -ENOMEM;
	real = resolve_parent(path);
	if (real && strcmp(real, path) != 0)
		look->paths[look->path_count++] = ptr_take(&real);
	look->paths[look->path_count++] = ptr_take(&path);
	return 0;
}

static int add_paths(struct isle_look *look, char **operands, int count)
{
	if (count == 0)
		return 0;
	look->paths = calloc((size_t)count * 2, sizeof(*look->paths));
	if (!look->paths)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		int r = add_path(look, operands[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int isle_look_open(struct isle_look *look, const struct isle_args *args, unsigned scan_flags, struct isle_err *err)
{
	int first = args->operand_count > 0 && names_isle(args->operands[0]);
	int r = add_paths(look, args->operands + first, args->operand_count - first);

	if (r < 0)
		return isle_err_errno(err, r, "cannot read the paths");
	r = isle_store_open_to_look(&look->store, err);
	if (r >= 0)
		r = isle_find(look->store, first ? args->operands[0] : NULL, &look->isle, err);
	if (r >= 0)
		r = isle_layers_read(look->isle, &look->layers, err);
	if (r >= 0)
		r = isle_changes_scan(look->store, look->isle, &look->layers, scan_flags, &look->changes, err);
	if (r >= 0)
		r = isle_touched_settle(look->store, look->isle, &look->layers, &look->changes, err);
	if (r >= 0 && look->changes.count > 0)
		r = isle_notes_load(look->isle, &look->notes, err);
	return r;
}

void isle_look_done(struct isle_look *look)
{
	isle_notes_done(&look->notes);
	isle_changes_done(&look->changes);
	isle_layers_done(&look->layers);
	isle_free(look->isle);
	isle_store_free(look->store);
	for (size_t i = 0; i < look->path_count; i++)
		free(look->paths[i]);
	free(look->paths);
	*look = ISLE_LOOK_INIT;
}
