#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Commits from two stores at the same moment, of one user or of root and a user: one comes after the other. What the second has
# read is no longer as it was then, so of two isles of which each reads what the other writes only one is committed.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

D=$T/d
mkdir "$D"
chmod 755 "$T" "$D"
other=(env "ISLE_HOME=$T/other")
if is_root; then
	# Of the same files as an ordinary user.
	mkdir "$T/user"
	chown "$ISLE_TEST_USER:" "$T/user" "$D"
	other=(setpriv --reuid "$ISLE_TEST_USER" --regid "$ISLE_TEST_USER" --init-groups env "HOME=$T/user" "ISLE_HOME=$T/user/store")
fi
mine=(env)

# prepare READS WRITES WHO...: an isle of WHO that writes to one file what it has read in the other.
prepare() {
	local reads=$1 writes=$2
	shift 2
	(cd "$D" && "$@" "$ISLE" run -q -n skew --net none --keep -- sh -euc "cat $reads >$writes.new; cat $writes.new >$writes; rm $writes.new")
}

one=0
for ((round = 1; round <= 12; round++)); do
	echo "a $round" >"$D/a"
	echo "b $round" >"$D/b"
	! is_root || chown "$ISLE_TEST_USER:" "$D/a" "$D/b"
	sleep 0.02
	prepare a b "${mine[@]}"
	prepare b a "${other[@]}"
	first=0 second=0
	"${mine[@]}" "$ISLE" commit -q --yes skew 2>"$T/first" &
	pid=$!
	"${other[@]}" "$ISLE" commit -q --yes skew 2>"$T/second" || second=$?
	wait $pid || first=$?
	case $first:$second in
	0:4)
		one=$((one + 1))
		content "$D/b" "a $round"
		content "$D/a" "a $round"
		;;
	4:0)
		one=$((one + 1))
		content "$D/a" "b $round"
		content "$D/b" "b $round"
		;;
	0:0) fail "round $round: both were committed: $(cat "$D/a" "$D/b")" ;;
	*) fail "round $round: status $first and $second: $(cat "$T/first" "$T/second")" ;;
	esac
	"${mine[@]}" "$ISLE" rm -q --yes skew
	"${other[@]}" "$ISLE" rm -q --yes skew
done
same "$one" 12 "one of the two"

# Two undos that both mean the last operation, and wait for each other: the second takes back nothing, and says why.
(cd "$D" && isle run -q -n twice --net none -- touch new && isle commit -q --yes twice)
exec 9>>"$ISLE_HOME/commit.lock"
flock 9
for who in first second; do
	"$ISLE" undo -q --yes 2>"$T/$who" 9>&- &
done
waiting() {
	[ "$(grep -c -- "-> FLOCK.*:$(stat -c %i "$ISLE_HOME/commit.lock") " /proc/locks)" -eq 2 ]
}
wait_for 20 waiting
exec 9>&-
wait
same "$(cat "$T/first" "$T/second")" "isle: operation $(isle log | sed -n '2s/ .*//p') is undone: there is nothing to take back"
absent "$D/new"
