/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"
#include "recovered.h"
#include "touched.h"
#include <errno.h>
#include <string.h>

static int read_paths(struct isle_look *look, char **operands, int count, struct isle_err *err)
{
	int r = 0;

	for (int i = 0; i < count && r >= 0; i++)
		r = isle_operands_add(&look->paths, operands[i], look->operand_flags, err);
	if (r >= 0 && isle_globs_parse(look->paths.list, &look->globs) < 0)
		r = isle_err_errno(err, -ENOMEM, "cannot read the command line");
	return r;
}

int isle_look_open(struct isle_look *look, const struct isle_args *args, unsigned scan_flags, struct isle_err *err)
{
	int first = args->operand_count > 0 && !strchr(args->operands[0], '/');
	int r = read_paths(look, args->operands + first, args->operand_count - first, err);

	if (r >= 0)
		r = isle_store_open_to_look(&look->store, err);
	if (r >= 0)
		r = isle_find(look->store, first ? args->operands[0] : NULL, &look->isle, err);
	if (r >= 0)
		r = isle_layers_read(look->isle, &look->layers, err);
	if (r >= 0)
		r = isle_changes_scan(look->store, look->isle, &look->layers, scan_flags, &look->changes, err);
	if (r >= 0)
		r = isle_touched_settle(look->store, look->isle, &look->layers, &look->changes, err);
	if (r >= 0 && look->changes.count > 0)
		r = isle_notes_load(look->isle, &look->notes, err);
	return r;
}

void isle_look_done(struct isle_look *look)
{
	isle_notes_done(&look->notes);
	isle_changes_done(&look->changes);
	isle_layers_done(&look->layers);
	isle_free(look->isle);
	isle_store_free(look->store);
	isle_globs_done(&look->globs);
	isle_operands_done(&look->paths);
	*look = ISLE_LOOK_INIT;
}
