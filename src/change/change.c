/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes as such: their names, their storage, and opening both sides of one.
 *
 * The isle's side is opened from the layer's upper directory, the host's from the layer's root; both by a walk
 * that follows no symbolic link, so a link that the isle planted leads nowhere.
 */
#include "change_internal.h"
#include "kernel.h"
#include "path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[ISLE_CREATE] = "create",   [ISLE_MODIFY] = "modify",	  [ISLE_DELETE] = "delete",  [ISLE_RENAME] = "rename",
	[ISLE_REPLACE] = "replace", [ISLE_METADATA] = "metadata", [ISLE_READ_ONLY] = "read",
};

static const struct {
	enum isle_mark mark;
	const char *name;
} mark_names[] = {
	{ISLE_MARK_SETUID, "setuid"},
	{ISLE_MARK_SETGID, "setgid"},
	{ISLE_MARK_CAPS, "caps"},
	{ISLE_MARK_DEVICE, "device"},
	{ISLE_MARK_XATTR, "xattr"},
	{ISLE_MARK_AUTOSTART, "autostart"},
	{ISLE_MARK_CREDENTIAL, "credential"},
	{ISLE_MARK_BYTECODE, "bytecode"},
	{ISLE_MARK_WRITABLE, "writable"},
	{ISLE_MARK_OWNER, "owner"},
	{ISLE_MARK_ACL, "acl"},
	{ISLE_MARK_LINK, "link"},
	{ISLE_MARK_SETGID_DIRECTORY, "setgid-directory"},
	{ISLE_MARK_FOREIGN, "foreign"},
};

const char *isle_change_kind_name(enum isle_change_kind kind)
{
	return kind_names[kind];
}

int isle_change_kind_by_name(const char *name)
{
	for (int kind = ISLE_CREATE; kind <= ISLE_READ_ONLY; kind++)
		if (strcmp(kind_names[kind], name) == 0)
			return kind;
	return -EINVAL;
}

int isle_change_kinds_add(const char *words, unsigned *kinds)
{
	auto_free char *copy = strdup(words);
	char *rest = copy, *word;

	while (copy && (word = strsep(&rest, ","))) {
		int kind = isle_change_kind_by_name(word);

		if (kind < 0 || kind == ISLE_READ_ONLY)
			return -EINVAL;
		*kinds |= 1U << kind;
	}
	return copy ? 0 : -ENOMEM;
}

const char *isle_moved_name(enum isle_moved moved)
{
	switch (moved) {
	case ISLE_MOVED_NO:
		return NULL;
	case ISLE_MOVED_CHANGED:
		return "changed";
	case ISLE_MOVED_DELETED:
		return "deleted";
	case ISLE_MOVED_CREATED:
		return "created";
	case ISLE_MOVED_METADATA:
		return "metadata";
	}
	return NULL;
}

const char *isle_type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return "file";
	}
}

const char *isle_mark_name(enum isle_mark mark)
{
	for (size_t i = 0; i < ARRAY_SIZE(mark_names); i++)
		if (mark_names[i].mark == mark)
			return mark_names[i].name;
	return NULL;
}

unsigned isle_mark_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(mark_names); i++)
		if (strcmp(mark_names[i].name, name) == 0)
			return mark_names[i].mark;
	return 0;
}

void isle_change_done(struct isle_change *change)
{
	free(change->path);
	free(change->from);
	free(change->data);
	free(change->notes.list);
}

void isle_changes_done(struct isle_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		isle_change_done(&changes->list[i]);
	free(changes->list);
	*changes = ISLE_CHANGES_INIT;
}

/* The directory of the last component of a path below root. */
static int open_parent(int root, const char *path, const char **ret_name)
{
	auto_free char *above = NULL;
	const char *slash = strrchr(path, '/');
	int fd;

	above = strndup(path, slash ? (size_t)(slash - path) : 0);
	if (!above)
		return -ENOMEM;
	/* The root itself is the descriptor and no name. */
	fd = isle_walk_long(root, above, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		*ret_name = slash ? slash + 1 : path;
	return fd;
}

static int open_host(const struct isle_layer *layer, const char *path, const char **ret_name)
{
	auto_fd int host = isle_layer_open_host(layer);

	if (host < 0)
		return host;
	if (layer->kind != ISLE_LAYER_FILE)
		return open_parent(host, isle_layer_below(layer, path), ret_name);
	*ret_name = "";
	return fd_take(&host);
}

static int open_after(const struct isle *isle, const struct isle_layer *layer, const struct isle_change *change,
		      const char **ret_name)
{
	auto_fd int dir = -1;

	if (layer->kind == ISLE_LAYER_FILE) {
		*ret_name = "file";
		return isle_layer_open(isle, layer);
	}
	if (!change->upper || change->kind == ISLE_DELETE)
		return -ENOENT;
	dir = isle_layer_open_upper(isle, layer);
	return dir < 0 ? dir : open_parent(dir, change->upper, ret_name);
}

int isle_change_at(const struct isle *isle, const struct isle_layers *layers, const struct isle_change *change,
		   enum isle_change_side side, const char **ret_name)
{
	const struct isle_layer *layer = &layers->list[change->layer];

	return side == ISLE_BEFORE ? open_host(layer, isle_change_host(change), ret_name)
				   : open_after(isle, layer, change, ret_name);
}

static int reopen_plain(int path_fd)
{
	auto_free char *path = NULL;
	struct stat st;
	int fd;

	if (fstat(path_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (asprintf(&path, "/proc/self/fd/%d", path_fd) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_host_file(const struct isle_layer *layer, const char *path)
{
	const char *name = NULL;
	auto_fd int dir = open_host(layer, path, &name);

	if (dir < 0)
		return dir;
	return *name ? isle_open_plain(dir, name) : reopen_plain(dir);
}

int isle_change_open_before(const struct isle_layers *layers, const struct isle_change *change)
{
	return open_host_file(&layers->list[change->layer], isle_change_host(change));
}

int isle_change_open_after(const struct isle *isle, const struct isle_layers *layers, const struct isle_change *change)
{
	const struct isle_layer *layer = &layers->list[change->layer];
	const char *name = NULL;
	auto_fd int dir = -1;

	if (!S_ISREG(change->after.mode))
		return -EINVAL;
	if (change->metacopy)
		return open_host_file(layer, isle_change_data(change));
	dir = open_after(isle, layer, change, &name);
	return dir < 0 ? dir : isle_open_plain(dir, name);
}

bool isle_change_owner(const struct isle_change *change, uint32_t *ret_uid, uint32_t *ret_gid)
{
	const size_t tail = strlen(ISLE_OWNER_NOTE);
	unsigned uid;
	unsigned gid;

	for (size_t i = 0; i < change->notes.count; i++) {
		const struct isle_xattr *x = &change->notes.list[i];
		size_t length = strlen(x->name);
		char text[32];

		if (length < tail || strcmp(x->name + length - tail, ISLE_OWNER_NOTE) != 0 || x->size >= sizeof(text))
			continue;
		memcpy(text, x->value, x->size);
		text[x->size] = '\0';
		if (sscanf(text, "%u:%u", &uid, &gid) != 2)
			return false;
		*ret_uid = uid;
		*ret_gid = gid;
		return true;
	}
	return false;
}
