/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_file.h"
#include "io.h"
#include "path.h"
#include "quote.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { PLAN_FILE_LIMIT = 1 << 30 };

static const char head[] = "isle-plan 1";

void isle_plan_names_done(struct isle_plan_names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free((char *)names->list[i]);
	free(names->list);
}

void isle_plan_file_done(struct isle_plan_file *file)
{
	free(file->isle);
	free(file->id);
	isle_plan_names_done(&file->paths);
	isle_plan_names_done(&file->except);
	isle_plan_names_done(&file->by);
	isle_plan_names_done(&file->actions);
	isle_ways_done(&file->ways);
	isle_answers_done(&file->answers);
	isle_map_done(&file->known);
	*file = ISLE_PLAN_FILE_INIT;
}

/* --- building it up --- */

int isle_plan_file_set(char **field, const char *value)
{
	if (*field || !value)
		return -EINVAL;
	*field = strdup(value);
	return *field ? 0 : -ENOMEM;
}

/* Takes name over. */
static int add_owned(struct isle_plan_names *names, char *name)
{
	size_t n = names->count;
	const char **list = names->list;

	/* There is room for the next power of two, less one for the end. */
	if (name && (n == 0 || ((n + 1) & n) == 0))
		list = reallocarray(names->list, n == 0 ? 2 : 2 * (n + 1), sizeof(*list));
	if (list)
		names->list = list;
	if (!name || !list) {
		free(name);
		return -ENOMEM;
	}
	list[names->count++] = name;
	list[names->count] = NULL;
	return 0;
}

int isle_plan_file_name(struct isle_plan_names *names, const char *name)
{
	return name ? add_owned(names, strdup(name)) : -EINVAL;
}

int isle_plan_file_left_out(struct isle_plan_file *file, const char *path)
{
	return path ? isle_map_set(&file->known, path, file) : -EINVAL;
}

int isle_plan_file_conflict(struct isle_plan_file *file, const char *path, const char *change, const char *choice)
{
	int kind = path && change && choice ? isle_change_kind_by_name(change) : -EINVAL;
	int how = kind < 0 ? -1 : isle_on_conflict_by_name(choice);
	int r = how < 0 ? -EINVAL : isle_answers_add(&file->answers, path, (enum isle_change_kind)kind, how);

	if (r >= 0)
		r = isle_map_set(&file->known, path, file);
	if (r >= 0 && how == ISLE_CONFLICT_BOTH) {
		auto_free char *beside = NULL;

		if (asprintf(&beside, "%s.isle-new", path) < 0)
			return -ENOMEM;
		r = isle_map_set(&file->known, beside, file);
	}
	return r == -EEXIST ? -EINVAL : r;
}

int isle_plan_file_action(struct isle_plan_file *file, const char *kind, const char *path)
{
	char *line = NULL;
	int r = kind && path ? isle_map_set(&file->known, path, file) : -EINVAL;

	if (r < 0)
		return r;
	if (asprintf(&line, "%s %s", kind, path) < 0)
		return -ENOMEM;
	return add_owned(&file->actions, line);
}

/* --- does it fit? --- */

static bool same_actions(const struct isle_plan *plan, const struct isle_plan_file *file)
{
	size_t i;

	if (plan->action_count != file->actions.count)
		return false;
	for (i = 0; i < plan->action_count; i++) {
		const char *kind = isle_action_name(plan->actions[i].kind), *line = file->actions.list[i];
		size_t size = strlen(kind);

		if (strncmp(line, kind, size) != 0 || line[size] != ' ' ||
		    strcmp(line + size + 1, plan->actions[i].path) != 0)
			return false;
	}
	return true;
}

bool isle_plan_file_fits(const struct isle_plan *plan, const void *data)
{
	const struct isle_plan_file *file = data;
	size_t i;

	/* Without a choice the list is the plan. */
	if (file->answers.count == 0)
		return same_actions(plan, file);
	for (i = 0; i < plan->action_count; i++) {
		const struct isle_action *action = &plan->actions[i];

		/* What is hidden is a part of others. */
		if (!(action->flags & ISLE_ACTION_HIDDEN) && !isle_map_get(&file->known, action->path))
			return false;
	}
	return true;
}

/* --- the readable form --- */

