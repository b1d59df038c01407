#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On a mounted file system that another user controls, nothing of isle's lies that this user could exchange or forge: a new layer
# lies in the store, and one that is there already is refused by every command, with the host and the isle as they were.
# runs-as: root
# time-limit: 240
. "$(dirname "$0")/../lib.sh"
need mkfs.ext4 losetup setpriv python3
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"

if [ -z "${INSIDE:-}" ]; then
	INSIDE=1 unshare -m --propagation private bash "$0"
	nothing_left
	exit 0
fi
unset ISLE_PLACES
: "${PLACE_RACES:=40}"
user=$ISLE_TEST_USER
uid=$(id -u "$user")
chmod 755 "$T"
M=$T/m
mkdir "$M"
truncate -s 64M "$T/image"
mkfs.ext4 -q "$T/image"
mount -o loop "$T/image" "$M"
at_end '! mountpoint -q "$M" || umount -l "$M"'
rmdir "$M/lost+found"
secret=$T/secret # what only root can read, beside the file system
mkdir -m 700 "$secret"
echo secret >"$secret/file"

by_user() {
	setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
}
# What an isle of root's changes there, and the file system anew before it.
populate() {
	find "$M" -mindepth 1 -delete
	chown root: "$M"
	chmod 755 "$M"
	command -v setfacl >/dev/null && setfacl -b "$M"
	mkdir "$M/dir"
	echo old >"$M/dir/file"
	echo gone >"$M/dir/gone"
	echo stays >"$M/stays"
}
change() {
	isle run -q --net none --keep -n "$1" -- sh -c "echo new >$M/dir/file; rm $M/dir/gone; echo more >$M/more"
}
committed() {
	content "$M/dir/file" new
	content "$M/more" more
	absent "$M/dir/gone"
	content "$M/stays" stays
}
# give HOW: makes the file system's root directory one that the user controls.
give() {
	case $1 in
	owner) chown "$user:" "$M" ;;
	group) chgrp "$user" "$M" && chmod 775 "$M" ;;
	world) chmod 777 "$M" ;;
	acl) setfacl -m "u:$user:rwx" "$M" ;;
	sticky-owner) chown "$user:" "$M" && chmod 1777 "$M" ;;
	esac
}
hows=(owner group world sticky-owner)
! command -v setfacl >/dev/null || hows+=(acl)

# --- a new layer lies where nobody can exchange it ---
for how in "${hows[@]}"; do
	populate
	give "$how"
	change "new-$how"
	[ -z "$(find "$M" -name '.isle*')" ] || fail "$how: $(find "$M")"
	isle commit -q --yes "new-$how" >/dev/null
	committed
	[ -z "$(find "$M" -name '.isle*')" ] || fail "$how: $(find "$M")"
	isle undo -q --yes >/dev/null
	content "$M/dir/file" old
	exists "$M/dir/gone"
	absent "$M/more"
done
# A directory above the mount that the user controls: there another mount point could be put in its place.
mkdir "$T/above"
mkdir "$T/above/m"
chown "$user:" "$T/above"
populate
mount --move "$M" "$T/above/m"
at_end '! mountpoint -q "$T/above/m" || umount -l "$T/above/m"'
isle run -q --net none --keep -n above -- sh -c "echo new >$T/above/m/dir/file"
absent "$T/above/m/.isle"
isle rm -q --yes above
mount --move "$T/above/m" "$M"
# Root's own directory, also with the sticky bit: a place, as before.
for mode in 755 1777; do
	populate
	chmod $mode "$M"
	change trusted-$mode
	exists "$M/.isle"
	# What a user makes there first is not used, nor is it touched.
	isle commit -q --yes trusted-$mode >/dev/null
	committed
	isle undo -q --yes >/dev/null
	exists "$M/dir/gone"
	isle rm -q --yes trusted-$mode
	isle gc -q --keep 0
done
for made in 'mkdir -m 777' 'ln -s ../secret'; do
	populate
	chmod 1777 "$M"
	by_user sh -c "$made $M/.isle"
	change squat
	[ -z "$(find "$M/.isle/" -mindepth 1 ! -name file)" ] || fail "used: $(ls -lA "$M/.isle/")"
	isle commit -q --yes squat >/dev/null
	committed
	isle rm -q --yes squat
	rm -rf "$M/.isle"
