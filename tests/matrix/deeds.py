# SPDX-License-Identifier: Apache-2.0
"""
What the isle and the host do to one small tree, and what is known of each deed beforehand.

A deed is a function without arguments that works in the current directory. `does` tells what it changes, as "ASPECT:NAME":

  data:x   an object that was there is changed
  away:x   an object that was there is renamed away
  clear:x  a directory is removed with all that is in it, if it is there, and may be replaced
  over:x   what was there is removed, and may be replaced: what it was does not matter
  make:n   a name that was free gets an object
  tree:x   a directory is removed or replaced with all that is in it
  move:x   a directory is renamed with all that is in it
  entry:x  a name in the directory x is made, removed or changed
  meta:x   mode, owner or attributes of a directory
  link:x   a file gets one more name
  none     nothing remains of it

and for the host, in the same form

  change:x  the object is still that one, but its change time moved
  gone:x    it is there no more, or not under this name
  swap:x    another object of the same type has its name
  type:x    an object of another type has its name
  inside:x  the names in the directory x changed
  within:x  something further down in the directory x changed, but not its names
  make:n    as above

The object of a case is called x; its bystanders are b (a file), t (a file that things are renamed onto), d (a directory with a file k), e (a
directory with a file m). Names that the isle makes are n and m, a name that the host makes is h.
"""
import ctypes
import mmap
import os
import shutil
import socket
import stat
import struct
import subprocess

FILES = "file empty big sparse linked"
DIRECTORIES = "dir emptydir"
SPECIAL = "symlink fifo socket"
OLD = 1_400_000_000
ROOT = os.getuid() == 0

ISLE, HOST = {}, {}


class Deed:
    def __init__(self, name, function, types, does, users):
        self.name, self.function = name, function
        self.types, self.does, self.users = types.split(), does.split(), users.split()

    def fits(self, kind):
        return kind in self.types and ("root" if ROOT else "user") in self.users


def isle(types, does, users="root user"):
    def register(function):
        name = function.__name__.replace("_", "-")
        ISLE[name] = Deed(name, function, types, does, users)
        return function
    return register


def host(types, does, users="root user"):
    def register(function):
        name = function.__name__[5:].replace("_", "-")
        HOST[name] = Deed(name, function, types, does, users)
        return function
    return register


# --- what the deeds are made of ---

def write(path, text, mode="w"):
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def patch(path, text):
    with open(path, "r+", encoding="utf-8") as file:
        file.write(text)


def move(old, new):
    """As mv(1): a directory of the host cannot be renamed in an isle of an ordinary user, but copied and removed."""
    if ROOT or not os.path.isdir(old):
        os.rename(old, new)
    else:
        subprocess.run(["cp", "-a", "--", old, new], check=True, stderr=subprocess.DEVNULL)
        shutil.rmtree(old)


def exchange(old, new):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), 2) == 0:
        return
    move(old, "swap.tmp")
    move(new, old)
    move("swap.tmp", new)


def remove_tree_of(path):
    """As rm -rf."""
    if os.path.lexists(path):
        shutil.rmtree(path)


def remove(path):
    """As rm -f."""
    if os.path.lexists(path):
        os.unlink(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)


def acl(*entries):
    """The attribute as the kernel wants it, without asking a program: (tag, permissions, id)..."""
    tags = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tags[tag], perm, who) for tag, perm, who in entries)


NOBODY = 0xffffffff
# An ordinary user's isle knows no other ids.
WHO, GROUP = (65534, 65534) if ROOT else (os.getuid(), os.getgid())
ACCESS = acl(("u", 6, NOBODY), ("U", 4, WHO), ("g", 4, NOBODY), ("m", 4, NOBODY), ("o", 0, NOBODY))
OTHER_ACCESS = acl(("u", 7, NOBODY), ("g", 0, NOBODY), ("G", 5, GROUP), ("m", 5, NOBODY), ("o", 0, NOBODY))
DEFAULT = acl(("u", 7, NOBODY), ("U", 7, WHO), ("g", 5, NOBODY), ("m", 7, NOBODY), ("o", 0, NOBODY))
CAPS = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw=ep


