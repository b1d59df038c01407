/* SPDX-License-Identifier: Apache-2.0 */
#include "writers.h"
#include "map.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void isle_writers_done(struct isle_writers *writers)
{
	free(writers->path);
	writers->path = NULL;
}

/* A group of one's own name, as most systems give each user, is nobody else. Root has none. */
static bool is_own_group(uint32_t gid)
{
	return gid == 0 || (geteuid() != 0 && gid == getegid());
}

static enum isle_writer writer_of(const struct isle_stat *dir)
{
	if (dir->uid != 0 && dir->uid != geteuid())
		return ISLE_WRITER_OWNER;
	if (dir->mode & S_IWOTH)
		return dir->mode & S_ISVTX ? ISLE_WRITER_STICKY : ISLE_WRITER_EVERYBODY;
	if ((dir->mode & S_IWGRP) && !is_own_group(dir->gid))
		return dir->mode & S_ISVTX ? ISLE_WRITER_STICKY : ISLE_WRITER_GROUP;
	return ISLE_WRITER_NONE;
}

/* One directory of the path, whose name ends at `end`. In a sticky directory only the owner of an entry can exchange
 * it: there the owner of the next directory counts. */
static int look_at(struct isle_writers *w, int fd, size_t end)
{
	enum isle_writer who;
	int r = isle_look(fd, "", &w->last);

	if (r < 0)
		return r;
	who = writer_of(&w->last);
	if (w->who != ISLE_WRITER_NONE && (w->who != ISLE_WRITER_STICKY || who == ISLE_WRITER_NONE))
		return 0;
	w->who = who;
	w->top = end;
	w->dir = w->last;
	return 0;
}

/* In a sticky directory nobody else can exchange a directory of root's or one's own. */
static void leave_sticky(struct isle_writers *w)
{
	if (w->who == ISLE_WRITER_STICKY)
		w->who = ISLE_WRITER_NONE;
}

static int walk(struct isle_writers *w)
{
	auto_fd int at = openat(w->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t end = 0;
	int r = at < 0 ? -errno : look_at(w, at, 0);

	while (r >= 0 && end < w->length) {
		char *name = w->path + end + 1, *slash = strchr(name, '/');
		int next;

		if (slash)
			*slash = '\0';
		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = next < 0 ? -errno : 0;
		end = (size_t)(name - w->path) + strlen(name);
		if (slash)
			*slash = '/';
		if (r < 0)
			break;
		close(at);
		at = next;
		leave_sticky(w);
		r = look_at(w, at, end);
	}
	return r;
}

int isle_writers_ask(struct isle_writers *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	int r;

	if (w->path && length == w->length && memcmp(w->path, path, length) == 0)
		return 0;
	free(w->path);
	w->path = strndup(path, length);
	w->length = length;
	w->who = ISLE_WRITER_NONE;
	w->top = 0;
	r = w->path ? walk(w) : -ENOMEM;
	if (r < 0)
		isle_writers_done(w);
	return r < 0 ? r : 0;
}

/* --- telling --- */

/* The C library's look-ups would load shared objects (NSS) into a static program; the files are enough for a name. */
static char *user_name(uint32_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry = NULL;
	char *name;

	while (file && (entry = fgetpwent(file)) && entry->pw_uid != uid)
		;
	name = entry ? strdup(entry->pw_name) : NULL;
	if (file)
		fclose(file);
	return name;
}

static char *group_name(uint32_t gid)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *entry = NULL;
	char *name;

	while (file && (entry = fgetgrent(file)) && entry->gr_gid != gid)
		;
	name = entry ? strdup(entry->gr_name) : NULL;
	if (file)
		fclose(file);
	return name;
}

