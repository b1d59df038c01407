#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Python's own test-suite, on the host and in an isle, as root and as an ordinary user: each test has the same outcome.

    fidelity.py [--isle PROGRAM] [--user NAME] [--as root|user] [--jobs N] [MODULE]...

A difference is looked at a second time, because some tests fail by chance. One that stays has to be in the file
expected-differences, and what is there has to be seen: a reason that no longer holds must not stay.
"""
import argparse
import fnmatch
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
LIMIT = 150


class Person:
    def __init__(self, who, name):
        self.who = who
        self.account = pwd.getpwnam("root" if who == "root" else name)

    def environment(self, store):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.account.pw_dir,
                "USER": self.account.pw_name, "LOGNAME": self.account.pw_name, "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash",
                "TERM": "dumb", "ISLE_HOME": store, "ISLE_TEST_MARK": os.environ.get("ISLE_TEST_MARK", "")}


class Bench:
    """Where one run takes place."""

    def __init__(self, options, person):
        self.options, self.person = options, person
        self.base = tempfile.mkdtemp(prefix="isle-fidelity.", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.store, self.work = self.base + "/store", self.base + "/work"
        for place in (self.base, self.store, self.work):
            os.makedirs(place, exist_ok=True)
            os.chmod(place, 0o700 if place == self.store else 0o755)
            os.chown(place, person.account.pw_uid, person.account.pw_gid)

    def run(self, words):
        # Through env(1): a variable that a shell would set must not differ between the two sides either.
        account = self.person.account
        start = time.monotonic()
        with open(self.base + "/log", "ab") as log:
            try:
                subprocess.run(words, cwd=self.work, env=self.person.environment(self.store), stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log, user=account.pw_uid, group=account.pw_gid,
                               extra_groups=os.getgrouplist(account.pw_name, account.pw_gid), umask=0o022, timeout=LIMIT,
                               check=False)
            except subprocess.TimeoutExpired:
                log.write(b"took longer than %d s\n" % LIMIT)
        return time.monotonic() - start

    def log(self):
        with open(self.base + "/log", "rb") as log:
            return log.read().decode(errors="replace")[-2500:]

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)


def read_modules():
    result = {}
    with open(HERE + "/modules", encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                result[words[0]] = words[1:]
    return result


def read_expected():
    """user | test | on the host | inside | reason; fnmatch patterns. A reason that starts with "may:" need not be seen."""
    result = []
    with open(HERE + "/expected-differences", encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                result.append([field.strip() for field in line.split("|", 4)])
    return result


def outcomes(options, person, module, skip, inside):
    """({test: outcome}, {test: text}) of one run."""
    bench = Bench(options, person)
    try:
        out = bench.work + "/outcomes"
        words = [PYTHON, "-Bs", HERE + "/runtests.py", module, out] + skip
        if not inside:
            bench.run(words)
        else:
            # What is written inside stays inside, so the result is committed.
            bench.run([options.isle, "run", "-q", "-n", "tests", "--keep", "--"] + words)
            bench.run([options.isle, "commit", "-q", "--yes", "--criteria=write", "tests", out])
            bench.run([options.isle, "rm", "--yes", "tests"])
        return parse(out, bench)
    finally:
        bench.close()


def parse(path, bench):
    result, texts = {}, {}
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                # Subtests can fail several times under one name; the worst counts.
                if entry["test"] not in result or result[entry["test"]] in ("ok", "skip"):
                    result[entry["test"]], texts[entry["test"]] = entry["outcome"], entry["text"]
    except (OSError, ValueError) as error:
        result["(the run)"], texts["(the run)"] = "broken", "%s\n%s" % (error, bench.log())
    if "end" not in result.values() and "skip" not in result.values():
        result["(the end)"], texts["(the end)"] = "missing", bench.log()
    return result, texts


def compare(native, inside):
    """{test: (outcome on the host, outcome inside)} where they differ, or where a side could not be run: that both
    could not is no likeness."""
    return {test: (native.get(test, "-"), inside.get(test, "-")) for test in sorted(set(native) | set(inside))
            if native.get(test) != inside.get(test) or native.get(test) in ("broken", "missing")}


def both(options, pool, person, module, skip):
    native = pool.submit(outcomes, options, person, module, skip, False)
    inside = pool.submit(outcomes, options, person, module, skip, True)
    return native, inside


def judge(options, person, module, skip, pair, expected):
    """Differences, unexpected ones only if they came twice: [(test, native, inside, text)], and the number of tests."""
    (native, native_text), (inside, inside_text) = pair
    found = compare(native, inside)
    if not all(covering(expected, person.who, test, *both) for test, both in found.items()):
        again_native, _ = outcomes(options, person, module, skip, False)
        again_inside, inside_text = outcomes(options, person, module, skip, True)
        again = compare(again_native, again_inside)
        found = {test: pair for test, pair in again.items() if test in found}
    texts = dict(native_text)
    texts.update(inside_text)
    return [(test, *pair, texts.get(test, "")) for test, pair in found.items()], len(native) - 1


def covering(expected, who, test, native, inside):
    for entry in expected:
        patterns = zip(entry[:4], (who, test, native, inside))
        if all(fnmatch.fnmatchcase(value, pattern) for pattern, value in patterns):
            return entry
    return None


def report(who, module, differences, count, expected, used):
    bad = 0
    lines = []
    for test, native, inside, text in differences:
        entry = covering(expected, who, test, native, inside)
        if entry:
            used.add(id(entry))
            continue
        bad += 1
        lines.append("        %s: %s on the host, %s inside" % (test, native, inside))
        lines += ["            " + line for line in text.strip().splitlines()[-12:]]
    print("%s  %s (%s): %d tests, %d known differences" %
          ("FAIL" if bad else "ok  ", module, who, count, len(differences) - bad))
    print("\n".join(lines) + "\n" if lines else "", end="", flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description="Python's tests, outside and inside")
    parser.add_argument("--isle", default=os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
    parser.add_argument("--user", default=os.environ.get("ISLE_TEST_USER") or "tuser")
    parser.add_argument("--as", dest="who", choices=("root", "user"))
    parser.add_argument("--jobs", type=int, default=4, help="most tests wait most of the time")
    parser.add_argument("module", nargs="*")
    options = parser.parse_args()
    options.isle = os.path.abspath(options.isle)
    modules, expected, used = read_modules(), read_expected(), set()
    names = options.module or list(modules)
    people = [Person(who, options.user) for who in ("root", "user") if options.who in (None, who)]
    tests = bad = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        work = [(person, name, both(options, pool, person, name, modules.get(name, []))) for name in names for person in people]
        for person, name, futures in work:
            pair = tuple(future.result() for future in futures)
            differences, count = judge(options, person, name, modules.get(name, []), pair, expected)
            bad += report(person.who, name, differences, count, expected, used)
            tests += count
    if not options.module and not options.who:
        for entry in expected:
            if id(entry) not in used and not entry[4].startswith("may:"):
                print("FAIL  expected-differences names what is no difference: %s" % " | ".join(entry[:4]))
                bad += 1
    print("fidelity: %d tests on each side, %d unexplained differences" % (tests, bad))
    return 1 if bad or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
