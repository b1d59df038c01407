/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chown(2) and relatives in the view of an ordinary user, whose user namespace knows one user and one group. Natively
 * an owner that may not be given is EPERM; the kernel says EINVAL there, as for an id that does not exist.
 *
 * With --fake-owner it succeeds on what belongs to the user, and the owner is kept: in the log, and on the layer's
 * object as an attribute of the overlay's own kind, which nobody inside can see or set and no commit carries over.
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "layer.h"
#include "path.h"
#include "peer.h"
#include "xattr.h"

struct wish {
	int dirfd;
	uint64_t address; /* of the path */
	uid_t uid;	  /* -1: as it is */
	gid_t gid;
	bool of_descriptor, follow;
};

static bool read_wish(const struct isle_call *call, struct wish *wish)
{
	const uint64_t *a = call->args;
	char first = '\0';

	switch (call->notif.data.nr) {
	case SYS_fchown:
		*wish = (struct wish){(int)a[0], 0, (uid_t)a[1], (gid_t)a[2], true, false};
		return true;
	case SYS_fchownat:
		*wish = (struct wish){(int)a[0],   a[1],  (uid_t)a[2],
				      (gid_t)a[3], false, (a[4] & AT_SYMLINK_NOFOLLOW) == 0};
		if ((a[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
			return false;
		if ((a[4] & AT_EMPTY_PATH) != 0 && isle_peer_read(call->tid, a[1], &first, 1) >= 0 && first == '\0')
			wish->of_descriptor = true;
		return true;
#ifdef SYS_chown
	case SYS_chown:
	case SYS_lchown:
		*wish = (struct wish){AT_FDCWD,	   a[0],  (uid_t)a[1],
				      (gid_t)a[2], false, call->notif.data.nr == SYS_chown};
		return true;
#endif
	default:
		return false;
	}
}

/* Ids that the view can hold: the kernel does it. */
static bool can_be_held(const struct wish *wish)
{
	return (wish->uid == (uid_t)-1 || wish->uid == geteuid()) && (wish->gid == (gid_t)-1 || wish->gid == getegid());
}

/* The object, O_PATH; -errno: the kernel will find an error, too. */
static int open_object(struct isle_guide *guide, const struct isle_call *call, const struct wish *wish)
{
	if (call->notif.data.nr == SYS_fchown && !isle_peer_is_open(call->tid, wish->dirfd))
		return -EBADF;
	int length = wish->of_descriptor ? isle_guide_path_of_fd(guide, call, wish->dirfd)
					 : isle_guide_path(guide, call, wish->dirfd, wish->address);

	if (length <= 0)
		return length < 0 ? length : -ENOENT;
	return isle_guide_open(guide, guide->raw, wish->follow ? 0 : O_NOFOLLOW);
}

/* The layer's object, once it is there. */
static int open_upper(struct isle_guide *guide, const char *view, const struct isle_layer **ret_layer)
{
	const struct isle_layer *layer = isle_layers_find(&guide->origins.layers, view);

	if (layer == NULL || layer->kind == ISLE_LAYER_FILE)
		return -ENOENT;
	auto_fd int upper = isle_layer_open_upper(guide->options.isle, layer);
	if (upper < 0)
		return upper;
	*ret_layer = layer;
	const char *below = view + (strcmp(layer->path, "/") == 0 ? 0 : strlen(layer->path));
	return isle_walk(upper, below + strspn(below, "/"), O_PATH);
}

/* "UID:GID", with what an earlier call wanted where this one has -1. */
static void format_owner(const struct wish *wish, int upper, const char *key, char *text, size_t room)
{
	unsigned uid = geteuid();
	unsigned gid = getegid();
	char before[32] = "";
	ssize_t n = isle_xattr_get(upper, "", key, before, sizeof(before) - 1);

	if (n > 0)
		isle_ignore(sscanf(before, "%u:%u", &uid, &gid));
	snprintf(text, room, "%u:%u", wish->uid == (uid_t)-1 ? uid : wish->uid,
		 wish->gid == (gid_t)-1 ? gid : wish->gid);
}

static int note_owner(struct isle_guide *guide, const struct isle_call *call, const char *view, const char *owner)
{
	struct isle_event event = {.type = ISLE_EVENT_NOTE, .how = ISLE_NOTE_OWNER, .path = view, .other = owner};

	if (guide->events == NULL)
		return 0;
	event.process = isle_guide_process(guide, call);
	return isle_events_add(guide->events, &event, NULL);
}

/* 0, -errno for the caller, or an error of the guide in *ret_failed. */
static int keep_owner(struct isle_guide *guide, const struct isle_call *call, const struct wish *wish, int object,
		      int *ret_failed)
{
	const struct isle_layer *layer = NULL;
	char view[PATH_MAX];
	char key[64];
	char owner[32];
	struct statfs fs;

	if (fstatfs(object, &fs) < 0 || fs.f_type != ISLE_OVERLAY_MAGIC ||
	    isle_guide_path_of_object(object, view, sizeof(view)) < 0)
		return -EPERM;
	/* Natively it would lose its set-user-ID bits; and it must be the isle's own to be noted on. */
	if (fchownat(object, "", geteuid(), getegid(), AT_EMPTY_PATH) < 0)
		return -errno;
	auto_fd int upper = open_upper(guide, view, &layer);
	if (upper < 0)
		return -EPERM;
	snprintf(key, sizeof(key), "%s%s", isle_layer_xattr(layer), ISLE_OWNER_NOTE);
	format_owner(wish, upper, key, owner, sizeof(owner));
	/* Links and FIFOs cannot have it, nor what its owner may not write to: then it is in the log alone. */
	isle_ignore(isle_xattr_set(upper, "", key, owner, strlen(owner)));
	*ret_failed = note_owner(guide, call, view, owner);
	return 0;
}

/* Without an attribute the log is asked (isle_noted_owner()). */
static bool goes_by_log(int upper)
{
	struct stat st;

	return fstat(upper, &st) == 0 &&
	       ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || (st.st_mode & S_IWUSR) == 0);
}

/* The caller takes it back, in whole or in part. 0, or an error of the guide. */
static int take_back(struct isle_guide *guide, const struct isle_call *call, const struct wish *wish, int object)
{
	const struct isle_layer *layer = NULL;
	char view[PATH_MAX];
	char key[64];
	char owner[32];
	char own[32];

	if (isle_guide_path_of_object(object, view, sizeof(view)) < 0)
		return 0;
	auto_fd int upper = open_upper(guide, view, &layer);
	if (upper < 0)
		return 0;
	snprintf(key, sizeof(key), "%s%s", isle_layer_xattr(layer), ISLE_OWNER_NOTE);
	snprintf(own, sizeof(own), "%u:%u", geteuid(), getegid());
	bool noted = isle_xattr_get(upper, "", key, NULL, 0) > 0;
	format_owner(wish, upper, key, owner, sizeof(owner));
	if (noted && strcmp(owner, own) != 0) {
		isle_ignore(isle_xattr_set(upper, "", key, owner, strlen(owner)));
		return 0;
	}
	if (noted)
		isle_ignore(isle_xattr_remove(upper, "", key));
	bool whole = wish->uid != (uid_t)-1 && wish->gid != (gid_t)-1;
	return (noted || whole) && goes_by_log(upper) ? note_owner(guide, call, view, own) : 0;
}

int isle_repair_owner(struct isle_guide *guide, const struct isle_call *call, struct isle_verdict *ret_verdict)
{
	struct wish wish;
	int failed = 0;

	if (!read_wish(call, &wish) || (can_be_held(&wish) && !guide->options.fake_owner))
		return 0;
	auto_fd int object = open_object(guide, call, &wish);
	if (object < 0 || !isle_guide_waits(guide, call))
		return 0;
	if (can_be_held(&wish))
		return take_back(guide, call, &wish, object);
	struct statvfs fs;
	int r = -EPERM;
	if (fstatvfs(object, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0)
		r = -EROFS; /* the kernel finds that first */
	else if (guide->options.fake_owner)
		r = keep_owner(guide, call, &wish, object, &failed);
	*ret_verdict = (struct isle_verdict){.answered = true, .error = r < 0 ? -r : 0};
	return failed;
}
