/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The owners that an isle was asked for and could not give (isle run --fake-owner), as the user's own commit tells root
 * of them: what comes from there can be forged in any way.
 *
 *   "isle owners 1" NAME SUMMARY "UID GID MODE PATH"... ""         each ends in NUL
 *
 * What was read is well-formed: NAME can name an isle, SUMMARY is a line of plain ASCII, ids are those of somebody,
 * MODE (octal, with the type) is of an object that an ordinary user can make, each PATH is absolute, without "." and
 * ".." and there once. Nothing is said about what is there.
 */
#include "buf.h"
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>

struct isle_wish {
	char *path;
	uint32_t uid, gid;
	uint32_t mode;
};

struct isle_wishes {
	char *isle;		/* its name */
	char *summary;		/* of what is committed: "3 created" */
	struct isle_wish *list; /* sorted by path */
	size_t count, room;
};

#define ISLE_WISHES_INIT ((struct isle_wishes){0})

enum { ISLE_WISHES_MAX = 1 << 18, ISLE_WISHES_BYTES_MAX = 64 << 20 };

void isle_wishes_done(struct isle_wishes *wishes);
#define auto_wishes __attribute__((cleanup(isle_wishes_done)))

/* Copies the path. */
int isle_wishes_add(struct isle_wishes *wishes, const struct isle_wish *wish) isle_must_check;
int isle_wishes_write(const struct isle_wishes *wishes, struct isle_buf *buf) isle_must_check;

/* True once data ends as a whole list does. */
bool isle_wishes_complete(const char *data, size_t size);
/* -EBADMSG: it is none. */
int isle_wishes_read(const char *data, size_t size, struct isle_wishes *ret_wishes) isle_must_check;
