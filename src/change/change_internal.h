/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of src/change share.
 */
#include "buf.h"
#include "change.h"

/* --- walk.c: directories of any depth and size ------------------------------------------------------------------ */

/* isle_walk() for paths of any length, also beyond PATH_MAX. */
int isle_walk_long(int root, const char *path, int flags) isle_must_check;

/* Opens dir/name for reading if it is a plain file: never blocks, never follows. -EINVAL for other types. */
int isle_open_plain(int dir, const char *name) isle_must_check;
/* The same for one that has just been seen to be a plain file. */
int isle_reopen_plain(int dir, const char *name) isle_must_check;

/* The names in one directory without "." and "..". */
struct isle_names {
	struct isle_buf text; /* NUL-terminated names, one after the other */
	size_t *at;	      /* offsets in text */
	size_t count, room;
};

#define ISLE_NAMES_INIT ((struct isle_names){0})

int isle_names_read(int dir, struct isle_names *names) isle_must_check;
void isle_names_sort(struct isle_names *names);
bool isle_names_has(const struct isle_names *sorted, const char *name);
void isle_names_done(struct isle_names *names);
static inline const char *isle_names_get(const struct isle_names *names, size_t i)
{
	return names->text.data + names->at[i];
}

/* --- overlay.c: what overlayfs notes on the objects of an upper directory --------------------------------------- */

enum { ISLE_HANDLE_MAX = 128 }; /* MAX_HANDLE_SZ */

struct isle_note_handle {
	int type;
	unsigned size; /* 0: none */
	unsigned char bytes[ISLE_HANDLE_MAX];
};

struct isle_upper {
	char opaque; /* 'y', 'x' (holds whiteouts that are plain files), or 0 */
	bool origin; /* copied up, or moved from another place */
	bool metacopy;
	bool whiteout;			/* of the plain-file kind */
	char *redirect;			/* heap, or NULL */
	unsigned marks;			/* ISLE_MARK_CAPS, _XATTR, _ACL */
	uint32_t standin;		/* 1 + the noted rights of a stand-in (standin.h), else 0 */
	bool plain;			/* has no attributes but the overlay's */
	bool noted;			/* notes has all that there are */
	struct isle_xattrs notes;	/* the overlay's */
	bool owned;			/* notes has an owner (ISLE_OWNER_NOTE) */
	uint32_t nlink;			/* names in the isle, where the index counts them; else 0 */
	struct isle_note_handle handle; /* of the lower object, where origin has one */
};

enum isle_upper_flags {
	ISLE_UPPER_NO_ORIGIN = 1 << 0, /* of an origin only that there is one: notes has its name and no value */
};

/* Reads the notes of dir/name; st is of that object. Extended attributes that cannot be read count as absent. */
int isle_upper_read(int dir, const char *name, const char *prefix, const struct statx *st, unsigned flags,
		    struct isle_upper *ret_upper) isle_must_check;
void isle_upper_done(struct isle_upper *upper);

static inline bool isle_is_whiteout(const struct statx *st)
{
	return S_ISCHR(st->stx_mode) && st->stx_rdev_major == 0 && st->stx_rdev_minor == 0;
}

/* True if dir/name is the object of this handle. */
bool isle_handle_is(int dir, const char *name, const struct isle_note_handle *handle);
/* True if it has a handle, and not this one. */
bool isle_handle_is_another(int dir, const char *name, const struct isle_note_handle *handle);
/* True if objects of this file system have handles. */
bool isle_handle_exists(int dir, const char *name);
/* Opens it for reading, on the file system of dir; -errno (-ESTALE: it is gone), -ENOENT where there is no handle. */
int isle_handle_reach(int dir, const struct isle_note_handle *handle) isle_must_check;
/* False if the object of this handle is certainly gone from the file system of dir. *ret_ino is its inode number, 0
 * where it is not known. */
bool isle_handle_alive(int dir, const struct isle_note_handle *handle, uint64_t *ret_ino);

/* --- compare.c ---------------------------------------------------------------------------------------------------- */

enum isle_compare_flags {
	ISLE_COMPARE_NO_DATA = 1 << 0,	/* a's data are b's (metacopy) */
	ISLE_COMPARE_NO_OWNER = 1 << 1, /* owners mean nothing here */
};

