/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a commit the layers must not say any more what the host has now, and must go on saying everything else:
 *
 *   - what was copied, linked or written goes from the layer into the record (INDEX.layer);
 *   - whiteouts of what was removed go, and the links that work/index has to what was taken;
 *   - a file of which hunks were committed stays, as one that differs from what the host has now;
 *   - a renamed directory loses its redirect: the host has it at its place. So do those below it whose redirect leads
 *     to where they have been all the time, by the old path (overlayfs sets one also for a rename that fails);
 *   - an opaque directory from which something was committed would hide that. What it hides else gets a whiteout of its
 *     own, directories in it that the host has too become opaque in turn, and its own mark goes;
 *   - if everything was committed, directories that are empty now go; the host has them.
 *
 * A layer that was parked as a whole has left all that behind already, but for its links in work/index.
 *
 * Everything is done by looking whether it is still to be done, so it can be repeated after a crash.
 */
#include "clock.h"
#include "io.h"
#include "kernel.h"
#include "map.h"
#include "overlay_index.h"
#include "path.h"
#include "quote.h"
#include "subtree.h"
#include "transaction.h"
#include "xattr.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct settle {
	struct isle_transaction *tx;
	struct isle_map committed; /* host paths of which the layer says nothing any more */
	struct isle_map made;	   /* directories among them that the host has from the isle */
	struct isle_map parents;   /* "SITE UPPER" of the directories above actions -> their host path (heap) */
	char **sorted;		   /* the keys of parents, parents first; borrowed */
	size_t count;
};

static void settle_done(struct settle *s)
{
	size_t i;

	for (i = 0; i < s->parents.room; i++)
		if (s->parents.slots[i].key)
			free(s->parents.slots[i].value);
	isle_map_done(&s->parents);
	isle_map_done(&s->committed);
	isle_map_done(&s->made);
	free(s->sorted);
}
#define auto_settle __attribute__((cleanup(settle_done)))

static bool leaves_source(const struct isle_action *action)
{
	if (!action->upper || (action->flags & (ISLE_ACTION_FILE | ISLE_ACTION_HIDDEN | ISLE_ACTION_KEEP)))
		return false;
	switch (action->kind) {
	case ISLE_ACTION_CREATE:
	case ISLE_ACTION_EXCHANGE:
		return action->prepare != ISLE_PREPARE_NONE && action->prepare != ISLE_PREPARE_MKDIR;
	case ISLE_ACTION_WRITE:
		return true;
	case ISLE_ACTION_META:
	case ISLE_ACTION_PLACE:
		return !S_ISDIR(action->old.mode ? action->old.mode : action->new.mode);
	default:
		return false;
	}
}

/* The upper object into the record, unless that was done before. */
static int keep_source(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct isle_spot upper, record;
	struct isle_stat st;
	int r = isle_spot_upper(tx, action, &upper);

	if (r >= 0)
		r = isle_look(upper.dir, upper.name, &st);
	if (r == 0 || isle_is_gone(r))
		return 0;
	if (r > 0)
		r = isle_spot_record(tx, i, ".layer", &record);
	return r < 0 ? r : isle_move(upper.dir, upper.name, record.dir, record.name, RENAME_NOREPLACE);
}

static int remove_whiteout(struct isle_transaction *tx, const struct isle_action *action)
{
	struct isle_spot upper;
	int r;

	if (!(action->flags & ISLE_ACTION_WHITEOUT) || !action->upper)
		return 0;
	r = isle_spot_upper(tx, action, &upper);
	if (r < 0)
		return isle_is_gone(r) ? 0 : r;
	if (!isle_overlay_whiteout(upper.dir, upper.name, isle_site_prefix(&tx->plan->sites[action->site])))
		return 0;
	r = isle_remove_name(upper.dir, upper.name, 0);
	return r == -ENOENT ? 0 : r;
}

static int remove_index(struct isle_transaction *tx, const struct isle_action *action)
{
	int layer;

	if (!action->index || (action->flags & ISLE_ACTION_KEEP) || !isle_component_valid(action->index))
		return 0;
	layer = isle_transaction_layer(tx, action->site);
	return layer < 0 ? layer
			 : isle_index_remove(layer, action->index,
					     tx->plan->kind == ISLE_OPERATION_DISCARD ? &action->new : NULL);
}

/* Paths below the layer's root: that the host had the directory at before, and that it has it at now. A file can share
 * its redirect with other names, so that leads to where the host has the file now. */
