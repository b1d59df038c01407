/* SPDX-License-Identifier: Apache-2.0 */
/* Several lists of rules hold at once: each must allow. So a list can be added without looking what it says. */
#include "rules.h"
#include "buf.h"
#include "globs.h"
#include "io.h"
#include "path.h"
#include "quote.h"
#include "trusted.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LIMIT = 1 << 20, LISTS_MAX = 3, FILES_MAX = 2 };

static const char own_file[] = ".isle-rules";

/* What runs later without being asked for, as far as the marks (change.h) do not flag it: definitions for continuous
 * integration, tasks of editors. "[.]x" is a pattern for a name anywhere. */
static const char project[] =
	"deny any [.]isle-rules\n"
	"deny any [.]github\ndeny any [.]gitlab-ci*\ndeny any [.]gitea\ndeny any [.]forgejo\n"
	"deny any [.]circleci\ndeny any [.]buildkite\ndeny any [.]travis.y*ml\n"
	"deny any [.]drone.y*ml\ndeny any [.]woodpecker*\ndeny any [.]cirrus.y*ml\n"
	"deny any [J]enkinsfile*\ndeny any *azure-pipelines*.y*ml\n"
	"deny any bitbucket-pipelines.y*ml\ndeny any *appveyor.y*ml\n"
	"deny any [.]pre-commit-config.y*ml\ndeny any [l]efthook.y*ml\ndeny any [.]husky\n"
	"deny any [.]vscode\ndeny any [.]idea\ndeny any [.]devcontainer*\ndeny any *.code-workspace\n"
	"deny any [.]envrc\n"
	"allow any .\n";

struct rule {
	bool allow;
	unsigned kinds; /* 1 << enum isle_change_kind */
	struct isle_glob glob;
};

struct list {
	struct rule *rules;
	size_t count, room;
};

struct isle_rules {
	struct list lists[LISTS_MAX];
	size_t list_count;
	char *files[FILES_MAX]; /* that rules come from */
	size_t file_count;
};

void isle_rules_free(struct isle_rules *rules)
{
	size_t i, k;

	if (!rules)
		return;
	for (i = 0; i < rules->list_count; i++) {
		for (k = 0; k < rules->lists[i].count; k++)
			isle_glob_done(&rules->lists[i].rules[k].glob);
		free(rules->lists[i].rules);
	}
	for (i = 0; i < rules->file_count; i++)
		free(rules->files[i]);
	free(rules);
}

/* --- reading --- */

static int read_kinds(const char *words, unsigned *ret_kinds)
{
	*ret_kinds = strcmp(words, "any") == 0 ? ~0U : 0;
	return *ret_kinds ? 0 : isle_change_kinds_add(words, ret_kinds);
}

/* The directory's name is a name, whatever bytes are in it; the pattern is one. */
static int read_glob(const char *pattern, const char *directory, struct isle_glob *ret_glob)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_free char *joined = NULL;
	bool glob = strpbrk(pattern, "*?[") != NULL;

	if (*pattern == '/' || (glob && !strchr(pattern, '/')))
		return isle_glob_parse(pattern, ret_glob);
	for (; *directory; directory++) {
		if (glob && strchr("*?[\\", *directory))
			isle_buf_addc(&text, '\\');
		isle_buf_addc(&text, *directory);
	}
	isle_buf_addc(&text, '/');
	if (isle_buf_adds(&text, pattern) < 0)
		return -ENOMEM;
	joined = isle_path_absolute(text.data);
	if (!joined)
		return -ENOMEM;
	*ret_glob = (struct isle_glob){.text = ptr_take(&joined), .glob = glob};
	return 0;
}

static char *take_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t"), *end = word + strcspn(word, " \t");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int read_rule(char *line, const char *directory, struct list *list)
{
	struct rule rule = {0};
	const char *how = take_word(&line), *kinds;
	char *pattern;
	size_t size;
	int r;

	if (*how == '\0' || *how == '#')
		return 0;
	rule.allow = strcmp(how, "allow") == 0;
	if (!rule.allow && strcmp(how, "deny") != 0)
		return -EINVAL;
	kinds = take_word(&line);
	pattern = line + strspn(line, " \t");
	for (size = strlen(pattern); size > 0 && strchr(" \t\r", pattern[size - 1]); size--)
		pattern[size - 1] = '\0';
	r = *pattern ? read_kinds(kinds, &rule.kinds) : -EINVAL;
	if (r >= 0)
		r = read_glob(pattern, directory, &rule.glob);
	if (r < 0)
		return r;
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		struct rule *rules = reallocarray(list->rules, room, sizeof(*rules));

		if (!rules) {
			isle_glob_done(&rule.glob);
			return -ENOMEM;
		}
		list->rules = rules;
		list->room = room;
	}
	list->rules[list->count++] = rule;
	return 0;
}

/* text is cut up. */
static int add_list(struct isle_rules *rules, char *text, const char *separators, const char *directory,
		    struct isle_err *err)
{
	struct list *list = &rules->lists[rules->list_count++];
	unsigned number = 0;
	char *line;

