#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Root commits in another user's directory, and that user has put something else in the place of what the isle saw: a hard link of
# root's own file, a link, a prepared tree. Whatever is chosen, root's file is neither changed nor given away, and its content gets no other
# place. Whose directories are used is said.
# runs-as: root
# time-limit: 400
. "$(dirname "$0")/../lib.sh"
need python3
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"
if [ -z "${FOREIGN_UNSHARED:-}" ]; then
	FOREIGN_UNSHARED=1 unshare -m --propagation private bash "$0" || fail "with file systems of its own"
	exit 0
fi
chmod 0755 "$T"
mkdir "$T/one" "$T/two"
mount -t tmpfs -o mode=0755 none "$T/one"
mount -t tmpfs -o mode=0755 none "$T/two"
at_end "cd /; umount -l '$T/one' '$T/two' 2>/dev/null"
user=$(id -u "$ISLE_TEST_USER")
export ISLE_HOME=$T/one/store

# As the user could make it where fs.protected_hardlinks is 0.
link() {
	ln -f "$base/root/secret" "$1"
}

fresh() {
	cd "$base" || exit
	find "$home" -mindepth 1 -delete
	printf 'CANARY' >root/secret
	chmod 0600 root/secret
	chown 0:0 root/secret
	inode=$(stat -c %i root/secret)
	as_user sh -c "cd '$home' && echo one >f && chmod 640 f && mkdir d .d && echo one >d/f && chmod 640 d/f && echo one >x.log"
	sleep 0.02
	cd "$home" || exit
}

# The secret is as it was, and what has its content is the secret.
untouched() {
	same "$(stat -c '%a %u %g' "$base/root/secret") $(cat "$base/root/secret")" "600 0 0 CANARY" "$what: root's file"
	same "$(grep -rlsD skip CANARY "$base" "$ISLE_HOME" | while read -r path; do
		[ "$(stat -c %i "$path")" = "$inode" ] || echo "$path"
	done)" "" "$what: copies of root's file"
}

# try STATUSES SCRIPT SWAP CHOICE: SCRIPT in the isle, SWAP outside.
try() {
	local status=0
	what="$2; $3; $4 ($(basename "$base"))"
	fresh
	[[ $3 != exchange_prepared ]] || link .d/f
	isle run -q -n foreign "${track[@]}" -- sh -c "$2"
	sleep 0.02
	$3
	"$ISLE" commit --yes --allow=all --criteria=write --on-conflict="$4" foreign >"$T/said" 2>&1 || status=$?
	untouched
	[[ " $1 " == *" $status "* ]] || fail "$what: status $status: $(tail -n 5 "$T/said")"
	if [ "$status" = 0 ] && "$ISLE" undo -q --yes 2>/dev/null; then untouched; fi
	"$ISLE" discard -q --yes foreign
}

hard_link() { link f; }
symbolic_link() { ln -sf "$base/root/secret" f; }
exchange_prepared() {
	mv d x
	mv .d d
}
log_link() { link x.log; }
directory_link() {
	mv d x
	ln -s "$base/root" d
	cp "$base/root/secret" "$base/root/f"
	rm "$base/root/f"
}

track=()
run_all() {
	local choice
	for choice in isle merge both; do
		try "4 0" 'chmod 644 f' hard_link "$choice"
		try "4 0" "chown $user f; chmod 666 f" hard_link "$choice"
		try "0 4" 'echo two >f; chmod 644 f' hard_link "$choice"
		try "0 4" 'echo two >f; chmod 644 f' symbolic_link "$choice"
		try "0 4" 'echo two >>x.log; chmod 644 x.log' log_link "$choice"
		try "0 4" 'mv f g; chmod 644 g' hard_link "$choice"
		try "0 4" 'echo x >>d/f; mv f d/f; chmod 644 d/f' hard_link "$choice"
		try "0 4" 'ln f g; chmod 644 g' hard_link "$choice"
		try "0 4" 'rm f' hard_link "$choice"
		try "0 4" 'chmod 644 d/f' exchange_prepared "$choice"
		try "0 4" 'echo two >d/f; chmod 644 d/f' exchange_prepared "$choice"
		try "0 4" 'mv d/f g; chmod 644 g' exchange_prepared "$choice"
		try "0 4" 'echo two >d/f; chmod 644 d/f' directory_link "$choice"
	done
	for choice in append host skip abort; do
		try "0 4" 'echo two >f; chmod 644 f' hard_link "$choice"
		try "0 4" 'chmod 644 d/f' exchange_prepared "$choice"
	done
}

