/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discard: what the isle has goes into the record of the operation, where undo finds it.
 *
 * All of it takes one rename for each layer, whatever it holds; it is counted for the log only if it is little. By
 * path, each change's upper object is moved away: what is new, modified or replaced; the whiteout of what was deleted;
 * both for a rename. A directory that the host has too stays and gets the host's metadata. One that is new goes whole,
 * unless something in it is excepted.
 */
#include "build_internal.h"
#include "digest.h"
#include "overlay_index.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "subtree.h"
#include "transaction.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { COUNTED_MAX = 2000 };

struct discard {
	struct isle_store *store;
	const struct isle *isle;
	struct isle_layers layers;
	struct isle_changes changes;
	struct isle_choice choice;
	struct isle_plan plan;
	struct isle_dirs *uppers;
	struct isle_dirs host;
	const struct isle_commit_options *options;
	struct isle_commit_result *result;
	int live, lock;
	struct isle_err *err;
};

/* Nothing is open yet. */
#define DISCARD_INIT(of_store, of_isle, of_options, of_result, of_err)                                                 \
	{                                                                                                              \
		.store = (of_store), .isle = (of_isle), .host = ISLE_DIRS_INIT, .options = (of_options),               \
		.result = (of_result), .live = -1, .lock = -1, .err = (of_err)                                         \
	}

static void discard_done(struct discard *d)
{
	size_t i;

	for (i = 0; d->uppers && i < d->layers.count; i++)
		isle_dirs_done(&d->uppers[i]);
	free(d->uppers);
	isle_dirs_done(&d->host);
	isle_choice_done(&d->choice);
	isle_changes_done(&d->changes);
	isle_plan_done(&d->plan);
	isle_layers_done(&d->layers);
	isle_cleanup_fd(&d->lock);
	isle_cleanup_fd(&d->live);
}
#define auto_discard __attribute__((cleanup(discard_done)))

static int out_of_memory(struct discard *d)
{
	return isle_err_errno(d->err, -ENOMEM, "cannot plan the discard");
}

static int init(struct discard *d)
{
	int r = isle_layers_read(d->isle, &d->layers, d->err);

	if (r < 0)
		return r;
	d->uppers = isle_dirs_new(d->layers.count + 1);
	if (!d->uppers)
		return out_of_memory(d);
	d->plan.kind = ISLE_OPERATION_DISCARD;
	memcpy(d->plan.isle_id, d->isle->id, sizeof(d->plan.isle_id));
	d->plan.isle_name = strdup(d->isle->name);
	if (!d->plan.isle_name || isle_plan_set_sites(&d->plan, &d->layers) < 0)
		return out_of_memory(d);
	r = isle_dirs_init_host(&d->host);
	return r < 0 ? isle_err_errno(d->err, r, "/") : 0;
}

static struct isle_action *new_action(struct discard *d, enum isle_action_kind kind, size_t site, const char *path)
{
	struct isle_action *action = isle_plan_add(&d->plan);

	if (!action)
		return NULL;
	action->kind = kind;
	action->site = (unsigned)site;
	action->pair = (uint32_t)(d->plan.action_count - 1);
	action->path = strdup(path);
	return action->path ? action : NULL;
}

static int drop_layer(struct discard *d, size_t i)
{
	const struct isle_layer *layer = &d->layers.list[i];
	auto_fd int fd = isle_layer_open(d->isle, layer);
	struct isle_action *action;
	int r;

	if (fd < 0)
		return isle_err_errno(d->err, fd, "cannot open the layer of '%s'", layer->path);
	action = new_action(d, ISLE_ACTION_LAYER, i, layer->path);
	if (!action)
		return out_of_memory(d);
	r = isle_look(fd, "", &action->old);
	return r < 0 ? isle_err_errno(d->err, r, "cannot open the layer of '%s'", layer->path) : 0;
}

static int upper_dir(struct discard *d, unsigned layer, const char *path, const char **ret_name)
{
	struct isle_dirs *dirs = &d->uppers[layer];

	if (dirs->root < 0) {
		int fd = isle_layer_open_upper(d->isle, &d->layers.list[layer]);

		if (fd < 0)
			return fd;
		dirs->root = fd;
	}
	return isle_dirs_parent(dirs, path, ret_name);
}

static bool all_names_chosen(const struct discard *d, const struct isle_change *change)
{
	size_t j = isle_choice_group(&d->choice, change);

	for (; j > 0; j = d->choice.next_in_group[j - 1])
		if (!d->choice.chosen[j - 1])
			return false;
	return true;
}

