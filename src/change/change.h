/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an isle changed: the layers, read as a list of differences to the host. Work is proportional to what the
 * layers hold, never to the size of the host. Nothing of the isle is followed, executed or opened for
 * anything but reading; a FIFO or device is never opened.
 */
#include "error.h"
#include "layer.h"
#include "meta.h"
#include "sha256.h"
#include "store.h"
#include <stdbool.h>
#include <stdint.h>

enum isle_change_kind {
	ISLE_CREATE,
	ISLE_MODIFY,
	ISLE_DELETE,
	ISLE_RENAME,
	ISLE_REPLACE, /* the type changed */
	ISLE_METADATA,
	ISLE_READ_ONLY, /* no change: what a conflict of the read set is about */
};

/* Risk marks. Those of ISLE_MARKS_FLAGGED need a yes of their own at commit. */
enum isle_mark {
	ISLE_MARK_SETUID = 1 << 0,
	ISLE_MARK_SETGID = 1 << 1,
	ISLE_MARK_CAPS = 1 << 2,
	ISLE_MARK_DEVICE = 1 << 3,
	ISLE_MARK_XATTR = 1 << 4,      /* trusted.* or security.* other than capabilities */
	ISLE_MARK_AUTOSTART = 1 << 5,  /* is run later by something else: rc files, hooks, cron, units, autostart */
	ISLE_MARK_CREDENTIAL = 1 << 6, /* decides who may log in or what is trusted: authorized_keys, sudoers, shadow */
	ISLE_MARK_BYTECODE = 1 << 7,   /* told, not flagged */
	ISLE_MARK_WRITABLE = 1 << 8,   /* everybody may write to it */
	ISLE_MARK_OWNER = 1 << 9,      /* belongs to somebody else than before */
	ISLE_MARK_ACL = 1 << 10,       /* an access list names others */
	ISLE_MARK_LINK = 1 << 11,      /* another name of a committed file, outside of what was asked for */
	ISLE_MARK_SETGID_DIRECTORY = 1 << 12, /* told, not flagged */
	ISLE_MARK_FOREIGN = 1 << 13,	      /* new, and somebody else's: told, not flagged */
	ISLE_MARKS_END = 1 << 14,
	ISLE_MARKS_TOLD = ISLE_MARK_BYTECODE | ISLE_MARK_SETGID_DIRECTORY | ISLE_MARK_FOREIGN,
	ISLE_MARKS_FLAGGED = (ISLE_MARKS_END - 1) & ~ISLE_MARKS_TOLD,
};

/* How the host's object stands to what the isle saw (the base of layer.h). */
enum isle_moved {
	ISLE_MOVED_NO,	     /* as the isle saw it */
	ISLE_MOVED_CHANGED,  /* changed or replaced since */
	ISLE_MOVED_DELETED,  /* the isle changed or deleted it, the host has deleted it since */
	ISLE_MOVED_CREATED,  /* the isle made it new, the host has made one of the same name since */
	ISLE_MOVED_METADATA, /* a directory whose metadata changed, or may have (directories.c) */
};

/* The part of statx that a change is about. All zero when there is no such object. */
struct isle_stat {
	uint64_t dev, ino, size, blocks;
	uint32_t mode, uid, gid, nlink, rdev_major, rdev_minor; /* mode with the type bits */
	struct statx_timestamp mtime, ctime, btime;
};

/* What lies below a new directory, when all of it has been looked at. */
enum isle_tree {
	ISLE_TREE_SEEN = 1 << 0,      /* the bits below hold */
	ISLE_TREE_UNSEEN = 1 << 1,    /* ... but for a part that could not be read */
	ISLE_TREE_NOTES = 1 << 2,     /* attributes of the overlay, or whiteouts */
	ISLE_TREE_ELSEWHERE = 1 << 3, /* objects whose data or names are elsewhere: metacopy, redirect */
	ISLE_TREE_LINKS = 1 << 4,     /* files with several names */
};

struct isle_change {
	enum isle_change_kind kind;
	unsigned diff;	    /* enum isle_meta_diff; ISLE_DIFF_CONTENT where the data differ */
	unsigned marks;	    /* enum isle_mark; of a new directory: of all that is in it */
	unsigned own_marks; /* of a new directory: without what is in it */
	enum isle_moved moved;
	unsigned layer; /* index in the layer table */
	char *path;	/* absolute host path */
	char *from;	/* where its counterpart is on the host now, when that is not path: the old place of a RENAME,
			 * and for what lies in a renamed directory the place in the old one. Else NULL */
	char *data; /* metacopy: the host path that has the data, when that is neither from nor path. CREATE: the path
		     * where the host has what it was copied from, and the isle something else. Else NULL */
	const char *upper; /* its path below the layer's upper directory, the end of path, "" for the root; NULL for
			    * FILE layers. Of a delete: the whiteout, or NULL when an opaque directory above hides it */
	bool metacopy;	   /* upper holds metadata only, the data are still the host's at isle_change_data() */
	bool another;	   /* a file that is known to have been put in the place of a host's file with several names */
	bool parted;	   /* set by a commit: other names of the host's file became other files */
	bool opaque;	   /* a directory that hides the host's directory of the same name */
	bool blind;	   /* the upper directory, or one in a new directory, could not be read or searched (mode 0000,
			    * 0600): what is in it is not known */
	bool noted; /* notes has all attributes of the overlay that upper has; perhaps not the value of an origin,
		     * see ISLE_SCAN_NOTES */
	bool brief; /* diff does not say whether the host's file has attributes that upper lacks: its data are others,
		     * neither has another name, and the host has not changed it */
	struct isle_xattrs notes;
	unsigned tree; /* of a new directory: enum isle_tree */
	/* With ISLE_SCAN_INSIDE, of a new directory with entries: a digest of what is below it, names, metadata and
	 * times of change. */
	unsigned char inside[ISLE_SHA256_SIZE];
	uint64_t link_group; /* upper inode of a file with several names in the isle, else 0 */
	uint64_t entries;    /* a new or deleted directory: what is below it */
	uint64_t bytes;	     /* of the data of it and below it */
	struct isle_stat before, after;
	struct statx_timestamp base; /* the host's object is what the isle saw if its ctime is not later */
};

