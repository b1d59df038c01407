/* SPDX-License-Identifier: Apache-2.0 */
/* Trapped calls that open, run or look at something. */
#include "guide_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "nested.h"
#include "peer.h"

/* What of a path, as written, needs no second look: bits of isle_glance_slot. */
enum {
	SEEN_READ = 1 << 0,
	SEEN_PATH = 1 << 1,
	SEEN_WRITE = 1 << 2, /* with the old content */
	SEEN_CUT = 1 << 3,
	SEEN_EXCLUSIVE = 1 << 4,
	SEEN_LINK = 1 << 5,
	SEEN_STAT = 1 << 6,
	/* Nothing of the host was there: holds until the isle removes something, which is counted in the upper bits. */
	SEEN_OWN = 1 << 15,
	SEEN_REMOVALS = 16,
};

struct opening {
	int dirfd;
	uint64_t path;
	uint64_t flags, resolve;
};

/* Opened for writing: each process on its own, since it is told who does. */
static uint64_t writer_of(struct isle_guide *guide, const struct isle_call *call, uint32_t bits)
{
	const uint64_t process = (bits & (SEEN_WRITE | SEEN_CUT | SEEN_EXCLUSIVE)) != 0
					 ? isle_guide_process(guide, call)
					 : 0;

	return process == 0 ? 0 : isle_siphash(&guide->key, &process, sizeof(process));
}

/* The slot of guide->raw; *ret_fresh when all bits have been looked at not long ago. */
static struct isle_glance_slot *seen(struct isle_guide *guide, const struct isle_call *call, size_t length,
				     bool nofollow, uint32_t bits, bool *ret_fresh)
{
	uint64_t key = isle_siphash(&guide->key, guide->raw, length) ^ (nofollow && !guide->slash ? 0x5bd1e995 : 0);

	key ^= writer_of(guide, call, bits);
	if (guide->scope[0] != '\0')
		key ^= isle_siphash(&guide->key, guide->scope, strlen(guide->scope)) * 3;
	if (guide->elsewhere != 0)
		key ^= isle_siphash(&guide->key, &guide->elsewhere, sizeof(guide->elsewhere)) * 7;
	struct isle_glance_slot *slot = isle_glance_slot(&guide->seen, key);
	bool holds = (slot->bits & SEEN_OWN) == 0 || slot->bits >> SEEN_REMOVALS == (guide->removals & 0xffff);
	*ret_fresh = guide->elsewhere != ISLE_NESTED_SOME && slot->key == key && holds && (slot->bits & bits) == bits &&
		     guide->second - slot->when < ISLE_GLANCE_SECONDS;
	if (slot->key != key)
		*slot = (struct isle_glance_slot){.key = key};
	return slot;
}

static void note_seen(struct isle_guide *guide, struct isle_glance_slot *slot, uint32_t bits, bool own)
{
	uint32_t removals = (guide->removals & 0xffff) << SEEN_REMOVALS;

	if (guide->elsewhere == ISLE_NESTED_SOME)
		return;
	if (guide->second - slot->when >= ISLE_GLANCE_SECONDS || (slot->bits & SEEN_OWN) != (own ? SEEN_OWN : 0) ||
	    (own && (slot->bits & UINT32_C(0xffff) << SEEN_REMOVALS) != removals))
		slot->bits = 0;
	slot->bits |= own ? bits | SEEN_OWN | removals : bits;
	slot->when = guide->second;
}

static int read_opening(const struct isle_call *call, struct opening *opening)
{
	struct open_how how = {0};
	uint64_t size;

	*opening = (struct opening){
		.dirfd = (int)call->args[0], .path = call->args[1], .flags = (uint32_t)call->args[2]};
	switch (call->notif.data.nr) {
	case SYS_openat:
		return 0;
	case SYS_openat2:
		size = call->args[3];
		if (size < 24)
			return -EINVAL;
		opening->flags = 0;
		int r = isle_peer_read(call->tid, call->args[2], &how, sizeof(how));
		opening->flags = how.flags;
		opening->resolve = how.resolve;
		return r;
#ifdef SYS_open
	case SYS_creat:
		*opening = (struct opening){AT_FDCWD, call->args[0], O_CREAT | O_WRONLY | O_TRUNC, 0};
		return 0;
	default: /* SYS_open */
		*opening = (struct opening){AT_FDCWD, call->args[0], (uint32_t)call->args[1], 0};
#endif
	}
	return 0;
}

