# SPDX-License-Identifier: Apache-2.0
"""Samples and what is made of them. Everything that is compared is measured in turns, so that a slow second of the
machine hits all alike; ratios are medians of the ratios within a round."""
import os
import statistics
import subprocess


class Samples:
    """Seconds of each contender, by round; None where the command failed."""

    def __init__(self):
        self.by_name = {}

    def add(self, name, seconds):
        self.by_name.setdefault(name, []).append(seconds)

    def good(self, name):
        return [s for s in self.by_name.get(name, []) if s is not None]

    def median(self, name):
        good = self.good(name)
        return statistics.median(good) if good else None

    def _pairs(self, name, base):
        rounds = zip(self.by_name.get(name, []), self.by_name.get(base, []))
        return [(a, b) for a, b in rounds if a is not None and b is not None]

    def ratio(self, name, base):
        pairs = self._pairs(name, base)
        return statistics.median(a / b for a, b in pairs) if pairs else None

    def above(self, name, base):
        pairs = self._pairs(name, base)
        return statistics.median(a - b for a, b in pairs) if pairs else None


def time_turns(place, commands, rounds, warmup=0, before=None, pause=0):
    """commands: {name: argv}. Start-ups, a fraction of a millisecond each: one process times all of them in turns."""
    argv = [place.timeit, "-n", str(rounds), "-w", str(warmup), "-s", str(pause)]
    argv += ["-b", before] if before else []
    argv.append("--")
    for index, command in enumerate(commands.values()):
        argv += ([":::"] if index else []) + command
    output = place.call(argv, stdout=subprocess.PIPE).stdout
    samples, names = Samples(), list(commands)
    for line in output.splitlines():
        command, ns, _, _, status, _ = line.split()
        samples.add(names[int(command)], int(ns) / 1e9 if status == "0" else None)
    return samples


def time_one(place, argv, good=(0,)):
    """Seconds, or None when its wait status is none of `good`."""
    output = place.call([place.timeit, "--"] + argv, stdout=subprocess.PIPE).stdout
    _, ns, _, _, status, _ = output.split()
    return int(ns) / 1e9 if int(status) in good else None


def time_and_peak(place, argv):
    """Seconds and MB of resident memory at its most."""
    output = place.call([place.timeit, "--"] + argv, stdout=subprocess.PIPE).stdout
    _, ns, _, _, status, peak = output.split()
    if status != "0":
        raise RuntimeError(f"{' '.join(argv)} fails")
    return int(ns) / 1e9, int(peak) >> 10


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def milliseconds(seconds):
    if seconds is None:
        return "-"
    value = seconds * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
