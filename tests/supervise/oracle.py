#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an isle has on record against what strace saw of the same program outside.

    oracle.py STRACE TRACE.json SNAPSHOT TOP [IGNORE-PATTERN]...

STRACE    the output of strace -f -y -e trace=file,process,fchdir -o STRACE
TRACE     isle trace --json of the run inside
SNAPSHOT  paths below TOP before both runs, NUL between them (find -print0)
TOP       the directory in which the program writes; everything outside of it is the host's

Everything of the host that the kernel delivered to the program outside (content, links, listings, programs, names that
were not found) must be on record; and nothing below TOP that was not in the snapshot may be on record as there. An
IGNORE-PATTERN (regular expression) names paths that differ from run to run.
"""

import base64
import json
import os
import re
import sys

LINE = re.compile(rb"^(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)$", re.S)
UNFINISHED = re.compile(rb"^(\d+) +(.*) <unfinished \.\.\.>$", re.S)
RESUMED = re.compile(rb"^(\d+) +<\.\.\. \w+ resumed>(.*)$", re.S)
STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
# openat(AT_FDCWD</cwd>, "path", FLAGS) = 3</resolved>; the escape \76 stands for ">" within a path
RESULT = re.compile(rb"^<(.*)>")
ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b'"': b'"', b"\\": b"\\"}


def unescape(text):
    def one(match):
        found = match.group(1)
        return ESCAPES[found] if found in ESCAPES else bytes([int(found, 8)])

    return re.sub(rb"\\([0-7]{1,3}|.)", one, text)


def lines(name):
    """Whole calls, in the order in which they ended."""
    begun = {}
    with open(name, "rb") as f:
        for line in f:
            line = line.rstrip(b"\n")
            m = UNFINISHED.match(line)
            if m:
                begun[m.group(1)] = m.group(2)
                continue
            m = RESUMED.match(line)
            if m:
                line = m.group(1) + b" " + begun.pop(m.group(1), b"") + m.group(2)
            m = LINE.match(line)
            if m:
                yield m.group(1), m.group(2).decode(), m.group(3), m.group(4), m.group(5).strip()


def absolute(directory, path):
    return path if path.startswith(b"/") else directory + b"/" + path


def first_missing(path):
    """The first name on the way that is not there, without links; None when all of it is."""
    at = b""
    parts = [p for p in path.split(b"/") if p not in (b"", b".")]
    links = 0
    while parts:
        part = parts.pop(0)
        if part == b"..":
            at = os.path.dirname(at)
            at = b"" if at == b"/" else at
            continue
        here = at + b"/" + part
        try:
            target = os.readlink(here)
        except OSError:
            if not os.path.lexists(here):
                return here
            at = here
            continue
        links += 1
        if links > 40:
            return None
        parts = [p for p in target.split(b"/") if p not in (b"", b".")] + parts
        at = b"" if target.startswith(b"/") else at
    return None


class Oracle:
    def __init__(self, top, snapshot):
        self.top = top
        self.host = snapshot
        self.own = set()  # what the program wrote, outside as inside
        self.wanted = {}  # (kind, path) -> the call
        self.cwd = {}

    def is_own(self, path):
        if path in self.own:
            return True
        return (path + b"/").startswith(self.top + b"/") and path not in self.host

    def want(self, kind, path, call):
        if kind == "missing":
            parent = os.path.dirname(path)
            if path in self.host or path in self.own or (self.is_own(parent) and parent != self.top):
                return
        elif self.is_own(path):
            return
        self.wanted.setdefault((kind, path), call)

    def links_of(self, path, call, last=True):
        """Links on the way of a path that was followed."""
        at = b""
        parts = [p for p in path.split(b"/") if p not in (b"", b".")]
        for _ in range(200):
            if not parts or (len(parts) == 1 and not last):
                return
            part = parts.pop(0)
            if part == b"..":
                at = os.path.dirname(at) if at.count(b"/") > 1 else b""
                continue
            here = at + b"/" + part
            if os.path.islink(here) and not here.startswith((b"/proc/", b"/dev/")):
                self.want("link", here, call)
                target = os.readlink(here)
                parts = [p for p in target.split(b"/") if p not in (b"", b".")] + parts
                at = b"" if target.startswith(b"/") else at
            else:
                at = here

    def call(self, pid, name, args, value, rest):
        strings = [unescape(s) for s in STRING.findall(args)]
        m = re.match(rb"(?:AT_FDCWD|\d+)<(.*?)>, ", args)
        base = unescape(m.group(1)) if m else None
        if name in ("open", "creat", "readlink", "execve", "unlink", "rename", "mkdir", "chdir", "link", "symlink"):
            base = self.cwd.get(pid)
        failed = value.startswith(b"-")
        missing = b"ENOENT" in rest
        text = (name + "(" + args.decode(errors="replace") + ") = " + value.decode() + " " + rest.decode(errors="replace"))[:300]
        if not strings or (base is None and not strings[0].startswith(b"/")):
            return
        path = absolute(base or b"", strings[0])
        if name in ("open", "openat", "openat2", "creat"):
            self.opened(path, args, failed, missing, rest, text)
        elif name in ("execve", "execveat"):
            if not failed:
                self.want("exec", os.path.realpath(path), text)
                self.links_of(path, text)
            elif missing:
                self.not_found(path, text)
        elif name in ("readlink", "readlinkat"):
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if not failed:
                self.want("link", real, text)
            elif missing:
                self.not_found(path, text)
        elif not failed:
            self.changed(name, strings, args, base, path)

    def not_found(self, path, text):
        gone = first_missing(path)
        if gone is not None:
            self.want("missing", gone, text)

    def opened(self, path, args, failed, missing, rest, text):
        if failed:
            if missing and b"O_CREAT" not in args:
                self.not_found(path, text)
            return
        m = RESULT.match(rest)
        if not m or b"O_TMPFILE" in args or b"O_PATH" in args:
            return
        real = unescape(m.group(1))
        if not real.startswith(b"/"):
            return
        if b"O_TRUNC" in args or (b"O_CREAT" in args and b"O_EXCL" in args):
            self.own.add(real)
            return
        if b"O_CREAT" in args and real.startswith(self.top + b"/") and real not in self.host:
            self.own.add(real)
        if b"O_DIRECTORY" in args or os.path.isdir(real):
            self.want("list", real, text)
        else:
            self.want("content", real, text)
        self.links_of(path, text, b"O_NOFOLLOW" not in args)
        if b"O_WRONLY" in args or b"O_RDWR" in args:
            self.own.add(real)

    def changed(self, name, strings, args, base, path):
        if name in ("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"):
            dirs = re.findall(rb"(?:AT_FDCWD|\d+)<(.*?)>, ", args)
            base2 = unescape(dirs[-1]) if dirs else base
            if len(strings) > 1 and base2 is not None or strings[-1].startswith(b"/"):
                self.own.add(os.path.normpath(absolute(base2 or b"", strings[-1])))
            if name.startswith("rename"):
                self.own.add(os.path.normpath(path))
        elif name in ("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat"):
            self.own.add(os.path.normpath(path))


# Content and programs are both reads of all of a file; a name that is missing may be known to be so from a listing.
STANDS_FOR = {"content": {"content"}, "exec": {"exec"}, "link": {"link"}, "list": {"list"}}


def main():
    strace, trace, snapshot, top = sys.argv[1:5]
    ignore = [re.compile(p.encode()) for p in sys.argv[5:]]
    ignore += [re.compile(p) for p in (rb"^/(proc|sys|dev)(/|$)", rb"\.core$")]
    top = os.fsencode(os.path.realpath(top))
    with open(snapshot, "rb") as f:
        host = set(f.read().split(b"\0")) - {b""}
    oracle = Oracle(top, host)
    for pid, name, args, value, rest in lines(strace):
        oracle.call(pid, name, args, value, rest)

    with open(trace, "rb") as f:
        record = json.load(f)
    seen, absent = {}, set()
    for read in record["reads"]:
        path = base64.b64decode(read["path_b64"]) if "path_b64" in read else os.fsencode(read["path"])
        seen.setdefault(path, set()).update(read["how"])
        if not read["existed"]:
            absent.add(path)
    bad = [f"incomplete: {run}" for run in record["runs"] if not run["complete"]]
    count = 0
    for (kind, path), call in oracle.wanted.items():
        if any(p.search(path) for p in ignore):
            continue
        count += 1
        if kind == "missing":
            good = path in absent
        else:
            good = bool(STANDS_FOR[kind] & seen.get(path, set()))
        if not good:
            bad.append(f"not on record: {kind} {os.fsdecode(path)} {sorted(seen.get(path, []))}\n      {call}")
    for path, how in seen.items():
        below = path.startswith(top + b"/")
        if below and path not in absent and path not in host and not any(p.search(path) for p in ignore):
            bad.append(f"the isle's own, on record as read: {os.fsdecode(path)} {sorted(how)}")
    print(f"{count} things read outside, {len(seen)} on record, {len(bad)} differences")
    for line in bad[:40]:
        print("  " + line)
    if count < 5:
        print("the oracle saw next to nothing")
    return 1 if bad or count < 5 else 0


sys.exit(main())
