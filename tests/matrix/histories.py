#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Random histories: an isle and the host both edit the same trees for thousands of steps; then check, commit and undo are compared with what
serial execution at the commit says.

    histories.py DIRECTORY               $ISLE is the program; ISLE_SEED chooses, ISLE_STEPS says how many
    histories.py --do TREE               does the steps of its standard input below TREE, tells as JSON which were possible

The tree has cells that have nothing to do with each other. After some rounds of steps of both sides the host's tree is copied, and what
the isle did is done once more in the copy, by the kernel alone. A cell in which `isle check` sees no conflict has to be like that
copy after the commit. A cell in which the two sides have used different names must not conflict; of the isle's those count that it used before the last commit,
since directories can stay in its layer, and for these what the host did since. Undo has to give back what was before, and an undo of that what was after. What conflicts is discarded, and the same isle goes on.

With ISLE_CRITERIA=aec (default is `write`) some steps read: a file is copied to another name. An isle is then committed as a whole or,
where one cell conflicts, refused and thrown away. What the isle tried counts as used, too, and if nothing conflicts, all that it did must
be possible after what the host did, but for removing what the host has removed.
"""
import json
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import picture as oracle  # noqa: E402

ISLE = os.path.abspath(os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
SEED = int(os.environ.get("ISLE_SEED") or random.randrange(1 << 30))
STEPS = int(os.environ.get("ISLE_STEPS") or 1200)
CRITERIA = os.environ.get("ISLE_CRITERIA") or "write"
CELLS = 25
EPOCH = 1_500_000_000
NAMES = ["a", "b", "c", "p", "q", "p/a", "p/b", "q/a", "p/r", "p/r/a", "q/b"]
KINDS = ["append", "append", "write", "remove", "mkdir", "rename", "rename", "chmod", "symlink"]


# --- steps ---

def step(kind, one, two, text):
    if kind == "append":
        with open(one, "r+", encoding="ascii") as file:
            file.seek(0, 2)
            file.write(text)
    elif kind == "write":
        with open(one, "x", encoding="ascii") as file:
            file.write(text)
    elif kind == "remove":
        if os.path.isdir(one) and not os.path.islink(one):
            shutil.rmtree(one)
        else:
            os.unlink(one)
    elif kind == "mkdir":
        os.mkdir(one)
    elif kind == "rename":
        os.rename(one, two)
    elif kind == "chmod":
        if os.path.islink(one) or not os.path.isfile(one):
            raise OSError(22, "no plain file")
        os.chmod(one, 0o600 + len(text) % 8)
    elif kind == "symlink":
        os.symlink(text, one)
    elif kind == "copy":
        with open(one, encoding="ascii") as file:
            old = file.read()
        with open(two, "x", encoding="ascii") as file:
            file.write(old)


def do(tree):
    os.umask(0o022)
    steps = json.load(sys.stdin)
    done = []
    for i, (cell, kind, one, two, text) in enumerate(steps):
        os.chdir("%s/%s" % (tree, cell))
        try:
            # The random names make symbolic links that lead nowhere, so nothing is followed out of the cell.
            step(kind, one, two, text)
            done.append(i)
        except OSError:
            pass
    print(json.dumps(done))


class Failure(Exception):
    pass


class History:
    def __init__(self, base):
        self.base, self.tree, self.copy = base, base + "/tree", base + "/copy"
        self.random = random.Random(SEED)
        self.problems, self.steps, self.commits, self.conflicts = [], 0, 0, 0
        self.cells = ["cell%02d" % i for i in range(CELLS)]
        self.ever = {cell: set() for cell in self.cells}
        self.older = {cell: set() for cell in self.cells}
        for cell in self.cells:
            os.makedirs("%s/%s/p/r" % (self.tree, cell))
            for name in ("a", "b", "p/a", "p/r/a"):
                with open("%s/%s/%s" % (self.tree, cell, name), "w", encoding="ascii") as file:
                    file.write("%s of %s\n" % (name, cell))
            for top, directories, files in os.walk("%s/%s" % (self.tree, cell), topdown=False):
                for name in directories + files:
                    os.utime(os.path.join(top, name), (EPOCH - 1000, EPOCH - 1000))
        self.forget()

    def forget(self):
        """Both sides begin anew."""
        for cell, steps in getattr(self, "theirs", {}).items():
            self.older[cell] |= self.used(steps)
        self.mine = {cell: [] for cell in self.cells}
        self.theirs = {cell: [] for cell in self.cells}

    def isle(self, *words, allowed=(0,), text=b""):
        done = subprocess.run([ISLE, *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                              check=False)
        if done.returncode not in allowed:
            raise Failure("%s ends with %d: %s" % (" ".join(words)[:150], done.returncode, os.fsdecode(done.stderr)[-3000:]))
        return done

    def random_steps(self, count, reads):
        kinds = KINDS + ["copy"] * 3 if reads else KINDS
        return [(self.random.choice(self.cells), self.random.choice(kinds), self.random.choice(NAMES), self.random.choice(NAMES),
                 "step %d\n" % self.random.randrange(10 ** 6)) for _ in range(count)]

    def play(self, steps, tree, inside=False):
        text = json.dumps(steps).encode()
        words = ["/usr/bin/python3", "-B", HERE + "/histories.py", "--do", tree]
        if inside:
            done = self.isle("run", "-q", "-n", "history", "--keep", "--net", "none", "--criteria", CRITERIA, "--", *words, text=text)
        else:
            done = subprocess.run(words, input=text, stdout=subprocess.PIPE, check=True)
        return [steps[i] for i in json.loads(done.stdout)]

    def round(self, count):
        steps = self.random_steps(count, CRITERIA == "aec")
        done = self.play(steps, self.tree, inside=True)
        for one in steps if CRITERIA == "aec" else done:
            self.ever[one[0]] |= self.used([one])
        for one in done:
            self.mine[one[0]].append(one)
        # Any read that the host has changed is a conflict of the whole isle: few steps, or none would ever be committed.
        after = self.play(self.random_steps(count // 12 if CRITERIA == "write" else self.random.randrange(3), False), self.tree)
        for one in after:
            self.theirs[one[0]].append(one)
        self.steps += count + count // 12

    def used(self, steps):
        """The first components of the names; of the second name only where it means something."""
        names = set()
        for _, kind, one, two, _ in steps:
            names.add(one.split("/")[0])
            if kind in ("rename", "copy"):
                names.add(two.split("/")[0])
        return names

    def picture(self, root):
        return oracle.picture(root, EPOCH)

    def compare(self, what, want, got, cells=None):
        lines = oracle.differences(want, got)
        if cells is not None:
            lines = [line for line in lines if line.lstrip("b'").split("/")[0].split("'")[0] in cells]
        for line in lines[:10]:
            cell = line.lstrip("b'").split("/")[0].split("'")[0]
            self.problems.append("%s: %s\n      isle: %s\n      host: %s" %
                                 (what, line, self.mine.get(cell), self.theirs.get(cell)))

    def check(self):
        told = json.loads(self.isle("check", "--json", "--criteria", CRITERIA, "history", allowed=(0, 4, 6)).stdout)
        prefix = self.tree + "/"
        inside = [entry for entry in told["conflicts"] if entry["path"].startswith(prefix)]
        bad = {entry["path"][len(prefix):].split("/")[0] for entry in inside}
        for entry in inside:
            cell = entry["path"][len(prefix):].split("/")[0]
            causes = self.used(self.theirs[cell])
            if entry["case"] == "metadata":  # names that came or went in a directory of the layer, at any time
                causes |= self.older[cell]
            if not self.ever[cell] & causes:
                self.problems.append("a conflict without a cause: %s\n      isle: %s\n      host: %s" %
                                     (json.dumps(entry), self.mine[cell], self.theirs[cell]))
        self.problems += ["a conflict outside: %s" % entry for entry in told["conflicts"] if not entry["path"].startswith(prefix)]
        self.conflicts += len(bad)
        return bad

    def serial(self):
        """The copy, with the isle's steps done in it; the cells where they were all possible."""
        shutil.rmtree(self.copy, ignore_errors=True)
        subprocess.run(["cp", "-a", self.tree, self.copy], check=True)
        steps = [one for cell in self.cells for one in self.mine[cell]]
        done = self.play(steps, self.copy)
        count = {cell: 0 for cell in self.cells}
        for one in done:
            count[one[0]] += 1
        if CRITERIA == "aec":
            # To rename something to its own name does nothing, so it is no more than a look.
            self.impossible = [one for one in steps if one not in done and one[1] != "remove" and one[2] != one[3]]
        return {cell for cell in self.cells if count[cell] == len(self.mine[cell])}

    def settle_whole(self):
        """All or nothing: the criteria are about the isle."""
        before = self.picture(self.tree)
        bad = self.check()
        if bad:
            self.isle("commit", "--yes", "--allow=all", "--criteria", CRITERIA, "history", allowed=(4,))
            self.compare("refused", before, self.picture(self.tree))
            self.isle("discard", "--yes", "history")
            self.isle("rm", "--yes", "history")
            self.ever = {cell: set() for cell in self.cells}
            self.older = {cell: set() for cell in self.cells}
        else:
            possible = self.serial()
            self.problems += ["no conflict, but not possible: %s\n      isle: %s\n      host: %s" %
                              (one, self.mine[one[0]], self.theirs[one[0]]) for one in self.impossible]
            self.commit_and_undo(before, [], self.cells, possible)
        self.forget()

    def commit_and_undo(self, before, paths, good, possible):
        done = self.isle("commit", "--yes", "--allow=all", "--criteria", CRITERIA, "history", *paths)
        after = self.picture(self.tree)
        self.compare("committed", self.picture(self.copy), after, [cell for cell in good if cell in possible])
        if b"nothing" not in done.stderr + done.stdout and before != after:
            self.isle("undo", "--yes")
            self.compare("undone", before, self.picture(self.tree))
            self.isle("undo", "--yes")
            self.compare("done again", after, self.picture(self.tree))
        self.commits += 1

    def settle(self):
        """What does not conflict is committed, undone and done again, the rest discarded."""
        before = self.picture(self.tree)
        bad = self.check()
        possible = self.serial()
        good = [cell for cell in self.cells if cell not in bad]
        changed = [self.tree + "/" + cell for cell in good if self.mine[cell]]
        if changed:
            self.commit_and_undo(before, changed, good, possible)
            self.compare("committed too much", before, self.picture(self.tree), bad)
        if bad:
            self.isle("discard", "--yes", "history", *[self.tree + "/" + cell for cell in sorted(bad)])
        told = json.loads(self.isle("status", "--json", "history", allowed=(0, 3)).stdout)
        left = [entry for entry in told["changes"] if entry.get("path", "").startswith(self.tree)]
        if left:
            self.problems.append("left in the isle: %s" % json.dumps(left)[:1500])
            self.isle("discard", "--yes", "history")
        self.forget()

    def run(self):
        while self.steps < STEPS and not self.problems:
            for _ in range(self.random.randrange(1, 4)):
                self.round(self.random.randrange(20, 120))
            if CRITERIA == "write":
                self.settle()
            else:
                self.settle_whole()
        self.isle("rm", "--yes", "history", allowed=(0, 1) if CRITERIA == "aec" else (0,))


def main():
    if sys.argv[1] == "--do":
        return do(*sys.argv[2:])
    print("seed %d, %s" % (SEED, CRITERIA), flush=True)
    history = History(sys.argv[1])
    try:
        history.run()
    except (Failure, subprocess.SubprocessError) as error:
        history.problems.append(str(error))
    for problem in history.problems[:20]:
        print("FAIL  " + problem)
    print("histories: %d steps, %d commits, %d cells in conflict, %d problems, ISLE_SEED=%d" %
          (history.steps, history.commits, history.conflicts, len(history.problems), SEED))
    return 1 if history.problems or not history.commits else 0


if __name__ == "__main__":
    sys.exit(main())
