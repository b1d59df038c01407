/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "path.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int isle_operand_path(const char *operand, char **ret_path, struct isle_err *err)
{
	if (*operand == '\0')
		return isle_err_text(err, -EINVAL, "a path cannot be empty");
	*ret_path = isle_path_absolute(operand);
	if (*ret_path)
		return 0;
	return errno == ENOMEM ? isle_err_errno(err, -ENOMEM, "cannot read the command line")
			       : isle_err_errno(err, -errno, "cannot tell the current directory");
}

int isle_operands_take(struct isle_operands *operands, char *text)
{
	const char **more = text ? reallocarray(operands->list, operands->count + 2, sizeof(*more)) : NULL;

	if (!more) {
		free(text);
		return -ENOMEM;
	}
	more[operands->count++] = text;
	more[operands->count] = NULL;
	operands->list = more;
	return 0;
}

/* NULL when it leads nowhere, or there is nothing below "/" in it. */
static char *resolve_parent(const char *path)
{
	auto_free char *above = strdup(path), *real = NULL;
	char *slash = above ? strrchr(above, '/') : NULL;

	if (!slash || !slash[1])
		return NULL;
	*slash = '\0';
	real = realpath(*above ? above : "/", NULL);
	return real ? isle_path_join(real, slash + 1) : NULL;
}

int isle_operands_add(struct isle_operands *operands, const char *operand, unsigned flags, struct isle_err *err)
{
	auto_free char *path = NULL, *real = NULL;
	int r = 0;

	if (!(flags & ISLE_OPERAND_PLAIN) && strpbrk(operand, "*?[") && !strchr(operand, '/')) {
		path = strdup(operand);
	} else {
		r = isle_operand_path(operand, &path, err);
		if (r < 0)
			return r;
		real = resolve_parent(path);
	}
	if (real && strcmp(real, path) != 0)
		r = isle_operands_take(operands, ptr_take(&real));
	if (r >= 0)
		r = isle_operands_take(operands, ptr_take(&path));
	return r < 0 ? isle_err_errno(err, r, "cannot read the command line") : 0;
}

void isle_operands_done(struct isle_operands *operands)
{
	for (size_t i = 0; i < operands->count; i++)
		free((char *)operands->list[i]);
	free(operands->list);
	*operands = ISLE_OPERANDS_INIT;
}
