# SPDX-License-Identifier: Apache-2.0
"""What comes after a run: status, commit and discard of isles with many new files. bench/syncs.c tells what the syncs took
and how many renames there were; it stops the program at those calls only (strace does so also at those it does not know)."""
import os
import shlex
import subprocess

import measure
import report
import trees

PENDING = 3 << 8  # the exit status of `status` where there are changes


class Commit:
    """Seconds by the clock and of processor time, and those of both that the syncs took."""

    def __init__(self, line):
        fields = line.split()
        self.seconds, self.sync_seconds, cpu, sync_cpu = (int(f) / 1e9 for f in fields[:4])
        self.syncs, self.renames, self.status = (int(f) for f in fields[4:])
        self.cpu_before_sync = max(cpu - sync_cpu, 1e-6)

    def before_sync(self):
        return max(self.seconds - self.sync_seconds, 1e-6)


def _isle(place, *arguments):
    return [place.isle, *arguments]


def _run(place, name, script):
    place.call(_isle(place, "run", "-q", "--keep", "-n", name, "--", "sh", "-c", script))


def status(place, count, rounds):
    """Seconds of `isle status` after `count` files were installed into a new directory."""
    name = f"status-{count}"
    target = shlex.quote(place.path("installed-here"))
    _run(place, name, f"mkdir {target} && tar -xf {shlex.quote(place.path('tree.tar'))} -C {target}")
    samples = measure.Samples()
    for turn in range(rounds + 1):
        seconds = measure.time_one(place, _isle(place, "status", name), good=(0, PENDING))
        if turn:
            samples.add("isle", seconds)
    return samples.median("isle")


def commit(place, name, *options):
    """Commits an isle; what it wrote is on disk already, as it would be some seconds after a run. -r counts renames."""
    os.sync()
    command = _isle(place, "commit", "--yes", name)
    result = Commit(place.call([place.syncs, *options] + command, stdout=subprocess.PIPE).stdout)
    if result.status != 0:
        raise RuntimeError(f"the commit of {name} fails: {place.call(command, check=False).stderr}")
    return result


def commit_new_tree(place, count, times=1):
    """The commit of a directory with `times` copies of a tree of `count` files, and the seconds of the check before."""
    source, target, name = place.path(f"source-{count}"), place.path(f"committed-{count}"), f"tree-{count}"
    trees.make_files(source, count)
    trees.own(source)
    script = "mkdir $2 && for i in $(seq $3); do cp -r $1 $2/$i || exit 1; done"
    place.call(_isle(place, "run", "-q", "--keep", "-n", name, "--", "sh", "-c", script, "-", source, target, str(times)))
    os.sync()
    check = measure.time_one(place, _isle(place, "check", name))
    result = commit(place, name, "-r")
    if not os.path.isdir(target):
        raise RuntimeError("the commit did not bring the tree")
    return result, check


def discard(place, counts):
    """Seconds of `isle discard` by the number of files in the isle."""
    result = {}
    for count in counts:
        name = f"drop-{count}"
        source = place.path(f"drop-source-{count}")
        trees.make_files(source, count)
        trees.own(source)
        _run(place, name, f"cp -r {shlex.quote(source)} {shlex.quote(place.path('dropped'))}")
        seconds = measure.time_one(place, _isle(place, "discard", "--yes", name))
        if seconds is None:
            raise RuntimeError(f"the discard of {name} fails")
        result[count] = seconds
    return result


class Keep:
    """All of the above for one identity."""

    def __init__(self, place, files, copies, tell):
        self.files = files
        tell(f"{place.name}: status after {files} files")
        self.status = status(place, files, 5)
        tell(f"{place.name}: commit of new trees")
        commit_new_tree(place, 1)  # the first commit of a store makes its catalog
        self.small_tree, _ = commit_new_tree(place, 20)
        self.tree_files = files * copies
        self.tree, self.check = commit_new_tree(place, files, copies)
        tell(f"{place.name}: discard")
        self.discard = discard(place, (20, files))


def table(keeps):
    rows = [["what", "as", "ms", "of that syncs, ms", "syncs", "renames"]]
    for place, keep in keeps.items():
        rows.append([f"status after {keep.files} new files", place, measure.milliseconds(keep.status), "-", "-", "-"])
        rows.append([f"check of a new tree of {keep.tree_files} files", place, measure.milliseconds(keep.check), "-", "-",
                     "-"])
        for files, one in ((20, keep.small_tree), (keep.tree_files, keep.tree)):
            rows.append([f"commit of a new tree of {files} files", place,
                         measure.milliseconds(one.seconds), measure.milliseconds(one.sync_seconds), str(one.syncs),
                         str(one.renames)])
        for files, seconds in keep.discard.items():
            rows.append([f"discard of {files} new files", place, measure.milliseconds(seconds), "-", "-", "-"])
    return report.table(rows)
