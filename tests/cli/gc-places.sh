#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle gc with layers that lie in places on another file system: it counts and frees what undo needs there, and an isle that has
# such a layer is no damage.
# time-limit: 60
. "$(dirname "$0")/../lib.sh"
need mkfs.ext4 losetup

if [ -z "${INSIDE:-}" ]; then
	INSIDE=1 unshare -m --propagation private bash "$0"
	nothing_left
	exit 0
fi
unset ISLE_PLACES
truncate -s 64M "$T/image"
mkfs.ext4 -q "$T/image"
mkdir "$T/m"
mount -o loop "$T/image" "$T/m"
at_end 'umount -l "$T/m"'
head -c 4000000 /dev/urandom >"$T/m/first"
head -c 3000000 /dev/urandom >"$T/m/second"

isle run -q -n placed -- rm "$T/m/first"
isle commit -q --yes placed
isle run -q -n placed -- rm "$T/m/second"
isle commit -q --yes placed
exists "$T/m/.isle"
isle gc 2>"$T/err"
has "$(cat "$T/err")" "kept what undo needs of 2 operations of the last 7 days (7."
isle gc --max-size 5M --yes 2>"$T/err"
has "$(cat "$T/err")" "freed operation 1, commit of isle 'placed'"
has "$(cat "$T/err")" "(1 deleted): 4."
[ "$(du -sk "$T/m/.isle" | cut -f 1)" -lt 3500 ] || fail "$(du -a "$T/m/.isle")"
isle undo -q --yes
exists "$T/m/second"
absent "$T/m/first"
isle gc -q --keep 0
isle rm -q placed
isle gc -q
same "$(ls -A "$T/m")" "lost+found
second"
