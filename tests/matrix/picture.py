# SPDX-License-Identifier: Apache-2.0
"""
What a tree holds, told by find, getfattr, getfacl and sha256sum, which share nothing with isle.

    picture(root, epoch) -> {path below root: {property: value}}; paths are bytes

Times younger than `epoch` are "now". Of directories neither size, times nor link count are told: they follow from what was done in
them. Instead of a link count a file tells which names it has below root.
"""
import re
import subprocess

FIELDS = ("path", "type", "mode", "uid", "gid", "size", "time", "link", "inode")
FORMAT = "%P\\0%y\\0%m\\0%U\\0%G\\0%s\\0%T@\\0%l\\0%D:%i\\0"


def _run(words, root, text=b""):
    done = subprocess.run(words, cwd=root, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, check=False)
    return done.stdout


def unescape(name):
    """The octal escapes of getfattr and getfacl."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), name)


def _objects(root, epoch):
    parts = _run(["find", ".", "-printf", FORMAT], root).split(b"\0")
    objects, names = {}, {}
    for i in range(0, len(parts) - 1, len(FIELDS)):
        entry = dict(zip(FIELDS, parts[i:i + len(FIELDS)]))
        path = entry.pop("path")
        inode = entry.pop("inode")
        if entry["type"] == b"d":
            del entry["size"], entry["time"]
        else:
            names.setdefault(inode, []).append(path)
            if float(entry["time"]) >= epoch:
                entry["time"] = b"now"
        objects[path] = entry
    for group in names.values():
        for path in group if len(group) > 1 else ():
            objects[path]["names"] = sorted(group)
    return objects


def _add_contents(root, objects):
    files = [path for path, entry in objects.items() if entry["type"] == b"f"]
    lines = _run(["xargs", "-0r", "sha256sum", "-z", "--"], root, b"".join(b"./" + path + b"\0" for path in files)).split(b"\0")
    for line in lines[:-1]:
        objects[line[66:][2:]]["content"] = line[:64]


def _blocks(text):
    """The paragraphs of getfattr and getfacl: (path, lines)."""
    for block in text.split(b"\n\n"):
        lines = block.strip(b"\n").split(b"\n")
        if lines[0].startswith(b"# file: "):
            path = unescape(lines[0][8:])
            yield (b"" if path == b"." else path[2:] if path.startswith(b"./") else path), lines[1:]


def _add_attributes(root, objects):
    for path, lines in _blocks(_run(["getfattr", "-Rhd", "-m", "-", "-e", "hex", "--", "."], root)):
        lines = [line for line in lines if not line.startswith((b"security.selinux", b"system.posix_acl"))]
        if lines:
            objects[path]["xattrs"] = sorted(lines)
    for path, lines in _blocks(_run(["getfacl", "-RPnps", "--", "."], root)):
        objects[path]["acl"] = [line for line in lines if not line.startswith(b"# ")]


def picture(root, epoch):
    objects = _objects(root, epoch)
    _add_contents(root, objects)
    _add_attributes(root, objects)
    return objects


def differences(want, got):
    """A line for each."""
    lines = []
    for path in sorted(set(want) | set(got)):
        a, b = want.get(path), got.get(path)
        if a is None or b is None:
            lines.append("%s: %s" % (ascii(path), "should not be there" if a is None else "is missing"))
            continue
        lines += ["%s: %s is %s instead of %s" % (ascii(path), key, b.get(key), a.get(key))
                  for key in sorted(set(a) | set(b)) if a.get(key) != b.get(key)]
    return lines
