#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who connects to a mounted isle and says nothing, half of it, nonsense, or joins a thousand times, holds up nobody else.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need python3

mkfifo "$T/stay"
isle run -q --net none -n oldest -- sh -c "echo up >'$T/up'; cat" >"$T/oldest.out" <"$T/stay" &
oldest=$!
exec 9>"$T/stay"
at_end 'exec 9>&-; wait $oldest || true'
mkdir "$T/none"
wait_for 30 "$ISLE" refresh oldest
socket=$ISLE_HOME/isles/$(readlink "$ISLE_HOME/names/oldest")/live.sock
cd "$T"

# Many who hold their connection open: more than the keeper lets wait. Whoever comes after them is served at once.
cat >"$T/hostile.py" <<'PYTHON'
import os, select, socket, struct, sys, time

path, how = sys.argv[1], sys.argv[2]
directory = os.path.dirname(path)
os.chdir(directory)  # the path may be too long for an address
held = []


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect("live.sock")
    return s


JOIN = struct.pack("@II", 1, 4) + struct.pack("@I", 0)
if how == "join":
    for i in range(int(sys.argv[3])):
        s = connect()
        s.sendall(JOIN)
        s.shutdown(socket.SHUT_WR)
        held.append(s)
        if len(held) > 16:
            s = held.pop(0)
            s.settimeout(30)
            while s.recv(4096):
                pass
    sys.exit(0)
FIRST = {"silent": b"", "half": JOIN[:6], "header": JOIN[:10], "nonsense": struct.pack("@II", 77, 0),
         "huge": struct.pack("@II", 1, 1 << 31) + b"x" * 64}[how]
for i in range(int(sys.argv[3])):
    s = connect()
    if FIRST:
        s.sendall(FIRST)
    held.append(s)
open(sys.argv[4], "w").close()
# As long as it is let live it comes again wherever it is sent away.
while True:
    gone, _, _ = select.select(held, [], [], 1)
    for s in gone:
        held.remove(s)
        s.close()
        try:
            s = connect()
            s.sendall(FIRST)
            held.append(s)
        except OSError:
            pass
    time.sleep(0.01)
PYTHON

milliseconds() {
	local start=${EPOCHREALTIME/./}
	"$@"
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

joins() {
	local _
	for _ in 1 2 3; do isle run -q --net none -n oldest -- true; done
	isle refresh oldest
}

alone=$(milliseconds joins)
for how in silent half header nonsense huge; do
	rm -f "$T/ready"
	python3 "$T/hostile.py" "$socket" $how 40 "$T/ready" &
	hostile=$!
	wait_for 30 test -e "$T/ready"
	# Waiting for each of them once would take a second each.
	took=$(milliseconds joins)
	kill "$hostile"
	wait "$hostile" || true
	echo "$how: $took ms, alone $alone ms"
	[ "$took" -lt $((4 * alone + 4000)) ] || fail "$how: three runs and a refresh took $took ms, alone $alone ms"
done
# The end of a run is not held up either.
rm -f "$T/ready"
python3 "$T/hostile.py" "$socket" silent 200 "$T/ready" &
hostile=$!
wait_for 30 test -e "$T/ready"
took=$(milliseconds joins)
kill "$hostile"
wait "$hostile" || true
[ "$took" -lt $((4 * alone + 8000)) ] || fail "200 silent ones: three runs and a refresh took $took ms, alone $alone ms"

# However often the isle is joined, its oldest run holds no place that another one needs.
python3 "$T/hostile.py" "$socket" join 1100
same "$(isle run -q --net none -n oldest -- echo joined)" joined
kill -0 "$oldest"
exec 9>&-
wait "$oldest"
# shellcheck disable=SC2034 # of lib.sh: what was to be ended has ended
t_cleanup=()
isle discard -qy oldest
