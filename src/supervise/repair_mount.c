/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of a composite directory (composite.h): each is a layer of its own and so a mount point in the view,
 * which the kernel lets nobody inside remove. On the host nothing is mounted there.
 *
 * In the mount namespace of this process nothing is mounted there either. rmdir(2) from here removes the directory in
 * the composite directory's overlay, where it is empty, and the kernel takes off what is mounted on it in the view, in
 * the same step (detach_mounts()). So
 *
 * 1. whether it is empty, and may be removed, is found out here;
 * 2. what somebody makes in it between that and the removal is put into a new directory in its place;
 * 3. from then on its layer is covered (layer.h) and is emptied.
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "kernel.h"
#include "names.h"
#include "path.h"
#include "peer.h"
#include "trap.h"

static struct isle_layer *layer_of(struct isle_guide *guide, const char *view)
{
	struct isle_layers *layers = &guide->origins.layers;

	for (size_t i = 0; i < layers->count; i++)
		if (!layers->list[i].covered && strcmp(layers->list[i].path, view) == 0)
			return &layers->list[i];
	return NULL;
}

static bool has_layers_below(const struct isle_guide *guide, const struct isle_layer *layer)
{
	const struct isle_layers *layers = &guide->origins.layers;

	for (size_t i = 0; i < layers->count; i++)
		if (&layers->list[i] != layer && !layers->list[i].covered &&
		    isle_path_below(layers->list[i].path, layer->path))
			return true;
	return false;
}

/* A directory of the same mount as the one that it is in. */
static bool is_mounted_on_host(const char *path)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];
	struct statx st;
	struct statx there;

	snprintf(above, sizeof(above), "%.*s", (int)(slash == path ? 1 : slash - path), path);
	return isle_statx(AT_FDCWD, path, &st) < 0 || isle_statx(AT_FDCWD, above, &there) < 0 ||
	       st.stx_mnt_id != there.stx_mnt_id;
}

bool isle_repair_is_mount_point(const struct isle_repair_place *place)
{
	return place->st.stx_mode != 0 && place->st.stx_mnt_id != place->mount;
}

bool isle_repair_can_take_off(struct isle_guide *guide, const struct isle_repair_place *place)
{
	const struct isle_layer *layer = layer_of(guide, place->view);

	return isle_repair_is_mount_point(place) && S_ISDIR(place->st.stx_mode) && layer != NULL && layer->user &&
	       !has_layers_below(guide, layer) && !is_mounted_on_host(layer->path);
}

int isle_repair_may_remove(const struct isle_repair_place *place)
{
	struct statx dir;

	if (faccessat(place->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	int r = isle_statx(place->dir, "", &dir);
	if (r < 0)
		return r;
	if ((dir.stx_mode & S_ISVTX) != 0 && dir.stx_uid != geteuid() && place->st.stx_uid != geteuid())
		return -EPERM;
	return 0;
}

/* Somebody made something in a directory that was empty a moment ago. */
static int put_back(const struct isle_repair_place *place, int removed)
{
	bool empty = true;
	int r = isle_names_empty(removed, &empty);

	if (r < 0 || empty)
		return 0;
	r = isle_carry(removed, ".", place->dir, place->name, 0);
	return r < 0 ? r : -ENOTEMPTY;
}

int isle_repair_take_off(struct isle_guide *guide, const struct isle_repair_place *place, unsigned flags)
{
	auto_fd int dir = openat(place->dir, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct isle_layer *layer = layer_of(guide, place->view);
	bool with_content = (flags & ISLE_TAKE_OFF_ALL) != 0;
	bool empty = true;

	if (layer == NULL)
		return -EBUSY;
	/* Whether it is empty cannot be told. */
	if (dir < 0 && !with_content)
		return -EBUSY;
	int r = with_content ? 0 : isle_names_empty(dir, &empty);
	if (r >= 0 && !empty)
		r = -ENOTEMPTY;
	if (r >= 0 && unlinkat(place->dir, place->name, AT_REMOVEDIR) < 0)
		r = -errno;
	if (r < 0)
		return r;
	r = with_content ? 0 : put_back(place, dir);
	isle_ignore(isle_layer_empty(guide->options.isle, layer));
	isle_origins_look(&guide->origins);
	return r;
}

/* Its last name is that of a layer's directory: the others, nearly all, are left to the kernel. */
static bool can_be_layer(const struct isle_guide *guide, const struct isle_call *call, uint64_t address)
{
	const struct isle_layers *layers = &guide->origins.layers;
	char path[PATH_MAX];
	int length = isle_peer_string(call->tid, address, path, sizeof(path));

	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	const char *slash = length <= 0 ? NULL : strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	for (size_t i = 0; length > 0 && i < layers->count; i++)
		if (strcmp(strrchr(layers->list[i].path, '/') + 1, name) == 0)
			return true;
	return false;
}

int isle_repair_remove(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	bool at = call->notif.data.nr == SYS_unlinkat;
	uint64_t address = call->args[at ? 1 : 0];
	auto_repair_place struct isle_repair_place place = ISLE_REPAIR_INIT;

	if ((at && call->args[2] != AT_REMOVEDIR) || !can_be_layer(guide, call, address) ||
	    !isle_repair_find(guide, call, at ? (int)call->args[0] : AT_FDCWD, address, 0, &place) ||
	    !isle_repair_is_mount_point(&place) || !isle_repair_view(&place) ||
	    !isle_repair_can_take_off(guide, &place) || !isle_guide_waits(guide, call))
		return 0;
	int r = isle_repair_may_remove(&place);
	if (r >= 0)
		r = isle_repair_take_off(guide, &place, 0);
	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	if (r >= 0)
		isle_guide_renamed(guide, call);
	return 0;
}
