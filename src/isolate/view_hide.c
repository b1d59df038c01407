/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look along a path in an upper directory:
 *
 *   nothing there, or directories that overlayfs merges    the host's object shows at its path
 *   the last one is such a directory                       so it does, but parts of it can have been renamed
 *   whiteout, file, opaque directory, redirect             it was renamed or removed there, or is the isle's own
 *
 * An ordinary user's overlays have no redirects: what is not at its path is nowhere. In one of root's it can be behind
 * a redirect anywhere in the layer, so its lower gets a mask.
 *
 * With --nest a program can reach the name below a cover: in a mount namespace of its own it detaches the whole tree,
 * and rename(2), which does not look at what is mounted in another namespace, moves the name away. A directory that was
 * moved so is found as above. Of a file an ordinary user's overlay makes a copy, which would be the isle's. So a file
 * is masked from the first.
 */
#include "view_hide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "path.h"
#include "quote.h"
#include "talk.h"
#include "view_internal.h"
#include "xattr.h"

static int out_of_memory(const struct isle_hider *h)
{
	return isle_err_errno(h->err, -ENOMEM, "cannot plan the view");
}

/* The step whose mount holds this path: each covers those before it at its path and below. */
static const struct isle_step *step_of(const struct isle_hider *h, const char *path, bool above_only)
{
	for (size_t i = h->view->count; i > 0; i--) {
		const struct isle_step *step = &h->view->list[i - 1];

		if (step->kind == ISLE_STEP_HIDE || step->kind == ISLE_STEP_RESOLV ||
		    !isle_path_below(path, step->path) || (above_only && strcmp(path, step->path) == 0))
			continue;
		return step;
	}
	return NULL;
}

/* 1: overlayfs merges this directory of an upper with the host's of the same path. */
static int is_merged(int dir, const char *name, const char *prefix)
{
	char key[48];
	char value[8];

	snprintf(key, sizeof(key), "%sopaque", prefix);
	ssize_t n = isle_xattr_get(dir, name, key, value, sizeof(value));
	if (n > 0 && value[0] == 'y')
		return 0;
	if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP && n != -ERANGE)
		return (int)n;
	snprintf(key, sizeof(key), "%sredirect", prefix);
	n = isle_xattr_get(dir, name, key, NULL, 0);
	return n >= 0 ? 0 : n == -ENODATA || n == -EOPNOTSUPP ? 1 : (int)n;
}

/* What the isle has at `below` in an upper directory, and so what shows there. */
enum {
	SHOWS_OTHER = 0,
	SHOWS_HOST = 1,
	SHOWS_MERGED = 2 /* with a directory of the isle's own: it has been in there */
};

static int look_along(int upper, const char *below, const char *prefix)
{
	auto_fd int dir = fcntl(upper, F_DUPFD_CLOEXEC, 0);
	int r = dir < 0 ? -errno : SHOWS_HOST;

	while (r > 0 && *below != '\0') {
		char name[NAME_MAX + 1];
		struct stat st;
		size_t length = strcspn(below, "/");

		if (length >= sizeof(name))
			return -ENAMETOOLONG;
		snprintf(name, sizeof(name), "%.*s", (int)length, below);
		below += length + (below[length] == '/');
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? SHOWS_HOST : -errno;
		if (!S_ISDIR(st.st_mode))
			return SHOWS_OTHER;
		r = is_merged(dir, name, prefix);
		r = r > 0 ? SHOWS_MERGED : r;
		int next = r < 0 ? r : isle_walk(dir, name, O_PATH | O_DIRECTORY);
		if (next < 0)
			return next;
		isle_cleanup_fd(&dir);
		dir = next;
	}
	return r;
}

/* The rest of `path` below `above`, which is "/" or a path above it. */
static const char *rest_of(const char *path, const char *above)
{
	return path + (strcmp(above, "/") == 0 ? 0 : strlen(above));
}

static int look_in_layer(const struct isle_hider *h, const struct isle_layer *layer, const char *path)
{
	if (layer->kind == ISLE_LAYER_FILE)
		return SHOWS_HOST;
	auto_fd int upper = isle_layer_open_upper(h->isle, layer);
	return upper < 0 ? upper : look_along(upper, isle_layer_below(layer, path), isle_layer_xattr(layer));
}