/* The link that the index has to a file of several names goes with it. */
static int add_index(struct discard *d, const struct isle_change *change, int dir, const char *name,
		     struct isle_action *action)
{
	const struct isle_layer *layer = &d->layers.list[change->layer];
	struct isle_xattrs overlay = {0};
	auto_fd int fd = -1;
	int r;

	if (layer->user || !S_ISREG(action->new.mode) || action->new.nlink < 2 || !all_names_chosen(d, change))
		return 0;
	fd = isle_layer_open(d->isle, layer);
	r = fd < 0 ? fd : isle_overlay_read(dir, name, &overlay);
	if (r >= 0)
		r = isle_index_find(fd, isle_layer_xattr(layer), &overlay, action->new.ino, &action->index);
	free(overlay.list);
	return r;
}

/* upper: below the layer's upper. Nothing there is no error: an opaque directory above hides the host's. */
static int drop(struct discard *d, const struct isle_change *change, const char *upper)
{
	struct isle_action *action = new_action(d, ISLE_ACTION_DROP, change->layer, change->path);
	const char *name;
	int dir, r;

	if (!action || !(action->upper = strdup(upper)))
		return out_of_memory(d);
	action->change = change->kind;
	dir = upper_dir(d, change->layer, upper, &name);
	r = dir < 0 ? dir : isle_look(dir, name, &action->new);
	if (isle_is_gone(r)) /* or what is no directory above does */
		r = 0;
	if (r > 0)
		r = add_index(d, change, dir, name, action);
	return r < 0 ? isle_err_errno(d->err, r, "cannot look at '%s' in the isle", change->path) : 0;
}

static int revert(struct discard *d, const struct isle_change *change)
{
	struct isle_action *action = new_action(d, ISLE_ACTION_REVERT, change->layer, change->path);
	const char *name;
	int dir, r;

	if (!action || !(action->upper = strdup(change->upper)))
		return out_of_memory(d);
	action->change = change->kind;
	action->what = ISLE_APPLY_MODE | ISLE_APPLY_XATTRS;
	if (change->diff & ISLE_META_OWNER)
		action->what |= ISLE_APPLY_OWNER;
	dir = isle_dirs_parent(&d->host, change->from ? change->from : change->path, &name);
	r = dir < 0 ? dir : isle_meta_new(dir, name, &action->new_meta);
	if (r >= 0 && change->upper[0] == '\0') {
		auto_fd int root = isle_layer_open_upper(d->isle, &d->layers.list[change->layer]);

		r = root < 0 ? root : isle_meta_new(root, "", &action->old_meta);
	} else if (r >= 0) {
		dir = upper_dir(d, change->layer, change->upper, &name);
		r = dir < 0 ? dir : isle_meta_new(dir, name, &action->old_meta);
	}
	return r < 0 ? isle_err_errno(d->err, r, "cannot read the metadata of '%s'", change->path) : 0;
}

static const char *below_layer(const struct isle_layer *layer, const char *path)
{
	size_t length = strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path);

	return path + length + (path[length] == '/');
}

static bool all_below_chosen(const struct discard *d, const struct isle_change *change)
{
	size_t j, end;

	isle_changes_below(&d->changes, change->path, &j, &end);
	for (; j < end; j++)
		if (!d->choice.chosen[j])
			return false;
	return true;
}

/* The whiteout at the old place of a rename, if that place is not taken by something new. */
static int drop_old_place(struct discard *d, const struct isle_change *change)
{
	const char *upper = below_layer(&d->layers.list[change->layer], change->from);
	const char *name;
	int dir = upper_dir(d, change->layer, upper, &name);

	if (dir < 0 || !isle_overlay_whiteout(dir, name, isle_layer_xattr(&d->layers.list[change->layer])))
		return 0;
	return drop(d, change, upper);
}

/* A deleted object whose name something renamed has got: the next change, which has the object in the upper. */
static bool makes_room(const struct discard *d, const struct isle_change *change)
{
	return change + 1 < d->changes.list + d->changes.count && strcmp(change[1].path, change->path) == 0;
}

