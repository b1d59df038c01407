/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user who gives controls the directories, the objects and the list; root has seen the list. So that nothing else
 * comes of it:
 *
 * 1. Directories are walked without following a symbolic link, and each object is held by an O_PATH descriptor: what is
 *    looked at is what gets the owner (apply_meta() in step.c).
 * 2. It must be the user's own, with type and mode as root has seen them: whatever was put in its place, it is not
 *    somebody else's. Nothing with a set-user-ID or set-group-ID bit or file capabilities is given, and nothing with
 *    an access control list, which the list does not show.
 * 3. All names of a file must be in the list: no other stays behind.
 * 4. Nobody may have a file open for writing, which would go on after it was given: a read lease (fcntl(2)) is refused
 *    then, and broken by whoever opens it later. It is taken before the look and must still be whole at the end; else
 *    all is taken back. Where a file system has no leases this is left out.
 * 5. Between look and change the step compares the change time: no link, content, mode or ACL has changed.
 *
 * The rest is a plan of META actions, with all that transaction.c promises.
 */
#include "owners.h"
#include "dirs.h"
#include "io.h"
#include "meta.h"
#include "path.h"
#include "quote.h"
#include "select.h"
#include "subtree.h"
#include "transaction.h"
#include "xattr.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { OTHER_DESCRIPTORS = 256 };

struct gift {
	const struct isle_wish *wish;
	struct isle_stat now;
	int lease; /* a descriptor, or -1 */
};

struct give {
	const struct isle_giving *giving;
	struct isle_dirs host;
	struct gift *gifts;
	size_t count;
	struct isle_commit_result *result;
	struct isle_err *err;
};

static void give_done(struct give *g)
{
	for (size_t i = 0; i < g->count; i++)
		isle_cleanup_fd(&g->gifts[i].lease);
	free(g->gifts);
	isle_dirs_done(&g->host);
}
#define auto_give __attribute__((cleanup(give_done)))

/* --- what a plan puts where --- */

/* With all that is below it. */
static bool puts_tree(const struct isle_action *action)
{
	return (action->kind == ISLE_ACTION_CREATE || action->kind == ISLE_ACTION_EXCHANGE) &&
	       action->prepare != ISLE_PREPARE_MKDIR;
}

int isle_plan_places(const struct isle_plan *plan, struct isle_map *ret_places)
{
	auto_map struct isle_map places = ISLE_MAP_INIT;
	int r = 0;

	for (size_t i = 0; i < plan->action_count && r >= 0; i++) {
		struct isle_action *action = &plan->actions[i];

		if (action->kind != ISLE_ACTION_REMOVE && action->kind != ISLE_ACTION_TAKE &&
		    action->kind < ISLE_ACTION_DROP && action->compose == ISLE_COMPOSE_NONE)
			r = isle_map_set(&places, action->path, action);
	}
	if (r < 0)
		return r;
	*ret_places = places;
	places = ISLE_MAP_INIT;
	return 0;
}

bool isle_places_have(const struct isle_map *places, const char *path)
{
	auto_free char *above = strdup(path);
	char *slash;

	if (!above || isle_map_get(places, path))
		return above != NULL;
	while ((slash = strrchr(above, '/')) && slash > above) {
		const struct isle_action *action;

		*slash = '\0';
		action = isle_map_get(places, above);
		if (action && puts_tree(action))
			return true;
	}
	return false;
}

/* --- looking --- */

static int refuse(struct give *g, const struct isle_wish *wish, const char *kind, const char *why)
{
	struct isle_finding *finding;
	int r = isle_finding_add(&g->result->conflicts, wish->path, kind, &finding, "%s", why);

	return r < 0 ? isle_err_errno(g->err, r, "cannot give owners") : 0;
}

/* A lease on what the O_PATH descriptor holds; -1 in *ret_lease where there are none. -EAGAIN: it is open for
 * writing. */
