/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two ways to take whole blocks of 64 bytes into the state, with the same result.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FIPS 180-4, 4.2.2 */
extern const uint32_t isle_sha256_k[64];

void isle_sha256_blocks_portable(uint32_t state[8], const unsigned char *blocks, size_t count);

/* By the SHA extensions of x86 processors; only where there are some. */
bool isle_sha256_has_extensions(void);
void isle_sha256_blocks_extensions(uint32_t state[8], const unsigned char *blocks, size_t count);
