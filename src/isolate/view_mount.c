/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting the view, in the keeper.
 *
 * 1. Every mount point is found by openat2(RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS) below the view's root and then named by
 * its descriptor: what an earlier run left in the layers, a symbolic link in the place of a directory say, is never
 *    followed. Where the point is no longer of the right type, the isle has replaced it and nothing is mounted.
 * 2. Lower directories are named by descriptors and the isle's own by numbers, so that no path has to be escaped for
 *    overlayfs, whose options know commas, colons and backslashes.
 * 3. No overlay has devices; set-user-ID programs work as root only.
 * 4. A file system that overlayfs does not take as a lower (case-insensitive, automounting) is shown read-only, with a
 * note.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kernel.h"
#include "path.h"
#include "quote.h"
#include "talk.h"
#include "trusted.h"
#include "view.h"

/* <sys/mount.h> and <linux/mount.h> of Debian 12 exclude each other. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { SYS_MS_RDONLY = 1, SYS_MS_NOSUID = 2, SYS_MS_NODEV = 4, SYS_MS_NOEXEC = 8 };

struct mounter {
	int store; /* of the store */
	const struct isle *isle;
	const struct isle_view *view;
	unsigned flags; /* enum isle_run_flags */
	int root;	/* of the view, -1 before the first mount */
	struct isle_err *err;
};

