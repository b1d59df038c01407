#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: fuse.sh LAYERS CMD [ARG...]   runs CMD on a fuse-overlayfs of /; to be started by unshare (contenders.py)
set -e
layers=$1
shift
mkdir -p "$layers/upper" "$layers/work" "$layers/view" "$layers/lower"
mount --rbind / "$layers/lower" # before the view is mounted: else it finds itself in itself, and waits for itself
fuse-overlayfs -o "lowerdir=$layers/lower,upperdir=$layers/upper,workdir=$layers/work" "$layers/view" 2>/dev/null
mount --rbind /dev "$layers/view/dev"
mount -t proc proc "$layers/view/proc"
directory=$PWD
cd "$layers/view"
exec chroot . sh -c 'cd "$0"; exec "$@"' "$directory" "$@"
