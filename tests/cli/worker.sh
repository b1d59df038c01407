#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The child that moves a large tree for the program: it keeps nothing by which others tell that the supervisor lives, and dies with it.
# runs-as: user
. "$(dirname "$0")/../lib.sh"

mkdir "$T/host" "$T/host/tree"
cd "$T/host"
# More than the supervisor moves by itself.
for i in {0..19}; do
	mkdir tree/$i
	(cd tree/$i && touch $(seq 500))
done
"$ISLE" run -q --net none -n moves -- sh -c 'touch ready; until [ -e go ]; do sleep 0.01; done
	while :; do mv tree moved && mv moved tree; done' &
supervisor=$!
at_end 'kill -KILL $supervisor 2>/dev/null || true'
wait_for 30 isle run -q --net none -n moves -- test -e ready

children() {
	cat "/proc/$supervisor/task/$supervisor/children"
}

before=" $(children) "
isle run -q --net none -n moves -- touch go
# The mover is the child that was not there. It is held where it is, so that it can be looked at.
worker=""
for ((i = 0; i < 2000; i++)); do
	for child in $(children); do
		[[ $before == *" $child "* ]] && continue
		kill -STOP "$child" 2>/dev/null && worker=$child && break 2
	done
	sleep 0.005
done
[ -n "$worker" ] || fail "nothing was moved by a child"
descriptors=$(ls -l "/proc/$worker/fd")
hasnt "$descriptors" "seccomp notify"
connection=$(find "/proc/$supervisor/fd" -lname "*seccomp notify*" | wc -l)
same "$connection" 1 # the supervisor has it
# It is stopped, and dies all the same.
kill -KILL "$supervisor"
wait "$supervisor" || true
gone() {
	! kill -0 "$worker" 2>/dev/null || grep -q '^State:.*Z' "/proc/$worker/status"
}
wait_for 20 gone
# The keeper has seen the supervisor go: the isle is soon at rest, and all of the tree is there.
isle run -q --net none -n moves -- sh -c '! [ -e tree ] || ls tree/* | wc -l; ! [ -e moved ] || ls moved/* | wc -l' >"$T/out"
isle discard -qy moves
