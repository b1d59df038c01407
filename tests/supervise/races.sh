#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program that changes the arguments of a call after the supervisor has looked at them gets nothing by that: no wall is a look.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need gcc python3

here=$(dirname "$0")
gcc -O1 -pthread -o "$T/swap" "$here/swap.c"
printf 'int main(void) { return 9; }\n' | gcc -x c -o "$T/nine" -
chmod 0755 "$T"
cd "$T" || exit
mkdir connect open open/h open/o write exec node node/o how
printf H >open/h/file
printf O >open/o/file
ln -s /proc/sys/kernel/core_pattern write/h
echo own >write/o
ln -s /dev/shm node/h
echo "of the host" >how/o
cp swap exec/o
cp nine exec/h

cat >server.py <<'PY'
import socket
s = socket.socket(socket.AF_UNIX)
s.bind("connect/h")
s.listen(64)
while True:
    c = s.accept()[0]
    c.send(b"H")
    c.close()
PY
python3 server.py 2>/dev/null &
server=$!
at_end 'kill $server 2>/dev/null; wait $server 2>/dev/null || true'
wait_for 20 test -e connect/h

# The test of the test: where a look before CONTINUE is all there is, this program gets through.
for what in connect open exec; do
	status_is 1 timeout 100 "$T/swap" guard $what "$T/$what" 90
	rm -f connect/o
done

tree_of how >before
race() {
	local what=$1
	shift
	status_is 0 isle run -q --discard --net none --hide "$T/open/h" "$@" -- "$T/swap" "$what" "$T/$what" 3
}
race connect
race connect --no-track
race open
race how
tree_of how >after
diff -u before after || fail "the host's file is not as before"
kill -0 "$server" || fail "the host's server has gone"
is_root || exit 0

race write
race node
same "$(find /dev/shm -name node)" "" "a device on the host"

# A set-user-ID program. Outside it has the power, so the test can tell.
install -m 4755 swap exec/h
status_is 9 as_user "$T/exec/h" report
status_is 0 as_user "$ISLE" run -q --discard --net none -- "$T/swap" exec "$T/exec" 3
