/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is a sequence of strings, each with its NUL: "isle-command 1", NET, FLAGS, directory, hostname, input ("" for
 * none), then for each list the number of its strings and these.
 */
#include "command.h"
#include "buf.h"
#include "io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIMIT = 16 << 20, LISTS = 4 };

static const char magic[] = "isle-command 1";

static void add(struct isle_buf *buf, const char *text)
{
	isle_buf_add(buf, text ? text : "", strlen(text ? text : "") + 1);
}

static void add_number(struct isle_buf *buf, size_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", number);
	add(buf, text);
}

int isle_command_note(const struct isle *isle, const struct isle_command *command)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_fd int dir = -1;
	char name[24];

	add(&buf, magic);
	add_number(&buf, command->net);
	add_number(&buf, command->flags);
	add(&buf, command->directory);
	add(&buf, command->hostname);
	add(&buf, command->input);
	for (size_t i = 0; i < LISTS; i++) {
		const char *const *list = command->lists[i];
		size_t count = 0;

		while (list && list[count])
			count++;
		add_number(&buf, count);
		for (size_t k = 0; k < count; k++)
			add(&buf, list[k]);
	}
	if (isle_buf_error(&buf) < 0)
		return isle_buf_error(&buf);
	if (mkdirat(isle->dir, "commands", 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = openat(isle->dir, "commands", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	snprintf(name, sizeof(name), "%016" PRIx64, (uint64_t)command->start);
	return isle_replace_file(dir, name, buf.data, buf.size);
}

/* The next string of what was read; NULL at the end. */
static const char *next(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static int number(const char *text)
{
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : ULONG_MAX;

	return value > LIMIT || *end ? -EBADMSG : (int)value;
}

static int parse(const struct isle_buf *buf, struct isle_command *command, const char **strings)
{
	const char *at = buf->data, *end = buf->data + buf->size, *text = next(&at, end);
	int net, flags;

	if (!text || strcmp(text, magic) != 0)
		return -EBADMSG;
	net = number(next(&at, end));
	flags = number(next(&at, end));
	command->directory = next(&at, end);
	command->hostname = next(&at, end);
	command->input = next(&at, end);
	if (net < 0 || flags < 0 || !command->input)
		return -EBADMSG;
	command->net = (unsigned)net;
	command->flags = (unsigned)flags;
	if (!*command->hostname)
		command->hostname = NULL;
	if (!*command->input)
		command->input = NULL;
	for (size_t i = 0; i < LISTS; i++) {
		int count = number(next(&at, end));

		if (count < 0)
			return count;
		command->lists[i] = strings;
		for (; count > 0; count--) {
			*strings = next(&at, end);
			if (!*strings++)
				return -EBADMSG;
		}
		*strings++ = NULL;
	}
	return command->lists[ISLE_COMMAND_ARGUMENTS][0] && *command->directory == '/' ? 0 : -EBADMSG;
}

struct each {
	int (*each)(const struct isle_command *command, void *data);
	void *data;
};

static int read_one(int dir, const char *name, const struct each *each)
{
	struct isle_command command = {.start = (int64_t)strtoull(name, NULL, 16)};
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_free const char **strings = NULL;
	size_t count = LISTS + 1;
	int r = isle_read_file(dir, name, &buf, LIMIT);

	for (size_t i = 0; r >= 0 && i < buf.size; i++)
		count += buf.data[i] == '\0';
	strings = r < 0 ? NULL : calloc(count, sizeof(*strings));
	if (r >= 0)
		r = strings ? parse(&buf, &command, strings) : -ENOMEM;
	return r < 0 ? r : each->each(&command, each->data);
}

int isle_commands_each(const struct isle *isle, int (*each)(const struct isle_command *command, void *data), void *data,
		       struct isle_err *err)
{
	auto_fd int dir = openat(isle->dir, "commands", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct each call = {each, data};
	struct dirent **names = NULL;
	int count = dir < 0 ? -1 : scandirat(dir, ".", &names, NULL, alphasort);
	int r = count >= 0 || errno == ENOENT ? 0 : -errno;

	for (int i = 0; i < count; i++) {
		if (r == 0 && strlen(names[i]->d_name) == 16)
			r = read_one(dir, names[i]->d_name, &call);
		free(names[i]);
	}
	free(names);
	return r < 0 ? isle_err_errno(err, r, "cannot read how the commands were run") : r;
}
