/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting the view, in the keeper.
 *
 * 1. Every mount point is found by openat2(RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS) below the view's root and then named
 *    by its descriptor: what an earlier run left in the layers, a symbolic link in the place of a directory say, is
 *    never followed. Where the point is no longer of the right type, the isle has replaced it and nothing is mounted.
 * 2. Lower directories are named by descriptors and the isle's own by numbers, so that no path has to be escaped for
 *    overlayfs, whose options know commas, colons and backslashes.
 * 3. No overlay has devices; set-user-ID programs work as root only.
 * 4. A bind is not a copy: what is bound is the host's object, and a program inside can connect to a socket or open a
 *    pipe of the host through it. So directories are shown by overlays, whose sockets refuse connections and whose
 *    pipes are the isle's own. A file system that overlayfs does not take as a lower (case-insensitive, automounting)
 *    is bound only where it can hold neither, without what is mounted below it, and else it is empty; both with a
 *    note.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "names.h"
#include "path.h"
#include "quote.h"
#include "talk.h"
#include "trusted.h"
#include "view.h"
#include "view_mask.h"

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

/* What a layer is mounted from: descriptors, -1 for none. */
struct parts {
	int lower, mask; /* directories; mask is over lower */
	int place;	 /* that holds upper and work */
};

/* Upper and work as overlay options, relative to the isle's directory or by descriptor. */
static int format_options(const struct mounter *m, const struct isle_layer *layer, const struct parts *parts,
			  char *buffer, size_t size)
{
	const char *kind = layer->user ? "userxattr" : "redirect_dir=on,index=on,xino=auto,metacopy=on";
	const char *sync = (m->flags & ISLE_RUN_DURABLE) != 0 ? "" : ",volatile";
	char base[48];
	char above[48] = "";
	int n;

	if (parts->mask >= 0)
		snprintf(above, sizeof(above), "/proc/self/fd/%d:", parts->mask);
	if (parts->place >= 0)
		snprintf(base, sizeof(base), "/proc/self/fd/%d", parts->place);
	else
		snprintf(base, sizeof(base), "layers.d/%u", layer->number);
	n = snprintf(buffer, size, "lowerdir=%s/proc/self/fd/%d,upperdir=%s/upper,workdir=%s/work,%s%s", above,
		     parts->lower, base, base, kind, sync);
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

static int open_layer_directory(const struct mounter *m, const struct isle_layer *layer, int place)
{
	char name[40];
	int fd;

	if (place >= 0) {
		fd = fcntl(place, F_DUPFD_CLOEXEC, 0);
	} else {
		snprintf(name, sizeof(name), "layers.d/%u", layer->number);
		fd = openat(m->isle->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	}
	return fd < 0 ? -errno : fd;
}

/* A file system in memory holds the mask. It is mounted where the overlay will be, which then covers it. */
static int mount_mask(const struct mounter *m, const struct isle_step *step, int lower, int target)
{
	char point[40];

	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	if (mount("isle", point, "tmpfs", SYS_MS_NODEV | SYS_MS_NOSUID | SYS_MS_NOEXEC, "mode=0755") < 0)
		return -errno;
	auto_fd int mask = open_target(m, step->path);
	if (mask < 0)
		return mask;
	int r = isle_mask_fill(mask, lower, m->view, step->layer);
	return r < 0 ? r : fd_take(&mask);
}

static int mount_parts(const struct mounter *m, const struct isle_step *step, const struct isle_layer *layer,
		       const struct parts *parts, int target)
{
	unsigned long flags = SYS_MS_NODEV | step->flags | (layer->user ? SYS_MS_NOSUID : 0);
	auto_fd int dir = open_layer_directory(m, layer, parts->place);
	char options[256];
	char point[40];
	int r = dir;

	if (r >= 0 && !layer->user)
		r = isle_mask_note(dir, parts->mask >= 0);
	if (r >= 0)
		r = format_options(m, layer, parts, options, sizeof(options));
	if (r < 0)
		return r;
	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	return mount_patiently(point, flags, options);
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
	auto_fd int lower = open_lower(m, layer->kind == ISLE_LAYER_SHADOW ? layer->shadow : NULL, layer->path);
	auto_fd int mask = -1;
	int place = reopen_place(m, layer, step->layer);

	if (lower < 0)
		return lower;
	if (layer->place != NULL && place < 0)
		return place;
	int r = check_directories(m, layer, place);
	if (r < 0)
		return r;
	set_upper_mode(m, layer, place);
	if (isle_mask_is_wanted(m->view, step->layer)) {
		mask = mount_mask(m, step, lower, target);
		if (mask < 0)
			return mask;
	}
	return mount_parts(m, step, layer, &(const struct parts){lower, mask, place}, target);
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

/* The host's plain file. It is looked at once it is held: nothing else can take its place any more. */
static int bind_file(const struct mounter *m, const char *path, int target)
{
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | (m->view->user ? MOUNT_ATTR_NOSUID : 0);
	auto_fd int tree = isle_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	int r = isle_mount_setattr(tree, "", AT_EMPTY_PATH, attributes, 0);
	if (r < 0)
		return r;
	return isle_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int mount_file(const struct mounter *m, const struct isle_layer *layer, int target)
{
	auto_fd int dir = isle_layer_open(m->isle, layer);

	if (dir < 0)
		return dir;
	return bind_onto(dir, "file", 0, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, target);
}

/* Without an upper, but with a second lower, an empty one, which overlayfs wants then. */
static int mount_still_overlay(const struct mounter *m, const struct isle_step *step, const char *shadow, int target)
{
	const char *kind = m->view->user ? "userxattr" : "redirect_dir=on,xino=auto,metacopy=on";
	unsigned long flags = SYS_MS_RDONLY | SYS_MS_NODEV | step->flags | (m->view->user ? SYS_MS_NOSUID : 0);
	auto_fd int lower = open_lower(m, shadow, step->path);
	auto_fd int empty = openat(m->store, "empty", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char options[128];
	char point[40];

	if (lower < 0)
		return lower;
	if (empty < 0)
		return -errno;
	snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d,%s", lower, empty, kind);
	snprintf(point, sizeof(point), "/proc/self/fd/%d", target);
	return mount("isle", point, "overlay", flags, options) < 0 ? -errno : 0;
}

/* One of the store's two empty objects, over a directory or over anything else. */
static int cover(const struct mounter *m, int target)
{
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	struct stat st;

	if (fstat(target, &st) < 0)
		return -errno;
	return bind_onto(m->store, S_ISDIR(st.st_mode) ? "empty" : "empty-file", 0, attributes, target);
}

/* A directory that cannot be overlaid (r): invariant 4. What the host has removed since the view was planned is left
 * out. */
static int or_closed(const struct mounter *m, const struct isle_step *step, int target, int r)
{
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | (m->view->user ? MOUNT_ATTR_NOSUID : 0);
	struct stat st;

	if (r >= 0 || !step->optional)
		return r;
	if (r == -ENOENT)
		return lstat(step->path, &st) < 0 && errno == ENOENT ? 0 : r;
	if (step->plain && bind_onto(AT_FDCWD, step->path, 0, attributes, target) >= 0) {
		isle_note("%s is read-only in this isle: its file system cannot be overlaid (%s)",
			  isle_quote(step->path), strerror(-r));
		return 0;
	}
	isle_note("%s is empty in this isle: its file system cannot be overlaid (%s), and sockets and pipes in it "
		  "would be "
		  "those of the host",
		  isle_quote(step->path), strerror(-r));
	return cover(m, target);
}

static int mount_still(const struct mounter *m, const struct isle_step *step, int target)
{
	return or_closed(m, step, target, mount_still_overlay(m, step, step->shadow, target));
}

/* Where a layer cannot be mounted: without it, if the host's directory is not the reason. */
static int mount_without_layer(const struct mounter *m, const struct isle_step *step, const char *shadow, int target,
			       int r)
{
	if (!step->optional || r == -ENOENT || mount_still_overlay(m, step, shadow, target) < 0)
		return or_closed(m, step, target, r);
	isle_note("%s is read-only in this isle: its layer cannot be mounted (%s)", isle_quote(step->path),
		  strerror(-r));
	return 0;
}

/* The directory of a layer, wherever it lies. */
static int open_layer(const struct isle *isle, const struct isle_view *view, size_t i)
{
	if (view->layers.list[i].place == NULL)
		return isle_layer_open(isle, &view->layers.list[i]);
	int fd = view->places[i] < 0 ? -1 : fcntl(view->places[i], F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -ENOENT : fd;
}

/* Whether the isle has changed something there. overlayfs makes work/work, as a rule only where it takes the lower
 * directory: not so where the stack is too deep for it. */
static bool has_changes(const struct mounter *m, size_t i)
{
	auto_fd int dir = open_layer(m->isle, m->view, i);
	auto_fd int upper = dir < 0 ? -1 : isle_walk(dir, "upper", O_RDONLY | O_DIRECTORY);
	bool empty = false;

	if (dir < 0 || faccessat(dir, "work/work", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return upper < 0 || isle_names_empty(upper, &empty) < 0 || !empty;
}

static int mount_layer(const struct mounter *m, const struct isle_step *step, int target)
{
	const struct isle_layer *layer = &m->view->layers.list[step->layer];

	if (layer->kind == ISLE_LAYER_FILE)
		return mount_file(m, layer, target);
	int r = mount_overlay(m, step, layer, target);
	/* What the isle has changed there must not be out of sight. */
	if (r >= 0 || has_changes(m, step->layer))
		return r;
	return mount_without_layer(m, step, layer->kind == ISLE_LAYER_SHADOW ? layer->shadow : NULL, target, r);
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

/* A name that the user wants hidden: links are followed in the view, and what is missing there gets a placeholder. */
static int open_named(const struct mounter *m, const struct isle_step *step)
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
	if (step->missing && (target == -EROFS || target == -EOVERFLOW || target == -EPERM)) {
		isle_note("%s will be seen as soon as the host has it: the isle can make nothing there to cover it",
			  isle_quote(step->path));
		return -ENOENT;
	}
	return fd_take(&target);
}

/* Whether a directory above this path is covered already, or empty for want of an overlay. */
static bool is_below_cover(const struct mounter *m, const char *path)
{
	char above[PATH_MAX];
	struct stat empty;
	struct stat st;
	int fd = -ENOENT;

	snprintf(above, sizeof(above), "%s", path);
	while (fd < 0 && above[0] != '\0') {
		*strrchr(above, '/') = '\0';
		fd = isle_walk(m->root, above[0] == '\0' ? "." : above + 1, O_PATH);
	}
	auto_fd int target = fd;
	return target >= 0 && fstat(target, &st) == 0 && fstatat(m->store, "empty", &empty, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == empty.st_dev && st.st_ino == empty.st_ino;
}

/* What is hidden is never left in sight: there is nothing to do only where nothing can be seen. */
static int hide(const struct mounter *m, const struct isle_step *step)
{
	auto_fd int target = step->named ? open_named(m, step) : open_target(m, step->path);
	struct stat st;

	if (target >= 0)
		return cover(m, target);
	if (!step->owed && !step->named)
		return step->optional ? 0 : target;
	if (!isle_is_gone(target) && target != -EACCES)
		return target;
	if (!step->owed || (target == -EACCES && m->view->user))
		return 0;
	if ((lstat(step->path, &st) < 0 && errno == ENOENT) || is_below_cover(m, step->path))
		return 0;
	return target;
}

static int mount_step(struct mounter *m, const struct isle_step *step)
{
	if (step->kind == ISLE_STEP_HIDE)
		return hide(m, step);
	auto_fd int target = open_target(m, step->path);
	if (target < 0)
		return step->optional ? 0 : target;
	switch (step->kind) {
	case ISLE_STEP_LAYER:
		return mount_layer(m, step, target);
	case ISLE_STEP_STILL:
		return mount_still(m, step, target);
	case ISLE_STEP_READ_ONLY:
		return bind_file(m, step->path, target);
	case ISLE_STEP_BIND:
		return mount_writable(step, target);
	case ISLE_STEP_HIDE:
		break;
	case ISLE_STEP_RESOLV:
		return bind_onto(m->isle->dir, "resolv.conf", 0, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, target);
	}
	return -EINVAL;
}

/* A user can show a directory only with what is mounted below it, so the plan has a step for each of these. EINVAL is
 * how overlayfs says that one was mounted since. */
static bool is_out_of_date(const struct isle_view *view, const struct isle_step *step, int r)
{
	return r == -EINVAL && view->user && (step->kind == ISLE_STEP_LAYER || step->kind == ISLE_STEP_STILL);
}

/* -ESTALE: the host is another than it was planned for. */
static int cannot_show(const struct isle_view *view, const struct isle_step *step, int r, struct isle_err *err)
{
	if (is_out_of_date(view, step, r))
		return isle_err_text(err, -ESTALE, "cannot show %s in the isle: %s", isle_quote(step->path),
				     strerror(-r));
	if (step->kind == ISLE_STEP_HIDE) {
		isle_err_errno(err, r, "cannot hide %s: the isle does not show it where it should",
			       isle_quote(step->path));
		isle_err_hint(err, "discard what the isle has renamed above it, or use a new isle");
		return r;
	}
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
			return cannot_show(view, step, r, err);
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
		struct statfs shown;
		/* What is bound or empty instead has nothing to drop, and its options are the host's. */
		if (point < 0 || fstatfs(point, &shown) < 0 || shown.f_type != OVERLAYFS_SUPER_MAGIC)
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
