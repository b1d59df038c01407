/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counts as changed, by what was read of an object:
 *
 *   content, program, link, metadata   another object, or its ctime or size moved (ctime, since nobody can set it)
 *   listing                            its names are others: quick where its ctime has not moved, else by their hash
 *   look-up, found                     nothing of that name any more, or of another type
 *   look-up, not found                 something of that name
 *
 * ctimes that operations of ours have moved are taken back in mind (touched.h). A path that is among the changes and
 * in conflict there is not listed a second time.
 */
#include "criteria.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

#include "answers.h"
#include "boot.h"
#include "clock.h"
#include "io.h"
#include "kernel.h"
#include "names.h"
#include "path.h"
#include "reads.h"

static const char *const criteria_names[] = {"", "aec", "lookup", "write", "none"};

int isle_criteria_by_name(const char *name)
{
	for (int i = 1; i < (int)ARRAY_SIZE(criteria_names); i++)
		if (strcmp(name, criteria_names[i]) == 0)
			return i;
	return -1;
}

static enum isle_criteria criteria_of_isle(const struct isle *isle)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;

	if (isle_read_file(isle->dir, "criteria", &text, 64) < 0 || !text.data)
		return ISLE_CRITERIA_AEC;
	text.data[strcspn(text.data, "\n")] = '\0';
	int found = isle_criteria_by_name(text.data);
	return found < 0 ? ISLE_CRITERIA_AEC : (enum isle_criteria)found;
}

