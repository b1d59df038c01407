/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"
#include "path.h"
#include "quote.h"
#include "talk.h"
#include "units.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const int64_t week = (int64_t)7 * 86400 * 1000000000;

/* --- words --- */

static int find_word(const char *const *words, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], name) == 0)
			return i;
	return -EINVAL;
}

int isle_net_by_name(const char *name)
{
	static const char *const words[] = {
		[ISLE_NET_INTERNET] = "internet", [ISLE_NET_NONE] = "none", [ISLE_NET_HOST] = "host"};

	return find_word(words, ARRAY_SIZE(words), name);
}

int isle_track_by_name(const char *name)
{
	static const char *const words[] = {
		[ISLE_TRACK_NONE] = "none", [ISLE_TRACK_READS] = "reads", [ISLE_TRACK_FULL] = "full"};

	return find_word(words, ARRAY_SIZE(words), name);
}

int isle_linger_parse(const char *text, double *ret_seconds)
{
	char *end = NULL;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1000000))
		return -EINVAL;
	*ret_seconds = seconds;
	return 0;
}

int isle_walls_parse(const char *list, unsigned *walls)
{
	auto_free char *copy = strdup(list);
	char *rest = copy, *name;

	if (!copy)
		return -ENOMEM;
	while ((name = strsep(&rest, ","))) {
		unsigned wall = isle_wall_by_name(name);

		if (wall == 0 && *name)
			return -EINVAL;
		*walls |= wall;
	}
	return 0;
}

/* --- keys --- */

static int set_keep_age(struct isle_settings *settings, const char *value)
{
	return isle_span_parse(value, &settings->keep_age);
}

static int set_max_size(struct isle_settings *settings, const char *value)
{
	if (strcmp(value, "none") != 0)
		return isle_size_parse(value, &settings->max_bytes);
	settings->max_bytes = UINT64_MAX;
	return 0;
}

/* "~/x" is below the caller's home directory. A path relative to the current directory has no meaning in a file. */
static int absolute(const char *value, char **ret_path)
{
	const char *home = getenv("HOME");
	auto_free char *path = NULL;

	if (strncmp(value, "~/", 2) == 0 && home && *home == '/')
		path = isle_path_join(home, value + 2);
	else if (*value == '/')
		path = strdup(value);
	else
		return -EINVAL;
	*ret_path = path ? isle_path_absolute(path) : NULL;
	return *ret_path ? 0 : -ENOMEM;
}

static int set_append(struct isle_settings *settings, const char *value)
{
	auto_free char *path = NULL;
	int r;

	if (strcmp(value, "none") == 0 || (!strchr(value, '/') && strpbrk(value, "*?[")))
		return isle_ways_log(&settings->ways, value);
	r = absolute(value, &path);
	return r < 0 ? r : isle_ways_log(&settings->ways, path);
}

static int set_criteria(struct isle_settings *settings, const char *value)
{
	int criteria = isle_criteria_by_name(value);

	if (criteria < 0)
		return -EINVAL;
	settings->criteria = (enum isle_criteria)criteria;
	return 0;
}

static int set_net(struct isle_settings *settings, const char *value)
{
	int net = isle_net_by_name(value);

	if (net < 0)
		return net;
	settings->net = (enum isle_net_mode)net;
	return 0;
}

static int set_track(struct isle_settings *settings, const char *value)
{
	int track = isle_track_by_name(value);

	if (track < 0)
		return track;
	settings->track = (enum isle_track)track;
	return 0;
}

static int set_require(struct isle_settings *settings, const char *value)
{
	return isle_walls_parse(value, &settings->require);
}

static int set_linger(struct isle_settings *settings, const char *value)
{
	return isle_linger_parse(value, &settings->linger);
}

static int set_when(struct isle_settings *settings, const char *value)
{
	if (value[0] == '@' && value[1] != '/')
		return -EINVAL;
	settings->when = value;
	return 0;
}

