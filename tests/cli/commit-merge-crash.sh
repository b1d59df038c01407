#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit that composes files is killed at each call that changes something: after the next command every file is as before or as
# afterwards, all alike, and what was not committed can still be.
# runs-as: root
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need strace

D=$T/d
seed() {
	rm -rf "$D"
	mkdir "$D"
	seq 60 >"$D/hunks"
	seq 20 >"$D/merge"
	seq 5 >"$D/x.log"
	seq 5 >"$D/linked"
	(cd "$D" && isle run -q -n "$1" -- sh -eu -c 'sed -i "s/^5\$/five/; s/^45\$/forty-five/" hunks; sed -i s/^3/three/ merge; echo isle >>x.log; echo isle >>linked')
	sleep 0.02
	ln "$D/linked" "$D/name"
	sed -i s/^18/eighteen/ "$D/merge"
	echo host >>"$D/x.log"
	echo host >>"$D/linked"
}
look() { (cd "$D" && sha256sum hunks merge x.log linked name); }
commit() { "$@" "$ISLE" commit -q --yes --on-conflict=merge --hunk "$D/hunks:1" "$name" "$D" >/dev/null 2>&1; }

name=whole
seed $name
before=$(look)
# The content of a linked file cannot be merged by line at its end: by append.
plan() { sed -i "s|^conflict abort modify $D/linked|conflict append modify $D/linked|; s/^conflict abort/conflict merge/" "$T/plan"; }
commit() {
	"$ISLE" plan --hunk "$D/hunks:1" -o "$T/plan" "$name" "$D" >/dev/null 2>&1 || :
	plan
	"$@" "$ISLE" commit -q --yes --plan "$T/plan" >/dev/null 2>&1
}
commit
after=$(look)
differs "$before" "$after"
tail -1 "$D/name" | grep -q isle || fail "the linked file was not merged"

kills=0
for call in renameat renameat2 unlinkat write ftruncate syncfs copy_file_range fchmodat linkat; do
	for ((n = 1; n < 200; n++)); do
		name=k-$call-$n
		seed "$name"
		! commit strace -f -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n || break
		kills=$((kills + 1))
		isle list >/dev/null 2>&1
		isle gc -q >/dev/null 2>&1 || :
		now=$(look)
		[ "$now" = "$before" ] && was=before || was=after
		[ "$now" = "$before" ] || [ "$now" = "$after" ] || fail "killed at $call $n: in between: $now"
		if [ "$now" = "$before" ]; then commit || fail "killed at $call $n: cannot be committed any more"; fi
		same "$(look)" "$after" "killed at $call $n"
		isle commit -q --yes "$name" 2>"$T/err" || fail "killed at $call $n, $was: the rest is lost: $(cat "$T/err")"
		content "$D/hunks" "$(seq 60 | sed 's/^5$/five/; s/^45$/forty-five/')"
		isle rm -q --force "$name" >/dev/null 2>&1 || :
	done
done
[ $kills -gt 20 ] || fail "only $kills kills"
echo "$kills kills"
nothing_left
