#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Device nodes: whoever may make them outside makes them inside, where they are files like others that nobody can open.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

cat >"$T/nodes.py" <<'PY'
import ctypes, errno, os, stat, struct, sys

top = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)


def outcome(what, f, *args, **more):
    try:
        f(*args, **more)
        print(what, 'ok')
    except OSError as e:
        print(what, errno.errorcode[e.errno])


def child(f, *args):
    """What f does in a process of its own."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            f(*args)
        except OSError as e:
            code = e.errno
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, '')


def as_other(uid, powers, path):
    """As a user without or, but for those over other people's files, with the powers of root."""
    if powers:
        libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([4321])
    os.setgid(1235)
    os.setuid(uid)
    if powers:
        header = struct.pack('Ii', 0x20080522, 0)
        bits = 1 << 27  # CAP_MKNOD
        if libc.capset(header, struct.pack('IIIIII', bits, bits, 0, 0, 0, 0)) < 0:
            raise OSError(ctypes.get_errno(), 'capset')
    node(path)


def node(path, kind=stat.S_IFCHR, device=os.makedev(1, 3), mode=0o666, dir_fd=None):
    os.mknod(path, kind | mode, device, dir_fd=dir_fd)


def in_chroot():
    os.chroot('root')
    os.chdir('/')
    node('/dev/null')
    node('dev/rel')
    node('/abs/through', stat.S_IFBLK)
    node('../../../../escaped')
    os.stat('/escaped')


os.chdir(top)
for d in 'open', 'setgid', 'root', 'root/dev', 'root/real', 'other', 'group':
    os.mkdir(d)
os.chmod('open', 0o1777)
os.chmod('setgid', 0o2777)
os.symlink('open', 'link')
os.symlink('/real', 'root/abs')
os.symlink('nowhere', 'dangling')
open('file', 'w').close()
if os.getuid() == 0:
    os.chown('setgid', 7, 8)
    os.chown('other', 1234, 1235)
    os.chown('group', 1, 4321)
    os.chmod('other', 0o700)
    os.chmod('group', 0o770)
os.umask(0o027)
outcome('character', node, 'c')
outcome('block', node, 'b', stat.S_IFBLK, os.makedev(8, 17), 0o640)
outcome('large numbers', node, 'l', stat.S_IFBLK, os.makedev(3210, 654321), 0o600)
outcome('block 0:0', node, 'b0', stat.S_IFBLK, 0)
outcome('modes', node, 'm', stat.S_IFCHR, os.makedev(1, 5), 0o7777)
os.umask(0)
outcome('no umask', node, 'u', mode=0o622)
outcome('there', node, 'c')
outcome('there, a link', node, 'dangling')
outcome('missing', node, 'missing/x')
outcome('in a file', node, 'file/x')
outcome('slash', node, 'x/')
outcome('dot', node, '.')
outcome('empty', node, '')
outcome('long', node, 'n' * 256)
outcome('through a link', node, 'link/t')
fd = os.open('open', os.O_RDONLY)
outcome('at', node, 'at', dir_fd=fd)
outcome('setgid', node, 'setgid/s')
outcome('fifo', os.mkfifo, 'fifo')
outcome('fifo as node', node, 'fifo2', stat.S_IFIFO)
outcome('file as node', node, 'file2', stat.S_IFREG)
outcome('a bad type', node, 'bad', 0o120000)
if os.getuid() == 0:
    outcome('somebody', child, as_other, 1234, False, 'open/somebody')
    outcome('somebody with the power', child, as_other, 1234, True, 'other/s')
    outcome('by the group', child, as_other, 1234, True, 'group/s')
    outcome('where it may not', child, as_other, 1236, True, 'other/s2')
    outcome('chroot', child, in_chroot)
outcome('rename', os.rename, 'c', 'c2')
outcome('link', os.link, 'c2', 'c3')
outcome('chmod', os.chmod, 'c3', 0o600)
outcome('chown', os.chown, 'c3', os.getuid(), os.getgid())
outcome('unlink', os.unlink, 'b0')
outcome('move', os.rename, 'b', 'open/b')
for directory, names, files in os.walk('.'):
    names.sort()
    for name in sorted(names + files):
        path = os.path.join(directory, name)
        st = os.lstat(path)
        print(path, oct(st.st_mode), st.st_uid, st.st_gid, os.major(st.st_rdev), os.minor(st.st_rdev), st.st_nlink if not stat.S_ISDIR(st.st_mode) else '-')
PY

mkdir -p "$T/native" "$T/isle"
python3 "$T/nodes.py" "$T/native" >"$T/native.out"
for options in "" --no-track; do
	isle run -q -n "n$options" $options -- python3 "$T/nodes.py" "$T/isle" >"$T/inside.out"
	diff "$T/native.out" "$T/inside.out" >&2 || fail "nodes are made differently inside ($options)"
done
same "$(ls -A "$T/isle")" "" "the host"

# overlayfs writes a deletion down as 0:0; nobody can make one.
status_is 1 isle run -q -n w -- mknod "$T/isle/w" c 0 0 2>/dev/null
is_root || exit 0

# No device is behind a node of the view, whatever it is called.
isle run -q -n open -- bash -c 'cd "$1"; mknod null c 1 3; mknod kmem c 1 1; chmod 666 null kmem; ! { : <null; } && ! { : >kmem; }' . \
	"$T/isle" 2>"$T/err" || fail "a device could be opened: $(cat "$T/err")"
has "$(cat "$T/err")" "Permission denied"

# Without the power to make nodes there are none, and none in what --write shows of the host, in memory or in /dev.
status_is 1 isle run -q -n power -- setpriv --bounding-set -mknod --inh-caps -mknod mknod "$T/isle/x" c 1 3 2>/dev/null
mkdir "$T/shared"
status_is 1 isle run -q -n write --write "$T/shared" -- mknod "$T/shared/x" c 1 3 2>/dev/null
absent "$T/shared/x"
status_is 1 isle run -q -n dev -- mknod /dev/x c 1 3 2>/dev/null
status_is 1 isle run -q -n shm -- mknod /dev/shm/x c 1 3 2>/dev/null

# A node is a flagged change, and a commit makes it on the host when that is allowed.
isle run -q -n commit -- mknod -m 640 "$T/isle/node" b 7 99
has "$(isle status commit)" "device"
status_is 6 isle commit commit --yes >/dev/null 2>&1
absent "$T/isle/node"
isle commit commit --yes --allow=device >/dev/null
same "$(stat -c '%F %t:%T %a' "$T/isle/node")" "block special file 7:63 640"
