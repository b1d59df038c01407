/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer table: a text file, one line for each layer, in the order of their numbers.
 *
 *   isle-layers 1
 *   overlay user 0755 /usr - -
 *   shadow user 0555 / - 61f0...
 *   overlay root 0755 /home /home/.isle/17ab...-3 -
 *
 * A blank, tab, newline or backslash in a path is written as \ooo, so the table holds any path. "-" is none.
 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "io.h"
#include "path.h"
#include "quote.h"
#include "store_internal.h"
#include "trusted.h"

static const char header[] = "isle-layers 1\n";
static const char *const kind_names[] = {"overlay", "shadow", "file"};

enum {
	FIELDS = 6,
	TABLE_LIMIT = 64 << 20,
	PLACE_OWN = 2, /* of DIRECTORY/.isle.../ID-N */
};

static void add_field(struct isle_buf *out, const char *text, char end)
{
	if (text == NULL)
		text = "-";
	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\\')
			isle_buf_addf(out, "\\%03o", (unsigned)(unsigned char)*text);
		else
			isle_buf_addc(out, *text);
	}
	isle_buf_addc(out, end);
}

int isle_layers_write(const struct isle *isle, const struct isle_layers *layers, struct isle_err *err)
{
	auto_buf struct isle_buf out = ISLE_BUF_INIT;

	isle_buf_adds(&out, header);
	for (size_t i = 0; i < layers->count; i++) {
		const struct isle_layer *l = &layers->list[i];

		isle_buf_addf(&out, "%s %s %04o ", kind_names[l->kind], l->user ? "user" : "root", l->root_mode);
		add_field(&out, l->path, ' ');
		add_field(&out, l->place, ' ');
		add_field(&out, l->shadow, '\n');
	}
	int r = isle_buf_error(&out);
	if (r >= 0)
		r = isle_replace_file(isle->dir, "layers", out.data, out.size);
	if (r < 0)
		return isle_err_errno(err, r, "cannot write the layer table of isle '%s'", isle->name);
	return 0;
}

/* Turns \ooo back, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static const char *field(char *text)
{
	if (strcmp(text, "-") == 0)
		return NULL;
	unescape(text);
	return text;
}

static int parse_kind(const char *name, enum isle_layer_kind *ret_kind)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kind_names); i++) {
		if (strcmp(name, kind_names[i]) == 0) {
			*ret_kind = (enum isle_layer_kind)i;
			return 0;
		}
	}
	return -EUCLEAN;
}

/* Absolute, without anything that stands for another way to the same place. */
static bool is_plain_path(const char *path)
{
	const char *last = strrchr(path, '/');

	return path[0] == '/' && strstr(path, "//") == NULL && strstr(path, "/./") == NULL &&
	       strstr(path, "/../") == NULL && strcmp(last, "/.") != 0 && strcmp(last, "/..") != 0 &&
	       (last[1] != '\0' || last == path);
}

/* DIRECTORY/.isle.../ID-...: what a discard takes away as a whole is the isle's own. */
static bool is_place(const char *place, const char *id)
{
	const char *last = strrchr(place, '/'), *holder = last;
	size_t size = strlen(id);

	if (!is_plain_path(place) || last == place || strncmp(last + 1, id, size) != 0 || last[1 + size] != '-')
		return false;
	while (holder > place && holder[-1] != '/')
		holder--;
	return strncmp(holder, ".isle", strlen(".isle")) == 0;
}

static bool is_sound(const struct isle_layers *layers, const char *id)
{
	for (size_t i = 0; i < layers->count; i++)
		if (!is_plain_path(layers->list[i].path) ||
		    (layers->list[i].place != NULL && !is_place(layers->list[i].place, id)))
			return false;
	return true;
}

