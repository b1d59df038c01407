#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs the rows of the file `table` as the user who starts it: criteria.py DIRECTORY [CASE]...

$ISLE is the program; the store and the trees lie in DIRECTORY.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../layouts")
sys.dont_write_bytecode = True

import oracle  # noqa: E402

ISLE = os.path.abspath(os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))


class Failure(Exception):
    pass


def read_table(path):
    """[(case, title, [(key, value)])]"""
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            head = re.fullmatch(r"\[(\S+)\] (.*)", line)
            field = re.fullmatch(r"([a-z-]+): +(.*)", line)
            if head:
                rows.append((head[1], head[2], []))
            elif field:
                rows[-1][2].append((field[1], field[2]))
            elif line.startswith(" "):
                key, value = rows[-1][2].pop()
                rows[-1][2].append((key, value + "\n" + line.strip()))
            else:
                raise ValueError("not understood: " + line)
    return rows


class Row:
    def __init__(self, base, case, fields):
        self.case, self.fields = case, fields
        self.tree = "%s/%s" % (base, case)
        self.name = re.sub("[^A-Za-z0-9]", "-", case)
        os.mkdir(self.tree)
        os.chmod(self.tree, 0o755)
        # A commit must not depend on the directory having been touched a moment ago.
        self.epoch = 0

    def _run(self, words):
        done = subprocess.run(words, cwd=self.tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, check=False)
        return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)

    def shell(self, script, what):
        status, out, err = self._run(["bash", "-ec", "umask 022; " + script])
        if status != 0:
            raise Failure("%s fails with status %d: %s\n%s%s" % (what, status, script, out[-500:], err[-500:]))

    def isle(self, *words):
        return self._run([ISLE, *words])

    def inside(self, name, script):
        status, out, err = self.isle("run", "-q", "-n", name, "--keep", "--net", "none", "--", "bash", "-ec", "umask 022; " + script)
        if status != 0:
            raise Failure("inside fails with status %d: %s\n%s%s" % (status, script, out[-800:], err[-800:]))

    def picture(self):
        return oracle.picture([self.tree], epoch=1 << 40)

    def untouched(self, before, what):
        lines = oracle.differences(before, self.picture(), ignore=())
        if lines:
            raise Failure("%s changed the host:\n%s" % (what, "\n".join(lines)))

    def check_status(self, wanted):
        status, out, err = self.isle("status", "--json", self.name)
        if status not in (0, 3):
            raise Failure("status fails with %d: %s" % (status, err[-500:]))
        told = []
        for change in json.loads(out)["changes"]:
            path = change.get("path") or change["path_b64"]
            told.append("%s %s" % (change["kind"], path[len(self.tree) + 1:] if path.startswith(self.tree + "/") else path))
        want = [] if wanted == "-" else [part.strip() for part in wanted.split(",")]
        if sorted(told) != sorted(want) or (status == 3) != bool(want):
            raise Failure("status %d tells %s instead of %s" % (status, sorted(told), sorted(want)))

    def commit(self, value):
        words = value.split()
        allowed = [int(word) for word in words if word.isdigit()]
        options = [word.replace("PATH", self.tree) for word in words if not word.isdigit()]
        paths = [word for word in options if word.startswith("/")]
        options = [word for word in options if not word.startswith("/")]
        before = self.picture()
        status, out, err = self.isle("commit", "--yes", *options, self.name, *paths)
        if status not in allowed:
            raise Failure("commit ends with %d instead of %s: %s%s" % (status, allowed, out[-800:], err[-800:]))
        if status != 0:
            self.untouched(before, "a refused commit")

    def play(self):
        for key, value in self.fields:
            before = self.picture()
            if key in ("setup", "host", "host-first", "host-then", "check"):
                self.shell(value, key)
            elif key in ("inside", "other"):
                name = self.name if key == "inside" else self.name + "-other"
                self.inside(name, value)
                self.untouched(before, "the run")
                if key == "other":
                    self.isle("commit", "--yes", name)
                    self.isle("rm", "--yes", name)
            elif key == "status":
                self.check_status(value)
            elif key in ("discard", "undo"):
                status, _, err = self.isle(key, "--yes", *([self.name] if key == "discard" else []))
                if status != 0:
                    raise Failure("%s ends with %d: %s" % (key, status, err))
            elif key == "commit":
                self.commit(value)
            elif key != "users":
                raise ValueError("no such field: " + key)
        status, _, err = self.isle("rm", "--yes", self.name)
        if status != 0:
            raise Failure("rm fails: %s" % err)


def main():
    base, wanted = sys.argv[1], sys.argv[2:]
    who = "root" if os.getuid() == 0 else "user"
    passed = failed = 0
    for case, title, fields in read_table(HERE + "/table"):
        users = dict(fields).get("users", "root user").split()
        if who not in users or (wanted and case not in wanted):
            continue
        try:
            Row(base, case, fields).play()
            passed += 1
            print("ok    [%s] %s" % (case, title), flush=True)
        except (Failure, subprocess.TimeoutExpired, ValueError, OSError) as error:
            failed += 1
            print("FAIL  [%s] %s\n        %s" % (case, title, str(error).replace("\n", "\n        ")), flush=True)
    print("criteria: %d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
