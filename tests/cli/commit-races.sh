#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Another user exchanges what root commits, undoes, discards or recovers, at every moment: nothing that only root may read comes to be read, given
# away or changed (commit_races.py). The host's directory and the store share a mount, then they do not.
#
# ISLE_RACES=N does N tries of each kind instead of as many as fit; give it time by ISLE_TEST_PATIENCE.
# runs-as: root
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need python3 strace setfattr
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"
if [ -z "${RACES_UNSHARED:-}" ]; then
	RACES_UNSHARED=1 unshare -m --propagation private bash "$0" || fail "with file systems of its own"
	exit 0
fi
chmod 0755 "$T"
mkdir "$T/one" "$T/two"
mount -t tmpfs -o mode=0755 none "$T/one"
mount -t tmpfs -o mode=0755 none "$T/two"
at_end "cd /; umount -l '$T/one' '$T/two' 2>/dev/null"
tries=${ISLE_RACES:-60} seconds=${ISLE_RACES_SECONDS:-80}
[ -z "${ISLE_RACES:-}" ] || seconds=100000
races=$(dirname "$0")/commit_races.py
export ISLE_HOME=$T/one/store
/usr/bin/python3 -B "$races" "$ISLE" "$T/one" "$(id -u "$ISLE_TEST_USER")" "$tries" "$seconds"
export ISLE_HOME=$T/one/store-of-two
/usr/bin/python3 -B "$races" "$ISLE" "$T/two" "$(id -u "$ISLE_TEST_USER")" "$tries" "$((seconds / 3))" \
	metadata content rename delete create data-of-another merge undo-content undo-delete recover-content
cd /
