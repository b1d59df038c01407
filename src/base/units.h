/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sizes and spans of time, as people write and read them. */
#include "buf.h"
#include <stdint.h>

/* "1500", "20K", "1.5G", "10 MB": bytes. K, M, G, T, P (also KiB, ...) are powers of 1024, kB, MB, ... of 1000, as in
 * coreutils. -EINVAL: that is no size; -ERANGE: too large. */
int isle_size_parse(const char *text, uint64_t *ret_bytes) isle_must_check;
/* "4.5 MB" */
void isle_size_add(struct isle_buf *buf, uint64_t bytes);

/* "7", "7d", "12h", "2w", "1y", "90m", "30s": nanoseconds, of days where no unit is said; up to a hundred years.
 * -EINVAL, -ERANGE. */
int isle_span_parse(const char *text, int64_t *ret_ns) isle_must_check;
/* "7 days", "1 hour": the largest unit of which it is a whole number, or "2 days" for about as much. */
void isle_span_add(struct isle_buf *buf, int64_t ns);
