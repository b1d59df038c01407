# SPDX-License-Identifier: Apache-2.0
"""renames.py DIRECTORY: renames, one after the other, in a tree that make_renames.sh has made; prints the outcome of each and then the
whole tree."""
import ctypes, errno, os, stat, sys

libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2
AT_FDCWD = -100


def outcome(what, f, *args):
    try:
        f(*args)
        print(what, 'ok')
    except OSError as e:
        print(what, errno.errorcode[e.errno])


def renameat2(a, b, flags=0, adir=AT_FDCWD, bdir=AT_FDCWD):
    if libc.renameat2(adir, os.fsencode(a), bdir, os.fsencode(b), flags) < 0:
        raise OSError(ctypes.get_errno(), 'renameat2')


def show(top):
    for directory, names, files in os.walk(top):
        names.sort()
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            st = os.lstat(path)
            text = ''
            if stat.S_ISREG(st.st_mode):
                mode = st.st_mode & 0o7777
                text = open(path).read().strip() if mode & 0o400 else '?'
            elif stat.S_ISLNK(st.st_mode):
                text = os.readlink(path)
            print(os.path.relpath(path, top), oct(st.st_mode), int(st.st_mtime) if st.st_mtime < 1e9 else '-',
                  st.st_nlink if not stat.S_ISDIR(st.st_mode) else '-', text)


top = sys.argv[1]
os.chdir(top)
me = os.getuid()
outcome('plain', os.rename, 'plain', 'moved')
outcome('moved again', os.rename, 'moved', 'moved again')
outcome('slashes', os.rename, 'slashes/', 'slashed/')
outcome('into another', os.rename, 'inner/deep', 'outer/deep')
outcome('back', os.rename, 'outer/deep', 'inner/deep')
outcome('onto empty', os.rename, 'onto', 'empty')
outcome('onto new empty', lambda: (os.mkdir('newempty'), os.rename('onto2', 'newempty')))
outcome('onto full', os.rename, 'full', 'full2')
outcome('onto emptied', lambda: (os.unlink('emptied/a'), os.rename('full3', 'emptied')))
outcome('into itself', os.rename, 'itself', 'itself/below')
outcome('onto parent', os.rename, 'itself/child', 'itself')
outcome('onto file', os.rename, 'dir', 'file')
outcome('file onto directory', os.rename, 'file', 'dir')
outcome('missing', os.rename, 'missing', 'x')
outcome('missing parent', os.rename, 'dir', 'missing/x')
outcome('dot', os.rename, 'dir/.', 'x')
outcome('dotdot', os.rename, 'itself/child/..', 'x')
outcome('to dot', os.rename, 'dir', '.')
outcome('empty name', os.rename, 'dir', '')
outcome('long name', os.rename, 'dir', 'n' * 256)
outcome('same', os.rename, 'dir', 'dir')
outcome('noreplace, there', renameat2, 'nr1', 'nr2', NOREPLACE)
outcome('noreplace, empty there', renameat2, 'nr1', 'nr3', NOREPLACE)
outcome('noreplace', renameat2, 'nr1', 'nr4', NOREPLACE)
outcome('exchange two', renameat2, 'ex1', 'ex2', EXCHANGE)
outcome('exchange with file', renameat2, 'ex3', 'ex3file', EXCHANGE)
outcome('exchange with new', lambda: (os.mkdir('ex5'), open('ex5/new', 'w').write('new'), renameat2('ex4', 'ex5', EXCHANGE)))
outcome('exchange with file/', renameat2, 'dir', 'file/', EXCHANGE)
outcome('exchange of file/', renameat2, 'file/', 'dir', EXCHANGE)
outcome('exchange missing', renameat2, 'dir', 'missing', EXCHANGE)
outcome('exchange with below', renameat2, 'itself', 'itself/child', EXCHANGE)
outcome('bad flags', renameat2, 'dir', 'x', NOREPLACE | EXCHANGE)
outcome('unknown flag', renameat2, 'dir', 'x', 64)
fd = os.open('at', os.O_RDONLY)
outcome('at', renameat2, 'one', 'two', 0, fd, fd)
outcome('bad descriptor', renameat2, 'one', 'two', 0, 999, fd)
outcome('file as descriptor', lambda: renameat2('one', 'two', 0, os.open('file', os.O_RDONLY), fd))
outcome('through link', os.rename, 'link/below', 'link/below2')
outcome('the link itself', os.rename, 'link', 'link2')
outcome('link with slash', os.rename, 'link2/', 'link3')
outcome('onto link', os.rename, 'dir', 'link2')
outcome('from closed', os.rename, 'closed/d', 'x') if me else None
outcome('into closed', os.rename, 'dir', 'closed/x') if me else None
outcome('closed to another parent', os.rename, 'ro', 'outer/ro') if me else None
outcome('closed within its parent', os.rename, 'ro', 'ro2')
outcome('closed below', os.rename, 'robelow', 'robelow2')
outcome('written', lambda: (open('written/old', 'a').write('more'), os.mkdir('written/newdir'), os.unlink('written/gone'),
                            os.rename('written', 'written2')))
outcome('names can be used again', lambda: (os.rename('again', 'again2'), os.mkdir('again'), open('again/x', 'w').write('x'),
                                            os.rename('again', 'again3'), os.rename('again2', 'again')))
f = open('open/file', 'r+')
outcome('open file', os.rename, 'open', 'opened')
f.write('WRITTEN')
f.close()
outcome('many', os.rename, 'many', 'manymore')
show('.')