static int parse_line(char *line, struct isle_layer *ret_layer)
{
	char *fields[FIELDS];
	char *save = NULL;
	unsigned n = 0;

	for (char *f = strtok_r(line, " ", &save); f != NULL; f = strtok_r(NULL, " ", &save)) {
		if (n == FIELDS)
			return -EUCLEAN;
		fields[n++] = f;
	}
	if (n != FIELDS || parse_kind(fields[0], &ret_layer->kind) < 0)
		return -EUCLEAN;
	ret_layer->user = strcmp(fields[1], "user") == 0;
	ret_layer->root_mode = (uint32_t)strtoul(fields[2], NULL, 8);
	ret_layer->path = field(fields[3]);
	ret_layer->place = field(fields[4]);
	ret_layer->shadow = field(fields[5]);
	return ret_layer->path != NULL && ret_layer->path[0] == '/' ? 0 : -EUCLEAN;
}

static int parse_table(struct isle_layers *layers)
{
	char *save = NULL;
	size_t lines = 0;

	if (strncmp(layers->text, header, sizeof(header) - 1) != 0)
		return -EUCLEAN;
	for (const char *c = layers->text; *c != '\0'; c++)
		lines += *c == '\n';
	layers->list = calloc(lines, sizeof(*layers->list));
	if (layers->list == NULL)
		return -ENOMEM;
	char *line = strtok_r(layers->text + sizeof(header) - 1, "\n", &save);
	for (; line != NULL; line = strtok_r(NULL, "\n", &save)) {
		struct isle_layer *layer = &layers->list[layers->count];
		int r = parse_line(line, layer);

		if (r < 0)
			return r;
		layer->number = (unsigned)layers->count++;
	}
	return 0;
}

static const struct isle_layer *layer_at(const struct isle_layers *layers, const char *path, size_t length)
{
	for (size_t i = 0; i < layers->count; i++) {
		const char *at = layers->list[i].path;

		if (strncmp(at, path, length) == 0 && at[length] == '\0')
			return &layers->list[i];
	}
	return NULL;
}

/* The upper of the composite directory above has something of this name. */
static bool is_covered(const struct isle *isle, const struct isle_layers *layers, const struct isle_layer *layer)
{
	const char *name = strrchr(layer->path, '/') + 1;
	size_t length = (size_t)(name - layer->path);
	char path[NAME_MAX + 40];
	struct stat st;

	if (!layer->user || *name == '\0')
		return false;
	const struct isle_layer *above = layer_at(layers, layer->path, length == 1 ? 1 : length - 1);
	if (above == NULL || above->kind != ISLE_LAYER_SHADOW)
		return false;
	if (above->covered)
		return true;
	if (above->place == NULL) {
		snprintf(path, sizeof(path), "layers.d/%u/upper/%s", above->number, name);
		return fstatat(isle->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	}
	auto_fd int upper = isle_layer_open_upper(isle, above);
	return upper >= 0 && fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void isle_layers_look(const struct isle *isle, struct isle_layers *layers)
{
	for (size_t i = 0; i < layers->count; i++)
		layers->list[i].covered = is_covered(isle, layers, &layers->list[i]);
}

int isle_layers_parse(const struct isle *isle, struct isle_layers *ret_layers, struct isle_err *err)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_read_file(isle->dir, "layers", &text, TABLE_LIMIT);

	if (r == -ENOENT) {
		*ret_layers = ISLE_LAYERS_INIT;
		return 0;
	}
	if (r >= 0) {
		layers.text = isle_buf_take(&text);
		r = layers.text == NULL ? -ENOMEM : parse_table(&layers);
		if (r >= 0 && !is_sound(&layers, isle->id))
			r = -EUCLEAN;
	}
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the layer table of isle '%s'", isle->name);
	*ret_layers = layers;
	layers = ISLE_LAYERS_INIT;
	return 0;
}

int isle_layers_read(const struct isle *isle, struct isle_layers *ret_layers, struct isle_err *err)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	int r = isle_layers_parse(isle, &layers, err);

	for (size_t i = 0; r >= 0 && i < layers.count; i++)
		if (layers.list[i].place != NULL)
			r = isle_place_check(layers.list[i].place, err);
	if (r < 0)
		return r;
	isle_layers_look(isle, &layers);
	*ret_layers = layers;
	layers = ISLE_LAYERS_INIT;
	return 0;
}

void isle_layers_done(struct isle_layers *layers)
{
	free(layers->list);
	free(layers->text);
	*layers = ISLE_LAYERS_INIT;
}