/* *cover: what lies below this path is dealt with. */
static int emit(struct discard *d, const struct isle_change *change, const char **cover)
{
	bool directory = S_ISDIR(change->after.mode);
	int r;

	if (d->layers.list[change->layer].kind == ISLE_LAYER_FILE)
		return drop_layer(d, change->layer);
	if (change->kind == ISLE_DELETE && makes_room(d, change))
		return 0;
	if (change->kind == ISLE_DELETE) {
		*cover = S_ISDIR(change->before.mode) ? change->path : *cover;
		return drop(d, change,
			    change->upper ? change->upper : below_layer(&d->layers.list[change->layer], change->path));
	}
	if (change->upper[0] == '\0' || (directory && (change->kind == ISLE_METADATA || change->kind == ISLE_MODIFY)))
		return revert(d, change);
	if (directory && !all_below_chosen(d, change))
		return isle_finding_add(d->choice.notes, change->path, "left out", NULL,
					"something in it stays in the isle");
	if (directory)
		*cover = change->path;
	r = drop(d, change, change->upper);
	if (r >= 0 && change->kind == ISLE_RENAME)
		r = drop_old_place(d, change);
	return r;
}

/* All names of a file that the host has: the overlay would go on to show the one inode under each. */
static int choose_names(struct discard *d)
{
	size_t i, j;

	for (i = 0; i < d->changes.count; i++) {
		if (!d->choice.chosen[i] || d->changes.list[i].before.mode == 0)
			continue;
		for (j = isle_choice_group(&d->choice, &d->changes.list[i]); j > 0;
		     j = d->choice.next_in_group[j - 1]) {
			if (d->choice.chosen[j - 1])
				continue;
			d->choice.chosen[j - 1] = 1;
			if (isle_finding_add(d->choice.notes, d->changes.list[j - 1].path, "pulled in", NULL,
					     "another name of %s", isle_quote(d->changes.list[i].path)) < 0)
				return out_of_memory(d);
		}
	}
	return 0;
}

/* Of a deletion: that of a directory above it, which stays in the isle. */
static const struct isle_change *gone_above(const struct discard *d, const struct isle_change *change)
{
	auto_free char *path = change->kind == ISLE_DELETE && !change->from ? strdup(change->path) : NULL;
	char *slash;

	while (path && (slash = strrchr(path, '/')) && slash > path) {
		ssize_t i;

		*slash = '\0';
		i = isle_changes_find(&d->changes, path);
		if (i >= 0 && !d->choice.chosen[i] && !S_ISDIR(d->changes.list[i].after.mode))
			return &d->changes.list[i];
	}
	return NULL;
}

/* A name cannot come back to a directory that does not. */
static int leave_out_lost(struct discard *d)
{
	for (size_t i = 0; i < d->changes.count; i++) {
		const struct isle_change *above = d->choice.chosen[i] ? gone_above(d, &d->changes.list[i]) : NULL;

		if (!above)
			continue;
		isle_choice_forbid(&d->choice, i);
		if (isle_finding_add(d->choice.notes, d->changes.list[i].path, "left out", NULL,
				     "needs %s, which is not discarded", isle_quote(above->path)) < 0)
			return out_of_memory(d);
	}
	return 0;
}

static int plan_by_path(struct discard *d, const struct isle_select *select, struct isle_commit_result *result)
{
	const char *cover = NULL;
	size_t i;
	int r;

	r = isle_changes_scan(d->store, d->isle, &d->layers, ISLE_SCAN_ALL | ISLE_SCAN_TIMES | ISLE_SCAN_INSIDE,
			      &d->changes, d->err);
	if (r >= 0)
		isle_changes_digest(&d->changes, d->plan.contents);
	if (r >= 0)
		r = isle_choice_init(&d->changes, select, &result->notes, &d->choice, d->err);
	if (r >= 0)
		r = choose_names(d);
	if (r >= 0)
		r = leave_out_lost(d);
	for (i = 0; i < d->changes.count && r >= 0; i++) {
		const struct isle_change *change = &d->changes.list[i];
		struct isle_changes one = {.list = &d->changes.list[i], .count = 1};
		struct isle_summary add;
		uint64_t *to = &d->plan.summary.create;
		const uint64_t *from = &add.create;
		bool covered = cover && strcmp(change->path, cover) != 0 && isle_path_below(change->path, cover);

		if (!d->choice.chosen[i] || (covered && change->kind != ISLE_RENAME))
			continue;
		r = covered ? drop_old_place(d, change) : emit(d, change, &cover);
		isle_commit_summary(&one, &add);
		for (size_t k = 0; k < 8; k++) /* create .. bytes */
			to[k] += from[k];
	}
	return r;
}

/* Counts what lies below, down from *left. False when that is used up, or something cannot be read. */
static bool count_down(int dir, unsigned *left)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *entry;
	bool fits = true;

	while (fits && (entry = isle_next_entry(stream, &r))) {
		auto_fd int sub = -1;

		if (*left > 0 && entry->d_type == DT_DIR)
			sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fits = *left > 0 && (*left)-- > 0 && (sub < 0 || count_down(sub, left));
	}
	return fits && r == 0;
}

