# SPDX-License-Identifier: Apache-2.0
"""Root commits, undoes, discards and recovers in a user's directory, while the user exchanges what is there.

Each kind is one thing that root's isle did, one exchange that the user does in a tight loop, and one choice. Each try has a directory of
its own. After each: the secret, of which the user has hard links, is as it was, and its content is in no other file, neither of the user's nor
of the store.
"""
import ctypes
import os
import random
import signal
import subprocess
import sys
import time

ISLE, BASE, USER, TRIES, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
ONLY = sys.argv[6:]
CANARY = "canary-of-root-only-file"
SECRET = BASE + "/root/secret"
HOME = BASE + "/home"
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE, CWD = 2, -100


def exchange(a, b):
    return libc.renameat2(CWD, a.encode(), CWD, b.encode(), EXCHANGE)


# What the user exchanges: (one, other) below the directory of the try, in turn.
SWAPS = {
    "link": [("f", ".link")],
    "symlink": [("f", ".symlink")],
    "directory": [("f", ".empty")],
    "fifo": [("f", ".fifo")],
    "other": [("f", ".other")],
    "parent": [("d", ".d")],
    "log": [("x.log", ".link")],
    "new": [("g", ".link")],
    "newer": [("n", ".link")],
    "modes": [],
    "again": [],
}

# name: (what the isle does, exchange, choice, stage)
KINDS = {
    "metadata": ("chmod 644 f", "link", "isle", "commit"),
    "owner": ("chown %d f; chmod 666 f" % USER, "link", "isle", "commit"),
    "content": ("echo two >f; chmod 644 f", "link", "isle", "commit"),
    "content-symlink": ("echo two >f; chmod 644 f", "symlink", "isle", "commit"),
    "content-directory": ("echo two >f", "directory", "isle", "commit"),
    "content-fifo": ("echo two >f", "fifo", "isle", "commit"),
    "content-other": ("echo two >f; chmod 644 f", "other", "isle", "commit"),
    "content-both": ("echo two >f; chmod 644 f", "link", "both", "commit"),
    "content-host": ("echo two >f; chmod 644 f", "link", "host", "commit"),
    "content-skip": ("echo two >f; chmod 644 f", "link", "skip", "commit"),
    "content-abort": ("echo two >f; chmod 644 f", "link", "abort", "commit"),
    "merge": ("sed -i s/five/FIVE/ f; chmod 644 f", "link", "merge", "commit"),
    "append": ("echo two >>x.log; chmod 644 x.log", "log", "append", "commit"),
    "rename": ("mv f g; chmod 644 g", "link", "isle", "commit"),
    "rename-new-name": ("mv f g; chmod 644 g", "new", "isle", "commit"),
    "delete": ("rm f", "link", "isle", "commit"),
    "delete-tree": ("rm -r d", "parent", "isle", "commit"),
    "create": ("echo new >n", "newer", "isle", "commit"),
    "hard-link": ("ln f g; chmod 644 g", "link", "isle", "commit"),
    "two-names": ("echo two >two; chmod 644 two", "link", "isle", "commit"),
    "data-of-another": ("echo x >>d/f; mv f d/f; chmod 644 d/f", "link", "isle", "commit"),
    "attribute": ("setfattr -n user.x -v 1 f; chmod 644 f", "link", "isle", "commit"),
    "parent-metadata": ("chmod 644 d/f", "parent", "isle", "commit"),
    "parent-content": ("echo two >d/f; chmod 644 d/f", "parent", "isle", "commit"),
    "parent-rename": ("mv d/f g; chmod 644 g", "parent", "isle", "commit"),
    "prepared-metadata": ("chmod 644 d/f", "parent", "abort", "commit"),
    "prepared-rename": ("mv d/f g; chmod 644 g", "parent", "abort", "commit"),
    "modes": ("chmod 644 f; echo two >d/f", "modes", "isle", "commit"),
    "made-anew": ("chmod 644 f; echo two >d/f", "again", "isle", "commit"),
    "undo-metadata": ("chmod 644 f", "link", "abort", "undo"),
    "undo-content": ("echo two >f; chmod 644 f", "link", "abort", "undo"),
    "undo-delete": ("rm f", "link", "abort", "undo"),
    "undo-rename": ("mv f g; chmod 644 g", "new", "abort", "undo"),
    "discard": ("echo two >f; chmod 644 f; chmod 600 d/f", "link", "abort", "discard"),
    "recover-metadata": ("chmod 644 f; chmod 644 d/f; echo two >two", "link", "abort", "recover"),
    "recover-content": ("echo two >f; echo two >d/f; chmod 644 two", "link", "abort", "recover"),
    "recover-rename": ("mv f g; chmod 644 g; echo two >d/f", "new", "abort", "recover"),
}


