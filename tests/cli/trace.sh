#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle trace: what it says of logs that are written here, for people and as JSON; its filters; hostile names; its speed.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

for make_log in "$(dirname "$ISLE")/make_log" "$(dirname "$ISLE")/../../tests/helpers/make_log"; do
	[ ! -x "$make_log" ] || break
done
[ -x "$make_log" ] || fail "the program that writes logs is not there: $make_log"

# log ISLE: a log from lines whose fields are separated by '|'.
log() {
	tr '|' '\t' | "$make_log" "$1"
}

# new NAME: an isle without a log.
new() {
	isle run -q -n "$1" -- true
	rm -rf "$ISLE_HOME/isles/$(basename "$(readlink "$ISLE_HOME/names/$1")")/events"
}

json() {
	python3 -c "import json, sys
d = json.load(sys.stdin)
print(($1))"
}

H=$T/home
mkdir -p "$H/.ssh" "$H/src/deep/er"
for file in .ssh/id_rsa .ssh/known_hosts .env a.c src/b.c src/c.c src/deep/er/d.c; do echo "$file" >"$H/$file"; done
cd "$H"

new plain
isle trace plain >"$T/out" 2>"$T/err"
content "$T/out" ""
has "$(cat "$T/err")" "no run of isle 'plain' was recorded"
same "$(isle trace --json plain | json 'd["runs"], d["processes"], d["reads"]')" "([], [], [])"

new t
log t <<LOG
run|0|$H|sh|-c|make all
start|1|0|4711|1000
exec|1|/usr/bin/sh|$H|sh|-c|make all
read|1|1|$H/a.c
read|1|1|/usr/bin/sh
start|2|1|4712|1000
start|3|2|4713|1000
exec|3|/usr/bin/cat|$H/src|cat|a b|$(printf '\033[31m')
read|3|1|$H/.ssh/known_hosts
read|3|1|$H/src/b.c
read|3|1|$H/src/c.c
read|3|1|$H/.ssh/id_rsa
times|12|7
read|3|16|$H/absent
read|3|8|$H/src
read|3|1|$H/.env
write|3|4|$H/out
refused|3|1|mount /dev/sda|wall capabilities
refused|3|1|mount /dev/sda|wall capabilities
net|3|1|192.0.2.7|443|example.org
unix|3|1|/run/bus
exec|3|/usr/bin/ls|$H/src|ls
note|1|2|$H/a.c|0:0
exit|3|9|1234567
exit|2|0|100
exit|1|256|2000000
end|256
LOG

text=$(isle trace t)
hasnt "$text" $'\033'
# Likely secrets are first, with who read them and how often.
same "$(head -n 1 <<<"$text")" "likely secrets that were read:"
has "$text" "ssh key               $H/.ssh/id_rsa  by cat (4713), 7 times"
has "$text" "project secret        $H/.env  by cat (4713)"
hasnt "$(sed -n '1,/^$/p' <<<"$text")" known_hosts
# The tree: quoted, with exits; the process that only forked is not there.
has "$text" "  sh -c 'make all'"
has "$text" "    cat 'a b' \$'\\033[31m'  (in $H/src)"
has "$text" "    -> ls"
has "$text" "  KILL  "
hasnt "$text" 4712
# Reads by directory, those of the system only counted.
has "$text" "files"
has "$text" "       2  $H/src/  by cat"
has "$text" "       1  $H/a.c  by sh"
has "$text" "1 file of the system, 1 directory listed, 1 name that was not there"
has "$text" "mount /dev/sda: Operation not permitted: wall capabilities  by cat (4713), 2 times"
has "$text" "connect  192.0.2.7 port 443 (example.org)  by cat (4713)"
has "$text" "connect  /run/bus  by cat (4713)"
has "$text" "$H/a.c: owner wanted: 0:0  by sh (4711)"

