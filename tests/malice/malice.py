#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What somebody may have done to an isle, or does to the host while a commit runs: malice.py DIRECTORY [CASE]...

Each case makes a tree and an isle that changed it, spoils something, and then goes through what a user would do: look, check,
plan, commit, undo, discard, remove. Whatever is spoilt, for every command:

  - it ends by itself, with a status that the manual knows, and says why when it fails
  - nothing outside of the tree that the commit was about is changed: `outside` stays as it was, to the time of the last change
  - what it prints has no control characters of names

and at the end the isle can be removed. The program may be one with AddressSanitizer. ISLE_MALICE=N multiplies the random ones, ISLE_SEED
chooses them.
"""
import ctypes
import glob
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../matrix")
sys.dont_write_bytecode = True

import picture as oracle  # noqa: E402

ISLE = os.path.abspath(os.environ.get("ISLE", HERE + "/../../build/src/cli/isle"))
TIMES = int(os.environ.get("ISLE_MALICE", "1"))
SEED = int(os.environ.get("ISLE_SEED", "1"))
KNOWN = {0, 1, 2, 3, 4, 6}
LIBC = ctypes.CDLL(None, use_errno=True)

CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


def some(values):
    """All, or with ISLE_MALICE=1 every third, which ones depends on the seed."""
    return values if TIMES > 1 else values[SEED % 3::3]


class Failure(Exception):
    pass


class Place:
    """A store, the tree that an isle changes, and what is outside of it."""

    def __init__(self, base):
        self.base = base
        self.store = base + "/store"
        self.tree = base + "/inside_"
        self.outside = base + "/outsidX"  # as long as the other: a plan can be edited from one to the other
        os.mkdir(base)
        os.mkdir(self.store, 0o700)
        for root in (self.tree, self.outside):
            os.makedirs(root + "/d/sub")
            for name in ("f", "g", "d/k", "d/sub/z"):
                with open(root + "/" + name, "w", encoding="ascii") as file:
                    file.write("%s of %s\n" % (name, root[-7:]))
            os.link(root + "/g", root + "/g2")
        self.before = self.look(self.outside)

    @staticmethod
    def look(root):
        """With the change times: nothing may have been touched and put back."""
        told = oracle.picture(root, 1 << 40)
        for path in told:
            told[path]["ctime"] = os.lstat(os.path.join(os.fsencode(root), path)).st_ctime_ns
        return told

    def isle(self, *words, allowed=KNOWN):
        env = dict(os.environ, ISLE_HOME=self.store, ISLE_PLACES="none")
        try:
            done = subprocess.run([ISLE, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=60, check=False, cwd=self.base)
        except subprocess.TimeoutExpired:
            raise Failure("%s does not end" % (words,)) from None
        text = done.stderr.decode("utf-8", "replace")
        what = "%s: status %d\n%s" % (words, done.returncode, text[-3000:])
        if done.returncode not in allowed:
            raise Failure(what)
        if "Sanitizer" in text or "runtime error" in text:
            raise Failure(what)
        if done.returncode == 1 and not text.startswith("isle"):
            raise Failure("it does not say why: " + what)
        if any(code < 32 and code != 10 for code in done.stderr) or (words[0] != "diff" and
                                                                    any(code < 32 and code != 10 for code in done.stdout)):
            raise Failure("control characters: " + what)
        lines = oracle.differences(self.before, self.look(self.outside))
        if lines:
            raise Failure("%s changed what is outside:\n%s" % (words, "\n".join(lines)))
        return done

    def run(self, script, allowed=(0,)):
        return self.isle("run", "-q", "-n", "bad", "--keep", "--net", "none", "--", "bash", "-ec", "cd '%s'; %s" % (self.tree, script),
                         allowed=allowed)

    def usual(self):
        """An isle that changed a bit of everything."""
        self.run("echo more >>f; echo other >g; echo new >n; mkdir m; echo in >m/in; mv d e; echo y >e/k; rm e/sub/z; mkdir d; "
                 "echo d >d/new; ln -s f l; mkfifo p")

    @property
    def layer(self):
        """The layer that holds the tree: the one whose upper has it."""
        for directory in glob.glob(self.store + "/isles/*/layers.d/*"):
            if os.path.isdir(directory + "/upper" + self.tree):
                return directory
        return [path for path in glob.glob(self.store + "/isles/*/layers.d/*") if self.mount_below(path)][0]

    def mount_below(self, directory):
        return any(os.path.isdir(directory + "/upper" + self.tree[i:]) for i, c in enumerate(self.tree) if c == "/")

    @property
    def upper(self):
        for i, char in enumerate(self.tree):
            if char == "/" and os.path.isdir(self.layer + "/upper" + self.tree[i:]):
                return self.layer + "/upper" + self.tree[i:]
        return self.layer + "/upper"

    @property
    def directory(self):
        return glob.glob(self.store + "/isles/*")[0]

    def everything(self):
        """What a user would do; none of it may do harm."""
        for words in (["status", "bad"], ["status", "--json", "--all", "bad"], ["diff", "bad"], ["check", "--json", "bad"],
                      ["plan", "--json", "bad"], ["commit", "--yes", "--allow=all", "bad", self.tree],
                      ["undo", "--yes"], ["undo", "--yes"],
                      ["commit", "--yes", "--allow=all", "--on-conflict=skip", "bad", self.tree],
                      ["undo", "--yes"], ["commit", "--yes", "--allow=all", "--on-conflict=isle", "bad", self.tree],
                      ["discard", "--yes", "bad", self.tree + "/f"], ["discard", "--yes", "bad"], ["undo", "--yes"]):
            self.isle(*words)
        self.no_overlay_attributes()

    def no_overlay_attributes(self):
        done = subprocess.run(["getfattr", "-Rhd", "-m", "overlay", self.tree], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.stdout:
            raise Failure("attributes of overlayfs are on the host: %s" % done.stdout)

    def removed(self):
        """All can be removed: by the program, or where its own record is spoilt, by hand."""
        self.isle("rm", "--yes", "bad")
        self.isle("gc")
        shutil.rmtree(self.store)


def attribute(path, name, value):
    os.setxattr(path, name, value, follow_symlinks=False)


# --- attributes of overlayfs ---

REDIRECTS = [b"/../../etc", b"..", b".", b"", b"/", b"//etc", b"/etc/", b"/./etc", b"a/b", b"/" + b"x" * 1000, b"/a\nb\x1b[31m", b"/\xff\xfe",
             b"/..", b"/inside_/../outsidX", b"../outsidX", b"e\0f"]


def spoil_redirects(place, value):
    for name in ("e", "m", "d", ""):
        if os.path.isdir(place.upper + "/" + name):
            attribute(place.upper + "/" + name, "trusted.overlay.redirect", value.replace(b"/inside_", os.fsencode(place.tree)))
    attribute(place.upper + "/n", "trusted.overlay.redirect", value)
    attribute(place.upper + "/n", "trusted.overlay.metacopy", b"")


@case
def redirects(places):
    """Directories and files that say that they were something else."""
    for value in some(REDIRECTS):
        place = next(places)
        place.usual()
        spoil_redirects(place, value)
        place.everything()
        place.removed()


@case
def redirect_loop(places):
    """Directories that say that they were each other, or something in themselves."""
    for first, second in some([("/e", "/m"), ("/m", "/m"), ("/m/x", "/e/x"), ("/d", "/d")]):
        place = next(places)
        place.usual()
        attribute(place.upper + "/m", "trusted.overlay.redirect", os.fsencode(place.tree + first))
        attribute(place.upper + "/e", "trusted.overlay.redirect", os.fsencode(place.tree + second))
        place.everything()
        place.removed()


@case
def opaque(places):
    """Opaque files, opaque directories of an unknown kind, whiteouts that are plain files."""
    for value in some([b"x", b"y", b"z", b"", b"y" * 500]):
        place = next(places)
        place.usual()
        for name in ("f", "n", "e", "m", "d", ""):
            attribute(place.upper + "/" + name, "trusted.overlay.opaque", value)
        attribute(place.upper + "/p", "trusted.overlay.opaque", value)
        attribute(place.upper + "/n", "trusted.overlay.whiteout", b"y")
        open(place.upper + "/m/empty", "w", encoding="ascii").close()
        attribute(place.upper + "/m/empty", "trusted.overlay.whiteout", b"y")
        place.everything()
        place.removed()


@case
def metacopy(places):
    """Files without data: nowhere, of another type, outside, or of themselves."""
    for target in (None, "/nowhere", "d", "/d", "/n", "/p", "../" * 8 + "etc/passwd", "/g"):
        for name in ("n", "f", "m/in"):
            if TIMES == 1 and name != "n":
                continue
            place = next(places)
            place.usual()
            attribute(place.upper + "/" + name, "trusted.overlay.metacopy", b"" if target else b"\0\4\0\0")
            if target:
                attribute(place.upper + "/" + name, "trusted.overlay.redirect",
                          os.fsencode(place.tree + target if target.startswith("/") else target))
            os.truncate(place.upper + "/" + name, 1 << 42)
            place.everything()
            place.removed()


@case
def origins(places):
    """Handles that are none."""
    generator = random.Random(SEED)
    values = [b"", b"\0", b"\0\xfb", b"\0\xfb\xff" + b"\0" * 252, b"\0\xfb\x15\0" + b"\1" * 17, b"\0\xfb\x16\0\x81" + b"\0" * 17]
    values += [bytes([0, 0xfb, size]) + generator.randbytes(size - 3) for size in (3, 21, 22, 29, 60, 149, 150, 255) for _ in range(TIMES)]
    for value in some(values):
        place = next(places)
        place.usual()
        for name in ("f", "g", "n", "e", "m", "e/k", "l", "p"):
            attribute(place.upper + "/" + name, "trusted.overlay.origin", value)
        attribute(place.upper + "/f", "trusted.overlay.nlink", b"U+" + b"9" * 300)
        attribute(place.upper + "/g", "trusted.overlay.nlink", b"U-1\0x")
        place.everything()
        place.removed()


@case
def the_other_prefix(places):
    """Attributes of a user's layer on one of root's mean nothing and do not get out."""
    place = next(places)
    place.usual()
    for name in ("e", "m", "d"):
        attribute(place.upper + "/" + name, "user.overlay.redirect", os.fsencode(place.outside))
        attribute(place.upper + "/" + name, "user.overlay.opaque", b"y")
    attribute(place.upper + "/n", "user.overlay.whiteout", b"y")
    attribute(place.upper + "/m/in", "user.overlay.metacopy", b"")
    place.everything()
    place.removed()


# --- objects ---

@case
def devices(places):
    """Devices need a yes of their own, wherever they are; 0:0 is a deletion."""
    place = next(places)
    place.usual()
    os.mknod(place.upper + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(place.upper + "/m/disk", 0o666 | stat.S_IFBLK, os.makedev(8, 0))
    os.mknod(place.upper + "/m/nothing", 0o666 | stat.S_IFCHR, 0)
    os.mknod(place.upper + "/nothing", 0o666 | stat.S_IFCHR, 0)
    os.mknod(place.upper + "/block", 0o666 | stat.S_IFBLK, 0)
    attribute(place.upper + "/nothing", "trusted.overlay.redirect", b"/etc")
    attribute(place.upper + "/nothing", "trusted.other", b"x")
    if place.isle("commit", "--yes", "bad", place.tree).returncode != 6:
        raise Failure("devices were committed without a yes")
    place.everything()
    if os.path.lexists(place.tree + "/m/nothing"):
        raise Failure("a whiteout came to the host")
    place.removed()


@case
def symlinks_in_the_layer(places):
    """A directory of the layer that became a symbolic link to what is outside."""
    for name in some(["", "e", "m", "d", "e/sub"]):
        place = next(places)
        place.usual()
        victim = (place.upper + "/" + name).rstrip("/")
        shutil.rmtree(victim)
        os.symlink(place.outside, victim)
        place.everything()
        place.removed()


@case
def layer_replaced(places):
    """upper, work, the layer and all layers as symbolic links to what is outside, as files, or gone."""
    for what in ("upper", "work", "."):
        for how in some(["gone", "link", "file", "fifo", "closed"]):
            place = next(places)
            place.usual()
            path = os.path.normpath(place.layer + "/" + what)
            if how == "closed":
                os.chmod(path, 0)
            else:
                os.rename(path, place.base + "/away")
            if how == "link":
                os.symlink(place.outside, path)
            elif how == "file":
                open(path, "w", encoding="ascii").close()
            elif how == "fifo":
                os.mkfifo(path)
            place.everything()
            place.run("echo again >>f", allowed=(0, 1, 125))
            place.removed()


@case
def hard_links_in_the_layer(places):
    """A file of the layer that has names elsewhere, also outside."""
    place = next(places)
    place.usual()
    os.link(place.upper + "/n", place.base + "/elsewhere")
    os.link(place.upper + "/f", place.upper + "/m/f")
    os.link(place.upper + "/m/in", place.base + "/elsewhere2")
    place.everything()
    place.removed()


# --- the store's own files ---

def table_of(place):
    return place.directory + "/layers"


@case
def layer_table(places):
    """Layers of other places, and tables that are none."""
    edits = [lambda old, p: old.replace(b"overlay root", b"overlay user"), lambda old, p: old.replace(b"overlay root", b"file root"),
             lambda old, p: old.replace(b"overlay root", b"shadow root"), lambda old, p: b"", lambda old, p: old[:len(old) // 2],
             lambda old, p: old.replace(b"isle-layers 1", b"isle-layers 2"), lambda old, p: b"isle-layers 1\n",
             lambda old, p: b"isle-layers 1\noverlay root 0755 %s - -\n" % os.fsencode(p.outside),
             lambda old, p: old + b"overlay root 0755 / %s -\n" % os.fsencode(p.outside), lambda old, p: old + b"overlay root 0755 /../../.. - -\n",
             lambda old, p: b"isle-layers 1\noverlay root 0755 %s/../outsidX - -\n" % os.fsencode(p.tree),
             lambda old, p: b"isle-layers 1\noverlay root 0755 /\\057\\057 - -\n", lambda old, p: old.replace(b" /", b" \\000/"),
             lambda old, p: b"isle-layers 1\noverlay root 77777777777777777777 / - ../../../x\n", lambda old, p: old.replace(b"0755", b"-1"),
             lambda old, p: b"isle-layers 1\n" + b"overlay root 0755 / - -\n" * 3000, lambda old, p: os.urandom(5000),
             lambda old, p: b"isle-layers 1\nfile root 0755 %s - -\n" % os.fsencode(p.outside + "/f"),
             lambda old, p: b"isle-layers 1\noverlay root 0755 / / -\n", lambda old, p: b"isle-layers 1\noverlay root 0755 / /etc -\n",
             lambda old, p: b"isle-layers 1\noverlay root 0755 %s - -" % (b"/x" * 5000)]
    for edit in edits if TIMES > 1 else edits[SEED % 2::2]:
        place = next(places)
        place.usual()
        with open(table_of(place), "rb") as file:
            old = file.read()
        with open(table_of(place), "wb") as file:
            file.write(edit(old, place))
        place.everything()
        place.removed()


@case
def catalog(places):
    """A catalog that is none costs history, no more."""
    for how in some(["half", "garbage", "empty", "link", "directory"]):
        place = next(places)
        place.usual()
        place.isle("commit", "--yes", "--allow=all", "bad", place.tree + "/f", allowed=(0,))
        path = place.store + "/catalog.db"
        size = os.path.getsize(path)
        if how == "garbage":
            with open(path, "r+b") as file:
                file.write(os.urandom(min(size, 6000)))
        elif how == "half":
            os.truncate(path, size // 2)
        else:
            os.unlink(path)
        if how == "empty":
            open(path, "w", encoding="ascii").close()
        elif how == "link":
            os.symlink(place.outside + "/f", path)
        elif how == "directory":
            os.mkdir(path)
        place.everything()
        place.removed()


def operation(place):
    return max(glob.glob(place.store + "/undo/*"), key=lambda path: int(os.path.basename(path)))


def spoil_plan(place, generator, record):
    """One of the ways in which a plan can be wrong."""
    path = record + "/plan"
    with open(path, "rb") as file:
        text = bytearray(file.read())
    way = generator.randrange(5)
    if way == 0:
        text = text.replace(b"inside_", b"outsidX")
    elif way == 1:
        del text[generator.randrange(len(text)):]
    elif way == 2:
        text += generator.randbytes(generator.randrange(1, 100))
    else:
        for _ in range(generator.choice((1, 1, 2, 10, 100))):
            text[generator.randrange(len(text))] = generator.choice((0, 1, 0x7f, 0x80, 0xff, 0x2e, 0x2f, generator.randrange(256)))
    with open(path, "wb") as file:
        file.write(text)


@case
def undo_record(places):
    """The record that an undo goes by is edited: plan, end, and what is kept."""
    generator = random.Random(SEED)
    for i in range(12 * TIMES):
        place = next(places)
        place.usual()
        place.isle("commit", "--yes", "--allow=all", "bad", place.tree, allowed=(0,))
        record = operation(place)
        if i % 8 == 6:
            with open(record + "/applied", "wb") as file:
                file.write(generator.choice((b"", b"-1\n", b"9" * 60, b"1\n", b"x\n", b"9223372036854775807\n")))
        elif i % 8 == 7:
            for kept in [name for name in os.listdir(record) if name.isdigit()]:
                if not os.path.isdir(record + "/" + kept):
                    os.unlink(record + "/" + kept)
                    os.symlink(place.outside + "/f", record + "/" + kept)
        else:
            spoil_plan(place, generator, record)
        place.isle("log")
        place.isle("undo", "--yes")
        place.isle("undo", "--yes")
        place.removed()


@case
def recovery(places):
    """The record of an operation that seems to be interrupted is edited: the next command recovers by it."""
    generator = random.Random(SEED + 1)
    for i in range(15 * TIMES):
        place = next(places)
        place.usual()
        place.isle("commit", "--yes", "--allow=all", "bad", place.tree, allowed=(0,))
        record = operation(place)
        with open(place.store + "/pending", "wb") as file:
            file.write(os.fsencode(os.path.basename(record)) + b"\n" if i % 10 else generator.choice((b"", b"7777\n", b"-1\n", b"x", b"../x\n")))
        if i % 3:
            os.unlink(record + "/applied")
        if i % 10:
            spoil_plan(place, generator, record)
        place.isle("commit", "--yes", "--allow=all", "bad", place.tree)
        place.isle("log")
        place.isle("undo", "--yes")
        place.removed()


@case
def other_files(places):
    """Everything else in an isle's directory, spoilt in turn."""
    place = next(places)
    place.usual()
    place.isle("commit", "--yes", "--allow=all", "bad", place.tree + "/f", allowed=(0,))
    names = [name for name in os.listdir(place.directory) if name not in ("layers", "layers.d")]
    place.removed()
    for name in names:
        for how in some(["garbage", "link", "directory", "fifo"]):
            place = next(places)
            place.usual()
            place.isle("commit", "--yes", "--allow=all", "bad", place.tree + "/f", allowed=(0,))
            path = place.directory + "/" + name
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            if how == "garbage":
                with open(path, "wb") as file:
                    file.write(os.urandom(3000) + b"\n" * 100)
            elif how == "link":
                os.symlink(place.outside + "/f", path)
            elif how == "directory":
                os.mkdir(path)
            else:
                os.mkfifo(path)
            place.everything()
            place.removed()


