/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The layers of an isle, as its layer table names them: one for each tree of the host that the view overlays.
 *
 * Layers do not overlap: a path of the host belongs to the layer with the longest `path` that holds it, and that is not
 * covered: where the upper of a SHADOW layer has the name of a layer's directory, that directory has been removed, and
 * what the upper has there counts (a whiteout, or what was made in its place). The view mounts nothing there. Below
 * the upper directory of a layer lies what the isle changed, in the format of the kernel's overlayfs; attribute
 * names start with isle_layer_xattr(): "trusted.overlay." (made as root) or "user.overlay.".
 *
 *   OVERLAY  lower is the host's directory `path` itself
 *   SHADOW   a composite directory: lower is a shadow (copies of the plain files directly in `path`, an empty directory
 *            for each directory in it, which other layers cover). Upper says what changed directly in it.
 *   FILE     `path` is a plain file with a mount of its own. The layer has no upper but "file", a copy that the
 *            view shows at `path`; it can only have been written to.
 *
 * The base. An upper object was made, by copy-up or afresh, at its birth time (STATX_BTIME). The host's object was
 * what the isle saw if its ctime is not later than that moment: isle_layer_base_time(). In a SHADOW
 * layer the moment is the birth of the shadow's copy. All whiteouts of one mount are one inode, born with the first.
 * At the end of a run stamp.h sees to it that the host's changes after it are later than all of these.
 */
#include "error.h"
#include "store.h"
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum isle_layer_kind { ISLE_LAYER_OVERLAY, ISLE_LAYER_SHADOW, ISLE_LAYER_FILE };

/* On an object of an upper directory, after isle_layer_xattr(): the owner "UID:GID" that an ordinary user's isle was
 * asked for and cannot hold (--fake-owner). */
#define ISLE_OWNER_NOTE "isle.owner"

struct isle_layer {
	unsigned number; /* N of layers.d/N, also its index in the table */
	enum isle_layer_kind kind;
	bool user;	    /* made by an ordinary user: user.overlay.*, no redirects, no metacopy */
	const char *path;   /* absolute host path, "/" for the root */
	const char *place;  /* absolute path of the directory that holds upper and work; NULL: layers.d/N of the isle */
	const char *shadow; /* key of the shadow, SHADOW only */
	uint32_t root_mode; /* permission bits that the upper root got when it was made; differing is a change */
	bool covered;	    /* the isle has removed or replaced its directory, which was in a SHADOW layer */
};

struct isle_layers {
	struct isle_layer *list;
	size_t count;
	char *text; /* storage of the strings */
};

#define ISLE_LAYERS_INIT ((struct isle_layers){0})

/* Reads the table; an isle that never ran has none and count is 0. -EPERM where somebody else could have put something
 * in the place of one of its layers: nothing may be made of it then. */
int isle_layers_read(const struct isle *isle, struct isle_layers *ret_layers, struct isle_err *err) isle_must_check;
/* The same without a look at the layers, for cleaning up: none is `covered`. */
int isle_layers_parse(const struct isle *isle, struct isle_layers *ret_layers, struct isle_err *err) isle_must_check;
void isle_layers_done(struct isle_layers *layers);
/* Tells again which layers are covered: isle_layers_read() does, but a program that runs in the isle can change it. */
void isle_layers_look(const struct isle *isle, struct isle_layers *layers);
#define auto_layers __attribute__((cleanup(isle_layers_done)))

/* Writes the whole table anew (atomically). */
int isle_layers_write(const struct isle *isle, const struct isle_layers *layers, struct isle_err *err) isle_must_check;

/* The directory that holds upper and work. A new descriptor or -errno. */
int isle_layer_open(const struct isle *isle, const struct isle_layer *layer) isle_must_check;
/* The same for its "upper" and "work"; -ENOENT for a FILE layer. */
int isle_layer_open_upper(const struct isle *isle, const struct isle_layer *layer) isle_must_check;
/* The shadow directory of a SHADOW layer. */
int isle_layer_open_shadow(const struct isle_store *store, const struct isle_layer *layer) isle_must_check;
/* The host's directory at layer->path (O_PATH for a FILE layer's file). */
int isle_layer_open_host(const struct isle_layer *layer) isle_must_check;

/*
 * Places: DIRECTORY/.isle.../ID-N, on another file system than the store. All who open one go through here: the last
 * two directories are the caller's and closed to others, and nobody else can exchange anything on the way (trusted.h).
 */
/* The directory that holds upper and work. A new descriptor or -errno; err is set where others control the way. */
int isle_place_open(const char *place, int flags, struct isle_err *err) isle_must_check;
/* -EPERM, with all that a user needs to know, where others control the way. A place that is not there is no error. */
int isle_place_check(const char *place, struct isle_err *err) isle_must_check;
/* O_PATH of DIRECTORY/.isle..., and ID-N. */
int isle_place_parent(const char *place, const char **ret_name) isle_must_check;
/* Deletes it, and with the last one the directory that holds them. 0 also when there is none. */
int isle_place_remove(const char *place) isle_must_check;

const char *isle_layer_xattr(const struct isle_layer *layer);
/* An absolute path in the layer as one below its root: "" for the root itself. A part of path. */
const char *isle_layer_below(const struct isle_layer *layer, const char *path);

/* Gives a covered layer an empty upper, for the case that what covers it goes again (a discard). 0 or -errno. */
int isle_layer_empty(const struct isle *isle, const struct isle_layer *layer) isle_must_check;

/* The layer that holds this absolute path, or NULL. */
const struct isle_layer *isle_layers_find(const struct isle_layers *layers, const char *path);

/* Makes the directories (or the copied file) of a new layer; host is the host's directory or file, O_PATH will do.
 * Upper gets the rights of the host's directory: as root all its metadata, as a user layer->root_mode and its time.
 * host is -1 for a directory of the host that has gone since the isle first had this layer. */
int isle_layer_make(const struct isle *isle, const struct isle_layer *layer, int host) isle_must_check;

/* A FILE layer that the isle has not written to follows the host: its copy is made anew when the host's file changed.
 */
int isle_layer_refresh_file(const struct isle *isle, const struct isle_layer *layer, int host) isle_must_check;

/* 1 if the isle has written to the copy of this FILE layer or changed its metadata, 0 if not, or -errno. */
int isle_layer_file_written(const struct isle *isle, const struct isle_layer *layer) isle_must_check;
