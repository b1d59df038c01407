/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a run: the isle is either free, then it is mounted by a new keeper, or mounted, then the run joins.
 *
 * Who holds the lock decides. A lock that is held without anybody listening belongs to a keeper that is just starting
 * or ending, or to a commit: that is waited for, for a while. A keeper that ends while we join closes the connection
 * without an answer, and we begin again.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "boot.h"
#include "keeper.h"
#include "kernel.h"
#include "life.h"
#include "live.h"
#include "quote.h"
#include "supervise.h"
#include "talk.h"
#include "walls.h"
#include "wire.h"

enum { STALE_PLANS = 3, PATIENCE_MS = 15000, PAUSE_US = 1000, ANSWER_MS = 1000 };

/* What cannot differ between runs that share a mounted view, as one line. */
static int describe(const struct isle_run_options *o, struct isle_buf *out)
{
	isle_buf_addf(out, "net=%d flags=%u host=%s", (int)o->net, o->flags & (ISLE_RUN_DURABLE | ISLE_RUN_NEST),
		      o->hostname == NULL ? "" : o->hostname);
	for (const char *const *p = o->write; p != NULL && *p != NULL; p++)
		isle_buf_addf(out, "\nwrite=%s", *p);
	for (const char *const *p = o->hide; p != NULL && *p != NULL; p++) {
		auto_free char *real = realpath(*p, NULL); /* a link can lead elsewhere by now */

		isle_buf_addf(out, "\nhide=%s", *p);
		if (real != NULL && strcmp(real, *p) != 0)
			isle_buf_addf(out, " -> %s", real);
	}
	return isle_buf_error(out);
}

/* Notes, or compares, the options of a mounted isle. */
static int note_options(const struct isle *isle, const struct isle_run_options *options)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = describe(options, &text);

	if (r >= 0)
		r = isle_boot_note(isle, "options", text.data);
	if (r >= 0)
		r = isle_boot_note(isle, "mounted", (options->flags & ISLE_RUN_DURABLE) != 0 ? "durable" : "volatile");
	return r;
}

static int compare_options(const struct isle *isle, const struct isle_run_options *options, struct isle_err *err)
{
	auto_buf struct isle_buf text = ISLE_BUF_INIT;
	int r = describe(options, &text);

	if (r < 0)
		return isle_err_errno(err, r, "cannot join isle '%s'", isle->name);
	if (isle_boot_same(isle, "options", text.data))
		return 0;
	isle_err_text(err, -EBUSY, "isle '%s' is in use with other options (--net, --write, --hide, --hostname, ...)",
		      isle->name);
	isle_err_hint(err, "use the same options, or wait until its programs have ended");
	return -EBUSY;
}

/* Mounts the isle. Returns the connection to the leader-to-be of the first run. */
static int start(struct isle_store *store, struct isle *isle, const struct isle_run_options *options, int lock,
		 struct isle_err *err)
{
	auto_view struct isle_view view = ISLE_VIEW_INIT;
	int pair[2];
	bool unclean = isle_boot_is_mounted(isle);	 /* a keeper was killed, or the machine went down */
	int r = isle_life_await_keeper(isle, lock, err); /* asks for the boot of that mount */

	if (r >= 0)
		r = isle_boot_check(isle, err);
	if (r >= 0)
		r = isle_view_plan(store, isle, options, &view, err);
	if (r < 0)
		return r;
	if (unclean)
		isle_view_settle(isle, &view);
	r = note_options(isle, options);
	if (r < 0)
		return isle_err_errno(err, r, "cannot write to isle '%s'", isle->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return isle_err_errno(err, -errno, "cannot make a socket");
	auto_fd int ours = pair[0];
	auto_fd int theirs = pair[1];
	for (size_t i = 0; i < view.layers.count; i++)
		if (view.layers.list[i].place != NULL)
			isle_verbose("changes in %s are kept in %s", isle_quote(view.layers.list[i].path),
				     isle_quote(view.layers.list[i].place));
	const struct isle_keeper_options keeper = {store, isle, &view, options, lock, theirs, ours};
	r = isle_keeper_start(&keeper, err);
	return r < 0 ? r : fd_take(&ours);
}

static int join(const struct isle *isle, const struct isle_run_options *options)
{
	auto_fd int connection = isle_live_connect(isle);
	uint32_t linger = (uint32_t)(options->linger * 1000);

	if (connection < 0)
		return connection;
	int r = isle_wire_send(connection, ISLE_WIRE_JOIN, &linger, sizeof(linger));
	return r < 0 ? r : fd_take(&connection);
}

static int reach(struct isle_store *store, struct isle *isle, const struct isle_run_options *options, bool *ret_joined,
		 struct isle_err *err)
{
	for (unsigned waited = 0;; waited++) {
		auto_fd int lock = isle_lock(isle, ISLE_LOCK_NOWAIT, err);

		*ret_joined = lock < 0;
		if (lock >= 0)
			return start(store, isle, options, lock, err);
		if (lock != -EBUSY)
			return lock;
		int connection = join(isle, options);
		if (connection >= 0) {
			int r = compare_options(isle, options, err);

			if (r < 0)
				close(connection);
			return r < 0 ? r : connection;
		}
		if (waited * (PAUSE_US / 1000) >= PATIENCE_MS)
			return lock;
		usleep(PAUSE_US);
	}
}

/* A start that failed for the want of a wall says which one, and how to get it. Finding out takes some milliseconds. */
static int explain(const struct isle_store *store, const struct isle_run_options *options, int code,
		   struct isle_err *err)
{
	unsigned needed = ISLE_WALL_USERNS | ISLE_WALL_MOUNTNS | ISLE_WALL_PIDNS | ISLE_WALL_IPCNS | ISLE_WALL_UTSNS |
			  ISLE_WALL_CGROUPNS;