	while ((line = strsep(&text, separators))) {
		int r = read_rule(line, directory, list);

		number++;
		if (r == -EINVAL) {
			isle_err_text(err, r, "rule %u cannot be understood", number);
			isle_err_hint(err, "a rule is: allow|deny any|KIND[,KIND...] PATTERN");
			return r;
		}
		if (r < 0)
			return isle_err_errno(err, r, "cannot read the rules");
	}
	return 0;
}

static int add_project(struct isle_rules *rules, const char *directory, struct isle_err *err)
{
	auto_free char *text = strdup(project);

	return text ? add_list(rules, text, "\n", directory, err)
		    : isle_err_errno(err, -ENOMEM, "cannot read the rules");
}

/* `at` is the file's path, or that of its descriptor in /proc. */
static int add_file(struct isle_rules *rules, const char *at, const char *path, const char *directory,
		    struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = isle_read_file(AT_FDCWD, at, &text, LIMIT);

	if (r >= 0)
		r = isle_buf_adds(&text, "");
	if (r >= 0 && strlen(text.data) != text.size)
		r = -EILSEQ;
	if (r >= 0) {
		rules->files[rules->file_count] = strdup(path);
		r = rules->files[rules->file_count] ? 0 : -ENOMEM;
		rules->file_count += r == 0;
	}
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the rules '%s'", isle_quote(path));
	r = add_list(rules, text.data, "\n", directory, err);
	return r < 0 ? isle_err_prefix(err, r, "%s", isle_quote(path)) : 0;
}

/* Found once, with no symbolic link left in its path: what is read is what that path was of. */
static int add_named_file(struct isle_rules *rules, const char *name, const char *directory, struct isle_err *err)
{
	const struct isle_find_options options = {isle_acts_for_root() ? ISLE_FIND_SAFE_LINKS : 0, 0};
	auto_free char *absolute = isle_path_absolute(name);
	struct isle_err why = ISLE_ERR_INIT;
	struct isle_found found;
	char at[32];
	int r = absolute ? isle_find_object(absolute, &options, &found, &why) : -ENOMEM;

	if (r < 0 && why.text[0])
		return isle_err_text(err, r, "cannot read the rules '%s': %s", isle_quote(name), why.text);
	if (r < 0)
		return isle_err_errno(err, r, "cannot read the rules '%s'", isle_quote(name));
	auto_fd int file = found.fd;
	snprintf(at, sizeof(at), "/proc/self/fd/%d", file);
	r = add_file(rules, at, found.path, directory, err);
	return r < 0 || !isle_path_below(found.path, directory) ? r : add_project(rules, directory, err);
}

static int add_own_file(struct isle_rules *rules, const char *directory, struct isle_err *err)
{
	auto_free char *path = isle_path_join(directory, own_file);
	struct stat st;

	if (!path)
		return isle_err_errno(err, -ENOMEM, "cannot read the rules");
	if (rules->file_count > 0 && strcmp(rules->files[0], path) == 0)
		return 0;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : isle_err_errno(err, -errno, "cannot read '%s'", isle_quote(path));
	return add_file(rules, path, path, directory, err);
}

int isle_rules_read(const char *argument, const char *directory, struct isle_rules **ret_rules, struct isle_err *err)
{
	auto_rules struct isle_rules *rules = calloc(1, sizeof(*rules));
	auto_free char *real = realpath(directory, NULL);
	auto_free char *text = strdup(argument);
	int r;

	if (!real)
		return isle_err_errno(err, -errno, "%s", isle_quote(directory));
	if (!rules || !text)
		return isle_err_errno(err, -ENOMEM, "cannot read the rules");
	if (*argument == '@')
		r = add_named_file(rules, argument + 1, real, err);
	else if (strcmp(argument, "project") == 0)
		r = add_project(rules, real, err);
	else
		r = add_list(rules, text, ";\n", real, err);
	if (r >= 0)
		r = add_own_file(rules, real, err);
	if (r < 0)
		return r;
	*ret_rules = ptr_take(&rules);
	return 0;
}

/* --- deciding --- */

static bool list_allows(const struct list *list, enum isle_change_kind kind, const char *path)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if ((list->rules[i].kinds & 1U << kind) && isle_glob_matches(&list->rules[i].glob, path))
			return list->rules[i].allow;
	return false;
}

static bool allows(const struct isle_rules *rules, enum isle_change_kind kind, const char *path)
{
	size_t i;

	for (i = 0; i < rules->file_count; i++)
		if (isle_path_below(rules->files[i], path))
			return false;
	for (i = 0; i < rules->list_count; i++)
		if (!list_allows(&rules->lists[i], kind, path))
			return false;
	return true;
}

bool isle_rules_allow(const struct isle_rules *rules, const struct isle_change *change)
{
	bool listed = S_ISDIR(change->after.mode) && (change->kind == ISLE_CREATE || change->kind == ISLE_REPLACE);
	unsigned marks = listed ? change->own_marks : change->marks; /* what is in it is a change of its own */

	if ((marks & ISLE_MARKS_FLAGGED) || change->blind)
		return false;
	if (change->kind == ISLE_RENAME && !allows(rules, change->kind, change->from))
		return false;
	return allows(rules, change->kind, change->path);
}