static int open_target(const struct mounter *m, const char *path)
{
	if (m->root < 0)
		return openat(m->store, "root", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return isle_walk(m->root, path + 1, O_PATH);
}

/* The shadow of this key, or where there is none the host's directory. */
static int open_lower(const struct mounter *m, const char *key, const char *path)
{
	char shadow[80];

	if (key == NULL)
		return isle_walk_host(path, O_PATH | O_DIRECTORY);
	snprintf(shadow, sizeof(shadow), "shadows/%s", key);
	return isle_walk(m->store, shadow, O_PATH | O_DIRECTORY);
}

/* Upper and work as overlay options, relative to the isle's directory or by descriptor. */
static int format_options(const struct mounter *m, const struct isle_layer *layer, int lower, int place, char *buffer,
			  size_t size)
{
	const char *kind = layer->user ? "userxattr" : "redirect_dir=on,index=on,xino=auto,metacopy=on";
	const char *sync = (m->flags & ISLE_RUN_DURABLE) != 0 ? "" : ",volatile";
	char base[48];
	int n;

	if (place >= 0)
		snprintf(base, sizeof(base), "/proc/self/fd/%d", place);
	else
		snprintf(base, sizeof(base), "layers.d/%u", layer->number);
	n = snprintf(buffer, size, "lowerdir=/proc/self/fd/%d,upperdir=%s/upper,workdir=%s/work,%s%s", lower, base,
		     base, kind, sync);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Another keeper of the same isle may be about to unmount: index=on refuses an upper that is in use. */
static int mount_patiently(const char *target, unsigned long flags, const char *options)
{
	for (unsigned attempt = 0;; attempt++) {
		if (mount("isle", target, "overlay", flags, options) == 0)
			return 0;
		if (errno != EBUSY || attempt == 400)
			return -errno;
		usleep(5000);
	}
}

/* At rest an upper is writable for its owner, so that it can be moved and deleted (isle_view_rest()). */
static void set_upper_mode(const struct mounter *m, const struct isle_layer *layer, int place)
{
	char name[48] = "upper";

	if (!layer->user || (layer->root_mode & 0200) != 0)
		return;
	if (place < 0)
		snprintf(name, sizeof(name), "layers.d/%u/upper", layer->number);
	isle_ignore(fchmodat(place < 0 ? m->isle->dir : place, name, layer->root_mode, 0));
}

/* What the kernel will look up by path is what it should be, and nothing that leads elsewhere. */
static int check_directories(const struct mounter *m, const struct isle_layer *layer, int place)
{
	static const char *const names[] = {"upper", "work"};
	char path[48];

	snprintf(path, sizeof(path), "layers.d/%u", layer->number);
	auto_fd int dir = place >= 0 ? dup(place)
				     : openat(m->isle->dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;

		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (!S_ISDIR(st.st_mode))
			return -ENOTDIR;
	}
	return 0;
}

/* What was planned with, opened again: a descriptor from before belongs to the old mount namespace. -1: in the store.
 */
static int reopen_place(const struct mounter *m, const struct isle_layer *layer, size_t i)
{
	if (layer->place == NULL)
		return -1;
	if (m->view->places[i] < 0)
		return -ENOENT;
	auto_fd int fd = isle_open_same(layer->place, m->view->places[i], O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	return dup3(fd, m->view->places[i], O_CLOEXEC) < 0 ? -errno : m->view->places[i];
}

static int mount_overlay(const struct mounter *m, const struct isle_step *step, const struct isle_layer *layer,
			 int target)
{
	unsigned long flags = SYS_MS_NODEV | step->flags | (layer->user ? SYS_MS_NOSUID : 0);
	auto_fd int lower = open_lower(m, layer->kind == ISLE_LAYER_SHADOW ? layer->shadow : NULL, layer->path);
	int place = reopen_place(m, layer, step->layer);
	char options[256];
	char point[40];

	if (lower < 0)
		return lower;
	if (layer->place != NULL && place < 0)
		return place;
	int r = check_directories(m, layer, place);
	if (r < 0)
		return r;
	set_upper_mode(m, layer, place);
	r = format_options(m, layer, lower, place, options, sizeof(options));
	if (r < 0)
		return r;
	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	return mount_patiently(point, flags, options);
}

/* A detached copy of a mount with attributes set, put onto target. */
static int bind_onto(int dir, const char *path, unsigned recursive, uint64_t attributes, int target)
{
	auto_fd int tree = isle_open_tree(dir, path,
					  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | recursive);

	if (tree < 0)
		return tree;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, attributes, 0);
	if (r < 0)
		return r;
	return isle_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int bind_read_only(const char *path, int target)
{
	return bind_onto(AT_FDCWD, path, AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, target);
}

static int mount_file(const struct mounter *m, const struct isle_layer *layer, int target)
{
	auto_fd int dir = isle_layer_open(m->isle, layer);

	if (dir < 0)
		return dir;
	return bind_onto(dir, "file", 0, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, target);
}

/* Without an upper, but with a second lower, an empty one, which overlayfs wants then. */
static int mount_still_overlay(const struct mounter *m, const struct isle_step *step, int target)
{
	unsigned long flags = SYS_MS_RDONLY | SYS_MS_NODEV | SYS_MS_NOSUID | step->flags;
	auto_fd int lower = open_lower(m, step->shadow, step->path);
	auto_fd int empty = openat(m->store, "empty", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char options[96];
	char point[40];

	if (lower < 0)
		return lower;
	if (empty < 0)
		return -errno;
	snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,userxattr", lower, empty);
	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	return mount("isle", point, "overlay", flags, options) < 0 ? -errno : 0;
}

/* What cannot be overlaid is read-only; what the host has removed since the view was planned is left out. */
static int or_read_only(const struct isle_step *step, int target, int r)
{
	struct stat st;

	if (r >= 0 || !step->optional)
		return r;
	if (r == -ENOENT)
		return lstat(step->path, &st) < 0 && errno == ENOENT ? 0 : r;
	isle_note("%s is read-only in this isle: its file system cannot be overlaid (%s)", isle_quote(step->path),
		  strerror(-r));
	return bind_read_only(step->path, target);
}

/* The directory of a layer, wherever it lies. */
static int open_layer(const struct isle *isle, const struct isle_view *view, size_t i)
{
	if (view->layers.list[i].place == NULL)
		return isle_layer_open(isle, &view->layers.list[i]);
	int fd = view->places[i] < 0 ? -1 : fcntl(view->places[i], F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -ENOENT : fd;
}

/* overlayfs makes work/work, and only where it takes the lower directory. */
static bool was_mounted(const struct mounter *m, size_t i)
{
	auto_fd int dir = open_layer(m->isle, m->view, i);

	return dir >= 0 && faccessat(dir, "work/work", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int mount_layer(const struct mounter *m, const struct isle_step *step, int target)
{
	const struct isle_layer *layer = &m->view->layers.list[step->layer];

	if (layer->kind == ISLE_LAYER_FILE)
		return mount_file(m, layer, target);
	int r = mount_overlay(m, step, layer, target);
	/* What the isle has changed there must not be out of sight. */
	return r < 0 && was_mounted(m, step->layer) ? r : or_read_only(step, target, r);
}

/* --write: the very object that was planned, or nothing. */
static int mount_writable(const struct isle_step *step, int target)
{
	struct stat st;
	uint64_t attributes = 0;
	auto_fd int object = isle_open_same(step->path, step->held, O_PATH);

	if (object < 0 || fstat(object, &st) < 0)
		return object < 0 ? object : -errno;
	close(step->held); /* of the old mount namespace, in which it would keep its file system busy */
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		attributes = MOUNT_ATTR_NODEV;
	auto_fd int tree = isle_open_tree(object, "",
					  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return tree;
	int r = attributes == 0 ? 0 : isle_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, 0);
	if (r < 0)
		return r;
	return isle_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int hide(const struct mounter *m, int target)
{
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	struct stat st;

	if (fstat(target, &st) < 0)
		return -errno;
	return bind_onto(m->store, S_ISDIR(st.st_mode) ? "empty" : "empty-file", 0, attributes, target);
}

/* Rules are about names, not about what exists: a hidden path stays hidden when the host makes it later. Its parent has
 * to exist, and the isle must be able to write there. */
static int open_placeholder(const struct mounter *m, const char *path)
{
	const char *name = NULL;
	auto_fd int parent = isle_walk_parent(m->root, path + 1, O_PATH | O_DIRECTORY, &name);

	if (parent < 0 || mkdirat(parent, name, 0555) < 0)
		return parent < 0 ? parent : -errno;
	return isle_walk(parent, name, O_PATH | O_DIRECTORY);
}

/* What the user wants hidden is never left in sight: only where nothing can be seen there is nothing to do. */
static int hide_named(const struct mounter *m, const struct isle_step *step)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	auto_fd int target = -EAGAIN; /* something was renamed while ".." was looked up */

	while (target == -EAGAIN)
		target = isle_openat2(m->root, step->path + 1, &how);
	if (target == -ENOSYS) /* the kernel: links are not followed then */
		target = open_target(m, step->path);
	if (target == -ENOENT && step->missing)
		target = open_placeholder(m, step->path);
	if (target == -EEXIST) /* a link that leads nowhere yet */
		target = open_target(m, step->path);
	if (target >= 0)
		return hide(m, target);
	return target == -ENOENT || target == -ENOTDIR || target == -ELOOP || target == -EACCES ? 0 : target;
}

static int mount_step(struct mounter *m, const struct isle_step *step)
{
	if (step->named)
		return hide_named(m, step);
	auto_fd int target = open_target(m, step->path);
	if (target < 0)
		return step->optional ? 0 : target;
	switch (step->kind) {
	case ISLE_STEP_LAYER:
		return mount_layer(m, step, target);
	case ISLE_STEP_STILL:
		return or_read_only(step, target, mount_still_overlay(m, step, target));
	case ISLE_STEP_READ_ONLY:
		return bind_read_only(step->path, target);
	case ISLE_STEP_BIND:
		return mount_writable(step, target);
	case ISLE_STEP_HIDE:
		return hide(m, target);
	case ISLE_STEP_RESOLV:
		return bind_onto(m->isle->dir, "resolv.conf", 0, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, target);
	}
	return -EINVAL;
}

static int cannot_show(const struct isle_step *step, int r, struct isle_err *err)
{
	if (r == -ESTALE)
		return isle_err_text(err, r, "cannot show %s in the isle: something else has come in its place",
				     isle_quote(step->path));
	isle_err_errno(err, r, "cannot show %s in the isle", isle_quote(step->path));
	if (isle_is_no_room(r))
		isle_err_hint(err, "it is full, and what the isle has changed there cannot be shown without some room");
	return r;
}

int isle_view_mount(const struct isle_store *store, const struct isle *isle, const struct isle_view *view,
		    unsigned flags, int *ret_root, struct isle_err *err)
{
	struct mounter m = {isle_store_fd(store), isle, view, flags, -1, err};

	if (fchdir(isle->dir) < 0)
		return isle_err_errno(err, -errno, "cannot enter the isle's directory");
	for (size_t i = 0; i < view->count; i++) {
		const struct isle_step *step = &view->list[i];
		int r = mount_step(&m, step);

		if (r < 0 && step->kind == ISLE_STEP_READ_ONLY && step->optional) {
			isle_verbose("%s is empty in this isle: %s", isle_quote(step->path), strerror(-r));
			continue;
		}
		if (r < 0)
			return cannot_show(step, r, err);
		if (m.root >= 0)
			continue;
		m.root = openat(m.store, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (m.root < 0)
			return isle_err_errno(err, -errno, "cannot open the isle's root");
	}
	*ret_root = m.root;
	return 0;
}

int isle_view_refresh(int root, const struct isle_view *view)
{
	int result = 0;

	for (size_t i = 0; i < view->count; i++) {
		const struct isle_step *step = &view->list[i];

		if (step->kind != ISLE_STEP_STILL &&
		    (step->kind != ISLE_STEP_LAYER || view->layers.list[step->layer].kind == ISLE_LAYER_FILE))
			continue;
		auto_fd int point = isle_walk(root, step->path + 1, O_PATH);
		if (point < 0)
			continue;
		auto_fd int fs = isle_fspick(point, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
		int r = fs < 0 ? fs : 0;
		/* Without an upper it can be nothing but read-only, and has to be asked for that. */
		if (r >= 0 && step->kind == ISLE_STEP_STILL)
			r = isle_fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
		if (r >= 0)
			r = isle_fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
		if (r < 0 && r != -EINVAL) /* EINVAL: shown read-only instead */
			result = r;
	}
	return result;
}

/* The directories have mode 0; without the keeper's powers each is opened first. */
static void settle_layer(int dir)
{
	static const char *const marks[] = {"work/work/incompat/volatile", "work/work/incompat"};

	if (fchmodat(dir, "work/work", 0700, 0) < 0)
		return;
	if (unlinkat(dir, "work/work/incompat/volatile/dirty", 0) < 0 && errno == EACCES) {
		isle_ignore(fchmodat(dir, marks[1], 0700, 0));
		isle_ignore(fchmodat(dir, marks[0], 0700, 0));
		isle_ignore(unlinkat(dir, "work/work/incompat/volatile/dirty", 0));
	}
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		isle_ignore(unlinkat(dir, marks[i], AT_REMOVEDIR));
}

void isle_view_settle(const struct isle *isle, const struct isle_view *view)
{
	for (size_t i = 0; i < view->layers.count; i++) {
		auto_fd int dir = open_layer(isle, view, i);

		if (dir >= 0)
			settle_layer(dir);
	}
}

/* What open_placeholder() made goes again; the directories that it had copied up differ in nothing. */
static void remove_placeholder(const struct isle *isle, const struct isle_view *view, const char *path)
{
	const struct isle_layer *layer = isle_layers_find(&view->layers, path);
	const char *name = NULL;

	if (layer == NULL || layer->kind == ISLE_LAYER_FILE)
		return;
	auto_fd int dir = open_layer(isle, view, (size_t)(layer - view->layers.list));
	auto_fd int upper = dir < 0 ? -1 : openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (upper < 0)
		return;
	const char *below = path + (strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path));
	auto_fd int parent = isle_walk_parent(upper, below + 1, O_PATH | O_DIRECTORY, &name);
	if (parent >= 0)
		isle_ignore(unlinkat(parent, name, AT_REMOVEDIR));
}

void isle_view_rest(const struct isle *isle, const struct isle_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		if (view->list[i].missing)
			remove_placeholder(isle, view, view->list[i].path);
	}
	for (size_t i = 0; i < view->layers.count; i++) {
		const struct isle_layer *layer = &view->layers.list[i];

		if (!layer->user || layer->kind == ISLE_LAYER_FILE || (layer->root_mode & 0200) != 0)
			continue;
		auto_fd int dir = open_layer(isle, view, i);
		if (dir >= 0)
			isle_ignore(fchmodat(dir, "upper", layer->root_mode | 0700, 0));
	}
}
