#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The file system of the host, or that of the store, is really full, over a quota, or turns read-only while a commit, an undo, a
# discard, a gc or recovery is at work: each is done as a whole or not at all, and done once there is room again.
# runs-as: root
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../helpers/operations.sh"
before="" after="" pending="" side="" # look_around_commit and tell_side set them
need mkfs.ext4 mkfs.btrfs btrfs e2fsck losetup

# In a mount namespace of its own: nothing stays, whatever becomes of it.
if [ -z "${SPACE:-}" ]; then
	SPACE=1 TMPDIR=$T unshare -m --propagation private bash "$(readlink -f "$0")"
	exit
fi

# --- two file systems of their own: S, with the store, and the one at H ---

S=$ISLE_HOME
mkdir "$H"

# mount_image NAME WHERE [OPTIONS]: ext4, as it was if it was there.
mount_image() {
	[ -e "$T/$1.image" ] || {
		truncate -s 12M "$T/$1.image"
		mkfs.ext4 -q -b 1024 -m 0 -N 800 "$T/$1.image"
	}
	mount -o "loop,${3:-defaults}" "$T/$1.image" "$2"
}

mount_both() {
	mount_image store "$S" errors=remount-ro
	mount_image host "$H" errors=remount-ro
	chmod 700 "$S"
	chmod 755 "$H"
	rmdir "$S/lost+found" "$H/lost+found" 2>/dev/null || true
}
at_end 'umount -l -q "$H" "$S"'

# fill WHERE KIB: all but so much of it is taken.
fill() {
	dd if=/dev/zero of="$1/.filler" bs=1k status=none 2>/dev/null || true
	truncate -s "-$2K" "$1/.filler"
	sync -f "$1"
}

unfill() {
	rm -f "$S/.filler" "$H/.filler"
	sync -f "$S"
	sync -f "$H"
}

# The seed removes everything below H, so nothing else may lie there.
look_at_host_alone() {
	look_at_host | grep -v '^[^ ]*\.filler'
}

# outcome WHAT STATUS FROM TO: sets $side; the next command must be able to take it from here.
outcome() {
	local what=$1 status=$2 from=$3 to=$4
	if [ -L "$S/pending" ]; then
		"$ISLE" log >/dev/null 2>"$T/recovery" || fail "$what: the next command: $(cat "$T/recovery")"
		status=-1
	fi
	absent "$S/pending"
	$look >"$T/now"
	tell_side "$what" "$from" "$to"
	case $status:$side in
	0:back) fail "$what: it says that it was done" ;;
	[1-9]*:forth) fail "$what: it says that it was not done: $(cat "$T/out")" ;;
	esac
	nothing_half "$what"
}

# try WHERE WHAT FROM TO COMMAND...: with more and more room on that file system, until it works; then it has failed at
# several places. What was not done is done when there is room.
try() {
	local where=$1 what=$2 from=$3 to=$4 prepare=$5 room status failures=0
	shift 5
	for room in 0 1 2 3 5 8 12 18 27 40 60 90 150 300 600 1200; do
		$prepare
		fill "$where" $room
		status=0
		"$ISLE" "$@" >"$T/out" 2>&1 || status=$?
		[ "$status" -lt 124 ] || fail "$what, $room KiB: status $status: $(cat "$T/out")"
		unfill
		outcome "$what, $room KiB on $where" $status "$from" "$to"
		[ "$side" = back ] || break
		failures=$((failures + 1))
		"$ISLE" "$@" >"$T/out" 2>&1 || fail "$what, with room again: $(cat "$T/out")"
		$look | diff "$to" - >&2 || fail "$what, with room again: not whole"
	done
	[ "$side" = forth ] || fail "$what: never done: $(cat "$T/out")"
	echo "$what: $failures times too little room on ${where##*/}, done with $room KiB"
	[ $failures -gt 0 ] || [ "$where" != "$S" ] || fail "$what: always enough room"
}

emptied() {
	"$ISLE" gc -q --keep 0
	fresh
}
committed() {
	emptied
	"$ISLE" commit -q --yes base
}

# --- no room ---

mount_both
look=look_at_host_alone
look_around_commit
: >"$T/recovery"
echo "no changes" >"$T/nothing"
for where in "$S" "$H"; do
	look=look_at_host_alone
	try "$where" commit "$before" "$after" emptied commit -q --yes base
	try "$where" undo "$after" "$before" committed undo -q --yes
	look=look_at_isle
	try "$where" discard "$pending" "$T/nothing" emptied discard -q --yes base
done
# What frees room needs none.
committed
"$ISLE" rm -q --yes base
fill "$S" 0
"$ISLE" gc -q --keep 0
same "$(find "$S/undo" "$S/trash" -mindepth 1)" "" "not freed"
unfill

