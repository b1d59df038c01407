# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests/cli/escape.sh and escape-fuzz.sh: host.py for root and for the user at the same time, each with a host of its own:
# network, mounts, /dev, processes, message queues. What an attempt does to these harms nobody.
need python3 setpriv unshare ip

for escape in "$(dirname "$ISLE")/escape" "$(dirname "$ISLE")/../../tests/escape/escape"; do
	[ ! -x "$escape" ] || break
done
[ -x "$escape" ] || fail "the escape program is not there: $escape"
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"

# escape_one WHO ARGUMENT...
escape_one() {
	local who=$1
	shift
	env -i PATH="$PATH" HOME="$(getent passwd "$who" | cut -d: -f6)" USER="$who" LOGNAME="$who" SHELL=/bin/bash TERM=xterm LC_ALL=C.UTF-8 \
		ISLE_TEST_MARK="${ISLE_TEST_MARK:-}" PYTHONDONTWRITEBYTECODE=1 \
		unshare --mount --net --ipc --pid --fork --kill-child --mount-proc --propagation private \
		python3 "$(dirname "$0")/../escape/host.py" "$who" "$(id -u "$who")" "$(id -g "$who")" "$ISLE" "$escape" "$@"
}

escape_start() {
	local root=0 user=0 first=
	if [ "${ESCAPE_WHO:-root}" = root ]; then
		escape_one root "$@" >"$T/root.log" 2>&1 &
		first=$!
	fi
	[ "${ESCAPE_WHO:-user}" != user ] || escape_one "$ISLE_TEST_USER" "$@" || user=$?
	[ -z "$first" ] || wait "$first" || root=$?
	[ ! -e "$T/root.log" ] || cat "$T/root.log"
	[ $((root + user)) -eq 0 ] || fail "something got out, or could not be tried: status $root as root, $user as a user"
}