static int add_writable(struct isle_commit_result *result, const struct isle_writers *w, const char *path)
{
	struct isle_writable *list = reallocarray(result->writable, result->writable_count + 1, sizeof(*list)), *one;

	if (!list)
		return -ENOMEM;
	result->writable = list;
	one = &list[result->writable_count];
	*one = (struct isle_writable){.path = strdup(path)};
	if (!one->path)
		return -ENOMEM;
	result->writable_count++;
	if (w->who == ISLE_WRITER_OWNER) {
		one->by = "user";
		one->id = w->dir.uid;
		one->name = user_name(one->id);
	} else if (w->who == ISLE_WRITER_GROUP) {
		one->by = "group";
		one->id = w->dir.gid;
		one->name = group_name(one->id);
	} else {
		one->by = "everybody";
	}
	return 0;
}

static int note_top(const struct isle_writers *w, struct isle_map *known, struct isle_commit_result *result)
{
	auto_free char *top = strndup(w->top ? w->path : "/", w->top ? w->top : 1);
	size_t at = top ? (size_t)isle_map_get(known, top) : 0;
	int r = top ? 0 : -ENOMEM;

	if (r >= 0 && at == 0) {
		r = add_writable(result, w, top);
		at = result->writable_count;
		if (r >= 0)
			r = isle_map_set(known, top, (void *)at);
	}
	if (r >= 0)
		result->writable[at - 1].changes++;
	return r;
}

/* The metadata of a directory that is made is part of that. A directory that is not there yet lies in one that counts.
 */
static int note_action(struct isle_writers *w, const struct isle_action *action, struct isle_map *known,
		       struct isle_commit_result *result)
{
	if (action->kind >= ISLE_ACTION_DROP ||
	    (action->kind == ISLE_ACTION_META && (action->flags & ISLE_ACTION_HIDDEN)))
		return 0;
	if (isle_writers_ask(w, action->path) < 0 || w->who == ISLE_WRITER_NONE || w->who == ISLE_WRITER_STICKY)
		return 0;
	/* Within one such directory a rename is one change, and its new name tells of it. */
	if (action->kind == ISLE_ACTION_TAKE && strncmp(action->from, w->path, w->top) == 0 &&
	    action->from[w->top] == '/')
		return 0;
	return note_top(w, known, result);
}

int isle_writers_note(int root, const struct isle_plan *plan, struct isle_commit_result *result)
{
	auto_writers struct isle_writers w = {.root = root};
	auto_map struct isle_map known = ISLE_MAP_INIT;
	size_t i;
	int r = 0;

	if (geteuid() != 0)
		return 0;
	for (i = 0; i < plan->action_count && r >= 0; i++)
		r = note_action(&w, &plan->actions[i], &known, result);
	return r;
}

char *isle_writable_text(const struct isle_writable *one)
{
	const char *plural = one->changes == 1 ? " lies" : "s lie";
	auto_free char *who = NULL;
	char *text = NULL;
	int n;

	if (one->name)
		n = asprintf(&who, "%s '%s'", one->by, isle_quote(one->name));
	else if (one->id > 0)
		n = asprintf(&who, "%s %u", one->by, one->id);
	else
		n = asprintf(&who, "%s", one->by);
	if (n < 0) {
		who = NULL;
		return NULL;
	}
	n = asprintf(&text, "%" PRIu64 " change%s in a directory that %s may change: %s", one->changes, plural, who,
		     isle_quote(one->path));
	return n < 0 ? NULL : text;
}

void isle_writable_json(const struct isle_commit_result *result, struct isle_json *json)
{
	isle_json_array(json, "writable_by_others");
	for (size_t i = 0; i < result->writable_count; i++) {
		const struct isle_writable *one = &result->writable[i];

		isle_json_object(json, NULL);
		isle_json_path(json, "path", one->path);
		isle_json_str(json, "by", one->by);
		if (one->id > 0)
			isle_json_int(json, "id", one->id);
		if (one->name)
			isle_json_str(json, "name", one->name);
		isle_json_int(json, "changes", (int64_t)one->changes);
		isle_json_end(json);
	}
	isle_json_end(json);
}
