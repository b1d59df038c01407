/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one change to its actions.
 *
 *   create     CREATE, or MKDIR and what is in it, if the directory cannot move whole
 *   modify     EXCHANGE; WRITE where the isle wrote to a file of the host that has names that are not in the plan, and
 * for FILE layers metadata   META delete     REMOVE rename     TAKE + PLACE (+ META); where the isle's object holds the
 * data REMOVE + CREATE, or, if the host's file has names that are not in the plan, TAKE + PLACE + WRITE replace
 * EXCHANGE, or REMOVE + MKDIR; REMOVE + CREATE where the file system cannot exchange
 *
 * Hard links. The names that a file has in the layer move one by one and stay one inode, if all of them move; the
 * closure of the selection sees to that. A name that is in the layer and is no change (`ln a c` copies a up) stays:
 * then c is made a further name of the host's a. Never may one inode be left with names on both sides.
 */
#include "build_internal.h"
#include "found.h"
#include "held.h"
#include "kernel.h"
#include "overlay_index.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include "unchanged.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

int isle_builder_upper(struct isle_builder *b, unsigned layer, const char *path, const char **ret_name)
{
	struct isle_dirs *dirs = &b->uppers[layer];

	if (dirs->root < 0) {
		int fd = isle_layer_open_upper(b->isle, &b->layers.list[layer]);

		if (fd < 0)
			return fd;
		dirs->root = fd;
	}
	return isle_dirs_parent(dirs, path, ret_name);
}

static const char *prefix_of(const struct isle_builder *b, const struct isle_change *change)
{
	return isle_layer_xattr(&b->layers.list[change->layer]);
}