static void add_line(struct isle_buf *buf, const char *words, const char *name)
{
	isle_buf_adds(buf, words);
	isle_buf_addc(buf, ' ');
	isle_quote_add(buf, name);
	isle_buf_addc(buf, '\n');
}

static void add_list(struct isle_buf *buf, const char *word, const char *const *list)
{
	for (; list && *list; list++)
		add_line(buf, word, *list);
}

static void add_conflict(struct isle_buf *buf, const struct isle_finding *conflict)
{
	char words[64];
	unsigned how;

	isle_buf_adds(buf, "\n# ");
	isle_quote_text_add(buf, conflict->why, strlen(conflict->why));
	isle_buf_adds(buf, "; one of:");
	for (how = 0; how < ISLE_CONFLICT_COUNT; how++)
		if (conflict->choices & 1U << how)
			isle_buf_addf(buf, " %s", isle_on_conflict_name((enum isle_on_conflict)how));
	isle_buf_addc(buf, '\n');
	snprintf(words, sizeof(words), "conflict %s %s", isle_on_conflict_name(conflict->choice),
		 isle_change_kind_name(conflict->change));
	add_line(buf, words, conflict->path);
}

static void add_findings(struct isle_buf *buf, const struct isle_commit_result *result)
{
	bool any = false;
	size_t i;

	if (result->conflicts.count > 0)
		isle_buf_adds(buf, "\n# Conflicts: the word after \"conflict\" is yours to change. As long as one says "
				   "abort, nothing is committed.\n");
	for (i = 0; i < result->conflicts.count; i++)
		add_conflict(buf, &result->conflicts.list[i]);
	for (i = 0; i < result->notes.count; i++) {
		const struct isle_finding *note = &result->notes.list[i];

		if (strcmp(note->kind, "left out") != 0)
			continue;
		if (!any)
			isle_buf_adds(buf, "\n# Left out; what waits for a conflict comes in when that is decided.\n");
		any = true;
		isle_buf_adds(buf, "# ");
		isle_quote_text_add(buf, note->why, strlen(note->why));
		isle_buf_addc(buf, '\n');
		add_line(buf, "left-out", note->path);
	}
}

static void add_action(struct isle_buf *buf, const struct isle_action *action)
{
	char words[48];

	if (action->kind == ISLE_ACTION_PLACE)
		add_line(buf, "# from", action->from);
	snprintf(words, sizeof(words), "action %s", isle_action_name(action->kind));
	add_line(buf, words, action->path);
}

static void add_ways(struct isle_buf *buf, const struct isle_commit_options *options)
{
	const struct isle_hunks *hunks = options->hunks;

	if (options->replace != ISLE_REPLACE_AUTO)
		add_line(buf, "replace", isle_replace_name(options->replace));
	if (options->logs)
		add_line(buf, "append", "none");
	add_list(buf, "append", options->logs);
	for (; hunks && hunks->path; hunks++) {
		isle_buf_addf(buf, "hunk %s ", hunks->numbers);
		isle_quote_add(buf, hunks->path);
		isle_buf_addc(buf, '\n');
	}
}

int isle_plan_file_write(const struct isle_plan *plan, const struct isle_commit_options *options,
			 const struct isle_commit_result *result, FILE *out)
{
	auto_buf struct isle_buf buf = ISLE_BUF_INIT;
	auto_free char *summary = isle_summary_text(&plan->summary);
	size_t i;

	if (!summary)
		return -ENOMEM;
	isle_buf_addf(&buf, "%s\n", head);
	add_line(&buf, "isle", plan->isle_name);
	isle_buf_addf(&buf, "id %s\n", isle_plan_key(plan));
	add_list(&buf, "path", options->select.paths);
	add_list(&buf, "except", options->select.except);
	for (int kind = ISLE_CREATE; kind <= ISLE_METADATA; kind++)
		if (options->select.kinds & 1U << kind)
			add_line(&buf, "kind", isle_change_kind_name((enum isle_change_kind)kind));
	add_list(&buf, "by", options->select.by);
	add_ways(&buf, options);
	add_findings(&buf, result);
	isle_buf_addf(&buf, "\n# What is done: %s.\n", summary);
	for (i = 0; i < plan->action_count; i++)
		add_action(&buf, &plan->actions[i]);
	if (isle_buf_error(&buf) < 0)
		return -ENOMEM;
	return fwrite(buf.data, 1, buf.size, out) == buf.size ? 0 : -EIO;
}