# --- names ---

NAMES = [b"a\nb", b"a\n\nactions 1", b"'", b'"', b"'; rm -rf *; '", b"$(reboot)", b"`x`", b"a -> b", b"\x1b[2J\x1b[31mred", b"\x07\x08\x7f",
         b"\xff\xfe\x80", b"\xc3\x28", b"\xe2\x80\xaereversed", b"x" * 255, b"\xff" * 255, b"-rf", b"--all", b" ", b"  lead", b"trail ",
         b"a\tb", b"a\\nb", b"\\", b"*", b"?[", b"#", b"...", b"..a", b".isle-0-0-0", b"plan", b"0", b"%s%n%d", b"{}", b"\xc2\x9b31m",
         b"a\rb", b"CON", b"path_b64", b"\xef\xbb\xbf", b"\xf0\x9f\x92\xa9"]

INSIDE = """
import os, sys
for i, name in enumerate(bytes.fromhex(part) for part in sys.argv[2:]):
    os.chdir(sys.argv[1])
    with open(b"old-" + name[:250], "ab") as file:
        file.write(b"more")
    with open(name, "wb") as file:
        file.write(b"new")
    os.mkdir(b"d-" + name[:253])
    os.symlink(name, b"d-" + name[:253] + b"/" + name)
    os.rename(b"mv-" + name[:250], b"moved-" + name[:247])
    os.unlink(b"rm-" + name[:250])
"""


