#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle run --write PATH as root, where another user controls a directory on the way. What PATH leads to is looked up once, and that
# is what is mounted; no link that the user controls is followed.
# runs-as: root
# time-limit: 240
. "$(dirname "$0")/../lib.sh"
need setpriv python3
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"

: "${WRITE_RACES:=200}"
user=$ISLE_TEST_USER
chmod 711 "$T"
R=$T/secret # of root alone
U=$T/home   # of the user
mkdir -m 700 "$R"
mkdir "$R/y" "$U"
echo root >"$R/file"
echo "root's" >"$R/y/kept"
mkdir -p "$U/real/y" "$U/links"
echo user >"$U/real/file"
ln -s "$R" "$U/links/x"
chown -R -h "$user:" "$U"

run() {
	isle run -q --discard --net none --no-track "$@" 2>"$T/err"
}
untouched() {
	same "$(ls -A "$R") $(ls -A "$R/y") $(cat "$R/file")" "file
y kept root" "${1:-}"
}

# --- what is refused, and what is not ---
cd /
status_is 125 run --write "$U/links/x/y" -- touch "$U/links/x/y/won"
has "$(cat "$T/err")" "the symbolic link x lies in $U/links, which belongs to user $(id -u "$user")" "hint: "
untouched "a link in a user's directory"
ln -s "$R/file" "$U/links/last"
chown -h "$user:" "$U/links/last"
status_is 125 run --write "$U/links/last" -- sh -c "echo won >$U/links/last"
has "$(cat "$T/err")" "the symbolic link last lies in"
untouched "a link as the last component"
# One that belongs to root, but in a directory where the user can put another.
chown -h root: "$U/links/last"
status_is 125 run --write "$U/links/last" -- true
mkdir -m 1777 "$T/sticky"
mkdir -m 775 "$T/group"
chgrp "$user" "$T/group"
for where in sticky group; do
	ln -s "$R" "$T/$where/x"
	chown -h "$user:" "$T/$where/x"
	status_is 125 run --write "$T/$where/x/y" -- touch "$R/y/won"
	has "$(cat "$T/err")" "the symbolic link x "
	untouched "a link in a $where directory"
done
if command -v setfacl >/dev/null && mkdir "$T/acl" && setfacl -m "u:$user:rwx" "$T/acl" 2>/dev/null; then
	ln -s "$R" "$T/acl/x"
	status_is 125 run --write "$T/acl/x/y" -- true
fi
# Root's own links lead where they always did: in directories of root's, and in a sticky one.
mkdir "$T/data"
ln -s data "$T/to-data"
ln -s ../to-data/. "$T/sticky/to-data"
for path in "$T/to-data" "$T/sticky/to-data"; do
	run --write "$path" -- touch "$T/data/made" || fail "$(cat "$T/err")"
	exists "$T/data/made"
	rm "$T/data/made"
done
# A user's directory without any link.
run --write "$U/real/y" --write "$U/real/file" -- sh -c "echo x >$U/real/y/made; echo isle >$U/real/file" || fail "$(cat "$T/err")"
exists "$U/real/y/made"
content "$U/real/file" isle
# What is not there.
status_is 125 run --write "$U/nothing" -- true
has "$(cat "$T/err")" "cannot make $U/nothing writable: No such file or directory"
# A user has no more rights through a link than without: it is followed.
as_user ln -s real "$U/mine"
as_user "$ISLE" run -q --discard --net none --write "$U/mine/y" -- touch "$U/real/y/of-user"
exists "$U/real/y/of-user"

# --- races ---
# The user makes x by turns a directory and a link to what is root's alone.
cat >"$T/exchange.py" <<'END'
import ctypes, os, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
a, b = (os.fsencode(path) for path in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
    time.sleep(random.random() * 0.004)
END
race() {
	local what=$1 path=$2 i refused=0 done=0
	setpriv --reuid "$user" --regid "$user" --clear-groups python3 "$T/exchange.py" "$U/race/x" "$U/race/other" &
	local racer=$!
	for ((i = 0; i < WRITE_RACES; i++)); do
		if run --write "$path" -- sh -c "touch $path/won 2>/dev/null; echo won >$path 2>/dev/null; :"; then
			done=$((done + 1))
		else
			refused=$((refused + 1))
		fi
		if [ -e "$R/y/won" ] || [ "$(cat "$R/file")" != root ]; then
			kill "$racer"
			fail "$what: try $i reached what is root's"
		fi
	done
	kill "$racer"
	wait "$racer" 2>/dev/null || true
	untouched "$what"
	echo "$what: $done runs, $refused refused"
	rm -rf "$U/race"
}
mkdir -p "$U/race/x/y"
ln -s "$R" "$U/race/other"
chown -R -h "$user:" "$U/race"
race "a directory on the way, a link" "$U/race/x/y"
mkdir -p "$U/race/x"
echo user >"$U/race/x/file"
ln -s "$R" "$U/race/other"
chown -R -h "$user:" "$U/race"
race "a directory on the way of a file" "$U/race/x/file"
mkdir -p "$U/race/x"
ln -s "$R/y" "$U/race/other"
chown -R -h "$user:" "$U/race"
race "the last component, a link" "$U/race/x"
cd /
