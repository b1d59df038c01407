# SPDX-License-Identifier: Apache-2.0
"""
The independent oracle: a picture of a tree with every property that a commit has to keep, and the difference of
two pictures in the words of `isle status --json`.

A picture is a dict {path: object}. Names are bytes decoded with surrogateescape, so that they survive JSON. Times are
kept exactly where they are old and become "now" where they are not older than `epoch`: the test writes the trees it
compares at different moments, but what the test did not touch keeps its (old) time.
"""
import base64
import hashlib
import os
import stat

TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
}


def _digest(fd, size):
    """Of the data; what lies in holes of large files is not read."""
    digest = hashlib.sha256()
    at = 0
    while at < size:
        if size > 64 << 20:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
        block = os.pread(fd, 1 << 16, at)
        if not block:
            break
        if size > 64 << 20:
            # Which part of a block is a hole differs between file systems: zeros are left out.
            block = block.strip(b"\0")
        digest.update(block)
        at += 1 << 16
    return digest.hexdigest()[:24]


def _content(path, info):
    """Digest of a plain file, the target of a symbolic link, the numbers of a device."""
    if stat.S_ISREG(info.st_mode):
        try:
            with open(path, "rb") as file:
                return _digest(file.fileno(), info.st_size)
        except OSError as error:
            return "unreadable:%d" % error.errno
    if stat.S_ISLNK(info.st_mode):
        return "-> " + os.fsdecode(os.readlink(path))
    if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        return "%d:%d" % (os.major(info.st_rdev), os.minor(info.st_rdev))
    return ""


def _xattrs(path):
    result = {}
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            text = os.fsdecode(name)
            if not text.startswith(("system.nfs", "security.selinux")):
                result[text] = os.getxattr(path, name, follow_symlinks=False).hex()
    except OSError:
        pass
    return result


def _object(path, info, epoch, links):
    kind = TYPES[stat.S_IFMT(info.st_mode)]
    seconds = info.st_mtime_ns
    result = {
        "type": kind, "mode": "%04o" % stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid,
        "mtime": "now" if seconds >= epoch * 10**9 else seconds, "content": _content(path, info),
        "xattrs": _xattrs(path),
    }
    if kind == "file":
        result["size"] = info.st_size
        # Holes matter, their exact place does not: half of the size is a coarse but honest measure.
        result["sparse"] = info.st_size >= 65536 and info.st_blocks * 512 < info.st_size // 2
        if info.st_nlink > 1:
            links.setdefault((info.st_dev, info.st_ino), []).append(os.fsdecode(path))
    if kind == "symlink":
        result["mode"] = "-"
        result["mtime"] = "-"
    return result


def picture(roots, epoch=1_600_000_000, skip=(), own=()):
    """The objects at and below `roots`, mounts included; `skip` names trees to leave out, `own` isle's own directories."""
    result, links = {}, {}
    skip = {os.fsencode(path) for path in skip}
    own = {os.fsencode(name) for name in own}
    todo = [os.fsencode(root) for root in roots]
    while todo:
        path = todo.pop()
        if path in skip:
            continue
        try:
            info = os.lstat(path)
        except OSError as error:
            result[os.fsdecode(path)] = {"type": "error", "errno": error.errno}
            continue
        result[os.fsdecode(path)] = _object(path, info, epoch, links)
        if not stat.S_ISDIR(info.st_mode):
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            result[os.fsdecode(path)]["content"] = "unreadable:%d" % error.errno
            continue
        base = b"" if path == b"/" else path
        todo.extend(base + b"/" + name for name in names if name not in own)
    for group in links.values():
        # One name in the picture: the others are elsewhere, in the undo directory of a commit for example.
        for path in group if len(group) > 1 else ():
            result[path]["linked"] = sorted(group)
    return result


def differences(before, after, ignore=("mtime",)):
    """One line for each difference; none when the pictures are the same."""
    lines = []
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            lines.append("%r: %s" % (path, "appeared" if old is None else "is gone"))
            continue
        for key in sorted(set(old) | set(new)):
            if key not in ignore and old.get(key) != new.get(key):
                lines.append("%r: %s is %r, expected %r" % (path, key, new.get(key), old.get(key)))
    return lines


def _parent(path):
    return path.rsplit("/", 1)[0] or "/"


def _told_path(change, key="path"):
    path = change.get(key)
    return path if path is not None else os.fsdecode(base64.b64decode(change[key + "_b64"]))


def _below(path, tree):
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def rename_in(picture_before, source, target):
    """The picture as it is once source is called target: what is told about a renamed tree is told on top of that."""
    moved = {target + path[len(source):]: entry for path, entry in picture_before.items() if _below(path, source)}
    kept = {path: entry for path, entry in picture_before.items() if not _below(path, source) and not _below(path, target)}
    return {**kept, **moved}


def expected_changes(before, after):
    """What `isle status` has to say: {path: kind}, new and deleted directories as one change each."""
    result = {}
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        parent = _parent(path)
        if old is None:
            # Inside a new directory, unless that took the place of something else: also then, told by its parent.
            if path != "/" and before.get(parent, {}).get("type") != "directory" and parent in after:
                continue
            result[path] = "create"
        elif new is None:
            if path != "/" and after.get(parent, {}).get("type") != "directory" and parent in before:
                continue
            result[path] = "delete"
        elif old["type"] != new["type"]:
            result[path] = "replace"
        elif old["content"] != new["content"] or old.get("size") != new.get("size"):
            result[path] = "modify"
        elif any(old.get(key) != new.get(key) for key in ("mode", "uid", "gid", "xattrs")):
            result[path] = "metadata"
    return result


def compare_changes(status, before, after, ignore=()):
    """One line for each difference between what a status document tells and what it has to tell."""
    problems = []
    start = before
    renames = [change for change in status["changes"] if change["kind"] == "rename"]
    targets = set()
    for change in sorted(renames, key=lambda change: _told_path(change, "from")):
        source, target = _told_path(change, "from"), _told_path(change)
        targets.add(target)
        if source not in before or target not in after:
            problems.append("%r renamed to %r: no such thing" % (source, target))
        if before.get(source, {}).get("type") != after.get(target, {}).get("type"):
            problems.append("%r renamed to %r: not the same type" % (source, target))
        start = rename_in(start, source, target)
    # What came to the old name of a rename, or lay below it, is what it is without the renamed.
    want = {path: kind for path, kind in expected_changes(start, after).items()
            if path not in targets and not any(_below(path, tree) for tree in ignore)}
    got = {}
    for change in status["changes"]:
        path = _told_path(change)
        if change["kind"] == "rename":
            continue
        if path in got:
            problems.append("%r is listed twice" % path)
        got[path] = change["kind"]
        problems += _check_numbers(path, change, start, after)
    problems += ["%s: told %s, should be %s" % (ascii(path), got.get(path), want.get(path))
                 for path in sorted(set(want) | set(got)) if want.get(path) != got.get(path)]
    return problems


def _check_numbers(path, change, before, after):
    """size, mode, uid and gid of the document against the pictures."""
    problems = []
    for side, there in (("before", before.get(path)), ("after", after.get(path))):
        told = change.get(side)
        if told is None or there is None or there["type"] not in ("file", "directory"):
            continue
        keys = ["mode", "uid", "gid"] + (["size"] if there["type"] == "file" else [])
        for key in keys:
            if key in told and told[key] != there[key]:
                problems.append("%r: %s.%s is told as %r, is %r" % (path, side, key, told[key], there[key]))
    return problems