static int add_hide(struct isle_settings *settings, const char *value)
{
	const char **list = reallocarray(settings->hide, settings->hide_count + 2, sizeof(*list));
	char *path;
	int r;

	if (!list)
		return -ENOMEM;
	settings->hide = list;
	list[settings->hide_count] = NULL;
	r = absolute(value, &path);
	if (r < 0)
		return r;
	list[settings->hide_count++] = path;
	list[settings->hide_count] = NULL;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct isle_settings *settings, const char *value);
	const char *form; /* "..., not 'VALUE'" */
} keys[] = {
	{"commit.append", set_append, "an absolute path, a pattern for names (*.log) or none"},
	{"gc.keep-age", set_keep_age, "an age like 12h, 7d, 2w"},
	{"gc.max-size", set_max_size, "a size like 500M, 10G, or none"},
	{"run.criteria", set_criteria, "aec, lookup, write or none"},
	{"run.hide", add_hide, "an absolute path, or one that begins with ~/"},
	{"run.linger", set_linger, "a number of seconds"},
	{"run.net", set_net, "internet, none or host"},
	{"run.require", set_require, "names of protections, see isle doctor"},
	{"run.track", set_track, "reads, full or none"},
	{"run.when", set_when, "rules, project, @FILE with an absolute path, or none"},
};

const char *isle_settings_key(size_t i)
{
	return i < ARRAY_SIZE(keys) ? keys[i].name : NULL;
}

static int take_line(struct isle_settings *settings, const struct isle_config_line *line, struct isle_err *err)
{
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(keys) && strcmp(line->key, keys[i].name) != 0)
		i++;
	if (i == ARRAY_SIZE(keys)) {
		isle_config_complain(line, err, -EINVAL, "there is no setting %s", line->key);
		isle_err_hint(err, "isle-config(5) lists them");
		return -EINVAL;
	}
	r = keys[i].set(settings, line->value);
	if (r == -ENOMEM)
		return isle_err_errno(err, r, "cannot read the configuration");
	if (r < 0) {
		isle_config_complain(line, err, r, "%s is %s, not '%s'", line->key, keys[i].form,
				     isle_quote(line->value));
		isle_err_hint(err, "correct that line; see isle-config(5)");
	}
	return r;
}

/* --- files --- */

static int read_one(struct isle_settings *settings, const char *path, struct isle_err *err)
{
	size_t before = settings->lines.count;
	int r = isle_config_read(path, &settings->lines, err);

	if (r >= 0)
		isle_verbose("%zu settings in %s", settings->lines.count - before, isle_quote(path));
	return r;
}

static char *own_file(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		return isle_path_join(config, "isle/config");
	return home && *home == '/' ? isle_path_join(home, ".config/isle/config") : NULL;
}

/* What is not there says nothing. Root has no file of its own: under sudo $HOME can be a user's. */
static int read_usual(struct isle_settings *settings, struct isle_err *err)
{
	auto_free char *own = geteuid() == 0 ? NULL : own_file();
	int r = read_one(settings, "/etc/isle/config", err);

	if ((r >= 0 || r == -ENOENT) && own)
		r = read_one(settings, own, err);
	return r == -ENOENT ? 0 : r;
}

static int read_files(struct isle_settings *settings, struct isle_err *err)
{
	const char *named = getenv("ISLE_CONFIG");
	int r;

	if (!named || !*named)
		return read_usual(settings, err);
	if (strcmp(named, "none") == 0)
		return 0;
	r = read_one(settings, named, err);
	if (r == -ENOENT) {
		isle_err_errno(err, r, "cannot read the configuration %s", isle_quote(named));
		isle_err_hint(err, "ISLE_CONFIG names it; 'none' stands for none");
	}
	return r;
}

void isle_settings_done(struct isle_settings *settings)
{
	for (size_t i = 0; i < settings->hide_count; i++)
		free((char *)settings->hide[i]);
	free(settings->hide);
	isle_ways_done(&settings->ways);
	isle_config_done(&settings->lines);
	*settings = (struct isle_settings){0};
}

int isle_settings_read(struct isle_settings *ret_settings, struct isle_err *err)
{
	auto_settings struct isle_settings settings = {
		.keep_age = week, .max_bytes = UINT64_MAX, .track = ISLE_TRACK_READS};
	int r = read_files(&settings, err);

	for (size_t i = 0; i < settings.lines.count && r >= 0; i++)
		r = take_line(&settings, &settings.lines.list[i], err);
	if (r >= 0 && isle_ways_says_logs(&settings.ways) && isle_ways_complete(&settings.ways, ISLE_LOG_PATTERNS) < 0)
		r = isle_err_errno(err, -ENOMEM, "cannot read the configuration");
	if (r < 0)
		return r;
	*ret_settings = settings;
	settings = (struct isle_settings){0};
	return 0;
}

const char *const *isle_settings_logs(const struct isle_settings *settings)
{
	struct isle_commit_options options = {0};

	isle_ways_apply(&settings->ways, &options);
	return options.logs;
}