@case
def names(places):
    """Names that no text can hold, through a plan file, and back."""
    place = next(places)
    for name in NAMES:
        for prefix in (b"old-", b"mv-", b"rm-"):
            with open(os.fsencode(place.tree) + b"/" + prefix + name[:250], "wb") as file:
                file.write(prefix + name)
    before = place.look(place.tree)
    reference = place.base + "/copy"
    subprocess.run(["cp", "-a", place.tree, reference], check=True)
    words = [name.hex() for name in NAMES]
    subprocess.run(["python3", "-c", INSIDE, reference, *words], check=True)
    place.isle("run", "-q", "-n", "bad", "--keep", "--net", "none", "--", "python3", "-c", INSIDE, place.tree, *words, allowed=(0,))
    for verb in (["status", "bad"], ["status", "--json", "--all", "bad"], ["diff", "bad"], ["plan", "bad"], ["check", "--json", "bad"]):
        place.isle(*verb)
    plan = place.base + "/plan"
    place.isle("plan", "-o", plan, "bad", allowed=(0,))
    done = place.isle("commit", "--yes", "--plan", plan, "bad")
    if done.returncode == 2:
        done = place.isle("commit", "--yes", "--plan", plan)
    if done.returncode != 0:
        raise Failure("the plan is not taken: %s" % done.stderr[-2000:])
    now = time.time() - 1000
    lines = oracle.differences(oracle.picture(reference, now), oracle.picture(place.tree, now))
    if lines:
        raise Failure("committed:\n" + "\n".join(lines))
    place.isle("undo", "--yes", allowed=(0,))
    for entry in before.values():
        del entry["ctime"]
    lines = oracle.differences(before, oracle.picture(place.tree, 1 << 40))
    if lines:
        raise Failure("undone:\n" + "\n".join(lines))
    place.removed()


