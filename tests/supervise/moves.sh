#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The host moves on: what was missing and is made, what is replaced and removed there, is seen by the next run, after isle
# refresh, and within six seconds by a run that keeps asking.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

H=$T/host
mkdir -p "$H/sub"
cd "$H" || exit
in_isle() { isle run -q --keep --net none -n moves "$@"; }
make() { echo new >"$1.tmp" && mv "$1.tmp" "$1"; }

# A run that keeps asking: for a name by opening it, for a name by stat, for the content of a file that is replaced, for
# a file that is removed, for a directory's names.
cat >ask <<'EOF'
#!/bin/bash
# ask COMMAND: once a tenth of a second until it succeeds; how long that took.
echo ready
start=$(date +%s%N)
for _ in $(seq 150); do
	if eval "$1"; then echo $((($(date +%s%N) - start) / 1000000)); exit 0; fi
	sleep 0.1
done
echo never
EOF
chmod +x ask

# seen WHAT COMMAND CHANGE: COMMAND fails inside until CHANGE is done outside.
seen() {
	local said
	"$ISLE" run -q --keep --net none -n "long-$1" -- ./ask "$2" >"$T/said.$1" 2>/dev/null &
	local pid=$!
	for _ in $(seq 100); do [ ! -s "$T/said.$1" ] || break; sleep 0.05; done
	sleep 0.7
	eval "$3"
	wait "$pid"
	said=$(tail -n 1 "$T/said.$1")
	[ "$said" != never ] && [ "$said" -ge 500 ] && [ "$said" -le 6700 ] || fail "$1: seen after '$said' ms"
	echo "$1: $said ms, of which 700 were before the change"
}
echo old >replaced; echo old >removed; echo old >sub/one
seen open '(: <opened) 2>/dev/null' 'make opened' &
seen stat 'test -e stated' 'make stated' &
seen replace 'grep -q new replaced' 'make replaced' &
seen remove '! test -e removed' 'rm removed' &
seen list 'ls sub | grep -q two' 'make sub/two' &
failed=
for job in $(jobs -p); do wait "$job" || failed=1; done
[ -z "$failed" ] || fail "not seen in time"

# The next run, of an isle at rest and of one that lives; and isle refresh in between.
echo old >file
for linger in 0 2; do
	rm -f later
	echo old >file
	in_isle --linger "$linger" -- sh -c 'cat file; test ! -e later; cat later 2>/dev/null || true' >"$T/out"
	content "$T/out" old
	make later
	make file
	[ "$linger" = 0 ] || isle refresh moves
	same "$(in_isle --linger "$linger" -- cat file later)" $'new\nnew'
done
# Several first commands at once find, or make, one store.
for _ in 1 2 3 4 5 6; do ISLE_HOME=$T/fresh "$ISLE" run -q --discard --net none -- true & done
for job in $(jobs -p); do wait "$job" || fail "a first run failed beside others"; done
# The same for one isle.
for i in 1 2 3 4 5 6; do "$ISLE" run -q -n together --net none -- sh -c ': >"$1"' . "$H/together.$i" & done
for job in $(jobs -p); do wait "$job" || fail "a first run in an isle failed beside others"; done
same "$(isle run -q -n together --net none -- sh -c 'ls "$1"/together.*' . "$H" | wc -l)" 6
rm -f later
same "$(in_isle -- sh -c 'cat later 2>/dev/null || echo gone')" gone
sleep 2

# Two runs in one isle: what the second renames leads elsewhere for the first one's record, too. (As a user who works there is left in the
# old directory.)
if is_root; then
	mkdir -p before/in
	echo 1 >before/in/one
	echo 2 >before/in/two
	isle run -q -n both -- sh -c 'cd before/in; read -r x <one; : >"$1/ready"; until [ -e "$1/moved" ]; do sleep 0.1; done; sleep 2.2; read -r x <two' \
		. "$H" &
	wait_for 20 isle run -q -n both -- test -e "$H/ready"
	isle run -q -n both -- mv before moved
	wait $!
	has "$(isle trace --json both | tr , "\n")" "\"path\":\"$H/before/in/two\"" # where the host has it
fi
