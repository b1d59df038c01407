#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program in an isle tries its ways out (tests/escape), and the host is as it was before.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need python3 setpriv

for escape in "$(dirname "$ISLE")/escape" "$(dirname "$ISLE")/../../tests/escape/escape"; do
	[ ! -x "$escape" ] || break
done
[ -x "$escape" ] || fail "the escape program is not there: $escape"

# In the home directory: that is where a user has files to lose.
H=$(mktemp -d "$HOME/isle-escape.XXXXXX")
at_end 'rm -rf --one-file-system "$H"'

# A copy of isle that belongs to who runs this: for a user the installed one is out of reach anyway.
install -m 0755 "$ISLE" "$H/isle"
ISLE=$H/isle
install -m 0755 "$escape" "$H/escape"
mkdir "$H/host"
echo "of the host" >"$H/host/file"
echo "of the host" >"$H/host/other"
chmod 0640 "$H/host/file"

# The host's side: listens, owns memory, notices signals. What happens to it goes to $H/events.
cat >"$H/host.py" <<'PY'
import ctypes, os, select, signal, socket, subprocess, sys
top = sys.argv[1]
events = os.open(top + "/events", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
signal.signal(signal.SIGURG, lambda *_: os.write(events, b"a signal came\n"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
abstract, path, tcp = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), socket.socket()
name = "isle-escape-%d" % os.getpid()
abstract.bind("\0" + name + "\0")
path.bind(top + "/socket")
tcp.bind(("127.0.0.1", 0))
for s in abstract, path, tcp:
    s.listen()
# Every address that could be the host's: its own, and that of its gateway, which stands for the host in some networks.
addresses = ["127.0.0.1", "127.0.0.2", "0.0.0.0"]
addresses += subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
with open("/proc/net/route") as f:
    addresses += [socket.inet_ntoa(int(w[2], 16).to_bytes(4, "little")) for w in map(str.split, f) if w[1] == "00000000"]
libc = ctypes.CDLL(None, use_errno=True)
key = 0x10000000 + os.getpid()
shmid = libc.shmget(key, 4096, 0o1000 | 0o600)
shm = "/dev/shm/" + name
open(shm, "w").close()
try:
    disk = os.stat("/").st_dev
    with open(top + "/env.new", "w") as f:
        for k, v in dict(PID=os.getpid(), ABSTRACT=name, SOCKET=top + "/socket", PORT=tcp.getsockname()[1], SHM=name,
                         ADDRESSES=" ".join(addresses), SHMID=shmid, SHMKEY=key, DISK="%d:%d" % (os.major(disk), os.minor(disk))).items():
            f.write("export ESCAPE_%s='%s'\n" % (k, v))
    os.rename(top + "/env.new", top + "/env")
    while True:
        for s in select.select([abstract, path, tcp], [], [])[0]:
            os.write(events, b"a connection to %s\n" % str(s.getsockname()).encode())
            s.accept()[0].close()
finally:
    libc.shmctl(shmid, 0, None)
    os.unlink(shm)
PY
python3 "$H/host.py" "$H" &
helper=$!
at_end "kill $helper 2>/dev/null; wait $helper 2>/dev/null || true"
wait_for 20 test -e "$H/env"
# shellcheck disable=SC1091
. "$H/env"
ESCAPE_HANDLE=$("$H/escape" --handle "$H/host/file")
export ESCAPE_HANDLE ESCAPE_STORE=$ISLE_HOME ESCAPE_PROGRAM=$ISLE ESCAPE_FILE=$H/host/file ESCAPE_DIR=$H/host

state() {
	tree_of "$H/host"
	stat -c '%n %a %u:%g %s %Y %Z' "$ISLE" "$H/escape"
	sha256sum "$ISLE" "$H/escape"
	uname -n
	cat /proc/sys/kernel/core_pattern
	[ ! -e /proc/keys ] || ! grep isle-escape /proc/keys
	cat "$H/events" 2>/dev/null || true
}
state >"$T/before"

# attempt WHAT [ARG]...: runs the escape program, standard input as it is here, and looks at the host.
attempt() {
	local what=$1 status=0
	shift
	echo "== $what"
	isle run -q "$@" >"$T/log" 8<>"$H/host/other" 9</ || status=$?
	cat "$T/log"
	[ "$status" -eq 0 ] || fail "$what: status $status"
	grep -q '^REFUSED ' "$T/log" || fail "$what: nothing was tried"
	state >"$T/after"
	diff -u "$T/before" "$T/after" || fail "$what: the host is not as before"
	kill -0 "$helper" || fail "$what: a process of the host has gone"
	same "$(cat "$H/host/file")" "of the host"
}

attempt "all" -n one -- "$H/escape" <"$H/host/file"
attempt "without network" -n two --net none -- "$H/escape" <"$H/host/file"
# There the host's loopback is what was asked for.
attempt "the host's network" --net host -- "$H/escape" abstract unix vsock alg signal-all handle core-pattern <"$H/host/file"
# Programs may mount there; what is masked stays masked, and the machine's own stays out of reach.
attempt "nested" --nest -- "$H/escape" mount-cgroup core-pattern sysrq proc-sys sys proc-files read-memory mknod-memory \
	mknod-disk dev bpf perf module kernel-log clone3-user init-trace init-program init-steal store i386 <"$H/host/file"
status_is 125 isle run -q -- "$H/escape" stdin-directory <"$H/host" 2>"$T/err"
has "$(cat "$T/err")" "standard input is a directory"

# A further run in a mounted isle is no worse off.
"$ISLE" run -q -n one -- sh -c 'echo started; exec sleep 100' >"$T/first" &
first=$!
at_end "kill $first 2>/dev/null || true"
wait_for 10 grep -q started "$T/first"
attempt "joined" -n one -- "$H/escape" <"$H/host/file"
kill "$first"
wait "$first" || true

# The leader executes CMD: a script whose interpreter is /proc/self/exe.
printf '#!/proc/self/exe\n' >"$H/script"
chmod 0755 "$H/script"
state >"$T/before"
isle run -q -n one -- "$H/script" >/dev/null 2>&1 || true
state >"$T/after"
diff -u "$T/before" "$T/after" || fail "the host is not as before"

nothing_left