@case
def plan_file(places):
    """A saved plan that was edited is refused, or does what the isle does, and never anything else."""
    generator = random.Random(SEED + 2)
    for i in range(10 * TIMES):
        place = next(places)
        place.usual()
        plan = place.base + "/plan"
        place.isle("plan", "-o", plan, "bad", place.tree, allowed=(0,))
        with open(plan, "rb") as file:
            text = bytearray(file.read())
        if i % 4 == 0:
            text = text.replace(b"inside_", b"outsidX")
        elif i % 4 == 1:
            del text[generator.randrange(len(text)):]
        else:
            for _ in range(generator.choice((1, 3, 30))):
                text[generator.randrange(len(text))] = generator.choice(b"\0\xff\"{}[],:0123456789./\\abc")
        with open(plan, "wb") as file:
            file.write(text)
        place.isle("commit", "--yes", "--allow=all", "--plan", plan)
        place.removed()


# --- races on the host ---

class Racer:
    """Exchanges two names again and again while the block runs."""

    def __init__(self, one, two):
        self.one, self.two, self.pid = os.fsencode(one), os.fsencode(two), 0

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while True:
                LIBC.renameat2(-100, self.one, -100, self.two, 2)
                time.sleep(random.random() * 0.0003)
        return self

    def __exit__(self, *unused):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def race(place, one, two, script):
    """Commits and undoes while one and two change places. What is left afterwards is whole."""
    place.run(script)
    for _ in range(3):
        with Racer(one, two):
            place.isle("check", "bad")
            done = place.isle("commit", "--yes", "--allow=all", "bad", place.tree)
            place.isle("undo", "--yes")
        if done.returncode == 0:
            break
    place.isle("commit", "--yes", "--allow=all", "--on-conflict=skip", "bad", place.tree)


