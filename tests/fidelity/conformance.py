# SPDX-License-Identifier: Apache-2.0
"""What calls on files do, as text: conformance.py DIRECTORY

Some thousands of cases of rename, link, unlink, rmdir, mkdir, mknod, symlink, open, truncate, chmod, chown, utimensat and
extended attributes: each kind of object, in directories of several owners and modes, by root and by others. One line
for each with its outcome (ok or the name of the errno) and what the object looks like then. Run in two places, the two texts are
to be the same. The objects are made by --make, so that in an isle they can be the host's.
"""
import ctypes
import errno
import fcntl
import itertools
import os
import shutil
import socket
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
ROOT = os.getuid() == 0
OWNER, GROUP, OTHER = (65531, 65532, 65533) if ROOT else (os.getuid(),) * 3
KINDS = 'file', 'directory', 'full', 'symlink', 'dangling', 'fifo', 'socket', 'char', 'block'
# name, owner, group, mode
PLACES = (('own', OWNER, OWNER, 0o755), ('group', OTHER, GROUP, 0o775), ('sticky', 0 if ROOT else OWNER, OWNER, 0o1777),
          ('stickyown', OWNER, OWNER, 0o1775), ('closed', OWNER, OWNER, 0o555), ('setgid', OWNER, GROUP, 0o2775))
# name, uid, gid, groups
USERS = ((('root', 0, 0, []), ('owner', OWNER, OWNER, []), ('member', 65500, 65500, [GROUP]), ('other', OTHER, OTHER, []))
         if ROOT else (('owner', OWNER, OWNER, None),))


def kinds():
    return KINDS if ROOT else KINDS[:7]


def make_object(path, kind):
    if kind == 'file':
        with open(path, 'w') as f:
            f.write('content\n')
    elif kind in ('directory', 'full'):
        os.mkdir(path)
        if kind == 'full':
            open(path + '/in', 'w').close()
    elif kind == 'symlink':
        open(path + '.target', 'w').close()
        os.symlink(os.path.basename(path) + '.target', path)
    elif kind == 'dangling':
        os.symlink('nowhere', path)
    elif kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'socket':
        here = os.open('.', os.O_RDONLY)
        os.chdir(os.path.dirname(path))
        s = socket.socket(socket.AF_UNIX)
        s.bind(os.path.basename(path))
        s.close()
        os.fchdir(here)
        os.close(here)
    elif kind == 'char':
        os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 3))
    elif kind == 'block':
        os.mknod(path, stat.S_IFBLK | 0o644, os.makedev(7, 200))
    if ROOT:
        os.lchown(path, OWNER, GROUP)


def nodes_for(operation):
    """The objects each case of an operation works on: place, user, first kind, second kind."""
    two = operation in ('rename', 'exchange', 'link')
    for place, user, kind in itertools.product(PLACES, USERS, kinds()):
        seconds = ('none',) + tuple(k for k in kinds() if k in ('file', 'directory', 'full', 'symlink', 'fifo')) if two else ('none',)
        for second in seconds:
            yield place, user, kind, second


def outcome(f, *args):
    try:
        result = f(*args)
        return 'ok' if result is None else f'ok {result}'
    except OSError as e:
        return errno.errorcode[e.errno]


def renameat2(a, b, flags):
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), flags) < 0:
        raise OSError(ctypes.get_errno(), 'renameat2')


def opened(path, flags):
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    os.close(fd)


