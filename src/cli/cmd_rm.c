/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isle rm: all or nothing over its operands. Every isle is found, locked and looked through before the first is
 * taken away, so a misspelt name or a running isle leaves the others alone. While a question stands nothing is locked;
 * after it each isle must hold what it held.
 */
#include "change.h"
#include "digest.h"
#include "layer.h"
#include "quote.h"
#include "recovered.h"
#include "run.h"
#include "store.h"
#include "talk.h"
#include "verbs.h"
#include <errno.h>
#include <string.h>

static const struct isle_option options[] = {
	{"yes", 'y', NULL, "do not ask, though changes are lost", 'y'},
	{"quiet", 'q', NULL, "errors only", 'q'},
	{0},
};

struct target {
	struct isle *isle;
	int lock;
	size_t count; /* of changes that would be lost */
	char shown[ISLE_SHA256_HEX];
};

struct targets {
	struct target *list;
	int count;
};

static void targets_done(struct targets *targets)
{
	for (int i = 0; i < targets->count; i++) {
		isle_free(targets->list[i].isle);
		isle_cleanup_fd(&targets->list[i].lock);
	}
	free(targets->list);
}

#define auto_targets __attribute__((cleanup(targets_done)))

static bool have(const struct targets *targets, const struct isle *isle)
{
	for (int i = 0; i < targets->count; i++)
		if (strcmp(targets->list[i].isle->id, isle->id) == 0)
			return true;
	return false;
}

static int lock_isle(const struct isle *isle, struct isle_err *err)
{
	int lock;

	isle_rest(isle);
	lock = isle_lock(isle, ISLE_LOCK_NOWAIT, err);
	if (lock == -EBUSY)
		isle_err_hint(err, "end what runs in it first, or what commits it; 'isle list' tells its state");
	return lock < 0 ? isle_err_prefix(err, lock, "cannot remove '%s'", isle->name) : lock;
}

static int add_target(struct isle_store *store, const char *name, struct targets *targets, struct isle_err *err)
{
	auto_isle struct isle *isle = NULL;
	auto_fd int lock = -1;
	int r = isle_find(store, name, &isle, err);

	if (r < 0)
		return r;
	if (have(targets, isle))
		return 0;
	lock = lock_isle(isle, err);
	if (lock < 0)
		return lock;
	targets->list[targets->count++] = (struct target){.isle = ptr_take(&isle), .lock = fd_take(&lock)};
	return 0;
}

/* What would be lost; an isle that cannot be read counts as one that holds something. */
static void look(const struct isle_store *store, struct target *target)
{
	auto_layers struct isle_layers layers = ISLE_LAYERS_INIT;
	auto_changes struct isle_changes changes = ISLE_CHANGES_INIT;
	struct isle_err err = ISLE_ERR_INIT;

	target->count = 1;
	target->shown[0] = '\0';
	if (isle_layers_read(target->isle, &layers, &err) < 0 ||
	    isle_changes_scan(store, target->isle, &layers, ISLE_SCAN_INSIDE, &changes, &err) < 0) {
		isle_err_print(&err);
		return;
	}
	target->count = changes.count;
	isle_changes_digest(&changes, target->shown);
}

static int ask_about(const struct target *target, struct isle_err *err)
{
	const char *name = target->isle->name, *s = target->count == 1 ? "" : "s";

	if (!isle_can_ask()) {
		isle_err_hint(err, "'isle status %s' shows them; --yes removes it all the same", name);
		return isle_err_text(err, -ECANCELED, "isle '%s' holds %zu uncommitted change%s", name, target->count,
				     s);
	}
	if (!isle_ask("remove isle '%s' and its %zu uncommitted change%s?", name, target->count, s))
		return isle_err_text(err, -ECANCELED, "nothing was removed");
	return 0;
}

static int look_again(const struct isle_store *store, struct target *target, struct isle_err *err)
{
	struct target now = {.isle = target->isle};

	target->lock = lock_isle(target->isle, err);
	if (target->lock < 0)
		return target->lock;
	look(store, &now);
	if (now.count == target->count && strcmp(now.shown, target->shown) == 0)
		return 0;
	isle_err_hint(err, "'isle status %s' shows them", target->isle->name);
	return isle_err_text(err, -ESTALE,
			     "nothing was removed: the changes of isle '%s' are others than those asked "
			     "about",
			     target->isle->name);
}

static int ask(const struct isle_store *store, struct targets *targets, struct isle_err *err)
{
	int i, asked = 0, r = 0;

	for (i = 0; i < targets->count; i++) {
		look(store, &targets->list[i]);
		asked += targets->list[i].count > 0;
	}
	for (i = 0; i < targets->count && asked > 0; i++) {
		isle_cleanup_fd(&targets->list[i].lock);
		targets->list[i].lock = -1;
	}
	for (i = 0; i < targets->count && r >= 0; i++)
		if (targets->list[i].count > 0)
			r = ask_about(&targets->list[i], err);
	for (i = 0; i < targets->count && asked > 0 && r >= 0; i++)
		r = look_again(store, &targets->list[i], err);
	return r;
}

static int remove_all(struct isle_store *store, struct targets *targets)
{
	struct isle_err err = ISLE_ERR_INIT;

	for (int i = 0; i < targets->count; i++) {
		if (isle_remove(store, targets->list[i].isle, &err) < 0)
			return isle_fail(&err);
	}
	isle_note("removed %d isle%s; 'isle gc' frees the space", targets->count, targets->count == 1 ? "" : "s");
	return ISLE_EXIT_OK;
}

static int rm(char **names, int count, bool yes)
{
	auto_store struct isle_store *store = NULL;
	auto_targets struct targets targets = {0};
	struct isle_err err = ISLE_ERR_INIT;

	if (isle_store_open_recovered(&store, &err) < 0)
		return isle_fail(&err);
	targets.list = calloc((size_t)count, sizeof(*targets.list));
	if (!targets.list) {
		isle_err_errno(&err, -ENOMEM, "cannot remove isles");
		return isle_fail(&err);
	}
	for (int i = 0; i < count; i++)
		if (add_target(store, names[i], &targets, &err) < 0)
			return isle_fail(&err);
	if (!yes && ask(store, &targets, &err) < 0)
		return isle_fail(&err);
	return remove_all(store, &targets);
}

static int rm_main(int argc, char **argv)
{
	struct isle_args args;
	bool yes = false;
	int id;

	isle_args_init(&args, &isle_verb_rm, argc, argv);
	while ((id = isle_args_next(&args)) > 0) {
		if (id == 'y')
			yes = true;
		else
			isle_talk_set(ISLE_TALK_QUIET);
	}
	if (id < 0)
		return id == ISLE_ARGS_HELP ? ISLE_EXIT_OK : ISLE_EXIT_USAGE;
	if (!args.operand_count)
		return isle_usage(&isle_verb_rm, "needs the NAME of an isle");
	return rm(args.operands, args.operand_count, yes);
}

const struct isle_verb isle_verb_rm = {
	.name = "rm",
	.synopsis = "[-y] NAME...",
	.summary = "remove isles and the changes they hold",
	.more = "Asks on a terminal when an isle holds uncommitted changes; without one it then needs --yes.\n"
		"An isle in which something runs is refused. Either all are removed or none.",
	.options = options,
	.main = rm_main,
};
