#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever way a program reaches a file of the host, it is on record: opens.c says what was delivered to it.
# runs-as: root user
# time-limit: 240
. "$(dirname "$0")/../lib.sh"
need gcc python3

H=$T/host
here=$(dirname "$0")
mkdir "$H"
gcc -O1 -pthread -o "$T/opens" "$here/opens.c"
gcc -O1 -pthread -static -o "$T/opens-static" "$here/opens.c"

fill() { for file; do mkdir -p "$(dirname "$file")"; printf host >"$file"; done; }
cd "$H" || exit
fill plain/{a,b,c,d,e,f} dots/{a,b,c,d} links/{a,b,sub/c} nofollow/{a,b} opath/{a,b,c,d,e} magic/{a,b,c,d,e,f,g,h} \
	resolve/root/etc/{a,b,c,d,e} missing/file writing/{excl,cut,cut2,cut3,short} threads/{before,sub/after} \
	threads/t{0..31} shared/{before,sub/after} jail/etc/{a,b,c,d} undumpable/a edges/{a,b} renames/a closed/sub/a \
	moved/{a,b} carried/{a,b,c,d,e,x,tree/f,tree/g,tree/y,tree/deep/h}
mkdir -p dots/sub nofollow/sub nofollow/sub2 missing/sub again linkat_empty spawn threadexec bytes deep deepown renames/00000000 carried/sub
ln -s a links/link; ln -s ../links/b links/up; ln -s sub links/dir; ln -s link2 links/chain; ln -s dir/c links/link2
ln -s gone links/dangling; ln -s loop links/loop
ln -s a nofollow/link; ln -s b nofollow/other; ln -s sub nofollow/dir; ln -s sub2 nofollow/dir2
ln -s /proc/self magic/self; ln -s /dev/stdin magic/input
ln -s /etc/c resolve/root/absolute; ln -s /etc/d jail/absolute
for name in one two three four; do cp /bin/true spawn/$name; done
cp /bin/true threadexec/prog
printf '#!/bin/sh\nexit 0\n' >spawn/script
printf '#!/bin/sh\nexit 0\n' >spawn/outer
cp spawn/outer spawn/outer2
printf '#!%s/spawn/outer\n' "$H" >spawn/nested
printf '#!outer2\n' >spawn/relative
chmod +x spawn/*
python3 - <<'PY'
import os
for b in range(1, 256):
    if b not in (47, 46):
        with open(b"bytes/" + bytes([b]), "wb") as f:
            f.write(b"host")
open("bytes/x (deleted)", "w").write("host")
# Down to where no path reaches; made and removed level by level.
top = os.open("deep", os.O_RDONLY)
at = top
for i in range(4096):
    os.mkdir("d", dir_fd=at)
    below = os.open("d", os.O_RDONLY, dir_fd=at)
    os.close(at)
    at = below
with os.fdopen(os.open("a", os.O_WRONLY | os.O_CREAT, dir_fd=at), "w") as f:
    f.write("host")
PY

# compare ISLE CASE: what the program said against what is on record.
compare() {
	isle trace --json "$1" >"$T/json"
	python3 - "$H" "$T/said" "$T/json" "$2" <<'PY'
import base64, json, sys
top, said, record, case = sys.argv[1:]
d = json.load(open(record))
path = lambda r: r["path"] if "path" in r else base64.b64decode(r["path_b64"]).decode("utf-8", "surrogateescape")
seen = {}
for r in d["reads"]:
    entry = seen.setdefault(path(r), [set(), False])
    entry[0].update(r["how"])
    entry[1] |= not r["existed"]
bad = []
if case == "deepown":
    bad += [p for p in seen if p.startswith(top + "/deepown/own")]
for line in open(said, errors="surrogateescape"):
    kind, _, name = line.rstrip("\n").partition(" ")
    how, absent = seen.get(top + "/" + name, (set(), False))
    if kind == "lost":
        good = not d["runs"][0]["complete"]
    elif kind == "missing":
        good = absent
    elif kind == "own":
        good = not how & {"content", "exec", "link", "list"}
    elif kind == "lookup":
        good = bool(how)
    else:
        good = kind in how
    if not good:
        bad.append(f"{kind} {name}: recorded are {sorted(how)}{', missing' if absent else ''}")
if case != "deep":
    bad += [] if d["runs"][0]["complete"] else ["incomplete"]
for line in bad:
    print(case + ":", line)
sys.exit(bool(bad))
PY
}

failed=
for program in opens opens-static; do
	for case in $("$T/opens"); do
		[ $program = opens ] || [[ $case =~ ^(plain|opath|threads|spawn)$ ]] || continue
		name=$case
		[ $program = opens ] || name=$case-static
		status=0
		"$ISLE" run -q --keep --net none -n "$name" -- "$T/$program" "$case" >"$T/said" || status=$?
		[ $status -ne 77 ] || continue
		[ $status -eq 0 ] || { echo "$case: status $status"; failed=1; }
		compare "$name" "$case" || failed=1
	done
done
[ -z "$failed" ] || fail "not all of it is on record"
python3 -c '
import os, shutil
def down(name):
    at = os.open(name, os.O_RDONLY)
    for i in range(4096):
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.unlink("a", dir_fd=at)
    for i in range(4096):
        above = os.open("..", os.O_RDONLY, dir_fd=at)
        os.rmdir("d", dir_fd=above)
        os.close(at)
        at = above
down("deep")'
