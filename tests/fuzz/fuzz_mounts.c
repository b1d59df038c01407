/* SPDX-License-Identifier: Apache-2.0 */
/* isle_mounts_parse(): sorted, each point once, each found again. */
#include "fuzz.h"
#include "mounts.h"
#include "path.h"
#include <string.h>

static void check(const struct isle_mounts *mounts, size_t i, size_t size)
{
	const struct isle_mount *m = &mounts->list[i];
	const struct isle_mount *next = i + 1 < mounts->count ? m + 1 : NULL;
	bool below = false;
	size_t total;

	must(m->point[0] == '/');
	must(m->id >= 0 && m->parent_id >= 0);
	must(m->root && m->type && m->source && m->options && m->super_options);
	total = strlen(m->root) + strlen(m->point) + strlen(m->type) + strlen(m->source) + strlen(m->options) +
		strlen(m->super_options);
	must(total <= size);
	must(!next || strcmp(m->point, next->point) < 0);
	must(isle_mounts_find(mounts, m->point) == m);
	for (size_t k = 0; k < mounts->count; k++)
		below |= k != i && isle_path_below(mounts->list[k].point, m->point);
	if (m->point[strlen(m->point) - 1] != '/' || m->point[1] == '\0') /* else not normalised */
		must(isle_mounts_below(mounts, m->point) == below);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_mounts struct isle_mounts mounts = ISLE_MOUNTS_INIT;

	must(isle_mounts_parse((const char *)data, size, &mounts) == 0);
	for (size_t i = 0; i < mounts.count && i < 64; i++)
		check(&mounts, i, size);
	return 0;
}