done

# --- a layer that is there already ---
# state: the host, the isle's table, and what is secret.
state() {
	tree_of "$M"
	tree_of "$secret"
}
# refused WHAT: every command leaves all as it is, and says whose directory it is.
refused() {
	local what=$1 before command
	before=$(state)
	for command in "status $name" "diff $name" "commit --yes $name" "commit --yes --on-conflict isle $name" \
		"run -q --net none --keep -n $name -- true" "run -q --no-track --net none --keep -n $name -- true" \
		"discard --yes $name" "undo --yes"; do
		# shellcheck disable=SC2086
		if isle $command >"$T/out" 2>"$T/err"; then fail "$what: isle $command: $(cat "$T/out" "$T/err")"; fi
		has "$(cat "$T/err")" "nothing in $M/.isle/" "hint: what lies there may be forged"
		same "$(state)" "$before" "$what: isle $command"
	done
	isle gc -q 2>"$T/err" || fail "$what: isle gc: $(cat "$T/err")"
	same "$(state)" "$before" "$what: isle gc"
}
prepare() {
	populate
	name=there-$RANDOM
	change "$name"
	isle commit -q --yes "$name" "$M/more" >/dev/null # so that there is something to undo
	[ -d "$M/.isle" ] || fail "no place"
	id=$(find "$M/.isle" -mindepth 1 -maxdepth 1 ! -name 'undo-*' -printf '%f\n')
}
give_back() {
	chown root: "$M"
	chmod 755 "$M"
	! command -v setfacl >/dev/null || setfacl -b "$M"
}
# Forged deletions and contents, as an isle would have them.
forge() {
	mkdir -p "$1/upper/dir" "$1/work/work"
	echo forged >"$1/upper/dir/file"
	ln -f "$M/stays" "$1/upper/dir/link" 2>/dev/null || true
	mknod "$1/upper/stays" c 0 0
	echo forged >"$1/file"
}
forgeries=(as-it-is new-places new-link new-mode)
for how in "${hows[@]}"; do
	prepare
	give "$how"
	refused "$how, nothing forged"
	give_back
	isle commit -q --yes "$name" >/dev/null || fail "$how: $(isle status "$name" 2>&1)"
	committed
	isle undo -q --yes >/dev/null
	content "$M/dir/file" old
	isle rm -q --yes "$name"
	isle gc -q --keep 0
done
for forgery in "${forgeries[@]}"; do
	prepare
	give owner
	case $forgery in
	as-it-is) ;;
	new-places)
		by_user bash -c "$(declare -f forge); M=$M; mv $M/.isle $M/away; mkdir -m 700 $M/.isle; mkdir -m 700 $M/.isle/$id; forge $M/.isle/$id"
		;;
	new-link)
		by_user bash -c "$(declare -f forge); M=$M; mv $M/.isle $M/away; mkdir -m 700 $M/other $M/other/$id; forge $M/other/$id; ln -s other $M/.isle"
		;;
	new-mode)
		by_user bash -c "mv $M/.isle $M/away; ln -s $secret $M/.isle"
		;;
	esac
	refused "$forgery"
	# The user takes care that root's look at the mount's root is fine, too.
	if [ "$forgery" != as-it-is ]; then
		give_back
		before=$(state)
		for command in "commit --yes $name" "run -q --net none --keep -n $name -- true" "undo --yes" "discard --yes $name"; do
			# shellcheck disable=SC2086
			if isle $command >"$T/out" 2>&1; then fail "$forgery, given back: isle $command: $(cat "$T/out")"; fi
			same "$(state)" "$before" "$forgery, given back: isle $command"
		done
		rm -rf "$M/.isle" "$M/other"
		mv "$M/away" "$M/.isle"
	else
		give_back
	fi
	isle commit -q --yes "$name" >/dev/null
	committed
	isle gc -q --keep 0
	isle rm -q --yes "$name"
	isle gc -q
	[ -z "$(find "$M" -name '.isle*')" ] || fail "left: $(find "$M")"
done

