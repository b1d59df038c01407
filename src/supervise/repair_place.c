/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an argument of a call to (directory, name): the text is copied once, and resolved below the root of the caller.
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "path.h"
#include "peer.h"

void isle_repair_place_done(const struct isle_repair_place *place)
{
	isle_cleanup_fd(&place->dir);
}

/* Without a record (--no-track) chroot(2) is not trapped.
 *
 * The directory that "/" means for the caller, and where in *text (absolute in the view) what is below it begins. -1:
 * that of the view. */
static int open_root(const struct isle_guide *guide, const struct isle_call *call, const char **text)
{
	char root[PATH_MAX];

	if (!guide->chroots && guide->events != NULL)
		return -1;
	int length = isle_peer_link(call->tid, "root", root, sizeof(root));
	if (length <= 1 || !isle_path_below(*text, root))
		return -1;
	int fd = isle_guide_open(guide, root, O_DIRECTORY);
	if (fd >= 0)
		*text += length;
	return fd;
}

static int open_below(const struct isle_guide *guide, const struct isle_call *call, const char *text, int flags)
{
	auto_fd int root = open_root(guide, call, &text);
	const struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
				     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	if (root < 0)
		return isle_guide_open(guide, text, flags);
	text += strspn(text, "/");
	return isle_openat2(root, *text == '\0' ? "." : text, &how);
}

/* The last component that was written, without slashes: whether it can be the name of an entry. */
static bool names_an_entry(const char *path, bool *ret_slash)
{
	size_t length = strlen(path);

	*ret_slash = length > 0 && path[length - 1] == '/';
	while (length > 0 && path[length - 1] == '/')
		length--;
	size_t start = length;
	while (start > 0 && path[start - 1] != '/')
		start--;
	size_t size = length - start;
	return size > 0 && size <= NAME_MAX && !(size <= 2 && strncmp(path + start, "..", size) == 0);
}

/* Splits text, which names an entry, and opens its directory. */
static bool open_place(struct isle_guide *guide, const struct isle_call *call, char *text,
		       struct isle_repair_place *place)
{
	char *slash = strrchr(text, '/');
	struct statx st;
	struct statfs fs;

	if (slash == NULL || strlen(slash + 1) > NAME_MAX || !isle_component_valid(slash + 1))
		return false;
	memcpy(place->name, slash + 1, strlen(slash + 1) + 1);
	*slash = '\0';
	place->dir = open_below(guide, call, *text == '\0' ? "/" : text, O_DIRECTORY);
	if (place->dir < 0 || fstatfs(place->dir, &fs) < 0 || fs.f_type != ISLE_OVERLAY_MAGIC ||
	    isle_statx(place->dir, "", &st) < 0)
		return false;
	place->mount = st.stx_mnt_id;
	int r = isle_statx(place->dir, place->name, &place->st);
	if (r == -ENOENT)
		place->st = (struct statx){0};
	return r >= 0 || r == -ENOENT;
}

bool isle_repair_find(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address,
		      unsigned flags, struct isle_repair_place *place)
{
	char path[PATH_MAX];

	*place = ISLE_REPAIR_INIT;
	if (guide->root < 0 || isle_peer_string(call->tid, address, path, sizeof(path)) <= 0 ||
	    !names_an_entry(path, &place->slash) || isle_guide_path_text(guide, call, dirfd, path) <= 0)
		return false;
	if ((flags & ISLE_REPAIR_FOLLOW) != 0) {
		auto_fd int object = open_below(guide, call, guide->raw, 0);

		if (object < 0 || isle_guide_path_of_object(object, guide->raw, PATH_MAX) < 0)
			return false;
	}
	return open_place(guide, call, guide->raw, place);
}

bool isle_repair_view(struct isle_repair_place *place)
{
	int length = isle_guide_path_of_object(place->dir, place->view, PATH_MAX);

	if (length < 0)
		return false;
	length = length == 1 ? 0 : length;
	place->view[length] = '/';
	memcpy(place->view + length + 1, place->name, strlen(place->name) + 1);
	return true;
}
