/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning the view.
 *
 * As root: one layer for the root mount and one for each further real mount.
 *
 * As an ordinary user, overlayfs refuses a lower directory with mounts below it that are locked (all are, in a new user
 * namespace). So a directory with mounts below it is composite (composite.h), and each directory in it gets a layer of
 * its own, or is composite again.
 *
 * In both:
 * 1. /proc, /sys and /dev are not planned here: the isle gets its own (own_proc.c, own_dev.c).
 * 2. File systems that are interfaces to the kernel are left out wherever they are mounted: a second proc would show
 *    the host's processes, and writing there reaches the machine.
 * 3. A mount that is read-only on the host is shown by a read-only overlay: no layer, the same error as natively. It
 *    is not bound, since what is bound is the host's object: its sockets could be connected to. A plain file may be;
 *    what is mounted and is neither a plain file nor a directory is covered.
 * 4. The store and the places of layers are hidden under every name (view_hide.h).
 * 5. A layer of the table stays in use as long as its path is a directory, so a second run goes on where the first
 *    stopped.
 * 6. Where the user can change nothing anyway there is no layer, only a read-only overlay (still.h).
 * 7. What the isle itself has put in the place of a directory in a composite one wins: nothing is mounted on it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "composite.h"
#include "io.h"
#include "kernel.h"
#include "meta.h"
#include "names.h"
#include "pasta.h"
#include "path.h"
#include "place.h"
#include "quote.h"
#include "standin.h"
#include "still.h"
#include "talk.h"
#include "trusted.h"
#include "view.h"
#include "view_hide.h"
#include "view_internal.h"

struct planner {
	struct isle_store *store;
	const struct isle *isle;
	struct isle_mounts mounts;
	struct isle_view *view;
	dev_t store_dev;
	bool new_layers;
	struct isle_err *err;
};

