# SPDX-License-Identifier: Apache-2.0
"""Many changed files: their commit, beside a program that only renames them into place with the same two syncs; taking it
back; the plan of ten times as many; and what is said about as many that were only read. All of a round is measured one after the other, the rounds are medians."""
import os
import statistics

import keeping
import measure
import report
import trees

LARGEST = 2000
LOOKS = ("check", "trace")
NAMES = ("commit", "undo", "rename", "exchange")


def _change(place, name, tree):
    """An isle in which every file of the tree has a line more. It works in there, since it has read what it listed."""
    script = "find . -type f -exec sh -c 'for f; do echo more >>\"$f\"; done' - {} +"
    place.call([place.isle, "run", "-q", "--keep", "-n", name, "--", "sh", "-c", script], cwd=tree)


def _read(place, name, tree):
    """An isle that has read every file of the tree, and made one."""
    script = "find . -type f -exec cat {} + >/dev/null; echo one >made"
    place.call([place.isle, "run", "-q", "--keep", "-n", name, "--", "sh", "-c", script], cwd=tree)


def _median(place, command, rounds=5):
    return statistics.median(_good(place, command) for _ in range(rounds))


def _make(place, name, count):
    tree = place.path(name)
    trees.make_files(tree, count, largest=LARGEST)
    trees.own(tree)
    return tree


def _plain(place, name, count, *options):
    """The command that renames (or exchanges) one tree onto another."""
    return [place.rename, *options, _make(place, f"{name}-new", count), _make(place, f"{name}-old", count)]


def _good(place, command):
    seconds = measure.time_one(place, command)
    if seconds is None:
        raise RuntimeError(f"{' '.join(command)} fails: {place.call(command, check=False).stderr}")
    return seconds


def _round(place, turn, count, samples):
    name = f"changed-{turn}"
    _change(place, name, _make(place, name, count))
    commands = {
        "commit": [place.isle, "commit", "--yes", name],
        "undo": [place.isle, "undo", "--yes"],
        "rename": _plain(place, f"rename-{turn}", count),
        "exchange": _plain(place, f"exchange-{turn}", count, "-x"),
    }
    # What was written is on disk already, as it would be some seconds after a run.
    os.sync()
    order = NAMES if turn % 2 else NAMES[2:] + NAMES[:2]
    for what in order:
        samples.add(what, _good(place, commands[what]))


class Changing:
    """All of the above for one identity."""

    def __init__(self, place, files, rounds, tell):
        self.files = files // 2
        self.plan_files = self.files * 10
        self.samples = measure.Samples()
        for turn in range(rounds):
            tell(f"{place.name}: commit of {self.files} changed files, {turn + 1} of {rounds}")
            _round(place, turn, self.files, self.samples)
        _change(place, "traced", _make(place, "traced", self.files))
        self.traced = keeping.commit(place, "traced")
        tell(f"{place.name}: plan of {self.plan_files} changes")
        _change(place, "planned", _make(place, "planned", self.plan_files))
        self.plan, self.plan_peak = measure.time_and_peak(place, [place.isle, "plan", "planned"])
        tell(f"{place.name}: check and trace of {self.plan_files} files read")
        _read(place, "read", place.path("planned"))
        self.looks = {verb: _median(place, [place.isle, verb, "read"]) for verb in LOOKS}

    def ratio(self, name, base):
        return self.samples.ratio(name, base)


def table(changing):
    rows = [["what", "as", "ms", "to plain rename", "files/s"]]
    titles = {"commit": "isle commit", "undo": "isle undo", "rename": "plain rename, two syncs",
              "exchange": "plain exchange, two syncs"}
    for place, one in changing.items():
        for name in NAMES:
            seconds = one.samples.median(name)
            rows.append([f"{titles[name]}, {one.files} files", place, measure.milliseconds(seconds),
                         f"{one.ratio(name, 'rename'):.2f}", f"{one.files / seconds:.0f}"])
        before = one.traced.before_sync()
        rows.append([f"isle commit, {one.files} files, without its {one.traced.syncs} syncs", place,
                     measure.milliseconds(before), "-", f"{one.files / before:.0f}"])
        cpu = one.traced.cpu_before_sync
        rows.append(["the same in processor time", place, measure.milliseconds(cpu), "-", f"{one.files / cpu:.0f}"])
        rows.append([f"isle plan, {one.plan_files} changes, {one.plan_peak} MB", place, measure.milliseconds(one.plan), "-",
                     f"{one.plan_files / one.plan:.0f}"])
        for verb, seconds in one.looks.items():
            rows.append([f"isle {verb}, {one.plan_files} files read", place, measure.milliseconds(seconds), "-",
                         f"{one.plan_files / seconds:.0f}"])
    return report.table(rows)
