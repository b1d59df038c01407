/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be on the disk before an operation goes on.
 *
 * A commit syncs whole file systems, since the data that it puts on the host can be anywhere in them. A discard and its
 * undo only move names, and must not pay for all the data that is dropped: on a file system whose journal is written in
 * order, one fsync(2) of a directory makes every change of names durable that came before.
 */
#include "path.h"
#include "subtree.h"
#include "transaction_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

struct syncer {
	struct isle_transaction *tx;
	bool names_only;
	dev_t *seen;
	size_t count;
};

bool isle_plan_touches_host(const struct isle_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->action_count; i++)
		if (plan->actions[i].kind < ISLE_ACTION_DROP)
			return true;
	return false;
}

/* Notes the file system of fd. 1: it was not known. */
static int note(struct syncer *s, int fd)
{
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (i = 0; i < s->count; i++)
		if (s->seen[i] == st.st_dev)
			return 0;
	s->seen[s->count++] = st.st_dev;
	return 1;
}

static bool journals_names_in_order(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC);
}

static int sync_fs(const struct syncer *s, int fd)
{
	if (!s->names_only || !journals_names_in_order(fd))
		return syncfs(fd) < 0 ? -errno : 0;
	/* Its own change has to be the last. */
	return futimens(fd, NULL) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_once(struct syncer *s, int fd)
{
	int r = note(s, fd);

	return r <= 0 ? r : sync_fs(s, fd);
}

/* The place of a site's layer, and the host's directory. */
static int sync_site(struct syncer *s, const struct isle_site *site, unsigned what)
{
	struct isle_transaction *tx = s->tx;
	auto_fd int host = -1;
	int r = 0;

	if (site->place) {
		auto_fd int parking = isle_parking_open(tx->store, tx->plan, site, tx->id, 0);

		r = parking >= 0 ? sync_once(s, parking) : 0;
	}
	if (r < 0 || s->names_only || !(what & ISLE_SYNC_HOST))
		return r;
	host = isle_walk(tx->host.root, site->path + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (host >= 0)
		return sync_once(s, host);
	sync(); /* not readable for this user */
	return 0;
}

static int sync_sites(struct syncer *s, unsigned what)
{
	const struct isle_plan *plan = s->tx->plan;
	auto_free bool *used = calloc(plan->site_count + 1, sizeof(*used));
	size_t i;
	int r = 0;

	if (!used)
		return -ENOMEM;
	for (i = 0; i < plan->action_count; i++)
		used[plan->actions[i].site] = true;
	for (i = 0; i < plan->site_count && r >= 0; i++)
		if (used[i])
			r = sync_site(s, &plan->sites[i], what);
	return r;
}

int isle_tx_sync(struct isle_transaction *tx, unsigned what)
{
	auto_free dev_t *seen = calloc(2 * tx->plan->site_count + 1, sizeof(*seen));
	auto_fd int record = isle_tx_record_dir(tx->store, tx->id, 0);
	struct syncer s = {.tx = tx, .names_only = !isle_plan_touches_host(tx->plan), .seen = seen};
	int r;

	if (!seen)
		return -ENOMEM;
	if (record == -ENOENT) /* interrupted before it was made */
		record = openat(isle_store_fd(tx->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (record < 0)
		return -errno;
	r = note(&s, record);
	if (r >= 0)
		r = sync_sites(&s, what);
	if (r >= 0 && (what & ISLE_SYNC_STORE))
		r = sync_fs(&s, record);
	return r;
}
