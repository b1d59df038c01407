#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs the mount-layout matrix: layouts.py [--isle PROGRAM] [--user NAME] [--as root|user] [--list] [ROW]...

Each row (rows.py) is laid out twice, in two mount namespaces. In one the operations (ops.py) are done natively. In the other:

 1. an isle runs the first part, then in a second run the second part: every operation has the native outcome;
 2. the host sees nothing of it;
 3. what is seen inside is what the native tree looks like;
 4. `isle status --json` lists exactly the differences;
 5. discard drops them: nothing to see inside, nothing on the host;
 6. the same again in another isle, and `isle commit --yes`: the host's tree is the native tree;
 7. nothing is left: no mount, no process, no loop device.

What is known to differ, and why, stands in the file known-differences.
"""
import argparse
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import machine  # noqa: E402
import oracle  # noqa: E402
import ops  # noqa: E402
import rows  # noqa: E402

PYTHON = "/usr/bin/python3"
SKIP = ("/usr", "/proc", "/sys", "/dev", "/opt/isle", "/old")


class Failure(Exception):
    pass


class Known:
    """The file known-differences: row, user, check and a part of the line, all four with * for any; a reason."""

    def __init__(self, path):
        self.entries = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    fields = [field.strip() for field in line.rstrip("\n").split("|")]
                    self.entries.append(fields)

    def covers(self, row, user, check, line):
        for pattern_row, pattern_user, pattern_check, part, _ in self.entries:
            if pattern_row in ("*", row) and pattern_user in ("*", user) and pattern_check in ("*", check) and part in line:
                return True
        return False


class Stage:
    """One row for one user in this namespace: laid out, populated, and this process inside it."""

    def __init__(self, name, user, workdir, program, account):
        self.name, self.user = name, user
        self.uid = 0 if user == "root" else account.pw_uid
        function = rows.ROWS[name]
        self.machine = machine.Machine(workdir, function.base, account.pw_uid)
        self.machine.scratch = workdir + "/scratch"
        if function.base == "real":
            os.mkdir(self.machine.scratch)
            os.chown(self.machine.scratch, self.uid, self.uid)
        self.layout = function(self.machine, self.uid)
        self.program = program
        if function.base == "image":
            self.program = self.machine.copy_program(program)
        self.home = self.layout.home or ("/root" if self.uid == 0 else account.pw_dir)
        if function.base == "image" and self.uid:
            self.home = "/home/tuser"
            self.machine.directory(self.home + "/.local/share", self.uid)
        self.machine.directory("/var/tmp/work" if function.base == "image" else workdir + "/tools", 0)
        self.tools = "/var/tmp/work" if function.base == "image" else workdir + "/tools"
        shutil.copy(HERE + "/ops.py", self.machine.path(self.tools + "/ops.py"))
        shutil.copy(HERE + "/oracle.py", self.machine.path(self.tools + "/oracle.py"))
        self.account = account
        self.machine.enter()
        self.populate()
        self.roots = ["/"] if function.base == "image" else [self.machine.scratch] + [
            site["path"] for site in self.layout.sites if not site["path"].startswith(self.machine.scratch)]

    def populate(self):
        with open(self.tools + "/sites.json", "w", encoding="ascii") as file:
            json.dump({"sites": self.layout.sites, "look": self.layout.look, "across": self.layout.across,
                       "owner": self.uid, "mountpoints": self.layout.mountpoints, "own": self.own_names()}, file)
        ops.populate(self.layout.sites, self.uid)
        for place in self.layout.read_only:
            machine.run("mount", "-o", "remount,ro", place)

    def environment(self):
        result = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.home, "TERM": "dumb",
                  "USER": self.user, "LOGNAME": self.user, "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash",
                  "ISLE_TEST_MARK": os.environ.get("ISLE_TEST_MARK", "")}
        if self.machine.base == "real":
            result["ISLE_HOME"] = os.path.join(self.machine.workdir, "store")
        result.update(self.layout.environment)
        return result

    def store_places(self):
        """Where isle keeps things by its own account; they are no part of any picture."""
        places = [os.path.join(self.machine.workdir, "store"), "/var/lib/isle", self.home + "/.local/share/isle", self.tools]
        return places + [os.path.realpath(place) for place in places] + self.machine.hidden

    def own_names(self):
        """What isle calls the directories it keeps layers in, and a store that is not at its usual place."""
        return [".isle", ".isle-%d" % self.uid, "isle-%d" % self.uid]

    def left_in_places(self):
        """What lies in isle's directories outside the store; there has to be nothing once no isle is left."""
        found = []
        for root in self.roots:
            for directory, names, _ in os.walk(root):
                names[:] = [name for name in names if os.path.join(directory, name) not in SKIP]
                for name in self.own_names()[:2]:
                    if name in names and "isles" not in os.listdir(os.path.join(directory, name)):
                        found += [os.path.join(directory, name, left) for left in os.listdir(os.path.join(directory, name))]
        return found

    def run(self, *words, check=False):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              cwd=self.layout.cwd, env=self.environment(), user=self.uid, group=self.uid,
                              extra_groups=[], timeout=60, check=False, umask=0o022)
        done.stdout, done.stderr = os.fsdecode(done.stdout), os.fsdecode(done.stderr)
        if check and done.returncode != 0:
            raise Failure("%s: status %d: %s%s" % (" ".join(map(ascii, words)), done.returncode, done.stdout[-500:],
                                                   done.stderr[-1500:]))
        return done

    def isle(self, *words):
        return self.run(self.program, *words, check=True)

    def picture(self):
        return oracle.picture(self.roots, skip=set(SKIP) | set(self.store_places()), own=self.own_names())

    def part_words(self, part):
        return (PYTHON, "-IBS", self.tools + "/ops.py", part, self.tools + "/sites.json")

    def inside_picture_words(self):
        """What the user sees, as that user: the sites only, printed as JSON."""
        code = ("import sys, json; sys.path.insert(0, %r); import oracle; json.dump(oracle.picture(%r, skip=%r, own=%r),"
                " sys.stdout)" % (self.tools, [site["path"] for site in self.layout.sites],
                                  sorted(set(SKIP) | set(self.store_places())), self.own_names()))
        return (PYTHON, "-IBSc", code)