bool isle_criteria_noted(const struct isle *isle)
{
	return faccessat(isle->dir, "criteria", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int isle_criteria_note(const struct isle *isle, enum isle_criteria criteria)
{
	const char *name = criteria_names[criteria];

	return isle_replace_file(isle->dir, "criteria", name, strlen(name));
}

static enum isle_criteria criteria(const struct isle_builder *b)
{
	enum isle_criteria asked = b->options->criteria;

	return asked == ISLE_CRITERIA_OF_ISLE ? criteria_of_isle(b->isle) : asked;
}

static int note(struct isle_builder *b, const char *kind, unsigned count, const char *what)
{
	int r = count == 0 ? 0
			   : isle_finding_add(&b->result->notes, "", kind, NULL,
					      "what %u of the isle's runs read is not %s", count, what);

	return r < 0 ? isle_err_errno(b->err, r, "cannot list what is not known") : 0;
}

int isle_criteria_load(struct isle_builder *b)
{
	int r = 0;

	b->criteria = criteria(b);
	if (b->criteria != ISLE_CRITERIA_NONE && b->reads.runs == 0)
		r = isle_reads_load(b->isle, &b->reads, b->err);
	if (r < 0 || b->criteria == ISLE_CRITERIA_WRITE)
		return r;
	r = note(b, "not recorded", b->reads.untracked, "known (--no-track)");
	return r < 0 ? r : note(b, "not recorded", b->reads.lost, "completely known");
}

bool isle_criteria_blind(const struct isle_builder *b, const struct isle_change *change)
{
	const struct isle_read_path *one = isle_reads_find(&b->reads, change->path);
	const struct isle_stat *now = &change->before;
	const struct isle_read_state *kept;

	if (b->criteria == ISLE_CRITERIA_WRITE || b->reads.untracked > 0 || b->reads.lost > 0 || !one)
		return false;
	if (change->moved != ISLE_MOVED_CHANGED || change->kind != ISLE_MODIFY || !S_ISREG(now->mode))
		return false;
	if (one->how & (ISLE_READ_CONTENT | ISLE_READ_EXEC | ISLE_READ_LINK))
		return false;
	if (one->write != ISLE_WRITE_TRUNCATE && one->write != ISLE_WRITE_RENAME)
		return false;
	kept = one->kept;
	/* All but its content is as it was: the isle's file has that from the old one. */
	return kept && kept->then.mode == now->mode && kept->then.links == now->nlink && kept->then.uid == now->uid &&
	       kept->then.gid == now->gid;
}

/* The host had a file there when the isle wrote to it. */
static bool is_kept(const struct isle_read_path *one)
{
	return one->kept && one->kept->then.mode != 0;
}

/* What the isle has renamed to this name, in one step or several: the deletion of it, or -1. The host still has
 * something there then. */
static ssize_t find_source(const struct isle_builder *b, const struct isle_read_path *one)
{
	enum { CHAIN_MAX = 64 }; /* a file can have been renamed back and forth */

	for (int i = 0; one && one->from && !is_kept(one) && i < CHAIN_MAX; i++) {
		one = one->from;
		ssize_t found = isle_changes_find(&b->changes, one->path);

		if (found >= 0 && b->changes.list[found].kind == ISLE_DELETE)
			return found;
	}
	return -1;
}

/* The isle's file comes from one that the host has no more, as far as the layer tells. */
static bool seems_deleted(const struct isle_change *change)
{
	return change->kind == ISLE_MODIFY && change->moved == ISLE_MOVED_DELETED;
}

bool isle_criteria_renamed(const struct isle_builder *b, const struct isle_change *change)
{
	if (!seems_deleted(change) || b->reads.untracked > 0 || b->reads.lost > 0)
		return false;
	ssize_t source = find_source(b, isle_reads_find(&b->reads, change->path));
	return source >= 0 && b->changes.list[source].moved == ISLE_MOVED_NO;
}

/* The host's object leaves its name. */
static bool gives_up(const struct isle_change *change, bool replaced)
{
	bool other = change->kind == ISLE_REPLACE ||
		     (change->kind == ISLE_MODIFY && (change->diff & ISLE_DIFF_CONTENT));

	return change->kind == ISLE_DELETE || (replaced && other);
}

/* The deletion that belongs to what was made or replaced at `made`, or -1. */
static ssize_t find_other_end(const struct isle_builder *b, const struct isle_read_path *one, ssize_t made)
{
	const struct isle_change *change = &b->changes.list[made];
	bool is_new = change->kind == ISLE_CREATE || seems_deleted(change);
	ssize_t source = isle_changes_find(&b->changes, one->from->path);

	if (!is_new && change->kind != ISLE_MODIFY && change->kind != ISLE_REPLACE)
		return -1;
	/* Also onto what the host has there, and where something new took its place. */
	if (source >= 0 && gives_up(&b->changes.list[source], is_new))
		return source;
	return find_source(b, is_new ? one : one->from);
}

/* What a renamed directory has taken along: the deletion and the creation of each, where nothing else is known of
 * either. */
static int pair_below(struct isle_builder *b, size_t made, size_t source)
{
	const struct isle_change *list = b->changes.list;
	size_t skip = strlen(list[source].path), i, end;

	if (!S_ISDIR(list[source].before.mode) || !S_ISDIR(list[made].after.mode))
		return 0;
	isle_changes_below(&b->changes, list[source].path, &i, &end);
	for (; i < end; i++) {
		auto_free char *path = NULL;
		ssize_t other;

		if (list[i].kind != ISLE_DELETE || b->choice.other_end[i] > 0)
			continue;
		if (asprintf(&path, "%s%s", list[made].path, list[i].path + skip) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		other = isle_changes_find(&b->changes, path);
		if (other >= 0 && b->choice.other_end[other] == 0 && list[other].kind != ISLE_DELETE &&
		    isle_choice_pair(&b->choice, (size_t)other, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int pair_ends(struct isle_builder *b)
{
	int r = 0;

	for (const struct isle_read_path *one = b->reads.first; one && r >= 0; one = one->next) {
		ssize_t made = one->from ? isle_changes_find(&b->changes, one->path) : -1;
		ssize_t source = made >= 0 ? find_other_end(b, one, made) : -1;

		if (source >= 0)
			r = isle_choice_pair(&b->choice, (size_t)made, (size_t)source);
	}
	for (size_t i = 0; b->choice.other_end && i < b->changes.count && r >= 0; i++)
		if (b->choice.other_end[i] > 0 && b->changes.list[i].kind != ISLE_DELETE)
			r = pair_below(b, i, b->choice.other_end[i] - 1);
	return r;
}

int isle_criteria_pair(struct isle_builder *b)
{
	int r = 0;

	if (b->choice.other_end)
		return 0;
	if (criteria(b) != ISLE_CRITERIA_NONE && b->reads.runs == 0)
		r = isle_reads_load(b->isle, &b->reads, b->err);
	if (r < 0)
		return r;
	return pair_ends(b) < 0 ? isle_err_errno(b->err, -ENOMEM, "cannot select changes") : 0;
}

static void stat_of(const struct isle_identity *then, struct isle_stat *ret)
{
	*ret = (struct isle_stat){.dev = then->dev, .ino = then->ino, .size = then->size, .mode = then->mode};
	ret->nlink = then->links;
	ret->uid = then->uid;
	ret->gid = then->gid;
	ret->mtime = isle_time_from(then->mtime);
	ret->ctime = isle_time_from(then->ctime);
}

/* Nothing was there before. */
static bool made_it(unsigned write)
{
	return write == ISLE_WRITE_CREATE || write == ISLE_WRITE_MKDIR || write == ISLE_WRITE_SYMLINK ||
	       write == ISLE_WRITE_NODE || write == ISLE_WRITE_LINK;
}

void isle_criteria_then(const struct isle_builder *b, const char *path, struct isle_finding *conflict)
{
	const struct isle_read_path *one = isle_reads_find(&b->reads, path);
	const struct isle_read_state *state = !one	     ? NULL
					      : one->kept    ? one->kept
					      : one->content ? one->content
					      : one->list    ? one->list
							     : one->lookup;

	if (state)
		stat_of(&state->then, &conflict->then);
	else if (one && made_it(one->write))
		conflict->then = (struct isle_stat){0};
	conflict->dated = !state && !(one && made_it(one->write));
	if (one && (one->how != 0 || one->write != 0)) {
		conflict->run = one->run + 1;
		conflict->process = one->process;
		conflict->wrote = one->how == 0;
	}
}

/* The directory of the last path: the next one is mostly in it, too, and is found there without a walk; and so is what
 * the scan has just seen there. */
struct place {
	const struct isle_changes *changes;
	size_t first, end; /* changes below it */
	int dir;
	size_t length;
	char path[PATH_MAX];
};

static void place_done(struct place *place)
{
	isle_cleanup_fd(&place->dir);
}

/* The descriptor and the name that path means in it; the whole path where the directory cannot be opened. */
static int find_place(struct place *place, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	*ret_name = path;
	if (length == 0 || length >= sizeof(place->path))
		return AT_FDCWD;
	if (length != place->length || memcmp(place->path, path, length) != 0) {
		isle_cleanup_fd(&place->dir);
		memcpy(place->path, path, length);
		place->path[length] = '\0';
		place->length = length;
		isle_changes_below(place->changes, place->path, &place->first, &place->end);
		place->dir = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (place->dir < 0)
		return AT_FDCWD;
	*ret_name = slash + 1;
	return place->dir;
}

/* The host's object at a path as the scan has seen it, NULL where that looked at none, or at one elsewhere. */
static const struct isle_stat *seen_by_scan(const struct place *place, const char *path)
{
	size_t low = place->first, high = place->end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		/* They have the path of the place in common. */
		if (strcmp(place->changes->list[middle].path + place->length, path + place->length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < place->end && strcmp(place->changes->list[low].path, path) == 0; low++)
		if (!place->changes->list[low].from && place->changes->list[low].before.mode != 0)
			return &place->changes->list[low].before;
	return NULL;
}

/* struct isle_stat has device numbers as isle_look() makes them; here only those of one host are compared. */
static int look(struct place *place, const char *path, struct isle_stat *ret_now)
{
	struct statx st;
	struct isle_identity id;
	const char *name;
	int dir = find_place(place, path, &name);
	const struct isle_stat *seen = name != path ? seen_by_scan(place, path) : NULL;
	int r;

	if (seen) {
		*ret_now = *seen;
		return 0;
	}
	*ret_now = (struct isle_stat){0};
	r = isle_statx(dir, name, &st);
	if (isle_is_gone(r))
		return 0;
	if (r < 0)
		return r;
	isle_identity_from(&st, &id);
	stat_of(&id, ret_now);
	return 0;
}

/* Not by the device number, which can be another after a restart: inode number and ctime tell files apart. */
static bool same_object(const struct isle_builder *b, const struct isle_identity *then, const struct isle_stat *now)
{
	return isle_touched_is(&b->touched, now, then->ino) && then->mode == now->mode;
}

/* As it was when it was read, but for what we touched since. */
static bool same_ctime(const struct isle_builder *b, const struct isle_identity *then, const struct isle_stat *now)
{
	return isle_touched_was(&b->touched, now, then->ino, then->ctime);
}

/* A file that a commit of this isle has changed since, and nobody else: by another of its names, or it would be
 * settled. That commit has looked at what was read till then. */
static bool changed_by_us(const struct isle_builder *b, const struct isle_identity *then, const struct isle_stat *now)
{
	return !S_ISDIR(now->mode) && then->ino == now->ino && then->ctime < isle_touched_own(&b->touched, now);
}

static bool same_content(const struct isle_builder *b, const struct isle_identity *then, const struct isle_stat *now)
{
	if (then->mode == 0 || now->mode == 0)
		return then->mode == now->mode;
	if (changed_by_us(b, then, now))
		return true;
	if (!same_object(b, then, now))
		return false;
	if (S_ISDIR(then->mode)) /* stat(2): its entries are no part of it */
		return then->uid == now->uid && then->gid == now->gid;
	return then->size == now->size && same_ctime(b, then, now);
}

static bool same_names(const struct isle_builder *b, const char *path, const struct isle_read_path *one,
		       const struct isle_stat *now)
{
	uint64_t hash = 0;

	if (!S_ISDIR(now->mode))
		return one->list->then.mode == now->mode;
	if (b->criteria == ISLE_CRITERIA_LOOKUP)
		return true;
	if (same_object(b, &one->list->then, now) && same_ctime(b, &one->list->then, now))
		return true;
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return one->names != 0 && dir >= 0 && isle_names_hash(dir, &hash) >= 0 && hash == one->names;
}

static bool same_lookup(const struct isle_identity *then, const struct isle_stat *now)
{
	return (then->mode & S_IFMT) == (now->mode & S_IFMT);
}

/* Which of its reads does not hold any more, NULL: all do. */
static const char *broken(const struct isle_builder *b, const char *path, const struct isle_read_path *one,
			  const struct isle_stat *now, struct isle_identity *ret_then)
{
	if (one->lookup && !same_lookup(&one->lookup->then, now)) {
		*ret_then = one->lookup->then;
		if (one->lookup->then.mode == 0)
			return "read-created";
		return now->mode == 0 ? "read-deleted" : "read-changed";
	}
	if (one->content && !same_content(b, &one->content->then, now)) {
		*ret_then = one->content->then;
		return now->mode == 0 ? "read-deleted" : "read-changed";
	}
	if (one->list && !same_names(b, path, one, now)) {
		*ret_then = one->list->then;
		return now->mode == 0 ? "read-deleted" : "read-listed";
	}
	return NULL;
}

static const char *why_of(const char *kind)
{
	if (strcmp(kind, "read-created") == 0)
		return "the isle looked for it and found nothing, and the host has it since";
	if (strcmp(kind, "read-deleted") == 0)
		return "the isle read it, and it has been deleted on the host since";
	if (strcmp(kind, "read-listed") == 0)
		return "the isle listed it, and names in it have come or gone on the host since";
	return "the isle read it, and it has changed on the host since";
}

/* As for changes, but that nothing can be left out: anything may depend on what was read. */
static int decide(struct isle_builder *b, struct isle_finding *conflict)
{
	enum isle_on_conflict how = b->options->on_conflict;

	if (b->options->answers) {
		const struct isle_answer *answer = isle_answers_find(b->options->answers, conflict->path,
								     ISLE_READ_ONLY);

		how = answer ? answer->how : ISLE_CONFLICT_ABORT;
	}
	conflict->change = ISLE_READ_ONLY;
	conflict->choices = 1U << ISLE_CONFLICT_ABORT | 1U << ISLE_CONFLICT_ISLE;
	conflict->choice = how == ISLE_CONFLICT_ISLE ? how : ISLE_CONFLICT_ABORT;
	return conflict->choice == ISLE_CONFLICT_ABORT;
}

static int add_conflict(struct isle_builder *b, const char *path, const char *kind, const struct isle_read_path *one,
			const struct isle_identity *then, const struct isle_stat *now)
{
	struct isle_finding *conflict;
	int r = isle_finding_add(&b->result->conflicts, path, kind, &conflict, "%s", why_of(kind));

	if (r < 0)
		return isle_err_errno(b->err, r, "cannot list conflicts");
	stat_of(then, &conflict->then);
	conflict->now = *now;
	conflict->run = one->run + 1;
	conflict->process = one->process;
	return decide(b, conflict);
}

/* Paths that are in conflict as changes, or for which something was chosen. */
static int collect_decided(const struct isle_builder *b, struct isle_map *decided)
{
	for (size_t i = 0; i < b->result->conflicts.count; i++)
		if (isle_map_set(decided, b->result->conflicts.list[i].path, b->result) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < b->changes.count; i++)
		if (b->override[i] != 0 && isle_map_set(decided, b->changes.list[i].path, b->result) < 0)
			return -ENOMEM;
	return 0;
}

static int check_path(struct isle_builder *b, const struct isle_map *decided, struct place *place,
		      const struct isle_read_path *one)
{
	const char *path = one->path;
	struct isle_identity then = {0};
	struct isle_stat now;

	if (one->how == 0 || (decided->count > 0 && isle_map_get(decided, path)))
		return 0;
	int r = look(place, path, &now);
	if (r < 0)
		return 0; /* what this user cannot look at, the isle could not either */
	const char *kind = broken(b, path, one, &now, &then);
	return kind ? add_conflict(b, path, kind, one, &then, &now) : 0;
}

static int compare_findings(const void *a, const void *b)
{
	return strcmp(((const struct isle_finding *)a)->path, ((const struct isle_finding *)b)->path);
}

int isle_criteria_check(struct isle_builder *b)
{
	auto_map struct isle_map decided = ISLE_MAP_INIT;
	__attribute__((cleanup(place_done))) struct place place = {.changes = &b->changes, .dir = -1};
	size_t before = b->result->conflicts.count;
	int stop = 0;

	if (b->criteria == ISLE_CRITERIA_WRITE || b->criteria == ISLE_CRITERIA_NONE || b->changes.count == 0)
		return 0;
	if (collect_decided(b, &decided) < 0)
		return isle_err_errno(b->err, -ENOMEM, "cannot list conflicts");
	for (const struct isle_read_path *one = b->reads.first; one; one = one->next) {
		int r = check_path(b, &decided, &place, one);

		if (r < 0)
			return r;
		stop |= r;
	}
	if (b->result->conflicts.count > before)
		qsort(b->result->conflicts.list + before, b->result->conflicts.count - before,
		      sizeof(struct isle_finding), compare_findings);
	return stop;
}

static int compare_who(const void *a, const void *b)
{
	const struct isle_reads_who *x = a, *y = b;

	return x->run != y->run ? (x->run < y->run ? -1 : 1) : (x->process > y->process) - (x->process < y->process);
}

/* Those of the conflicts, each once and in order. */
static size_t list_who(const struct isle_findings *conflicts, struct isle_reads_who *list)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < conflicts->count; i++)
		if (conflicts->list[i].run > 0)
			list[count++] = (struct isle_reads_who){.run = conflicts->list[i].run - 1,
								.process = conflicts->list[i].process};
	qsort(list, count, sizeof(*list), compare_who);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || compare_who(&list[i], &list[kept - 1]) != 0)
			list[kept++] = list[i];
	return kept;
}

void isle_criteria_commands(struct isle_builder *b)
{
	struct isle_findings *conflicts = &b->result->conflicts;
	struct isle_reads_who *list = calloc(conflicts->count + 1, sizeof(*list));
	size_t count = list ? list_who(conflicts, list) : 0;

	if (count > 0)
		isle_reads_commands(b->isle, list, count);
	qsort(list, count, sizeof(*list), compare_who);
	for (size_t i = 0; i < conflicts->count && count > 0; i++) {
		const struct isle_reads_who key = {.run = conflicts->list[i].run - 1,
						   .process = conflicts->list[i].process};
		const struct isle_reads_who *who = bsearch(&key, list, count, sizeof(*list), compare_who);

		if (who && who->command)
			conflicts->list[i].command = strdup(who->command);
	}
	for (size_t i = 0; i < count; i++)
		free(list[i].command);
	free(list);
}