static int forget_old_path(int dir, const char *old, const char *now, const char *key)
{
	int r = 0;
	auto_dir DIR *stream = isle_open_entries(dir, ".", &r);
	const struct dirent *entry;

	while ((entry = isle_next_entry(stream, &r))) {
		auto_fd int sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = sub < 0 ? errno : 0;
		auto_free char *old_path = isle_path_join(old, entry->d_name);
		auto_free char *path = isle_path_join(now, entry->d_name);
		char redirect[PATH_MAX + 2] = "";

		if (!old_path || !path)
			return -ENOMEM;
		if (sub < 0 && !isle_is_gone(-error) && error != EACCES)
			return -error;
		if (isle_xattr_get(dir, entry->d_name, key, redirect, sizeof(redirect) - 1) > 0 &&
		    strcmp(redirect, old_path) == 0)
			r = sub >= 0 ? isle_xattr_remove(sub, "", key)
				     : isle_xattr_set(dir, entry->d_name, key, path, strlen(path));
		if (r >= 0 && sub >= 0)
			r = forget_old_path(sub, old_path, path, key);
	}
	return r;
}

static int remove_redirect(struct isle_transaction *tx, const struct isle_action *action)
{
	const struct isle_site *site = &tx->plan->sites[action->site];
	struct isle_spot upper;
	char key[64];
	int r;

	if (action->kind != ISLE_ACTION_PLACE || !S_ISDIR(action->new.mode) || !action->from)
		return 0;
	r = isle_spot_upper(tx, action, &upper);
	if (r < 0)
		return isle_is_gone(r) ? 0 : r;
	snprintf(key, sizeof(key), "%sredirect", isle_site_prefix(site));
	r = isle_xattr_remove(upper.dir, upper.name, key);
	if (r < 0 && r != -ENODATA)
		return r == -ENOENT ? 0 : r;
	auto_free char *now = isle_path_join("/", action->upper);
	if (!now)
		return -ENOMEM;
	auto_fd int dir = openat(upper.dir, upper.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? 0
		       : forget_old_path(dir, action->from + (strcmp(site->path, "/") == 0 ? 0 : strlen(site->path)),
					 now, key);
}

/* A mounted file: its copy in the layer is as the host's now, and follows it again. */
static int refresh_file(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	struct isle_spot source, record;
	size_t k;
	int r;

	if (!(action->flags & ISLE_ACTION_FILE))
		return 0;
	r = isle_layers_read(tx->isle, &layers, tx->err);
	for (k = 0; r >= 0 && k < layers.count; k++) {
		if (layers.list[k].number != tx->plan->sites[action->site].layer)
			continue;
		r = isle_spot_source(tx, action, &source);
		if (r >= 0)
			r = isle_spot_record(tx, i, ".layer", &record);
		if (r >= 0)
			r = isle_remove_if_there(record.dir, record.name);
		if (r >= 0)
			r = isle_subtree_copy(source.dir, source.name, NULL, record.dir, record.name, NULL);
		if (r >= 0 && unlinkat(source.dir, "stamp", 0) < 0 && errno != ENOENT)
			r = -errno;
		/* The copy with the stamp it would have had, so that it counts as unwritten. */
		if (r >= 0) {
			struct isle_stat st;
			char text[48];

			r = isle_look(source.dir, source.name, &st);
			snprintf(text, sizeof(text), "%lld.%09u\n", (long long)st.ctime.tv_sec, st.ctime.tv_nsec);
			if (r > 0)
				r = isle_replace_file(source.dir, "stamp", text, strlen(text));
		}
	}
	return r < 0 ? r : 0;
}

/*
 * A file of which the isle keeps a part. What the host has now is what the isle's file differs from: the file is made
 * anew, so that its time of birth says so (layer.h), and marked as one that stands for the host's.
 */
static int renew_kept(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	struct statx_timestamp end = isle_time_from(tx->plan->end);
	struct isle_spot upper, copy;
	struct isle_stat st;
	char key[64];
	int r;

	if (!(action->flags & ISLE_ACTION_KEEP))
		return 0;
	r = isle_spot_upper(tx, action, &upper);
	if (r >= 0)
		r = isle_look(upper.dir, upper.name, &st);
	if (r <= 0 || !S_ISREG(st.mode) || isle_time_after(&st.btime, &end))
		return r < 0 ? r : 0;
	r = isle_spot_record(tx, i, ".keep", &copy);
	if (r >= 0)
		r = isle_remove_if_there(copy.dir, copy.name);
	if (r >= 0)
		r = isle_subtree_copy(upper.dir, upper.name, NULL, copy.dir, copy.name, NULL);
	snprintf(key, sizeof(key), "%sorigin", isle_site_prefix(&tx->plan->sites[action->site]));
	if (r >= 0)
		r = isle_xattr_set(copy.dir, copy.name, key, "", 0);
	if (r >= 0)
		r = isle_renameat2(copy.dir, copy.name, upper.dir, upper.name, RENAME_EXCHANGE);
	return r < 0 ? r : isle_remove_if_there(copy.dir, copy.name);
}

/* --- directories above --- */

static int add_parent(struct settle *s, unsigned site, const char *upper, const char *host)
{
	auto_free char *key = NULL;
	auto_free char *value = NULL;
	int r;

	if (asprintf(&key, "%u %s", site, upper) < 0) {
		key = NULL;
		return -ENOMEM;
	}
	if (isle_map_get(&s->parents, key))
		return 1;
	value = strdup(host);
	r = value ? isle_map_set(&s->parents, key, value) : -ENOMEM;
	if (r >= 0)
		ptr_take(&value);
	return r;
}

/* All directories above upper, up to the layer's root; stops at one that is known. Now that all is done the host has
 * them where the view has. */
static int add_parents(struct settle *s, const struct isle_action *action)
{
	auto_free char *upper = strdup(action->upper);
	auto_free char *host = upper ? isle_path_join(s->tx->plan->sites[action->site].path, upper) : NULL;
	char *up;
	int r = 0;

	if (!host)
		return -ENOMEM;
	while (r == 0 && (up = strrchr(upper, '/'))) {
		*up = '\0';
		*strrchr(host, '/') = '\0';
		r = add_parent(s, action->site, upper, host);
	}
	return r < 0 ? r : 0;
}

static int collect(struct settle *s)
{
	const struct isle_plan *plan = s->tx->plan;
	size_t i;
	int r = 0;

	for (i = 0; i < plan->action_count && r >= 0; i++) {
		const struct isle_action *action = &plan->actions[i];
		bool made = action->prepare == ISLE_PREPARE_MKDIR ||
			    (action->kind == ISLE_ACTION_PLACE && S_ISDIR(action->new.mode));

		if (action->kind > ISLE_ACTION_DROP || (action->flags & ISLE_ACTION_FILE) ||
		    s->tx->sites[action->site].taken)
			continue;
		r = isle_map_set(&s->committed, action->path, s);
		if (r >= 0 && action->upper)
			r = add_parents(s, action);
		if (r >= 0 && made)
			r = isle_map_set(&s->made, action->path, s);
		if (r >= 0 && action->upper && made)
			r = add_parent(s, action->site, action->upper, action->path);
	}
	return r < 0 ? r : 0;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sort_parents(struct settle *s)
{
	size_t i;

	s->sorted = calloc(s->parents.count + 1, sizeof(*s->sorted));
	if (!s->sorted)
		return -ENOMEM;
	for (i = 0; i < s->parents.room; i++)
		if (s->parents.slots[i].key)
			s->sorted[s->count++] = s->parents.slots[i].key;
	qsort(s->sorted, s->count, sizeof(*s->sorted), compare_keys);
	return 0;
}

/* > 0 if it is. */
static int is_opaque(int dir, const char *name, const char *prefix)
{
	char key[64], value[4];
	ssize_t n;

	snprintf(key, sizeof(key), "%sopaque", prefix);
	n = isle_xattr_get(dir, name, key, value, sizeof(value));
	if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP && n != -ERANGE)
		return (int)n;
	return n == 1 && value[0] == 'y';
}

static int set_opaque(int dir, const char *name, const char *prefix, bool opaque)
{
	char key[64];
	int r;

	snprintf(key, sizeof(key), "%sopaque", prefix);
	r = opaque ? isle_xattr_set(dir, name, key, "y", 1) : isle_xattr_remove(dir, name, key);
	return r == -ENODATA ? 0 : r;
}

/* One name that the host has in a directory that was opaque. */
static int uncover(struct settle *s, int upper, const char *host_path, const char *name, int host, const char *prefix)
{
	auto_free char *path = isle_path_join(host_path, name);
	struct isle_stat above, below;
	int r;

	if (!path)
		return -ENOMEM;
	r = isle_look(upper, name, &above);
	if (r < 0)
		return r;
	if (r > 0) {
		r = isle_look(host, name, &below);
		if (r > 0 && S_ISDIR(above.mode) && S_ISDIR(below.mode) && !isle_map_get(&s->made, path))
			return set_opaque(upper, name, prefix, true);
		return r < 0 ? r : 0;
	}
	if (isle_map_get(&s->committed, path))
		return 0;
	return mknodat(upper, name, S_IFCHR, 0) < 0 && errno != EEXIST ? -errno : 0;
}

static int uncover_all(struct settle *s, int upper, const char *host_path, const char *prefix)
{
	auto_fd int fd = isle_walk(s->tx->host.root, host_path + 1, O_RDONLY | O_DIRECTORY);
	int r = fd < 0 ? fd : 0;
	auto_dir DIR *stream = fd < 0 ? NULL : isle_open_entries(fd, ".", &r);
	const struct dirent *entry;

	if (!stream)
		return isle_is_gone(r) ? 0 : r;
	while ((entry = isle_next_entry(stream, &r)))
		r = uncover(s, upper, host_path, entry->d_name, dirfd(stream), prefix);
	return r;
}

static int settle_directory(struct settle *s, const char *key)
{
	unsigned site = (unsigned)strtoul(key, NULL, 10);
	const char *prefix = isle_site_prefix(&s->tx->plan->sites[site]);
	struct isle_action where = {.site = site, .upper = strchr(key, ' ') + 1};
	struct isle_spot upper;
	auto_fd int fd = -1;
	int r = isle_spot_upper(s->tx, &where, &upper);

	if (r < 0)
		return isle_is_gone(r) ? 0 : r;
	r = is_opaque(upper.dir, upper.name, prefix);
	if (r <= 0)
		return isle_is_gone(r) ? 0 : r;
	fd = openat(upper.dir, upper.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = uncover_all(s, fd, isle_map_get(&s->parents, key), prefix);
	return r < 0 ? r : set_opaque(upper.dir, upper.name, prefix, false);
}

static void remove_if_empty(struct settle *s, const char *key)
{
	struct isle_action where = {.site = (unsigned)strtoul(key, NULL, 10), .upper = strchr(key, ' ') + 1};
	struct isle_spot upper;

	if (isle_spot_upper(s->tx, &where, &upper) >= 0 && upper.name[0] != '\0')
		unlinkat(upper.dir, upper.name, AT_REMOVEDIR);
	isle_dirs_forget(&s->tx->sites[where.site].upper);
}

static int settle_object(struct isle_transaction *tx, size_t i)
{
	const struct isle_action *action = &tx->plan->actions[i];
	int r = remove_index(tx, action);

	if (tx->sites[action->site].taken)
		return r;
	if (r >= 0 && leaves_source(action))
		r = keep_source(tx, i);
	if (r >= 0)
		r = remove_whiteout(tx, action);
	if (r >= 0)
		r = remove_redirect(tx, action);
	if (r >= 0)
		r = refresh_file(tx, i);
	return r < 0 ? r : renew_kept(tx, i);
}

static int settle_objects(struct isle_transaction *tx)
{
	size_t i;

	for (i = 0; i < tx->plan->action_count; i++) {
		int r = settle_object(tx, i);

		if (r < 0)
			return isle_err_errno(tx->err, r, "cannot take '%s' out of the isle",
					      isle_quote(tx->plan->actions[i].path));
	}
	return 0;
}

/* Names that are what the host has. What has been put there since is another object. */
static int settle_leaving(struct isle_transaction *tx)
{
	for (size_t i = 0; i < tx->plan->leaving_count; i++) {
		const struct isle_leaving *leaving = &tx->plan->leaving[i];
		struct isle_action where = {.site = leaving->site, .upper = leaving->upper};
		struct isle_spot upper;
		struct isle_stat st;
		int r = tx->sites[leaving->site].taken ? -ENOENT : isle_spot_upper(tx, &where, &upper);

		if (r >= 0)
			r = isle_look(upper.dir, upper.name, &st);
		if (r > 0 && st.ino == leaving->ino)
			r = isle_remove_name(upper.dir, upper.name, 0);
		if (r < 0 && !isle_is_gone(r))
			return isle_err_errno(tx->err, r, "cannot take '%s' out of the isle",
					      isle_quote(leaving->upper));
	}
	return 0;
}

int isle_settle(struct isle_transaction *tx)
{
	auto_settle struct settle s = {.tx = tx};
	size_t i;
	int r;

	if (tx->plan->kind == ISLE_OPERATION_UNDO || !tx->isle)
		return 0;
	r = settle_objects(tx);
	if (r >= 0)
		r = settle_leaving(tx);
	if (r >= 0)
		r = collect(&s);
	if (r >= 0)
		r = sort_parents(&s);
	for (i = 0; i < s.count && r >= 0; i++)
		r = settle_directory(&s, s.sorted[i]);
	if (r < 0)
		return isle_err_errno(tx->err, r, "cannot settle the isle's layers");
	for (i = s.count; tx->plan->whole && i-- > 0;)
		remove_if_empty(&s, s.sorted[i]);
	return 0;
}
