#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each system call of a commit, an undo, a discard, a recovery and a gc fails in turn, once or from then on, with what such a call
# can fail with, or is the last before the program is killed. The host is as before or as afterwards, never between, the isle has all
# of its changes or none, and goes on.
#
# A sample: which call it is, with which error it fails, and whether for good, changes from one to the next. More with ISLE_FAULTS:
#   full                     each error of each call, once and, if the call changes something, for good (hours)
#   each                     every call with one error, one that changes something also for good, and as the last
#   kill                     every call that changes something as the last: a kill before any other leaves what one before the
#                            next of these leaves
#   OPERATION                full, of this operation alone; "OPERATION each" and "OPERATION kill" likewise
#   OPERATION CALL ERROR N   one ("commit renameat2 EIO 3+": from the third on; "recovery-back unlinkat KILL 2")
# ISLE_FAULTS_KINDS: some of plain, bind, user. ISLE_FAULTS_FROM: of each operation without the calls before that number, which is
# said of the one that a failure was at.
# runs-as: root
# time-limit: 600
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../helpers/operations.sh"
before="" after="" pending="" # look_around_commit sets them
read -ra kinds <<<"${ISLE_FAULTS_KINDS:-plain bind user}"
on_a_disk_in_memory "$(readlink -f "$0")" "${kinds[@]}"
mount_host

# errors_of CALL: what it can fail with; nothing for calls that cannot, or whose failure is an end of the process.
errors_of() {
	case $1 in
	openat | openat2 | open) echo EMFILE EIO ENOSPC EROFS ENOMEM EDQUOT ;;
	rename | renameat | renameat2 | link | linkat | mkdir | mkdirat | mknodat | symlink | symlinkat) echo EIO ENOSPC EROFS EDQUOT ENOMEM KILL ;;
	unlink | unlinkat | rmdir | chmod | fchmod | fchmodat | fchownat | utimensat | setxattr | lsetxattr | removexattr | lremovexattr) echo EIO EROFS ENOSPC ENOMEM KILL ;;
	write | pwrite64 | ftruncate | fallocate | copy_file_range | fsync | fdatasync | syncfs) echo ENOSPC EIO EDQUOT KILL ;;
	statx | newfstatat | fstat | lstat | stat | getdents64 | read | pread64 | lseek | readlink | readlinkat | statfs | fstatfs | access | faccessat | faccessat2 | getxattr | lgetxattr | listxattr | llistxattr) echo EIO ENOMEM ;;
	dup) echo EMFILE ;;
	flock | clone3) echo ENOMEM ;;
	mmap) echo ENOMEM ;; # not brk: giving memory back cannot fail, and the C library relies on that
	esac
}

changes_something() {
	case $1 in
	openat | rename* | link* | mk* | symlink* | unlink* | rmdir | *ch* | utimensat | *setxattr | *removexattr | *write* | ftruncate | fallocate | copy_file_range | *sync*) return 0 ;;
	*) return 1 ;;
	esac
}

# traced COMMAND...: with one call failing as $inject says; its output is in $T/out. False when the call did not come.
traced() {
	status=0
	: >"$T/recovery"
	{ strace -f -o "$T/strace" -e "trace=$call" -e "inject=$inject" "$@" >"$T/out" 2>&1 || status=$?; } 2>/dev/null # "Killed"
	grep -q 'INJECTED\|killed by SIGKILL' "$T/strace"
}