def native(stage):
    result = {"before": stage.picture()}
    for part in ("first", "second"):
        result[part] = json.loads(stage.run(*stage.part_words(part), check=True).stdout)
    result["inside"] = json.loads(stage.run(*stage.inside_picture_words(), check=True).stdout)
    result["after"] = stage.picture()
    return result


class Verdict:
    def __init__(self, stage, known):
        self.stage, self.known, self.problems, self.accepted = stage, known, [], []

    def add(self, check, lines):
        for line in lines:
            if self.known.covers(self.stage.name, self.stage.user, check, line):
                self.accepted.append("%s: %s" % (check, line))
            else:
                self.problems.append("%s: %s" % (check, line))


def _outcomes(wanted, got):
    return ["%s: %s, natively %s" % (name, got.get(name), wanted.get(name))
            for name in sorted(set(wanted) | set(got)) if wanted.get(name) != got.get(name)]


def work_in(stage, isle, expected, verdict):
    """Both parts in an isle of this name, one run for each."""
    for part in ("first", "second"):
        done = stage.isle("run", "-n", isle, "--keep", "--net", "none", "--", *stage.part_words(part))
        try:
            got = json.loads(done.stdout)
        except ValueError:
            raise Failure("no result from inside: %r %r" % (done.stdout[-300:], done.stderr[-300:])) from None
        verdict.add("outcome", _outcomes(expected[part], got))
        if part == "first" and isle == "one":
            said = done.stderr
            verdict.said = said


def inside(stage, isle):
    done = stage.isle("run", "-n", isle, "--keep", "--net", "none", "--", *stage.inside_picture_words())
    return json.loads(done.stdout)


def of_others_too(native_view, view, uid):
    """In user mode what belongs to others is shown with the user as the owner, or nobody, and the rights the user has."""
    for path, entry in native_view.items():
        for key in ("uid", "gid", "mode") if uid != 0 and entry.get("uid") != uid else ():
            entry.pop(key, None)
            view.get(path, {}).pop(key, None)
    return native_view, view


def status_of(stage, isle):
    done = stage.run(stage.program, "status", "--json", isle)
    if done.returncode not in (0, 3):
        raise Failure("status: %d: %s" % (done.returncode, done.stderr[-800:]))
    status = json.loads(done.stdout)
    if (done.returncode == 3) != bool(status["changes"]):
        raise Failure("status %d with %d changes" % (done.returncode, len(status["changes"])))
    return status


def check_status(stage, isle, expected, verdict):
    status = status_of(stage, isle)
    verdict.add("status", oracle.compare_changes(status, expected["before"], expected["after"], stage.layout.aliases))


