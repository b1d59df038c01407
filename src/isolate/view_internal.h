/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The memory of a view: steps, layers and the strings of both live as long as the view. */
#include "path.h"
#include "view.h"

/* A new last step for this path, everything else zero; NULL when out of memory. */
struct isle_step *isle_view_add_step(struct isle_view *view, const char *path);

/* A new last layer; its number is its index. path must belong to the view. */
int isle_view_add_layer(struct isle_view *view, const struct isle_layer *layer, const char *path) isle_must_check;

/* path must not be the layer's own. */
int isle_view_add_mask(struct isle_view *view, unsigned layer, const char *path, bool directory) isle_must_check;

/* What every isle has of its own. */
static inline bool isle_view_is_own_tree(const char *path)
{
	return isle_path_below(path, "/proc") || isle_path_below(path, "/sys") || isle_path_below(path, "/dev");
}

/* Takes the layers of the isle's table. */
int isle_view_load_layers(struct isle_view *view, const struct isle *isle, struct isle_err *err) isle_must_check;

const char *isle_view_string(struct isle_view *view, const char *text);
const char *isle_view_addf(struct isle_view *view, const char *format, ...) isle_printf(2, 3);

/* CAP_SYS_ADMIN is in the effective set. */
bool isle_view_can_mount(void);