for base in "$T/one" "$T/two"; do
	home=$base/home
	mkdir "$home"
	chown "$ISLE_TEST_USER" "$home"
	mkdir -m 0700 "$base/root"
done
base=$T/one home=$T/one/home
run_all
track=(--no-track)
for choice in isle abort; do
	try 4 'chmod 644 f' hard_link "$choice"
	try 4 'chmod 644 d/f' exchange_prepared "$choice"
	try 4 'mv d/f g; chmod 644 g' exchange_prepared "$choice"
	try "0 4" 'echo two >d/f; chmod 644 d/f' exchange_prepared "$choice"
done
# What would have to be copied aside is refused.
base=$T/two home=$T/two/home
for track in "" --no-track; do
	[ "$track" ] && track=(--no-track) || track=()
	try 4 'echo two >f; chmod 644 f' hard_link isle
	has "$(cat "$T/said")" "on another mount than the isle"
	try 4 'rm f' hard_link isle
	try 4 'chmod 644 d/f' exchange_prepared isle
done
track=()

# The isle's file takes the place of root's, which goes aside by a rename, and comes back.
base=$T/one home=$T/one/home what=aside
fresh
isle run -q -n aside -- sh -c 'echo two >f; chmod 644 f'
link f
isle commit -q --yes --allow=owner --criteria=write --on-conflict=isle aside 2>/dev/null
content f two
differs "$(stat -c %i f)" "$inode"
untouched
isle undo -q --yes
same "$(stat -c %i f)" "$inode"
untouched

# A sticky directory of root's: what another user has put there is not moved.
what=sticky
mkdir -m 1777 "$base/sticky"
cd "$base/sticky" || exit
echo one >f
isle run -q -n sticky -- sh -c 'echo two >f'
rm f
as_user sh -c "echo theirs >'$base/sticky/f'"
status_is 4 isle commit -q --yes --allow=owner --criteria=write --on-conflict=isle sticky 2>"$T/said"
has "$(cat "$T/said")" "in a sticky directory"
content f theirs
isle discard -q --yes sticky

# Whose directories are used is said once for each, before anything is done; not what nobody else may change.
what=said
fresh
mkdir -p "$base/shared" "$base/own"
chgrp "$user" "$base/shared"
chmod 2775 "$base/shared"
isle run -q -n said -- sh -c "echo 2 >f; rm d/f; echo 1 >g; echo 1 >'$base/shared/f'; echo 1 >'$base/own/f'"
said=$(isle check said)
has "$said" "note: 3 changes lie in a directory that user '$ISLE_TEST_USER' may change: $home" \
	"note: 1 change lies in a directory that group" "may change: $base/shared"
hasnt "$said" "$base/own"
has "$(isle plan said 2>&1)" "3 changes lie in a directory that user '$ISLE_TEST_USER' may change: $home"
for verb in check plan; do
	isle "$verb" --json said 2>/dev/null | python3 -c '
import json, sys
list = {one["path"]: one for one in json.load(sys.stdin)["writable_by_others"]}
home = list[sys.argv[1]]
assert (home["by"], home["id"], home["changes"]) == ("user", int(sys.argv[2]), 3), home
assert list[sys.argv[3]]["by"] == "group", list
assert len(list) == 2, list
' "$home" "$user" "$base/shared"
done
has "$(isle commit --yes said 2>&1)" "3 changes lie in a directory that user '$ISLE_TEST_USER' may change: $home"
has "$(isle undo --yes 2>&1)" "3 changes lie in a directory that user '$ISLE_TEST_USER' may change: $home"
cd /
