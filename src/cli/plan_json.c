/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON form of a saved plan. A name is "KEY": "..." or, when its bytes are not UTF-8, "KEY_b64": "..."; in an array
 * a string or {"b64": "..."}. Exactly one of the two must be there.
 */
#include "buf.h"
#include "plan_file.h"
#include "quote.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void json_free(json_t **value)
{
	json_decref(*value);
}
#define auto_json __attribute__((cleanup(json_free)))

static int digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Base64 with padding (RFC 4648, section 4), without a NUL byte in what it says. */
static int decode(const char *text, struct isle_buf *name)
{
	size_t size = strlen(text), i, k;

	if (size % 4 != 0)
		return -EINVAL;
	for (i = 0; i < size; i += 4) {
		bool last = i + 4 == size;
		size_t bytes = !last || text[i + 3] != '=' ? 3 : text[i + 2] != '=' ? 2 : 1;
		uint32_t value = 0;

		for (k = 0; k < 4; k++) {
			int digit = k <= bytes ? digit_of(text[i + k]) : 0;

			if (digit < 0)
				return -EINVAL;
			value = value << 6 | (uint32_t)digit;
		}
		for (k = 0; k < bytes; k++) {
			char c = (char)(value >> (16 - 8 * k) & 0xff);

			if (c == '\0')
				return -EINVAL;
			isle_buf_addc(name, c);
		}
	}
	return isle_buf_adds(name, "");
}

/* A name of an object, under key or key_b64; heap. */
static int name_of(const json_t *object, const char *key, char **ret_name)
{
	auto_buf struct isle_buf name = ISLE_BUF_INIT;
	char coded[32];
	const char *plain = json_string_value(json_object_get(object, key)), *b64;
	int r;

	snprintf(coded, sizeof(coded), "%s%sb64", key, *key ? "_" : "");
	b64 = json_string_value(json_object_get(object, coded));
	if (!plain == !b64)
		return -EINVAL;
	r = plain ? isle_buf_adds(&name, plain) : decode(b64, &name);
	if (r < 0)
		return r;
	*ret_name = isle_buf_take(&name);
	return *ret_name ? 0 : -ENOMEM;
}

static const char *word_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int read_names(const json_t *plan, const char *key, struct isle_plan_names *names)
{
	const json_t *array = json_object_get(plan, key), *item;
	size_t i;
	int r = json_is_array(array) ? 0 : -EINVAL;

	for (i = 0; r >= 0 && (item = json_array_get(array, i)); i++) {
		auto_free char *name = NULL;

		if (json_is_string(item)) {
			r = isle_plan_file_name(names, json_string_value(item));
			continue;
		}
		r = name_of(item, "", &name);
		if (r >= 0)
			r = isle_plan_file_name(names, name);
	}
	return r;
}

static int read_kinds(const json_t *plan, struct isle_plan_file *file)
{
	struct isle_plan_names names = {0};
	int r = read_names(plan, "kinds", &names);

	for (size_t i = 0; r >= 0 && i < names.count; i++)
		r = isle_change_kinds_add(names.list[i], &file->kinds);
	isle_plan_names_done(&names);
	return r;
}

static int read_objects(const json_t *plan, const char *key, struct isle_plan_file *file,
			int (*each)(struct isle_plan_file *file, const json_t *item, const char *path))
{
	const json_t *array = json_object_get(plan, key), *item;
	size_t i;
	int r = json_is_array(array) ? 0 : -EINVAL;

	for (i = 0; r >= 0 && (item = json_array_get(array, i)); i++) {
		auto_free char *path = NULL;

		r = name_of(item, "path", &path);
		if (r >= 0)
			r = each(file, item, path);
	}
	return r;
}

static int read_conflict(struct isle_plan_file *file, const json_t *item, const char *path)
{
	return isle_plan_file_conflict(file, path, word_of(item, "change"), word_of(item, "choice"));
}

static int read_hunks(struct isle_plan_file *file, const json_t *item, const char *path)
{
	const char *numbers = word_of(item, "numbers");

	return numbers ? isle_ways_hunk_of(&file->ways, path, numbers) : -EINVAL;
}

/* "append" is null where the default was meant. */
static int read_logs(const json_t *plan, struct isle_plan_file *file)
{
	struct isle_plan_names names = {0};
	size_t i;
	int r = json_is_null(json_object_get(plan, "append")) ? 1 : read_names(plan, "append", &names);

	if (r == 0)
		r = isle_ways_log(&file->ways, "none");
	for (i = 0; r >= 0 && i < names.count; i++)
		r = isle_ways_log(&file->ways, names.list[i]);
	isle_plan_names_done(&names);
	return r < 0 ? r : 0;
}

static int read_ways(const json_t *plan, struct isle_plan_file *file)
{
	const char *replace = word_of(plan, "replace");
	int r = replace ? isle_ways_replace(&file->ways, replace) : -EINVAL;

	if (r >= 0)
		r = read_logs(plan, file);
	return r < 0 ? r : read_objects(plan, "hunks", file, read_hunks);
}

static int read_left_out(struct isle_plan_file *file, const json_t *item, const char *path)
{
	(void)item;
	return isle_plan_file_left_out(file, path);
}

static int read_action(struct isle_plan_file *file, const json_t *item, const char *path)
{
	return isle_plan_file_action(file, word_of(item, "action"), path);
}

static int read_all(const json_t *plan, struct isle_plan_file *file)
{
	int r = isle_plan_file_set(&file->isle, word_of(plan, "isle"));

	if (r >= 0)
		r = isle_plan_file_set(&file->id, word_of(plan, "id"));
	if (r >= 0)
		r = read_names(plan, "paths", &file->paths);
	if (r >= 0)
		r = read_names(plan, "except", &file->except);
	if (r >= 0)
		r = read_kinds(plan, file);
	if (r >= 0)
		r = read_names(plan, "by", &file->by);
	if (r >= 0)
		r = read_ways(plan, file);
	if (r >= 0)
		r = read_objects(plan, "conflicts", file, read_conflict);
	if (r >= 0)
		r = read_objects(plan, "left_out", file, read_left_out);
	return r < 0 ? r : read_objects(plan, "actions", file, read_action);
}

int isle_plan_json_read(const char *text, size_t size, struct isle_plan_file *file, struct isle_err *err)
{
	json_error_t error;
	auto_json json_t *plan = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	int r;

	if (!plan)
		return isle_err_text(err, -EINVAL, "line %d: %s", error.line, isle_quote(error.text));
	r = read_all(plan, file);
	return r < 0 ? isle_err_errno(err, r, "what it holds is not as 'isle plan' writes it") : 0;
}