/* Cuts the next word off; NULL where there is none. */
static char *next_word(char **rest)
{
	char *word = *rest, *end = word ? strchr(word, ' ') : NULL;

	if (!end || end == word)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return word;
}

static int take_words(struct isle_plan_file *file, const char *keyword, const char *words[2], const char *name)
{
	if (strcmp(keyword, "isle") == 0)
		return isle_plan_file_set(&file->isle, name);
	if (strcmp(keyword, "id") == 0)
		return isle_plan_file_set(&file->id, name);
	if (strcmp(keyword, "path") == 0)
		return isle_plan_file_name(&file->paths, name);
	if (strcmp(keyword, "except") == 0)
		return isle_plan_file_name(&file->except, name);
	if (strcmp(keyword, "kind") == 0)
		return isle_change_kinds_add(name, &file->kinds);
	if (strcmp(keyword, "by") == 0)
		return isle_plan_file_name(&file->by, name);
	if (strcmp(keyword, "replace") == 0)
		return isle_ways_replace(&file->ways, name);
	if (strcmp(keyword, "append") == 0)
		return isle_ways_log(&file->ways, name);
	if (strcmp(keyword, "hunk") == 0)
		return words[0] ? isle_ways_hunk_of(&file->ways, name, words[0]) : -EINVAL;
	if (strcmp(keyword, "conflict") == 0)
		return isle_plan_file_conflict(file, name, words[1], words[0]);
	if (strcmp(keyword, "left-out") == 0)
		return isle_plan_file_left_out(file, name);
	if (strcmp(keyword, "action") == 0)
		return isle_plan_file_action(file, words[0], name);
	return -EINVAL;
}

static int take_line(struct isle_plan_file *file, char *line)
{
	auto_buf struct isle_buf name = ISLE_BUF_INIT;
	char *keyword = next_word(&line), *first = NULL, *second = NULL;
	int r;

	if (!keyword)
		return -EINVAL;
	if (strcmp(keyword, "conflict") == 0 || strcmp(keyword, "action") == 0 || strcmp(keyword, "hunk") == 0)
		first = next_word(&line);
	if (strcmp(keyword, "conflict") == 0)
		second = next_word(&line);
	r = isle_unquote(line, &name);
	if (r < 0)
		return r;
	return take_words(file, keyword, (const char *[]){first, second}, name.data);
}

static int read_lines(char *text, struct isle_plan_file *file, const char *path, struct isle_err *err)
{
	char *rest = text, *line;
	unsigned number = 0;
	int r = 0;

	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		number++;
		if (number == 1)
			r = strcmp(line, head) == 0 ? 0 : -EINVAL;
		else if (*line != '\0' && *line != '#')
			r = take_line(file, line);
	}
	if (r == -EINVAL && number == 1)
		return isle_err_text(err, r, "'%s' is no plan", isle_quote(path));
	if (r == -EINVAL)
		return isle_err_text(err, r, "line %u of the plan '%s' cannot be understood", number, isle_quote(path));
	return r < 0 ? isle_err_errno(err, r, "cannot read the plan '%s'", isle_quote(path)) : 0;
}

int isle_plan_file_read(const char *path, struct isle_plan_file *ret_file, struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	auto_plan_file struct isle_plan_file file = ISLE_PLAN_FILE_INIT;
	int r = isle_read_file(AT_FDCWD, path, &text, PLAN_FILE_LIMIT);

	if (r < 0)
		return isle_err_errno(err, r, "cannot read the plan '%s'", isle_quote(path));
	if (text.size == 0 || memchr(text.data, '\0', text.size))
		return isle_err_text(err, -EINVAL, "'%s' is no plan", isle_quote(path));
	if (text.data[strspn(text.data, " \t\r\n")] == '{') {
		r = isle_plan_json_read(text.data, text.size, &file, err);
		if (r < 0)
			return isle_err_prefix(err, r, "'%s' is no plan", isle_quote(path));
	} else {
		r = read_lines(text.data, &file, path, err);
	}
	if (r >= 0 && (!file.isle || !file.id))
		r = isle_err_text(err, -EINVAL, "the plan '%s' does not say of which isle it is, or its id",
				  isle_quote(path));
	if (r < 0)
		return r;
	*ret_file = file;
	file = ISLE_PLAN_FILE_INIT;
	return 0;
}
