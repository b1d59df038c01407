#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Every deed of an isle against every state of the host, for every type of object and its metadata.

    matrix.py DIRECTORY           all of it; $ISLE is the program, the store and the trees lie in DIRECTORY
    matrix.py --do SIDE TREE PLAN does the deeds of one side for each case of the plan, below TREE

Each case has a directory of its own in one tree, and one isle has them all. A second tree, the reference, gets the same deeds without
any isle, first the host's and then the isle's: as a commit has to come out. What the model (model.py) says of a case decides in
which part of the tree it lies:

  1  the run changes nothing on the host
  2  `isle check` names each case that conflicts and no other
  3  a commit of everything is refused and changes nothing
  4  a commit of the part without conflicts is as the reference, and the rest is as it was
  5  undo gives back the tree before, an undo of that the tree after
  6  the host then does its deeds again: an undo is refused, names no case where nothing was done, and changes nothing
"""
import base64
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import deeds  # noqa: E402
import model  # noqa: E402
import picture as oracle  # noqa: E402

ISLE = os.path.abspath(os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
ALL = os.environ.get("ISLE_MATRIX") == "all"
EVERY = {"file": 1, "dir": 1, "none": 1, "linked": 2}  # which of the pairs of deeds; of other types the fifth


class Case:
    """One row: kind and meta of the object, a deed of each side, and whether the host's comes before the isle's."""

    def __init__(self, number, kind, meta, inside, host, first):
        self.kind, self.meta, self.inside, self.host, self.first = kind, meta, inside, host, first
        self.want = model.COMMITS if first else model.verdict(kind, deeds.ISLE[inside], deeds.HOST[host], not deeds.ROOT)
        self.path = "%s/%04d" % (model.WORDS[self.want], number)

    def __str__(self):
        return "%s: %s (%s), isle: %s, host: %s%s" % (self.path, self.kind, self.meta, self.inside, self.host,
                                                    " before that" if self.first else "")

    def export(self):
        return {"path": self.path, "kind": self.kind, "meta": self.meta, "isle": self.inside, "host": self.host, "first": self.first}


def metas_of(kind, i):
    """One after the other; all of them with ISLE_MATRIX=all."""
    fitting = [meta for meta, (kinds, users) in deeds.METAS.items()
               if kind in kinds.split() and ("root" if deeds.ROOT else "user") in users.split()]
    return fitting if ALL else [fitting[i % len(fitting)]]


def generate():
    kinds = (deeds.FILES + " " + deeds.DIRECTORIES + " " + deeds.SPECIAL + " none").split()
    cases = []
    for kind in kinds:
        pairs = [(inside, host) for inside in deeds.ISLE.values() if inside.fits(kind)
                 for host in deeds.HOST.values() if host.fits(kind) and model.can_tell(kind, inside, host, not deeds.ROOT)]
        for i, (inside, host) in enumerate(pairs):
            # None misses an untouched host.
            if not ALL and i % EVERY.get(kind, 5) and host.does:
                continue
            for meta in metas_of(kind, i // 3 + i):
                cases.append(Case(len(cases), kind, meta, inside.name, host.name, False))
            if host.does and (ALL or i % 6 == 0) and can_follow(inside, host):
                cases.append(Case(len(cases), kind, "plain", inside.name, host.name, True))
    return cases


def can_follow(inside, host):
    """Whether the isle's deed can be done once the host's was."""
    return not any(mark.startswith(("gone:", "type:", "swap:", "make:n", "make:x")) for mark in host.does) and "none" not in inside.does


# --- doing ---

def do(side, tree, plan):
    os.umask(0o022)
    with open(plan, encoding="utf-8") as file:
        cases = json.load(file)
    for case in cases:
        os.chdir(os.path.join(tree, case["path"]))
        try:
            if side == "lay-out":
                deeds.lay_out(case["kind"], case["meta"])
            elif side == "isle":
                deeds.ISLE[case["isle"]].function()
            elif side == "host":
                deeds.HOST[case["host"]].function()
        except (OSError, subprocess.SubprocessError) as error:
            # After a deed of the host the isle's is not always possible: such a case has to be a conflict.
            print(json.dumps({"path": case["path"], "error": str(error)}))


class Failure(Exception):
    pass


class Matrix:
    def __init__(self, base, cases):
        self.base, self.cases, self.problems = base, cases, []
        self.tree, self.reference = base + "/tree", base + "/reference"
        for root in (self.tree, self.reference):
            os.mkdir(root)
            for word in model.WORDS:
                os.mkdir(root + "/" + word)
            for case in cases:
                os.mkdir(root + "/" + case.path)
        # Younger than that is what the deeds did.
        self.epoch = 1_500_000_000
        self.started = time.monotonic()

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.started, text), flush=True)

    def complain(self, step, lines):
        self.problems += ["%s: %s" % (step, line) for line in lines]

    def run(self, words, allowed=(0,)):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, check=False)
        if done.returncode not in allowed:
            raise Failure("%s ends with %d: %s%s" % (" ".join(words)[:200], done.returncode, os.fsdecode(done.stdout)[-2000:],
                                                    os.fsdecode(done.stderr)[-4000:]))
        return done

    def isle(self, *words, allowed=(0,)):
        return self.run([ISLE, *words], allowed)

    def deeds(self, side, tree, cases, inside=False):
        """The cases where it was not possible."""
        plan = "%s/plan-%s.json" % (self.base, side)
        with open(plan, "w", encoding="utf-8") as file:
            json.dump([case.export() for case in cases], file)
        words = ["/usr/bin/python3", "-B", HERE + "/matrix.py", "--do", side, tree, plan]
        if inside:
            words = [ISLE, "run", "-q", "-n", "matrix", "--keep", "--net", "none", *criteria(), "--"] + words
        lines = self.run(words).stdout.decode().splitlines()
        return {told["path"]: told["error"] for told in map(json.loads, lines)}

    def picture(self, root=None):
        return oracle.picture(root or self.tree, self.epoch)

    # --- the steps ---

    def prepare(self):
        for root in (self.tree, self.reference):
            failed = self.deeds("lay-out", root, self.cases)
            if failed:
                raise Failure("cannot lay out: %s" % failed)
        self.deeds("none", self.tree, [], inside=True)
        first = [case for case in self.cases if case.first]
        for root in (self.tree, self.reference):
            self.complain("host first", self.deeds("host", root, first).items())
        self.say("laid out")

    def both_sides(self):
        before = self.picture()
        failed = self.deeds("isle", self.tree, self.cases, inside=True)
        self.complain("inside", ("%s %s" % pair for pair in failed.items()))
        self.complain("the run changed the host", oracle.differences(before, self.picture()))
        later = [case for case in self.cases if not case.first]
        for root in (self.tree, self.reference):
            self.complain("host", ("%s %s" % pair for pair in self.deeds("host", root, later).items()))
        self.impossible = self.deeds("isle", self.reference, self.cases)
        self.say("both sides are done")

    def named(self, paths):
        """The cases that these absolute paths lie in."""
        prefix = os.fsencode(self.tree) + b"/"
        return {b"/".join(path[len(prefix):].split(b"/")[:2]).decode() for path in paths if path.startswith(prefix)}

    def check(self):
        told = json.loads(self.isle("check", "--json", "matrix", allowed=(0, 4, 6)).stdout)
        conflicts = self.named(base64.b64decode(entry["path_b64"]) if "path_b64" in entry else os.fsencode(entry["path"])
                               for entry in told["conflicts"])
        for case in self.cases:
            got = case.path in conflicts
            if case.want != model.EITHER and got != (case.want == model.CONFLICT):
                self.problems.append("check: %s: %s" % (case, "a conflict" if got else "no conflict"))
        self.agreed = [case for case in self.cases if case.path not in conflicts]
        self.say("checked: %d of %d conflict" % (len(self.cases) - len(self.agreed), len(self.cases)))
        for case in self.agreed:
            if case.path in self.impossible and case.want != model.EITHER:
                self.problems.append("check: %s: no conflict, but one after the other is not possible: %s" %
                                     (case, self.impossible[case.path]))

    def refused(self):
        before = self.picture()
        self.isle("commit", "--yes", "--allow=all", "matrix", allowed=(4,))
        self.complain("a refused commit changed the host", oracle.differences(before, self.picture()))

    def expected(self, before):
        """The reference where a case is committed, else what was before."""
        reference = self.picture(self.reference)
        agreed = {os.fsencode(case.path) for case in self.agreed if case.path not in self.impossible}
        # Nobody can say what it should be; it has to be possible and to come back.
        unknown = {os.fsencode(case.path) for case in self.agreed if case.path in self.impossible}

        def chosen(path):
            return b"/".join(path.split(b"/")[:2]) in agreed
        want = {path: entry for path, entry in before.items() if not chosen(path)}
        want.update((path, entry) for path, entry in reference.items() if chosen(path))
        return want, unknown

    def explain(self, lines):
        """With what the case is."""
        by_path = {case.path: case for case in self.cases}
        for line in lines:
            where = "/".join(line.split(": ")[0].lstrip("b'").rstrip("'").split("/")[:2])
            yield "%s  [%s]" % (line, by_path.get(where, ""))

    def commit(self):
        self.before = self.picture()
        want, unknown = self.expected(self.before)
        paths = [self.tree + "/" + case.path for case in self.agreed]
        if not self.problems:
            whole = self.tree + "/" + model.WORDS[model.COMMITS]
            paths = [whole] + [path for path in paths if not path.startswith(whole)]
        self.isle("commit", "--yes", "--allow=all", "matrix", *paths)
        self.after = self.picture()
        lines = [line for line in self.explain(oracle.differences(want, self.after))
                 if b"/".join(eval(line.split(": ")[0]).split(b"/")[:2]) not in unknown]
        self.complain("committed", lines)
        self.say("committed %d cases" % len(self.agreed))

    def undo(self):
        self.isle("undo", "--yes")
        self.complain("undone", self.explain(oracle.differences(self.before, self.picture())))
        self.say("undone")
        self.isle("undo", "--yes")
        self.complain("done again", self.explain(oracle.differences(self.after, self.picture())))
        self.say("done again")

    def host_moves_on(self):
        failed = self.deeds("host", self.tree, self.agreed)
        moved = {case.path for case in self.agreed if deeds.HOST[case.host].does and case.path not in failed}
        before = self.picture()
        told = os.fsdecode(self.isle("undo", "--yes", allowed=(4,)).stderr)
        told = "\n".join(line for line in told.split("\n") if " may change: " not in line)  # whose directories are used
        named = set(re.findall(re.escape(self.tree) + r"/(\w+/\d{4})/", told))
        self.complain("a refused undo changed the host", self.explain(oracle.differences(before, self.picture())))
        self.complain("undo", ("%s: a conflict, and the host did nothing" % case for case in self.agreed
                               if case.path in named - moved - set(failed)))
        if not named & moved:
            self.problems.append("undo: no case is named")
        self.say("undo refused: %d of %d cases where the host moved on are named" % (len(named & moved), len(moved)))

    def finish(self):
        self.isle("discard", "--yes", "matrix")
        if self.isle("status", "matrix", allowed=(0, 3)).returncode != 0:
            self.problems.append("after a discard something is left")
        self.isle("rm", "--yes", "matrix")
        self.isle("gc")

    def play(self):
        for step in (self.prepare, self.both_sides, self.check, self.refused, self.commit, self.undo, self.host_moves_on, self.finish):
            step()
            if any(problem.startswith(("host", "inside")) for problem in self.problems):
                break


def criteria():
    """Only what the isle changed is compared, where it can be said."""
    told = subprocess.run([ISLE, "run", "--help"], stdout=subprocess.PIPE, check=False).stdout
    return ["--criteria=write"] if b"--criteria" in told else []


def main():
    if sys.argv[1] == "--do":
        return do(*sys.argv[2:])
    matrix = Matrix(sys.argv[1], generate())
    failure = ""
    try:
        matrix.play()
    except (Failure, subprocess.TimeoutExpired) as error:
        failure = str(error)
    limit = int(os.environ.get("ISLE_MATRIX_SHOW", "60"))
    for problem in matrix.problems[:limit]:
        print("FAIL  " + problem)
    if len(matrix.problems) > limit:
        print("FAIL  and %d more" % (len(matrix.problems) - limit))
    if failure:
        print("FAIL  " + failure)
    print("matrix: %d cases, %d commit, %d problems" %
          (len(matrix.cases), len(getattr(matrix, "agreed", ())), len(matrix.problems) + bool(failure)))
    return 1 if matrix.problems or failure or not matrix.cases else 0


if __name__ == "__main__":
    sys.exit(main())
