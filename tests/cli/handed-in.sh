#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nobody outside can hand a descriptor in: with the host's network, or a directory of the host to write to, a program gives no socket a
# name that others could connect to. What is handed in all the same cannot be changed through. Other uses of bind(2) go on.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need python3

cat >"$T/inside.py" <<'PY'
import ctypes, os, socket, sys, threading
mode, shared, own = sys.argv[1:4]
bad = 0
def expect(what, want, call):
    global bad
    try:
        call()
        got = "done"
    except OSError as e:
        got = "refused"
        if want == "done":
            what += ": %s" % e
    if got != want:
        bad += 1
        print("BAD", what, got)
def unix(kind, address):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(address)
    if kind != socket.SOCK_DGRAM:
        s.listen()
    return s
STREAM, DGRAM, SEQ = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
abstract = "refused" if mode == "host" else "done"
write = "refused" if shared != "-" else None
for kind in STREAM, DGRAM, SEQ:
    expect("abstract %d" % kind, abstract, lambda: unix(kind, b"\0isle-handed-in-%d-%d" % (os.getpid(), kind)))
    expect("autobind %d" % kind, abstract, lambda: unix(kind, b""))
    expect("path %d" % kind, "done", lambda: unix(kind, own + "/s%d" % kind))
    expect("path again %d" % kind, "refused", lambda: unix(kind, own + "/s%d" % kind))
    # The address is the one that was asked for, also for the other side.
    for name in own + "/n%d" % kind, "./../own/q%d" % kind:
        os.chdir(own)
        s = unix(kind, name)
        c = socket.socket(socket.AF_UNIX, kind)
        c.connect(name if write else s.getsockname())
        # With --write it is the name alone.
        wanted = os.path.basename(name) if write else name
        if s.getsockname() != wanted or c.getpeername() != wanted:
            bad += 1
            print("BAD name", s.getsockname(), c.getpeername())
    expect("relative %d" % kind, "done", lambda: unix(kind, "r%d" % kind))
    expect("shm %d" % kind, "done", lambda: unix(kind, "/dev/shm/s%d" % kind))
    if write:
        expect("write %d" % kind, write, lambda: unix(kind, shared + "/s%d" % kind))
        os.symlink(shared, own + "/link%d" % kind)
        expect("link %d" % kind, write, lambda: unix(kind, own + "/link%d/l" % kind))
        os.chdir(shared)
        expect("relative write %d" % kind, write, lambda: unix(kind, "x%d" % kind))
for option in 16, 76:
    a, b = socket.socketpair(socket.AF_UNIX, DGRAM)
    if mode == "host":
        expect("option %d" % option, "refused", lambda: a.setsockopt(socket.SOL_SOCKET, option, 1))
# A path that another thread exchanges while the call is made.
if mode == "host" or write:
    libc = ctypes.CDLL(None, use_errno=True)
    good = (own + "/race").encode().ljust(100, b"\0")
    evil = (b"\0race" if mode == "host" else (shared + "/race").encode()).ljust(100, b"\0")
    address = ctypes.create_string_buffer(b"\x01\x00" + good, 102)
    stop = False
    def swap():
        while not stop:
            ctypes.memmove(ctypes.addressof(address) + 2, evil, 100)
            ctypes.memmove(ctypes.addressof(address) + 2, good, 100)
    thread = threading.Thread(target=swap)
    thread.start()
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX, STREAM)
        if libc.bind(s.fileno(), address, 102) == 0:
            name = s.getsockname()
            if isinstance(name, bytes) or (write and os.path.exists(shared + "/race")):
                bad += 1
                print("BAD race", name)
                break
            if os.path.exists(own + "/race"):
                os.unlink(own + "/race")
        s.close()
    stop = True
    thread.join()
# The rest of bind(2).
def inet():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    c = socket.create_connection(s.getsockname())
    c.sendall(b"x")
    assert s.accept()[0].recv(1) == b"x"
expect("inet", "done", inet)
expect("inet6", "done", lambda: socket.socket(socket.AF_INET6).bind(("::1", 0)))
def netlink():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.bind((0, 0))
    assert s.getsockname()[0] == os.getpid(), s.getsockname()
expect("netlink", "done", netlink)
expect("bad address", "refused", lambda: socket.socket(socket.AF_UNIX).bind("/nowhere/at/all"))
s = unix(STREAM, own + "/talk")
c = socket.socket(socket.AF_UNIX)
c.connect(own + "/talk")
assert os.stat(own + "/talk").st_mode & 0o777 == 0o777 & ~0o022
# A root of the program's own, in which the host's directory has a name of the isle's.
if write and os.getuid() == 0:
    os.chdir("/")
    os.mkdir(own + "/R")
    os.rename(os.path.dirname(shared), own + "/R/dev")
    os.chroot(own + "/R")
    expect("chroot", "refused", lambda: unix(STREAM, "/dev/shared/c"))
    expect("chroot to shm", "refused", lambda: unix(STREAM, "/dev/shm/c"))
print("all was tried")
sys.exit(bad != 0)
PY

attempt() {
	local mode=$1 shared=$2
	shift 2
	echo "== $mode $shared $*"
	rm -rf "$T/own" "$T/w"
	mkdir -p "$T/own" "$T/w/shared"
	isle run -q --discard "$@" -- python3 "$T/inside.py" "$mode" "$shared" "$T/own" >"$T/log" 2>&1 || fail "$mode $*: $(cat "$T/log")"
	grep -q 'all was tried' "$T/log" || fail "$mode $*: $(cat "$T/log")"
	same "$(ls "$T/w/shared" "$T/own")" "$T/own:"$'\n\n'"$T/w/shared:" || fail "something is on the host"
}

for more in "" --no-track; do
	# shellcheck disable=SC2086 # no option is none
	{
		attempt host - --net host $more
		attempt none - --net none $more
		attempt none "$T/w/shared" --net none --write "$T/w/shared" $more
		attempt host "$T/w/shared" --net host --write "$T/w/shared" $more
	}
done
nothing_left
