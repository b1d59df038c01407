#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The supervisor flooded, starved, raced: no read without a record, no hang, bounded memory.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need gcc python3

# More of it: PATHS=1000000.
paths=${PATHS:-60000}
gcc -O1 -w -pthread -o "$T/flood" "$(dirname "$0")/flood.c"
mkdir "$T/host"
cd "$T/host" || exit
python3 -c 'for i in range(3000): open(f"f{i}", "w").write("host")'

reads() {
	isle trace --json "$1" | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(len(d["runs"]), all(r["complete"] for r in d["runs"]))
for r in d["reads"]: print("-" if not r["existed"] else "+", r.get("path", ""))'
}

# Killed while it tried whether a new store can hold layers: the next one tries again.
mkdir -p "$T/half/.probe/upper/lower-dir"
status_is 0 env ISLE_HOME="$T/half" "$ISLE" run -q --net none -- true

peak() {
	"$ISLE" run -q --keep --net none -n "$1" -- "$T/flood" "${@:2}" &
	within_memory $! "$*"
}
peak paths paths "$paths"
same "$(reads paths | grep -c "^- $PWD/none-")" "$paths"
peak threads threads 1000
same "$(reads threads | grep -c "^+ $PWD/f")" 1000
isle run -q --keep --net none -n full -- "$T/flood" full
has "$(reads full)" "+ $PWD/f0"
isle run -q --keep --net none -n filters -- "$T/flood" filters
has "$(reads filters)" "+ $PWD/f3"
has "$(reads filters)" "+ $PWD/f4"

# More processes than the supervisor may have descriptors.
(
	ulimit -n 64
	isle run -q --keep --net none -n few -- "$T/flood" crowd 200
)
reads few >"$T/reads"
same "$(grep -c "^+ $PWD/f" "$T/reads")" 401

# What is on record is one of the two, whichever was read.
isle run -q --keep --net none -n race -- "$T/flood" race 2
same "$(reads race | sed -n "s|^. $PWD/||p" | sort | tr '\n' ' ')" "f0 f1 "

# Deeper than a path can say. Each look at a deep place costs no more than it is deep.
isle run -q --keep --net none -n deep -- "$T/flood" deep 4096
has "$(isle status deep || true)" "(4094 entries"
isle run -q --keep --net none -n deeper -- sh -c 'i=0; while [ $i -lt 200 ]; do mkdir level && cd level; i=$((i + 1)); done
	while [ $i -gt 0 ]; do cd -P .. && rmdir level; i=$((i - 1)); done'
# Those of the host go as well: each removal costs no more than the place is deep.
python3 -c 'import os
os.mkdir("tower")
os.chdir("tower")
for i in range(900):
    os.mkdir("d")
    os.chdir("d")'
isle run -q --keep --net none -n tower -- timeout 60 rm -rf tower
has "$(isle status tower || true)" "D  $PWD/tower"
rm -rf tower

# It is not to be reached from inside.
"$ISLE" run -q --keep --net none -n reach -- sh -c 'sleep 0.5; echo $PPID; ! kill -0 "$(cat pid)" 2>/dev/null; test ! -e "/proc/$(cat pid)"' >"$T/out" &
pid=$!
echo "$pid" >pid
wait "$pid" || fail "the supervisor could be reached"
