/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a directory of the view, its counterpart on the host is found from that of its parent and from what the upper
 * directory says about its name:
 *
 *   nothing there                   the host's directory of that name
 *   directory                       the same, or where its redirect leads; opaque: none
 *   anything else (whiteout, file)  none
 *
 * These answers are remembered until isle_origins_forget(). What the last component is, is always asked anew, since any
 * write can bring it into the upper directory.
 */
#include "origin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "path.h"

enum { NOT_OPENED = -1, CANNOT_OPEN = -2 };

int isle_origins_init(struct isle_origins *origins, const struct isle *isle)
{
	memset(origins, 0, sizeof(*origins));
	origins->isle = isle;
	int r = isle_layers_read(isle, &origins->layers, NULL);
	if (r < 0)
		return r;
	origins->uppers = calloc(origins->layers.count + 1, sizeof(*origins->uppers));
	if (origins->uppers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < origins->layers.count; i++)
		origins->uppers[i] = NOT_OPENED;
	return 0;
}

void isle_origins_forget(struct isle_origins *origins)
{
	for (size_t i = 0; i < ISLE_ORIGIN_CACHE; i++) {
		free(origins->cache[i].view);
		free(origins->cache[i].host);
		origins->cache[i] = (struct isle_origin_directory){0};
	}
}

void isle_origins_forget_below(struct isle_origins *origins, const char *view)
{
	for (size_t i = 0; i < ISLE_ORIGIN_CACHE; i++) {
		struct isle_origin_directory *slot = &origins->cache[i];

		if (slot->view == NULL || !isle_path_below(slot->view, view))
			continue;
		free(slot->view);
		free(slot->host);
		*slot = (struct isle_origin_directory){0};
	}
}

void isle_origins_look(struct isle_origins *origins)
{
	isle_layers_look(origins->isle, &origins->layers);
	isle_origins_forget(origins);
}

void isle_origins_done(struct isle_origins *origins)
{
	isle_origins_forget(origins);
	for (size_t i = 0; origins->uppers != NULL && i < origins->layers.count; i++)
		if (origins->uppers[i] >= 0)
			close(origins->uppers[i]);
	free(origins->uppers);
	isle_layers_done(&origins->layers);
}

static int upper_of(struct isle_origins *origins, const struct isle_layer *layer)
{
	int *upper = &origins->uppers[layer->number];

	if (*upper == NOT_OPENED) {
		*upper = isle_layer_open_upper(origins->isle, layer);
		if (*upper < 0)
			*upper = CANNOT_OPEN;
	}
	return *upper;
}

/* The part of view below the layer's directory, without a leading slash. */
static const char *below(const struct isle_layer *layer, const char *view)
{
	size_t length = strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path);

	return view[length] == '/' ? view + length + 1 : view + length;
}

