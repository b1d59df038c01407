/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "view_internal.h"

/* Strings are chained and freed together. */
struct view_strings {
	struct view_strings *next;
	char text[];
};

const char *isle_view_string(struct isle_view *view, const char *text)
{
	size_t size = strlen(text) + 1;
	struct view_strings *s = malloc(sizeof(*s) + size);

	if (s == NULL)
		return NULL;
	memcpy(s->text, text, size);
	s->next = view->strings;
	view->strings = s;
	return s->text;
}

const char *isle_view_addf(struct isle_view *view, const char *format, ...)
{
	auto_free char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return NULL;
	}
	return isle_view_string(view, text);
}

/* Room grows at powers of two, so it need not be kept. */
static void *grow(void *list, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return list;
	return reallocarray(list, count == 0 ? 1 : count * 2, size);
}

struct isle_step *isle_view_add_step(struct isle_view *view, const char *path)
{
	struct isle_step *list = grow(view->list, view->count, sizeof(*list));

	if (list == NULL)
		return NULL;
	view->list = list;
	struct isle_step *step = &list[view->count];
	*step = (struct isle_step){.path = strdup(path), .held = -1};
	if (step->path == NULL)
		return NULL;
	view->count++;
	return step;
}

int isle_view_add_layer(struct isle_view *view, const struct isle_layer *layer, const char *path)
{
	struct isle_layer *list = grow(view->layers.list, view->layers.count, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	view->layers.list = list;
	struct isle_layer *added = &list[view->layers.count];
	*added = *layer;
	added->number = (unsigned)view->layers.count++;
	added->path = isle_view_string(view, path);
	if (layer->shadow != NULL)
		added->shadow = isle_view_string(view, layer->shadow);
	return added->path == NULL || (layer->shadow != NULL && added->shadow == NULL) ? -ENOMEM : 0;
}

int isle_view_add_mask(struct isle_view *view, unsigned layer, const char *path, bool directory)
{
	struct isle_mask *list = grow(view->masks, view->mask_count, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	view->masks = list;
	list[view->mask_count] = (struct isle_mask){layer, isle_view_string(view, path), directory};
	return list[view->mask_count++].path == NULL ? -ENOMEM : 0;
}

int isle_view_load_layers(struct isle_view *view, const struct isle *isle, struct isle_err *err)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	size_t room = 1;
	int r = isle_layers_read(isle, &layers, err);

	if (r < 0 || layers.count == 0)
		return r;
	while (room < layers.count)
		room *= 2;
	struct isle_layer *list = reallocarray(layers.list, room, sizeof(*list));
	if (list == NULL)
		return isle_err_errno(err, -ENOMEM, "cannot plan the view");
	layers.list = list;
	view->layers = layers;
	layers = ISLE_LAYERS_INIT;
	return 0;
}

void isle_view_done(struct isle_view *view)
{
	struct view_strings *next = NULL;

	for (size_t i = 0; i < view->count; i++) {
		free(view->list[i].path);
		isle_cleanup_fd(&view->list[i].held);
	}
	free(view->list);
	for (size_t i = 0; view->places != NULL && i < view->layers.count; i++)
		isle_cleanup_fd(&view->places[i]);
	free(view->places);
	free(view->masks);
	isle_layers_done(&view->layers);
	for (struct view_strings *s = view->strings; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	*view = ISLE_VIEW_INIT;
}

bool isle_view_can_mount(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) != 0;
}
