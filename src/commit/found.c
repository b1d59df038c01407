/* SPDX-License-Identifier: Apache-2.0 */
#include "found.h"
#include "path.h"
#include "reads.h"
#include "subtree.h"
#include "writers.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What the record of the runs has of the object at a path of the host, or NULL. */
static const struct isle_identity *recorded(const struct isle_builder *b, const char *path)
{
	const struct isle_read_path *one = isle_reads_find(&b->reads, path);
	const struct isle_read_state *state = !one	     ? NULL
					      : one->kept    ? one->kept
					      : one->content ? one->content
					      : one->list    ? one->list
							     : one->lookup;

	return state && state->then.mode != 0 ? &state->then : NULL;
}

/* By number: the one of the record, or what an operation of isle's put in its place. */
static bool is_recorded(const struct isle_builder *b, const struct isle_identity *then, const struct isle_stat *now)
{
	return isle_touched_is(&b->touched, now, then->ino);
}

/* 1: it is the object that the isle saw, 0: not, -ENODATA: not known, or another error. */
static int is_seen(struct isle_builder *b, const struct isle_change *change, const char *path, int fd,
		   const struct isle_stat *now)
{
	const struct isle_identity *then = recorded(b, path);
	int origin = isle_change_is_origin(b->isle, &b->layers, change, fd);

	if (isle_touched_own(&b->touched, now))
		return 1;
	if (origin > 0)
		return 1;
	/* Where a file was renamed onto this one, or exchanged with it, the handle is that of the other file. */
	if (!then)
		return origin == 0 && change->moved == ISLE_MOVED_NO ? -ENODATA : origin;
	/* A number that was used again would have a later ctime. */
	if (change->moved == ISLE_MOVED_NO && then->ino == now->ino)
		return 1;
	/* A number is used again, a handle is not. */
	if (origin == 0 && then->ino == now->ino)
		return 0;
	return is_recorded(b, then, now);
}

/* The owner is the one that the isle saw: where that is not on record, the isle's own stands for it. */
static bool same_owner(const struct isle_builder *b, const struct isle_change *change, const struct isle_stat *now)
{
	const struct isle_identity *then = recorded(b, isle_change_host(change));

	if (change->moved == ISLE_MOVED_NO)
		return true;
	if (then)
		return then->uid == now->uid && then->gid == now->gid;
	return change->after.mode == 0 || (change->after.uid == now->uid && change->after.gid == now->gid);
}

/* The host's object that the scan has seen, held. 1; 0: another is there by now. */
static int hold(struct isle_builder *b, const struct isle_change *change, int *ret_fd)
{
	const char *name;
	int dir = isle_dirs_parent(&b->host, isle_change_host(change), &name);
	auto_fd int fd = dir < 0 ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct isle_stat now = {0};
	int r = dir < 0 ? dir : fd < 0 ? -errno : isle_look(fd, "", &now);

	if (isle_is_gone(r))
		return 0;
	if (r < 0)
		return r;
	if (!isle_same_object(&now, &change->before))
		return 0;
	*ret_fd = fd_take(&fd);
	return 1;
}

/* Others may write there, or that cannot be told. */
static bool is_shared_place(struct isle_writers *w, const char *path)
{
	return isle_writers_ask(w, path) < 0 || w->who != ISLE_WRITER_NONE;
}

/* Where it is not known which object it was: this one has no name elsewhere, or is only moved aside. Not so where the
 * isle's file has its content from it. */
static bool is_harmless(const struct isle_change *change)
{
	bool aside = change->another && !(change->metacopy && !change->data);
	bool other_type = change->after.mode != 0 && ((change->before.mode ^ change->after.mode) & S_IFMT) != 0;

	return S_ISDIR(change->before.mode) || change->before.nlink < 2 || change->kind == ISLE_DELETE || other_type ||
	       aside;
}

static int judge(struct isle_builder *b, struct isle_writers *w, const struct isle_change *change,
		 enum isle_found *ret_found)
{
	const char *path = isle_change_host(change);
	bool shared = is_shared_place(w, path);
	auto_fd int fd = -1;
	int seen;

