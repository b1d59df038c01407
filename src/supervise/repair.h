/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Repairs: what the view cannot do and the host could, done by the supervisor in the place of the program.
 *
 *   isle_repair_rename   directories of the host that an ordinary user's overlays cannot move; renames between overlays
 *                        that are one file system on the host
 *   isle_repair_link     links between such overlays
 *   isle_repair_remove   directories of the host that are mount points in the view
 *   isle_repair_node     device nodes for the isle's root
 *   isle_repair_owner    owners that the view cannot hold
 *
 * Each is a handler that runs after the one that records. It leaves alone what the kernel does as it does natively, and
 * answers the rest. What it does, it does with arguments that were copied once, below the root of the view (never out
 * of it through a symbolic link), and with no more rights than the caller has.
 */
#include "caller.h"
#include "guide_internal.h"
#include <stdbool.h>

/* A name in a directory of the view, as one argument of a call means it. */
struct isle_repair_place {
	int dir;		 /* O_PATH */
	char name[NAME_MAX + 1]; /* of the entry in dir, never "." or ".." */
	char view[2 * PATH_MAX]; /* dir/name in the view, without symbolic links but for the name itself:
				    isle_repair_view() */
	bool slash;		 /* it was written with a slash at its end */
	uint64_t mount;		 /* of dir */
	struct statx st;	 /* of the object; stx_mode 0: there is none */
};

#define ISLE_REPAIR_INIT ((struct isle_repair_place){.dir = -1})
void isle_repair_place_done(const struct isle_repair_place *place);
#define auto_repair_place __attribute__((cleanup(isle_repair_place_done)))

enum isle_repair_find_flags {
	ISLE_REPAIR_FOLLOW = 1 << 0, /* a symbolic link as the last component is followed */
};

/* False: leave it to the kernel, which finds an error or something that is none of the view's overlays. */
bool isle_repair_find(struct isle_guide *guide, const struct isle_call *call, int dirfd, uint64_t address,
		      unsigned flags, struct isle_repair_place *ret_place);

enum isle_carry_flags {
	ISLE_CARRY_LINK = 1 << 0, /* within one overlay: files get a second name, nothing is copied twice */
	ISLE_CARRY_BACK = 1 << 1, /* only what to does not have */
	ISLE_CARRY_FEW = 1 << 2,  /* not when it takes long: -E2BIG */
};

/* Fills in place->view. */
bool isle_repair_view(struct isle_repair_place *place) isle_must_check;

/*
 * Makes to_dir/to, which is not there yet, the same as from_dir/from with all below it: directories anew with all their
 * metadata, files, links and FIFOs linked or copied. 0 or -errno, with what was made removed again; -EXDEV when
 * something of it cannot be carried or, later, not be removed at the old place (it belongs to somebody else).
 */
int isle_carry(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) isle_must_check;

/* Something is mounted there in the view. */
bool isle_repair_is_mount_point(const struct isle_repair_place *place);

/* It is a mount point only because the isle has a layer for it. Needs place->view. */
bool isle_repair_can_take_off(struct isle_guide *guide, const struct isle_repair_place *place);

/* 0 or -errno: whether the entry may be taken out of its directory, as may_delete() of the kernel decides. */
int isle_repair_may_remove(const struct isle_repair_place *place) isle_must_check;

enum isle_take_off_flags {
	ISLE_TAKE_OFF_ALL = 1 << 0, /* also when it is not empty */
};

/* Removes such a directory with what is mounted on it. 0 or -errno; -EBUSY: it cannot be told whether it is empty. */
int isle_repair_take_off(struct isle_guide *guide, const struct isle_repair_place *place,
			 unsigned flags) isle_must_check;

/* The child that moves a large tree has ended: says what becomes of the call that waits for it (guide->move). */
int isle_repair_rename_end(struct isle_guide *guide, const struct isle_call *call,
			   struct isle_verdict *ret_verdict) isle_must_check;

isle_handler isle_repair_rename, isle_repair_link, isle_repair_remove, isle_repair_node, isle_repair_owner;