/* The value of an overlay attribute of upper/name; its length, 0 when it has none. */
static size_t note(const struct isle_layer *layer, int upper, const char *name, const char *key, char *value,
		   size_t room)
{
	char path[PATH_MAX + 64];
	char attribute[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", upper, name);
	snprintf(attribute, sizeof(attribute), "%s%s", isle_layer_xattr(layer), key);
	ssize_t n = lgetxattr(path, attribute, value, room - 1);
	if (n <= 0)
		return 0;
	value[n] = '\0';
	return (size_t)n;
}

/* Where the host has no such directory, the isle made it. */
static char *if_there(char *host)
{
	struct stat st;

	if (host != NULL && (lstat(host, &st) < 0 || !S_ISDIR(st.st_mode))) {
		free(host);
		return NULL;
	}
	return host;
}

/* The host's counterpart of directory `view`, whose upper object is a directory. */
static char *redirected(const struct isle_layer *layer, int upper, const char *view, const char *parent)
{
	const char *name = below(layer, view);
	char value[PATH_MAX];

	if (note(layer, upper, name, "opaque", value, sizeof(value)) > 0 && value[0] == 'y')
		return NULL;
	if (layer->user || note(layer, upper, name, "redirect", value, sizeof(value)) == 0)
		return if_there(isle_path_join(parent, strrchr(view, '/') + 1));
	if (value[0] == '/')
		return if_there(strcmp(layer->path, "/") == 0 ? strdup(value) : isle_path_join(layer->path, value + 1));
	return if_there(isle_path_join(parent, value));
}

static struct isle_origin_directory *slot_of(struct isle_origins *origins, const char *view, size_t length)
{
	return &origins->cache[isle_siphash(&origins->key, view, length) % ISLE_ORIGIN_CACHE];
}

static bool is_that(const struct isle_origin_directory *slot, const char *view, size_t length)
{
	return slot->view != NULL && strncmp(slot->view, view, length) == 0 && slot->view[length] == '\0';
}

static size_t parent_length(const char *view, size_t length)
{
	while (length > 0 && view[length - 1] != '/')
		length--;
	return length > 1 ? length - 1 : 1;
}

/* The host's counterpart of view, which is below the layer's directory, from that of its parent. */
static char *counterpart(struct isle_origins *origins, const struct isle_layer *layer, const char *view,
			 const char *parent)
{
	int upper = upper_of(origins, layer);
	struct stat st;

	if (parent == NULL)
		return NULL;
	if (upper < 0 || fstatat(upper, below(layer, view), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return isle_path_join(parent, strrchr(view, '/') + 1);
	return S_ISDIR(st.st_mode) ? redirected(layer, upper, view, parent) : NULL;
}

static struct isle_origin_directory *remember(struct isle_origins *origins, const char *view, char *host)
{
	struct isle_origin_directory *slot = slot_of(origins, view, strlen(view));

	free(slot->view);
	free(slot->host);
	slot->view = strdup(view);
	slot->host = host;
	return slot->view == NULL ? NULL : slot;
}

/* From the nearest directory above that is remembered, or the layer's own, down. NULL: no memory, no layer. */
static const struct isle_origin_directory *directory(struct isle_origins *origins, const char *view)
{
	const struct isle_layer *layer = isle_layers_find(&origins->layers, view);
	size_t length = strlen(view);
	size_t known = length;
	char at[PATH_MAX];

	if (layer == NULL || length >= sizeof(at))
		return NULL;
	while (known > strlen(layer->path) && !is_that(slot_of(origins, view, known), view, known))
		known = parent_length(view, known);
	snprintf(at, sizeof(at), "%.*s", (int)known, view);
	const struct isle_origin_directory *found = slot_of(origins, at, known);
	if (!is_that(found, at, known))
		found = remember(origins, at, strdup(at));
	while (found != NULL && known < length) {
		size_t from = known == 1 ? 1 : known + 1;

		known = from + strcspn(view + from, "/");
		snprintf(at, sizeof(at), "%.*s", (int)known, view);
		found = remember(origins, at, counterpart(origins, layer, at, found->host));
	}
	return found;
}

int isle_origin_find(struct isle_origins *origins, const char *view, char *host, size_t room)
{
	const struct isle_layer *layer = isle_layers_find(&origins->layers, view);
	const char *slash = strrchr(view, '/');
	char parent[PATH_MAX];
	char opaque[8];
	struct stat st;

	snprintf(host, room, "%s", view);
	if (layer == NULL || slash == NULL)
		return -ENOENT;
	if (layer->kind == ISLE_LAYER_FILE && strcmp(view, layer->path) == 0)
		return isle_layer_file_written(origins->isle, layer) > 0 ? ISLE_ORIGIN_OWN : ISLE_ORIGIN_HOST;
	int upper = upper_of(origins, layer);
	if (strcmp(view, layer->path) == 0)
		return ISLE_ORIGIN_MERGE;
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash == view ? 1 : slash - view), view);
	const struct isle_origin_directory *above = directory(origins, parent);
	if (above == NULL)
		return -ENOMEM;
	if (above->host == NULL)
		return ISLE_ORIGIN_OWN;
	snprintf(host, room, "%s/%s", strcmp(above->host, "/") == 0 ? "" : above->host, slash + 1);
	if (upper < 0 || fstatat(upper, below(layer, view), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ISLE_ORIGIN_HOST;
	if (!S_ISDIR(st.st_mode))
		return ISLE_ORIGIN_OWN;
	if (note(layer, upper, below(layer, view), "opaque", opaque, sizeof(opaque)) > 0 && opaque[0] == 'y')
		return ISLE_ORIGIN_OWN;
	const struct isle_origin_directory *self = directory(origins, view);
	if (self != NULL && self->host != NULL)
		snprintf(host, room, "%s", self->host);
	return self == NULL ? -ENOMEM : self->host == NULL ? ISLE_ORIGIN_OWN : ISLE_ORIGIN_MERGE;
}

bool isle_origins_is_file(const struct isle_origins *origins, const char *view)
{
	for (size_t i = 0; i < origins->layers.count; i++)
		if (origins->layers.list[i].kind == ISLE_LAYER_FILE && strcmp(origins->layers.list[i].path, view) == 0)
			return true;
	return false;
}