# Everything is in the JSON.
isle trace --json t >"$T/json"
same "$(json 'd["version"], d["isle"], len(d["runs"])' <"$T/json")" "(1, 't', 1)"
same "$(json '[d["runs"][0][k] for k in ("run", "status", "directory", "command", "track", "complete")]' <"$T/json")" \
	"[1, 1, '$H', ['sh', '-c', 'make all'], 'reads', True]"
same "$(json '[(p["process"], p["parent"], p["pid"], p["uid"], p["status"], p["cpu_ms"], len(p["execs"])) for p in d["processes"]]' \
	<"$T/json")" "[(1, None, 4711, 1000, 1, 2000, 1), (2, 1, 4712, 1000, 0, 0, 0), (3, 2, 4713, 1000, 137, 1234, 2)]"
same "$(json 'd["processes"][2]["signal"], d["processes"][2]["execs"][0]["argv"]' <"$T/json")" "(9, ['cat', 'a b', '\\x1b[31m'])"
same "$(json '[(r["path"].split("/")[-1], r["how"], r["process"], r["times"]) for r in d["reads"] if r["secret"]]' <"$T/json")" \
	"[('id_rsa', ['content'], 3, 7), ('.env', ['content'], 3, 1)]"
same "$(json '[r["path"] for r in d["reads"] if not r["existed"]]' <"$T/json")" "['$H/absent']"
same "$(json '[(w["path"], w["how"]) for w in d["writes"]]' <"$T/json")" "[('$H/out', 'create')]"
same "$(json '[(r["what"], r["why"], r["error"]) for r in d["refused"]]' <"$T/json")" \
	"[('mount /dev/sda', 'wall capabilities', 'EPERM'), ('mount /dev/sda', 'wall capabilities', 'EPERM')]"
same "$(json '[(n["act"], n["family"], n.get("address"), n.get("port"), n.get("name"), n.get("path")) for n in d["network"]]' <"$T/json")" \
	"[('connect', 'inet', '192.0.2.7', 443, 'example.org', None), ('connect', 'unix', None, None, None, '/run/bus')]"
same "$(json '[(n["kind"], n["other"]) for n in d["notes"]]' <"$T/json")" "[('owner', '0:0')]"

# Two programs of one name are named once.
new names
log names <<LOG
run|0|$H|x
start|1|0|1|0
exec|1|/usr/bin/git|$H|git
read|1|1|$H/src/b.c
exec|1|/usr/lib/git-core/git|$H|git
read|1|1|$H/src/c.c
LOG
same "$(isle trace names | grep "$H/src")" "       2  $H/src/  by git"

# Filters.
same "$(isle trace --kind missing t | tail -n +2 | awk '{print $2, $3}')" "missing $H/absent"
same "$(isle trace --kind write --json t | json 'len(d["writes"]), len(d["reads"]), len(d["processes"])')" "(1, 0, 0)"
same "$(isle trace --process 4711 --json t | json 'len(d["processes"])')" 3
same "$(isle trace --process 'c?t' --json t | json '[p["pid"] for p in d["processes"]], len(d["reads"])')" "([4713], 7)"
same "$(isle trace --path src --json t | json '[r["path"] for r in d["reads"]]')" "['$H/src/b.c', '$H/src/c.c', '$H/src']"
same "$(isle trace -p '*.c' --json t | json 'len(d["reads"])')" 3
has "$(isle trace -p src/b.c t)" "sh -c"
hasnt "$(isle trace -p a.c t)" "cat"
status_is 2 isle trace --kind nonsense t 2>/dev/null
status_is 2 isle trace --run 0 t 2>/dev/null
status_is 1 isle trace --run 2 t 2>"$T/err"
has "$(cat "$T/err")" "the last one on record is run 1"

# A second run, not at its end and not complete, with names that are no text.
log t <<LOG
run|2|$H|x
start|1|0|5000|0
exec|1|/bin/x|$H|x|$(printf 'a\377b')
read|1|32|$H/a.c
read|1|1|$(printf '/home/nobody-here/\377\r')
lost|the disk is full
LOG
isle trace --run 2 --json t >"$T/json"
same "$(json 'd["runs"][0]["run"], d["runs"][0]["complete"], d["runs"][0]["track"], d["runs"][0]["lost"], d["runs"][0]["status"]' <"$T/json")" \
	"(2, False, 'full', 'the disk is full', None)"