def isolated(stage, expected, known, look_only):
    verdict = Verdict(stage, known)
    before = stage.picture()
    if "before" not in expected:
        raise Failure("natively: %s" % expected["problems"])
    verdict.add("layout", oracle.differences(expected["before"], before))
    work_in(stage, "one", expected, verdict)
    verdict.add("host", oracle.differences(before, stage.picture(), ignore=()))
    verdict.add("view", oracle.differences(*of_others_too(expected["inside"], inside(stage, "one"), stage.uid)))
    check_status(stage, "one", expected, verdict)
    if look_only:
        stage.isle("rm", "--yes", "one")
        return verdict
    stage.isle("discard", "--yes", "one")
    if status_of(stage, "one")["changes"]:
        verdict.add("discard", ["changes are left after discard"])
    verdict.add("discard", oracle.differences(before, stage.picture(), ignore=()))
    work_in(stage, "two", expected, verdict)
    done = stage.run(stage.program, "commit", "--yes", "--allow=owner", "two")
    if done.returncode != 0:
        verdict.add("commit", ["status %d: %s" % (done.returncode, done.stderr[-1500:])])
    else:
        verdict.add("commit", oracle.differences(expected["after"], stage.picture(), ignore=()))
        left = status_of(stage, "two")["changes"]
        verdict.add("commit", ["still told after the commit: %s" % ascii(change) for change in left])
    for isle in ("one", "two"):
        stage.isle("rm", "--yes", isle)
    stage.isle("gc", "--keep", "0")
    verdict.add("left", stage.left_in_places())
    return verdict


# Namespaces and processes.

def _child(options, workdir):
    """In the new mount namespace: prints the result as JSON."""
    account = pwd.getpwnam(options.user)
    known = Known(HERE + "/known-differences")
    stage = Stage(options.row[0], options.who, workdir, options.isle, account)
    try:
        if options.child == "native":
            return native(stage)
        verdict = isolated(stage, json.load(sys.stdin), known, options.look_only)
    finally:
        stage.machine.close()
    return {"problems": verdict.problems, "accepted": verdict.accepted, "said": getattr(verdict, "said", "")}


def child(options):
    result_fd = os.dup(1)
    os.dup2(2, 1)
    try:
        result = _child(options, options.workdir)
    except Failure as error:
        result = {"problems": [str(error)], "accepted": [], "said": ""}
    with os.fdopen(result_fd, "w") as file:
        json.dump(result, file)


def in_namespace(options, row, who, kind, text, workdir):
    words = ["unshare", "-m", "--propagation", "private", PYTHON, "-IBs", os.path.abspath(__file__), "--isle", options.isle, "--user",
             options.user, "--as", who, "--child", kind, "--workdir", workdir, row] + ["--look-only"] * options.look_only
    done = subprocess.run(words, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, text=True,
                          check=False)
    if done.returncode != 0:
        raise Failure("%s: %s" % (kind, done.stderr[-3000:]))
    return json.loads(done.stdout)


def one(options, row, who):
    """The problems of one row for one user."""
    base = tempfile.mkdtemp(prefix="isle-layout.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(base, 0o755)
    try:
        for part in ("native", "isle"):
            os.mkdir(base + "/w")
            workdir = base + "/w"
            if part == "native":
                expected = in_namespace(options, row, who, part, None, workdir)
            else:
                os.mkdir(workdir + "/store")
                os.chmod(workdir + "/store", 0o700)
                owner = 0 if who == "root" else pwd.getpwnam(options.user).pw_uid
                os.chown(workdir + "/store", owner, owner)
                result = in_namespace(options, row, who, part, json.dumps(expected), workdir)
            if not machine.wait_until_free(workdir):
                raise Failure("still in use after the test: %s" % machine.users_of_loops(workdir))
            shutil.rmtree(workdir)
        return result
    finally:
        shutil.rmtree(base, ignore_errors=True)


def parse():
    parser = argparse.ArgumentParser(description="the mount-layout matrix")
    parser.add_argument("--isle", default=os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
    parser.add_argument("--user", default=os.environ.get("ISLE_TEST_USER") or "tuser")
    parser.add_argument("--as", dest="who", choices=("root", "user"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--look-only", action="store_true", help="neither discard nor commit")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--workdir", help=argparse.SUPPRESS)
    parser.add_argument("row", nargs="*")
    return parser.parse_args()


def run_one(options, row, who):
    start = time.monotonic()
    try:
        result = one(options, row, who)
    except Failure as error:
        result = {"problems": [str(error)], "accepted": [], "said": ""}
    except Exception:  # pylint: disable=broad-except
        result = {"problems": [traceback.format_exc()], "accepted": [], "said": ""}
    lines = ["%s  %s (%s, %.1f s)" % ("FAIL" if result["problems"] else "ok  ", row, who, time.monotonic() - start)]
    lines += ["        " + line for line in result["problems"][:40]]
    if options.verbose:
        lines += ["        known: " + line for line in result["accepted"]]
        lines += ["        said: " + line for line in result["said"].splitlines()]
    print("\n".join(lines), flush=True)
    return not result["problems"]


def main():
    options = parse()
    options.isle = os.path.abspath(options.isle)
    if options.child:
        child(options)
        return 0
    if options.list:
        print("\n".join(rows.ROWS))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = [(row, who) for row in (options.row or rows.ROWS) for who in rows.ROWS[row].users if options.who in (None, who)]
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(options.jobs) as pool:
        good = list(pool.map(lambda pair: run_one(options, *pair), work))
    print("layouts: %d passed, %d failed" % (sum(good), len(good) - sum(good)))
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
