/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 (FIPS 180-4), for the ids of plans.
 */
#include <stddef.h>
#include <stdint.h>

struct isle_sha256 {
	uint32_t state[8];
	uint64_t size; /* bytes taken so far */
	unsigned char block[64];
};

enum { ISLE_SHA256_HEX = 65 }; /* 64 digits and the NUL */

void isle_sha256_init(struct isle_sha256 *sha);
void isle_sha256_add(struct isle_sha256 *sha, const void *data, size_t size);
/* Lower-case hexadecimal. The state is used up. */
void isle_sha256_hex(struct isle_sha256 *sha, char ret_hex[ISLE_SHA256_HEX]);