same "$(json 'd["processes"][0]["execs"][0]["argv"]' <"$T/json")" "['x', {'b64': 'Yf9i'}]"
same "$(json 'd["reads"][1]["path_b64"]' <"$T/json")" "L2hvbWUvbm9ib2R5LWhlcmUv/w0="
text=$(isle trace t)
has "$text" "run 1: "
has "$text" "run 2: "
has "$text" "not complete: the disk is full"
has "$text" "still running"

# What is damaged ends the log; what is before it is shown. A log that makes no sense hurts nobody.
new broken
log broken <<LOG
start|7|7|1|0
exec|3|/bin/a|/|a
start|3|9|2|0
exec|9|/bin/b|/|b
start|9|7|3|0
exit|99|0|0
times|400|9
read|55|255|relative
LOG
isle trace broken >"$T/out"
has "$(cat "$T/out")" "b  (in /)"
truncate -s -5 "$ISLE_HOME"/isles/*/events/*
isle trace --all t >/dev/null
isle trace --json broken | json 'd["version"]' >/dev/null

# A big run: quick, folded, and little memory. The limit is thirty times what an idle machine takes.
new big
{
	printf 'run|0|/home/u/src|make\nstart|1|0|999|0\nexec|1|/usr/bin/make|/home/u/src|make\n'
	printf 'many|10000\nexit|1|0|1\nend|0\n'
} | log big
start=$(date +%s%N)
isle trace big >"$T/out"
ms=$((($(date +%s%N) - start) / 1000000))
[ $ms -lt 3000 ] || fail "a trace of 100 000 events took $ms ms"
[ "$(wc -l <"$T/out")" -lt 120 ] || fail "a trace of 100 000 events has $(wc -l <"$T/out") lines"
has "$(cat "$T/out")" "and 9990 more: cc (9990)"
same "$(isle trace --json big | json 'len(d["processes"]), len(d["reads"])')" "(10001, 60000)"

# After a run on a terminal a line says what secrets it read. The log is written while it goes on.
new late
(
	wait_for 10 test -e "$T/started"
	printf 'run|0|/|x\nstart|1|0|1|0\nexec|1|/bin/cat|/|cat\nread|1|1|%s/.env\nread|1|1|%s/.ssh/id_rsa\nend|0\n' "$H" "$H" | log late
	touch "$T/written"
) &
cat >"$T/inside" <<SH
touch $T/started
while ! [ -e $T/written ]; do sleep 0.05; done
SH
HOME=$H timeout 60 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$ISLE" run --keep --write "$T" -n late -- sh "$T/inside" >"$T/out" </dev/null
wait
has "$(cat "$T/out")" "read likely secrets: ~/.ssh/id_rsa (cat), 1 more; see: isle trace late"
# Not of an earlier run.
HOME=$H timeout 60 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$ISLE" run --keep -n late -- true >"$T/out" </dev/null
hasnt "$(cat "$T/out")" "likely secrets"

# The real thing: what a run is recorded to have done.
printf '#!/bin/sh\ncat "$1" >/dev/null\nls src >/dev/null\ncat absent 2>/dev/null\necho x >made\n' >"$H/script"
chmod +x "$H/script"
isle run -q -n live -- ./script .ssh/id_rsa || true
isle trace --json live >"$T/json"
same "$(json 'd["runs"][0]["command"], d["runs"][0]["track"], d["runs"][0]["complete"]' <"$T/json")" "(['./script', '.ssh/id_rsa'], 'reads', True)"
same "$(json '[r["path"] for r in d["reads"] if r["secret"]]' <"$T/json")" "['$H/.ssh/id_rsa']"

# A file of which the isle has changed the metadata alone has the host's content; one that it has written anew has not.
printf 'chmod 640 .ssh/id_rsa\ncat .ssh/id_rsa\nchmod 640 other\necho x >other\ncat other\n' >"$H/changes"
echo o >"$H/other"
isle run -q -n modes -- sh ./changes >/dev/null
isle trace --json modes >"$T/modes"
same "$(json '[(r["path"], r["how"]) for r in d["reads"] if r["path"].startswith("'"$H"'/") and "content" in r["how"]]' <"$T/modes")" \
	"[('$H/changes', ['content']), ('$H/.ssh/id_rsa', ['content'])]"

# What could not be read was not read.
if ! is_root && [ ! -r /etc/shadow ]; then
	isle run -q -n closed -- sh -c 'cat /etc/shadow; ls /root; exit 0' 2>/dev/null
	isle trace --json closed >"$T/closed"
	same "$(json '[r["path"] for r in d["reads"] if r["secret"]]' <"$T/closed")" "[]"
	same "$(json '[(r["path"], r["how"]) for r in d["reads"] if r["path"] in ("/etc/shadow", "/root")]' <"$T/closed")" \
		"[('/etc/shadow', ['stat']), ('/root', ['stat'])]"
fi
same "$(json '[r["how"] for r in d["reads"] if r["path"] == "'"$H"'/src"][0]' <"$T/json")" "['list']"
same "$(json '[r["existed"] for r in d["reads"] if r["path"] == "'"$H"'/absent"]' <"$T/json")" "[False]"
same "$(json '[(w["path"], w["how"]) for w in d["writes"]]' <"$T/json")" "[('$H/made', 'create')]"
text=$(isle trace live)
has "$text" "ssh key               $H/.ssh/id_rsa  by cat"
has "$text" "    cat .ssh/id_rsa"
has "$(isle explain live made)" "./script .ssh/id_rsa"
has "$(isle explain live .ssh/id_rsa)" "has not changed it since it was read"
echo other >"$H/.ssh/id_rsa"
has "$(isle explain live .ssh/id_rsa)" "has changed it since it was read"

# What the walls refused: by whom it was wanted, how often, with which error. The error is the same without the record.
cat >"$H/try.py" <<'PY'
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def fails(result, error):
    assert result == -1 and ctypes.get_errno() == error, (result, ctypes.get_errno())
for i in range(3):
    fails(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None), errno.EPERM)
fails(libc.unshare(0x10020000), errno.EPERM)
try:
    socket.socket(40, socket.SOCK_STREAM)
    raise SystemExit("a vsock")
except OSError as e:
    assert e.errno == errno.EAFNOSUPPORT
PY
isle run -q -n walls -- python3 try.py
same "$(isle trace --json walls | json '[(r["what"], r["wall"], r["error"], r["times"]) for r in d["refused"] if r["wall"] == "seccomp"]')" \
	"[('mount /mnt', 'seccomp', 'EPERM', 3), ('unshare mnt,user', 'seccomp', 'EPERM', 1), ('socket AF_VSOCK', 'seccomp', 'EAFNOSUPPORT', 1)]"
has "$(isle trace walls)" "mount /mnt: Operation not permitted: the system call filter (seccomp)  by python3"
isle run -q --no-track -n untold -- python3 try.py
same "$(isle trace --json untold | json 'd["refused"]')" "[]"

# What the view refuses, and what of the host's network is not there.
mkdir "$H/shut"
echo secret | tee "$H/shut/file" >"$H/shut.txt"
cat >"$H/serve.py" <<'PY'
import os, signal, socket, sys
tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
tcp.bind(("127.0.0.1", 0))
unix.bind("\0" + sys.argv[1])
for s in tcp, unix:
    s.listen()
with open("port.new", "w") as f:
    f.write(str(tcp.getsockname()[1]))
os.rename("port.new", "port")
signal.alarm(100)
signal.pause()
PY
cat >"$H/try.py" <<'PY'
import errno, os, socket, sys
def fails(error, function, *arguments):
    try:
        function(*arguments)
    except OSError as e:
        assert e.errno == error, (arguments, e)
    else:
        raise SystemExit(f"{arguments}: no error")
for i in range(2):
    fails(errno.ENOENT, open, "shut/file")
os.listdir("shut")
fails(errno.EROFS, open, "shut/new", "w")
open("/dev/null", "w").write(open("/proc/self/status").read())
for name in sys.argv[3:]:
    fails(errno.ENOENT if name.startswith("/dev/") else errno.EROFS, os.open, name, os.O_WRONLY)
if os.getuid() == 0:
    os.mknod("null", 0o20666, os.makedev(1, 3))
    fails(errno.EACCES, open, "null")
tcp, udp, unix = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)
own = socket.socket()
own.bind(("127.0.0.1", 0))
own.listen()
socket.create_connection(own.getsockname())
fails(errno.ECONNREFUSED, tcp.connect, ("127.0.0.1", int(sys.argv[1])))
fails(errno.ECONNREFUSED, unix.connect, "\0" + sys.argv[2])
fails(errno.ECONNREFUSED, unix.connect, "\0" + sys.argv[2] + "-none")
fails(errno.ENETUNREACH, udp.connect, ("192.0.2.7", 443))
PY
python3 serve.py "isle-test-$$" &
served=$!
wait_for 10 test -e port
# A device of the host's that no isle has, and a setting that the host would let this user change, if there are any.
mapfile -t more < <(find /dev -maxdepth 1 -type c | grep -vxE '/dev/(null|zero|full|random|urandom|tty|console|ptmx)' | head -n 1)
[ ! -w /proc/sys/vm/drop_caches ] || more+=(/proc/sys/vm/drop_caches)
isle run -q --net none --hide shut --hide shut.txt -n view -- python3 try.py "$(cat port)" "isle-test-$$" "${more[@]}"
kill "$served"
isle trace --json view >"$T/json"
same "$(json '[(r["what"][len("'"$H"'/"):], r["error"], r["times"]) for r in d["refused"] if r["what"].startswith("'"$H"'/shut")]' <"$T/json")" \
	"[('shut/file', 'ENOENT', 2), ('shut', None, 1), ('shut/new', 'EROFS', 1)]"
for name in "${more[@]}"; do
	same "$(json '[(r["wall"], r["times"]) for r in d["refused"] if r["what"] == "'"$name"'"]' <"$T/json")" "[('view', 1)]"
done
[ "$(id -u)" != 0 ] || same "$(json '[r["error"] for r in d["refused"] if r["what"] == "'"$H"'/null"]' <"$T/json")" "['EACCES']"
same "$(json '[(r["what"], r["error"]) for r in d["refused"] if r["wall"] == "network"]' <"$T/json")" \
	"[('connect 127.0.0.1 port $(cat port)', 'ECONNREFUSED'), ('connect @isle-test-$$', 'ECONNREFUSED'), ('connect 192.0.2.7 port 443', 'ENETUNREACH')]"
same "$(json 'd["runs"][0]["received"], d["runs"][0]["sent"]' <"$T/json")" "(None, None)"
has "$(isle explain view shut/file)" "refused      $H/shut/file: No such file or directory: hidden in the isle (view), for python3"

# Who changed metadata and made sockets, in whichever way.
touch "$H"/{times,by-name,set,removed,opened,mode-of-open,owner-of-open,times-of-open,set-of-open}
for name in removed opened; do python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.a", b"1")' "$H/$name"; done
cat >"$H/try.py" <<'PY'
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
os.utime("times", (1, 1))
assert libc.utimes(b"by-name", None) == 0
os.setxattr("set", "user.b", b"1")
os.removexattr("removed", "user.a")
# A file that gets its name when it is whole.
for name in "whole", "whole2":
    new = os.open(".", os.O_TMPFILE | os.O_RDWR)
    os.write(new, b"x")
    if name == "whole":
        os.link(f"/proc/self/fd/{new}", name, src_dir_fd=new, follow_symlinks=True)
    else:
        assert libc.linkat(new, b"", -100, name.encode(), 0x1000) == 0 or ctypes.get_errno() == errno.ENOENT
assert libc.link(b"missing", b"never") == -1
fd = os.open("opened", os.O_RDONLY)
os.setxattr(fd, "user.a", b"2")
# Through a descriptor that was opened for reading.
os.fchmod(os.open("mode-of-open", os.O_RDONLY), 0o600)
os.fchown(os.open("owner-of-open", os.O_RDONLY), os.getuid(), os.getgid())
os.utime(os.open("times-of-open", os.O_RDONLY), (1, 1))
assert libc.futimesat(os.open("set-of-open", os.O_RDONLY), None, None) == 0
# What has no name, or no descriptor, is nobody's change.
os.fchmod(os.memfd_create("nameless"), 0o600)
os.fchmod(os.pipe()[0], 0o600)
gone = os.open("gone", os.O_RDWR | os.O_CREAT)
os.unlink("gone")
os.fchmod(gone, 0o600)
utimensat = {"x86_64": 280, "aarch64": 88}[os.uname().machine] # glibc looks at its arguments itself
assert libc.syscall(utimensat, -100, None, None, 0) == -1 and ctypes.get_errno() == errno.EFAULT
assert libc.fchmod(-1, 0o600) == -1 and ctypes.get_errno() == errno.EBADF
socket.socket(socket.AF_UNIX).bind("socket")
PY
isle run -q -n metadata --track=full -- python3 try.py
same "$(isle trace --json metadata | json '[(w["path"][len("'"$H"'/"):], w["how"]) for w in d["writes"] if w["path"].startswith("'"$H"'/")]')" \
	"[('times', 'metadata'), ('by-name', 'metadata'), ('set', 'metadata'), ('removed', 'metadata'), ('whole', 'create'), ('whole2', 'create'), ('opened', 'metadata'), ('mode-of-open', 'metadata'), ('owner-of-open', 'metadata'), ('times-of-open', 'metadata'), ('set-of-open', 'metadata'), ('gone', 'create'), ('socket', 'node')]"
for name in whole opened mode-of-open times-of-open; do has "$(isle explain metadata $name)" "python3 try.py"; done

isle run -q --no-track -n blind -- cat a.c >/dev/null
has "$(isle trace blind)" "not recorded: --no-track"
hasnt "$(isle trace blind)" "still running"
same "$(isle trace --json blind | json 'd["runs"][0]["track"], d["runs"][0]["complete"], d["reads"]')" "('none', False, [])"

# An isle of many runs: gc takes out of the old logs what earlier ones say, too. The runs keep their numbers and processes.
new many
logs=$ISLE_HOME/isles/$(basename "$(readlink "$ISLE_HOME/names/many")")/events
for i in $(seq 25); do isle run -q -n many -- sh -c "cat a.c src/b.c >/dev/null; echo $i >number; ls src >/dev/null"; done
before=$(du -sb "$logs" | cut -f 1)
isle trace --json many | json 'sorted(set(r["path"] for r in d["reads"]))' >"$T/before"
isle gc -q
[ "$(du -sb "$logs" | cut -f 1)" -lt "$before" ] || fail "the logs are as big as before: $before"
same "$(isle trace --json many | json 'sorted(set(r["path"] for r in d["reads"]))')" "$(cat "$T/before")"
same "$(isle trace --json many | json '[r["run"] for r in d["runs"]] == list(range(1, 26))')" True
same "$(isle trace --json --run 1 many | json 'len([r for r in d["reads"] if r["path"].endswith("b.c")]), [n["kind"] for n in d["notes"]]')" "(1, [])"
same "$(isle trace --json --run 3 many | json 'len([r for r in d["reads"] if r["path"].endswith("b.c")]), [n["kind"] for n in d["notes"]]')" \
	"(0, ['folded'])"
same "$(isle trace --json --run 25 many | json 'len([r for r in d["reads"] if r["path"].endswith("b.c")]), [n["kind"] for n in d["notes"]]')" "(1, [])"
has "$(isle trace --run 3 many)" "reads that earlier runs had made, too"
has "$(isle trace --run 3 many)" "cat a.c src/b.c"