# --- a quota ---

# Of btrfs, whose quotas every kernel with it has. The limit is for everybody, root included.
over_quota() {
	local what=$1 from=$2 to=$3 prepare=$4 more status said=
	shift 4
	for more in 0 32 64 128 512 4096; do
		$prepare
		btrfs -q quota enable "$Q"
		btrfs -q quota rescan -w "$Q"
		btrfs -q qgroup limit $((more * 1024 + $(btrfs qgroup show --raw -f "$Q/sub" | awk '/^0\// { print $2 }'))) "$Q/sub"
		status=0
		"$ISLE" "$@" >"$T/out" 2>&1 || status=$?
		! grep -qi 'quota' "$T/out" || said=yes
		btrfs -q quota disable "$Q" # over it, it cannot be changed
		outcome "$what, $more KiB below the quota" $status "$from" "$to"
		[ "$side" = back ] || break
		"$ISLE" "$@" >"$T/out" 2>&1 || fail "$what, without a quota: $(cat "$T/out")"
		$look | diff "$to" - >&2 || fail "$what, without a quota: not whole"
	done
	same "$side $said" "forth yes" "$what below a quota: $(cat "$T/out")"
	echo "$what: over the quota, done with $more KiB"
}

umount "$H"
Q=$T/quota
mkdir "$Q"
truncate -s 200M "$T/quota.image"
mkfs.btrfs -q "$T/quota.image" >/dev/null 2>&1
mount -o loop "$T/quota.image" "$Q"
at_end 'umount -l -q "$H" "$Q"'
btrfs -q subvolume create "$Q/sub"
mount --bind "$Q/sub" "$H"
# Much, since small files lie in the tree of btrfs.
small=$changes
changes+='; seq 30000 >n/2; seq 30000 >n/3; touch -d 2021-02-03 n/2 n/3'
look=look_at_host
look_around_commit
over_quota commit "$before" "$after" emptied commit -q --yes base
umount "$H" "$Q"
changes=$small
mount_image host "$H" errors=remount-ro
look_around_commit

# --- no more file system ---

# turns_read_only WHERE WHAT CALL N FROM TO COMMAND...: as after an error of its disk, when the N-th CALL is made.
turns_read_only() {
	local where=$1 what=$2 call=$3 n=$4 from=$5 to=$6 status=0 tracer pid
	shift 6
	: >"$T/strace"
	sync # what is not on the disk by now is as after a power loss
	strace -f -o "$T/strace" -e "trace=$call" -e "inject=$call:signal=SIGSTOP:when=$n" "$ISLE" "$@" >"$T/out" 2>&1 &
	tracer=$!
	wait_for 60 grep -qs 'stopped by SIGSTOP' "$T/strace"
	pid=$(awk '/stopped by SIGSTOP/ { print $1; exit }' "$T/strace")
	mount -o remount,abort "$where" 2>/dev/null || true
	! touch "$where/.filler" 2>/dev/null || fail "$where can be written to"
	kill -CONT "$pid"
	wait "$tracer" || status=$?
	differs "$status" 0 "$what, read-only at $call $n: status"
	umount "$H" "$S"
	for image in store host; do
		e2fsck -fy "$T/$image.image" >"$T/fsck" 2>&1 || [ $? -lt 4 ] || fail "e2fsck: $(cat "$T/fsck")"
	done
	mount_both
	rm -f "$where/.filler"
	"$ISLE" log >/dev/null 2>"$T/recovery"
	outcome "$what, read-only ${where##*/} at $call $n" -1 "$from" "$to"
	echo "$what, ${where##*/} read-only at $call $n: $side"
	[ "$side" = forth ] || [ "$what" = recovery ] || {
		"$ISLE" "$@" >"$T/out" 2>&1 || fail "$what, read-only ${where##*/} at $call $n, then again: $(cat "$T/out")"
		$look | diff "$to" - >&2 || fail "$what, read-only ${where##*/} at $call $n, then again: not whole"
	}
}

for where in "$S" "$H"; do
	look=look_at_host_alone
	for n in 2 7; do
		emptied
		turns_read_only "$where" commit renameat2 $n "$before" "$after" commit -q --yes base
		committed
		turns_read_only "$where" undo renameat2 $n "$after" "$before" undo -q --yes
	done
done
look=look_at_isle
emptied
turns_read_only "$S" discard renameat2 2 "$pending" "$T/nothing" discard -q --yes base
# Recovery.
look=look_at_host_alone
for where in "$S" "$H"; do
	emptied
	kill_at renameat2 9
	turns_read_only "$where" recovery renameat2 2 "$before" "$after" undo -q --yes
done
