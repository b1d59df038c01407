#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The mount-layout matrix: rows.py, each row natively and in an isle, as root and as the ordinary user.
# runs-as: root
# time-limit: 600
. "$(dirname "$0")/../lib.sh"

need unshare mkfs.ext4 mkfs.xfs mkfs.btrfs mksquashfs bindfs
[ -e /dev/fuse ] && [ -e /dev/loop-control ] || skip "no /dev/fuse or no loop devices"
# Not below $T, which may be closed to the ordinary user.
work=$(mktemp -d /var/tmp/isle-layouts.XXXXXX)
chmod 755 "$work"
at_end 'rm -rf --one-file-system "$work"'
TMPDIR=$work /usr/bin/python3 -B "$(dirname "$0")/layouts.py" --jobs 2
