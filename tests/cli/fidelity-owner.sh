#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chown: ends inside as outside; with --fake-owner an ordinary user's succeeds and the review shows what was asked for.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

cat >"$T/owners.py" <<'PY'
import ctypes, errno, os, sys

top = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(top)
me, mine = os.getuid(), os.getgid()


def outcome(what, f, *args, **more):
    try:
        f(*args, **more)
        print(what, 'ok')
    except OSError as e:
        print(what, errno.errorcode[e.errno])


def fchownat(fd, path, uid, gid, flags):
    if libc.fchownat(fd, path, ctypes.c_uint(uid), ctypes.c_uint(gid), flags) < 0:
        raise OSError(ctypes.get_errno(), 'fchownat')


for uid, gid in (me, mine), (-1, -1), (0, 0), (0, -1), (-1, 0), (12, 34), (me, 34), (12, mine), (4000000000, 1):
    who = f'{uid if uid != me else "me"}:{gid if gid != mine else "mine"} '
    outcome(who + 'chown', os.chown, 'file', uid, gid)
    outcome(who + 'directory', os.chown, 'dir', uid, gid)
    outcome(who + 'lchown', os.lchown, 'link', uid, gid)
    outcome(who + 'through link', os.chown, 'link', uid, gid)
    outcome(who + 'dangling', os.chown, 'dangling', uid, gid)
    outcome(who + 'dangling itself', os.lchown, 'dangling', uid, gid)
    outcome(who + 'missing', os.chown, 'missing', uid, gid)
    outcome(who + 'in a file', os.chown, 'file/x', uid, gid)
    outcome(who + 'loop', os.chown, 'loop', uid, gid)
    outcome(who + 'long', os.chown, 'n' * 256, uid, gid)
    outcome(who + 'empty', os.chown, '', uid, gid)
    fd = os.open('file', os.O_RDONLY)
    outcome(who + 'fchown', os.fchown, fd, uid, gid)
    outcome(who + 'empty path', fchownat, fd, b'', uid % 2**32, gid % 2**32, 0x1000)
    outcome(who + 'bad flags', fchownat, fd, b'', uid % 2**32, gid % 2**32, 0x4)
    os.close(fd)
    outcome(who + 'closed', os.fchown, 99, uid, gid)
    fd = os.open('file', os.O_PATH)
    outcome(who + 'fchown of a path', os.fchown, fd, uid, gid)
    os.close(fd)
    if me and (uid, gid) != (-1, -1):
        outcome(who + 'of others', os.chown, '/etc/passwd', uid, gid)
        outcome(who + 'closed directory', os.chown, 'closed/x', uid, gid)
    os.chown('file', me, mine)
    os.chown('dir', me, mine)
PY
make() {
	mkdir -p "$1/dir" "$1/closed"
	touch "$1/file" "$1/closed/x"
	ln -s file "$1/link"
	ln -s nowhere "$1/dangling"
	ln -s loop "$1/loop"
	chmod 000 "$1/closed"
}
make "$T/native"
make "$T/isle"
python3 "$T/owners.py" "$T/native" >"$T/native.out"
for options in "" --no-track; do
	isle run -q -n "o$options" $options -- python3 "$T/owners.py" "$T/isle" >"$T/inside.out"
	diff "$T/native.out" "$T/inside.out" >&2 || fail "chown ends differently inside ($options)"
done
is_root && exit 0

owners() {
	status_is 3 isle status --json --all "$1" | python3 -c 'import json, sys
for c in json.load(sys.stdin)["changes"]:
    print(c["path"].split("/")[-1], c["kind"], "%d:%d" % (c["after"]["uid"], c["after"]["gid"]))'
}
P=$T/project
mkdir "$P"
echo old >"$P/old"
echo kept >"$P/kept"
# shellcheck disable=SC2016
isle run -q -n fake --fake-owner -- sh -c 'cd "$1"; chown 0:0 old; echo new >new; chown 12:34 new; chgrp 56 new; mkdir d; chown -R 7:8 d; mv new d/moved
	chown 1:1 kept; chown "$2" kept; ln -s x link; chown -h 9:9 link
	ln -s x back; chown -h 9:9 back; chown -h "$2" back; echo >ro; chmod 400 ro; chown 6:6 ro; chown "$2" ro; ! chown 1 /etc/passwd; ! chown 1 missing' . "$P" "$(id -u):$(id -g)" 2>/dev/null
same "$(owners fake)" "back create $(id -u):$(id -g)
d create 7:8
moved create 12:56
link create $(id -u):$(id -g)
old metadata 0:0
ro create $(id -u):$(id -g)"
text=$(status_is 3 isle status fake)
has "$text" " -> root(0):root(0)"
has "$text" "link  (owner wanted: 9:9)"
same "$(grep -c "owner wanted" <<<"$text")" 2
same "$(status_is 3 isle diff fake | grep "owner wanted" | sort -u)" "#   owner wanted: 0:0
#   owner wanted: 12:56
#   owner wanted: 7:8
#   owner wanted: 9:9"
same "$(status_is 3 isle status --json --all fake | python3 -c 'import json, sys
print(*sorted(c["owner_wanted"] for c in json.load(sys.stdin)["changes"] if "owner_wanted" in c))')" "0:0 12:56 7:8 9:9"
has "$(grep 'project/d/' <<<"$text")" "(owner wanted: "
# As commands; a name that could be taken for something else by a shell or a terminal is not one.
isle run -q -n fake --fake-owner -- sh -c 'cd "$1"; touch "it'"'"'s \$(x) \`y\`"; chown 3:4 it*; touch "$(printf "e\\033[m")"; chown 5:6 e*' . "$P" 2>/dev/null
status_is 3 isle diff --owners fake >"$T/script"
same "$(sed "s|$P/||" "$T/script" | sort)" "$(sort <<'EOF'
# chown -h 5:6: "e\033[m"
chown -h 0:0 -- 'old'
chown -h 12:56 -- 'd/moved'
chown -h 3:4 -- 'it'\''s $(x) `y`'
chown -h 7:8 -- 'd'
chown -h 9:9 -- 'link'
EOF
)"
sh -n "$T/script"

# A user's commit cannot give them away, and carries none of it over.
isle commit -q --yes fake >/dev/null
same "$(isle status fake)" "no changes"
same "$(find "$P" ! -user "$(id -u)" -o ! -group "$(id -g)")" ""
! getfattr -Rhd -m - "$P" 2>/dev/null | grep overlay || fail "an attribute of the overlay is on the host"