def make(path, text, uid=USER, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    os.chown(path, uid, uid)


def make_directory(path):
    os.mkdir(path)
    os.chown(path, USER, USER)


def prepare(top):
    make_directory(top)
    make(top + "/f", "one\ntwo\nthree\nfour\nfive\n", mode=0o640)
    make(top + "/x.log", "one\n")
    make(top + "/two", "one\n")
    os.link(top + "/two", top + "/two-name")
    make(top + "/.other", "other\n", mode=0o600)
    os.symlink(SECRET, top + "/.symlink")
    os.link(SECRET, top + "/.link")
    os.mkfifo(top + "/.fifo")
    os.chown(top + "/.fifo", USER, USER)
    make_directory(top + "/.empty")
    for name in ("d", ".d"):
        make_directory(top + "/" + name)
    make(top + "/d/f", "one\n", mode=0o640)
    os.link(SECRET, top + "/.d/f")


def turn(top, swap, pairs):
    """One move of the user's."""
    if swap == "modes":
        for mode in (0o600, 0o644, 0o4755):
            for name in ("f", "d/f"):
                try:
                    os.chmod(top + "/" + name, mode)
                except OSError:
                    pass
    elif swap == "again":
        try:
            os.unlink(top + "/f")
            open(top + "/f", "w").close()
        except OSError:
            pass
    for one, other in pairs:
        if exchange(top + "/" + one, top + "/" + other) < 0:
            # One of the two names is not there: the other goes to it.
            for a, b in ((other, one), (one, other)):
                try:
                    if not os.path.lexists(top + "/" + b):
                        os.rename(top + "/" + a, top + "/" + b)
                except OSError:
                    pass


def attack(top, swap, pause):
    """In a process of the user's, until it is ended."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            turn(top, swap, SWAPS[swap])
            if pause:
                time.sleep(random.uniform(0, pause))
    finally:
        os._exit(0)


def isle(*args):
    return subprocess.run([ISLE, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)


def state():
    st = os.stat(SECRET)
    with open(SECRET) as file:
        return (st.st_mode, st.st_uid, st.st_gid, st.st_size, os.listxattr(SECRET), file.read())


def copies(top, secret):
    """Files that are not the secret and hold its content."""
    found = []
    for where, _, names in os.walk(top):
        for name in names:
            path = where + "/" + name
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            with os.fdopen(fd, "rb") as file:
                if os.fstat(fd).st_ino != secret and os.path.isfile(path) and CANARY.encode() in file.read(1 << 20):
                    found.append(path)
    return found


def owned_by_others(top, inode):
    """What was root's is root's."""
    return [name for name in (top + "/.link", top + "/.d/f", top + "/f", top + "/g")
            if os.path.lexists(name) and os.lstat(name).st_ino == inode and os.lstat(name).st_uid != 0]


def during(top, swap, *args):
    pid = attack(top, swap, random.choice((0, 0, 0.0005, 0.003)))
    try:
        if random.random() < 0.5:
            time.sleep(random.uniform(0, 0.004))
        return isle(*args)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def one_try(kind, top, number):
    _, swap, choice, stage = KINDS[kind]
    commit = ("commit", "-q", "--yes", "--allow=all", "--criteria=write", "--on-conflict=" + choice, kind, top)
    if stage == "commit":
        if kind.startswith("prepared"):
            exchange(top + "/d", top + "/.d")
            exchange(top + "/d", top + "/.d") if number % 2 else None
        return during(top, swap, *commit)
    if stage == "undo":
        committed = isle(*commit)
        return during(top, swap, "undo", "-q", "--yes") if committed.returncode == 0 else committed
    if stage == "discard":
        during(top, swap, "discard", "-q", "--yes", kind, top + "/f")
        return during(top, swap, "undo", "-q", "--yes")
    call = random.choice(("renameat2", "symlinkat", "fchownat,chmod,fchmodat", "ftruncate"))
    subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
                    "-e", "inject=%s:signal=SIGKILL:when=%d" % (call, random.randint(1, 4)), ISLE, *commit],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    return during(top, swap, "undo", "-q", "--yes")


def run_kind(kind, tries, end):
    home = "%s/%s" % (HOME, kind)
    make_directory(home)
    make(SECRET, CANARY, uid=0, mode=0o600)
    tops = ["%s/%d" % (home, number) for number in range(tries)]
    for top in tops:
        prepare(top)
    time.sleep(0.02)
    script = "for t in %s/*; do cd $t; %s; done" % (home, KINDS[kind][0])
    made = isle("run", "-q", "-n", kind, "--net", "none", "--", "sh", "-c", script)
    if made.returncode != 0:
        sys.exit("%s: the run failed: %s" % (kind, made.stderr.decode()))
    before, inode = state(), os.stat(SECRET).st_ino
    outcomes, done = {}, 0
    for number, top in enumerate(tops):
        if time.monotonic() > end and number >= 5:
            break
        result = one_try(kind, top, number)
        done += 1
        outcomes[result.returncode] = outcomes.get(result.returncode, 0) + 1
        wrong = []
        if state() != before:
            wrong.append("the secret is now %r" % (state(),))
        wrong += ["copy: " + path for path in copies(home + "/%d" % number, inode)]
        wrong += ["given away: " + path for path in owned_by_others(top, inode)]
        if result.returncode < 0 or result.returncode in (2, 125, 139):
            wrong.append("status %d: %s" % (result.returncode, result.stderr.decode()[-300:]))
        if wrong:
            return done, outcomes, wrong + [result.stderr.decode()[-300:]]
    wrong = ["copy in the store: " + path for path in copies(os.environ["ISLE_HOME"], inode)]
    return done, outcomes, wrong


def main():
    os.makedirs(BASE + "/root", 0o700)
    make_directory(HOME)
    kinds = [kind for kind in KINDS if not ONLY or kind in ONLY]
    started, failed, total = time.monotonic(), 0, 0
    for at, kind in enumerate(kinds):
        share = (SECONDS - (time.monotonic() - started)) / (len(kinds) - at)
        done, outcomes, wrong = run_kind(kind, TRIES, time.monotonic() + share)
        total += done
        print("%-20s %4d tries, by status %s%s" % (kind, done, dict(sorted(outcomes.items())), ": FAIL" if wrong else ""), flush=True)
        for line in wrong:
            print("    " + line)
        failed += bool(wrong)
        isle("discard", "-q", "--yes", kind)
        isle("rm", "-q", "--yes", kind)
        subprocess.run(["rm", "-rf", "%s/%s" % (HOME, kind)], check=False)
    print("%d kinds, %d tries, %d failed, %.0f s" % (len(kinds), total, failed, time.monotonic() - started))
    sys.exit(1 if failed else 0)


main()
