#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A store without room: what cannot be recorded is not delivered, and with room again all goes on.
. "$(dirname "$0")/../lib.sh"
need gcc mkfs.ext4 python3

truncate -s 24M "$T/disk"
mkfs.ext4 -q -O ^has_journal "$T/disk"
mkdir "$T/mount" "$T/host"
mount -o loop "$T/disk" "$T/mount"
at_end 'umount -l "$T/mount"'
export ISLE_HOME=$T/mount/store
gcc -O1 -w -pthread -o "$T/flood" "$(dirname "$0")/flood.c"
cd "$T/host" || exit
python3 -c 'for i in range(2000): open(f"f{i}", "w").write("host")'
isle run -q --keep --net none -n full -- "$T/flood" starve 2000 >"$T/delivered" 2>"$T/said"
cat "$T/said"
isle trace --json full | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["runs"][0]["complete"] and d["runs"][0]["status"] == 0
for r in d["reads"]: print(r.get("path", "").split("/")[-1])' | sort >"$T/known"
same "$(sort -u "$T/delivered" | comm -23 - "$T/known" | head -n 3)" "" "delivered without a record"
for file in f1000 f1999; do grep -qx $file "$T/delivered" || fail "not delivered with room again: $file"; done
isle discard -q --yes full
