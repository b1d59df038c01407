#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Renames of directories, and renames and links between the layers of an isle, end inside as they do on the host.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3 setfacl setfattr

helpers=$(readlink -f "$(dirname "$0")/../helpers")
cp "$helpers/renames.py" "$T/renames.py"
cp "$helpers/make_renames.sh" "$T/make"

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

# A rename does not look into what it moves: its owner may have closed it to himself.
cat >"$T/closed.sh" <<'SH'
set -eu
cd "$1"
python3 - <<'PY'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for old, new, flags in ('d1', 'new', 0), ('t/d2', 't/new', 0), ('d3', 'd4', 2), ('d5', 'f', 2), ('d6', 't/d6', 0):
    error = ctypes.get_errno() if libc.renameat2(-100, old.encode(), -100, new.encode(), flags) < 0 else 0
    print(old, new, os.strerror(error))
PY
look() { find . -printf '%p %y %m %s\n' 2>/dev/null | sed -E 's/ d ([0-9]+) .*/ d \1/' | sort; }
look
getfacl new 2>/dev/null
chmod -R u+rwX . || true
getfattr -d new
look
SH
if ! is_root; then
	for where in native isle; do
		mkdir -p "$D/shut/$where/t"
		cd "$D/shut/$where"
		mkdir -p d1/in/er t/d2/in d3/in d4/in d5 d6
		tee d1/f d1/in/f t/d2/f d3/f d4/f d5/f d6/f f <<<text >/dev/null
		setfattr -n user.x -v 1 d1
		setfacl -m "u:$(id -u):rx" d1/in
		setfacl -m "g:$(id -g):rx" d1
		chmod 000 d1/in/er
		chmod 0500 d1/in
		chmod u= d1
		chmod 0200 t/d2
		chmod 0640 d3
		chmod 0 d5 d6
		cd "$T"
	done
	modes=$(cd "$D/shut/isle" && stat -c '%n %a' d1 t/d2 d3 d5 d6)
	bash "$T/closed.sh" "$D/shut/native" >"$T/native"
	isle run -q -n shut -- bash "$T/closed.sh" "$D/shut/isle" >"$T/inside"
	diff "$T/native" "$T/inside" >&2 || fail "closed directories are renamed differently inside"
	has "$(cat "$T/native")" "d5 f Success"
	same "$(cd "$D/shut/isle" && stat -c '%n %a' d1 t/d2 d3 d5 d6)" "$modes" "what the host has"
	chmod -R u+rwX "$D/shut"
fi

# While a large tree is moved other programs go on; what is made in it meanwhile is not lost.
if ! is_root; then
	mkdir "$D/large"
	for i in $(seq 20); do
		mkdir "$D/large/$i"
		(cd "$D/large/$i" && seq 250 | xargs touch)
	done
	isle run -q -n large -- python3 - "$D" <<'PY'
import os, sys, threading, time
os.chdir(sys.argv[1])
took, made = [], []

def move():
    start = time.monotonic()
    os.rename('large', 'moved')
    took.append(time.monotonic() - start)

def make():
    for i in range(1000):
        try:
            open(f'large/7/made{i}', 'w').close()
        except FileNotFoundError:
            return
        made.append(i)

threads = [threading.Thread(target=f) for f in (move, make)]
for t in threads:
    t.start()
worst = 0
while not took:
    start = time.monotonic()
    os.close(os.open('/etc/hostname', os.O_RDONLY))
    worst = max(worst, time.monotonic() - start)
for t in threads:
    t.join()
assert worst < took[0] / 2, f'an open took {worst} s of {took[0]} s'
files = [name for _, _, names in os.walk('moved') for name in names]
assert len(files) == 5000 + len(made), (len(files), len(made))
assert not os.path.exists('large')
PY
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