/* Both sides of a comparison: (directory, one component), "" for the directory itself. What is known of it already
 * need not be asked again. */
struct isle_object {
	int dir;
	const char *name;
	const struct statx *st; /* or NULL */
	bool plain;		/* has no attributes that count */
};

/* enum isle_meta_diff and ISLE_DIFF_CONTENT of two objects. Of directories only what is theirs: mode, owner,
 * attributes. Data that cannot be read count as different. */
int isle_compare(struct isle_object a, struct isle_object b, unsigned flags, unsigned *ret_diff) isle_must_check;

/* 1 if the data are equal, 0 if not. Holes on both sides are skipped. */
int isle_same_data(int a, int b, uint64_t size) isle_must_check;

void isle_stat_from(const struct statx *st, struct isle_stat *ret_stat);
/* a > b */
bool isle_later(const struct statx_timestamp *a, const struct statx_timestamp *b);

/* --- change.c ----------------------------------------------------------------------------------------------------- */

void isle_change_done(struct isle_change *change);

/* --- rights.c ----------------------------------------------------------------------------------------------------- */

/* Whether this access list of dir/name names somebody whom the directory's default list does not. */
bool isle_acl_grants(int dir, const char *name, const char *key);

/* --- marks.c ------------------------------------------------------------------------------------------------------ */

/* What the path alone says: ISLE_MARK_AUTOSTART, _CREDENTIAL, _BYTECODE, for an object of this type. */
unsigned isle_path_marks(const char *path, uint32_t mode);

/* --- rename.c ----------------------------------------------------------------------------------------------------- */

/* What the scan knows of a change beyond the change itself, until renames are settled. */
struct isle_candidate {
	bool inside;			 /* of a new, deleted or replaced directory */
	bool origin;			 /* the upper object was copied up once */
	bool host_quiet;		 /* the host has removed nothing from that directory since */
	struct isle_note_handle *handle; /* of the object that it was copied from, heap; or NULL. For what is
					  * CREATE, and for files with several names */
	struct isle_stat *data;		 /* of the host's file at change->data, heap; or NULL */
};

/* Tells a directory whose metadata the host has changed from one in which it only made or removed names
 * (directories.c). */
int isle_directories_settle(const struct isle *isle, const struct isle_layers *layers,
			    struct isle_changes *changes) isle_must_check;

/* Inode numbers of the host's files that a scan has met: those that the isle changed, removed or renamed. Of a user's
 * layers, which do not say what was copied up, those of files that have several names in the isle, one of
 * them where the host has a file. */
struct isle_met {
	uint64_t *list;
	size_t count, room;
};

int isle_met_add(struct isle_met *met, uint64_t ino) isle_must_check;

/*
 * Names of the host's files that are gone in the isle. By what was gone from it, a file that the layer has elsewhere is
 * known to be the host's under another name, though the host has had another object there, or the name went with its
 * directory. Then a commit has to move the host's own, or the names that it has besides would keep its old state.
 */
struct isle_gone_name {
	char *path; /* on the host */
	struct isle_stat st;
	ssize_t change; /* the DELETE, or -1: it went with a directory, and is not listed */
	unsigned layer;
	bool inside;  /* it went with a directory */
	size_t taken; /* of the first name of an object: how many have found their new name */
};

struct isle_gone {
	struct isle_gone_name *list;
	size_t count, room;
};

/* --- gone.c --- */
int isle_gone_add(struct isle_gone *gone, unsigned layer, const char *path, const struct isle_stat *st,
		  ssize_t change) isle_must_check;
void isle_gone_sort(struct isle_gone *gone);
/* A name of this object that has not been asked for yet, or NULL, also where the host has fewer links to it. After
 * isle_gone_sort(). */
struct isle_gone_name *isle_gone_next(struct isle_gone *gone, unsigned layer, uint64_t ino, unsigned links);
void isle_gone_done(struct isle_gone *gone);

/* Pairs what was deleted with what was made, and settles what is left of copied-up objects without a
 * counterpart. infos[i] belongs to changes->list[i]; dropped changes are compacted away. met gets sorted. gone has the
 * names of files with several names that went with their directories; the others are added. */
int isle_renames_settle(const struct isle *isle, const struct isle_layers *layers, struct isle_changes *changes,
			struct isle_candidate *infos, struct isle_met *met, struct isle_gone *gone) isle_must_check;