static int take_lease(int object, int *ret_lease)
{
	char proc[64];
	auto_fd int fd = -1;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", object);
	fd = open(proc, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN || errno == ENOMEM ? -errno : 0;
	*ret_lease = fd_take(&fd);
	return 0;
}

static bool has(int object, const char *attribute)
{
	return isle_xattr_get(object, "", attribute, NULL, 0) >= 0;
}

/* NULL: it can be given. */
static const char *what_is_wrong(const struct give *g, const struct gift *gift, int object)
{
	const struct isle_stat *now = &gift->now;

	if (now->uid != g->giving->uid)
		return "it belongs to somebody else";
	if (now->mode != gift->wish->mode)
		return "its type or mode is not what was shown";
	if ((now->mode & (S_ISUID | S_ISGID)) != 0 || has(object, "security.capability"))
		return "it has power of its own (set-user-ID, set-group-ID, capabilities)";
	if (has(object, "system.posix_acl_access") || has(object, "system.posix_acl_default"))
		return "it has an access control list, which was not shown";
	return NULL;
}

/* 1: it is to be given, 0: not, or refused. */
static int look_at(struct give *g, const struct isle_wish *wish, struct gift *gift)
{
	const char *name, *wrong;
	int dir = isle_dirs_parent(&g->host, wish->path, &name);
	auto_fd int object = dir < 0 ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = dir < 0 ? dir : object < 0 ? -errno : 0;

	if (isle_is_gone(r))
		return refuse(g, wish, "deleted", "it is not there, or behind a symbolic link");
	if (r >= 0 && S_ISREG(wish->mode))
		r = isle_look(object, "", &gift->now);
	if (r >= 0 && S_ISREG(gift->now.mode) && gift->now.uid == g->giving->uid)
		r = take_lease(object, &gift->lease);
	if (r == -EAGAIN)
		return refuse(g, wish, "changed", "it is open for writing");
	if (r >= 0)
		r = isle_look(object, "", &gift->now);
	if (r < 0)
		return isle_err_errno(g->err, r, "cannot look at '%s'", isle_quote(wish->path));
	wrong = what_is_wrong(g, gift, object);
	if (wrong)
		return refuse(g, wish, "changed", wrong);
	return gift->now.uid != wish->uid || gift->now.gid != wish->gid;
}

static int compare_objects(const void *a, const void *b)
{
	const struct isle_stat *x = &((const struct gift *)a)->now, *y = &((const struct gift *)b)->now;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The first of the names of one file stands for all; the others go. */
static int check_names(struct give *g, size_t first, size_t end)
{
	const struct gift *gift = &g->gifts[first];
	int r = 0;

	if (!S_ISDIR(gift->now.mode) && gift->now.nlink != end - first)
		return refuse(g, gift->wish, "changed", "it has other names, which are not given (hard links)");
	for (size_t i = first + 1; i < end && r >= 0; i++)
		if (gift->wish->uid != g->gifts[i].wish->uid || gift->wish->gid != g->gifts[i].wish->gid)
			r = refuse(g, g->gifts[i].wish, "changed",
				   "another of its names is to belong to somebody else");
	return r;
}

static int join_names(struct give *g)
{
	size_t kept = 0, end;
	int r = 0;

	if (g->count > 0)
		qsort(g->gifts, g->count, sizeof(*g->gifts), compare_objects);
	for (size_t i = 0; i < g->count && r >= 0; i = end) {
		for (end = i + 1; end < g->count && compare_objects(&g->gifts[i], &g->gifts[end]) == 0; end++)
			;
		r = check_names(g, i, end);
		for (size_t k = i + 1; k < end; k++) {
			isle_cleanup_fd(&g->gifts[k].lease);
			g->gifts[k].lease = -1;
		}
		if (kept != i) {
			g->gifts[kept] = g->gifts[i];
			g->gifts[i].lease = -1;
		}
		kept++;
	}
	if (r >= 0)
		g->count = kept;
	return r;
}

/* A lease needs an open file. */
static void allow_descriptors(size_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= count + OTHER_DESCRIPTORS)
		return;
	limit.rlim_cur = count + OTHER_DESCRIPTORS;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	isle_ignore(setrlimit(RLIMIT_NOFILE, &limit));
}

static int look_at_all(struct give *g)
{
	const struct isle_wishes *wishes = g->giving->wishes;
	int r = isle_dirs_init_host(&g->host);

	if (r < 0)
		return isle_err_errno(g->err, r, "/");
	g->gifts = calloc(wishes->count + 1, sizeof(*g->gifts));
	if (!g->gifts)
		return isle_err_errno(g->err, -ENOMEM, "cannot give owners");
	/* Who breaks a lease must not end this process. */
	isle_ignore(signal(SIGIO, SIG_IGN) == SIG_ERR);
	allow_descriptors(wishes->count);
	for (size_t i = 0; i < wishes->count; i++) {
		struct gift *gift = &g->gifts[g->count];

		*gift = (struct gift){.wish = &wishes->list[i], .lease = -1};
		r = look_at(g, &wishes->list[i], gift);
		if (r < 0 || r == 0)
			isle_cleanup_fd(&gift->lease);
		if (r < 0)
			return r;
		g->count += r > 0;
	}
	return join_names(g);
}

/* --- planning --- */

/* Durable is what one sync of each file system makes durable: a directory on it. */
static int find_site(struct isle_plan *plan, const struct gift *gift, uint64_t *devices, unsigned *ret_site)
{
	struct isle_site *site = &plan->sites[plan->site_count];
	char *slash;

	for (unsigned i = 0; i < plan->site_count; i++)
		if (devices[i] == gift->now.dev) {
			*ret_site = i;
			return 0;
		}
	site->user = true;
	site->path = strdup(gift->wish->path);
	if (!site->path)
		return -ENOMEM;
	slash = strrchr(site->path, '/');
	if (!S_ISDIR(gift->now.mode))
		slash[slash == site->path] = '\0';
	devices[plan->site_count] = gift->now.dev;
	*ret_site = (unsigned)plan->site_count++;
	return 0;
}

static struct isle_meta *new_meta(const struct isle_stat *st, uint32_t uid, uint32_t gid)
{
	struct isle_meta *meta = calloc(1, sizeof(*meta));

	if (!meta)
		return NULL;
	meta->st.stx_mode = (uint16_t)st->mode;
	meta->st.stx_uid = uid;
	meta->st.stx_gid = gid;
	meta->st.stx_size = st->size;
	meta->st.stx_mtime = st->mtime;
	return meta;
}

static int add_action(struct isle_plan *plan, const struct gift *gift, unsigned site)
{
	const struct isle_wish *wish = gift->wish;
	struct isle_action *action = isle_plan_add(plan);

	if (!action)
		return -ENOMEM;
	action->kind = ISLE_ACTION_META;
	action->change = ISLE_METADATA;
	action->what = ISLE_APPLY_OWNER;
	action->diff = ISLE_META_OWNER;
	action->site = site;
	action->pair = (uint32_t)(plan->action_count - 1);
	action->old = action->new = gift->now;
	action->path = strdup(wish->path);
	action->old_meta = new_meta(&gift->now, gift->now.uid, gift->now.gid);
	action->new_meta = new_meta(&gift->now, wish->uid, wish->gid);
	return action->path && action->old_meta && action->new_meta ? 0 : -ENOMEM;
}

static int build(struct give *g, struct isle_plan *plan)
{
	auto_free uint64_t *devices = calloc(g->count + 1, sizeof(*devices));
	unsigned site = 0;
	int r = 0;

	plan->kind = ISLE_OPERATION_COMMIT;
	plan->whole = true;
	plan->sites = calloc(g->count + 1, sizeof(*plan->sites));
	if (asprintf(&plan->isle_name, "%s/%s", g->giving->user, g->giving->wishes->isle) < 0)
		plan->isle_name = NULL;
	if (!devices || !plan->sites || !plan->isle_name)
		return -ENOMEM;
	for (size_t i = 0; i < g->count && r >= 0; i++) {
		r = find_site(plan, &g->gifts[i], devices, &site);
		if (r >= 0)
			r = add_action(plan, &g->gifts[i], site);
	}
	plan->summary.metadata = plan->summary.entries = g->count;
	if (r >= 0)
		r = isle_plan_sort(plan);
	return r < 0 ? r : isle_plan_identify(plan);
}

/* --- doing --- */

static int give_all(struct isle_store *store, struct give *g)
{
	auto_plan struct isle_plan plan = ISLE_PLAN_INIT;
	auto_fd int live = -1, lock = -1, host = -1;
	int64_t id = 0;
	int r = isle_operation_lock(store, NULL, 0, &live, &lock, g->err);

	if (r >= 0)
		r = look_at_all(g);
	if (r < 0)
		return r;
	g->result->outcome = g->result->conflicts.count > 0 ? ISLE_OUTCOME_CONFLICT : ISLE_OUTCOME_NOTHING;
	if (g->result->outcome == ISLE_OUTCOME_CONFLICT || g->count == 0)
		return 0;
	r = build(g, &plan);
	if (r < 0)
		return isle_err_errno(g->err, r, "cannot give owners");
	host = isle_host_lock();
	r = isle_transaction_run(store, NULL, &plan, &g->result->conflicts, &id, g->err);
	if (r == -ESTALE) {
		g->result->outcome = ISLE_OUTCOME_CONFLICT;
		return 0;
	}
	if (r < 0)
		return r == -EINPROGRESS ? r : isle_err_prefix(g->err, r, "no owner was given");
	g->result->summary = plan.summary;
	g->result->operation = (uint64_t)id;
	g->result->outcome = ISLE_OUTCOME_DONE;
	return 0;
}

static int check_leases(struct give *g)
{
	int r = 0;

	for (size_t i = 0; i < g->count && r >= 0; i++)
		if (g->gifts[i].lease >= 0 && fcntl(g->gifts[i].lease, F_GETLEASE) != F_RDLCK)
			r = refuse(g, g->gifts[i].wish, "changed", "it was opened for writing meanwhile");
	return r;
}

static int take_back(struct isle_store *store, struct give *g)
{
	auto_commit_result struct isle_commit_result undone = ISLE_COMMIT_RESULT_INIT;
	struct isle_commit_options options = {0};
	uint64_t id = g->result->operation;
	int r = isle_undo(store, id, &options, &undone, g->err);

	if (r < 0)
		return r;
	if (undone.outcome != ISLE_OUTCOME_DONE)
		return isle_err_text(g->err, -EBUSY,
				     "'%s' was opened for writing meanwhile, and operation %" PRIu64
				     " cannot be taken back: look at it",
				     isle_quote(g->result->conflicts.list[0].path), id);
	g->result->outcome = ISLE_OUTCOME_CONFLICT;
	return 0;
}

int isle_owners_give(struct isle_store *store, const struct isle_giving *giving, struct isle_commit_result *ret_result,
		     struct isle_err *err)
{
	auto_give struct give g = {.giving = giving, .host = ISLE_DIRS_INIT, .result = ret_result, .err = err};
	int r;

	*ret_result = ISLE_COMMIT_RESULT_INIT;
	r = give_all(store, &g);
	if (r < 0 || ret_result->outcome != ISLE_OUTCOME_DONE)
		return r;
	r = check_leases(&g);
	return r < 0 || ret_result->conflicts.count == 0 ? r : take_back(store, &g);
}