/* The key of the shadow that the step's lower is, or NULL. */
static const char *shadow_of(const struct isle_hider *h, const struct isle_step *step)
{
	if (step->kind != ISLE_STEP_LAYER)
		return step->shadow;
	const struct isle_layer *layer = &h->view->layers.list[step->layer];

	return layer->kind == ISLE_LAYER_SHADOW ? layer->shadow : NULL;
}

/* A composite directory has copies of the plain files in it. A directory in it has a step of its own, or is empty in
 * the view, as one is that the user may not list. */
static bool is_in_shadow(const struct isle_hider *h, const char *key, const char *path)
{
	char name[PATH_MAX];
	struct stat st;

	snprintf(name, sizeof(name), "shadows/%s/%s", key, strrchr(path, '/') + 1);
	return fstatat(isle_store_fd(h->store), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
}

/* What the view shows at this path of the host. */
static int look(const struct isle_hider *h, const char *path, bool above_only)
{
	const struct isle_step *step = step_of(h, path, above_only);
	const struct isle_mount *mount = isle_mounts_find(h->mounts, path);
	int r = SHOWS_HOST;

	if (step == NULL)
		return SHOWS_OTHER;
	/* A mount that is left out of the view. */
	if (!above_only && (step->kind == ISLE_STEP_LAYER || step->kind == ISLE_STEP_STILL) && mount != NULL &&
	    strlen(mount->point) > strlen(step->path))
		return SHOWS_OTHER;
	if (!above_only && strcmp(path, step->path) != 0 && shadow_of(h, step) != NULL &&
	    (strchr(rest_of(path, step->path) + 1, '/') != NULL || !is_in_shadow(h, shadow_of(h, step), path)))
		return SHOWS_OTHER;
	if (step->kind == ISLE_STEP_LAYER)
		r = look_in_layer(h, &h->view->layers.list[step->layer], path);
	if (r <= 0 || strcmp(step->path, "/") == 0)
		return r;
	/* Its own mount point can have been renamed with a directory above, too: then it is not mounted. */
	int above = look(h, step->path, true);
	return above > 0 ? r : above;
}

/* Masks the lower of the layer that holds path. In an ordinary user's only the name below a cover has to be (nest). */
static int mask(const struct isle_hider *h, const char *path, bool directory, bool nest)
{
	const struct isle_step *step = step_of(h, path, false);
	const struct isle_layer *layer = step == NULL || step->kind != ISLE_STEP_LAYER
						 ? NULL
						 : &h->view->layers.list[step->layer];

	if (layer == NULL || layer->kind == ISLE_LAYER_FILE || *isle_layer_below(layer, path) == '\0' ||
	    (layer->user && !nest))
		return 0;
	return isle_view_add_mask(h->view, step->layer, path, directory) < 0 ? out_of_memory(h) : 0;
}

struct object {
	struct stat st;
	bool named;
};

/* At one path by which some mount leads to the object, or to a part of it. */
static int add_cover(const struct isle_hider *h, const char *path, const struct object *o)
{
	struct stat st;
	bool there = lstat(path, &st) == 0;
	bool directory = S_ISDIR(there ? st.st_mode : o->st.st_mode);
	bool nest = h->nest && o->named && !directory;
	int shows = there ? look(h, path, false) : SHOWS_OTHER;

	if (shows < 0 && !h->view->user)
		return isle_err_errno(h->err, shows, "cannot tell where the isle shows %s", isle_quote(path));
	int r = shows == SHOWS_HOST && !nest ? 0 : mask(h, path, directory, nest);
	if (r < 0)
		return r;
	struct isle_step *step = isle_view_add_step(h->view, path);
	if (step == NULL)
		return out_of_memory(h);
	step->kind = ISLE_STEP_HIDE;
	step->optional = true;
	step->named = o->named;
	step->owed = shows > 0;
	return 0;
}

/* Where this mount leads to what its file system has at `inside`, or to a part of that; "": nowhere. NULL: out of
 * memory. */
static const char *alias_of(const struct isle_hider *h, const struct isle_mount *m, const char *inside)
{
	const struct isle_mount *root = isle_mounts_find(h->mounts, "/");

	if (isle_path_below(inside, m->root)) {
		const char *alias = isle_view_addf(h->view, "%s%s", strcmp(m->point, "/") == 0 ? "" : m->point,
						   strcmp(inside, "/") == 0 ? "" : rest_of(inside, m->root));

		return alias != NULL && *alias == '\0' ? "/" : alias;
	}
	/* Of a file system that holds the root as well, hiding the top does not hide all that is mounted of it. */
	if (!isle_path_below(m->root, inside) || strcmp(m->point, "/") == 0 ||
	    (strcmp(inside, "/") == 0 && (root == NULL || root->dev == m->dev)))
		return "";
	return isle_view_string(h->view, m->point);
}

/* Every path of the view that leads to this object of the host: the one given, and those through other mounts of the
 * same file system. */
static int hide_everywhere(const struct isle_hider *h, const char *path, const struct object *o)
{
	const struct isle_mount *home = isle_mounts_find(h->mounts, path);
	int r = 0;

	if (home == NULL)
		return 0;
	const char *below = rest_of(path, home->point);
	const char *inside = isle_view_addf(h->view, "%s%s", strcmp(home->root, "/") == 0 ? "" : home->root, below);
	if (inside == NULL)
		return out_of_memory(h);
	if (*inside == '\0')
		inside = "/";
	for (size_t i = 0; r >= 0 && i < h->mounts->count; i++) {
		const struct isle_mount *m = &h->mounts->list[i];

		if (m->dev != home->dev || isle_view_is_own_tree(m->point))
			continue;
		const char *alias = alias_of(h, m, inside);
		if (alias == NULL)
			return out_of_memory(h);
		if (*alias != '\0' && isle_mounts_find(h->mounts, alias) == m)
			r = add_cover(h, alias, o);
	}
	return r;
}

/* A directory of isle's own. */
static int hide_own(const struct isle_hider *h, const char *path)
{
	struct object o = {0};

	if (lstat(path, &o.st) < 0)
		return errno == ENOENT ? 0 : isle_err_errno(h->err, -errno, "cannot look at %s", isle_quote(path));
	return hide_everywhere(h, path, &o);
}

int isle_hide_store(const struct isle_hider *h)
{
	auto_free char *real = realpath(isle_store_path(h->store), NULL);
	const char *last = NULL;
	int r;

	if (real == NULL)
		return isle_err_errno(h->err, -errno, "cannot look at the store");
	r = hide_own(h, real);
	for (size_t i = 0; r >= 0 && i < h->view->layers.count; i++) {
		const char *place = h->view->layers.list[i].place;
		const char *slash = place == NULL ? NULL : strrchr(place, '/');

		if (slash == NULL || (last != NULL && strncmp(last, place, (size_t)(slash - place) + 1) == 0))
			continue;
		last = place;
		const char *parent = isle_view_addf(h->view, "%.*s", (int)(slash - place), place);
		r = parent == NULL ? -ENOMEM : hide_own(h, parent);
	}
	return r;
}

/* A name, whatever the view has there: what the isle has made in its place, where a link of the isle leads, and what
 * the host does not have yet. */
static int hide_name(const struct isle_hider *h, const char *path, bool missing)
{
	struct isle_step *step = isle_view_add_step(h->view, path);

	if (step == NULL)
		return out_of_memory(h);
	step->kind = ISLE_STEP_HIDE;
	step->optional = true;
	step->named = true;
	step->missing = missing;
	return 0;
}

static void say_linked(const char *path, const struct stat *st)
{
	if (S_ISREG(st->st_mode) && st->st_nlink > 1)
		isle_note("%s has %lu names (hard links): under the others its content is not hidden", isle_quote(path),
			  (unsigned long)st->st_nlink);
}

int isle_hide_named(const struct isle_hider *h, const char *path, const char *real, bool missing)
{
	struct object o = {.named = true};
	bool linked = real != NULL && strcmp(real, path) != 0;
	int r = 0;

	if (real != NULL && lstat(real, &o.st) == 0) {
		say_linked(path, &o.st);
		r = hide_everywhere(h, real, &o);
	} else if (linked) {
		r = hide_name(h, real, missing);
	}
	if (r >= 0)
		r = hide_name(h, path, missing && !linked);
	if (r >= 0 && missing)
		isle_verbose("there is nothing yet to hide at %s", isle_quote(path));
	return r;
}
