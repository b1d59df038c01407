/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON out, streamed to a FILE. The writer puts commas and keeps the nesting; the caller balances begin and end.
 *
 *   struct isle_json j;
 *   isle_json_init(&j, stdout);
 *   isle_json_object(&j, NULL);
 *   isle_json_int(&j, "version", 1);
 *   isle_json_array(&j, "changes");
 *   isle_json_end(&j);
 *   isle_json_end(&j);
 *   return isle_json_done(&j);     newline, flush, -errno if any write failed
 *
 * key is NULL inside an array and for the outermost value.
 */
#include "macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { ISLE_JSON_DEPTH = 32 };

struct isle_json {
	FILE *out;
	unsigned depth;
	bool some[ISLE_JSON_DEPTH]; /* a value was written at this depth */
	char close[ISLE_JSON_DEPTH];
};

void isle_json_init(struct isle_json *j, FILE *out);
void isle_json_object(struct isle_json *j, const char *key);
void isle_json_array(struct isle_json *j, const char *key);
void isle_json_end(struct isle_json *j);
void isle_json_str(struct isle_json *j, const char *key, const char *value); /* NULL: null; must be UTF-8 */
void isle_json_int(struct isle_json *j, const char *key, int64_t value);
void isle_json_bool(struct isle_json *j, const char *key, bool value);
void isle_json_null(struct isle_json *j, const char *key);
/* "KEY": "..." when the bytes are UTF-8, else "KEY_b64": "...", in an array {"b64": "..."} */
void isle_json_bytes(struct isle_json *j, const char *key, const char *value, size_t size);
/* The same for a path, a NUL-terminated string. */
void isle_json_path(struct isle_json *j, const char *key, const char *path);
int isle_json_done(struct isle_json *j) isle_must_check;
