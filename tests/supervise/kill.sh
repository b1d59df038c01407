#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The supervisor is killed at moments spread from before its start to after its end: it fails closed.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need gcc python3

here=$(realpath "$(dirname "$0")")
gcc -O1 -w -pthread -o "$T/flood" "$here/flood.c"
mkdir -p "$T/host/tree"
cd "$T/host" || exit
for i in $(seq 0 299); do echo host >"f$i"; done
for i in $(seq 0 19); do echo host >"tree/$i"; done
tree_of . >"$T/before"
# More of it: bash tests/supervise/kill.sh 100
python3 "$here/kill.py" "$ISLE" "$T/flood" "${1:-30}"
tree_of . >"$T/after"
diff -u "$T/before" "$T/after" || fail "the host is not as before"
nothing_left

# A run that joins while the isle is being mounted, whether the first one lives on or not.
for i in $(seq 20); do
	timeout 60 "$ISLE" run -q --keep --net none -n "join$i" -- true &
	first=$!
	status_is 0 timeout 60 "$ISLE" run -q --keep --net none -n "join$i" -- true
	wait "$first" || fail "the first run: status $?"
done