	if (err == NULL || err->hint[0] != '\0' ||
	    (code != -EPERM && code != -EACCES && code != -EINVAL && code != -ESTALE && code != -ENOSYS &&
	     code != -ENOSPC && code != -EUSERS && code != -ENODEV))
		return code;
	if (options->net != ISLE_NET_HOST)
		needed |= ISLE_WALL_NETNS;
	if (code != -ENOSPC) /* a limit on namespaces, or a full disk */
		needed |= ISLE_WALL_OVERLAY;
	isle_walls_place(isle_store_path(store));
	unsigned missing = needed & ~isle_walls_probe();
	if (missing == 0)
		return code;
	isle_wall_explain(missing & -missing, err);
	return isle_err_prefix(err, code, "cannot isolate");
}

/* The filter of the network is put up with the network, when CMD makes its first socket. That is late to refuse a run
 * that demands it: so it is tried before. With --net none there is nothing to filter. */
static int demand_netfilter(const struct isle_store *store, const struct isle_run_options *options,
			    struct isle_err *err)
{
	if ((options->require & ISLE_WALL_NETFILTER) == 0 || options->net != ISLE_NET_INTERNET)
		return 0;
	isle_walls_place(isle_store_path(store));
	if ((isle_walls_probe() & ISLE_WALL_NETFILTER) != 0)
		return 0;
	isle_wall_explain(ISLE_WALL_NETFILTER, err);
	return isle_err_prefix(err, -EPROTONOSUPPORT, "the demanded protection 'netfilter' cannot be had here");
}

int isle_run(struct isle_store *store, struct isle *isle, const struct isle_run_options *options,
	     struct isle_run_result *ret_result, struct isle_err *err)
{
	int demanded = demand_netfilter(store, options, err);
	unsigned stale = 0;

	if (demanded < 0)
		return demanded;
	for (unsigned attempt = 0; attempt < 100; attempt++) {
		bool joined = false;
		auto_fd int connection = reach(store, isle, options, &joined, err);

		if (connection < 0)
			return explain(store, options, connection, err);
		isle_verbose("%s isle '%s' (%s) of the store %s", joined ? "joining the mounted" : "mounting",
			     isle->name, isle->id, isle_quote(isle_store_path(store)));
		int r = isle_supervise(isle, options, connection, ret_result, err);
		if (r == -ECONNRESET && !joined)
			return isle_err_text(err, r, "isle '%s' was ended from outside before the program began",
					     isle->name);
		/* Something was mounted, or exchanged, on the host between the plan and the mounts. */
		if (r == -ESTALE && !joined && ++stale < STALE_PLANS)
			continue;
		if (r != -ECONNRESET)
			return r < 0 && !joined ? explain(store, options, r, err) : r;
	}
	return isle_err_text(err, -EBUSY, "isle '%s' starts and ends again and again", isle->name);
}

/* The keeper's answer. One that somebody has stopped gives none until it is continued. */
static int receive_answer(const struct isle *isle, int connection, struct isle_wire_message *ret_message)
{
	struct pollfd answer = {.fd = connection, .events = POLLIN};

	while (poll(&answer, 1, ANSWER_MS) <= 0)
		isle_life_wake_keeper(isle);
	return isle_wire_receive(connection, ret_message);
}

void isle_rest(const struct isle *isle)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	auto_fd int connection = isle_live_connect(isle);

	if (connection >= 0 && isle_wire_send(connection, ISLE_WIRE_REST, NULL, 0) >= 0)
		isle_ignore(receive_answer(isle, connection, &m));
}

int isle_refresh(const struct isle *isle, struct isle_err *err)
{
	auto_message struct isle_wire_message m = ISLE_WIRE_MESSAGE_INIT;
	auto_fd int connection = isle_live_connect(isle);
	int32_t result = -EPROTO;

	if (connection < 0)
		return -ENOTCONN;
	int r = isle_wire_send(connection, ISLE_WIRE_REFRESH, NULL, 0);
	if (r >= 0)
		r = receive_answer(isle, connection, &m) <= 0 ? -ECONNRESET : 0;
	if (r >= 0 && m.type == ISLE_WIRE_RESULT && m.size == sizeof(result))
		memcpy(&result, m.data, sizeof(result));
	if (r < 0 || result < 0)
		return isle_err_errno(err, r < 0 ? r : result, "cannot refresh isle '%s'", isle->name);
	return 0;
}