# check WHAT: which side it came out on; sets $side.
check() {
	local what="$1, $inject: status $status"
	[ "$status" -lt 124 ] || [ "$error" = KILL ] || fail "$what: $(cat "$T/out")"
	if [ -L "$ISLE_HOME/pending" ]; then
		# It was done, or taken back, but not to the end: the next command does that, whichever it is. Where nothing works
		# any more, not even the taking back, it decides which.
		"$ISLE" log >/dev/null 2>"$T/recovery" || fail "$what: the next command: $(cat "$T/recovery")"
		[ -z "$lasting$recovers" ] || status=-1
	fi
	[ "$error" != KILL ] || status=-1
	$look >"$T/now"
	tell_side "$what" "$from" "$to"
	[ -n "$recovers" ] || case $status:$side in
	0:back) fail "$what: it says that it was done" ;;
	[1-9]*:forth) fail "$what: it says that it was not done: $(cat "$T/out")" ;;
	esac
	"$ISLE" log >/dev/null 2>"$T/recovery" || fail "$what: the next command: $(cat "$T/recovery")"
	$look | cmp -s "$T/now" || fail "$what: the next command changed it again: $(cat "$T/recovery")"
	nothing_half "$what"
}

# sweep WHAT FROM TO PREPARE COMMAND...: one call after the other, as often as COMMAND makes it.
sweep() {
	local what=$1 prepare=$4 error errors tries=0 back=0 forth=0 count n lasting inject call side step=7
	from=$2 to=$3
	shift 4
	case ${ISLE_FAULTS:-} in "" | full | each | kill | "$what" | "$what "*) ;; *) return 0 ;; esac
	$prepare
	strace -qq -f -o "$T/calls" "$@" >"$T/out" 2>&1
	local prepared=
	turn=0
	[ "$(wc -l <"$T/calls")" -gt 400 ] || step=2 # a short one has few to choose from
	while read -r count call; do
		case ${ISLE_FAULTS:-} in
		kill | "$what kill" | "$what $call KILL "*) errors=(KILL) ;;
		*) read -ra errors <<<"$(errors_of "$call")" ;;
		esac
		[ ${#errors[@]} -gt 0 ] || continue
		for ((n = 1; n <= count; n++)); do
			turn=$((turn + 1))
			[ $turn -ge "${ISLE_FAULTS_FROM:-0}" ] || continue
			for error in "${errors[@]}"; do
				for lasting in "" +; do
					chosen || continue
					[ -n "$prepared" ] || $prepare
					prepared=
					inject="$call:error=$error:when=$n$lasting"
					[ "$error" != KILL ] || inject="$call:signal=SIGKILL:when=$n"
					traced "$@" || continue
					tries=$((tries + 1))
					check "$what"
					if [ "$side" = back ]; then back=$((back + 1)); else forth=$((forth + 1)); fi
					"look_$side" "$what, $inject"
				done
			done
		done
	done < <(sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$T/calls" | sort | uniq -c | sort -k2)
	echo "$what: $(wc -l <"$T/calls") calls, $tries failures, $back taken back, $forth completed"
	[ "$tries" -gt 5 ] || [ -n "${ISLE_FAULTS:-}" ] || fail "$what: too few failures"
}

# Of the calls of openat, whether the n-th can.
makes_a_file() {
	sed -n 's/^[0-9]* *openat(/&/p' "$T/calls" | sed -n "${n}p" | grep -q O_CREAT
}

# Whether this one's turn has come.
chosen() {
	local pick
	local -a but_kill
	case ${ISLE_FAULTS:-} in
	each | "$what each")
		read -ra but_kill <<<"${errors[*]/KILL/}"
		pick=$((turn / ${#but_kill[@]} + n))
		[ -z "$lasting" ] || pick=$((pick + 1))
		[ -z "$lasting" ] || changes_something "$call" || return 1
		[ "$error" = "${but_kill[pick % ${#but_kill[@]}]}" ] || { [ "$error" = KILL ] && [ -z "$lasting" ]; }
		;;
	kill | "$what kill") [ -z "$lasting" ] && changes_something "$call" && { [ "$call" != openat ] || makes_a_file; } ;;
	full | "$what")
		[ -z "$lasting" ] || { [ "$error" != KILL ] && changes_something "$call"; }
		;;
	"")
		pick=${errors[turn % ${#errors[@]}]}
		[ "$error" = "$pick" ] || return 1
		if changes_something "$call"; then
			[ $((turn % step)) -eq 0 ] || return 1
			if [ $((turn % 3)) -eq 0 ] && [ "$error" != KILL ]; then [ -n "$lasting" ]; else [ -z "$lasting" ]; fi
		else
			[ -z "$lasting" ] && [ $((turn % 97)) -eq 0 ]
		fi
		;;
	*) [ "$ISLE_FAULTS" = "$what $call $error $n$lasting" ] ;;
	esac
}

look_around_commit
recovers=
turn=0
[ -z "${ISLE_FAULTS:-}" ] || at_end 'echo "the last was number $turn"'

# --- commit ---
look=look_at_host
look_back() {
	look_at_isle | diff "$pending" - >&2 || fail "$1: the isle has lost changes"
	prepared=yes
	# What was taken back is no conflict. Not every time: it takes as long as the test itself.
	[ $((tries % 5)) -eq 0 ] || [ -n "${ISLE_FAULTS:-}" ] || return 0
	prepared=
	"$ISLE" commit -q --yes --allow=acl base || fail "$1: what was taken back cannot be committed"
	look_at_host | diff "$after" - >&2 || fail "$1: the commit after it is not whole"
}
look_forth() {
	status_is 0 "$ISLE" status base >/dev/null
}
sweep commit "$before" "$after" fresh "$ISLE" commit -q --yes --allow=acl base

# --- undo ---
committed() {
	fresh
	"$ISLE" commit -q --yes --allow=acl base
}
look_back() { prepared=yes; }
look_forth() { :; }
sweep undo "$after" "$before" committed "$ISLE" undo -q --yes

# --- discard: it is the isle that tells, the host stays as it is ---
look=look_at_isle
echo "no changes" >"$T/nothing"
look_back() { prepared=yes; }
look_forth() { :; }
sweep discard "$pending" "$T/nothing" fresh "$ISLE" discard -q --yes base

# --- recovery: taking back, and completing ---
look=look_at_host
recovers=yes
broken() {
	fresh
	kill_at "$kill_call" "$kill_when"
}
look_back() {
	look_at_isle | diff "$pending" - >&2 || fail "$1: the isle has lost changes"
}
look_forth() {
	status_is 0 "$ISLE" status base >/dev/null
}
kill_call=renameat2 kill_when=6
sweep recovery-back "$before" /dev/null broken "$ISLE" refresh base
find_first_after_applied
sweep recovery-forth /dev/null "$after" broken "$ISLE" refresh base

# --- gc: what it does not free now, the next one does; what can still be undone by the log can be undone ---
# An isle that is no longer young must not be taken for one without a name.
keep_an_old_isle() {
	local id
	(cd "$H" && "$ISLE" run -q -n old -- touch in-old)
	id=$(readlink "$ISLE_HOME/names/old")
	mv "$ISLE_HOME/isles/$id" "$ISLE_HOME/isles/0000000000000001"
	ln -sfn 0000000000000001 "$ISLE_HOME/names/old"
}
old() {
	fresh
	"$ISLE" commit -q --yes --allow=acl base
	"$ISLE" rm -q --yes base
}
look_back() {
	"$ISLE" log >"$T/log"
	if head -n 1 "$T/log" | grep -q ' done ' && [ $((tries % 3)) -eq 0 ]; then
		"$ISLE" undo -q --yes || fail "$1: cannot be undone"
		look_at_host | diff "$before" - >&2 || fail "$1: undo does not bring back what was"
	fi
	"$ISLE" gc -q --keep 0 || fail "$1: gc fails"
	[ -z "$(find "$ISLE_HOME/undo" "$ISLE_HOME/trash" -mindepth 1)" ] || fail "$1: gc leaves $(find "$ISLE_HOME/undo" "$ISLE_HOME/trash")"
	"$ISLE" status old >"$T/old" || true
	has "$(cat "$T/old")" in-old
}
keep_an_old_isle
"$ISLE" gc -q --keep 0
sweep gc "$after" /dev/null old "$ISLE" gc -q --keep 0
