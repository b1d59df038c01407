/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What addresses this machine answers to, by its routing tables: all that lead to the machine itself (addresses of
 * interfaces, prefixes that are local as a whole, broadcast and anycast addresses), in every table. All is about the
 * network namespace of the caller and needs no power there.
 *
 * To miss no change: subscribe, then read, then wait for the descriptor.
 */
#include "link.h"

struct isle_net_addresses {
	struct isle_net_prefix *list; /* sorted, none within another */
	size_t count, room;
};

#define ISLE_NET_ADDRESSES_INIT ((struct isle_net_addresses){0})

void isle_net_addresses_done(struct isle_net_addresses *all);
#define auto_addresses __attribute__((cleanup(isle_net_addresses_done)))

/* Appends one. -ENOMEM. */
int isle_net_addresses_add(struct isle_net_addresses *all, const struct isle_net_prefix *prefix) isle_must_check;
/* Sorts the list and takes out what lies within another prefix of it. */
void isle_net_addresses_sort(struct isle_net_addresses *all);
bool isle_net_addresses_same(const struct isle_net_addresses *a, const struct isle_net_addresses *b);
/* True if one of them holds this address (network byte order). */
bool isle_net_addresses_has(const struct isle_net_addresses *all, int family, const uint8_t *address);

int isle_net_addresses_read(struct isle_net_addresses *ret) isle_must_check;

/* A descriptor that becomes readable when something changes. */
int isle_net_addresses_subscribe(void) isle_must_check;
/* Takes what it has to tell. 1: the addresses may differ now, 0: they do not, or -errno. */
int isle_net_addresses_changed(int fd) isle_must_check;
