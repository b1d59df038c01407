/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename(2) and link(2) in the view of an ordinary user.
 *
 * Its overlays cannot move a directory that the host has (no redirects in a user namespace), and are several where the
 * host has one file system. Both are EXDEV, which natively is not to be had there. Then
 *
 *   the new tree is made under a name of its own beside the new place --> put in place by one rename --> the old
 *   one removed
 *
 * 1. Whoever looks sees the old name, for a moment both, then the new one; never neither, and the new one always whole.
 *    What would change names waits meanwhile, whoever of the run calls: nothing that is made in the old tree is lost.
 * 2. Within one overlay the kernel is asked first, and finds every error that it would find natively. Between two the
 *    checks are made here, in the kernel's order.
 * 3. Anything that fails before the new tree is in place leaves things as they were. When the old one cannot be removed
 *    after that, what is gone of it is brought back.
 * 4. A large tree is moved by a child, so that all other calls of the run go on (guide->move). One at a time: renames
 *    wait, too.
 * 5. Only a user's runs come here: supervisor and program have the same rights on files.
 */
#include "repair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel.h"
#include "layer.h"
#include "names.h"
#include "path.h"
#include "peer.h"
#include "trap.h"
#include "worker.h"

struct rename {
	struct isle_guide *guide;
	const struct isle_repair_place *from, *to;
	unsigned flags;	    /* of renameat2(2) */
	unsigned how_carry; /* enum isle_carry_flags */
};

typedef char temporary_name[40];

static void choose_name(temporary_name name)
{
	uint64_t number = 0;

	isle_ignore(getrandom(&number, sizeof(number), 0));
	snprintf(name, sizeof(temporary_name), ".isle-moving.%016" PRIx64, number);
}

static bool is_there(const struct isle_repair_place *place)
{
	return place->st.stx_mode != 0;
}

static bool is_directory(const struct isle_repair_place *place)
{
	return S_ISDIR(place->st.stx_mode);
}

/* Whether the directory has a part on the host. */
static bool is_of_host(struct isle_guide *guide, const struct isle_repair_place *place)
{
	char host[PATH_MAX];

	if (!is_directory(place))
		return false;
	if (guide->events == NULL) /* nobody says when a directory comes or goes */
		isle_origins_forget(&guide->origins);
	return isle_origin_find(&guide->origins, place->view, host, sizeof(host)) != ISLE_ORIGIN_OWN;
}

/* The mount of the host that shows in the view at this place; 0: it cannot be told. */
static uint64_t host_mount(const struct isle_guide *guide, const struct isle_repair_place *place)
{
	const struct isle_layer *layer = isle_layers_find(&guide->origins.layers, place->view);
	struct statx st;

	return layer == NULL || isle_statx(AT_FDCWD, layer->path, &st) < 0 ? 0 : st.stx_mnt_id;
}

/* Two overlays that are one mount on the host. */
static bool host_would(const struct isle_guide *guide, const struct isle_repair_place *from,
		       const struct isle_repair_place *to)
{
	uint64_t mount = host_mount(guide, from);

	return mount != 0 && mount == host_mount(guide, to);
}

