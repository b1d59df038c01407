/* SPDX-License-Identifier: Apache-2.0 */
#include "siphash.h"
#include "macros.h"
#include <string.h>
#include <sys/random.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

void isle_siphash_key_new(struct isle_siphash_key *ret_key)
{
	*ret_key = (struct isle_siphash_key){0};
	isle_ignore(getrandom(ret_key, sizeof(*ret_key), GRND_NONBLOCK));
}

uint64_t isle_siphash(const struct isle_siphash_key *key, const void *data, size_t size)
{
	struct state s = {key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d, key->k0 ^ 0x6c7967656e657261,
			  key->k1 ^ 0x7465646279746573};
	const unsigned char *at = data;
	uint64_t word;

	for (size_t left = size; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		s.v3 ^= word;
		round_once(&s);
		s.v0 ^= word;
	}
	word = (uint64_t)size << 56;
	for (size_t i = 0; i < size % 8; i++)
		word |= (uint64_t)at[i] << (8 * i);
	s.v3 ^= word;
	round_once(&s);
	s.v0 ^= word;
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		round_once(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
