# SPDX-License-Identifier: Apache-2.0
"""What is compared: each contender turns a command into the argument list that runs it its own way.

A contender is used in three ways:
    fresh()   forget what the last command wrote: the next one starts on new layers
    argv()    the command, with everything mounted for it and taken down after it
    hold()    keep it mounted until release(); argv() then joins, where the contender can be joined
Layers of earlier samples are not deleted before the whole run ends: deleting slows down what is measured next.
"""
import os
import subprocess
import tempfile
import time


class Place:
    """One identity (the user's or root's) with its directory on a real disk, and the programs that are measured."""

    def __init__(self, name, directory, prefix, build):
        self.name = name
        self.directory = directory
        self.prefix = prefix
        self.isle = os.path.join(build, "src/cli/isle")
        self.bare = os.path.join(build, "bench/bench-bare")
        self.rename = os.path.join(build, "bench/bench-rename")
        self.syncs = os.path.join(build, "bench/bench-syncs")
        self.timeit = os.path.join(build, "bench/bench-timeit")
        self.environment = dict(os.environ, ISLE_HOME=os.path.join(directory, "store"), HOME=directory,
                                LC_ALL="C.UTF-8", GIT_CONFIG_GLOBAL="/dev/null")
        self.environment.pop("XDG_RUNTIME_DIR", None)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def new_directory(self, prefix):
        """A new directory that belongs to the identity."""
        path = tempfile.mkdtemp(prefix=prefix + ".", dir=self.directory)
        if os.geteuid() == 0:
            owner = os.stat(self.directory)
            os.chown(path, owner.st_uid, owner.st_gid)
        return path

    def call(self, argv, **options):
        """Runs a command as this identity, outside of any measurement."""
        check = options.pop("check", True)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("cwd", self.directory)
        options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(self.prefix + argv, env=self.environment, text=True, check=False, **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {done.stderr or ''}{done.stdout or ''}")
        return done

    def start(self, argv):
        return subprocess.Popen(self.prefix + argv, env=self.environment, cwd=self.directory, stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Contender:
    name = ""
    note = ""
    slow = False  # takes part in few rounds, since all would wait for it

    def __init__(self, place):
        self.place = place
        self.held = None

    def available(self):
        """None, or why it cannot be measured here."""
        try:
            self.fresh()
            done = self.place.call(self.argv(["true"]), check=False, timeout=20)
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it fails"])[-1]

    def fresh(self):
        pass

    def argv(self, command):
        raise NotImplementedError

    def hold(self):
        pass

    def release(self):
        if self.held:
            self.held.stdin.close()
            try:
                self.held.wait(10)
            except subprocess.TimeoutExpired:
                self.held.kill()
                self.held.wait()
        self.held = None


class Native(Contender):
    name = "native"
    note = "the command itself"

    def argv(self, command):
        return command


class Isle(Contender):
    name = "isle"
    note = "`isle run -q -n NAME -- CMD`"
    count = 0

    def fresh(self):
        Isle.count += 1
        self.isle = f"b{os.getpid()}-{Isle.count}"

    def argv(self, command):
        return [self.place.isle, "run", "-q", "--keep", "-n", self.isle, "--"] + command

    def hold(self):
        self.held = subprocess.Popen(self.place.prefix + self.argv(["sh", "-c", "echo; exec cat >/dev/null"]),
                                     env=self.place.environment, cwd=self.place.directory, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.held.stdout.readline()


class Bare(Contender):
    name = "bare"
    note = "bench/bare.c: the same namespaces and mounts, nothing else"
    init = 0

    def fresh(self):
        self.layers = self.place.new_directory("bare")

    def argv(self, command):
        if self.held:
            return [self.place.bare, "-j", str(self.init), "--"] + command
        return [self.place.bare, "-r", self.layers, "--"] + command

    def hold(self):
        argv = [self.place.bare, "-r", self.layers, "-x", "stay", "--", "true"]
        self.held = self.place.start(argv)
        children = f"/proc/{self.held.pid}/task/{self.held.pid}/children"
        for _ in range(200):
            time.sleep(0.01)
            with open(children, encoding="ascii") as file:
                pids = file.read().split()
            if pids and self.place.call([self.place.bare, "-j", pids[0], "--", "true"], check=False).returncode == 0:
                self.init = int(pids[0])
                time.sleep(0.05)
                return
        raise RuntimeError("bare does not get ready")


class Bubblewrap(Contender):
    name = "bwrap"
    note = "`bwrap --unshare-all`, / read-only, the bench's directory bound writable: no copy-on-write"

    def argv(self, command):
        return ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind",
                self.place.directory, self.place.directory, "--"] + command


class Proot(Contender):
    name = "proot"
    slow = True
    note = "`proot -r /`: ptrace, no copy-on-write"

    def argv(self, command):
        return ["proot", "-r", "/"] + command


class FuseOverlayfs(Contender):
    name = "fuse-overlayfs"
    slow = True
    note = "`unshare`, `fuse-overlayfs` over /, `chroot` (bench/fuse.sh); mounted anew for each command"

    def fresh(self):
        self.layers = self.place.new_directory("fuse")

    def argv(self, command):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuse.sh")
        return ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", script,
                self.layers] + command


KINDS = (Native, Isle, Bare, Bubblewrap, Proot, FuseOverlayfs)


def contenders(place, names, complain):
    """Those of `names` that work here, and why the others do not."""
    working = []
    for kind in KINDS:
        if kind.name not in names:
            continue
        contender = kind(place)
        reason = contender.available()
        if reason:
            complain(f"{kind.name} as {place.name}: {reason}")
        else:
            working.append(contender)
    return working
