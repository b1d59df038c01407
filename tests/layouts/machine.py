# SPDX-License-Identifier: Apache-2.0
"""
A machine to test on, made of mounts in a private mount namespace: nothing of it is visible outside, and all of it is gone
with the last process of the namespace.

    Machine(workdir, "image")   the root is an ext4 file system of its own in a loop device, with the host's /usr
                                bound read-only: a test may lay it out as it likes
    Machine(workdir, "real")    the root is the real one; tests keep to /var/tmp and existing empty directories

Everything is mounted below `root` first; enter() then makes that the root of the namespace.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time

import tinyfuse

ETC = ("nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "hosts",
       "hostname", "alternatives", "resolv.conf", "ssl", "profile", "bash.bashrc", "fonts", "java-11-openjdk",
       "mime.types", "protocols", "services", "host.conf", "gai.conf", "login.defs", "shells", "os-release",
       "debian_version", "python3.11", "perl", "terminfo", "inputrc", "security", "pam.d")


def run(*words, **options):
    """The program has to succeed; what it said is shown when it does not."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError("%r: %s" % (words, done.stdout.decode(errors="replace")))
    return done.stdout


class Machine:
    def __init__(self, workdir, base, user):
        self.workdir, self.base, self.user = workdir, base, user
        self.hidden = []  # trees that no picture enters
        self.servers = []  # of FUSE mounts: children of this process
        self.root = ""
        self.images = 0
        self.extra_roots = []
        if base == "image":
            self.root = workdir + "/root"
            os.mkdir(self.root)
            self.loop(self.root, "ext4", absolute=True)
            self._populate()

    def path(self, name):
        return self.root + name

    def _populate(self):
        for name in ("etc", "usr", "dev", "proc", "sys", "run", "tmp", "var", "var/lib", "var/tmp", "home", "root", "mnt",
                     "srv", "opt", "media", "boot", "home/tuser", "old"):
            os.makedirs(self.path("/" + name), exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink("/" + name):
                os.symlink(os.readlink("/" + name), self.path("/" + name))
        os.symlink("../run", self.path("/var/run"))
        for name in ("tmp", "var/tmp"):
            os.chmod(self.path("/" + name), 0o1777)
        os.chmod(self.path("/root"), 0o700)
        names = ["/etc/" + name for name in ETC if os.path.lexists("/etc/" + name)]
        run("cp", "-a", "--", *names, self.path("/etc"))
        self._make_user()
        os.rmdir(self.path("/lost+found")) if os.path.isdir(self.path("/lost+found")) else None
        run("mount", "--bind", "-o", "ro", "/usr", self.path("/usr"))
        run("mount", "-o", "remount,bind,ro", self.path("/usr"))
        run("mount", "--rbind", "/dev", self.path("/dev"))
        run("mount", "--rbind", "/sys", self.path("/sys"))
        run("mount", "-t", "proc", "proc", self.path("/proc"))

    def _make_user(self):
        """Accounts of its own: those of the host can change while the test runs. The ordinary user is tuser here."""
        accounts = [("root", 0, "/root"), ("daemon", 1, "/usr/sbin"), ("nobody", 65534, "/nonexistent"),
                    ("tuser", self.user, "/home/tuser")]
        with open(self.path("/etc/passwd"), "w", encoding="ascii") as file:
            file.writelines("%s:x:%d:%d::%s:/bin/bash\n" % (name, number, number, home) for name, number, home in accounts)
        with open(self.path("/etc/group"), "w", encoding="ascii") as file:
            file.writelines("%s:x:%d:\n" % (name, number) for name, number, _ in accounts)
        for name in (".bashrc", ".profile"):
            if os.path.exists("/etc/skel/" + name):
                shutil.copy("/etc/skel/" + name, self.path("/home/tuser"))
        for place in ("", "/.bashrc", "/.profile"):
            os.chown(self.path("/home/tuser" + place), self.user, self.user)

    def copy_program(self, program):
        """The isle under test, at a place that every user of the machine can run."""
        os.makedirs(self.path("/opt/isle/bin"), exist_ok=True)
        shutil.copy2(program, self.path("/opt/isle/bin/isle"))
        return "/opt/isle/bin/isle"

    # What the rows are made of.

    def directory(self, name, owner=0, mode=0o755):
        missing = []
        place = name
        while place != "/" and not os.path.lexists(self.path(place)):
            missing.append(place)
            place = os.path.dirname(place)
        for place in reversed(missing):
            os.mkdir(self.path(place))
            os.chown(self.path(place), owner, owner)
        # A directory of the live machine stays as it is.
        if missing or self.root or name.startswith(self.workdir):
            os.chmod(self.path(name), mode)
        return name

    def file(self, name, owner=0, data=b"one\ntwo\n"):
        with open(self.path(name), "wb") as file:
            file.write(data)
        os.chown(self.path(name), owner, owner)

    def chown(self, name, owner):
        os.chown(self.path(name), owner, owner)

    def symlink(self, target, name):
        os.symlink(target, self.path(name))

    def replace_by_symlink(self, name, target):
        shutil.rmtree(self.path(name))
        os.symlink(target, self.path(name))

    def _settle(self, name, owner, mode):
        self.note(name)
        os.chown(self.path(name), owner, owner)
        os.chmod(self.path(name), mode)

    def note(self, name):
        self.extra_roots.append(name)

    def tmpfs(self, name, owner=0, mode=0o755, options="size=64m"):
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path(self.directory(name, owner)))
        self._settle(name, owner, mode)

    def loop(self, name, kind, size=None, absolute=False):
        self.images += 1
        image = "%s/image%d" % (self.workdir, self.images)
        size = size or {"ext4": 256 << 20, "xfs": 320 << 20, "btrfs": 256 << 20}[kind]
        with open(image, "wb") as file:
            file.truncate(size)
        make = {"ext4": ("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"),
                "xfs": ("mkfs.xfs", "-q", "-K"), "btrfs": ("mkfs.btrfs", "-q", "-K")}[kind]
        run(*make, image)
        run("mount", "-o", "loop", "-t", kind, image, name if absolute else self.path(name))
        os.unlink(image)

    def image(self, name, kind, owner=0, mode=0o755):
        self.loop(self.directory(name, owner), kind)
        self._settle(name, owner, mode)
        found = self.path(name + "/lost+found")
        if os.path.isdir(found):
            os.rmdir(found)

    def bind(self, source, name, *options):
        if os.path.isdir(self.path(source)):
            self.directory(name)
        elif not os.path.lexists(self.path(name)):
            self.directory(os.path.dirname(name))
            open(self.path(name), "w").close()
        run("mount", "--bind", self.path(source), self.path(name))
        if options:
            run("mount", "-o", "remount,bind," + ",".join(options), self.path(name))
        self.note(name)

    def read_only(self, name):
        run("mount", "-o", "remount,ro", self.path(name))

    def fuse(self, name, owner=0):
        """A FUSE file system: bindfs on a directory of the work directory."""
        data = "%s/fuse%d" % (self.workdir, len(os.listdir(self.workdir)))
        os.mkdir(data)
        os.chown(data, owner, owner)
        self.directory(name, owner)
        os.chown(self.path(name), owner, owner)
        server = subprocess.Popen(("bindfs", "-f", "-o", "allow_other", data, self.path(name)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  preexec_fn=tinyfuse.die_with_parent)
        self.servers.append(server.pid)
        while not os.path.ismount(self.path(name)):
            if server.poll() is not None:
                raise RuntimeError("bindfs does not start")
            time.sleep(0.01)
        self.note(name)

    def private_fuse(self, name):
        """Mounted by the ordinary user without allow_other: nobody else may even stat it."""
        self.directory(name, self.user)
        os.chown(self.path(name), self.user, self.user)
        self.servers.append(tinyfuse.serve(self.path(name), self.user))
        self.hidden.append(name)

    def dead_fuse(self, name):
        self.directory(name)
        tinyfuse.serve(self.path(name), 0, dead=True)
        self.hidden.append(name)

    def squashfs(self, name, files):
        source = "%s/squash%d" % (self.workdir, len(os.listdir(self.workdir)))
        for path, data in files.items():
            os.makedirs(os.path.dirname("%s/%s" % (source, path)), exist_ok=True)
            with open("%s/%s" % (source, path), "wb") as file:
                file.write(data)
        run("mksquashfs", source, source + ".img", "-quiet", "-no-progress")
        run("mount", "-o", "loop,ro", "-t", "squashfs", source + ".img", self.path(self.directory(name)))
        os.unlink(source + ".img")
        self.note(name)

    def overlay(self, name, owner=0, mode=0o755):
        data = "%s/overlay%d" % (self.workdir, len(os.listdir(self.workdir)))
        for part in ("", "/upper", "/work", "/lower"):
            os.mkdir(data + part)
        run("mount", "-t", "overlay", "-o", "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work" % (data, data, data),
            "overlay", self.path(self.directory(name, owner)))
        self._settle(name, owner, mode)

    def enter(self):
        """From here on the machine is the whole world of this process. Open descriptors stay."""
        if not self.root:
            return
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(155, os.fsencode(self.root), os.fsencode(self.root + "/old")) < 0:
            raise OSError(ctypes.get_errno(), "pivot_root")
        os.chdir("/")
        run("umount", "-l", "/old")
        os.rmdir("/old")
        self.root = ""

    def close(self):
        """Ends the FUSE servers: they would keep the namespace alive."""
        for pid in self.servers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def users_of_loops(workdir):
    """Loop devices that still hang on this work directory."""
    listed = subprocess.run(("losetup", "-l", "-n", "-O", "NAME,BACK-FILE"), stdout=subprocess.PIPE, check=False).stdout
    return [line for line in os.fsdecode(listed).splitlines() if workdir in line]


def wait_until_free(workdir, seconds=5.0):
    end = time.monotonic() + seconds
    while users_of_loops(workdir):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
