/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration says is done with the caller's rights, so it has to be the caller's or root's own word: nobody
 * else may own the file, be able to write to it, or to put another in its place.
 */
#include "config.h"
#include "io.h"
#include "path.h"
#include "quote.h"
#include "trusted.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LIMIT = 1 << 20 };

static void line_done(struct isle_config_line *line)
{
	free(line->key);
	free(line->value);
	free(line->file);
}

void isle_config_done(struct isle_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		line_done(&config->list[i]);
	free(config->list);
	*config = ISLE_CONFIG_INIT;
}

int isle_config_complain(const struct isle_config_line *line, struct isle_err *err, int code, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return isle_err_text(err, code, "%s:%u: %s", isle_quote(line->file), line->number, text);
}

/* --- lines --- */

static bool is_key(const char *key, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!islower((unsigned char)key[i]) && !isdigit((unsigned char)key[i]) && key[i] != '.' &&
		    key[i] != '-')
			return false;
	return size > 0;
}

static bool is_value(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (iscntrl((unsigned char)value[i]) && value[i] != '\t')
			return false;
	return size > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *size)
{
	for (; *size > 0 && is_blank(**text); (*text)++)
		--*size;
	while (*size > 0 && is_blank((*text)[*size - 1]))
		--*size;
}

static int add_line(struct isle_config *config, struct isle_config_line line)
{
	if (config->count == config->room) {
		size_t room = config->room ? config->room * 2 : 16;
		struct isle_config_line *list = reallocarray(config->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		config->list = list;
		config->room = room;
	}
	config->list[config->count++] = line;
	return 0;
}

/* 1: it is in *ret_line; 0: a blank line or a comment; -EINVAL; -ENOMEM. */
static int read_line(const char *text, size_t size, struct isle_config_line *ret_line)
{
	const char *equals, *key, *value;
	size_t key_size, value_size;

	trim(&text, &size);
	if (size == 0 || *text == '#')
		return 0;
	equals = memchr(text, '=', size);
	if (!equals)
		return -EINVAL;
	key = text;
	key_size = (size_t)(equals - text);
	value = equals + 1;
	value_size = size - key_size - 1;
	trim(&key, &key_size);
	trim(&value, &value_size);
	if (!is_key(key, key_size) || !is_value(value, value_size))
		return -EINVAL;
	ret_line->key = strndup(key, key_size);
	ret_line->value = strndup(value, value_size);
	return ret_line->key && ret_line->value ? 1 : -ENOMEM;
}

static int parse_line(const char *text, size_t size, struct isle_config_line line, struct isle_config *config,
		      struct isle_err *err)
{
	int r = line.file ? read_line(text, size, &line) : -ENOMEM;

	if (r > 0) {
		r = add_line(config, line);
		if (r >= 0)
			return 0;
	}
	if (r == -EINVAL) {
		isle_config_complain(&line, err, r, "this is no line of a configuration");
		isle_err_hint(err, "a line is: KEY = VALUE, see isle-config(5); # begins a comment");
	} else if (r < 0) {
		isle_err_errno(err, r, "cannot read the configuration");
	}
	line_done(&line);
	return r;
}

int isle_config_parse(const char *text, size_t size, const char *file, struct isle_config *config, struct isle_err *err)
{
	const char *end = text + size;
	unsigned number = 0;
	int r = 0;

	while (text < end && r >= 0) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = newline ? (size_t)(newline - text) : (size_t)(end - text);
		struct isle_config_line line = {.file = strdup(file), .number = ++number};

		r = parse_line(text, length, line, config, err);
		text += length + (newline != NULL);
	}
	return r;
}

/* --- files --- */

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == 0;
}

static int refuse(struct isle_err *err, const char *path, const char *why)
{
	isle_err_text(err, -EPERM, "the configuration %s is not read: %s", isle_quote(path), why);
	isle_err_hint(err, "it must be yours or root's, and so must its directory, and both closed: chmod go-w");
	return -EPERM;
}

static int check(const struct isle_found *found, const char *path, struct isle_err *err)
{
	if (!S_ISREG(found->st.st_mode))
		return refuse(err, path, "it is no file");
	if (!is_ours(&found->st))
		return refuse(err, path, "it belongs to somebody else");
	if (found->st.st_mode & 022)
		return refuse(err, path, "others can write to it");
	if (!isle_is_trusted(&found->above))
		return refuse(err, path, "others can put something in its place");
	return 0;
}

/* Looked up once: what is checked is what is read. As root the whole way is looked at. */
static int open_checked(const char *path, struct isle_err *err)
{
	const struct isle_find_options options = {isle_acts_for_root() ? ISLE_FIND_TRUSTED : 0, 0};
	struct isle_err why = ISLE_ERR_INIT;
	auto_free char *absolute = isle_path_absolute(path);
	struct isle_found found;
	char proc[32];
	int r = absolute ? isle_find_object(absolute, &options, &found, &why) : -ENOMEM;

	if (r < 0 && why.text[0]) {
		refuse(err, path, "others can put something in its place");
		return isle_err_prefix(err, r, "%s", why.text);
	}
	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	auto_fd int object = found.fd;
	r = check(&found, path, err);
	if (r < 0)
		return r;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", object);
	int fd = open(proc, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int isle_config_read(const char *path, struct isle_config *config, struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	struct isle_err why = ISLE_ERR_INIT;
	auto_fd int fd = open_checked(path, &why);
	int r;

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0 && why.text[0]) {
		isle_err_text(err, fd, "%s", why.text);
		isle_err_hint(err, "%s", why.hint);
		return fd;
	}
	if (fd < 0)
		return isle_err_errno(err, fd, "cannot read the configuration %s", isle_quote(path));
	r = isle_read_all(fd, &text, LIMIT);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the configuration %s", isle_quote(path));
	return isle_config_parse(text.data ? text.data : "", text.size, path, config, err);
}
