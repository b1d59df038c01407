# SPDX-License-Identifier: Apache-2.0
"""kill.py ISLE FLOOD COUNT: SIGKILL of the supervisor, COUNT times, at moments spread evenly from before its start to after its end.

The current directory has f0 ... f299 and tree/0 ... tree/19. Each time: nothing of the program is left, what it was
given is on record, nothing more is delivered afterwards, and the isle can be used.
"""
import collections
import json
import os
import signal
import subprocess
import sys
import time

isle, flood, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
here = os.getcwd() + "/"
delivered = os.path.join(os.path.dirname(flood), "delivered")
# What the program does; most of the time it reads.
deeds = ["deliver 300", "deliver 300", "forks 100", "moves 30", "deliver 300", "programs 30"]


def running():
    """What is inside, and the pump outside, which still hands out what was written before."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as comm:
                line, name = f.read(), comm.read()
                if line.startswith(flood.encode()) or (flood.encode() in line and name == "isle-pump\n"):
                    yield int(pid)
        except OSError:
            pass


def command(name, *argv):
    return [isle, "run", "-q", "--keep", "--net", "none", "-n", name, "--", *argv]


def run_whole(deed):
    """How long it takes without a kill: a moment after the end is wanted, too."""
    start = time.monotonic()
    subprocess.run(command("whole", flood, *deed.split()), stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.monotonic() - start


def trace(name):
    text = subprocess.run([isle, "trace", "--json", name], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    return json.loads(text)


def check_tree(name):
    """One of the two names leads to all of it."""
    script = "for d in tree moved; do [ ! -d $d ] || ls $d | wc -l; done"
    got = subprocess.run(command(name, "sh", "-c", script), stdout=subprocess.PIPE, check=True, timeout=60).stdout
    assert b"20" in got.split(), (name, got)


def kill_once(number, deed, after):
    name = f"kill{number}"
    with open(delivered, "wb") as out:
        run = subprocess.Popen(command(name, flood, *deed.split()), stdout=out, stderr=subprocess.DEVNULL)
        time.sleep(after)
        ended = run.poll() is not None
        run.kill()
        run.wait()
    until = time.monotonic() + 20
    while list(running()):
        assert time.monotonic() < until, f"{name}: it goes on without its supervisor"
        time.sleep(0.01)
    size = os.path.getsize(delivered)
    subprocess.run(command(name, "true"), check=True, timeout=60)
    if deed.startswith("moves"):
        check_tree(name)
    assert os.path.getsize(delivered) == size, f"{name}: delivered after the end"
    with open(delivered, encoding="ascii") as f:
        got = set(f.read().split())
    record = trace(name)
    known = {r["path"].removeprefix(here) for r in record["reads"] if r["existed"]}
    assert got <= known, f"{name}: delivered without a record: {sorted(got - known)[:3]}"
    subprocess.run([isle, "rm", "--yes", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    assert not any(run["command"] is None for run in record["runs"]), record["runs"]
    return "at the end" if ended else "run" if record["processes"][1:] or got or not record["reads"] else "start-up"


# The first run of an isle is slower than the others.
times = {deed: max(run_whole(deed), run_whole(deed)) for deed in set(deeds)}
moments = collections.Counter()
for i in range(count):
    deed = deeds[i % len(deeds)]
    moments[kill_once(i, deed, times[deed] * 1.2 * i / count)] += 1
print(dict(moments))
assert os.listdir("tree") and not os.path.exists("moved")
