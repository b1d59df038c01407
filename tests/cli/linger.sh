#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An isle that lingers is at rest for who needs that: a commit, a discard, an undo and isle rm do not wait for the time to pass.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"

H=$T/host
mkdir "$H"
cd "$H"
state() {
	isle list | sed -n "s/^$1 .* //p"
}
# lingers OPTION... -- CMD...: the isle lingers for much longer than this test may take.
lingers() {
	isle run -q -n long --linger 600 --net none "$@"
}

lingers touch one
same "$(state long)" running
isle commit -q --yes long
exists one
same "$(state long)" idle
status_is 0 isle status long >/dev/null

lingers touch two
isle discard -q --yes long
status_is 0 isle status long >/dev/null
lingers true
isle undo -q --yes
status_is 3 isle status long >/dev/null

lingers --commit touch three
exists two three
lingers --discard touch four
absent four

# Runs that go on are waited for as before, and what lingers is joined.
lingers sleep 3 &
wait_for 30 test -S "$ISLE_HOME/isles/$(readlink "$ISLE_HOME/names/long")/live.sock"
lingers touch five
status_is 1 isle commit --yes long 2>"$T/err"
has "$(cat "$T/err")" "in use"
wait
same "$(state long)" running
isle rm --yes -q long
same "$(isle list)" ""