enum { ISLE_DIFF_CONTENT = 1 << 16 };

/*
 * Rules that a reader of the list relies on:
 *  - CREATE: the host has nothing at path, unless moved is ISLE_MOVED_CREATED or another change's `from` is path (the
 *    old object moves away first). A new directory holds all that is new in it; but what was renamed into it is a
 *    RENAME of its own, listed also without ISLE_SCAN_ALL, and its upper object may hold no data (metacopy).
 *  - RENAME: the host's object at `from` moves to path. A directory has only its own metadata in diff, what else
 *    is different below it are changes of their own with paths in the new place. A file has ISLE_DIFF_CONTENT when
 *    the upper's data differ, too. Where the host has another object at path, a DELETE of the same path precedes.
 *  - DELETE: one for the whole of a directory. upper is NULL where an opaque directory above hides it.
 *  - MODIFY and METADATA of a file whose diff has no ISLE_DIFF_CONTENT: the data are equal, metacopy or not. A
 *    metacopy file that is MODIFY or CREATE has data of another path: read them before that path is changed.
 *  - MODIFY with before all zero: the isle changed a copy of what the host has deleted since (ISLE_MOVED_DELETED).
 */
struct isle_changes {
	struct isle_change *list; /* sorted by path, byte by byte, so a directory is before what is in it */
	size_t count;
};

#define ISLE_CHANGES_INIT ((struct isle_changes){0})

enum isle_scan_flags {
	ISLE_SCAN_ALL = 1 << 0,	   /* each object inside new and deleted directories is a change of its own */
	ISLE_SCAN_TIMES = 1 << 1,  /* what differs in its times alone is a change, too */
	ISLE_SCAN_NOTES = 1 << 2,  /* the notes of all changes have their values, so that they can be restored */
	ISLE_SCAN_BRIEF = 1 << 3,  /* for putting files in the place of others: see brief in struct isle_change */
	ISLE_SCAN_INSIDE = 1 << 4, /* see inside in struct isle_change */
};

int isle_changes_scan(const struct isle_store *store, const struct isle *isle, const struct isle_layers *layers,
		      unsigned flags, struct isle_changes *ret_changes, struct isle_err *err) isle_must_check;
void isle_changes_done(struct isle_changes *changes);
#define auto_changes __attribute__((cleanup(isle_changes_done)))

/* Where on the host the counterpart lies. */
static inline const char *isle_change_host(const struct isle_change *change)
{
	return change->from ? change->from : change->path;
}

/* Where on the host the data of a metacopy file are. */
static inline const char *isle_change_data(const struct isle_change *change)
{
	return change->data ? change->data : isle_change_host(change);
}

/* True if the isle was asked for another owner than it could give (ISLE_OWNER_NOTE). */
bool isle_change_owner(const struct isle_change *change, uint32_t *ret_uid, uint32_t *ret_gid);

/* "create", ... as in the JSON. */
const char *isle_change_kind_name(enum isle_change_kind kind);
/* The kind of this name, or -EINVAL. */
int isle_change_kind_by_name(const char *name);
/* "create,modify": adds 1 << kind for each to *kinds. -EINVAL where one is no kind of change, -ENOMEM. */
int isle_change_kinds_add(const char *words, unsigned *kinds) isle_must_check;
/* "changed", "deleted", "created", "metadata"; NULL for ISLE_MOVED_NO. */
const char *isle_moved_name(enum isle_moved moved);
/* "file", "directory", ...; the type bits of the mode count. */
const char *isle_type_name(uint32_t mode);
/* "setuid", ...; one bit. */
const char *isle_mark_name(enum isle_mark mark);
/* The bit of this name, or 0. */
unsigned isle_mark_by_name(const char *name);

/* Opens the isle's version of a changed plain file for reading (that of the host where metacopy is set). -EINVAL for
 * other types. */
int isle_change_open_after(const struct isle *isle, const struct isle_layers *layers,
			   const struct isle_change *change) isle_must_check;
/* Opens the host's present version for reading. */
int isle_change_open_before(const struct isle_layers *layers, const struct isle_change *change) isle_must_check;

/* Whether the host's object that fd (O_PATH) holds is the one that the isle's was copied from. 1, 0; -ENODATA: the
 * layer does not say. */
int isle_change_is_origin(const struct isle *isle, const struct isle_layers *layers, const struct isle_change *change,
			  int fd) isle_must_check;

enum isle_change_side { ISLE_BEFORE, ISLE_AFTER };

/* The directory that holds the object on that side, and its name in there (part of change, or static; "" when the
 * descriptor is the object). For isle_meta_read() and isle_readlink(). */
int isle_change_at(const struct isle *isle, const struct isle_layers *layers, const struct isle_change *change,
		   enum isle_change_side side, const char **ret_name) isle_must_check;
