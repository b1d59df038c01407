# SPDX-License-Identifier: Apache-2.0
"""What rarer calls on files do, as text: corners.py DIRECTORY

Attributes, flags, times, holes, locks, links of unnamed files, handles, names of any length, inheritance from directories: one line for each case
with its outcome. Run in two places, the two texts are to be the same. The objects are made by --make, so that in an isle they can be the host's.
"""
import array
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
ROOT = os.getuid() == 0
CWD, NOW, OMIT = -100, (1 << 30) - 1, (1 << 30) - 2
GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
EMPTY, FOLLOW, NOFOLLOW = 0x1000, 0x400, 0x100
FILES = ('read', 'flags', 'xattr', 'times', 'hole', 'punch', 'map', 'lock', 'link', 'handle', 'mode', 'acl', 'seek', 'append', 'direct')


def make(top):
    os.umask(0o022)
    os.makedirs(top)
    os.chdir(top)
    for name in FILES:
        with open(name, 'wb') as f:
            f.write(b'0123456789abcdef' * 1024)
    with open('sparse', 'wb') as f:
        f.truncate(4 << 20)
        f.seek(2 << 20)
        f.write(b'x' * 4096)
    os.mkdir('setgid')
    os.chmod('setgid', 0o2775)
    os.mkdir('sticky')
    os.chmod('sticky', 0o1777)
    os.mkdir('default')
    os.mkdir('dir')
    os.mkdir('empty')
    os.mkdir('flagged')
    open('sticky/file', 'w').close()
    os.symlink('read', 'symlink')
    os.symlink('loop', 'loop')
    for name in FILES + ('sparse', 'setgid', 'sticky', 'default', 'dir', 'empty', 'flagged', '.'):
        os.utime(name, (1000000000, 1000000000))


def call(name, *args):
    value = getattr(libc, name)(*args)
    if value < 0:
        raise OSError(ctypes.get_errno(), name)
    return value


def case(name, f, *args):
    try:
        result = f(*args)
        print(name, '|', 'ok' if result is None else f'ok {result}')
    except OSError as e:
        print(name, '|', errno.errorcode[e.errno])


def opened(path, flags=os.O_RDWR, mode=0o666):
    return os.open(path, flags | os.O_CLOEXEC, mode)


def acl(*entries):
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)


def attributes():
    for space in ('user', 'trusted', 'security', 'system', 'nothing', 'user.', ''):
        name = space if space.endswith('.') or not space else space + '.x'
        for target in ('xattr', 'dir', 'symlink'):
            case(f'setxattr {name} {target}', lambda: os.setxattr(target, name, b'v', follow_symlinks=False))
            case(f'getxattr {name} {target}', lambda: os.getxattr(target, name, follow_symlinks=False))
            case(f'removexattr {name} {target}', lambda: os.removexattr(target, name, follow_symlinks=False))
    case('create attribute', os.setxattr, 'xattr', 'user.a', b'1', os.XATTR_CREATE)
    case('create again', os.setxattr, 'xattr', 'user.a', b'2', os.XATTR_CREATE)
    case('replace missing', os.setxattr, 'xattr', 'user.b', b'2', os.XATTR_REPLACE)
    case('replace', os.setxattr, 'xattr', 'user.a', b'3', os.XATTR_REPLACE)
    case('value', os.getxattr, 'xattr', 'user.a')
    case('empty value', os.setxattr, 'xattr', 'user.empty', b'')
    case('long name', os.setxattr, 'xattr', 'user.' + 'n' * 250, b'v')
    case('longer name', os.setxattr, 'xattr', 'user.' + 'n' * 251, b'v')
    case('large value', os.setxattr, 'xattr', 'user.large', b'v' * 2000)
    case('list', lambda: sorted(n for n in os.listxattr('xattr') if n.startswith('user.'))[:3])
    case('short buffer', lambda: call('getxattr', b'xattr', b'user.large', ctypes.create_string_buffer(10), 10))
    case('overlay attribute', os.setxattr, 'xattr', 'user.overlay.opaque', b'y')
    case('overlay attribute of directory', os.setxattr, 'dir', 'user.overlay.opaque', b'y')
    case('its value', os.getxattr, 'dir', 'user.overlay.opaque')
    case('overlay attribute listed', os.listxattr, 'dir')