static bool is_kernel_interface(const char *type)
{
	static const char *const types[] = {
		"proc",	       "sysfs",	     "devtmpfs",    "devpts",	  "cgroup",   "cgroup2",    "mqueue",
		"debugfs",     "tracefs",    "securityfs",  "bpf",	  "pstore",   "configfs",   "fusectl",
		"efivarfs",    "hugetlbfs",  "binfmt_misc", "autofs",	  "nsfs",     "rpc_pipefs", "selinuxfs",
		"nfsd",	       "resctrl",    "smackfs",	    "functionfs", "gadgetfs", "binder",	    "xenfs",
		"ocfs2_dlmfs", "openpromfs", "spufs",	    "cpuset",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

static struct isle_step *add_step(struct planner *p, enum isle_step_kind kind, const char *path)
{
	struct isle_step *step = isle_view_add_step(p->view, path);

	if (step == NULL) {
		isle_err_errno(p->err, -ENOMEM, "cannot plan the view");
		return NULL;
	}
	step->kind = kind;
	return step;
}

static int add_hidden(struct planner *p, const char *path)
{
	struct isle_step *step = add_step(p, ISLE_STEP_HIDE, path);

	if (step == NULL)
		return -ENOMEM;
	step->optional = true;
	return 0;
}

/* Some mount that is full must not keep a program from running. */
static void say_full(const char *path)
{
	isle_note("%s is full: what this isle changes there is kept in the store, and a commit has to copy it",
		  isle_quote(path));
}

/* A new layer at the end of the table, with its directories. */
static int make_layer(struct planner *p, int host, const char *path, const struct isle_layer *wanted)
{
	struct isle_layer *layer;
	int r = isle_view_add_layer(p->view, wanted, path);

	if (r < 0)
		return isle_err_errno(p->err, r, "cannot plan the view");
	layer = &p->view->layers.list[p->view->layers.count - 1];
	p->new_layers = true;
	r = isle_layer_make(p->isle, layer, host);
	if (isle_is_no_room(r) && layer->place != NULL) {
		isle_ignore(isle_place_remove(layer->place));
		layer->place = NULL;
		say_full(path);
		r = isle_layer_make(p->isle, layer, host);
	}
	if (r < 0)
		return isle_err_errno(p->err, r, "cannot make a layer for %s", isle_quote(path));
	return 0;
}

/* A directory of the table's that stands on a new shadow, because the host changed, or is composite only now. */
static int move_to_shadow(struct planner *p, struct isle_layer *layer, const char *key)
{
	if (key == NULL || (layer->shadow != NULL && strcmp(layer->shadow, key) == 0))
		return 0;
	layer->kind = ISLE_LAYER_SHADOW;
	layer->shadow = isle_view_string(p->view, key);
	p->new_layers = true;
	return layer->shadow == NULL ? isle_err_errno(p->err, -ENOMEM, "cannot plan the view") : 0;
}

/* Whether the isle has changed nothing in a layer. */
static bool is_unused(const struct isle *isle, const struct isle_layer *layer, int host)
{
	auto_meta struct isle_meta ours = ISLE_META_INIT;
	auto_meta struct isle_meta theirs = ISLE_META_INIT;
	auto_fd int upper = isle_layer_open_upper(isle, layer);
	auto_fd int entries = upper < 0 ? -1 : openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty = false;

	if (entries < 0 || isle_names_empty(entries, &empty) < 0 || !empty || isle_meta_read(upper, "", &ours) < 0)
		return false;
	if (layer->user)
		return (ours.st.stx_mode & 07777 & ~0700U) == (layer->root_mode & ~0700U);
	return isle_meta_read(host, "", &theirs) >= 0 &&
	       (isle_meta_compare(&ours, &theirs) & (ISLE_META_MODE | ISLE_META_OWNER)) == 0;
}

/* An empty layer on a file system that is full by now moves into the store. */
static int leave_full_place(struct planner *p, int host, struct isle_layer *layer)
{
	if (layer->place == NULL || isle_place_has_room(layer->place) || !is_unused(p->isle, layer, host))
		return 0;
	isle_ignore(isle_place_remove(layer->place));
	layer->place = NULL;
	p->new_layers = true;
	say_full(layer->path);
	return isle_layer_make(p->isle, layer, host);
}

/* Below "/" that is read-only the isle has layers all the same: many a live system has its root so. */
static bool is_read_only(const struct planner *p, const char *path)
{
	const struct isle_mount *m = isle_mounts_find(&p->mounts, path);

	return m != NULL && (m->flags & MS_RDONLY) != 0 && strcmp(m->point, "/") != 0;
}

/* File systems that cannot hold sockets, pipes and devices, so that a bind shows files and directories and no more.
 * Of these, FAT, exFAT and HFS have no bits for them; ISO 9660 has them in its Rock Ridge extension. */
static bool holds_plain_files_only(const struct isle_mount *m)
{
	static const char *const types[] = {"vfat", "msdos", "exfat", "hfs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(m->type, types[i]) == 0)
			return true;
	}
	return strcmp(m->type, "iso9660") == 0 && strstr(m->super_options, ",norock") != NULL;
}

/* What a step of a directory takes over from the mount that the directory is on. */
static void take_from_mount(const struct planner *p, struct isle_step *step)
{
	const struct isle_mount *m = isle_mounts_find(&p->mounts, step->path);

	step->optional = strcmp(step->path, "/") != 0;
	if (m == NULL)
		return;
	step->flags = m->flags & (MS_NOSUID | MS_NOEXEC);
	step->plain = holds_plain_files_only(m);
}

/* The layer of this path, from the table or new; host is the host's object. */
static int use_layer(struct planner *p, int host, const char *path, const struct isle_layer *wanted)
{
	struct isle_layers *layers = &p->view->layers;
	struct isle_step *step = add_step(p, ISLE_STEP_LAYER, path);
	size_t i = 0;
	int r;

	if (step == NULL)
		return -ENOMEM;
	while (i < layers->count && (strcmp(layers->list[i].path, path) != 0 || layers->list[i].user != wanted->user))
		i++;
	take_from_mount(p, step);
	step->layer = (unsigned)i;
	if (i == layers->count)
		return make_layer(p, host, step->path, wanted);
	if (layers->list[i].kind == ISLE_LAYER_FILE)
		return isle_layer_refresh_file(p->isle, &layers->list[i], host);
	r = leave_full_place(p, host, &layers->list[i]);
	if (r < 0)
		return isle_err_errno(p->err, r, "cannot make a layer for %s", isle_quote(path));
	return move_to_shadow(p, &layers->list[i], wanted->shadow);
}

static const struct isle_mount *mount_at(const struct planner *p, const char *path)
{
	const struct isle_mount *m = isle_mounts_find(&p->mounts, path);

	return m != NULL && strcmp(m->point, path) == 0 ? m : NULL;
}

static bool has_layer(const struct planner *p, const char *path)
{
	for (size_t i = 0; i < p->view->layers.count; i++) {
		if (strcmp(p->view->layers.list[i].path, path) == 0)
			return true;
	}
	return false;
}

/* Where a new layer lies: on the file system that it belongs to, if there is a place for it, else in the store. */
static int choose_place(struct planner *p, int dir, const char *path, const char **ret_place)
{
	auto_free char *place = NULL;
	struct stat st;
	int r;

	*ret_place = NULL;
	if (fstat(dir, &st) < 0)
		return -errno;
	if (st.st_dev == p->store_dev)
		return 0;
	r = has_layer(p, path) ? 0 : isle_place_find(&p->mounts, path, &place);
	if (r <= 0)
		return r;
	if (!isle_place_has_room(place)) {
		say_full(path);
		return 0;
	}
	*ret_place = isle_view_addf(p->view, "%s/%s-%zu", place, p->isle->id, p->view->layers.count);
	return *ret_place == NULL ? -ENOMEM : 0;
}

/* True when nothing can be changed there: on a read-only mount, and by this user. Of the latter, an isle that has a
 * layer for it keeps that. */
static bool needs_no_layer(const struct planner *p, int dir, const char *path, unsigned flags)
{
	if (is_read_only(p, path))
		return true;
	return !has_layer(p, path) && p->view->user && isle_is_still(dir, flags);
}

/* Shown by an overlay all the same: through a bind mount the host's sockets could be connected to. */
static int plan_still(struct planner *p, const char *path, const char *shadow)
{
	struct isle_step *step = add_step(p, ISLE_STEP_STILL, path);

	if (step == NULL)
		return -ENOMEM;
	take_from_mount(p, step);
	if (shadow == NULL)
		return 0;
	step->shadow = isle_view_string(p->view, shadow);
	return step->shadow == NULL ? isle_err_errno(p->err, -ENOMEM, "cannot plan the view") : 0;
}

static int plan_overlay(struct planner *p, int dir, const char *path)
{
	struct isle_layer layer = {.kind = ISLE_LAYER_OVERLAY, .user = p->view->user};
	struct stat st;
	int r;

	if (needs_no_layer(p, dir, path, ISLE_STILL_ALL))
		return plan_still(p, path, NULL);
	if (fstat(dir, &st) < 0)
		return isle_err_errno(p->err, -errno, "cannot look at %s", isle_quote(path));
	layer.root_mode = st.st_mode & 07777;
	if (layer.user)
		layer.root_mode = isle_effective_mode(dir, layer.root_mode);
	r = choose_place(p, dir, path, &layer.place);
	if (r < 0)
		return isle_err_errno(p->err, r, "cannot find a place for the layer of %s", isle_quote(path));
	return use_layer(p, dir, path, &layer);
}

static int plan_child(struct planner *p, int dir, const char *path);

/* An upper directory of a composite layer that exists already, to see what the isle has made there itself. -1: none. */
static int composite_upper(struct planner *p, const char *path)
{
	for (size_t i = 0; i < p->view->layers.count; i++) {
		const struct isle_layer *l = &p->view->layers.list[i];

		if (l->user && strcmp(l->path, path) == 0)
			return isle_layer_open_upper(p->isle, l);
	}
	return -1;
}

static bool made_by_isle(int upper, const char *name)
{
	struct statx st;

	return upper >= 0 && isle_statx(upper, name, &st) == 0;
}

/* A plain file that is too large to be copied, or read-only: natively, too, it cannot be written to. */
static int plan_bound_file(struct planner *p, const char *path)
{
	struct isle_step *step = add_step(p, ISLE_STEP_READ_ONLY, path);

	if (step == NULL)
		return -ENOMEM;
	step->optional = true;
	return 0;
}

static int plan_entry(struct planner *p, int dir, const char *path, const struct isle_composite_entry *e)
{
	auto_free char *child = isle_path_join(path, e->name);

	if (child == NULL)
		return isle_err_errno(p->err, -ENOMEM, "cannot plan the view");
	if (isle_view_is_own_tree(child))
		return 0;
	if (S_ISDIR(e->st.stx_mode) || mount_at(p, child) != NULL)
		return plan_child(p, dir, child);
	return e->large ? plan_bound_file(p, child) : 0;
}

/* What is directly in a composite directory. */
static int use_composite(struct planner *p, int dir, const char *path, const struct isle_composite *composite)
{
	struct isle_layer layer = {.kind = ISLE_LAYER_SHADOW, .user = true};

	/* The root is what programs try their rights on: there they get the error that they get natively. */
	if (path[1] != '\0' && needs_no_layer(p, dir, path, ISLE_STILL_SHALLOW))
		return plan_still(p, path, composite->key);
	layer.shadow = composite->key;
	layer.root_mode = composite->mode;
	int r = choose_place(p, dir, path, &layer.place);
	return r < 0 ? r : use_layer(p, dir, path, &layer);
}

static int plan_composite(struct planner *p, int dir, const char *path)
{
	auto_composite struct isle_composite composite = ISLE_COMPOSITE_INIT;
	auto_fd int upper = is_read_only(p, path) ? -1 : composite_upper(p, path);
	int r = isle_composite_read(dir, &composite);

	if (r < 0)
		return isle_err_errno(p->err, r, "cannot list %s", isle_quote(path));
	r = isle_shadow_make(p->store, dir, &composite, p->err);
	if (r < 0)
		return r;
	r = use_composite(p, dir, path, &composite);
	for (size_t i = 0; r >= 0 && i < composite.count; i++) {
		if (!made_by_isle(upper, composite.list[i].name))
			r = plan_entry(p, dir, path, &composite.list[i]);
	}
	return r;
}

/* A directory of the host, seen with the rights of an ordinary user. */
static int plan_directory(struct planner *p, int dir, const char *path)
{
	bool composite = isle_mounts_below(&p->mounts, path);

	for (size_t i = 0; !composite && i < p->view->layers.count; i++)
		composite = p->view->layers.list[i].kind == ISLE_LAYER_SHADOW &&
			    strcmp(p->view->layers.list[i].path, path) == 0;
	return composite ? plan_composite(p, dir, path) : plan_overlay(p, dir, path);
}

/* What a supervisor that was killed could not do any more (repair_mount.c). */
static int empty_covered(struct planner *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->view->layers.count; i++) {
		const struct isle_layer *layer = &p->view->layers.list[i];
		bool empty = false;

		if (!layer->covered || layer->kind == ISLE_LAYER_FILE)
			continue;
		auto_fd int upper = isle_layer_open_upper(p->isle, layer);
		if (upper < 0 || isle_names_empty(upper, &empty) < 0 || !empty)
			r = isle_layer_empty(p->isle, layer);
	}
	return r < 0 ? isle_err_errno(p->err, r, "cannot empty a layer") : 0;
}

/* A file with a mount of its own. */
static int plan_file(struct planner *p, int fd, const char *path, const struct stat *st)
{
	struct isle_layer layer = {.kind = ISLE_LAYER_FILE, .user = p->view->user};

	if (!S_ISREG(st->st_mode)) /* bound, it would be the host's; what lies under it is not what the host shows */
		return add_hidden(p, path);
	if (is_read_only(p, path))
		return plan_bound_file(p, path);
	layer.root_mode = st->st_mode & 07777;
	return use_layer(p, fd, path, &layer);
}

/* What lies under a directory of the kernel's is empty as a rule; a single file is covered. */
static int leave_out(struct planner *p, int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, strrchr(path, '/') + 1, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
	    !S_ISDIR(st.st_mode))
		return add_hidden(p, path);
	return 0;
}

