# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts under tests/cli. A script starts so:
#
#   #!/bin/bash
#   # SPDX-License-Identifier: Apache-2.0
#   # What it shows, in a sentence.
#   # runs-as: root user            (root alone without this line)
#   # time-limit: 60                (seconds, 120 without this line)
#   . "$(dirname "$0")/../lib.sh"
#
# and then has: $ISLE, the program; $T, a directory of its own on a disk, removed at the end; $ISLE_HOME inside it, exported.
# `set -eu` is on: a command that fails ends the script with the line it stands on. tests/run runs the scripts; one alone runs
# by `ISLE=build/src/cli/isle bash tests/cli/NAME.sh`.
#
# After the script the runner looks for what was left: processes, mounts and files below $T make it fail.

set -eEu -o pipefail
shopt -s inherit_errexit
umask 022

: "${ISLE:=$(dirname "${BASH_SOURCE[0]}")/../build/src/cli/isle}"
ISLE=$(readlink -f "$ISLE")
# Not /tmp: the layers of an overlay cannot lie on every tmpfs, and isle refuses it.
T=$(mktemp -d "${TMPDIR:-/var/tmp}/isle-test.XXXXXX")
export ISLE ISLE_HOME=$T/store
# Whatever is removed with $T must be all there is.
export ISLE_PLACES=none
# What the machine's configuration says is no business of a test.
export ISLE_CONFIG=none
export LC_ALL=C.UTF-8
unset XDG_DATA_HOME
t_cleanup=()

# Where the script stood when it failed.
t_trace() {
	local status=$? i
	echo "failed with status $status: $BASH_COMMAND"
	for ((i = 0; i < ${#BASH_LINENO[@]} - 1; i++)); do
		echo "    at ${BASH_SOURCE[i + 1]##*/}:${BASH_LINENO[i]}"
	done
} >&2
trap t_trace ERR

# open_directories DIRECTORY: so that they can be removed. Never beyond a mount: what is mounted below, a proc say, is the machine's.
open_directories() {
	find "$1" -xdev -type d ! -perm -u+rwx -exec chmod u+rwx {} \; 2>/dev/null
}

t_end() {
	local status=$? i
	trap - ERR
	set +e
	for ((i = ${#t_cleanup[@]} - 1; i >= 0; i--)); do
		eval "${t_cleanup[i]}"
	done
	cd /
	open_directories "$T"
	rm -rf --one-file-system "$T" || status=1
	exit "$status"
}
trap t_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# at_end COMMAND: done when the script ends, the last one first.
at_end() {
	t_cleanup+=("$1")
}

fail() {
	echo "FAIL: $*" >&2
	local i
	for ((i = 1; i < ${#BASH_LINENO[@]}; i++)); do
		echo "    at ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
	done >&2
	trap - ERR
	exit 1
}

# skip WHY: this machine cannot run the test. Where everything must work (CI) that is a failure.
skip() {
	[ -z "${ISLE_MUST_WORK:-}" ] || fail "this must work here: $*"
	echo "skipped: $*"
	trap - ERR
	exit 77
}

# need COMMAND...: programs the test uses.
need() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

# status_is STATUS COMMAND [ARG]...: runs it; its output passes through.
status_is() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" -eq "$want" ] || fail "status $got instead of $want: $*"
}

# same GOT WANT [WHAT]
same() {
	[ "$1" = "$2" ] || fail "${3:+$3: }got '$1' instead of '$2'"
}

# differs A B [WHAT]
differs() {
	[ "$1" != "$2" ] || fail "${3:+$3: }both are '$1'"
}

# has TEXT PART...: each PART (no pattern) is in TEXT.
has() {
	local part
	for part in "${@:2}"; do
		[[ $1 == *"$part"* ]] || fail "'$part' is not in: $1"
	done
}

hasnt() {
	[[ $1 != *"$2"* ]] || fail "'$2' is in: $1"
}

# exists PATH..., absent PATH...: a dangling symbolic link exists.
exists() {
	local path
	for path; do
		[ -e "$path" ] || [ -L "$path" ] || fail "does not exist: $path"
	done
}

absent() {
	local path
	for path; do
		if [ -e "$path" ] || [ -L "$path" ]; then fail "exists: $path"; fi
	done
}

# content PATH WANT: the file holds exactly this (a newline at the end does not count).
content() {
	[ -f "$1" ] || fail "no such file: $1"
	same "$(cat -- "$1")" "$2" "content of $1"
}

# Runs the program; the short form of "$ISLE" run.
isle() {
	"$ISLE" "$@"
}

# The whole tree, one line for each object with all that lstat tells but atime and ctime, and a sum of the data, by programs that
# share nothing with isle. For comparing before and after.
tree_of() {
	(
		cd "$1"
		find . -printf '%p %y %m %U:%G %s %T@ %l %n\n' | sed -E 's/^(\S+ d \S+ \S+) [0-9]+ /\1 - /' | sort
		find . -type f -print0 | sort -z | xargs -0r sha256sum --
		if command -v getfattr >/dev/null; then getfattr -Rhd -m - . 2>/dev/null | sort; fi
		if command -v getfacl >/dev/null; then getfacl -Rp --skip-base . 2>/dev/null; fi
	)
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "waited in vain for: $*"
		sleep 0.05
	done
}

# as_user COMMAND...: in a script that runs as root, as the ordinary user the runner made, with a home and a store of its own.
as_user() {
	[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"
	local home
	home=$(getent passwd "$ISLE_TEST_USER" | cut -d: -f6)
	env -i PATH="$PATH" TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 HOME="$home" USER="$ISLE_TEST_USER" LOGNAME="$ISLE_TEST_USER" \
		SHELL=/bin/bash ISLE="$ISLE" ISLE_HOME="$home/.store" ISLE_CONFIG=none ISLE_TEST_MARK="${ISLE_TEST_MARK:-}" \
		setpriv --reuid "$ISLE_TEST_USER" --regid "$ISLE_TEST_USER" --init-groups "$@"
}

# within_memory PID WHAT: waits for the end of a child, which must succeed and have used less than 64 MiB of memory; eight times as
# much with AddressSanitizer, which keeps what was freed.
within_memory() {
	local high=0 now limit=$((65536 * (${ASAN_OPTIONS:+7} + 1)))
	while now=$(sed -n 's/^VmHWM:[ \t]*\([0-9]*\) kB/\1/p' "/proc/$1/status" 2>/dev/null) && [ -n "$now" ]; do
		high=$now
		sleep 0.1
	done
	wait "$1"
	echo "$2: peak of the supervisor $high kB"
	[ "$high" -gt 0 ] && [ "$high" -lt $limit ] || fail "$2: the supervisor used $high kB"
}

# nothing_left [TEXT]: no mount of this namespace mentions $T (or TEXT), and no process carries the mark of this run but the
# script's own children that it has not waited for.
nothing_left() {
	local text=${1:-$T}
	! grep -qF -- "$text" /proc/self/mountinfo || fail "mounts are left: $(grep -F -- "$text" /proc/self/mountinfo)"
}

mkdir -p "$ISLE_HOME"
chmod 0700 "$ISLE_HOME"
