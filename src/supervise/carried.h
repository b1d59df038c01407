/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files and directories of the host that have got other names in this run. In the layer they are the isle's own then,
 * but what is read of them is still the host's.
 *
 *   isle_carried_rename(), isle_carried_exchange()   names become others, with all below
 *   isle_carried_add()                               what of the host has come to be there
 *   isle_carried_replace()                           something else is there now
 *   isle_carried_find()                              what of the host shows there
 *
 * Paths are absolute and without links. At most ISLE_CARRIED_MOST are remembered.
 */
#include <stdbool.h>
#include <stddef.h>

enum { ISLE_CARRIED_MOST = 1024 };

enum isle_carried_kind {
	ISLE_CARRIED_FILE,
	ISLE_CARRIED_TREE, /* and all below it, but what is remembered by itself */
	ISLE_CARRIED_OWN,  /* in such a tree: nothing of the host's */
};

struct isle_carried_name {
	enum isle_carried_kind kind;
	char *view, *host; /* host NULL: ISLE_CARRIED_OWN */
};

/* All zero: empty. */
struct isle_carried {
	struct isle_carried_name *list;
	size_t count, room;
};

void isle_carried_done(struct isle_carried *carried);

/* What was at `to` and below it is no more. The old names stay remembered: the rename can fail yet. -E2BIG: too many,
 * not all are remembered; -ENOMEM. */
int isle_carried_rename(struct isle_carried *carried, const char *from, const char *to);
/* -ENOMEM. */
int isle_carried_exchange(struct isle_carried *carried, const char *a, const char *b);

/* kind: FILE or TREE. -E2BIG: too many, it is not remembered; -ENOMEM. */
int isle_carried_add(struct isle_carried *carried, const char *view, const char *host, enum isle_carried_kind kind);

/* -E2BIG, -ENOMEM: it goes on being taken for the host's. */
int isle_carried_replace(struct isle_carried *carried, const char *view);

/* The path on the host of what view shows, in host of that room. */
bool isle_carried_find(const struct isle_carried *carried, const char *view, char *host, size_t room);