/* One that cannot be read is left to the kernel, when it comes to be replaced. */
static bool has_entries(const struct isle_repair_place *place)
{
	auto_fd int dir = openat(place->dir, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool empty = true;

	return dir >= 0 && isle_names_empty(dir, &empty) >= 0 && !empty;
}

/* A mount point that is one on the host as well. */
static bool is_fixed(const struct rename *n, const struct isle_repair_place *place)
{
	return isle_repair_is_mount_point(place) && !isle_repair_can_take_off(n->guide, place);
}

/* What a rename over an existing entry needs; flags as of renameat2(2). */
static int may_replace(const struct rename *n)
{
	bool swap = (n->flags & RENAME_EXCHANGE) != 0;

	if ((n->flags & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	int r = isle_repair_may_remove(n->to);
	if (r < 0)
		return r;
	if (!swap && is_directory(n->from) != is_directory(n->to))
		return is_directory(n->to) ? -EISDIR : -ENOTDIR;
	if (is_fixed(n, n->to))
		return -EBUSY;
	return !swap && is_directory(n->to) && has_entries(n->to) ? -ENOTEMPTY : 0;
}

/* A directory that gets another parent is written to. */
static int may_leave(const struct rename *n, const struct isle_repair_place *place)
{
	size_t from = strlen(n->from->view) - strlen(n->from->name);
	size_t to = strlen(n->to->view) - strlen(n->to->name);

	if (from == to && strncmp(n->from->view, n->to->view, from) == 0)
		return 0;
	return is_directory(place) && faccessat(place->dir, place->name, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Only directories can be named with a slash at the end. */
static int may_have_slash(const struct rename *n)
{
	bool swap = (n->flags & RENAME_EXCHANGE) != 0;

	if (!is_directory(n->from) && (n->from->slash || (!swap && n->to->slash)))
		return -ENOTDIR;
	return swap && !is_directory(n->to) && n->to->slash ? -ENOTDIR : 0;
}

/* What the kernel would check, had it come so far: between two overlays it says EXDEV first. */
static int may_move(const struct rename *n)
{
	bool swap = (n->flags & RENAME_EXCHANGE) != 0;

	if (!is_there(n->from) || (swap && !is_there(n->to)))
		return -ENOENT;
	if (isle_path_below(n->to->view, n->from->view))
		return -EINVAL;
	if (isle_path_below(n->from->view, n->to->view))
		return swap ? -EINVAL : -ENOTEMPTY;
	int r = may_have_slash(n);
	if (r >= 0)
		r = isle_repair_may_remove(n->from);
	if (r >= 0 && is_there(n->to))
		r = may_replace(n);
	else if (r >= 0 && faccessat(n->to->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	if (r >= 0)
		r = may_leave(n, n->from);
	if (r >= 0 && swap)
		r = may_leave(n, n->to);
	return r >= 0 && is_fixed(n, n->from) ? -EBUSY : r;
}

/* Puts dir/name in the place of to, an old file there into dir/name. */
static int put_in_place(const struct rename *n, const char *name)
{
	bool file = is_there(n->to) && !is_directory(n->to);
	unsigned flags = file ? RENAME_EXCHANGE : n->flags & RENAME_NOREPLACE;

	if (isle_repair_is_mount_point(n->to)) {
		int r = isle_repair_take_off(n->guide, n->to, 0);

		if (r < 0)
			return r;
	}
	return isle_renameat2(n->to->dir, name, n->to->dir, n->to->name, flags);
}

/* The new place has it all; the old one may have lost a part. */
static int take_back(const struct rename *n, int why)
{
	int r = isle_carry(n->to->dir, n->to->name, n->from->dir, n->from->name,
			   (n->how_carry & ~(unsigned)ISLE_CARRY_FEW) | ISLE_CARRY_BACK);

	if (r >= 0)
		isle_ignore(isle_remove_if_there(n->to->dir, n->to->name));
	return why;
}

static int remove_old(const struct rename *n)
{
	if (isle_repair_is_mount_point(n->from))
		return isle_repair_take_off(n->guide, n->from, ISLE_TAKE_OFF_ALL);
	return isle_remove_tree(n->from->dir, n->from->name);
}

static int move(const struct rename *n)
{
	temporary_name name;

	choose_name(name);
	int r = isle_carry(n->from->dir, n->from->name, n->to->dir, name, n->how_carry);
	if (r < 0)
		return r;
	r = put_in_place(n, name);
	if (r >= 0) {
		r = remove_old(n);
		if (r < 0)
			r = take_back(n, r);
	}
	isle_ignore(isle_remove_if_there(n->to->dir, name));
	return r;
}

/* dir/name takes the place of place, which is removed. */
static int replace(const struct rename *n, const struct isle_repair_place *place, const char *name)
{
	int r;

	if (isle_repair_is_mount_point(place)) {
		r = isle_repair_take_off(n->guide, place, ISLE_TAKE_OFF_ALL);
		return r < 0 ? r : isle_renameat2(place->dir, name, place->dir, place->name, RENAME_NOREPLACE);
	}
	r = isle_renameat2(place->dir, name, place->dir, place->name, RENAME_EXCHANGE);

	if (r >= 0)
		return isle_remove_if_there(place->dir, name);
	if (r != -EXDEV)
		return r;
	r = isle_remove_tree(place->dir, place->name);
	return r < 0 ? r : isle_renameat2(place->dir, name, place->dir, place->name, 0);
}

/* Each in the place of the other: for a moment one of the names can be missing. */
static int swap(const struct rename *n)
{
	temporary_name there;
	temporary_name back;

	choose_name(there);
	choose_name(back);
	int r = isle_carry(n->from->dir, n->from->name, n->to->dir, there, n->how_carry);
	if (r < 0)
		return r;
	r = isle_carry(n->to->dir, n->to->name, n->from->dir, back, n->how_carry);
	if (r >= 0)
		r = replace(n, n->to, there);
	if (r < 0) {
		isle_ignore(isle_remove_if_there(n->to->dir, there));
		isle_ignore(isle_remove_if_there(n->from->dir, back));
		return r;
	}
	return replace(n, n->from, back);
}

static int note_moved(struct isle_guide *guide, const struct isle_call *call, const char *from, const char *to)
{
	struct isle_event event = {.type = ISLE_EVENT_NOTE, .how = ISLE_NOTE_MOVED_TREE, .path = from, .other = to};

	if (guide->events == NULL)
		return 0;
	event.process = isle_guide_process(guide, call);
	int r = isle_guide_carry_tree(guide, from, to);
	return r < 0 ? r : isle_events_add(guide->events, &event, NULL);
}

static int rename_between(const struct rename *n)
{
	int r = may_move(n);

	if (r < 0)
		return r;
	return (n->flags & RENAME_EXCHANGE) != 0 ? swap(n) : move(n);
}

/* Within one overlay: asks the kernel, which knows all that speaks against it, and repairs what it cannot do. In the
 * mount namespace of this process nothing is mounted there: of mount points the kernel is not asked. */
static int rename_within(struct rename *n)
{
	if (isle_repair_is_mount_point(n->from) || isle_repair_is_mount_point(n->to)) {
		if (strcmp(n->from->view, n->to->view) == 0)
			return (n->flags & RENAME_NOREPLACE) != 0 ? -EEXIST : 1;
		if (isle_repair_is_mount_point(n->from) || (n->flags & RENAME_EXCHANGE) != 0)
			n->how_carry &= ~(unsigned)ISLE_CARRY_LINK;
		return rename_between(n);
	}
	/* The names below have no slash. */
	if (is_there(n->from) && is_there(n->to) && (n->flags & RENAME_NOREPLACE) == 0 && may_have_slash(n) < 0)
		return -ENOTDIR;
	int r = isle_renameat2(n->from->dir, n->from->name, n->to->dir, n->to->name, n->flags);
	if (r != -EXDEV)
		return r < 0 ? r : 1;
	if ((n->flags & RENAME_EXCHANGE) != 0)
		return swap(n);
	return is_directory(n->to) && has_entries(n->to) ? -ENOTEMPTY : move(n);
}

/* False: the kernel does it. */
static bool needs_repair(struct isle_guide *guide, struct rename *n)
{
	bool swaps = (n->flags & RENAME_EXCHANGE) != 0;

	if (n->from->mount != n->to->mount)
		return host_would(guide, n->from, n->to);
	n->how_carry = ISLE_CARRY_LINK;
	return is_of_host(guide, n->from) || isle_repair_is_mount_point(n->to) || (swaps && is_of_host(guide, n->to));
}

struct arguments {
	int from_dir, to_dir;
	uint64_t from, to;
	unsigned flags;
};

static struct arguments arguments_of(const struct isle_call *call)
{
	const uint64_t *a = call->args;

	switch (call->notif.data.nr) {
#ifdef SYS_rename
	case SYS_rename:
	case SYS_link:
		return (struct arguments){AT_FDCWD, AT_FDCWD, a[0], a[1], 0};
#endif
	case SYS_renameat:
		return (struct arguments){(int)a[0], (int)a[2], a[1], a[3], 0};
	default: /* renameat2, linkat */
		return (struct arguments){(int)a[0], (int)a[2], a[1], a[3], (unsigned)a[4]};
	}
}

static void answer(struct isle_verdict *verdict, int r)
{
	*verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
}

static int rename_it(struct rename *n)
{
	return n->from->mount == n->to->mount ? rename_within(n) : rename_between(n);
}

/* What is remembered does not hold any more. r is 0 when the supervisor did it. 0, or -errno of the log. */
static int renamed(struct isle_guide *guide, const struct isle_call *call, const struct isle_move *move, int r)
{
	isle_guide_renamed(guide, call);
	isle_origins_look(&guide->origins);
	if (guide->events == NULL)
		return 0;
	isle_processes_moved(&guide->processes);
	if (r != 0)
		return 0;
	if (move->from_too)
		r = note_moved(guide, call, move->from, move->to);
	if (r >= 0 && move->to_too)
		r = note_moved(guide, call, move->to, move->from);
	return r;
}

static void move_done(struct isle_move *move)
{
	isle_cleanup_fd(&move->process);
	free(move->from);
	free(move->to);
	move->from = move->to = NULL;
	move->process = -1;
	move->pid = 0;
}

/* Leaves the caller waiting: isle_repair_rename_end(). */
static int move_in_child(const struct isle_guide *guide, const struct isle_call *call, struct rename *n,
			 struct isle_move *move)
{
	struct epoll_event end = {.events = EPOLLIN};

	move->notif = call->notif;
	move->pid = isle_worker_fork(guide);
	if (move->pid == 0) {
		int r = rename_it(n);
		_exit(r < 0 ? -r & 0xff : 0);
	}
	int r = move->pid < 0 ? (int)move->pid : 0;
	if (r >= 0)
		r = move->process = isle_pidfd_open(move->pid);
	if (r >= 0 && epoll_ctl(guide->moves, EPOLL_CTL_ADD, move->process, &end) < 0)
		r = -errno;
	if (r < 0 && move->pid > 0) /* it cannot be waited for with others */
		isle_ignore(waitpid(move->pid, NULL, 0));
	return r;
}

int isle_repair_rename_end(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	struct isle_move *move = &guide->move;
	int status = 0;

	while (waitpid(move->pid, &status, 0) < 0 && errno == EINTR)
		;
	int r = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	int noted = renamed(guide, call, move, r);
	answer(ret_verdict, r);
	move_done(move);
	return noted;
}

static int do_rename(struct isle_guide *guide, const struct isle_call *call, struct rename *n,
		     struct isle_verdict *ret_verdict)
{
	struct isle_move move = {.process = -1,
				 .from_too = is_directory(n->from),
				 .to_too = (n->flags & RENAME_EXCHANGE) != 0 && is_directory(n->to)};
	int noted = 0;

	if (!needs_repair(guide, n) || !isle_guide_waits(guide, call))
		return 0;
	move.from = strdup(n->from->view);
	move.to = strdup(n->to->view);
	if (move.from == NULL || move.to == NULL) {
		move_done(&move);
		return -ENOMEM;
	}
	n->how_carry |= ISLE_CARRY_FEW;
	int r = rename_it(n);
	n->how_carry &= ~(unsigned)ISLE_CARRY_FEW;
	if (r == -E2BIG) {
		r = move_in_child(guide, call, n, &move);
		if (r >= 0) {
			guide->move = move;
			ret_verdict->later = true;
			return 0;
		}
	}
	noted = renamed(guide, call, &move, r);
	move_done(&move);
	answer(ret_verdict, r);
	return noted;
}

/* Both names are written with the same directory. Another thread may change that meanwhile: then the kernel says what
 * it would have said without repairs. */
static bool same_directory(const struct isle_call *call, const struct arguments *a)
{
	char from[PATH_MAX];
	char to[PATH_MAX];

	if (a->from_dir != a->to_dir || isle_peer_string(call->tid, a->from, from, sizeof(from)) <= 0 ||
	    isle_peer_string(call->tid, a->to, to, sizeof(to)) <= 0)
		return false;
	const char *slash = strrchr(from, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - from) + 1;
	return strncmp(from, to, length) == 0 && to[length] != '\0' && strchr(to + length, '/') == NULL;
}

int isle_repair_rename(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct arguments a = arguments_of(call);
	auto_repair_place struct isle_repair_place from = ISLE_REPAIR_INIT;
	auto_repair_place struct isle_repair_place to = ISLE_REPAIR_INIT;
	bool swaps = (a.flags & RENAME_EXCHANGE) != 0;

	if (guide->plain == call->notif.id || (a.flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
	    a.flags == (RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    !isle_repair_find(guide, call, a.from_dir, a.from, 0, &from))
		return 0;
	/* Most are of files within one directory. */
	if (!is_directory(&from) && !swaps && same_directory(call, &a))
		return 0;
	if (!isle_repair_find(guide, call, a.to_dir, a.to, 0, &to) ||
	    (from.mount == to.mount && !is_directory(&from) && !(swaps && is_directory(&to))) ||
	    !isle_repair_view(&from) || !isle_repair_view(&to))
		return 0;
	struct rename n = {.guide = guide, .from = &from, .to = &to, .flags = a.flags};
	return do_rename(guide, call, &n, ret_verdict);
}

/* Between two overlays there can be no second name for a file, but there can be a file that is the same: what programs
 * that link and then remove the first name want. */
static int copy_link(const struct isle_repair_place *from, const struct isle_repair_place *to)
{
	temporary_name name;

	if (is_there(to))
		return -EEXIST;
	if (is_directory(from))
		return -EPERM;
	if (to->slash)
		return -ENOENT;
	if (faccessat(to->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	choose_name(name);
	int r = isle_carry(from->dir, from->name, to->dir, name, 0);
	if (r < 0)
		return r;
	r = isle_renameat2(to->dir, name, to->dir, to->name, RENAME_NOREPLACE);
	isle_ignore(isle_remove_if_there(to->dir, name));
	return r;
}

static int note_split(struct isle_guide *guide, const struct isle_call *call, const struct isle_repair_place *to)
{
	struct isle_event event = {.type = ISLE_EVENT_NOTE,
				   .how = ISLE_NOTE_LINK_SPLIT,
				   .path = to->view,
				   .other = "linked from another layer of the isle: a copy"};

	if (guide->events == NULL)
		return 0;
	event.process = isle_guide_process(guide, call);
	return isle_events_add(guide->events, &event, NULL);
}

int isle_repair_link(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	const struct arguments a = arguments_of(call);
	auto_repair_place struct isle_repair_place from = ISLE_REPAIR_INIT;
	auto_repair_place struct isle_repair_place to = ISLE_REPAIR_INIT;
	unsigned follow = (a.flags & AT_SYMLINK_FOLLOW) != 0 ? ISLE_REPAIR_FOLLOW : 0;

	if (guide->plain == call->notif.id || (a.flags & ~(unsigned)AT_SYMLINK_FOLLOW) != 0 ||
	    !isle_repair_find(guide, call, a.from_dir, a.from, follow, &from) ||
	    !isle_repair_find(guide, call, a.to_dir, a.to, 0, &to) || from.mount == to.mount || !is_there(&from) ||
	    isle_repair_is_mount_point(&from) || !isle_repair_view(&from) || !isle_repair_view(&to) ||
	    !host_would(guide, &from, &to) || !isle_guide_waits(guide, call))
		return 0;
	int r = copy_link(&from, &to);
	answer(ret_verdict, r);
	return r < 0 ? 0 : note_split(guide, call, &to);
}