def set_old(path, seconds=OLD):
    os.utime(path, (seconds, seconds), follow_symlinks=False)


# --- what is there at first ---

METAS = {
    "plain": (FILES + " " + DIRECTORIES + " " + SPECIAL + " none", "root user"),
    "mode": (FILES + " " + DIRECTORIES + " fifo socket", "root user"),
    "attribute": (FILES + " " + DIRECTORIES, "root user"),
    "acl": (FILES + " " + DIRECTORIES, "root user"),
    "default-acl": (DIRECTORIES, "root user"),
    "owner": (FILES + " " + DIRECTORIES + " " + SPECIAL, "root"),
    "caps": ("file linked", "root"),
    "sticky": (DIRECTORIES, "root user"),
}


def _lay_object(kind):
    if kind in ("file", "linked"):
        write("x", "one\ntwo\nthree\n")
    elif kind == "empty":
        write("x", "")
    elif kind == "big":
        write("x", "0123456789abcdef" * 6000)
    elif kind == "sparse":
        write("x", "start")
        os.truncate("x", 1 << 20)
        with open("x", "ab") as file:
            file.write(b"end" * 1000)
    elif kind == "symlink":
        os.symlink("b", "x")
    elif kind == "fifo":
        os.mkfifo("x")
    elif kind == "socket":
        make_socket("x")
    elif kind in ("dir", "emptydir"):
        os.mkdir("x")
    if kind == "linked":
        os.link("x", "y")
    if kind == "dir":
        os.makedirs("x/s/deep")
        for name in ("x/p", "x/q", "x/s/r", "x/s/deep/z"):
            write(name, name + "\n")


def _lay_meta(meta, kind):
    directory = kind in DIRECTORIES.split()
    if meta == "mode":
        os.chmod("x", 0o750 if directory else 0o604)
    elif meta == "attribute":
        os.setxattr("x", "user.one", b"first")
        os.setxattr("x", "user.two", b"\0\1\377")
    elif meta == "acl":
        os.setxattr("x", "system.posix_acl_access", ACCESS if not directory else OTHER_ACCESS)
    elif meta == "default-acl":
        os.setxattr("x", "system.posix_acl_default", DEFAULT)
    elif meta == "owner":
        os.lchown("x", 1234, 4321)
    elif meta == "caps":
        os.setxattr("x", "security.capability", CAPS)
    elif meta == "sticky":
        os.chmod("x", 0o3775)


def lay_out(kind, meta):
    """Fills the current directory."""
    for name in ("b", "t"):
        write(name, name + "ystander\n")
    for name in ("d/k", "e/m"):
        os.mkdir(name[0])
        write(name, name + "\n")
    _lay_object(kind)
    _lay_meta(meta, kind)
    for top, directories, files in os.walk(".", topdown=False):
        for name in files + directories:
            set_old(os.path.join(top, name))
    set_old(".")


# --- the isle: plain files ---

@isle(FILES, "data:x")
def append():
    write("x", "appended\n", "a")


@isle(FILES, "data:x")
def modify():
    patch("x", "ISLE")


@isle(FILES, "over:x")
def rewrite():
    write("x", "rewritten\n")


@isle("file big sparse linked", "data:x")
def truncate():
    os.truncate("x", 3)


@isle(FILES, "data:x")
def extend():
    os.truncate("x", 3 << 20)