# --- races: the user exchanges the places all the time ---
cat >"$T/exchange.py" <<'END'
import ctypes, os, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
a, b = (os.fsencode(path) for path in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
    time.sleep(random.random() * 0.003)
END
populate
give owner
by_user bash -c "$(declare -f forge); M=$M; mkdir -m 700 $M/a; forge $M/a; ln -s $secret $M/b; ln $M/stays $M/a/upper/dir/x 2>/dev/null; true"
by_user mv "$M/a" "$M/.isle"
setpriv --reuid "$user" --regid "$user" --clear-groups python3 "$T/exchange.py" "$M/.isle" "$M/b" &
racer=$!
at_end 'kill $racer 2>/dev/null'
secret_before=$(tree_of "$secret")
for ((i = 0; i < PLACE_RACES; i++)); do
	isle run -q --net none --keep -n "race-$i" -- sh -c "echo new$i >$M/dir/file" || fail "race $i: run"
	isle commit -q --yes "race-$i" >/dev/null || fail "race $i: commit"
	content "$M/dir/file" "new$i"
	content "$M/stays" stays
	isle rm -q --yes "race-$i"
	same "$(tree_of "$secret")" "$secret_before" "race $i"
done
kill "$racer"
wait "$racer" 2>/dev/null || true
isle gc -q --keep 0
by_user rm -rf "$M/.isle" "$M/b"

# --- as a user, against another user and within one's own ---
populate
chown "$user:" "$M"
if [ "$(as_user id -u)" = "$uid" ]; then
	as_user "$ISLE" run -q --net none --keep -n mine -- sh -c "echo user >$M/mine"
	exists "$M/.isle-$uid"
	as_user "$ISLE" commit -q --yes mine >/dev/null
	content "$M/mine" user
	as_user "$ISLE" rm -q --yes mine
	as_user "$ISLE" gc -q --keep 0
	# nobody's directory, in which everybody may write
	for mode in 777 1777; do
		chown nobody: "$M"
		chmod $mode "$M"
		as_user "$ISLE" run -q --net none --keep -n other -- sh -c "echo user >$M/mine-$mode"
		absent "$M/.isle-$uid"
		as_user "$ISLE" commit -q --yes other >/dev/null
		content "$M/mine-$mode" user
		as_user "$ISLE" rm -q --yes other
	done
	as_user "$ISLE" gc -q --keep 0
fi

# --- the store itself, as root ---
mkdir "$T/home"
chown "$user:" "$T/home"
for store in "$T/home/store" "$T/link/store"; do
	ln -sfn home "$T/link"
	status_is 125 env ISLE_HOME="$store" "$ISLE" run -q --net none -- true 2>"$T/err"
	has "$(cat "$T/err")" "is not used as root: the directory $T/home belongs to user $uid" "hint: set ISLE_HOME"
	absent "$T/home/store"
done
mkdir "$T/home/real"
chmod 755 "$secret"
by_user ln -s "$secret" "$T/home/store"
status_is 125 env ISLE_HOME="$T/home/store" "$ISLE" run -q --net none -- true 2>"$T/err"
same "$(stat -c %a "$secret") $(ls -A "$secret")" "755 file"
# Plans are written where they are to be, and not through a link of the user's.
populate
change planned
for link in "$secret/file" "$secret/new"; do
	ln -sfn "$link" "$T/home/plan"
	chown -h "$user:" "$T/home/plan"
	if isle plan -o "$T/home/plan" planned >/dev/null 2>"$T/err"; then fail "a plan was written through a link"; fi
	content "$secret/file" secret
	absent "$secret/new"
done
rm "$T/home/plan"
isle plan -o "$T/home/plan" planned >/dev/null
exists "$T/home/plan"
isle plan -o /dev/stdout planned >"$T/out"
has "$(cat "$T/out")" "isle-plan 1"
# The configuration.
echo 'run.net = none' >"$T/home/config"
chmod 644 "$T/home/config"
mkdir -m 755 "$T/home/dir"
echo 'run.net = none' >"$T/home/dir/config"
if ISLE_CONFIG=$T/home/dir/config isle run -q -- true 2>"$T/err"; then fail "the configuration was read"; fi
has "$(cat "$T/err")" "others can put something in its place"
isle rm -q --yes planned
isle gc -q --keep 0
