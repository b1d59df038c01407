/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What files of the host were like when the isle first wrote to them or replaced them, for three-way merges: the
 * contents of small files lie one after the other in isles/ID/base, ISLE_EVENT_KEPT says whose they are.
 *
 *   isle_bases_load(isle, &bases, err);
 *   base = isle_bases_find(&bases, "/etc/hosts");            NULL: not known
 *   if (base != NULL && base->content) isle_base_read(isle, base, &buf);
 *
 * Where a path was written to anew after a commit, the last state counts: that is what the isle's file came from.
 */
#include "buf.h"
#include "events.h"
#include "map.h"

struct isle_base {
	struct isle_identity then;
	bool content; /* it was kept */
	uint64_t offset, size;
};

struct isle_bases {
	struct isle_map by_path; /* host path -> struct isle_base */
};

/* What is kept of one file, and of all files of an isle together. */
enum { ISLE_BASE_FILE_LIMIT = 256 << 10, ISLE_BASE_TOTAL_LIMIT = 256 << 20 };

int isle_bases_load(const struct isle *isle, struct isle_bases *ret_bases, struct isle_err *err) isle_must_check;
void isle_bases_done(struct isle_bases *bases);
#define auto_bases __attribute__((cleanup(isle_bases_done)))
const struct isle_base *isle_bases_find(const struct isle_bases *bases, const char *path);

/* Appends the content to buf. -ENODATA when it was not kept or is gone. */
int isle_base_read(const struct isle *isle, const struct isle_base *base, struct isle_buf *buf) isle_must_check;

/* Keeps the content of a regular file, at most ISLE_BASE_FILE_LIMIT bytes. -EFBIG when it or all of them are too
 * big. */
int isle_base_keep(const struct isle *isle, int file, uint64_t *ret_offset, uint64_t *ret_size) isle_must_check;
