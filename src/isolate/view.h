/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The view: the tree of mounts that the program sees as its root. It is planned in the supervisor, where memory can be
 * had and the host be looked at, and built in the keeper, which only makes system calls.
 */
#include "error.h"
#include "layer.h"
#include "mounts.h"
#include "run.h"
#include "store.h"
#include <stdbool.h>

enum isle_step_kind {
	ISLE_STEP_LAYER,     /* the overlay, or the copied file, of layer `layer` */
	ISLE_STEP_STILL,     /* a read-only overlay of the host's directory, or of `shadow`: still.h */
	ISLE_STEP_READ_ONLY, /* the host's plain file, read-only */
	ISLE_STEP_BIND,	     /* the host's object, writable: --write */
	ISLE_STEP_HIDE,	     /* an empty directory or an unreadable file */
	ISLE_STEP_RESOLV,    /* the isle's resolv.conf over the host's, whose name servers are out of reach inside */
};

struct isle_step {
	enum isle_step_kind kind;
	char *path;	     /* absolute; where in the view and what of the host */
	unsigned long flags; /* MS_NOSUID, MS_NOEXEC of the host's mount */
	unsigned layer;	     /* ISLE_STEP_LAYER: index in the layer table */
	int held;	     /* ISLE_STEP_BIND: what is to be at path, O_PATH; -1 for the other kinds */
	bool missing;	    /* HIDE: the host has no such path yet; its name is taken by an empty directory meanwhile */
	const char *shadow; /* ISLE_STEP_STILL: key of the shadow, or NULL */
	bool owed;	    /* HIDE: for all that is known the host's object shows there, so that it must be found */
	bool named;    /* HIDE: by the user. Links are followed in the view, and what cannot be hidden is an error */
	bool optional; /* what is missing is left out, and what cannot be overlaid is shown read-only or as empty */
	bool plain;    /* LAYER, STILL: the host's file system holds neither sockets nor pipes nor devices */
};

/* A part of a layer's lower that overlayfs must not find: the keeper puts a directory over the lower that has an
 * opaque directory or an empty file there. */
struct isle_mask {
	unsigned layer;
	const char *path; /* absolute, below the layer's */
	bool directory;
};

struct isle_view {
	struct isle_step *list; /* in the order in which they are mounted: parents first */
	size_t count;
	struct isle_mask *masks;
	size_t mask_count;
	struct isle_layers layers; /* those of the table and the new ones */
	bool user;		   /* made by an ordinary user, in a user namespace */
	/* Of each layer: its directory where it is not in the store, O_PATH, else -1. The keeper opens each again when
	 * it is mounted, in its own mount namespace, under the same number. After pivot_root its path leads into the
	 * view, where it is hidden. */
	int *places;
	struct view_strings *strings;
};

#define ISLE_VIEW_INIT ((struct isle_view){0})

/* Plans the view of an isle on the host as it is now, and writes new layers into its table. */
int isle_view_plan(struct isle_store *store, const struct isle *isle, const struct isle_run_options *options,
		   struct isle_view *ret_view, struct isle_err *err) isle_must_check;
void isle_view_done(struct isle_view *view);
#define auto_view __attribute__((cleanup(isle_view_done)))

/*
 * Mounts the view, in the keeper: after the namespaces are entered and mounts made private, before the keeper's init is
 * cloned. Allocates nothing. Leaves an O_PATH descriptor of the view's root in *ret_root.
 */
int isle_view_mount(const struct isle_store *store, const struct isle *isle, const struct isle_view *view,
		    unsigned flags /* enum isle_run_flags */, int *ret_root, struct isle_err *err) isle_must_check;

/* Drops what the overlays have cached of the host (mount -o remount): names missed and files replaced since are seen.
 */
int isle_view_refresh(int root, const struct isle_view *view) isle_must_check;

/* Once the view is mounted, and before a mount that follows a keeper that was killed: takes away the marks by which
 * overlayfs refuses to mount a volatile layer again (boot.h tells a torn layer by its own), and opens the work
 * directories, so that rm -r can delete a store. */
void isle_view_settle(const struct isle *isle, const struct isle_view *view);

/* After the last process inside has ended: lets the owner move and delete what the layers hold. */
void isle_view_rest(const struct isle *isle, const struct isle_view *view);

/* True for a caller that is the machine's root and needs no user namespace to mount. */
bool isle_view_is_root(void);
