# SPDX-License-Identifier: Apache-2.0
"""
What a program may do to files, done to each site of a layout and written down with its outcome. The same script runs
natively and in an isle: the outcomes have to be the same, and so have the trees afterwards.

    ops.py populate SITES.json      makes the sites (as root, on the host)
    ops.py PART SITES.json          PART is first or second; prints {"operation": outcome} as JSON
"""
import ctypes
import json
import mmap
import os
import shutil
import stat
import sys

OLD = 1_500_000_000


def _write(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def populate_directory(site, owner, old=True):
    """The files that the operations work on, all with an old time."""
    def full(name):
        return os.path.join(site, name)

    os.makedirs(site, exist_ok=True)
    made = []
    for name in ("keep", "read", "change", "append", "delete", "rename", "replace", "chmod", "xattr", "truncate", "mmap",
                 "tofile-not", "hard1", "exchange1", "exchange2", "trunc0"):
        _write(full(name), b"the old content of %s\n" % name.encode() * 20)
        made.append(name)
    for name in ("rmdir", "deldir", "deldir/sub", "rendir", "rendir/sub", "todir-not", "again", "again/sub", "plain", "chmoddir"):
        os.mkdir(full(name))
        made.append(name)
    for name in ("deldir/x", "deldir/sub/y", "rendir/p", "rendir/sub/q", "again/one", "again/sub/two", "plain/file"):
        _write(full(name), b"in %s\n" % name.encode())
        made.append(name)
    os.symlink("keep", full("link"))
    os.symlink("../nowhere", full("badlink"))
    os.link(full("hard1"), full("hard2"))
    with open(full("sparse"), "wb") as file:
        file.write(b"head")
        file.truncate(8 << 20)  # overlayfs copies the first MiB with its holes
    _write(full("ünï\udcffcode".encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")), b"name\n")
    made += ["link", "badlink", "hard2", "sparse", "ünï\udcffcode"]
    os.chmod(full("keep"), 0o640)
    for name in made[::-1] + [""]:
        path = full(name) if name else site
        os.chown(path, owner, owner, follow_symlinks=False)
        os.utime(path, (OLD, OLD), follow_symlinks=False)


def populate(sites, owner):
    for site in sites:
        if site["kind"] != "file":
            populate_directory(site["path"], owner)
        elif site["kind"] == "file":
            _write(site["path"], b"one\ntwo\nthree\n")
            os.chown(site["path"], owner, owner)
            os.utime(site["path"], (OLD, OLD))
        for path in site.get("parents", ()):
            os.chown(path, owner, owner)
            os.utime(path, (OLD, OLD))


class Log:
    def __init__(self):
        self.outcomes = {}

    def do(self, name, function, *arguments):
        try:
            value = function(*arguments)
            self.outcomes[name] = "ok" if value is None else value
        except OSError as error:
            self.outcomes[name] = os.strerror(error.errno)
        except shutil.Error as error:
            self.outcomes[name] = "shutil: %s" % type(error).__name__


libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def move(source, target):
    """As mv(1) does it: rename, or copy and remove where the kernel refuses."""
    try:
        os.rename(source, target)
        return "ok"
    except OSError as error:
        if os.strerror(error.errno) != "Invalid cross-device link":
            raise
    if os.path.isdir(source) and not os.path.islink(source):
        shutil.copytree(source, target, symlinks=True)
        shutil.rmtree(source)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
        os.unlink(source)
    return "copied"


def map_write(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        area[4:7] = b"NEW"
        area.flush()


def unnamed(directory, name):
    fd = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    try:
        os.write(fd, b"was unnamed\n")
        if libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, os.fsencode(name), 0x400) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
    finally:
        os.close(fd)


def hole(path):
    with open(path, "r+b") as file:
        file.seek(6 << 20)
        file.write(b"in the middle")
        file.truncate(16 << 20)


OWN = []  # isle's own directories, which are on the host while an isle exists


def listing(path):
    """Names and types."""
    with os.scandir(path) as entries:
        return sorted(ascii(entry.name) + "dl-"[0 if entry.is_dir(follow_symlinks=False)
                                               else 1 if entry.is_symlink() else 2] for entry in entries if entry.name not in OWN)


def digest(path):
    with open(path, "rb") as file:
        return len(file.read())


def file_first(log, path):
    log.do("read " + path, digest, path)
    log.do("append " + path, _write, path, b"four\n", "ab")
    log.do("unlink " + path, os.unlink, path)


def file_second(log, path):
    log.do("reread " + path, digest, path)
    log.do("rewrite " + path, _write, path, b"all new\n")
    log.do("chmod " + path, os.chmod, path, 0o600)


class Site:
    """The operations in one directory."""

    def __init__(self, log, site):
        self.log, self.path = log, site["path"]

    def full(self, name):
        return os.path.join(self.path, name)

    def do(self, name, function, *arguments):
        self.log.do("%s in %s" % (name, ascii(self.path)), function, *arguments)


def directory_first(log, where):
    place = Site(log, where)
    site, full, do = place.path, place.full, place.do

    do("list", listing, site)
    do("read", digest, full("read"))
    do("create", _write, full("new"), b"brand new\n")
    do("change", _write, full("change"), b"changed\n")
    do("append", _write, full("append"), b"appended\n", "ab")
    do("delete", os.unlink, full("delete"))
    do("rename", move, full("rename"), full("renamed"))
    do("rename onto", move, full("tofile-not"), full("replace"))
    do("mkdir", os.mkdir, full("newdir"))
    do("create in new", _write, full("newdir/inside"), b"inside\n")
    do("mkdir in new", os.makedirs, full("newdir/a/b"))
    do("rmdir", os.rmdir, full("rmdir"))
    do("rmdir full", os.rmdir, full("plain"))
    do("rmtree", shutil.rmtree, full("deldir"))
    do("rename directory", move, full("rendir"), full("renameddir"))
    do("symlink", os.symlink, "keep", full("newlink"))
    do("symlink away", os.symlink, "/etc/hostname", full("farlink"))
    do("hard link", os.link, full("keep"), full("newhard"))
    do("chmod", os.chmod, full("chmod"), 0o741)
    do("chmod directory", os.chmod, full("chmoddir"), 0o701)
    do("chown", os.chown, full("chmod"), 1234, 4321)
    do("chown to the own group", os.chown, full("chmod"), -1, os.getgid())
    do("mkfifo", os.mkfifo, full("fifo"))


def directory_second(log, where):
    place = Site(log, where)
    site, full, do = place.path, place.full, place.do

    do("list again", listing, site)
    do("reread", digest, full("append"))
    do("append again", _write, full("append"), b"once more\n", "ab")
    do("xattr", os.setxattr, full("xattr"), "user.test", b"value")
    do("truncate", os.truncate, full("truncate"), 7)
    do("truncate to nothing", os.truncate, full("trunc0"), 0)
    do("mmap", map_write, full("mmap"))
    do("O_TMPFILE", unnamed, site, full("named"))
    do("sparse", hole, full("sparse"))
    do("exchange", exchange, full("exchange1"), full("exchange2"))
    do("write in renamed", _write, full("renameddir/p"), b"new p\n")
    do("delete in renamed", os.unlink, full("renameddir/sub/q"))
    do("rmtree again", shutil.rmtree, full("again"))
    do("mkdir again", os.mkdir, full("again"))
    do("create again", _write, full("again/one"), b"one, anew\n")
    do("create again too", _write, full("again/three"), b"three\n")
    do("unlink of link", os.unlink, full("badlink"))
    do("file to directory: unlink", os.unlink, full("hard2"))
    do("file to directory: mkdir", os.mkdir, full("hard2"))
    do("directory to file: rmdir", os.rmdir, full("todir-not"))
    do("directory to file: create", _write, full("todir-not"), b"now a file\n")
    do("make and remove", lambda: (_write(full("temp"), b"x"), os.unlink(full("temp")))[1])
    do("make and remove directory", lambda: (os.mkdir(full("tempdir")), os.rmdir(full("tempdir")))[1])
    do("rename the new", os.rename, full("newdir"), full("newdir2"))
    do("rename back", lambda: (os.rename(full("plain/file"), full("plain/f2")),
                               os.rename(full("plain/f2"), full("plain/file")), os.utime(full("plain"), (OLD, OLD)))[2])
    do("utime", os.utime, full("new"), (OLD, OLD + 1))


def across(log, pairs):
    """Between sites: what the kernel refuses natively has to be refused inside."""
    for source, target in pairs:
        log.do("move %s to %s" % (ascii(source), ascii(target)), move, source, target)


def main():
    part, path = sys.argv[1:3]
    with open(path) as file:
        layout = json.load(file)
    if part == "populate":
        populate(layout["sites"], layout["owner"])
        return
    os.umask(0o022)
    OWN.extend(layout["own"])
    log = Log()
    log.do("cwd", os.getcwd)
    log.do("cwd is real", lambda: os.path.samefile(os.getcwd(), "."))
    log.do("id", lambda: [os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups())])
    log.do("umask", lambda: os.umask(0o022))
    for place in layout["look"]:
        log.do("look " + ascii(place), listing, place)
    functions = {"first": (file_first, directory_first), "second": (file_second, directory_second)}[part]
    for site in layout["sites"]:
        if site["kind"] == "file":
            functions[0](log, site["path"])
        else:
            functions[1](log, site)
    if part == "second":
        across(log, layout.get("across", ()))
        for place in layout.get("mountpoints", ()):
            log.do("rmdir of mount point " + ascii(place), os.rmdir, place)
            log.do("rename of mount point " + ascii(place), os.rename, place, place + ".moved")
    # Modes of what is open to everybody, seen by way of stat: the same as on the host.
    for place in layout["look"]:
        log.do("mode " + ascii(place), lambda p=place: "%o" % stat.S_IMODE(os.stat(p).st_mode))
    json.dump(log.outcomes, sys.stdout)


if __name__ == "__main__":
    main()
