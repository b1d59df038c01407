#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many processes, numbers that are used again, ends while threads go on: each is on record once, and nothing under another's name.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need gcc python3 unshare

here=$(realpath "$(dirname "$0")")
gcc -O1 -w -pthread -o "$T/flood" "$here/flood.c"
mkdir -p "$T/host/d0" "$T/host/d1"
cd "$T/host" || exit
python3 -c 'for i in range(3000): open(f"f{i}", "w").write("host")'

# 100 000 processes, which is three times as many as there are numbers on many machines.
"$ISLE" run -q --keep --net none -n forks -- "$T/flood" forks 100000 &
within_memory $! "100 000 processes"
isle trace --json forks | python3 -c '
import json, sys
trace = json.load(sys.stdin)
assert trace["runs"][0]["complete"]
processes = {p["process"]: p for p in trace["processes"]}
names = {r["path"].rsplit("-", 1)[1]: r["process"] for r in trace["reads"] if "/none-" in r["path"]}
assert len(processes) == 100001, len(processes)
assert len(names) == len(set(names.values())) == 100000, len(names)
first = min(processes)
for i, number in enumerate(sorted(set(processes) - {first})):
    p = processes[number]
    assert names[str(i)] == number and p["parent"] == first and p["status"] == 0, (i, p)'

isle run -q --keep --net none -n programs -- "$T/flood" programs 1000
isle trace --json programs | python3 -c '
import json, sys
processes = json.load(sys.stdin)["processes"]
got = [p["execs"][0]["argv"][2] for p in processes if p["execs"] and p["execs"][0]["argv"][1] == "nothing"]
assert got == [str(i) for i in range(1000)], got[:10]'

# Its other threads go on while it ends: they are no process of their own.
for _ in $(seq 10); do
	status_is 7 isle run -q --keep --net none -n leave -- "$T/flood" leave
done
same "$(isle trace --json leave | python3 -c 'import json, sys; print([p["status"] for p in json.load(sys.stdin)["processes"]])')" \
	"[7, 7, 7, 7, 7, 7, 7, 7, 7, 7]"

# A pid namespace with few numbers. Before Linux 6.14 the limit is the machine's, and is left alone.
if is_root && printf '6.14\n%s\n' "$(uname -r)" | sort -CV; then
	before=$(cat /proc/sys/kernel/pid_max)
	unshare --pid --fork --mount-proc sh -ec 'echo 700 >/proc/sys/kernel/pid_max; exec python3 "$@"' - \
		"$here/reuse.py" "$ISLE" "$T/flood" 3
	same "$(cat /proc/sys/kernel/pid_max)" "$before" "pid_max of the machine"
fi
