/* SPDX-License-Identifier: Apache-2.0 */
/* From which object of the host an object of the layer was copied up: root's layers note its handle. */
#include "change_internal.h"
#include "kernel.h"
#include <errno.h>

int isle_change_is_origin(const struct isle *isle, const struct isle_layers *layers, const struct isle_change *change,
			  int fd)
{
	const struct isle_layer *layer = &layers->list[change->layer];
	struct isle_upper upper = {0};
	const char *name = NULL;
	struct statx st;
	auto_fd int dir = -1;
	int r;

	if (layer->user || layer->kind == ISLE_LAYER_FILE || !change->upper || change->kind == ISLE_DELETE)
		return -ENODATA;
	dir = isle_change_at(isle, layers, change, ISLE_AFTER, &name);
	r = dir < 0 ? dir : isle_statx(dir, name, &st);
	if (r >= 0)
		r = isle_upper_read(dir, name, isle_layer_xattr(layer), &st, 0, &upper);
	if (r < 0)
		return r;
	r = upper.handle.size > 0 && isle_handle_exists(fd, "") ? isle_handle_is(fd, "", &upper.handle) : -ENODATA;
	isle_upper_done(&upper);
	return r;
}
