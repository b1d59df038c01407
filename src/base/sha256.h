/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 (FIPS 180-4), for the ids of plans. Done by libnettle, which is named nowhere else.
 */
#include <nettle/sha2.h>
#include <stddef.h>

struct isle_sha256 {
	struct sha256_ctx context;
};

enum { ISLE_SHA256_HEX = 2 * SHA256_DIGEST_SIZE + 1 }; /* the digits and the NUL */

void isle_sha256_init(struct isle_sha256 *sha);
void isle_sha256_add(struct isle_sha256 *sha, const void *data, size_t size);
enum { ISLE_SHA256_SIZE = SHA256_DIGEST_SIZE };

/* The state is as after isle_sha256_init(). */
void isle_sha256_end(struct isle_sha256 *sha, unsigned char ret_digest[ISLE_SHA256_SIZE]);
/* Lower-case hexadecimal. The state is as after isle_sha256_init(). */
void isle_sha256_hex(struct isle_sha256 *sha, char ret_hex[ISLE_SHA256_HEX]);
