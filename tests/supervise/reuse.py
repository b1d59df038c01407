# SPDX-License-Identifier: Apache-2.0
"""reuse.py ISLE FLOOD ROUNDS: process numbers that are used again while the supervisor does not look.

Runs in a pid namespace with few numbers; tests/supervise/processes.sh makes it. Each process is on record by itself, under
the parent that it had, with the one name that it looked for.
"""
import collections
import json
import os
import signal
import subprocess
import sys

isle, flood, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
run = subprocess.Popen([isle, "run", "-q", "--keep", "--net", "none", "-n", "reuse", "--", flood, "reuse", str(rounds)],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
while word := run.stdout.read(1):
    os.kill(run.pid, signal.SIGSTOP if word == b"s" else signal.SIGCONT)
    if word == b"s":
        os.waitpid(run.pid, os.WUNTRACED)
    run.stdin.write(b"x")
    run.stdin.flush()
assert run.wait() == 128 + signal.SIGKILL, run.returncode

trace = json.loads(subprocess.run([isle, "trace", "--json", "reuse"], stdout=subprocess.PIPE, check=True).stdout)
assert trace["runs"][0]["complete"]
processes = {p["process"]: p for p in trace["processes"]}
first = min(processes)
second = {p["process"] for p in processes.values() if p["parent"] == first} & {p["parent"] for p in processes.values()}
pids = collections.defaultdict(set)
readers = collections.Counter()
for read in trace["reads"]:
    half, _, rest = os.path.basename(read["path"]).partition("-")
    if half not in ("a", "b"):
        continue
    process = processes[read["process"]]
    readers[read["process"]] += 1
    assert os.path.basename(os.path.dirname(read["path"])) == ("d0" if half == "a" else "d1"), read
    assert process["parent"] == first if half == "a" else process["parent"] in second, (read, process)
    assert process.get("signal") == signal.SIGKILL, process
    pids[half, rest.split("-")[0]].add(process["pid"])
size = len(pids["a", "0"])
assert len(readers) == sum(readers.values()) == 2 * rounds * size, (len(readers), sum(readers.values()))
again = sum(len(pids["a", str(i)] & pids["b", str(i)]) for i in range(rounds))
assert again * 2 > rounds * size, again
print(f"{len(readers)} processes, {again} of the numbers twice")
