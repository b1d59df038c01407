#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Root commits below a directory of a user's, on a file system where what is new is made beside the host's files: whatever the user
# puts in its place in the moment after it was made, root does not change or remove that.
# runs-as: root
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need strace
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"
if [ -z "${SWAPS_UNSHARED:-}" ]; then
	SWAPS_UNSHARED=1 unshare -m --propagation private bash "$0" || fail "with a file system of its own"
	exit 0
fi
uid=$(id -u "$ISLE_TEST_USER")
chmod 0755 "$T"
P=$T/project
mkdir "$P"
mount -t tmpfs -o "uid=$uid,mode=0755" none "$P"
at_end "cd /; umount -l '$P' 2>/dev/null"
cd "$P" || exit

parked() {
	name=$(find "$P" -maxdepth 1 -name ".isle-*-$1")
	[ -n "$name" ]
}

state() {
	stat -c '%n %u:%g %a %h' dir dir/* file 2>&1 || true
	cat dir/kept file 2>&1 || true
}

# race CALL INDEX SCRIPT SWAP [ARG]...: commits what SCRIPT did in the isle. After a CALL has prepared action INDEX, the user does SWAP.
race() {
	local call=$1 index=$2 script=$3 swap=$4 status=0 pid before
	shift 4
	# What the user cannot change, but can move or link.
	mkdir -m 0700 dir
	echo kept >dir/kept
	echo victim >file
	chmod 0666 file
	ln file .other
	before=$(state)
	isle run -q -n swaps --criteria write -- sh -c "$script"
	strace -qq -o "$T/strace" -e "trace=$call" -e "inject=$call:delay_exit=500000" "$ISLE" commit --yes --allow=all "$@" swaps \
		>"$T/said" 2>&1 &
	pid=$!
	wait_for 20 parked "$index"
	as_user sh -c "cd '$P' && $swap" . "$name" || fail "could not swap"
	wait "$pid" || status=$?
	[ -d dir ] || ! [ -d "$name" ] || mv "$name" dir
	rm -f .other
	same "$(state | sed '/^file/s/ .$/ 2/')" "$before" "$call: $swap"
	same "$status" 4 "status of $call: $swap ($(cat "$T/said"))"
	has "$(cat "$T/said")" "on the host while the operation was going on"
	isle discard -q --yes swaps
	find "$P" -mindepth 1 -delete
}

swap_dir='mv "$1" .made && mv dir "$1"'
swap_file='mv "$1" .made && ln file "$1"'
race mkdirat 0 "mkdir d; chown $uid d; chmod 777 d; echo x >d/x; echo y >d/y" "$swap_dir" --except "$P/d/y"
race mkdirat 0 "mkdir d; chown $uid d; chmod 777 d" "$swap_file"
race mkdirat 0 "mkdir d; chown $uid d; echo x >d/x" "$swap_dir"
race symlinkat 0 "ln -s x l; chown -h $uid l" "$swap_dir"
race symlinkat 0 "ln -s x l; chown -h $uid l" "$swap_file"
race mknodat 0 "mkfifo p; chown $uid p" "$swap_file"
race fchownat 0 "echo 1 >a; chown $uid a; ln a b" "$swap_file"

# Between the look at what is to be renamed and the renaming, something else gets its name: it does not come to the new one.
in_renameat2() {
	local tracer=$1 child
	child=$(cat "/proc/$tracer/task/$tracer/children") && grep -q "^$call " "/proc/${child% }/syscall"
}
case $(uname -m) in
x86_64) call=316 ;;
aarch64 | riscv64) call=276 ;;
*) call= ;;
esac
if [ "$call" ]; then
	echo planned >from
	echo other >other
	chown "$uid" . other
	isle run -q -n take --criteria write -- sh -c "mkdir new; mv from new/name"
	strace -qq -o "$T/strace" -e trace=renameat2 -e inject=renameat2:delay_enter=700000 "$ISLE" commit --yes --allow=all take >"$T/said" 2>&1 &
	pid=$!
	for _ in $(seq 200); do
		in_renameat2 "$pid" 2>/dev/null && as_user sh -c "cd '$P' && mv from .from && mv other from" && break
		sleep 0.02
	done
	status=0
	wait "$pid" || status=$?
	same "$status" 4 "status ($(cat "$T/said"))"
	same "$(cat from)" other
	same "$(cat .from)" planned
	absent new
fi
cd /
umount "$P"

# A file system that says itself whose everything is, as FAT does, is no swap.
mkdir "$T/below"
bindfs -o attr_timeout=0,entry_timeout=0 --force-user=nobody --force-group=nogroup --chown-ignore --chgrp-ignore "$T/below" "$P"
cd "$P"
isle run -q -n forced -- sh -c 'mkdir d; echo f >d/f; ln -s d l; mkfifo p'
isle commit -q --yes forced
same "$(cat d/f)" f
same "$(stat -c %U d)" nobody
[ -L l ] && [ -p p ] || fail "not all of it is there"
cd /
umount "$P"
nothing_left
