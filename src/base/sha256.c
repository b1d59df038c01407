/* SPDX-License-Identifier: Apache-2.0 */
/* FIPS 180-4, sections 4.1.2, 5.1.1 and 6.2. */
#include "sha256.h"
#include "sha256_internal.h"
#include <string.h>

const uint32_t isle_sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void schedule(const unsigned char block[64], uint32_t w[64])
{
	unsigned i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (; i < 64; i++) {
		uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

/* One round; v is seen from a, which moves down by one place each time. */
static inline void round_at(uint32_t v[8], unsigned a, uint32_t key)
{
	uint32_t e = v[(a + 4) & 7], *h = &v[(a + 7) & 7];
	uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
	uint32_t choice = (e & v[(a + 5) & 7]) ^ (~e & v[(a + 6) & 7]);
	uint32_t t1 = *h + s1 + choice + key;
	uint32_t s0 = rotate(v[a], 2) ^ rotate(v[a], 13) ^ rotate(v[a], 22);
	uint32_t majority = (v[a] & v[(a + 1) & 7]) ^ (v[a] & v[(a + 2) & 7]) ^ (v[(a + 1) & 7] & v[(a + 2) & 7]);

	v[(a + 3) & 7] += t1;
	*h = t1 + s0 + majority;
}

static void compress(uint32_t state[8], const unsigned char block[64])
{
	const uint32_t *k = isle_sha256_k;
	uint32_t w[64], v[8];
	unsigned i;

	schedule(block, w);
	memcpy(v, state, sizeof(v));
	for (i = 0; i < 64; i += 8) {
		round_at(v, 0, k[i] + w[i]);
		round_at(v, 7, k[i + 1] + w[i + 1]);
		round_at(v, 6, k[i + 2] + w[i + 2]);
		round_at(v, 5, k[i + 3] + w[i + 3]);
		round_at(v, 4, k[i + 4] + w[i + 4]);
		round_at(v, 3, k[i + 5] + w[i + 5]);
		round_at(v, 2, k[i + 6] + w[i + 6]);
		round_at(v, 1, k[i + 7] + w[i + 7]);
	}
	for (i = 0; i < 8; i++)
		state[i] += v[i];
}

void isle_sha256_blocks_portable(uint32_t state[8], const unsigned char *blocks, size_t count)
{
	for (; count > 0; count--, blocks += 64)
		compress(state, blocks);
}

static void take_blocks(struct isle_sha256 *sha, const unsigned char *blocks, size_t count)
{
	static int fast = -1;

	if (fast < 0)
		fast = isle_sha256_has_extensions();
	if (fast)
		isle_sha256_blocks_extensions(sha->state, blocks, count);
	else
		isle_sha256_blocks_portable(sha->state, blocks, count);
}

void isle_sha256_init(struct isle_sha256 *sha)
{
	*sha = (struct isle_sha256){
		.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
			  0x5be0cd19},
	};
}

void isle_sha256_add(struct isle_sha256 *sha, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	while (size > 0) {
		size_t at = sha->size % sizeof(sha->block);
		size_t part = sizeof(sha->block) - at;

		if (at == 0 && size >= part) {
			part = size - size % sizeof(sha->block);
			take_blocks(sha, bytes, part / sizeof(sha->block));
			sha->size += part;
			bytes += part;
			size -= part;
			continue;
		}
		if (part > size)
			part = size;
		memcpy(sha->block + at, bytes, part);
		sha->size += part;
		bytes += part;
		size -= part;
		if (at + part == sizeof(sha->block))
			take_blocks(sha, sha->block, 1);
	}
}

void isle_sha256_hex(struct isle_sha256 *sha, char ret_hex[ISLE_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	static const unsigned char padding[64] = {0x80};
	uint64_t bits = sha->size * 8;
	size_t at = sha->size % 64;
	unsigned char length[8];
	unsigned i;

	for (i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> (56 - 8 * i));
	isle_sha256_add(sha, padding, at < 56 ? 56 - at : 120 - at);
	isle_sha256_add(sha, length, sizeof(length));
	for (i = 0; i < 64; i++)
		ret_hex[i] = digits[sha->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
	ret_hex[64] = '\0';
}
