#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Random histories of names: files and directories are made, linked, renamed, exchanged, moved with all that is in them, and removed,
in an isle and in a native twin. The two must look alike inside, and after each commit on the host, too; an undo gives back what was before.

    names.py DIRECTORY                   $ISLE is the program; NAMES_SEED is the first seed, NAMES_COUNT how many histories there are
    names.py --do TREE                   does what its standard input says, below TREE; tells as JSON how it went and what is there

A history has a tree of its own, a cell. Many cells share an isle, so that one run and one commit serve all of them. A cell that fails is
played again alone, and what is not needed for the failure is left out; the rest is printed as shell commands.

As root the trees are full of hard links. A user's have none: there a write through one name parts it from the others (doc/fidelity.md).
"""
import ctypes
import errno
import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ISLE = os.path.abspath(os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
SEED = int(os.environ.get("NAMES_SEED") or 1)
COUNT = int(os.environ.get("NAMES_COUNT") or 100)
CELLS = int(os.environ.get("NAMES_CELLS") or 40)
SHRINKS = int(os.environ.get("NAMES_SHRINKS") or 3)
NAMES = ["a", "b", "c", "d"]
RENAME_EXCHANGE = 2
libc = ctypes.CDLL(None, use_errno=True)


# --- what a history consists of ---

def random_path(r, depths):
    return "/".join(r.choice(NAMES) for _ in range(r.choice(depths)))


def random_tree(r, links):
    """The operations that make the first tree."""
    made, files = [], []

    def fill(directory, depth):
        for name in NAMES:
            path = directory + name
            kind = r.random()
            if kind < 0.4 and depth < 3:
                made.append(["mkdir", path])
                fill(path + "/", depth + 1)
            elif kind < 0.65:
                made.append(["create", path, "%s %d\n" % (path, r.randrange(1000))])
                files.append(path)
            elif kind < 0.72:
                made.append(["symlink", r.choice(NAMES + ["../a", "none"]), path])
                if links:
                    files.append(path)
            elif kind < 0.85 and links and files:
                made.append(["link", r.choice(files), path])

    fill("", 0)
    return made


def random_operations(r, links, count):
    kinds = ["mkdir"] * 3 + ["create"] * 3 + ["append"] * 2 + ["write", "truncate", "chmod", "chmod", "symlink", "unlink", "unlink", "rmdir",
                             "remove", "move_in", "move_in"] + ["rename"] * 9 + ["exchange"] * 2
    if links:
        kinds += ["link"] * 4 + ["copy_links"]
    done = []
    for number in range(count):
        kind = r.choice(kinds)
        one = random_path(r, [1, 1, 2, 2, 2, 3, 3, 4])
        two = random_path(r, [1, 1, 2, 2, 3])
        text = "%d\n" % number
        done.append({
            "mkdir": [kind, one], "unlink": [kind, one], "rmdir": [kind, one], "remove": [kind, one],
            "create": [kind, one, text], "append": [kind, one, text], "write": [kind, one, text],
            "truncate": [kind, one, number % 3], "chmod": [kind, one, r.choice([0o600, 0o640, 0o700, 0o755, 0o711])],
            "symlink": [kind, r.choice(NAMES + ["../b", "none"]), one],
        }.get(kind, [kind, one, two]))
    return done


class History:
    """What is done in one cell: the tree that both sides begin with, and the operations of each run."""

    def __init__(self, seed, links):
        r = random.Random(seed)
        self.seed, self.links = seed, links
        self.tree = random_tree(r, links)
        self.operations = [random_operations(r, links, r.choice([6, 12, 25, 40, 60, 100])) for _ in range(2)]


# --- operations ---

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def copy_links(one, two):
    """cp -al"""
    if os.path.islink(one) or not os.path.isdir(one):
        return os.link(one, two, follow_symlinks=False)
    names = sorted(os.listdir(one))
    if (os.path.realpath(two) + "/").startswith(os.path.realpath(one) + "/"):
        raise OSError(errno.EINVAL, two)
    os.mkdir(two)
    for name in names:
        copy_links(one + "/" + name, two + "/" + name)


def remove(one):
    if os.path.isdir(one) and not os.path.islink(one):
        shutil.rmtree(one)
    else:
        os.unlink(one)


def open_to(one, flags, text):
    # What a random name leads to can lie in another cell: no link is followed.
    fd = os.open(one, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    os.write(fd, text.encode())
    os.close(fd)


def chmod(one, mode):
    if os.path.islink(one):
        raise OSError(errno.ELOOP, one)
    os.chmod(one, mode | 0o700 if os.path.isdir(one) else mode)


def truncate(one, size):
    fd = os.open(one, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


def move_in(one, two):
    """mv one/* two"""
    for name in sorted(os.listdir(one)):
        os.rename(one + "/" + name, two + "/" + name)


WAYS = {
    "mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink, "remove": remove, "rename": os.rename, "move_in": move_in,
    "exchange": lambda one, two: call("renameat2", -100, one.encode(), -100, two.encode(), RENAME_EXCHANGE),
    "create": lambda one, text: open_to(one, os.O_WRONLY | os.O_CREAT | os.O_EXCL, text),
    "append": lambda one, text: open_to(one, os.O_WRONLY | os.O_APPEND, text),
    "write": lambda one, text: open_to(one, os.O_WRONLY | os.O_TRUNC, text),
    "link": lambda one, two: os.link(one, two, follow_symlinks=False),
    "copy_links": copy_links, "truncate": truncate, "chmod": chmod, "symlink": os.symlink,
}


def as_shell(operation):
    kind, *rest = operation
    return {
        "create": lambda one, text: "echo %s >%s" % (text.strip(), one),
        "write": lambda one, text: "echo %s >%s" % (text.strip(), one),
        "append": lambda one, text: "echo %s >>%s" % (text.strip(), one),
        "link": lambda one, two: "ln %s %s" % (one, two),
        "symlink": lambda one, two: "ln -s %s %s" % (one, two),
        "copy_links": lambda one, two: "cp -al %s %s" % (one, two),
        "rename": lambda one, two: "mv -fT %s %s" % (one, two),
        "exchange": lambda one, two: "mv --exchange -T %s %s" % (one, two),
        "move_in": lambda one, two: "mv %s/* %s" % (one, two),
        "mkdir": lambda one: "mkdir " + one, "rmdir": lambda one: "rmdir " + one, "unlink": lambda one: "rm " + one,
        "remove": lambda one: "rm -r " + one, "truncate": lambda one, size: "truncate -s %d %s" % (size, one),
        "chmod": lambda one, mode: "chmod %o %s" % (mode, one),
    }[kind](*rest)


def do_all(operations):
    told = []
    for kind, *rest in operations:
        try:
            WAYS[kind](*rest)
            told.append("ok")
        except OSError as error:
            told.append(errno.errorcode.get(error.errno, str(error.errno)))
        except shutil.Error as error:
            told.append(str(error))
    return told


def picture(top):
    """One line for each name: type, mode, owner, content, and the first of its names."""
    lines, first = [], {}

    def look(directory):
        for name in sorted(os.listdir(top + "/" + directory)):
            path = directory + name
            full = top + "/" + path
            st = os.lstat(full)
            line = "%s %o %d:%d" % (path, st.st_mode, st.st_uid, st.st_gid)
            if stat.S_ISDIR(st.st_mode):
                lines.append(line)
                look(path + "/")
                continue
            if stat.S_ISLNK(st.st_mode):
                line += " -> " + os.readlink(full)
            else:
                with open(full, "rb") as file:
                    line += " " + hashlib.md5(file.read()).hexdigest()[:8]
            lines.append(line + " = " + first.setdefault((st.st_dev, st.st_ino), path))

    look("")
    return lines


def do(tree):
    """Standard input: {cell: operations}. Tells {cell: [outcomes, picture]}."""
    os.umask(0o022)
    told = {}
    for cell, operations in json.load(sys.stdin).items():
        os.chdir("%s/%s" % (tree, cell))
        outcomes = do_all(operations)
        told[cell] = [outcomes, picture(".")]
    print(json.dumps(told))


# --- playing ---

class Stopped(Exception):
    """A failure of all cells together."""


class Game:
    """Some histories in one isle."""

    def __init__(self, base, histories, seed):
        clear(base)
        self.random = random.Random(seed)
        self.base, self.host, self.native = base, base + "/host", base + "/native"
        self.cells = {"cell%d" % i: history for i, history in enumerate(histories)}
        self.problems = {}
        # What one failure leaves must not be the next one's.
        self.environment = dict(os.environ, ISLE_HOME=base + "/store")
        os.makedirs(base + "/store", 0o700)
        for top in (self.host, self.native):
            for cell, history in self.cells.items():
                os.makedirs(top + "/" + cell)
                os.chdir(top + "/" + cell)
                do_all(history.tree)
        os.chdir("/")

    def isle(self, *words, allowed=(0,), text=b""):
        done = subprocess.run([ISLE, *words], env=self.environment, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, check=False)
        if done.returncode not in allowed:
            raise Stopped("%s ends with %d: %s" % (" ".join(words)[:150], done.returncode,
                                                  os.fsdecode(done.stdout)[-500:] + os.fsdecode(done.stderr)[-1500:]))
        return done

    def problem(self, cell, text):
        self.problems.setdefault(cell, text)

    def compare(self, what, want, got):
        for cell in self.cells:
            if want[cell] != got[cell]:
                lines = ["- " + line for line in want[cell] if line not in got[cell]]
                lines += ["+ " + line for line in got[cell] if line not in want[cell]]
                self.problem(cell, "\n".join([what] + lines[:12]))

    def pictures(self, top):
        return {cell: picture("%s/%s" % (top, cell)) for cell in self.cells}

    def phase(self, number=None):
        """The operations of this number inside and natively, or none: then it is a look at what there is."""
        operations = {cell: [] if number is None else history.operations[number] for cell, history in self.cells.items()}
        steps = json.dumps(operations).encode()
        before = self.pictures(self.host)
        words = ["/usr/bin/python3", "-B", os.path.abspath(__file__), "--do"]
        inside = json.loads(self.isle("run", "-q", "-n", "names", "--keep", "--net", "none", "--", *words, self.host, text=steps).stdout)
        outside = json.loads(subprocess.run([*words, self.native], input=steps, stdout=subprocess.PIPE, check=True).stdout)
        for cell in self.cells:
            for operation, a, b in zip(operations[cell], inside[cell][0], outside[cell][0]):
                if a != b:
                    self.problem(cell, "%s: %s inside, %s natively" % (as_shell(operation), a, b))
                    break
        self.compare("inside", {c: t[1] for c, t in outside.items()}, {c: t[1] for c, t in inside.items()})
        self.compare("the host, before the commit", before, self.pictures(self.host))

    def name_the_others(self):
        """What was written through a name that has gone shows under the file's others. A commit is refused then, and says what to do."""
        for _ in range(20 * len(self.cells)):
            told = os.fsdecode(self.isle("check", "names", allowed=(0, 1)).stderr)
            if "another name of the file made it" not in told and "some names of a file show" not in told:
                break
            inode = re.search(r"find / -xdev -inum (\d+)", told)
            name = re.search(r"touch -cr (/\S+)", told)
            if inode:
                name = subprocess.run(["find", self.host, "-inum", inode.group(1), "-print", "-quit"], stdout=subprocess.PIPE, check=True)
                name = os.fsdecode(name.stdout).strip()
            else:
                name = name.group(1)
            self.isle("run", "-q", "-n", "names", "--keep", "--net", "none", "--", "touch", "-cr", name, name)
        self.isle("check", "names")

    def commit(self, way):
        """whole: all at once; parts: some paths first, and then what is left."""
        before = self.pictures(self.host)
        told = json.loads(self.isle("status", "--json", "names", allowed=(0, 3)).stdout)
        paths = [entry["path"] for entry in told["changes"] if "path" in entry and entry["path"].startswith(self.host)]
        if way == "parts":
            for path in self.random.sample(paths, min(len(paths), len(self.cells) + 1)):
                self.isle("commit", "--yes", "--allow=all", "names", path, allowed=(0, 1))
            before = self.pictures(self.host)
        self.isle("diff", "names", allowed=(0, 3))
        self.name_the_others()
        self.isle("commit", "--yes", "--allow=all", "names")
        after = self.pictures(self.host)
        self.compare("committed", self.pictures(self.native), after)
        if before != after:
            self.isle("undo", "--yes")
            self.compare("undone", before, self.pictures(self.host))
            self.isle("undo", "--yes")
            self.compare("done again", after, self.pictures(self.host))
        if not self.problems:
            self.phase()
        left = json.loads(self.isle("status", "--json", "names", allowed=(0, 3)).stdout)["changes"]
        for entry in left:
            path = entry.get("path", "")
            if path.startswith(self.host + "/"):
                self.problem(path[len(self.host) + 1:].split("/")[0], "left after the commit: %s" % json.dumps(entry))

    def run(self, way):
        """twice: with a commit between the two runs. The problems, by cell."""
        try:
            self.phase(0)
            if way == "twice" and not self.problems:
                self.commit("whole")
            if not self.problems:
                self.phase(1)
            if not self.problems:
                self.commit("parts" if way == "parts" else "whole")
        except Stopped as error:
            for cell in self.cells:
                self.problem(cell, str(error))
        return self.problems


def clear(base):
    """Also directories that nobody may enter: an upper directory's work is one."""
    subprocess.run(["chmod", "-R", "u+rwx", base], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["rm", "-rf", base], stderr=subprocess.DEVNULL, check=False)


def alone(base, history, way, seed):
    """Which parts are committed first is left to chance."""
    for chance in range(4 if way == "parts" else 1):
        problem = Game(base, [history], seed + chance).run(way).get("cell0")
        if problem is not None:
            return problem
    return None


def shrink(base, history, way, seed):
    """Leaves out what is not needed: first halves, then smaller parts, then single operations."""
    for part in ("operations1", "operations0", "tree"):
        size = None
        while size != 0:
            now = part_of(history, part)
            size = len(now) // 2 if size is None else size // 2
            at = 0
            while size > 0 and at < len(now):
                shorter = now[:at] + now[at + size:]
                set_part(history, part, shorter)
                if alone(base, history, way, seed) is not None:
                    now = shorter
                else:
                    at += size
            set_part(history, part, now)
    return alone(base, history, way, seed)


def part_of(history, part):
    return history.tree if part == "tree" else history.operations[int(part[-1])]


def set_part(history, part, now):
    if part == "tree":
        history.tree = now
    else:
        history.operations[int(part[-1])] = now


def tell(history, way, text):
    print("FAIL  seed %d, %s\n      tree:   %s" % (history.seed, way, "; ".join(map(as_shell, history.tree))))
    for number, operations in enumerate(history.operations):
        print("      run %d:  %s" % (number + 1, "; ".join(map(as_shell, operations))))
    print("      " + text.replace("\n", "\n      "), flush=True)


def main():
    if sys.argv[1] == "--do":
        return do(*sys.argv[2:])
    base = os.path.abspath(sys.argv[1])
    links = os.getuid() == 0
    failed = 0
    os.umask(0o022)
    for first in range(SEED, SEED + COUNT, CELLS):
        seeds = range(first, min(first + CELLS, SEED + COUNT))
        way = ["whole", "twice", "parts"][first // CELLS % 3]
        problems = Game(base, [History(seed, links) for seed in seeds], first).run(way)
        for cell in problems:
            history = History(seeds[int(cell[4:])], links)
            text = alone(base, history, way, first)
            if text is None:
                if len(set(problems.values())) > 1 or len(seeds) == 1:
                    failed += 1
                    print("FAIL  seed %d, %s, with the others of its isle: %s" % (history.seed, way, problems[cell]), flush=True)
                continue
            failed += 1
            if failed <= SHRINKS:
                tell(history, way, shrink(base, history, way, first) or text)
            else:
                print("FAIL  seed %d, %s: %s" % (history.seed, way, text), flush=True)
        if problems and not failed:
            failed += 1
            print("FAIL  seeds from %d, %s, all together: %s" % (first, way, next(iter(problems.values()))), flush=True)
    clear(base)
    print("names: %d histories, %d failed" % (COUNT, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
