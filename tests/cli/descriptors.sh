#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Descriptors of the caller beside the three reach nobody: not CMD, and not what stays after a run.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need flock

same "$(isle run -q --discard -- sh -c 'for fd in 3 7 9; do [ ! -e /proc/$$/fd/$fd ] || echo $fd; done' 3>&1 7</dev/null 9>&1)" ""

# A lock is free, and a pipe ends, though the isle is still mounted.
exec 9>"$T/lock"
flock 9
start=$SECONDS
same "$(isle run -q -n lingers --keep --linger 5 -- true 8>&1 | cat)" ""
[ $((SECONDS - start)) -lt 5 ] || fail "the pipe was held open"
exec 9>&-
flock -n "$T/lock" true || fail "the lock is held by a process that stays"
gone() {
	isle list | grep -q '^lingers .* idle'
}
! gone || fail "the isle does not linger, so this test shows nothing"
wait_for 30 gone

# A shell's <(...) is not passed on, and that is said.
status_is 1 isle run --discard --net none -- cat <(echo text) 2>"$T/err" >"$T/out"
has "$(cat "$T/err")" "/dev/fd/"
has "$(cat "$T/err")" "is not passed on"
same "$(echo text | isle run --discard --net none -- cat /dev/fd/0 2>"$T/err")" text
hasnt "$(cat "$T/err")" "passed on"

# isle itself takes as many as may be, since trees can be deep; CMD has the caller's limit.
D=$T/deep
mkdir "$D"
(
	ulimit -Sn 100
	same "$(isle run -q --discard --net none -- sh -c 'ulimit -Sn; ulimit -Hn')" "$(ulimit -Sn; ulimit -Hn)"
	cd "$D"
	isle run -q -n deep --net none -- sh -c 'p=.; for i in $(seq 300); do p=$p/d; done; mkdir -p $p; echo end >$p/end'
	isle commit -q --yes deep
	exists d/d/d
	isle undo -q --yes
	absent d
)
