# SPDX-License-Identifier: Apache-2.0
"""
The independent oracle: a picture of a tree with every property that a commit has to keep, and the difference of
two pictures in the words of `isle status --json`.

A picture is a dict {path: object}. Names are bytes decoded with surrogateescape, so that they survive JSON. Times are
kept exactly where they are old and become "now" where they are not older than `epoch`: the test writes the trees it
compares at different moments, but what the test did not touch keeps its (old) time.
"""
import hashlib
import os
import stat

TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
}


def _content(path, info):
    """Digest of a plain file, the target of a symbolic link, the numbers of a device."""
    if stat.S_ISREG(info.st_mode):
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while True:
                    block = file.read(1 << 20)
                    if not block:
                        break
                    digest.update(block)
        except OSError as error:
            return "unreadable:%d" % error.errno
        return digest.hexdigest()[:24]
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


def picture(roots, epoch=1_600_000_000, skip=()):
    """The objects at and below `roots`, mounts included; `skip` names trees to leave out."""
    result, links = {}, {}
    skip = {os.fsencode(path) for path in skip}
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
        todo.extend(base + b"/" + name for name in names)
    for group in links.values():
        for path in group:
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


def expected_changes(before, after):
    """What `isle status` has to say: {path: kind}, new and deleted directories as one change each."""
    result = {}
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        if old is None:
            if _parent(path) not in before or before[_parent(path)]["type"] != "directory":
                if _parent(path) in after and path != "/":
                    continue
            result[path] = "create"
        elif new is None:
            if _parent(path) not in after or after[_parent(path)]["type"] != "directory":
                if _parent(path) in before and path != "/":
                    continue
            result[path] = "delete"
        elif old["type"] != new["type"]:
            result[path] = "replace"
        elif old["content"] != new["content"] or old.get("size") != new.get("size"):
            result[path] = "modify"
        elif any(old.get(key) != new.get(key) for key in ("mode", "uid", "gid", "xattrs")):
            result[path] = "metadata"
    return result


def reported_changes(status, before, after):
    """The changes of a status document as {path: kind}; a rename is told as its two ends."""
    result, problems = {}, []
    import base64
    for change in status["changes"]:
        path = change.get("path")
        if path is None:
            path = os.fsdecode(base64.b64decode(change["path_b64"]))
        kind = change["kind"]
        if path in result and not (kind == "create" and result[path] == "delete"):
            problems.append("%r is listed twice" % path)
        if kind == "rename":
            source = change.get("from")
            if source is None:
                source = os.fsdecode(base64.b64decode(change["from_b64"]))
            result.setdefault(source, "delete")
            old = before.get(path)
            if old is None:
                kind = "create"
            else:
                kind = "modify" if old["type"] == after[path]["type"] else "replace"
        result[path] = kind
        problems += _check_numbers(path, change, before, after)
    return result, problems


def _check_numbers(path, change, before, after):
    """size, mode, uid and gid of the document against the pictures."""
    problems = []
    old = before.get(path) if change["kind"] != "rename" else None
    for side, there in (("before", old), ("after", after.get(path))):
        told = change.get(side)
        if told is None or there is None or there["type"] not in ("file", "directory"):
            continue
        keys = ["mode", "uid", "gid"] + (["size"] if there["type"] == "file" else [])
        for key in keys:
            if key in told and told[key] != there[key]:
                problems.append("%r: %s.%s is told as %r, is %r" % (path, side, key, told[key], there[key]))
    return problems
