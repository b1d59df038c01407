#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A process that calls often is read through its /proc/PID/mem, which goes on showing the program of before: nobody's
# path is looked for there.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need gcc python3

gcc -O1 -w -pthread -static -no-pie -o "$T/memory" "$(dirname "$0")/memory.c"
mkdir "$T/host"
cd "$T/host" || exit

for how in exec thread vfork; do
	for i in 1 2 3; do
		echo host >"old-$how$i"
		echo host >"new-$how$i"
		status_is 0 isle run -q --keep --net none -n "$how$i" -- "$T/memory" "$how" "old-$how$i" "new-$how$i"
		isle trace --json "$how$i" | python3 -c '
import json, os, sys
for r in json.load(sys.stdin)["reads"]:
    print(os.path.basename(r.get("path", "")))' >"$T/reads"
		grep -qx "old-$how$i" "$T/reads" || fail "$how: what was opened before is not on record"
		grep -qx "new-$how$i" "$T/reads" || fail "$how: what the next program opened is not on record"
	done
done
