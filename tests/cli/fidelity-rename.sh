#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Renames of directories, and renames and links between the layers of an isle, end inside as they do on the host.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

# What is done, one after the other, in a tree of its own; prints the outcome of each and then the whole tree.
cat >"$T/renames.py" <<'PY'
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
PY
cat >"$T/make" <<'SH'
#!/bin/bash
# make DIRECTORY: the tree that renames.py works on.
set -eu
mkdir -p "$1"
cd "$1"
mkdir -p plain/a/b slashes inner/deep outer onto onto2 empty full full2 full3 emptied itself/child dir nr1 nr2 nr3 ex1 ex2 ex3 ex4 \
	at/one link.d/below closed/d ro robelow/ro/x written/sub again open many
for i in plain/old plain/a/old plain/a/b/f slashes/f inner/deep/f onto/f onto2/f full/a full2/a full3/b emptied/a itself/child/f dir/f file \
	nr1/f nr2/f ex1/1 ex2/2 ex3/3 ex3file ex4/4 at/one/f link.d/below/f closed/d/f ro/f robelow/ro/f robelow/ro/x/f written/old \
	written/gone written/sub/f again/f open/file; do
	echo "content of $i" >"$i"
	touch -d '2001-02-03 04:05:06' "$i"
done
for i in $(seq 300); do echo "$i" >many/$i; done
ln plain/old plain/a/hard
ln -s ../nowhere plain/a/dangling
ln -s link.d link
mkfifo plain/fifo
chmod 2750 plain/a
chmod 0640 plain/old
chmod 0500 robelow/ro
chmod 0500 ro
chmod 0555 closed
find . -exec touch -hd '2001-02-03 04:05:06' {} +
SH

D=$T/host
bash "$T/make" "$D/native"
bash "$T/make" "$D/isle"
before=$(tree_of "$D/isle")
python3 "$T/renames.py" "$D/native" >"$T/native"
for options in "" --no-track; do
	isle run -q -n "r$options" $options -- python3 "$T/renames.py" "$D/isle" >"$T/inside"
	diff "$T/native" "$T/inside" >&2 || fail "renames end differently inside ($options)"
done
same "$(tree_of "$D/isle")" "$before" "the host's tree"

# The review says where a directory that was made anew had been.
if ! is_root; then
	mkdir -p "$D/review/d/sub"
	echo x >"$D/review/d/sub/f"
	isle run -q -n review -- sh -c 'cd "$1"; mv d e; mv e f' . "$D/review"
	has "$(isle status review || true)" "A  $D/review/f/  (2 entries, 2 B)  (was $D/review/d)"
	has "$(isle status --json review || true)" "\"moved_from\":\"$D/review/d\""
	isle commit -q --yes review
	same "$(cd "$D/review" && find . | sort | xargs)" ". ./f ./f/sub ./f/sub/f"
	isle undo -q --yes
	same "$(cd "$D/review" && find . | sort | xargs)" ". ./d ./d/sub ./d/sub/f"
fi

# Each top-level directory is a layer of its own for a user; here both are on one file system of the host.
cat >"$T/across.py" <<'PY'
import os, sys
sys.argv[1:], (a, b) = sys.argv[1:2], sys.argv[2:4]
exec(open(sys.argv[1]).read().split('top = sys.argv[1]')[0])
A, B = lambda name: os.path.join(a, name), lambda name: os.path.join(b, name)
outcome('directory', os.rename, A('plain'), B('moved'))
outcome('file', os.rename, A('file'), B('file2'))
outcome('onto file', os.rename, A('ex3file'), B('ex1/1'))
outcome('link', os.rename, A('link'), B('linked'))
outcome('fifo', os.rename, B('plain/fifo'), A('fifo'))
outcome('onto empty', os.rename, A('onto'), B('empty'))
outcome('onto full', os.rename, A('full'), B('full2'))
outcome('file onto directory', os.rename, A('ex1/1'), B('dir'))
outcome('onto file', os.rename, A('dir'), B('file'))
outcome('file with slash', os.rename, A('ex1/1') + '/', B('x'))
outcome('file to slash', os.rename, A('ex1/1'), B('x/'))
outcome('missing', os.rename, A('missing'), B('x'))
outcome('noreplace', renameat2, A('nr1'), B('nr2'), NOREPLACE)
outcome('noreplace new', renameat2, A('nr1'), B('nr9'), NOREPLACE)
outcome('exchange', renameat2, A('ex2'), B('ex4'), EXCHANGE)
outcome('exchange with file', renameat2, A('itself/child/f'), B('ex3'), EXCHANGE)
outcome('from closed', os.rename, A('closed/d'), B('x'))
outcome('to closed', os.rename, A('dir'), B('closed/x'))
outcome('closed', os.rename, A('ro'), B('ro9'))
outcome('hard link', os.link, A('dir/f'), B('dir/g'))
outcome('hard link there', os.link, A('dir/f'), B('full/a'))
outcome('hard link of directory', os.link, A('dir'), B('x'))
outcome('hard link missing', os.link, A('missing'), B('x'))
outcome('hard link closed', os.link, A('dir/f'), B('closed/x'))
outcome('hard link of link', os.link, A('plain2/a/dangling'), B('dangling'))
outcome('to memory', os.rename, A('dir'), '/dev/shm/x')
os.unlink(A('dir/f'))
os.unlink(B('dir/f'))
os.rename(B('dir/g'), B('dir/f'))
show(a)
show(b)
PY
if ! is_root && [ "$(stat -c %d "$HOME")" = "$(stat -c %d "$T")" ]; then
	H=$(mktemp -d "$HOME/isle-test.XXXXXX")
	at_end 'chmod -R u+rwx "$H"; rm -rf "$H"'
	for where in native isle; do
		bash "$T/make" "$D/across.$where"
		bash "$T/make" "$H/$where"
	done
	before=$(tree_of "$H/isle")
	python3 "$T/across.py" "$T/renames.py" "$D/across.native" "$H/native" >"$T/native"
	isle run -q -n across -- python3 "$T/across.py" "$T/renames.py" "$D/across.isle" "$H/isle" >"$T/inside"
	diff "$T/native" "$T/inside" >&2 || fail "renames between layers end differently inside"
	same "$(tree_of "$H/isle")" "$before" "the host's tree"
fi
