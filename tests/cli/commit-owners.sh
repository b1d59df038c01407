#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle commit --user: a user's isle is committed with the user's rights, and root gives the owners that were asked for in it: those that
# were shown, of objects that are as they were shown, all or none; whatever the user does meanwhile.
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need python3 setpriv flock
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"

user=$ISLE_TEST_USER
uid=$(id -u "$user")
own=$uid:$(id -g "$user")
chmod 0755 "$T"
P=$T/project
S=$T/store.user
install -d -o "$user" -g "$user" "$P"
install -d -m 0700 -o "$user" -g "$user" "$S"

# user COMMAND...: as the user, in the project, with a store beside it.
user() {
	(cd "$P" && as_user env ISLE_HOME="$S" "$@")
}

# fake NAME SCRIPT: in an isle of the user's.
fake() {
	user "$ISLE" run -q -n "$1" --fake-owner --criteria write -- sh -c "$2"
}

# give STATUS NAME [ARG]...: root commits it; what is said is in $said.
give() {
	local status=$1 got=0
	shift
	said=$("$ISLE" commit --user "$user:$S" "$@" 2>&1) || got=$?
	same "$got" "$status" "status ($said)"
}

owner() {
	stat -c %u:%g -- "$1"
}

# Root's own store is the same as ever, and nobody else gives anything.
status_is 1 env ISLE_HOME="$S" "$ISLE" commit --yes x 2>"$T/said"
has "$(cat "$T/said")" "belongs to user $uid"
has "$(cat "$T/said")" "isle commit --user"
said=$(status_is 1 user "$ISLE" commit --user "$user" --yes x 2>&1)
has "$said" "only root"
said=$(status_is 1 isle commit --user root --yes x 2>&1)
has "$said" "root's own isles"
said=$(status_is 1 isle commit --user no-such-user --yes x 2>&1)
has "$said" "no user 'no-such-user'"

# --- what is wished, is shown, and is given ---
user sh -c 'echo old >old'
fake a 'echo new >>old; chown 12:34 old; mkdir -p d/e; echo f >d/e/f; chown -R 7:8 d; echo r >r; chown 0:0 r; echo mine >mine
	ln -s x link; chown -h 9:9 link; echo ro >ro; chmod 444 ro; chown 5:6 ro; echo h >h1; ln h1 h2; chgrp 77 h1; echo kept >kept; chown 1:1 kept'
give 1 a --allow=root
has "$said" "$P/d/e/f"
has "$said" "-0644"
has "$said" "no terminal"
absent "$P/d"
give 6 a --yes
has "$said" "--allow=root"
absent "$P/d"
give 0 a --yes --allow=root --except "$P/kept"
hasnt "$said" "$P/kept"
hasnt "$said" "$P/mine"
has "$said" "isle: gave 8 owners (operation "
has "$said" "$user: isle: committed "
given() {
	for file in old d d/e d/e/f r link ro h1 h2 mine; do
		echo "$file $(owner "$P/$file")"
	done
}
want="old 12:34
d 7:8
d/e 7:8
d/e/f 7:8
r 0:0
link 9:9
ro 5:6
h1 $uid:77
h2 $uid:77
mine $own"
same "$(given)" "$want"
content "$P/old" "old
new"
absent "$P/kept"
has "$(isle log)" "$user/a"
has "$(status_is 3 user "$ISLE" diff --owners a)" "chown -h 1:1"

# Taken back, and given again.
isle undo -q --yes
same "$(given | grep -vc " $own$" || true)" 0
isle undo -q --yes
same "$(given)" "$want"
# What the new owner has changed stays.
echo more >>"$P/r"
status_is 4 isle undo -q --yes 2>/dev/null
same "$(given)" "$want"

# A path, relative to root's directory; nothing to give is no reason not to commit.
fake b 'echo 1 >b1; chown 1:1 b1; echo 2 >b2; chown 2:2 b2'
(cd "$P" && status_is 0 isle commit -q --user "$user:$S" --yes b ./b1)
same "$(owner "$P/b1")" 1:1
absent "$P/b2"
user "$ISLE" discard -q --yes b
fake plain 'echo plain >plain'
give 0 plain --yes
same "$(owner "$P/plain")" "$own"
# What stops the user's own commit stops it all.
give 1 nothing-of-this-name --yes
has "$said" "$user: isle: "
fake flagged 'echo x >.bashrc; chown 1:1 .bashrc'
give 6 flagged --yes
absent "$P/.bashrc"

# No set-user-ID bit comes to belong to anybody.
fake setuid 'cp /bin/true su; chown 1:1 su; chmod 4755 su; echo x >beside; chown 1:1 beside'
give 1 setuid --yes --allow=all
has "$said" "set-user-ID"
absent "$P/su" "$P/beside"

# --- the question, and who asks it: nothing of root's is in the user's reach ---
fake asked 'echo asked >asked; chown 3:3 asked'
cat >"$T/ask.py" <<'PY'
import glob, os, pty, sys, time