/* What is mounted at a mount point, or a plain directory, relative to its parent directory. */
static int plan_child(struct planner *p, int dir, const char *path)
{
	const struct isle_mount *m = mount_at(p, path);
	const char *name = strrchr(path, '/') + 1;
	struct stat st;

	if (m != NULL && is_kernel_interface(m->type))
		return leave_out(p, dir, path);
	auto_fd int fd = openat(dir, *name == '\0' ? "/" : name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return add_hidden(p, path); /* not for this user: natively EACCES */
	if (!S_ISDIR(st.st_mode))
		return m == NULL ? 0 : plan_file(p, fd, path, &st);
	if (!p->view->user)
		return plan_overlay(p, fd, path);
	if (faccessat(fd, ".", R_OK, AT_EACCESS) < 0 && faccessat(fd, ".", X_OK, AT_EACCESS) < 0)
		return 0; /* closed to this user; the shadow has a directory that is closed as well */
	return plan_directory(p, fd, path);
}

/* As root: every mount by itself, the root first (the list is sorted). */
static int plan_mounts(struct planner *p)
{
	for (size_t i = 0; i < p->mounts.count; i++) {
		const char *point = p->mounts.list[i].point;

		if (isle_view_is_own_tree(point))
			continue;
		auto_free char *parent = strndup(point, (size_t)(strrchr(point, '/') - point));
		if (parent == NULL)
			return isle_err_errno(p->err, -ENOMEM, "cannot plan the view");
		auto_fd int dir = isle_walk_host(*parent == '\0' ? "/" : parent, O_PATH | O_DIRECTORY);
		int r = dir < 0 ? 0 : plan_child(p, dir, point);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What --write and --hide cannot be about: the whole view, and what an isle has of its own in any case. */
static int check_named(struct planner *p, const char *path, const char *option)
{
	if (strcmp(path, "/") == 0)
		isle_err_text(p->err, -EINVAL, "%s is not for the whole file system", option);
	else if (isle_view_is_own_tree(path))
		isle_err_text(p->err, -EINVAL, "%s %s: an isle has its own /proc, /sys and /dev", option,
			      isle_quote(path));
	else
		return 0;
	return -EINVAL;
}

/* A path whose last component is missing, with links only in that component. NULL when a directory above is missing. */
static char *resolve_parent(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	auto_free char *parent = strndup(path, (size_t)(name - path));
	auto_free char *real = parent == NULL ? NULL : realpath(parent, NULL);

	return real == NULL ? NULL : isle_path_join(real, name);
}

/* What the link at `link` says, as an absolute path; NULL when it is no link. */
static char *target_of(const char *link)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	while (n > 1 && target[n - 1] == '/') /* a directory, once it is there */
		target[--n] = '\0';
	if (target[0] == '/')
		return strdup(target);
	auto_free char *dir = strndup(link, (size_t)(strrchr(link, '/') - link));
	return dir == NULL ? NULL : isle_path_join(*dir == '\0' ? "/" : dir, target);
}

/* Where a path leads on the host: all symbolic links resolved, the last component may be missing, also that of what a
 * link leads to. NULL and errno. */
static char *resolve(const char *path, bool *ret_missing)
{
	char *real = realpath(path, NULL);

	*ret_missing = real == NULL && errno == ENOENT;
	if (!*ret_missing)
		return real;
	real = resolve_parent(path);
	for (int links = 0; real != NULL && links < MAXSYMLINKS; links++) {
		auto_free char *target = target_of(real);

		if (target == NULL)
			break;
		free(real);
		real = resolve_parent(target);
	}
	return real;
}

/* What PATH leads to, looked up once. As root a link that a user controls is not followed: it could be made to lead
 * to what is root's. A user follows links as natively, since it is only with the user's own rights. */
static int find_writable(struct planner *p, const char *path, struct isle_found *ret_found)
{
	const struct isle_find_options options = {isle_acts_for_root() ? ISLE_FIND_SAFE_LINKS : 0, 0};
	struct isle_err why = ISLE_ERR_INIT;
	int r = isle_find_object(path, &options, ret_found, &why);

	if (r >= 0)
		return 0;
	if (why.text[0] == '\0')
		return isle_err_errno(p->err, r, "cannot make %s writable", isle_quote(path));
	isle_err_text(p->err, r, "cannot make %s writable: %s", isle_quote(path), why.text);
	isle_err_hint(p->err,
		      "as root, name what the link leads to: whoever controls the link could make it lead elsewhere");
	return r;
}

/* The descriptor is kept until it is mounted: what the path leads to then must be this very object. */
static int plan_writable(struct planner *p, const char *path)
{
	struct isle_found found;
	auto_free char *store = realpath(isle_store_path(p->store), NULL);
	int r = find_writable(p, path, &found);

	if (r < 0)
		return r;
	auto_fd int held = found.fd;
	r = check_named(p, found.path, "--write");
	if (r < 0)
		return r;
	if (store != NULL && isle_path_below(found.path, store))
		return isle_err_text(p->err, -EINVAL, "cannot make %s writable: isles are kept there",
				     isle_quote(path));
	struct isle_step *step = add_step(p, ISLE_STEP_BIND, found.path);
	if (step == NULL)
		return -ENOMEM;
	step->held = fd_take(&held);
	return 0;
}

static int plan_hidden(struct planner *p, const struct isle_hider *hider, const char *path)
{
	bool missing;
	auto_free char *real = resolve(path, &missing);
	int r = real == NULL ? 0 : check_named(p, real, "--hide");
	struct stat st;

	if (r >= 0)
		r = check_named(p, path, "--hide");
	if (r >= 0 && real == NULL && missing && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return isle_err_text(p->err, -ENOENT,
				     "cannot hide what %s leads to: the directory that it would be in is missing",
				     isle_quote(path));
	return r < 0 ? r : isle_hide_named(hider, path, real, missing);
}

/* --write comes before the store is hidden, which can lie below; --hide after it. */
static int plan_all_writable(struct planner *p, const struct isle_run_options *options)
{
	int r = 0;

	for (const char *const *path = options->write; r >= 0 && path != NULL && *path != NULL; path++)
		r = plan_writable(p, *path);
	return r;
}

static int plan_all_hidden(struct planner *p, const struct isle_hider *hider, const struct isle_run_options *options)
{
	int r = 0;

	for (const char *const *path = options->hide; r >= 0 && path != NULL && *path != NULL; path++)
		r = plan_hidden(p, hider, *path);
	return r;
}

/* In user mode: what lies below directories of other owners can be written to where stand-ins have been made. */
static int make_standins(struct planner *p, const char *path)
{
	const struct isle_layer *layer = path == NULL || *path != '/' ? NULL : isle_layers_find(&p->view->layers, path);

	if (layer == NULL || !layer->user || layer->kind == ISLE_LAYER_FILE)
		return 0;
	auto_fd int upper = isle_layer_open_upper(p->isle, layer);
	auto_fd int host = isle_walk_host(layer->path, O_PATH | O_DIRECTORY);
	if (upper < 0 || host < 0)
		return 0;
	int r = isle_standin_make(upper, host, path + (strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path)));
	/* A directory that may not be written to cannot be entered by a stand-in either: natively nothing is made
	 * there. */
	if (r == -EACCES || r == -EPERM)
		return 0;
	if (isle_is_no_room(r) && layer->place != NULL) {
		isle_note("%s is full: in %s nothing can be made in this isle", isle_quote(layer->path),
			  isle_quote(path));
		return 0;
	}
	return r;
}

static int plan_standins(struct planner *p, const char *directory)
{
	const char *const paths[] = {directory, getenv("HOME"), getenv("TMPDIR"), "/var/tmp"};
	int r = 0;

	for (size_t i = 0; p->view->user && r >= 0 && i < ARRAY_SIZE(paths); i++)
		r = make_standins(p, paths[i]);
	return r < 0 ? isle_err_errno(p->err, r, "cannot prepare the isle's layers") : 0;
}

static int plan_resolv_conf(struct planner *p)
{
	auto_free char *text = NULL;
	auto_free char *real = NULL;
	int r = isle_pasta_resolv_conf(&text);

	if (r <= 0)
		return r;
	real = realpath("/etc/resolv.conf", NULL);
	if (real == NULL)
		return 0;
	r = isle_replace_file(p->isle->dir, "resolv.conf", text, strlen(text));
	if (r >= 0 && fchmodat(p->isle->dir, "resolv.conf", 0644, 0) < 0)
		r = -errno;
	if (r < 0)
		return isle_err_errno(p->err, r, "cannot write the isle's resolv.conf");
	struct isle_step *step = add_step(p, ISLE_STEP_RESOLV, real);
	if (step == NULL)
		return -ENOMEM;
	step->optional = true;
	return 0;
}

bool isle_view_is_root(void)
{
	auto_buf struct isle_buf map = ISLE_BUF_INIT;
	unsigned long inside;
	unsigned long outside;
	unsigned long count;

	if (geteuid() != 0 || isle_read_file(AT_FDCWD, "/proc/self/uid_map", &map, 4096) < 0 || map.data == NULL)
		return false;
	return sscanf(map.data, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
	       count == 4294967295UL && isle_view_can_mount();
}

/* The keeper mounts what is opened here, and nothing that has come in its place. */
static int hold_places(struct planner *p)
{
	struct isle_view *view = p->view;

	view->places = calloc(view->layers.count + 1, sizeof(*view->places));
	if (view->places == NULL)
		return isle_err_errno(p->err, -ENOMEM, "cannot plan the view");
	memset(view->places, -1, view->layers.count * sizeof(*view->places)); /* all bits: -1 */
	for (size_t i = 0; i < view->layers.count; i++) {
		const char *place = view->layers.list[i].place;
		int fd = place == NULL ? -1 : isle_place_open(place, O_PATH, NULL);

		if (place != NULL && fd == -EPERM)
			return isle_place_check(place, p->err);
		view->places[i] = fd < 0 ? -1 : fd; /* not mounted now: only a step that needs it fails */
	}
	return 0;
}

int isle_view_plan(struct isle_store *store, const struct isle *isle, const struct isle_run_options *options,
		   struct isle_view *ret_view, struct isle_err *err)
{
	auto_view struct isle_view view = {.user = !isle_view_is_root()};
	struct planner p = {.store = store, .isle = isle, .view = &view, .err = err};
	const struct isle_hider hider = {.store = store,
					 .isle = isle,
					 .mounts = &p.mounts,
					 .view = &view,
					 .nest = (options->flags & ISLE_RUN_NEST) != 0,
					 .err = err};
	struct stat st;
	int r;

	if (fstat(isle_store_fd(store), &st) < 0)
		return isle_err_errno(err, -errno, "cannot look at the store");
	p.store_dev = st.st_dev;
	r = isle_view_load_layers(&view, isle, err);
	if (r < 0)
		return r;
	r = empty_covered(&p);
	if (r < 0)
		return r;
	r = isle_mounts_read(&p.mounts);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the mounts of this machine");
	r = view.user ? plan_child(&p, AT_FDCWD, "/") : plan_mounts(&p);
	if (r >= 0)
		r = plan_all_writable(&p, options);
	if (r >= 0)
		r = isle_hide_store(&hider);
	if (r >= 0)
		r = plan_standins(&p, options->directory);
	if (r >= 0 && options->net == ISLE_NET_INTERNET)
		r = plan_resolv_conf(&p);
	if (r >= 0)
		r = plan_all_hidden(&p, &hider, options);
	if (r >= 0 && p.new_layers)
		r = isle_layers_write(isle, &view.layers, err);
	isle_mounts_done(&p.mounts);
	if (r < 0)
		return r;
	r = hold_places(&p);
	if (r < 0)
		return r;
	*ret_view = view;
	view = ISLE_VIEW_INIT;
	return 0;
}
