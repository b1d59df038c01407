/* SPDX-License-Identifier: Apache-2.0 */
#include "sha256.h"

void isle_sha256_init(struct isle_sha256 *sha)
{
	sha256_init(&sha->context);
}

void isle_sha256_add(struct isle_sha256 *sha, const void *data, size_t size)
{
	sha256_update(&sha->context, size, data);
}

void isle_sha256_end(struct isle_sha256 *sha, unsigned char ret_digest[ISLE_SHA256_SIZE])
{
	sha256_digest(&sha->context, ISLE_SHA256_SIZE, ret_digest);
}

void isle_sha256_hex(struct isle_sha256 *sha, char ret_hex[ISLE_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&sha->context, sizeof(digest), digest);
	for (unsigned i = 0; i < SHA256_DIGEST_SIZE; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[2 * SHA256_DIGEST_SIZE] = '\0';
}