/* True where telling what is dropped takes no time worth speaking of. */
static bool is_little(struct discard *d)
{
	unsigned left = COUNTED_MAX;
	size_t i;

	for (i = 0; i < d->layers.count; i++) {
		auto_fd int upper = -1;

		if (d->layers.list[i].kind == ISLE_LAYER_FILE)
			continue;
		upper = isle_layer_open_upper(d->isle, &d->layers.list[i]);
		if (upper < 0 || !count_down(upper, &left))
			return false;
	}
	return true;
}

/* What is dropped, for the log, and whole where somebody is asked about it or has seen it. *ret_counted: it was. */
static int summarize(struct discard *d, bool *ret_counted)
{
	const struct isle_commit_options *options = d->options;
	bool shown = options->confirm || options->fits;
	int r;

	if (!shown && !is_little(d))
		return 0;
	r = isle_changes_scan(d->store, d->isle, &d->layers, ISLE_SCAN_TIMES | (shown ? ISLE_SCAN_INSIDE : 0),
			      &d->changes, shown ? d->err : NULL);
	if (r < 0)
		return shown ? r : 0;
	*ret_counted = true;
	isle_commit_summary(&d->changes, &d->plan.summary);
	if (shown)
		isle_changes_digest(&d->changes, d->plan.contents);
	return 0;
}

static int plan_whole(struct discard *d)
{
	bool counted = false;
	size_t i;
	int r = summarize(d, &counted);

	if (r < 0 || (counted && d->changes.count == 0))
		return r;
	for (i = 0; i < d->layers.count && r >= 0; i++)
		r = drop_layer(d, i);
	return r;
}

static void let_go(struct discard *d)
{
	isle_cleanup_fd(&d->lock);
	isle_cleanup_fd(&d->live);
	d->lock = d->live = -1;
}

/* 1: it can be done, or be asked about; 0: not, and the outcome says why. */
static int look(struct discard *d)
{
	const struct isle_commit_options *options = d->options;
	struct isle_commit_result *result = d->result;
	int r;

	if (options->rest)
		options->rest(d->isle);
	r = isle_operation_lock(d->store, d->isle, options->flags, &d->live, &d->lock, d->err);
	if (r >= 0)
		r = init(d);
	if (r >= 0)
		r = isle_select_partial(&options->select) ? plan_by_path(d, &options->select, result) : plan_whole(d);
	if (r < 0 || isle_plan_identify(&d->plan) < 0)
		return r < 0 ? r : out_of_memory(d);
	result->summary = d->plan.summary;
	result->outcome = options->fits && !options->fits(&d->plan, options->fits_data) ? ISLE_OUTCOME_STALE
			  : d->plan.action_count == 0					? ISLE_OUTCOME_NOTHING
											: ISLE_OUTCOME_DONE;
	return result->outcome == ISLE_OUTCOME_DONE;
}

static int carry_out(struct discard *d)
{
	int64_t id = 0;
	int r = isle_transaction_run(d->store, d->isle, &d->plan, NULL, &id, d->err);

	if (r < 0)
		return r;
	d->result->operation = (uint64_t)id;
	d->result->outcome = ISLE_OUTCOME_DONE;
	return 0;
}

/* After a yes, which was for this plan: all of it is planned anew. */
static int discard_agreed(const struct discard *shown)
{
	auto_discard struct discard d = DISCARD_INIT(shown->store, shown->isle, shown->options, shown->result,
						     shown->err);
	int r;

	isle_commit_result_done(d.result);
	r = look(&d);
	if (r < 0)
		return r;
	if (r > 0 && strcmp(d.plan.id, shown->plan.id) == 0)
		return carry_out(&d);
	d.result->outcome = ISLE_OUTCOME_STALE;
	return 0;
}

int isle_discard(struct isle_store *store, const struct isle *isle, const struct isle_commit_options *options,
		 struct isle_commit_result *ret_result, struct isle_err *err)
{
	auto_discard struct discard d = DISCARD_INIT(store, isle, options, ret_result, err);
	int r;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	r = look(&d);
	if (r <= 0)
		return r;
	if (options->tell)
		options->tell(ret_result, options->data);
	if (!options->confirm)
		return carry_out(&d);
	let_go(&d);
	if (options->confirm(&d.plan, options->data))
		return discard_agreed(&d);
	ret_result->outcome = ISLE_OUTCOME_DECLINED;
	return 0;
}
