#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle is killed at each system call of a commit, an undo and a discard in turn. After the next command the host is as before or
# as afterwards, never between, and the isle has all of its changes or none.
#
# A sample: the first use of each call, and then one in five. CRASH_STEP=1: each use. CRASH_KINDS: some of plain, bind, user (as in
# operations.sh) and part (as plain, but something is left in the isle, so that its layer stays).
# runs-as: root
# time-limit: 900
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../helpers/operations.sh"
before="" after="" # look_around_commit sets them
read -ra kinds <<<"${CRASH_KINDS:-plain bind part user}"
on_a_disk_in_memory "$(readlink -f "$0")" "${kinds[@]}"
mount_host
step=${CRASH_STEP:-5}

# Calls that change something, or decide whether it is changed; a kill before any other shows nothing new. strace counts each
# call for itself.
calls='renameat2 renameat linkat unlinkat unlink mkdirat mknodat symlinkat fchmodat chmod fchownat setxattr lsetxattr removexattr
	lremovexattr utimensat ftruncate write pwrite64 copy_file_range syncfs'
commit=("$ISLE" commit -q --yes --allow=acl base)
if [ "$OPERATIONS_KIND" = part ]; then
	changes="$changes; echo 1 >not-yet"
	commit+=("--except=$H/not-yet")
fi

# What the isle says, with what it says of the host: nobody but isle has changed anything there.
status_of() {
	"$ISLE" status base 2>&1 || [ $? = 3 ]
}

fresh
look_at_host >"$T/before"
status_of >"$T/changes"
"${commit[@]}"
look_at_host >"$T/after"
status_of >"$T/rest"
[ "$OPERATIONS_KIND" != part ] || has "$(cat "$T/rest")" not-yet
differs "$(cat "$T/before")" "$(cat "$T/after")"

look() { look_at_host; }
# sweep WHAT BEFORE AFTER PREPARE COMMAND...: kills COMMAND at the 1st, 2nd, ... use of each call until it survives.
sweep() {
	local what=$1 before=$2 after=$3 prepare=$4 n call kills=0 back=0 forth=0 status turn=0
	shift 4
	for call in $calls; do
		turn=$((turn + 1))
		for ((n = 1; n < 300; n += n == 1 && step > 1 ? 1 + turn % step : step)); do
			$prepare
			status=0
			{
				strace -qq -f -o "$T/strace" -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" "$@" \
					>"$T/out" 2>&1 || status=$?
			} 2>/dev/null # the shell would say "Killed"
			[ "$status" -ne 0 ] || break
			[ "$status" -eq 137 ] || fail "$what with a kill at $call $n: status $status: $(cat "$T/out")"
			kills=$((kills + 1))
			"$ISLE" undo --yes 999999 >/dev/null 2>"$T/recovery" || true # any verb that changes something recovers
			hasnt "$(cat "$T/recovery")" "could not take back"
			nothing_half "$what, killed at $call $n"
			look >"$T/now"
			local side=
			tell_side "$what, killed at $call $n" "$before" "$after"
			if [ "$side" = back ]; then
				back=$((back + 1))
				check_back
			else
				forth=$((forth + 1))
				check_forth
			fi
		done
	done
	echo "$what: $kills kills, $back taken back, $forth completed"
	[ $((kills * step)) -gt 20 ] || fail "$what: too few kills"
}

check_back() {
	status_of | diff "$T/changes" - >&2 || fail "the isle has lost changes"
	# And it can still be committed: what was taken back is no conflict.
	"${commit[@]}" || fail "what was taken back cannot be committed"
	look | diff "$T/after" - >&2 || fail "the commit after it is not whole"
}
check_forth() {
	status_of | diff "$T/rest" - >&2 || fail "the isle still has what was committed"
}
sweep commit "$T/before" "$T/after" fresh "${commit[@]}"

committed() {
	fresh
	"${commit[@]}"
}
check_back() { :; }
check_forth() { :; }
sweep undo "$T/after" "$T/before" committed "$ISLE" undo -q --yes

# A discard is told by the isle; the host stays as it is.
look() { status_of; }
fresh
look >"$T/before"
echo "no changes" >"$T/after"
sweep discard "$T/before" "$T/after" fresh "$ISLE" discard -q --yes base