static int copy_string(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int set_paths(struct isle_action *action, const struct isle_change *change, const char *path)
{
	action->path = strdup(path);
	if (!action->path)
		return -ENOMEM;
	if (path != change->path || !change->upper)
		return copy_string(change->upper, &action->upper);
	action->upper = action->path + (change->upper - change->path);
	action->upper_in_path = true;
	return 0;
}

/* A new action for this change with what all kinds have in common. */
static struct isle_action *new_action(struct isle_builder *b, const struct isle_change *change,
				      enum isle_action_kind kind, const char *path)
{
	struct isle_action *action = isle_plan_add(&b->plan);
	int cross = isle_builder_is_cross(b, change->layer);

	if (!action || cross < 0) {
		isle_err_errno(b->err, action ? cross : -ENOMEM, "cannot plan '%s'", path);
		return NULL;
	}
	action->kind = kind;
	action->change = change->kind;
	action->site = change->layer;
	action->flags = cross ? ISLE_ACTION_CROSS : 0;
	action->diff = change->diff;
	action->marks = change->marks;
	action->pair = (uint32_t)(b->plan.action_count - 1);
	action->old = change->before;
	if (isle_stat_is_linked(&action->old))
		action->flags |= ISLE_ACTION_SHARED;
	action->new = change->after;
	if (set_paths(action, change, path) < 0) {
		isle_err_errno(b->err, -ENOMEM, "cannot plan '%s'", path);
		return NULL;
	}
	return action;
}

/* Metadata of both sides into the action. */
static int add_metas(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	const char *name;
	int r, dir;

	dir = isle_dirs_parent(&b->host, isle_change_host(change), &name);
	r = dir < 0 ? dir : isle_hold_meta(dir, name, &action->old, &action->old_meta);
	if (r >= 0 && b->layers.list[change->layer].kind == ISLE_LAYER_FILE) {
		dir = isle_layer_open(b->isle, &b->layers.list[change->layer]);
		r = dir < 0 ? dir : isle_meta_new(dir, "file", &action->new_meta);
		isle_cleanup_fd(&dir);
	} else if (r >= 0 && change->upper[0] == '\0') {
		r = isle_builder_upper(b, change->layer, "x", &name);
		r = r < 0 ? r : isle_meta_new(b->uppers[change->layer].root, "", &action->new_meta);
	} else if (r >= 0) {
		dir = isle_builder_upper(b, change->layer, change->upper, &name);
		r = dir < 0 ? dir : isle_meta_new(dir, name, &action->new_meta);
	}
	return r < 0 ? isle_err_errno(b->err, r, "cannot read the metadata of '%s'", change->path) : 0;
}

static unsigned what_of(unsigned diff)
{
	unsigned what = 0;

	if (diff & ISLE_META_OWNER)
		what |= ISLE_APPLY_OWNER | ISLE_APPLY_MODE | ISLE_APPLY_XATTRS;
	if (diff & ISLE_META_MODE)
		what |= ISLE_APPLY_MODE | ISLE_APPLY_XATTRS;
	if (diff & (ISLE_META_XATTR | ISLE_META_ACL | ISLE_META_CAPS))
		what |= ISLE_APPLY_XATTRS;
	if (diff & ISLE_META_MTIME)
		what |= ISLE_APPLY_TIMES;
	return what;
}

int isle_builder_index(struct isle_builder *b, const struct isle_change *change, char **ret_name)
{
	const struct isle_layer *layer = &b->layers.list[change->layer];
	struct isle_xattrs overlay = {0};
	const char *name;

	if (S_ISDIR(change->after.mode) || change->after.nlink < 2 || layer->user || !change->upper)
		return 0;
	auto_fd int fd = isle_layer_open(b->isle, layer);
	int dir = fd < 0 ? fd : isle_builder_upper(b, change->layer, change->upper, &name);
	int r = dir < 0 ? dir : isle_overlay_read(dir, name, &overlay);
	if (r >= 0)
		r = isle_index_find(fd, isle_layer_xattr(layer), &overlay, change->after.ino, ret_name);
	free(overlay.list);
	return r;
}

/* What stays the host's object leaves the index, too. */
static int add_index(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	int r = isle_builder_index(b, change, &action->index);

	return r < 0 ? isle_err_errno(b->err, r, "cannot read what the isle has of '%s'", change->path) : 0;
}

static int emit_meta(struct isle_builder *b, const struct isle_change *change)
{
	unsigned what = what_of(change->diff);
	struct isle_action *action;
	int r;

	/* The times of a directory are a by-product of what was done in it. */
	if (S_ISDIR(change->before.mode))
		what &= ~(unsigned)ISLE_APPLY_TIMES;
	if (what == 0)
		return 0;
	action = new_action(b, change, ISLE_ACTION_META, change->path);
	if (!action)
		return -ENOMEM;
	action->what = what;
	if (change->from)
		action->flags |= ISLE_ACTION_LOOSE;
	if (b->layers.list[change->layer].kind == ISLE_LAYER_FILE)
		action->flags |= ISLE_ACTION_FILE;
	r = add_metas(b, change, action);
	return r < 0 ? r : add_index(b, change, action);
}

static bool is_note(const struct isle_xattr *attribute, const char *prefix, const char *note)
{
	size_t skip = strlen(prefix);

	return strncmp(attribute->name, prefix, skip) == 0 && strcmp(attribute->name + skip, note) == 0;
}

/* The link that the index of the layer has to this object. */
static int find_index(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	const struct isle_layer *layer = &b->layers.list[change->layer];
	auto_fd int dir = layer->user ? -1 : isle_layer_open(b->isle, layer);

	if (dir < 0)
		return 0;
	return isle_index_find(dir, isle_layer_xattr(layer), &action->overlay, change->after.ino, &action->index);
}

/* The overlay's attributes of the source: taken over from the scan, or read once more. */
static int add_notes(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	struct isle_change *own = &b->changes.list[change - b->changes.list];
	const char *name;
	int dir;

	if (!change->noted) {
		dir = isle_builder_upper(b, change->layer, change->upper, &name);
		return dir < 0 ? dir : isle_overlay_read(dir, name, &action->overlay);
	}
	action->overlay = own->notes;
	own->notes = (struct isle_xattrs){0};
	own->noted = false;
	return 0;
}

/* Overlay attributes and index link of the source. */
static int add_source(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	int r = add_notes(b, change, action);

	if (r >= 0 && !S_ISDIR(change->after.mode) && change->after.nlink > 1)
		r = find_index(b, change, action);
	return r < 0 ? isle_err_errno(b->err, r, "cannot read what the isle has of '%s'", change->path) : 0;
}

/* A copy: of the source, or where that has no data, of the host's. */
static int prepare_copy(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	struct isle_stat data;
	int r;

	action->prepare = ISLE_PREPARE_COPY;
	if (!S_ISREG(change->after.mode) || !change->metacopy)
		return 0;
	r = isle_found_data(b, change, isle_change_data(change), &data);
	if (r == 0)
		return isle_err_text(b->err, -ESTALE, "its content was that of another file than %s is now",
				     isle_quote(isle_change_data(change)));
	if (r < 0)
		return r;
	r = isle_action_set_linked(action, &data);
	return r < 0 ? r : copy_string(isle_change_data(change), &action->from);
}

/* Some names of the inode are no change: make this one a further name of the host's, or else a copy of its own. */
static int link_to_unchanged(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	struct isle_stat data;
	int r = isle_unchanged_name(b, change, &action->from);

	if (r > 0)
		r = isle_found_data(b, change, action->from, &data);
	if (r <= 0) {
		free(action->from);
		action->from = NULL;
		return r < 0 ? r : prepare_copy(b, change, action);
	}
	action->prepare = ISLE_PREPARE_HOST;
	return isle_action_set_linked(action, &data);
}

/* Names of the file among the changes; host_ino: those at which the host has this object, 0: all. */
static size_t count_group(const struct isle_builder *b, const struct isle_change *change, uint64_t host_ino)
{
	return isle_choice_count(&b->choice, change, host_ino);
}

/* Network and FUSE file systems cannot exchange two files. */
static bool cannot_exchange(struct isle_builder *b, const struct isle_change *change)
{
	static const unsigned types[] = {FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC,
					 SMB2_SUPER_MAGIC, V9FS_MAGIC,	    CEPH_SUPER_MAGIC};
	const char *name;
	struct statfs st;
	int dir = isle_builder_is_cross(b, change->layer) <= 0
			  ? -1
			  : isle_dirs_parent(&b->host, isle_change_host(change), &name);

	for (size_t i = 0; dir >= 0 && fstatfs(dir, &st) == 0 && i < ARRAY_SIZE(types); i++)
		if ((unsigned)st.f_type == types[i])
			return true;
	return false;
}

/* All names of the file are one file on the host, too. */
static bool names_agree(const struct isle_builder *b, const struct isle_change *change)
{
	return count_group(b, change, change->before.ino) == count_group(b, change, 0);
}

/* The host's file has names that the plan does not know. */
static bool has_other_names(const struct isle_builder *b, const struct isle_change *change)
{
	size_t mine;

	if (change->before.nlink < 2 || b->options->replace == ISLE_REPLACE_RENAME)
		return false;
	mine = count_group(b, change, change->before.ino);
	return change->before.nlink > (mine ? mine : 1);
}

/* Such a file, one that cannot be exchanged, or one for which the user said so, is written in place. */
static bool is_written(struct isle_builder *b, const struct isle_change *change)
{
	if (b->layers.list[change->layer].kind == ISLE_LAYER_FILE)
		return true;
	if (!S_ISREG(change->after.mode) || !S_ISREG(change->before.mode) || change->metacopy)
		return false;
	if (change->kind == ISLE_RENAME)
		return has_other_names(b, change);
	if (change->kind != ISLE_MODIFY || change->another)
		return false;
	if (b->options->replace == ISLE_REPLACE_WRITE && names_agree(b, change))
		return true;
	return change->before.nlink < 2 ? cannot_exchange(b, change) : has_other_names(b, change);
}

/* Whether the host's inode stays the one of this name. */
static bool keeps_inode(struct isle_builder *b, const struct isle_change *change)
{
	bool data = (change->diff & ISLE_DIFF_CONTENT) != 0;

	if (change->before.mode == 0 || S_ISDIR(change->before.mode))
		return false;
	if (change->another)
		return false;
	if (change->kind == ISLE_METADATA)
		return true;
	if (change->kind == ISLE_RENAME)
		return !data || change->metacopy || is_written(b, change);
	return change->kind == ISLE_MODIFY && (!data || is_written(b, change));
}

/* Of a link group from j on, the first name that is the host's inode afterwards: index + 1, 0: none. */
static size_t next_keeper(struct isle_builder *b, size_t j)
{
	while (j > 0 && !keeps_inode(b, &b->changes.list[j - 1]))
		j = b->choice.next_in_group[j - 1];
	return j;
}

/* Another name of the same file that is the host's inode afterwards, or NULL. */
static const struct isle_change *name_on_host(struct isle_builder *b, const struct isle_change *change)
{
	size_t first = isle_choice_group(&b->choice, change), j;

	if (first == 0)
		return NULL;
	if (b->keeper[first - 1] == 0) {
		j = next_keeper(b, first);
		b->keeper[first - 1] = j > 0 ? j : ISLE_NO_KEEPER;
	}
	j = b->keeper[first - 1];
	if (j == ISLE_NO_KEEPER)
		return NULL;
	if (&b->changes.list[j - 1] == change)
		j = next_keeper(b, b->choice.next_in_group[j - 1]);
	return j > 0 ? &b->changes.list[j - 1] : NULL;
}

/* The action made before this one for another name of the same file: its index, or -1. */
static ssize_t earlier_name(struct isle_builder *b, const struct isle_change *change)
{
	char key[48];

	if (count_group(b, change, 0) < 2)
		return -1;
	for (; b->put_count + 1 < b->plan.action_count; b->put_count++) {
		const struct isle_action *other = &b->plan.actions[b->put_count];

		if (!isle_stat_is_linked(&other->new) ||
		    (other->kind != ISLE_ACTION_CREATE && other->kind != ISLE_ACTION_EXCHANGE &&
		     other->kind != ISLE_ACTION_WRITE))
			continue;
		snprintf(key, sizeof(key), "%u %" PRIx64, other->site, other->new.ino);
		if (!isle_map_get(&b->put, key) && isle_map_set(&b->put, key, (void *)(b->put_count + 1)) < 0)
			return -ENOMEM;
	}
	snprintf(key, sizeof(key), "%u %" PRIx64, change->layer, change->after.ino);
	return (ssize_t)(size_t)isle_map_get(&b->put, key) - 1;
}

/* Renamed onto another file, and nothing else: where the host's file has further names it stays one file with them. */
static bool is_name_of_data(struct isle_builder *b, const struct isle_change *change, struct isle_stat *ret_data)
{
	auto_meta struct isle_meta host = ISLE_META_INIT, upper = ISLE_META_INIT;
	const char *name;
	int dir = change->data ? isle_dirs_parent(&b->host, change->data, &name) : -ENOENT;

	if (dir < 0 || isle_found_data(b, change, change->data, ret_data) <= 0 || ret_data->nlink < 2)
		return false;
	dir = isle_dirs_parent(&b->host, change->data, &name);
	if (dir < 0 || isle_meta_read(dir, name, &host) < 0)
		return false;
	dir = isle_builder_upper(b, change->layer, change->upper, &name);
	if (dir < 0 || isle_meta_read(dir, name, &upper) < 0)
		return false;
	return isle_meta_compare(&host, &upper) == 0;
}

/* How the new object of a CREATE or EXCHANGE gets there. */
static int add_preparation(struct isle_builder *b, const struct isle_change *change, struct isle_action *action)
{
	size_t names = count_group(b, change, 0) + (action->index != NULL);
	const struct isle_change *host = S_ISDIR(change->after.mode) ? NULL : name_on_host(b, change);
	struct isle_stat data;
	ssize_t earlier;

	if (host) {
		action->prepare = ISLE_PREPARE_HOST;
		if (isle_action_set_linked(action, &host->before) < 0)
			return -ENOMEM;
		return copy_string(isle_change_host(host), &action->from);
	}
	if (!S_ISDIR(change->after.mode) && change->after.nlink > 1 && change->after.nlink > names) {
		if (b->all)
			return link_to_unchanged(b, change, action);
		b->need_all = true;
		return 0;
	}
	earlier = S_ISDIR(change->after.mode) ? -1 : earlier_name(b, change);
	if (earlier < -1)
		return (int)earlier;
	if (earlier >= 0 && b->plan.actions[earlier].prepare != ISLE_PREPARE_NONE) {
		action->prepare = ISLE_PREPARE_LINK;
		action->pair = (uint32_t)earlier;
		return 0;
	}
	if (S_ISREG(change->after.mode) && change->metacopy && is_name_of_data(b, change, &data)) {
		action->prepare = ISLE_PREPARE_HOST;
		action->flags |= ISLE_ACTION_SHARED;
		if (isle_action_set_linked(action, &data) < 0)
			return -ENOMEM;
		return copy_string(change->data, &action->from);
	}
	/* The index loses its link once the operation is done: that must not touch what the host has then, or undo
	 * would take it for changed. */
	if ((action->flags & ISLE_ACTION_CROSS) || action->index || (S_ISREG(change->after.mode) && change->metacopy))
		return prepare_copy(b, change, action);
	return 0;
}

/* What leaves its name does so at the path that the host has it at before anything is done. */
static int emit_remove(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_action *action;

	if (change->before.mode == 0)
		return 0;
	action = new_action(b, change, ISLE_ACTION_REMOVE, isle_change_host(change));
	if (!action)
		return -ENOMEM;
	action->new = (struct isle_stat){0};
	if (change->kind == ISLE_DELETE)
		action->flags |= ISLE_ACTION_WHITEOUT;
	return 0;
}

/* CREATE or EXCHANGE of anything but a directory that has to be split. */
static int emit_put(struct isle_builder *b, const struct isle_change *change, const char *path, bool exchange)
{
	struct isle_action *action;
	int r;

	if (exchange && cannot_exchange(b, change)) { /* the name is gone for a moment */
		r = emit_remove(b, change);
		if (r < 0)
			return r;
		exchange = false;
	}
	action = new_action(b, change, exchange ? ISLE_ACTION_EXCHANGE : ISLE_ACTION_CREATE, path);
	if (!action)
		return -ENOMEM;
	if (!exchange)
		action->old = (struct isle_stat){0};
	r = add_source(b, change, action);
	if (r >= 0)
		r = add_preparation(b, change, action);
	if (r < 0)
		return isle_err_prefix(b->err, r, "cannot plan '%s'", path);
	return 0;
}

static int emit_mkdir(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_action *action = new_action(b, change, ISLE_ACTION_CREATE, change->path);
	struct isle_action *meta;
	const char *name;
	int dir, r;

	if (!action)
		return -ENOMEM;
	action->prepare = ISLE_PREPARE_MKDIR;
	action->old = action->new = (struct isle_stat){0};
	action->new.mode = change->after.mode;
	dir = isle_builder_upper(b, change->layer, change->upper, &name);
	r = dir < 0 ? dir : isle_meta_new(dir, name, &action->new_meta);
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot read the metadata of '%s'", change->path);
	/* Its own mode and times come after everything in it. */
	meta = new_action(b, change, ISLE_ACTION_META, change->path);
	if (!meta)
		return -ENOMEM;
	meta->flags |= ISLE_ACTION_HIDDEN | ISLE_ACTION_LOOSE;
	meta->what = ISLE_APPLY_MODE | ISLE_APPLY_XATTRS | ISLE_APPLY_TIMES;
	meta->pair = (uint32_t)(b->plan.action_count - 2);
	meta->old = meta->new = (struct isle_stat){0};
	r = isle_meta_new(dir, name, &meta->new_meta);
	return r < 0 ? isle_err_errno(b->err, r, "cannot read the metadata of '%s'", change->path) : 0;
}

static bool has_note(const struct isle_builder *b, const struct isle_change *change, const char *note)
{
	size_t i;

	for (i = 0; i < change->notes.count; i++)
		if (is_note(&change->notes.list[i], prefix_of(b, change), note))
			return true;
	return false;
}

/* Whether a new directory can move whole: enum isle_subtree_state. The scan has seen all of it; only whether hard links
 * lead out of it is not known from that. */
static int inspect(struct isle_builder *b, const struct isle_change *change)
{
	const unsigned doubt = ISLE_TREE_SEEN | ISLE_TREE_UNSEEN | ISLE_TREE_LINKS;
	const char *name;
	int dir;

	if (!change->noted || (change->tree & doubt) != ISLE_TREE_SEEN) {
		dir = isle_builder_upper(b, change->layer, change->upper, &name);
		return dir < 0 ? dir : isle_subtree_inspect(dir, name, prefix_of(b, change));
	}
	if ((change->tree & ISLE_TREE_ELSEWHERE) || has_note(b, change, "redirect") || has_note(b, change, "metacopy"))
		return ISLE_SUBTREE_SPLIT;
	return (change->tree & ISLE_TREE_NOTES) ? ISLE_SUBTREE_SCRUB : ISLE_SUBTREE_PLAIN;
}

/* Whether a new directory is taken whole: all below is chosen, and nothing in it is more than new. */
static int is_whole(struct isle_builder *b, const struct isle_change *change, bool *ret_scrub)
{
	size_t j, end;
	int r;

	isle_changes_below(&b->changes, change->path, &j, &end);
	for (; j < end; j++)
		if (!b->choice.chosen[j] || b->changes.list[j].kind == ISLE_RENAME || b->changes.list[j].metacopy ||
		    b->override[j])
			return 0;
	r = inspect(b, change);
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot look through '%s' in the isle", change->path);
	*ret_scrub = r == ISLE_SUBTREE_SCRUB;
	return r != ISLE_SUBTREE_SPLIT;
}

/* A new directory; old says whether something that is no directory is there. */
static int emit_directory(struct isle_builder *b, const struct isle_change *change, bool old, const char **cover)
{
	bool scrub = false;
	int r = is_whole(b, change, &scrub);

	if (r < 0)
		return r;
	if (r > 0) {
		*cover = change->path;
		r = emit_put(b, change, change->path, old);
		if (r >= 0 && scrub)
			b->plan.actions[b->plan.action_count - 1].flags |= ISLE_ACTION_SCRUB;
		return r;
	}
	if (!b->all) {
		b->need_all = true;
		return 0;
	}
	if (old)
		r = emit_remove(b, change);
	return r < 0 ? r : emit_mkdir(b, change);
}

static int emit_both(struct isle_builder *b, const struct isle_change *change)
{
	auto_free char *path = NULL;
	struct isle_stat st;
	const char *name;
	int dir, r;

	if (asprintf(&path, "%s.isle-new", change->path) < 0) {
		path = NULL;
		return isle_err_errno(b->err, -ENOMEM, "cannot plan '%s'", change->path);
	}
	dir = isle_dirs_parent(&b->host, path, &name);
	r = dir < 0 ? dir : isle_look(dir, name, &st);
	if (r != 0)
		return isle_err_errno(b->err, r < 0 ? r : -EEXIST, "cannot keep both of '%s'", change->path);
	return emit_put(b, change, path, false);
}

/* Whoever writes takes set-user-ID bits and capabilities off. */
static unsigned what_writing_drops(const struct isle_meta *meta)
{
	unsigned what = meta->st.stx_mode & (S_ISUID | S_ISGID) ? ISLE_APPLY_MODE : 0;
	size_t i;

	for (i = 0; i < meta->xattr_count; i++)
		if (strcmp(meta->xattrs[i].name, "security.capability") == 0)
			what |= ISLE_APPLY_XATTRS;
	return what;
}

static int emit_write(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_action *action = new_action(b, change, ISLE_ACTION_WRITE, change->path);
	int r;

	if (!action)
		return -ENOMEM;
	action->prepare = ISLE_PREPARE_BACKUP;
	action->what = what_of(change->diff) | ISLE_APPLY_TIMES;
	if (b->layers.list[change->layer].kind == ISLE_LAYER_FILE)
		action->flags |= ISLE_ACTION_FILE;
	r = add_metas(b, change, action);
	if (r < 0 || (action->flags & ISLE_ACTION_FILE))
		return r;
	action->what |= what_writing_drops(action->new_meta);
	if (change->brief)
		action->what |= what_of(isle_meta_compare(action->old_meta, action->new_meta));
	if (change->from && copy_string(change->from, &action->from) < 0)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan '%s'", change->path);
	if (change->metacopy)
		return isle_err_text(b->err, -EUCLEAN, "'%s' has no data in the isle", change->path);
	return add_source(b, change, action);
}

static int emit_modify(struct isle_builder *b, const struct isle_change *change)
{
	bool regular = S_ISREG(change->after.mode) && S_ISREG(change->before.mode);

	if (change->before.mode == 0)
		return emit_put(b, change, change->path, false);
	if (S_ISDIR(change->after.mode) || (regular && !change->another && !(change->diff & ISLE_DIFF_CONTENT)))
		return emit_meta(b, change);
	if (is_written(b, change))
		return emit_write(b, change);
	return emit_put(b, change, change->path, true);
}

/* The rename of the nearest directory above a host path, or NULL. */
static const struct isle_change *rename_above(const struct isle_builder *b, const char *host)
{
	auto_free char *above = strdup(host);
	char *slash;

	while (above && (slash = strrchr(above, '/')) && slash > above) {
		size_t i;

		*slash = '\0';
		i = (size_t)isle_map_get(&b->choice.moved_from, above);
		if (i > 0 && S_ISDIR(b->changes.list[i - 1].after.mode))
			return &b->changes.list[i - 1];
	}
	return NULL;
}

/* Where the whiteout of a host path is in the layer: through the renames of its parents. */
static char *upper_of(const struct isle_builder *b, const struct isle_change *change, const char *host)
{
	const struct isle_change *above = rename_above(b, host);

	if (above)
		return isle_path_join(above->upper, host + strlen(above->from) + 1);
	return strdup(isle_layer_below(&b->layers.list[change->layer], host));
}

static int emit_rename(struct isle_builder *b, const struct isle_change *change)
{
	struct isle_action *take, *place;
	bool data = S_ISREG(change->after.mode) && !change->metacopy &&
		    ((change->diff & ISLE_DIFF_CONTENT) || change->another);
	bool written = data && !change->another && is_written(b, change);
	uint32_t pair;
	int r;

	data = data && !written;

	take = new_action(b, change, data ? ISLE_ACTION_REMOVE : ISLE_ACTION_TAKE, change->from);
	if (!take)
		return -ENOMEM;
	take->flags |= ISLE_ACTION_WHITEOUT | ISLE_ACTION_HIDDEN;
	take->new = (struct isle_stat){0};
	isle_action_upper(take, upper_of(b, change, change->from));
	take->from = strdup(change->path);
	if (!take->upper || !take->from)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan '%s'", change->path);
	if (data)
		return emit_put(b, change, change->path, false);
	pair = (uint32_t)(b->plan.action_count - 1);
	place = new_action(b, change, ISLE_ACTION_PLACE, change->path);
	if (!place)
		return -ENOMEM;
	place->pair = pair;
	place->new = change->before;
	place->old = (struct isle_stat){0};
	r = copy_string(change->from, &place->from);
	if (r < 0)
		return isle_err_errno(b->err, r, "cannot plan '%s'", change->path);
	r = add_index(b, change, place);
	if (r < 0)
		return r;
	return written ? emit_write(b, change) : emit_meta(b, change);
}

/* What is not known of a directory that the host has too cannot be committed, and would be lost with its entry in the
 * layer. A new one moves with all that is in it. */
static int refuse_blind(struct isle_builder *b, const struct isle_change *change)
{
	const char *path = isle_quote(change->path);

	isle_err_text(b->err, -EACCES, "cannot look through '%s' in the isle: its mode does not let you", path);
	isle_err_hint(b->err, "leave it out with --except, or open it: isle run -n %s -- chmod -R u+rwX %s",
		      b->isle->name, path);
	return -EACCES;
}

/* Content made of both sides' takes the place of the host's, as the isle's would. */
static int emit_composed(struct isle_builder *b, const struct isle_change *change,
			 const struct isle_composition *composition)
{
	bool seen = b->found[change - b->changes.list] == ISLE_FOUND_SEEN;
	bool linked = seen && change->before.nlink > 1 && !change->parted && b->options->replace != ISLE_REPLACE_RENAME;
	bool write = linked || is_written(b, change) || cannot_exchange(b, change);
	struct isle_action *action;
	int r = write ? emit_write(b, change) : emit_put(b, change, change->path, true);

	if (r < 0 || b->need_all)
		return r;
	action = &b->plan.actions[b->plan.action_count - 1];
	action->compose = composition->how;
	action->base_size = composition->base_size;
	action->what = composition->what;
	action->new = (struct isle_stat){.mode = change->after.mode};
	if (!write) {
		action->prepare = ISLE_PREPARE_COPY;
		r = add_metas(b, change, action);
	}
	if (r >= 0 && copy_string(composition->hunks, &action->hunks) < 0)
		return isle_err_errno(b->err, -ENOMEM, "cannot plan '%s'", change->path);
	if (composition->how == ISLE_COMPOSE_HUNKS)
		action->flags |= ISLE_ACTION_KEEP;
	return r;
}

int isle_emit(struct isle_builder *b, size_t i, const char **cover)
{
	const struct isle_change *change = &b->changes.list[i];
	bool there = change->before.mode != 0;

	if (b->override[i] == ISLE_OVERRIDE_BOTH)
		return emit_both(b, change);
	if (change->blind && S_ISDIR(change->before.mode))
		return refuse_blind(b, change);
	if (b->composed && b->composed[i].how != ISLE_COMPOSE_NONE)
		return emit_composed(b, change, &b->composed[i]);
	switch (change->kind) {
	case ISLE_CREATE:
		if (S_ISDIR(change->after.mode))
			return emit_directory(b, change, false, cover);
		return emit_put(b, change, change->path, there && b->override[i]);
	case ISLE_MODIFY:
		return emit_modify(b, change);
	case ISLE_DELETE:
		if (S_ISDIR(change->before.mode))
			*cover = change->path;
		return emit_remove(b, change);
	case ISLE_RENAME:
		return emit_rename(b, change);
	case ISLE_REPLACE:
		if (S_ISDIR(change->after.mode))
			return emit_directory(b, change, there, cover);
		*cover = change->path;
		return emit_put(b, change, change->path, there);
	case ISLE_READ_ONLY: /* never among changes */
	case ISLE_METADATA:
		/* The other names of the host's file keep what they have. */
		return change->another ? emit_modify(b, change) : emit_meta(b, change);
	}
	return 0;
}