OPERATIONS = {
    'rename': lambda a, b: os.rename(a, b),
    'exchange': lambda a, b: renameat2(a, b, 2),
    'link': lambda a, b: os.link(a, b, follow_symlinks=False),
    'unlink': lambda a, b: os.unlink(a),
    'rmdir': lambda a, b: os.rmdir(a),
    'mkdir': lambda a, b: os.mkdir(a),
    'mkdir below': lambda a, b: os.mkdir(a + '/new', 0o2777),
    'symlink': lambda a, b: os.symlink('x', b),
    'mkfifo': lambda a, b: os.mkfifo(b, 0o666),
    'mknod': lambda a, b: os.mknod(b, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
    'create': lambda a, b: opened(b, os.O_CREAT | os.O_EXCL | os.O_RDWR),
    'create there': lambda a, b: opened(a, os.O_CREAT | os.O_EXCL | os.O_WRONLY),
    'read': lambda a, b: opened(a, os.O_RDONLY),
    'write': lambda a, b: opened(a, os.O_WRONLY),
    'truncating open': lambda a, b: opened(a, os.O_WRONLY | os.O_TRUNC),
    'append': lambda a, b: opened(a, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    'open as directory': lambda a, b: opened(a, os.O_RDONLY | os.O_DIRECTORY),
    'open nofollow': lambda a, b: opened(a, os.O_RDONLY | os.O_NOFOLLOW),
    'tmpfile': lambda a, b: opened(os.path.dirname(a), os.O_RDWR | os.O_TMPFILE),
    'truncate': lambda a, b: os.truncate(a, 3),
    'lengthen': lambda a, b: os.truncate(a, 5000),
    'chmod': lambda a, b: os.chmod(a, 0o6755),
    'chmod sticky': lambda a, b: os.chmod(a, 0o1644),
    'chown': lambda a, b: os.chown(a, OTHER, OTHER),
    'chgrp': lambda a, b: os.lchown(a, -1, GROUP),
    'lchown': lambda a, b: os.lchown(a, OWNER, OWNER),
    'utime': lambda a, b: os.utime(a, (1, 2)),
    'utime now': lambda a, b: os.utime(a, follow_symlinks=False),
    'access': lambda a, b: [os.access(a, m) for m in (os.R_OK, os.W_OK, os.X_OK)],
    'user attribute': lambda a, b: os.setxattr(a, 'user.x', b'y', follow_symlinks=False),
    'security attribute': lambda a, b: os.setxattr(a, 'security.x', b'y', follow_symlinks=False),
    'trusted attribute': lambda a, b: os.setxattr(a, 'trusted.x', b'y', follow_symlinks=False),
    'capability': lambda a, b: os.setxattr(a, 'security.capability', struct.pack('<IIIII', 0x02000001, 1 << 10, 0, 0, 0),
                                           follow_symlinks=False),
    'acl': lambda a, b: os.setxattr(a, 'system.posix_acl_access', struct.pack(
        '<IHHIHHIHHIHHIHHI', 2, 1, 7, 0xffffffff, 2, 6, OTHER, 4, 4, 0xffffffff, 16, 6, 0xffffffff, 32, 4, 0xffffffff)),
    'setgid by non-member': lambda a, b: os.chmod(a, 0o2775),
}


def described(path):
    try:
        st = os.lstat(path)
    except OSError as e:
        return errno.errorcode[e.errno]
    names = {OWNER: 'OWNER', GROUP: 'GROUP', OTHER: 'OTHER'}
    size = st.st_size if stat.S_ISREG(st.st_mode) else '-'
    links = st.st_nlink if not stat.S_ISDIR(st.st_mode) else '-'
    return f'{st.st_mode:o} {names.get(st.st_uid, st.st_uid)} {names.get(st.st_gid, st.st_gid)} {size} {links} {st.st_rdev:x}'


def cases():
    for operation in OPERATIONS:
        for number, (place, user, kind, second) in enumerate(nodes_for(operation)):
            yield operation, f'{operation.replace(" ", "-")}/{number}', place, user, kind, second


def make(top):
    os.umask(0)
    for _, where, place, _, kind, second in cases():
        directory = os.path.join(top, where)
        os.makedirs(directory)
        make_object(directory + '/a', kind)
        if second != 'none':
            make_object(directory + '/b', second)
    for _, where, place, *_ in cases():
        if ROOT:
            os.chown(os.path.join(top, where), place[1], place[2])
        os.chmod(os.path.join(top, where), place[3])


def become(user):
    os.setgroups(user[3])
    os.setresgid(user[2], user[2], user[2])
    os.setresuid(user[1], user[1], user[1])


def run_as(user, top):
    """All cases of one user, in a process of its own; lines go to standard output."""
    lines = []
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if ROOT:
        become(user)
    os.umask(0o022)
    for operation, where, place, who, kind, second in cases():
        if who is not user:
            continue
        a, b = (os.path.join(top, where, name) for name in 'ab')
        result = outcome(OPERATIONS[operation], a, b)
        lines.append(f'{operation} | {place[0]} | {user[0]} | {kind} | {second} | {result} | {described(a)} | {described(b)}\n')
    sys.stdout.writelines(lines)
    sys.stdout.flush()
    os._exit(0)


def main():
    if sys.argv[1] == '--make':
        make(sys.argv[2])
        return 0
    os.chdir(sys.argv[1])
    for user in USERS:
        if run_as(user, sys.argv[1]) != 0:
            return 1
    return 0


sys.exit(main())