static uint32_t wanted(const struct opening *o)
{
	if ((o->flags & O_PATH) != 0)
		return SEEN_PATH;
	if ((o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return SEEN_EXCLUSIVE;
	if ((o->flags & O_TRUNC) != 0)
		return SEEN_CUT;
	return (o->flags & O_ACCMODE) == O_RDONLY ? SEEN_READ : SEEN_WRITE;
}

static enum isle_wanted wanted_of_view(const struct opening *o)
{
	bool write = (o->flags & O_PATH) == 0 &&
		     ((o->flags & O_ACCMODE) != O_RDONLY || (o->flags & (O_CREAT | O_TRUNC)) != 0);

	return !write ? ISLE_WANTED_READ : (o->flags & O_CREAT) != 0 ? ISLE_WANTED_CREATE : ISLE_WANTED_CHANGE;
}

/* Opened for writing. */
static int note_writing(struct isle_guide *guide, const struct isle_call *call, const struct opening *o,
			const struct isle_sight *sight)
{
	bool cut = (o->flags & O_TRUNC) != 0;
	int r = 0;

	if (sight->mode == 0) {
		if ((o->flags & O_CREAT) == 0)
			return isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
		return isle_guide_write(guide, call, sight->view, ISLE_WRITE_CREATE, NULL);
	}
	if (!S_ISREG(sight->mode))
		return isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	if ((o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	if (!cut)
		r = isle_guide_read(guide, call, sight, ISLE_READ_CONTENT);
	if (r >= 0)
		r = isle_guide_keep(guide, sight);
	if (r >= 0)
		r = isle_guide_split(guide, sight);
	if (r >= 0)
		r = isle_guide_write(guide, call, sight->view,
				     cut			  ? ISLE_WRITE_TRUNCATE
				     : (o->flags & O_APPEND) != 0 ? ISLE_WRITE_APPEND
								  : ISLE_WRITE_OPEN,
				     NULL);
	return r;
}

/* An ordinary user's process has the rights of this one. What it learns of what it may not read are the metadata. */
static bool is_closed(const struct isle_guide *guide, const struct isle_sight *sight)
{
	if (!guide->user || (sight->mode & S_IROTH) != 0)
		return false;
	auto_fd int fd = isle_guide_open(guide, sight->view, O_NOFOLLOW);
	return fd >= 0 && faccessat(fd, "", R_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 && errno == EACCES;
}

/* 1: it is to be looked at again the next time, since it may be open to the program by then. */
static int note_opening(struct isle_guide *guide, const struct isle_call *call, const struct opening *o,
			const struct isle_sight *sight)
{
	uint32_t bit = wanted(o);

	if (bit == SEEN_PATH)
		return isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	if (bit != SEEN_READ)
		return note_writing(guide, call, o, sight);
	if (sight->mode == 0 && (o->flags & O_CREAT) != 0)
		return isle_guide_write(guide, call, sight->view, ISLE_WRITE_CREATE, NULL);
	if (!S_ISDIR(sight->mode) && !S_ISREG(sight->mode))
		return isle_guide_read(guide, call, sight, ISLE_READ_LOOKUP);
	if (is_closed(guide, sight)) {
		int r = isle_guide_read(guide, call, sight, ISLE_READ_STAT);

		return r < 0 ? r : 1;
	}
	return isle_guide_read(guide, call, sight, S_ISDIR(sight->mode) ? ISLE_READ_LIST : ISLE_READ_CONTENT);
}

int isle_handle_open(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	struct isle_sight sight;
	struct opening o;
	bool fresh;
	int r = read_opening(call, &o);

	(void)ret_verdict;
	if (r < 0)
		return r;
	if ((o.flags & O_TMPFILE) == O_TMPFILE)
		return 0; /* a new file without a name */
	int length = (o.resolve & RESOLVE_IN_ROOT) != 0 ? isle_guide_path_in_root(guide, call, o.dirfd, o.path)
							: isle_guide_path(guide, call, o.dirfd, o.path);
	if (length == 0) {
		r = isle_guide_refused_by_view(guide, call, wanted_of_view(&o));
		return r < 0 ? r : 0;
	}
	if (length < 0)
		return length;
	bool nofollow = (o.flags & O_NOFOLLOW) != 0 || (o.flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	uint32_t bits = wanted(&o);
	struct isle_glance_slot *slot = seen(guide, call, (size_t)length, nofollow, bits, &fresh);
	if (fresh)
		return 0;
	r = isle_guide_look(guide, call, guide->raw, nofollow ? ISLE_SIGHT_NOFOLLOW : 0, &sight);
	if (r < 0 && !isle_guide_is_missing(r))
		return r;
	if (r >= 0) {
		r = note_opening(guide, call, &o, &sight);
		/* A name that is made by this call is looked at again. */
		if (r >= 0 && sight.mode == 0 && (o.flags & O_CREAT) != 0)
			return 0;
		if (r == 0 && bits != SEEN_PATH)
			r = isle_guide_refused_device(guide, call, &sight);
	} else if (r == -ENODATA) {
		r = isle_guide_refused_by_view(guide, call, wanted_of_view(&o));
		r = r == 0 ? -ENODATA : r;
	}
	if (r > 0) /* each time is counted */
		return 0;
	if (r >= 0 || isle_guide_is_missing(r))
		note_seen(guide, slot, bits, r >= 0 && sight.origin == ISLE_ORIGIN_OWN);
	return isle_guide_is_missing(r) ? 0 : r;
}

int isle_handle_readlink(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	bool at = call->notif.data.nr == SYS_readlinkat;
	struct isle_sight sight;
	bool fresh;

	(void)ret_verdict;
	int length = isle_guide_path(guide, call, at ? (int)call->args[0] : AT_FDCWD, call->args[at ? 1 : 0]);
	if (length == -ENOENT && at) /* readlinkat(fd, ""): of a link that is open */
		length = isle_guide_path_of_fd(guide, call, (int)call->args[0]);
	if (length <= 0)
		return length;
	struct isle_glance_slot *slot = seen(guide, call, (size_t)length, true, SEEN_LINK, &fresh);
	if (fresh)
		return 0;
	int r = isle_guide_look(guide, call, guide->raw, ISLE_SIGHT_NOFOLLOW, &sight);
	if (r >= 0)
		r = isle_guide_read(guide, call, &sight, S_ISLNK(sight.mode) ? ISLE_READ_LINK : ISLE_READ_LOOKUP);
	if (r < 0 && !isle_guide_is_missing(r))
		return r;
	note_seen(guide, slot, SEEN_LINK, r >= 0 && sight.origin == ISLE_ORIGIN_OWN);
	return 0;
}

int isle_handle_chdir(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	struct isle_sight sight;
	bool fresh;

	(void)ret_verdict;
	isle_guide_directory_changes(guide, call);
	if (call->notif.data.nr == SYS_fchdir)
		return 0;
	int length = isle_guide_path(guide, call, AT_FDCWD, call->args[0]);
	isle_processes_moved(&guide->processes); /* what was just asked for is that of before */
	if (length <= 0)
		return length;
	struct isle_glance_slot *slot = seen(guide, call, (size_t)length, false, SEEN_PATH, &fresh);
	if (fresh)
		return 0;
	int r = isle_guide_look(guide, call, guide->raw, 0, &sight);
	if (r >= 0)
		r = isle_guide_read(guide, call, &sight, ISLE_READ_LOOKUP);
	if (r < 0 && !isle_guide_is_missing(r))
		return r;
	note_seen(guide, slot, SEEN_PATH, r >= 0 && sight.origin == ISLE_ORIGIN_OWN);
	return 0;
}

int isle_handle_stat(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	int nr = call->notif.data.nr;
	int dirfd = (int)call->args[0];
	uint64_t address = call->args[1];
	bool nofollow = false;
	struct isle_sight sight;
	bool fresh;

	(void)ret_verdict;
#ifdef SYS_stat
	if (nr == SYS_stat || nr == SYS_lstat || nr == SYS_access) {
		dirfd = AT_FDCWD;
		address = call->args[0];
		nofollow = nr == SYS_lstat;
	}
#endif
	if (nr == SYS_newfstatat || nr == SYS_faccessat2)
		nofollow = (call->args[3] & AT_SYMLINK_NOFOLLOW) != 0;
	if (nr == SYS_statx)
		nofollow = (call->args[2] & AT_SYMLINK_NOFOLLOW) != 0;
	if ((nr == SYS_statx && (call->args[2] & AT_EMPTY_PATH) != 0) ||
	    (nr == SYS_faccessat2 && (call->args[3] & AT_EMPTY_PATH) != 0))
		return 0; /* of what is open */
	int length = isle_guide_path(guide, call, dirfd, address);
	if (length <= 0)
		return length;
	struct isle_glance_slot *slot = seen(guide, call, (size_t)length, nofollow, SEEN_STAT, &fresh);
	if (fresh)
		return 0;
	int r = isle_guide_look(guide, call, guide->raw, nofollow ? ISLE_SIGHT_NOFOLLOW : 0, &sight);
	if (r >= 0)
		r = isle_guide_read(guide, call, &sight, ISLE_READ_STAT);
	if (r < 0 && !isle_guide_is_missing(r))
		return r;
	note_seen(guide, slot, SEEN_STAT, r >= 0 && sight.origin == ISLE_ORIGIN_OWN);
	return 0;
}