def flags():
    for name, bit in (('immutable', 0x10), ('append', 0x20), ('nodump', 0x40), ('noatime', 0x80), ('sync', 8), ('unknown', 1 << 30)):
        for target in ('flags', 'flagged'):
            fd = opened(target, os.O_RDONLY)

            def change(on):
                value = array.array('l', [0])
                fcntl.ioctl(fd, GETFLAGS, value)
                value[0] = value[0] | bit if on else value[0] & ~bit
                fcntl.ioctl(fd, SETFLAGS, value)
            case(f'set {name} {target}', change, True)
            case(f'write to {name} {target}', lambda: os.close(opened(target if target == 'flags' else target + '/new', os.O_WRONLY | os.O_CREAT)))
            case(f'append to {name} {target}', lambda: os.close(opened(target, os.O_WRONLY | os.O_APPEND)))
            case(f'rename {name} {target}', lambda: (os.rename(target, 'elsewhere'), os.rename('elsewhere', target))[2:])
            case(f'link {name} {target}', lambda: (os.link(target, 'other'), os.unlink('other'))[2:])
            case(f'chmod {name} {target}', os.chmod, target, 0o755)
            case(f'clear {name} {target}', change, False)
            os.close(fd)


def utimens(path, times, how=0):
    values = struct.pack('4q', *[v for pair in times for v in pair]) if times else None
    call('utimensat', CWD, os.fsencode(path), values, how)
    st = os.lstat(path)
    return [t // 10 ** 9 if t < 2 * 10 ** 18 and t // 10 ** 9 < 1_700_000_000 else 'now' for t in (st.st_atime_ns, st.st_mtime_ns)]


def times():
    case('both', utimens, 'times', ((5, 1), (6, 2)))
    case('omit first', utimens, 'times', ((7, OMIT), (8, 3)))
    case('omit second', utimens, 'times', ((9, 4), (10, OMIT)))
    case('omit both', utimens, 'times', ((0, OMIT), (0, OMIT)))
    case('now and omit', utimens, 'times', ((0, NOW), (0, OMIT)))
    case('now both', utimens, 'times', ((0, NOW), (0, NOW)))
    case('none', utimens, 'times', None)
    case('too many nanoseconds', utimens, 'times', ((1, 10 ** 9), (1, 0)))
    case('negative nanoseconds', utimens, 'times', ((1, -1), (1, 0)))
    case('before 1970', utimens, 'times', ((-5, 0), (-6, 0)))
    case('after 2038', utimens, 'times', ((1 << 31, 0), (1, 0)))
    case('of link', utimens, 'symlink', ((11, 0), (12, 0)), NOFOLLOW)
    case('of directory', utimens, 'dir', ((11, 0), (12, 0)))
    case('missing', utimens, 'missing', ((1, 0), (1, 0)))
    case('unknown flag', utimens, 'times', ((1, 0), (1, 0)), 0x8000)
    case('of file below file', utimens, 'times/x', ((1, 0), (1, 0)))


def names():
    long = 'n' * 255
    case('255 bytes', lambda: os.close(opened(long, os.O_CREAT | os.O_WRONLY)))
    case('renamed to 255 bytes', lambda: (os.rename(long, 'm' * 255), os.unlink('m' * 255))[2:])
    case('256 bytes', lambda: opened(long + 'n', os.O_CREAT | os.O_WRONLY))
    case('mkdir 256', os.mkdir, long + 'n')
    case('symlink 256', os.symlink, 'x', long + 'n')
    case('rename to 256', os.rename, 'seek', long + 'n')
    case('255 bytes not UTF-8', lambda: (os.close(opened(b'\xff' * 255, os.O_CREAT | os.O_WRONLY)), os.unlink(b'\xff' * 255))[2:])
    case('path of 4096', lambda: os.stat('./' * 2047 + 'ab'))
    case('path of 4095', lambda: os.stat('./' * 2045 + 'seek').st_size)
    case('target of 4095', lambda: (os.symlink('t' * 4095, 'longlink'), len(os.readlink('longlink')), os.unlink('longlink'))[1])
    case('target of 4096', os.symlink, 't' * 4096, 'longlink')
    case('empty target', os.symlink, '', 'emptylink')
    case('newline', lambda: (os.mkdir('new\nline'), os.rmdir('new\nline'))[2:])
    for path in ('loop', 'loop/x', 'read/x', 'missing/x', '', 'read/', 'dir/', 'symlink/', 'dir/.', 'dir/..'):
        case(f'open {path!r}', lambda: os.close(opened(path, os.O_RDONLY)))
        case(f'create {path!r}', lambda: os.close(opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
        case(f'mkdir {path!r}', os.mkdir, path)
        case(f'rmdir {path!r}', os.rmdir, path) if 'dir' not in path else None
        case(f'unlink {path!r}', os.unlink, path) if path not in ('loop',) else None


def renames():
    for what in range(8):
        case(f'rename flags {what}, missing', call, 'renameat2', CWD, b'missing', CWD, b'other', what)
        case(f'rename flags {what}, same', call, 'renameat2', CWD, b'mode', CWD, b'mode', what & 3)
    case('whiteout', call, 'renameat2', CWD, b'mode', CWD, b'moved', 4)
    case('what is left', lambda: (stat.S_IFMT(os.lstat('mode').st_mode), os.lstat('mode').st_rdev))
    case('across', os.rename, 'mode', '/dev/shm/corners')
    case('link across', os.link, 'read', '/dev/shm/corners')
    case('link of link', lambda: (os.link('symlink', 'hardlink', follow_symlinks=False), os.lstat('hardlink').st_nlink, os.unlink('hardlink'))[1])
    case('link through link', lambda: (call('linkat', CWD, b'symlink', CWD, b'hardlink', FOLLOW), os.lstat('hardlink').st_size,
                                       os.unlink('hardlink'))[1])
    case('link flags', call, 'linkat', CWD, b'read', CWD, b'x', 1)
    case('link of descriptor', lambda: call('linkat', opened('read'), b'', CWD, b'bydesc', EMPTY))


def unnamed():
    fd = opened('.', os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b'text')
    case('link of unnamed', call, 'linkat', CWD, b'/proc/self/fd/%d' % fd, CWD, b'named', FOLLOW)
    case('its mode', lambda: oct(os.stat('named').st_mode))
    case('onto it', call, 'linkat', CWD, b'/proc/self/fd/%d' % fd, CWD, b'named', FOLLOW)
    os.close(fd)
    fd = opened('.', os.O_TMPFILE | os.O_RDWR | os.O_EXCL)
    case('link of exclusive', call, 'linkat', CWD, b'/proc/self/fd/%d' % fd, CWD, b'named2', FOLLOW)
    os.close(fd)
    case('unnamed to read', lambda: opened('.', os.O_TMPFILE | os.O_RDONLY))
    case('unnamed in file', lambda: opened('read', os.O_TMPFILE | os.O_RDWR))


def data():
    for name, mode in (('plain', 0), ('keep size', 1), ('punch', 3), ('punch without', 2), ('collapse', 8), ('zero', 16), ('insert', 32), ('unknown', 0x1000)):
        fd = opened('punch')
        case(f'fallocate {name}', lambda: (call('fallocate', fd, mode, ctypes.c_long(4096), ctypes.c_long(4096)), os.fstat(fd).st_size)[1])
        case(f'fallocate {name} nothing', lambda: call('fallocate', fd, mode, ctypes.c_long(0), ctypes.c_long(0)))
        os.close(fd)
    case('fallocate to read', lambda: call('fallocate', opened('punch', os.O_RDONLY), 0, ctypes.c_long(0), ctypes.c_long(4096)))
    case('content', lambda: sum(open('punch', 'rb').read()))
    fd = opened('sparse')
    for where in (0, 1 << 20, 2 << 20, (2 << 20) + 4096, (4 << 20) - 1, 4 << 20):
        case(f'data from {where}', lambda: os.lseek(fd, where, os.SEEK_DATA))
        case(f'hole from {where}', lambda: os.lseek(fd, where, os.SEEK_HOLE))
    os.close(fd)
    fd = opened('map')
    area = mmap.mmap(fd, 0)
    other = opened('map', os.O_RDONLY)
    area[:4] = b'MAPS'
    case('seen by read', os.pread, other, 4, 0)
    os.pwrite(fd, b'WRIT', 8)
    case('seen in map', lambda: bytes(area[8:12]))
    case('map to read', lambda: mmap.mmap(other, 0, mmap.MAP_SHARED, mmap.PROT_WRITE))
    reading = mmap.mmap(opened('append', os.O_RDONLY), 0, mmap.MAP_SHARED, mmap.PROT_READ)
    case('private map of file', lambda: reading[:4])
    fd = opened('append', os.O_WRONLY | os.O_APPEND)
    case('pwrite appends', lambda: (os.pwrite(fd, b'end', 0), os.fstat(fd).st_size)[1])
    case('copy_file_range', lambda: os.copy_file_range(opened('read', os.O_RDONLY), opened('seek'), 100, 0, 10))
    case('truncate to much', os.truncate, 'seek', 1 << 62)
    case('truncate to less', os.truncate, 'seek', -1)
    case('seek before', lambda: os.lseek(opened('seek'), -1, os.SEEK_SET))


def locks():
    one, two = opened('lock'), opened('lock')
    case('flock', fcntl.flock, one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    case('flock again', fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    case('flock shared', fcntl.flock, two, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.flock(one, fcntl.LOCK_UN)
    span = struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 10, 0)
    case('OFD lock', lambda: fcntl.fcntl(one, 37, span) and None)
    case('OFD lock again', lambda: fcntl.fcntl(two, 37, span))
    case('OFD lock beside', lambda: fcntl.fcntl(two, 37, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 10, 10, 0)) and None)
    case('lease', fcntl.fcntl, opened('mode2', os.O_CREAT | os.O_RDWR), 1024, fcntl.F_WRLCK)

    def by_other():
        pid = os.fork()
        if pid == 0:
            try:
                fcntl.lockf(opened('lock'), fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)
                os._exit(0)
            except OSError as e:
                os._exit(e.errno)
        return errno.errorcode.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 'ok')
    case('POSIX lock of another', by_other)
    fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)
    case('POSIX lock held', by_other)


def handles():
    handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + b'\0' * 128)
    mount = ctypes.c_int()
    case('name_to_handle_at', lambda: call('name_to_handle_at', CWD, b'handle', handle, ctypes.byref(mount), 0) and None)
    case('open_by_handle_at', lambda: os.close(call('open_by_handle_at', opened('.', os.O_RDONLY), handle, os.O_RDONLY)))


def inheritance():
    user, mask = os.getuid(), 0xffffffff
    default = acl((1, 7, mask), (2, 6, user), (4, 5, mask), (16, 7, mask), (32, 0, mask))
    case('default ACL', os.setxattr, 'default', 'system.posix_acl_default', default)
    case('of a file', os.setxattr, 'acl', 'system.posix_acl_default', default)
    for mask_bits in (0o022, 0o077):
        os.umask(mask_bits)
        for what, f in (('file', lambda p: os.close(opened(p, os.O_CREAT | os.O_WRONLY, 0o666))), ('directory', os.mkdir), ('fifo', os.mkfifo)):
            for parent in ('default', 'setgid', 'sticky'):
                path = f'{parent}/{what}{mask_bits}'
                case(f'new {what} in {parent}, umask {mask_bits:o}', f, path)
                case(' its mode', lambda: oct(os.lstat(path).st_mode))
                case(' its attributes', lambda: [(n, os.getxattr(path, n)) for n in sorted(os.listxattr(path)) if n.startswith('system.')])
    os.umask(0o022)
    minimal = acl((1, 6, mask), (4, 4, mask), (32, 0, mask))
    case('minimal ACL', os.setxattr, 'acl', 'system.posix_acl_access', minimal)
    case('its mode', lambda: oct(os.stat('acl').st_mode))
    case('ACL without mask', os.setxattr, 'acl', 'system.posix_acl_access', acl((1, 6, mask), (2, 6, user), (4, 4, mask), (32, 0, mask)))
    case('ACL with mask', os.setxattr, 'acl', 'system.posix_acl_access', acl((1, 6, mask), (2, 6, user), (4, 4, mask), (16, 6, mask), (32, 0, mask)))
    case('its mode', lambda: oct(os.stat('acl').st_mode))
    os.chmod('acl', 0o640)
    case('after chmod', os.getxattr, 'acl', 'system.posix_acl_access')
    case('no ACL', os.setxattr, 'acl', 'system.posix_acl_access', b'\x02')
    case('set-group-ID lost by write', lambda: (os.chmod('seek', 0o6755), os.pwrite(opened('seek'), b'x', 0), oct(os.stat('seek').st_mode))[2])
    case('rmdir of what is not empty', os.rmdir, 'sticky')
    case('times of a directory move', lambda: (os.utime('dir', (1, 1)), os.mkdir('dir/new'), os.stat('dir').st_mtime > 1)[2])
    case('links of a directory', lambda: os.stat('sticky').st_size > 0)


def main():
    if sys.argv[1] == '--make':
        make(sys.argv[2])
        return
    os.chdir(sys.argv[1])
    os.umask(0o022)
    for part in (attributes, flags, times, names, renames, unnamed, data, locks, handles, inheritance):
        print('--', part.__name__)
        part()


main()