int isle_place_open(const char *place, int flags, struct isle_err *err)
{
	return isle_trusted_open(place, PLACE_OWN, flags | O_DIRECTORY, err);
}

int isle_place_check(const char *place, struct isle_err *err)
{
	struct isle_err why = ISLE_ERR_INIT;
	auto_fd int fd = isle_place_open(place, O_PATH, &why);

	/* Not there: nothing can be taken for it. */
	if (fd >= 0 || why.text[0] == '\0')
		return 0;
	isle_err_text(err, -EPERM, "nothing in %s is used or changed: %s", isle_quote(place), why.text);
	isle_err_hint(err, "what lies there may be forged; if you know that it is not, make every directory on the way "
			   "to it root's or yours, and close it to others");
	return -EPERM;
}

int isle_place_parent(const char *place, const char **ret_name)
{
	return isle_trusted_parent(place, PLACE_OWN - 1, ret_name, NULL);
}

int isle_place_remove(const char *place)
{
	const char *name = NULL, *holder_name = NULL;
	auto_fd int holder = isle_place_parent(place, &name);
	int r = holder < 0 ? holder : isle_remove_if_there(holder, name);
	char path[PATH_MAX];

	if (holder < 0 || (size_t)(name - place) > sizeof(path))
		return holder == -ENOENT ? 0 : r;
	snprintf(path, sizeof(path), "%.*s", (int)(name - 1 - place), place);
	auto_fd int above = isle_trusted_parent(path, 0, &holder_name, NULL);
	if (above >= 0)
		isle_ignore(unlinkat(above, holder_name, AT_REMOVEDIR)); /* when this was the last layer in it */
	return r;
}

int isle_layer_open(const struct isle *isle, const struct isle_layer *layer)
{
	char name[40];

	if (layer->place != NULL)
		return isle_place_open(layer->place, O_RDONLY, NULL);
	snprintf(name, sizeof(name), "layers.d/%u", layer->number);
	return isle_walk(isle->dir, name, O_RDONLY | O_DIRECTORY);
}

int isle_layer_open_upper(const struct isle *isle, const struct isle_layer *layer)
{
	auto_fd int dir = isle_layer_open(isle, layer);

	if (dir < 0)
		return dir;
	return isle_walk(dir, "upper", O_RDONLY | O_DIRECTORY);
}

int isle_layer_open_shadow(const struct isle_store *store, const struct isle_layer *layer)
{
	char name[80];

	if (layer->shadow == NULL || strchr(layer->shadow, '/') != NULL)
		return -EINVAL;
	snprintf(name, sizeof(name), "shadows/%s", layer->shadow);
	return isle_walk(store->fd, name, O_RDONLY | O_DIRECTORY);
}

int isle_layer_open_host(const struct isle_layer *layer)
{
	int flags = layer->kind == ISLE_LAYER_FILE ? O_PATH | O_NOFOLLOW : O_RDONLY | O_DIRECTORY;
	int fd = isle_walk_host(layer->path, flags);

	if (fd == -EACCES && layer->kind != ISLE_LAYER_FILE)
		fd = isle_walk_host(layer->path, O_PATH | O_DIRECTORY);
	/* A link has come in the place of a directory, which is gone with that. */
	return fd == -ELOOP ? -ENOTDIR : fd;
}

const char *isle_layer_below(const struct isle_layer *layer, const char *path)
{
	size_t skip = strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path);

	path += skip;
	while (*path == '/')
		path++;
	return path;
}

const char *isle_layer_xattr(const struct isle_layer *layer)
{
	return layer->user ? "user.overlay." : "trusted.overlay.";
}

const struct isle_layer *isle_layers_find(const struct isle_layers *layers, const char *path)
{
	const struct isle_layer *found = NULL;

	for (size_t i = 0; i < layers->count; i++) {
		const struct isle_layer *l = &layers->list[i];

		if (!l->covered && isle_path_below(path, l->path) &&
		    (found == NULL || strlen(l->path) > strlen(found->path)))
			found = l;
	}
	return found;
}
