/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012): a 64-bit hash that nobody who
 * does not know the key can make collide.
 */
#include <stddef.h>
#include <stdint.h>

struct isle_siphash_key {
	uint64_t k0, k1;
};

/* A key from the kernel; all zero where there is none to be had this early. */
void isle_siphash_key_new(struct isle_siphash_key *ret_key);

uint64_t isle_siphash(const struct isle_siphash_key *key, const void *data, size_t size);