answer, uid, argv = sys.argv[1].encode(), int(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.chdir('/root')
    os.execvp(argv[0], argv)
seen = b''
while b'[y/N]' not in seen:
    seen += os.read(fd, 4096)
child, = [int(p) for p in open(f'/proc/{pid}/task/{pid}/children').read().split()]
status = dict(line.split(':', 1) for line in open(f'/proc/{child}/status').read().splitlines())
assert status['Uid'].split() == [str(uid)] * 4, status['Uid']
assert set(status['Gid'].split()) == {str(uid)} or '0' not in status['Gid'].split(), status['Gid']
assert '0' not in status['Groups'].split(), status['Groups']
assert int(status['CapEff'], 16) == int(status['CapPrm'], 16) == 0
assert os.readlink(f'/proc/{child}/cwd') == '/'
for fd2 in glob.glob(f'/proc/{child}/fd/*'):
    target = os.readlink(fd2)
    assert not target.startswith(('/dev/pts', '/root')) and '/store/' not in target + '/', target
assert open(f'/proc/{child}/stat').read().rsplit(')', 1)[1].split()[4] == '0'  # no terminal
assert b'SECRET' not in open(f'/proc/{child}/environ', 'rb').read()
os.write(fd, answer + b'\n')
try:
    while True:
        more = os.read(fd, 4096)
        if not more:
            break
        seen += more
except OSError:
    pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
ask() {
	SECRET=root status_is "$1" setpriv --groups 0,4 python3 "$T/ask.py" "$2" "$uid" "$ISLE" commit --user "$user:$S" asked
}
said=$(ask 1 n)
has "$said" "$P/asked"
absent "$P/asked"
said=$(ask 0 y)
same "$(owner "$P/asked")" 3:3

# --- forged wishes: what is no owner is none, and a forged one is shown like any other ---
need setfattr
fake forged 'echo 1 >f1; chown 1:1 f1; echo 2 >f2; chown 1:1 f2; echo 3 >f3; chown 1:1 f3; echo 4 >f4'
upper() {
	find "$S/isles" -path "*/upper/*" -name "$1"
}
key=$(getfattr -d -m - "$(upper f1)" 2>/dev/null | sed -n 's/^\(user.overlay.*owner\)=.*/\1/p')
[ -n "$key" ] || fail "no attribute on the layer's file"
user setfattr -n "$key" -v 0:0:0 "$(upper f1)"
user setfattr -n "$key" -v 4294967295:5 "$(upper f2)"
user setfattr -n "$key" -v -1:0 "$(upper f3)"
user setfattr -n "$key" -v 0:0 "$(upper f4)"
give 1 forged --yes --allow=root
has "$said" "makes no sense"
absent "$P/f1"
user setfattr -n "$key" -v 6:6 "$(upper f2)"
user setfattr -n "$key" -v 7:7 "$(upper f3)"
user setfattr -x "$key" "$(upper f1)"
give 6 forged --yes
has "$said" "root(0):root(0)  $P/f4"
give 0 forged --yes --allow=root
same "$(owner "$P/f1") $(owner "$P/f2") $(owner "$P/f3") $(owner "$P/f4")" "$own 6:6 7:7 0:0"

# --- what the user does between the commit and the giving ---
# Root's side waits for the lock of its store before it looks at anything, and for that of the host before the first step.
round=0
prepare() {
	round=$((round + 1))
	isle=r$round
	fake "$isle" "echo 1 >a.$round; mkdir b.$round; echo 2 >c.$round; chown 12:34 ?.$round"
	A=$P/a.$round B=$P/b.$round C=$P/c.$round
}

given_away() {
	find "$P" -name "?.$round" -uid 12 | sort
}

start() {
	rm -f "$T/said"
	exec 7>"$ISLE_HOME/commit.lock"
	flock 7
	isle commit --user "$user:$S" --yes "$isle" >"$T/said" 2>&1 7>&- &
	pid=$!
	wait_for 20 grep -qs committed "$T/said"
}

# ends STATUS TEXT
ends() {
	local status=0
	wait "$pid" || status=$?
	said=$(cat "$T/said")
	same "$status" "$1" "status ($said)"
	has "$said" "$2"
	[ "$1" = 0 ] || same "$(given_away)" "" "given in spite of it"
}

# attack COMMAND TEXT
attack() {
	prepare
	start
	eval "$1"
	flock -u 7
	ends 4 "$2"
}

# late COMMAND TEXT: once everything was looked at.
late() {
	prepare
	start
	exec 6</
	flock -w 20 6
	flock -u 7
	wait_for 20 grep -q "LEASE.*:$(stat -c %i "$A") " /proc/locks
	eval "$1"
	flock -u 6
	ends 4 "$2"
}
echo victim >"$T/victim"
chmod 0666 "$T/victim" # so that a link to it can be made
prepare
give 0 "r$round" --yes
same "$(given_away)" "$A
$B
$C"
attack 'user ln -sf "$T/victim" "$A"' "its type or mode is not what was shown"
attack 'user rm "$A"; user ln "$T/victim" "$A"' "it belongs to somebody else"
attack 'user ln "$A" .second' "it has other names"
attack 'user mv "$A" .away; install -m 0644 /dev/null "$A"' "it belongs to somebody else"
attack 'user chmod 4755 "$A"' "its type or mode is not what was shown"
attack 'user mv "$B" .b; user ln -s / "$B"' "its type or mode is not what was shown"
attack 'user rm "$C"' "it is not there"
attack 'user mv "$A" .a; user mkfifo -m 0644 "$A"' "its type or mode is not what was shown"
if command -v setcap >/dev/null; then
	attack 'setcap cap_net_raw+ep "$A"' "it has power of its own"
fi
if command -v setfacl >/dev/null; then
	attack 'user setfacl -m "u:$user:rw,m:r" "$A"' "it has an access control list"
	attack 'user setfacl -d -m "u:$user:rwx" "$B"' "it has an access control list"
fi
# The directory above, too, is the user's.
user mkdir inner other
isle=inner
fake inner 'echo 1 >inner/x; chown 12:34 inner/x'
start
user sh -c 'echo 1 >other/x; mv inner .inner; ln -s other inner'
flock -u 7
ends 4 "behind a symbolic link"
same "$(owner "$P/other/x") $(owner "$P/.inner/x")" "$own $own"

late 'user chmod 0666 "$A"' "changed on the host"
late 'user ln "$A" .second2' "changed on the host"
late 'user mv "$A" .away2; user ln "$T/victim" "$A"' "changed on the host"
late 'user mv "$B" .b2; user mkdir "$B"' "changed on the host"
same "$(owner "$T/victim")" 0:0

# A descriptor that is open for writing would go on writing to what is another's.
opener() {
	user python3 -c 'import os, sys, time
f = open(sys.argv[1], "a")
open(sys.argv[2], "w")
while os.path.exists(sys.argv[2]):
    time.sleep(0.05)' "$A" "$P/.opened" 7>&- 6>&- &
	writer=$!
}
end_opener() {
	wait_for 60 test -e "$P/.opened"
	rm "$P/.opened"
	wait "$writer"
}
attack 'opener; wait_for 20 test -e "$P/.opened"' "it is open for writing"
end_opener
late 'opener; wait_for 20 grep -q "LEASE *BREAKING.*:$(stat -c %i "$A") " /proc/locks' "it was opened for writing meanwhile"
has "$(isle log | head -n 2)" "undone"
end_opener

# --- interrupted ---
need strace
# injected WHAT: root's side, with an error or a kill
injected() {
	prepare
	strace -qq -o "$T/strace" -e "trace=${1%%:*}" -e "inject=$1" "$ISLE" commit --user "$user:$S" --yes "r$round" >"$T/said" 2>&1 || true
	grep -q 'INJECTED\|killed by SIGKILL' "$T/strace" || fail "nothing was injected: $1"
}
injected fchownat:error=EIO:when=2
has "$(cat "$T/said")" "the changes are committed: no owner was given"
same "$(given_away)" ""
# While it is taken back, another's file is put where the first was. The way there is slow for once.
prepare
rm -f "$T/said"
exec 7>"$ISLE_HOME/commit.lock"
flock 7
strace -qq -o "$T/strace" -P "a.$round" -e trace=openat -e inject=openat:delay_enter=500000 \
	"$ISLE" commit --user "$user:$S" --yes "r$round" >"$T/said" 2>&1 7>&- &
pid=$!
wait_for 20 grep -qs committed "$T/said"
if chattr +i "$C" 2>/dev/null; then
	at_end "chattr -i '$C' 2>/dev/null"
	flock -u 7
	wait_for 20 sh -c '[ "$(stat -c %u "$1")" = 12 ]' . "$A"
	user mv "$A" .swapped
	user ln "$T/victim" "$A"
	wait "$pid" || true
	chattr -i "$C"
	has "$(cat "$T/said")" "no owner was given"
	same "$(owner "$T/victim")" 0:0
	user rm -f "$A"
else
	flock -u 7
	wait "$pid"
fi
for n in 1 2 3; do
	injected "fchownat:signal=SIGKILL:when=$n" 2>/dev/null
	has "$(isle log 2>&1 >/dev/null)" "taking back operation"
	same "$(given_away)" "" "killed at owner $n"
done
injected symlinkat:signal=SIGKILL:when=3 2>/dev/null # it was all done
has "$(isle log 2>&1 >/dev/null)" "completing operation"
same "$(given_away)" "$A
$B
$C"
isle undo -q --yes
same "$(given_away)" ""
same "$(isle log | head -n 1 | awk '{ print $4, $5, $6, $7 }')" "undo of $(isle log | awk 'NR == 2 { print $1 }') done"
