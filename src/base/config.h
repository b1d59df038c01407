/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Configuration files: the form of their lines and who may have written them. What keys mean is the reader's business.
 *
 *   line := "" | "#" comment | KEY "=" VALUE        KEY: [a-z0-9.-]+; blanks around both are dropped, inside kept
 *
 * A key may stand there more than once; the reader says whether the last counts or all do.
 */
#include "error.h"
#include <stddef.h>

struct isle_config_line {
	char *key;
	char *value; /* not empty, no control character but tab */
	char *file;
	unsigned number; /* of the line in the file, from 1 */
};

struct isle_config {
	struct isle_config_line *list; /* in the order in which they were read */
	size_t count, room;
};

#define ISLE_CONFIG_INIT ((struct isle_config){0})

void isle_config_done(struct isle_config *config);
#define auto_config __attribute__((cleanup(isle_config_done)))

/* Appends the lines of a file. -ENOENT, without touching err: there is none. -EPERM: somebody else than the caller or
 * root could have written it: owner, or mode of the file or of its directory. -EINVAL: a line cannot be understood. */
int isle_config_read(const char *path, struct isle_config *config, struct isle_err *err) isle_must_check;

/* The same for text, as the content of `file`. */
int isle_config_parse(const char *text, size_t size, const char *file, struct isle_config *config,
		      struct isle_err *err) isle_must_check;

/* Sets the text to "FILE:LINE: message". Returns code. */
int isle_config_complain(const struct isle_config_line *line, struct isle_err *err, int code, const char *format, ...)
	isle_printf(4, 5);