@isle("file big sparse linked", "data:x")
def map_and_write():
    with open("x", "r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        area[0:3] = b"MAP"


@isle("big sparse", "data:x")
def punch():
    with open("x", "r+b") as file:
        if ctypes.CDLL(None, use_errno=True).fallocate(file.fileno(), 3, ctypes.c_long(4096), ctypes.c_long(65536)) != 0:
            raise OSError("fallocate")


@isle(FILES + " " + SPECIAL, "over:x")
def delete():
    remove("x")


@isle(FILES + " " + SPECIAL, "away:x make:n")
def rename():
    os.rename("x", "n")


@isle(FILES, "away:x make:n")
def rename_write():
    os.rename("x", "n")
    write("n", "more\n", "a")


@isle(FILES, "data:x make:n")
def write_rename():
    write("x", "more\n", "a")
    os.rename("x", "n")


@isle(FILES + " " + SPECIAL, "away:x over:t")
def rename_onto():
    os.rename("x", "t")


@isle(FILES + " " + SPECIAL, "away:x make:d/x")
def move_into_old():
    os.rename("x", "d/x")


@isle(FILES + " " + SPECIAL, "away:x make:n")
def move_into_new():
    os.mkdir("n")
    os.rename("x", "n/x")


@isle(FILES, "over:x")
def replace_as_editors():
    write("x.tmp", "edited\n")
    os.rename("x.tmp", "x")


@isle(FILES + " " + SPECIAL, "away:x away:t")
def swap():
    os.rename("x", "tmp")
    os.rename("t", "x")
    os.rename("tmp", "t")


@isle(FILES, "away:x away:t")
def swap_at_once():
    exchange("x", "t")


@isle(FILES + " " + SPECIAL, "over:x")
def to_directory():
    remove("x")
    os.mkdir("x")
    write("x/new", "new\n")


@isle(FILES + " fifo socket", "over:x")
def to_symlink():
    remove("x")
    os.symlink("nowhere", "x")


@isle(FILES + " symlink socket", "over:x")
def to_fifo():
    remove("x")
    os.mkfifo("x")


@isle(SPECIAL, "over:x")
def to_file():
    remove("x")
    write("x", "plain\n")


@isle("symlink", "over:x")
def retarget():
    os.symlink("d", "x.tmp")
    os.rename("x.tmp", "x")


@isle(FILES + " fifo socket", "data:x")
def chmod():
    os.chmod("x", 0o640)


@isle("file", "data:x")
def chmod_setuid():
    os.chmod("x", 0o6755)


@isle(FILES + " " + SPECIAL, "data:x", "root")
def chown():
    os.lchown("x", 77, 88)


@isle(FILES, "data:x")
def set_attribute():
    os.setxattr("x", "user.isle", b"\xff\0isle")


@isle(FILES, "data:x")
def remove_attributes():
    os.setxattr("x", "user.short", b"1")
    for name in os.listxattr("x"):
        if name.startswith("user."):
            os.removexattr("x", name)
    set_old("x", OLD + 5)


@isle(FILES, "data:x")
def set_acl():
    os.setxattr("x", "system.posix_acl_access", OTHER_ACCESS)


@isle(FILES, "data:x")
def remove_acl():
    os.setxattr("x", "system.posix_acl_access", ACCESS)
    os.removexattr("x", "system.posix_acl_access")
    os.chmod("x", 0o601)


@isle("file linked", "data:x", "root")
def set_caps():
    os.setxattr("x", "security.capability", CAPS[:4] + struct.pack("<IIII", 1 << 10, 0, 0, 0))


@isle("file linked", "data:x")
def write_drops_caps():
    write("x", "no power\n", "a")
    os.chmod("x", 0o711)


@isle(FILES + " fifo", "data:x")
def set_times():
    set_old("x", OLD - 1000)


@isle(FILES, "data:x")
def write_set_times():
    write("x", "dated\n", "a")
    set_old("x", OLD + 77)


@isle(FILES, "link:x make:n")
def link():
    os.link("x", "n")


@isle(FILES, "data:x make:n")
def link_write():
    os.link("x", "n")
    write("n", "through the other name\n", "a")


@isle(FILES, "over:x")
def recreate():
    remove("x")
    write("x", "made again\n")


@isle(SPECIAL, "over:x")
def recreate_special():
    kind = stat.S_IFMT(os.lstat("x").st_mode)
    os.unlink("x")
    if kind == stat.S_IFLNK:
        os.symlink("again", "x")
    elif kind == stat.S_IFIFO:
        os.mkfifo("x", 0o600)
    else:
        make_socket("x")
        os.chmod("x", 0o701)


@isle("linked", "data:x")
def write_other_name():
    write("y", "by y\n", "a")


@isle("linked", "over:x")
def unlink_other_name():
    remove("y")


@isle("linked", "data:x")
def write_and_unlink_other_name():
    write("y", "by y\n", "a")
    os.unlink("x")


@isle("linked", "away:x away:y make:n")
def rename_other_name():
    os.rename("y", "n")


# --- the isle: directories ---

@isle(DIRECTORIES, "clear:x")
def remove_tree():
    remove_tree_of("x")


@isle(DIRECTORIES, "move:x make:n")
def rename_directory():
    move("x", "n")


@isle(DIRECTORIES, "move:x make:n")
def rename_directory_and_add():
    move("x", "n")
    write("n/new", "new\n")


@isle("dir", "move:x make:n data:x/p data:x/q entry:x/s")
def rename_directory_and_change():
    move("x", "n")
    write("n/p", "more\n", "a")
    os.unlink("n/q")
    write("n/s/new", "new\n")


@isle("dir", "move:x make:n make:m data:x/p")
def rename_directory_and_take_out():
    move("x", "n")
    os.rename("n/p", "m")


@isle("dir", "away:x/p make:n")
def take_out():
    os.rename("x/p", "n")


@isle("dir", "tree:x move:x/s make:n")
def save_child_remove_parent():
    move("x/s", "n")
    shutil.rmtree("x")


@isle("dir", "tree:x move:x/s")
def child_takes_place():
    move("x/s", "tmp")
    shutil.rmtree("x")
    move("tmp", "x")


@isle(DIRECTORIES, "move:x make:d/x")
def move_directory_into_old():
    move("x", "d/x")


@isle(DIRECTORIES, "move:x make:n")
def move_directory_into_new():
    os.mkdir("n")
    move("x", "n/x")


@isle(DIRECTORIES, "move:x move:e")
def swap_directories():
    move("x", "tmp")
    move("e", "x")
    move("tmp", "e")


@isle(DIRECTORIES, "clear:x")
def recreate_directory():
    remove_tree_of("x")
    os.mkdir("x")
    write("x/new", "new\n")


@isle("dir", "clear:x")
def recreate_directory_same_names():
    remove_tree_of("x")
    os.mkdir("x")
    write("x/p", "other\n")
    os.mkdir("x/s")
    write("x/s/new", "new\n")


@isle("dir", "clear:x")
def recreate_directory_types_changed():
    remove_tree_of("x")
    os.mkdir("x")
    os.mkdir("x/p")
    write("x/p/in", "in\n")
    write("x/s", "a file now\n")
    os.symlink("s", "x/q")


@isle(DIRECTORIES, "entry:x make:x/new")
def add_entry():
    write("x/new", "new\n")


@isle(DIRECTORIES, "entry:x make:x/new")
def add_tree():
    os.makedirs("x/new/sub")
    write("x/new/sub/f", "new\n")
    os.symlink("f", "x/new/sub/l")


@isle("dir", "entry:x over:x/p")
def remove_entry():
    remove("x/p")


@isle("dir", "entry:x data:x/p")
def change_entry():
    write("x/p", "more\n", "a")


@isle("dir", "entry:x/s data:x/s/r")
def change_deep_entry():
    write("x/s/r", "more\n", "a")


@isle("dir", "away:x/p over:x/q entry:x")
def rename_entry_onto():
    os.rename("x/p", "x/q")


@isle("dir", "tree:x/s")
def remove_child_tree():
    shutil.rmtree("x/s")


@isle(DIRECTORIES, "meta:x")
def chmod_directory():
    os.chmod("x", 0o705)


@isle(DIRECTORIES, "meta:x make:x/new")
def chmod_directory_and_add():
    os.chmod("x", 0o705)
    write("x/new", "new\n")


@isle(DIRECTORIES, "meta:x", "root")
def chown_directory():
    os.lchown("x", 77, 88)


@isle(DIRECTORIES, "meta:x")
def set_directory_attribute():
    os.setxattr("x", "user.isle", b"isle")


@isle(DIRECTORIES, "meta:x")
def set_default_acl():
    os.setxattr("x", "system.posix_acl_default", acl(("u", 7, NOBODY), ("g", 5, NOBODY), ("G", 7, GROUP), ("m", 7, NOBODY), ("o", 1, NOBODY)))


@isle(DIRECTORIES, "clear:x")
def directory_to_file():
    remove_tree_of("x")
    write("x", "a file now\n")


@isle(DIRECTORIES, "clear:x")
def directory_to_symlink():
    remove_tree_of("x")
    os.symlink("d", "x")


@isle(DIRECTORIES, "away:b make:x/b entry:x")
def move_file_in():
    os.rename("b", "x/b")


@isle(DIRECTORIES, "move:e make:x/e")
def move_directory_in():
    move("e", "x/e")


@isle(DIRECTORIES, "none")
def add_and_remove():
    os.mkdir("x/tmp")
    write("x/tmp/f", "f")
    shutil.rmtree("x/tmp")


# --- the isle: where nothing was ---

@isle("none", "make:x")
def create():
    write("x", "new\n")


@isle("none", "make:x")
def create_with_all():
    write("x", "new\n" * 30000)
    os.truncate("x", 1 << 22)
    os.setxattr("x", "user.isle", b"isle")
    os.setxattr("x", "system.posix_acl_access", ACCESS)
    set_old("x", OLD - 5)


@isle("none", "make:x", "root")
def create_owned():
    write("x", "new\n")
    os.lchown("x", 5, 6)
    os.setxattr("x", "security.capability", CAPS)


@isle("none", "make:x")
def create_tree():
    os.makedirs("x/a/b")
    write("x/f", "f\n")
    write("x/a/b/g", "g\n")
    os.mkfifo("x/a/p")
    make_socket("x/a/s")
    os.symlink("../nowhere", "x/a/l")
    os.link("x/f", "x/a/f2")
    os.chmod("x/a/b", 0o555)
    os.chmod("x/a", 0o2750)


@isle("none", "make:x")
def create_symlink():
    os.symlink("/nowhere/at/all", "x")


@isle("none", "make:x")
def create_fifo():
    os.mkfifo("x", 0o620)


@isle("none", "make:x")
def create_socket():
    make_socket("x")


@isle("none", "make:x make:n make:d/x")
def create_linked():
    write("x", "new\n")
    os.link("x", "n")
    os.link("x", "d/x")


@isle("none", "make:x entry:d make:d/x")
def create_linked_in_tree():
    os.mkdir("x")
    write("x/f", "new\n")
    os.link("x/f", "d/x")


@isle("none", "none")
def create_and_remove():
    write("tmp", "new\n")
    os.unlink("tmp")


@isle("none", "make:x")
def create_in_pieces():
    write("tmp", "new\n")
    os.rename("tmp", "x")
    write("x", "more\n", "a")
    os.chmod("x", 0o600)


# --- the host: plain files and their like ---

@host(FILES + " " + DIRECTORIES + " " + SPECIAL + " none", "")
def host_nothing():
    pass


@host(FILES, "change:x")
def host_modify():
    patch("x", "HOST")


@host("file big sparse linked", "change:x")
def host_backdate():
    before = os.stat("x").st_mtime_ns
    patch("x", "HOST")
    os.utime("x", ns=(before, before))


@host(FILES, "change:x")
def host_append():
    write("x", "host\n", "a")


@host(FILES, "swap:x")
def host_replace():
    write("h", "another\n")
    os.rename("h", "x")


@host(FILES + " " + SPECIAL, "gone:x")
def host_delete():
    os.unlink("x")


@host(FILES + " fifo socket", "change:x")
def host_chmod():
    os.chmod("x", 0o664)


@host(FILES + " " + SPECIAL, "change:x")
def host_touch():
    set_old("x", OLD + 1234)


@host(FILES, "change:x")
def host_set_attribute():
    os.setxattr("x", "user.host", b"host")


@host(FILES, "change:x make:h")
def host_link():
    os.link("x", "h")


@host(FILES + " " + SPECIAL, "gone:x make:h")
def host_rename():
    os.rename("x", "h")


@host(FILES + " " + SPECIAL, "type:x")
def host_to_directory():
    os.unlink("x")
    os.mkdir("x")
    write("x/h", "host\n")


@host(FILES + " fifo socket", "type:x")
def host_to_symlink():
    os.unlink("x")
    os.symlink("d/k", "x")


@host("symlink fifo socket", "type:x")
def host_to_file():
    os.unlink("x")
    write("x", "host\n")


@host("linked", "change:x gone:y")
def host_unlink_other():
    os.unlink("y")


# --- the host: directories ---

@host(DIRECTORIES, "inside:x make:x/h")
def host_add_inside():
    write("x/h", "host\n")


@host("dir", "inside:x gone:x/p")
def host_remove_inside():
    os.unlink("x/p")


@host("dir", "within:x change:x/p")
def host_change_inside():
    write("x/p", "host\n", "a")


@host("dir", "within:x within:x/s change:x/s/r")
def host_change_deep():
    write("x/s/r", "host\n", "a")


@host("dir", "within:x inside:x/s make:x/s/h")
def host_add_deep():
    write("x/s/h", "host\n")


@host(DIRECTORIES, "inside:x make:x/new")
def host_make_the_same_inside():
    write("x/new", "host\n")


@host(DIRECTORIES, "change:x")
def host_chmod_directory():
    os.chmod("x", 0o711)


@host(DIRECTORIES, "gone:x make:h")
def host_rename_directory():
    os.rename("x", "h")


@host(DIRECTORIES, "gone:x")
def host_remove_directory():
    shutil.rmtree("x")


@host(DIRECTORIES, "type:x")
def host_directory_to_file():
    shutil.rmtree("x")
    write("x", "host\n")


@host(DIRECTORIES, "type:x")
def host_directory_to_symlink():
    shutil.rmtree("x")
    os.symlink("d", "x")


@host(DIRECTORIES, "type:x make:h")
def host_directory_to_symlink_to_itself():
    os.rename("x", "h")
    os.symlink("h", "x")


@host(DIRECTORIES, "swap:x")
def host_swap_directory():
    shutil.rmtree("x")
    os.mkdir("x")
    write("x/h", "host\n")


# --- the host: around the object ---

@host(FILES + " " + DIRECTORIES + " " + SPECIAL + " none", "inside:. make:h")
def host_add_beside():
    write("h", "host\n")


@host(FILES + " " + DIRECTORIES + " " + SPECIAL + " none", "within:d change:d/k")
def host_change_beside():
    write("d/k", "host\n", "a")


@host(FILES + " " + DIRECTORIES + " none", "make:n")
def host_make_n():
    write("n", "host\n")


@host(FILES + " " + DIRECTORIES, "change:t")
def host_change_t():
    write("t", "host\n", "a")


@host("none", "make:x")
def host_make_file():
    write("x", "host\n")


@host("none", "make:x")
def host_make_directory():
    os.mkdir("x")


@host("none", "make:x")
def host_make_symlink():
    os.symlink("d/k", "x")


@host(FILES + " " + DIRECTORIES + " none", "change:.")
def host_chmod_parent():
    os.chmod(".", 0o751)