@case
def race_directory(places):
    """A directory of the host changes places with a symbolic link to what is outside."""
    for i in range(4 * TIMES):
        place = next(places)
        os.symlink(place.outside + "/d", place.tree + "/link")
        race(place, place.tree + "/d", place.tree + "/link",
             "for i in {1..30}; do echo $i >d/n$i; done; echo more >>d/k; rm d/sub/z; echo x >d/sub/y; chmod 700 d/sub" if i % 2 else
             "mv d/sub d/bus; rm d/k; mkdir d/k; for i in {1..30}; do echo $i >d/k/$i; done")
        place.removed()


@case
def race_file(places):
    """A file of the host changes places with a symbolic link to a file outside, or with a name of that file."""
    for i in range(4 * TIMES):
        place = next(places)
        if i % 2:
            os.symlink(place.outside + "/f", place.tree + "/link")
            race(place, place.tree + "/f", place.tree + "/link", "echo more >>f; chmod 600 g; echo new >n; for i in {1..30}; do echo >f$i; done")
        else:
            os.symlink(place.outside + "/g", place.tree + "/link")
            race(place, place.tree + "/g", place.tree + "/link", "echo more >>g; for i in {1..30}; do echo >f$i; done; setfattr -n user.a -v b f")
        place.removed()


@case
def race_swap(places):
    """Two directories of the host change places."""
    for _ in range(2 * TIMES):
        place = next(places)
        os.makedirs(place.tree + "/o/sub")
        race(place, place.tree + "/d", place.tree + "/o", "echo more >>d/k; echo n >d/n; rm d/sub/z; mkdir d/m; echo m >d/m/m; mv d/k d/sub/k")
        place.removed()


def main():
    base, wanted = sys.argv[1], sys.argv[2:]
    random.seed(SEED)
    failed = count = 0

    def places():
        nonlocal count
        while True:
            count += 1
            yield Place("%s/%d" % (base, count))

    source = places()
    for name, function in CASES.items():
        if wanted and name not in wanted:
            continue
        start, first = time.monotonic(), count
        try:
            function(source)
            word, text = "ok  ", function.__doc__
        except (Failure, OSError, subprocess.SubprocessError) as error:
            failed += 1
            word, text = "FAIL", "number %d: %s" % (count - first, str(error).replace("\n", "\n        "))
        print("%s  %s (%d, %.1f s): %s" % (word, name, count - first, time.monotonic() - start, text), flush=True)
    print("malice: %d isles, %d failures, seed %d" % (count, failed, SEED))
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
