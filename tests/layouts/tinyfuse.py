# SPDX-License-Identifier: Apache-2.0
"""
A FUSE file system without libfuse: an empty directory, spoken over /dev/fuse as fuse(4) describes. For the two cases that
matter and that no ordinary server gives at will: a mount that only its owner may enter (no allow_other), and
one whose server is dead.
"""
import ctypes
import errno
import os
import signal
import struct

IN_HEADER = struct.Struct("<IIQQIIII")
OUT_HEADER = struct.Struct("<IiQ")
LOOKUP, GETATTR, OPEN, STATFS, READ, RELEASE, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, DESTROY, FORGET = (
    1, 3, 14, 17, 15, 18, 26, 27, 28, 29, 34, 38, 2)


def _attributes(owner):
    return struct.pack("<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o040755, 2, owner, owner, 0, 4096, 0)


def _answer(opcode, owner):
    """Payload, or a negative errno."""
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 9, 65536, 1, 16, 0, *([0] * 8))
    if opcode == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + _attributes(owner)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<QII", 1, 0, 0)
    if opcode in (READ, READDIR, RELEASE, RELEASEDIR, ACCESS, DESTROY):
        return b""
    if opcode == STATFS:
        return struct.pack("<QQQQQIIII6I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *([0] * 6))
    if opcode == LOOKUP:
        return -errno.ENOENT
    return -errno.ENOSYS


def _loop(device, owner):
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                continue
            os._exit(0)
        _, opcode, unique, *_ = IN_HEADER.unpack_from(request)
        if opcode == FORGET:
            continue
        answer = _answer(opcode, owner)
        if isinstance(answer, int):
            answer, status = b"", answer
        else:
            status = 0
        os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(answer), status, unique) + answer)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def serve(place, owner, dead=False):
    """Mounts at `place`. The server is a child: its process id is returned, None for a dead one."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = "fd=%d,rootmode=40755,user_id=%d,group_id=%d" % (device, owner, owner)
    if libc.mount(b"tinyfuse", os.fsencode(place), b"fuse.tinyfuse", 6, options.encode()) < 0:
        raise OSError(ctypes.get_errno(), "mounting FUSE at %s" % place)
    if dead:
        os.close(device)
        return None
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        for fd in (0, 1, 2):
            os.dup2(os.open("/dev/null", os.O_RDWR), fd)
        _loop(device, owner)
    os.close(device)
    return pid
