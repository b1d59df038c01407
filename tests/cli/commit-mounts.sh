#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The cases of commit.sh where the host's directory is a mount of its own: a bind mount of the store's file system, between which
# and the store a rename is refused, a tmpfs, and an ext4 whose layer lies in a place on it. On a FUSE file system, which cannot
# exchange two names, those that change the type or the place of something.
# runs-as: root
# time-limit: 600
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$(readlink -f "$0")")
for kind in bind tmpfs ext4; do
	unshare -m --propagation private env COMMIT_MOUNT=$kind bash "$here/commit.sh" || fail "on a $kind mount"
done
need bindfs
unshare -m --propagation private env COMMIT_MOUNT=fuse COMMIT_ONLY='re[npl]*' bash "$here/commit.sh" || fail "on a FUSE mount"
nothing_left
