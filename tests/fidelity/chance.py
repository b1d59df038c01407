# SPDX-License-Identifier: Apache-2.0
"""
Operations on files, chosen by chance from a seed: the outcome of each, and then the whole tree. Run in two places, the two texts are to be the
same (chance.sh). The tree is made by --make, so that in an isle it can be the host's.

    chance.py [--links] --make SEED DIRECTORY        --links: with hard links, and told which names are one file
    chance.py [--links] SEED DIRECTORY COUNT

Not done as an ordinary user, for whom a renamed directory is a new one (doc/fidelity.md): what is open of directories, a current directory.
Not as root: set-user-ID bits, times of files.
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import random
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
CWD = -100


def call(name, *args):
    v = getattr(libc, name)(*args)
    if v < 0:
        raise OSError(ctypes.get_errno(), name)
    return v


ROOT = os.getuid() == 0
SUID = 0 if ROOT else 0o4000
NAMES = ['a', 'b', 'c', 'd']


def make(seed, top):
    r = random.Random('make%d' % seed)
    os.umask(0o022)
    os.makedirs(top)
    os.chdir(top)
    files = []

    def fill(d, depth):
        for n in NAMES:
            p = d + '/' + n
            k = r.random()
            if k < 0.35 and depth < 3:
                os.mkdir(p)
                fill(p, depth + 1)
                if r.random() < 0.2:
                    os.chmod(p, r.choice([0o2775, 0o1777, 0o700, 0o555]))
            elif k < 0.6:
                with open(p, 'w') as f:
                    f.write(p * r.randrange(1, 400))
                if r.random() < 0.2:
                    os.setxattr(p, 'user.x', b'host')
                os.chmod(p, r.choice([0o644, 0o600, 0o755, 0o444, 0o664]))
                files.append(p)
            elif k < 0.7:
                os.symlink(r.choice(NAMES + ['../' + n for n in NAMES] + ['gone', '.', '..', os.path.basename(p)]), p)
            elif k < 0.75 and files and LINKS:
                os.link(r.choice(files), p, follow_symlinks=False)
            elif k < 0.78:
                os.mkfifo(p)
    for t in ('t1', 't2'):
        os.mkdir(t)
        fill(t, 0)
    for d, ds, fs in os.walk('.', topdown=False):
        for n in fs + ds:
            os.utime(os.path.join(d, n), (10 ** 9, 10 ** 9), follow_symlinks=False)


class Run:

    def __init__(self, seed):
        self.r = random.Random('run%d' % seed)
        self.fds = []
        self.dirs = []
        self.n = 0

    def path(self):
        r = self.r
        p = r.choice(['t1', 't2']) + ''.join(('/' + r.choice(NAMES) for _ in range(r.choice([0, 1, 1, 1, 2, 2, 2, 3, 3, 4]))))
        k = r.random()
        if k < 0.05:
            p += '/'
        elif k < 0.07:
            p += '/.'
        elif k < 0.09:
            p += '/..'
        elif k < 0.12:
            p = p.replace('/', '//', 1)
        elif k < 0.14:
            p = p.replace('/', '/../' + p[:2] + '/', 1)
        return p

    def at(self):
        r = self.r
        if self.dirs and ROOT and (r.random() < 0.3):
            fd = r.choice(self.dirs)
            return (fd, '/'.join((r.choice(NAMES + ['..']) for _ in range(r.choice([1, 1, 2])))))
        return (CWD, self.path())

    def fd(self):
        return self.r.choice(self.fds) if self.fds else 99

    def step(self):
        r = self.r
        often = ['op_rename'] * 6 + ['op_open'] * 5 + ['op_mkdir'] * 2 + ['op_unlink'] * 2 + ['op_opendir']
        op = r.choice([o for o in dir(self) if o.startswith('op_')] + often)
        try:
            v = getattr(self, op)()
        except OSError as e:
            v = errno.errorcode.get(e.errno, e.errno)
        except ValueError as e:
            v = 'ValueError'
        return (op, v)

    def say(self, *a):
        self.last = a

    def op_rename(self):
        (d1, p1), (d2, p2), f = (self.at(), self.at(), self.r.choice([0, 0, 0, 0, 1, 2, 2, 3, 8]))
        self.say(p1, p2, f)
        call('renameat2', d1, p1.encode(), d2, p2.encode(), f)

    def op_link(self):
        (d1, p1), (d2, p2), f = (self.at(), self.at(), self.r.choice([0, 0, 0x400]))
        self.say(p1, p2, f)
        call('linkat', d1, p1.encode(), d2, p2.encode(), f)

    def op_symlink(self):
        t, p = (self.r.choice(NAMES + ['../' + n for n in NAMES]), self.path())
        self.say(t, p)
        os.symlink(t, p)

    def op_unlink(self):
        d, p = self.at()
        self.say(p)
        call('unlinkat', d, p.encode(), 0)

    def op_rmdir(self):
        d, p = self.at()
        self.say(p)
        call('unlinkat', d, p.encode(), 0x200)

    def op_mkdir(self):
        d, p = self.at()
        m = self.r.choice([0o777, 0o700, 0o2755, 0o1777])
        self.say(p, m)
        call('mkdirat', d, p.encode(), m)

    def op_mknod(self):
        p = self.path()
        m = self.r.choice([stat.S_IFIFO, stat.S_IFREG, stat.S_IFSOCK]) | 0o644
        self.say(p, m)
        os.mknod(p, m)

    def op_chmod(self):
        p = self.path()
        m = self.r.choice([0o644, 0o600, 0o755, 0o755 | SUID, 0o2755 if SUID else 0o751, 0o1777, 0o2775 if SUID else 0o775, 0o700, 0o555])
        self.say(p, m)
        os.chmod(p, m)

    def op_fchmod(self):
        f = self.fd()
        m = self.r.choice([0o644, 0o600, 0o755 | SUID])
        self.say(0, m)
        if ROOT:
            os.fchmod(f, m)

    def op_lchmod(self):
        p = self.path()
        self.say(p)
        v = libc.syscall(452, CWD, p.encode(), 0o640, 0x100)
        if v < 0:
            raise OSError(ctypes.get_errno(), '')

    def op_chown(self):
        p = self.path()
        u, g = self.r.choice([(-1, -1), (os.getuid(), -1), (-1, os.getgid()), (os.getuid(), os.getgid())])
        self.say(p, u, g)
        os.lchown(p, u, g)

    def op_truncate(self):
        p = self.path()
        n = self.r.choice([0, 1, 10, 5000])
        self.say(p, n)
        os.truncate(p, n)

    def op_ftruncate(self):
        f = self.fd()
        n = self.r.choice([0, 1, 10, 5000])
        self.say(0, n)
        os.ftruncate(f, n)

    def op_open(self):
        d, p = self.at()
        f = self.r.choice([0, 0, 1, 2, 2]) | os.O_NONBLOCK
        for b in (os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, os.O_DIRECTORY, os.O_CREAT, os.O_PATH):
            if self.r.random() < 0.25:
                f |= b
        m = self.r.choice([0o666, 0o600, 0o777 | SUID, 0o400])
        self.say(p, oct(f), oct(m))
        fd = call('openat', d, p.encode(), f | os.O_CLOEXEC, m)
        self.fds.append(fd)
        if len(self.fds) > 8:
            os.close(self.fds.pop(0))
        st = os.fstat(fd)
        return stat.S_IFMT(st.st_mode)

    def op_opendir(self):
        p = self.path()
        f = self.r.choice([os.O_PATH, 0])
        self.say(p)
        fd = os.open(p, f | os.O_DIRECTORY)
        self.dirs.append(fd)
        if len(self.dirs) > 5:
            os.close(self.dirs.pop(0))

    def op_write(self):
        f = self.fd()
        self.say(0)
        return os.write(f, b'W%d' % self.n * self.r.randrange(1, 50))

    def op_pwrite(self):
        f = self.fd()
        o = self.r.choice([0, 5, 3000])
        self.say(0, o)
        return os.pwrite(f, b'P%d' % self.n, o)

    def op_read(self):
        f = self.fd()
        self.say(0)
        if stat.S_ISFIFO(os.fstat(f).st_mode):
            return 'fifo'
        return hashlib.md5(os.pread(f, 9000, 0)).hexdigest()[:8]

    def op_cat(self):
        p = self.path()
        self.say(p)
        fd = os.open(p, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return 'fifo'
            return hashlib.md5(os.read(fd, 100000)).hexdigest()[:8]
        finally:
            os.close(fd)

    def op_fstat(self):
        f = self.fd()
        self.say(0)
        st = os.fstat(f)
        if not ROOT and stat.S_ISDIR(st.st_mode):
            return 'directory'
        return (oct(st.st_mode), st.st_size if stat.S_ISREG(st.st_mode) else '-')

    def op_stat(self):
        p = self.path()
        self.say(p)
        st = os.stat(p)
        return (oct(st.st_mode), st.st_size if stat.S_ISREG(st.st_mode) else '-')

    def op_access(self):
        p = self.path()
        m = self.r.choice([1, 2, 4, 6])
        self.say(p, m)
        return os.access(p, m)

    def op_readlink(self):
        p = self.path()
        self.say(p)
        return os.readlink(p)

    def op_list(self):
        p = self.path()
        self.say(p)
        return ','.join(sorted(os.listdir(p)))

    def op_listfd(self):
        if not ROOT:
            return
        if not self.dirs:
            return
        f = self.r.choice(self.dirs)
        self.say()
        return ','.join(sorted(os.listdir(f)))

    def op_utime(self):
        p = self.path()
        t = self.r.randrange(1, 10 ** 8)
        self.say(p, t)
        os.utime(p, (t, t), follow_symlinks=self.r.random() < 0.5)

    def op_setxattr(self):
        p = self.path()
        self.say(p)
        os.setxattr(p, 'user.' + self.r.choice('xy'), b'%d' % self.n, self.r.choice([0, 0, 1, 2]))

    def op_removexattr(self):
        p = self.path()
        self.say(p)
        os.removexattr(p, 'user.' + self.r.choice('xy'))

    def op_listxattr(self):
        p = self.path()
        self.say(p)
        return sorted((x for x in os.listxattr(p) if x.startswith('user.')))

    def op_chdir(self):
        if self.r.random() < 0.7:
            os.fchdir(TOPFD)
            return
        if not ROOT:
            return
        p = self.path()
        self.say(p)
        os.chdir(p)
        return os.path.relpath(os.getcwd(), TOP)

    def op_tmpfile(self):
        p, q = (self.path(), self.path())
        self.say(p, q)
        fd = os.open(p, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            os.write(fd, b'tmp%d' % self.n)
            call('linkat', CWD, b'/proc/self/fd/%d' % fd, CWD, q.encode(), 0x400)
        finally:
            os.close(fd)

    def op_copy(self):
        p, q = (self.path(), self.fd())
        self.say(p)
        fd = os.open(p, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return 'fifo'
            k = self.r.random()
            return os.copy_file_range(fd, q, 50, 0, 3) if k < 0.5 else os.sendfile(q, fd, 0, 70)
        finally:
            os.close(fd)

    def op_fallocate(self):
        f = self.fd()
        m = self.r.choice([0, 1, 3])
        self.say(0, m)
        call('fallocate', f, m, ctypes.c_long(10), ctypes.c_long(100))

    def op_mmap(self):
        f = self.fd()
        self.say(0)
        st = os.fstat(f)
        if not stat.S_ISREG(st.st_mode) or st.st_size == 0:
            return 'no'
        try:
            with mmap.mmap(f, st.st_size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as m:
                m[st.st_size // 2] = 90
        except PermissionError:
            return 'EACCES'

    def op_flock(self):
        p = self.path()
        self.say(p)
        fd = os.open(p, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(fd)

    def op_umask(self):
        m = self.r.choice([0o022, 0o077, 0, 0o027])
        self.say(m)
        return os.umask(m)

    def op_fork(self):
        p = self.path()
        self.say(p)
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(p)
                os.mkdir('c')
                os._exit(0)
            except OSError as e:
                os._exit(e.errno & 255)
        return errno.errorcode.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 'ok')


def show():
    os.chmod(TOPFD, 0o755)
    os.fchdir(TOPFD)
    os.umask(0o022)
    inodes = {}

    def one(p):
        try:
            st = os.lstat(p)
        except OSError as e:
            print('=', p, errno.errorcode[e.errno])
            return
        text = ''
        if stat.S_ISREG(st.st_mode):
            m = st.st_mode
            if not os.access(p, os.R_OK):
                os.chmod(p, 0o600)
            text = hashlib.md5(open(p, 'rb').read()).hexdigest()[:8]
            if not os.access(p, os.R_OK):
                text = '?'
            if m != os.lstat(p).st_mode:
                os.chmod(p, stat.S_IMODE(m))
        elif stat.S_ISLNK(st.st_mode):
            text = os.readlink(p)
        x = []
        if not stat.S_ISLNK(st.st_mode):
            try:
                x = [(n, os.getxattr(p, n)) for n in sorted(os.listxattr(p)) if n.startswith('user.') and 'overlay' not in n]
            except OSError as e:
                x = errno.errorcode[e.errno]
        link = inodes.setdefault((st.st_dev, st.st_ino), p) if not stat.S_ISDIR(st.st_mode) else ''
        t = int(st.st_mtime) if st.st_mtime < 1.1e9 and (stat.S_ISREG(st.st_mode) and (not ROOT) or stat.S_ISLNK(st.st_mode)) else '-'
        size = st.st_size if stat.S_ISREG(st.st_mode) else '-'
        count = st.st_nlink if LINKS and not stat.S_ISDIR(st.st_mode) else '-'
        print('=', p, oct(st.st_mode), size, count, link if LINKS else '', t, text, x)
        if stat.S_ISDIR(st.st_mode):
            try:
                names = sorted(os.listdir(p))
            except OSError as e:
                print('=', p, errno.errorcode[e.errno])
                return
            for n in names:
                one(p + '/' + n)
    for p in ('t1', 't2'):
        one(p)


LINKS = '--links' in sys.argv
argv = [a for a in sys.argv[1:] if a != '--links']
if argv[0] == '--make':
    make(int(argv[1]), argv[2])
else:
    seed, TOP, count = (int(argv[0]), argv[1], int(argv[2]))
    TOPFD = os.open(TOP, os.O_RDONLY)
    os.fchdir(TOPFD)
    os.umask(0o022)
    run = Run(seed)
    for run.n in range(count):
        run.last = ()
        op, v = run.step()
        print(run.n, op, *run.last, '|', v)
    show()
