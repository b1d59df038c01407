/* SPDX-License-Identifier: Apache-2.0 */
/* The hash map, the pool, and the hash of plans. */
#include "map.h"
#include "pool.h"
#include "sha256.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

static void test_map(void **state)
{
	auto_map struct isle_map map = ISLE_MAP_INIT;
	int a, b;
	char key[8] = "key";

	(void)state;
	assert_null(isle_map_get(&map, "key"));
	assert_int_equal(isle_map_set(&map, key, &a), 0);
	key[0] = 'x'; /* the map has its own copy */
	assert_ptr_equal(isle_map_get(&map, "key"), &a);
	assert_null(isle_map_get(&map, "xey"));
	assert_null(isle_map_get(&map, ""));
	assert_int_equal(isle_map_set(&map, "", &b), 0);
	assert_ptr_equal(isle_map_get(&map, ""), &b);
	assert_int_equal(isle_map_set(&map, "key", &b), 0);
	assert_ptr_equal(isle_map_get(&map, "key"), &b);
	assert_int_equal(map.count, 2);
	isle_map_done(&map);
	assert_int_equal(map.count, 0);
	assert_null(isle_map_get(&map, "key"));
}

static void test_map_borrows(void **state)
{
	struct isle_map map = ISLE_MAP_BORROWS;
	char keys[200][8];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		assert_int_equal(isle_map_set(&map, keys[i], keys[i]), 0);
	}
	assert_ptr_equal(isle_map_get(&map, "7"), keys[7]);
	for (size_t i = 0; i < map.room; i++)
		assert_ptr_equal(map.slots[i].key, map.slots[i].value);
	isle_map_done(&map); /* frees no key */
	assert_int_equal(isle_map_set(&map, keys[0], &map), 0);
	assert_ptr_equal(isle_map_get(&map, "0"), &map);
	isle_map_done(&map);
}

static void test_map_grows(void **state)
{
	enum { COUNT = 50000 };
	auto_map struct isle_map map = ISLE_MAP_INIT;
	static char values[COUNT];
	char key[32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(key, sizeof(key), "etc/%d\377", i);
		assert_int_equal(isle_map_set(&map, key, &values[i]), 0);
	}
	assert_int_equal(map.count, COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(key, sizeof(key), "etc/%d\377", i);
		assert_ptr_equal(isle_map_get(&map, key), &values[i]);
		snprintf(key, sizeof(key), "etc/%d", i);
		assert_null(isle_map_get(&map, key));
	}
}

static void test_pool(void **state)
{
	static const size_t sizes[] = {1, 16, 17, 1000, 65536, 70000, 0, 3};
	auto_free char **made = calloc(1000, sizeof(*made));
	struct isle_pool pool = ISLE_POOL_INIT;

	(void)state;
	assert_non_null(made);
	for (size_t i = 0; i < 1000; i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		made[i] = isle_pool_alloc(&pool, size);
		assert_non_null(made[i]);
		assert_int_equal((uintptr_t)made[i] % 16, 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(made[i][k], 0);
		memset(made[i], (int)(i % 100 + 1), size);
	}
	for (size_t i = 0; i < 1000; i++)
		for (size_t k = 0; k < sizes[i % ARRAY_SIZE(sizes)]; k++)
			assert_int_equal(made[i][k], i % 100 + 1);
	assert_null(isle_pool_alloc(&pool, SIZE_MAX));
	isle_pool_done(&pool);
	assert_null(pool.pieces);
	isle_pool_done(&pool);
}

/* Undoes what FNV-1a and a multiplication with a folding do after the last byte of a key: a hash without a secret that
 * enters everywhere leaves this much to be told from two values, and so lets names be prepared that meet. */
static uint64_t state_before_last_byte(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xf1de83e19937733d; /* the inverse of 0x9e3779b97f4a7c15 */
	h ^= h >> 32;
	return h * 0xce965057aff6957b; /* the inverse of 0x100000001b3 */
}

static size_t hash_of(const struct isle_map *map, const char *key)
{
	for (size_t i = 0; i < map->room; i++)
		if (map->slots[i].key && strcmp(map->slots[i].key, key) == 0)
			return map->slots[i].hash;
	fail();
	return 0;
}

static void test_map_secret(void **state)
{
	auto_map struct isle_map map = ISLE_MAP_INIT;
	int value = 0;

	(void)state;
	assert_int_equal(0x9e3779b97f4a7c15 * 0xf1de83e19937733d, 1);
	assert_int_equal(0x100000001b3 * 0xce965057aff6957b, 1);
	assert_int_equal(isle_map_set(&map, "a name and A", &value), 0);
	assert_int_equal(isle_map_set(&map, "a name and B", &value), 0);
	assert_int_not_equal(state_before_last_byte(hash_of(&map, "a name and A")) ^
				     state_before_last_byte(hash_of(&map, "a name and B")),
			     'A' ^ 'B');
}

static void assert_sha256(const char *text, unsigned times, const char *expected)
{
	char hex[ISLE_SHA256_HEX];
	struct isle_sha256 sha;

	isle_sha256_init(&sha);
	for (unsigned i = 0; i < times; i++)
		isle_sha256_add(&sha, text, strlen(text));
	isle_sha256_hex(&sha, hex);
	assert_string_equal(hex, expected);
}

/* The examples of FIPS 180-4, and lengths around the padding's edge. */
static void test_sha256(void **state)
{
	(void)state;
	assert_sha256("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_sha256("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_sha256("aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_sha256("a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
	assert_sha256("a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
	assert_sha256("a", 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
	assert_sha256("a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
	assert_sha256("a", 119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
	assert_sha256("a", 120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),  cmocka_unit_test(test_map_borrows), cmocka_unit_test(test_map_grows),
		cmocka_unit_test(test_pool), cmocka_unit_test(test_map_secret),	 cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