	*ret_found = ISLE_FOUND_SEEN;
	if (change->before.mode == 0 || (!shared && change->moved == ISLE_MOVED_NO))
		return 0;
	/* The root of a layer is a mount. */
	if (change->upper && change->upper[0] == '\0')
		return 0;
	seen = hold(b, change, &fd);
	if (seen == -ENOMEM)
		return seen;
	if (seen > 0)
		seen = is_seen(b, change, path, fd, &change->before);
	if (seen > 0 && same_owner(b, change, &change->before))
		return 0;
	if (seen < 0 && change->moved == ISLE_MOVED_NO && is_harmless(change))
		return 0;
	if (seen < 0 && !shared)
		return 0;
	*ret_found = shared ? ISLE_FOUND_FOREIGN : ISLE_FOUND_OTHER;
	return 0;
}

/* The layer has all of the isle's file. */
static bool has_content(const struct isle_change *change)
{
	return change->kind == ISLE_MODIFY && (change->diff & ISLE_DIFF_CONTENT) && !change->metacopy;
}

int isle_found_settle(struct isle_builder *b)
{
	auto_writers struct isle_writers w = {.root = b->host.root};
	size_t i;
	int r = 0;

	free(b->found);
	b->found = calloc(b->changes.count + 1, 1);
	if (!b->found)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan the commit");
	for (i = 0; i < b->changes.count && r >= 0; i++) {
		struct isle_change *change = &b->changes.list[i];
		enum isle_found found;

		if (!b->choice.chosen[i])
			continue;
		r = judge(b, &w, change, &found);
		if (r < 0)
			return isle_err_errno(b->err, r, "cannot look at '%s'", change->path);
		b->found[i] = (unsigned char)found;
		if (found == ISLE_FOUND_SEEN)
			continue;
		if (!S_ISDIR(change->before.mode) && (found == ISLE_FOUND_FOREIGN || has_content(change)))
			change->another = true;
		if (change->moved == ISLE_MOVED_NO)
			change->moved = ISLE_MOVED_CHANGED;
	}
	return 0;
}

/* In a sticky directory of another's, what belongs to a third is not root's to move. */
static bool is_stuck(struct isle_builder *b, const struct isle_change *change)
{
	auto_writers struct isle_writers w = {.root = b->host.root};

	if (isle_writers_ask(&w, isle_change_host(change)) < 0)
		return true;
	return (w.last.mode & S_ISVTX) && (w.last.mode & (S_IWOTH | S_IWGRP)) && change->before.uid != geteuid();
}

const char *isle_found_obstacle(struct isle_builder *b, size_t i)
{
	const struct isle_change *change = &b->changes.list[i];

	if (S_ISDIR(change->before.mode) || S_ISDIR(change->after.mode))
		return "it is a directory";
	if (b->layers.list[change->layer].kind == ISLE_LAYER_FILE)
		return "it is a mount of its own";
	if (change->metacopy)
		return "its content is that of the file that is gone";
	if (isle_builder_is_cross(b, change->layer) != 0)
		return "it would have to be copied, since it is on another mount than the isle";
	if (is_stuck(b, change))
		return "it belongs to another, in a sticky directory";
	return NULL;
}

int isle_found_data(struct isle_builder *b, const struct isle_change *change, const char *path,
		    struct isle_stat *ret_now)
{
	auto_writers struct isle_writers w = {.root = b->host.root};
	const char *name;
	int dir = isle_dirs_parent(&b->host, path, &name);
	auto_fd int fd = dir < 0 ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int seen = dir < 0 ? dir : fd < 0 ? -errno : isle_look(fd, "", ret_now);

	if (seen < 0)
		return seen;
	if (S_ISDIR(ret_now->mode))
		return 0;
	seen = is_seen(b, change, path, fd, ret_now);
	return seen < 0 ? !is_shared_place(&w, path) || ret_now->nlink < 2 : seen;
}
