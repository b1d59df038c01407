#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sandboxes and containers inside: what --nest lets them do and what not, what a user is told who did not say it, and that
# what they change is on record.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need bwrap unshare python3

H=$T/host
mkdir "$H"
cd "$H"
echo old >file
rest=(--bind / / --dev /dev)

# Without --nest: the error of the kernel, the refusal on record, and a hint when the command failed.
status_is 1 isle run -n plain -- unshare -Ur true 2>"$T/err"
has "$(cat "$T/err")" "unshare, or what it ran, was refused namespaces or mounts of its own; --nest allows them"
has "$(isle trace plain)" "unshare user: Operation not permitted: the system call filter (seccomp)"
isle run -n plain -- sh -c 'unshare -Ur true || exit 0' 2>"$T/err"
hasnt "$(cat "$T/err")" "--nest"
status_is 1 isle run -q -n plain -- unshare -Ur true 2>"$T/err"
hasnt "$(cat "$T/err")" "--nest"
status_is 1 isle run -n plain -- false 2>"$T/err"
hasnt "$(cat "$T/err")" "--nest"
if is_root; then
	status_is 32 isle run -n plain -- mount -t tmpfs none /mnt 2>"$T/err"
	has "$(cat "$T/err")" "--nest allows them"
fi

# With it: namespaces and mounts, one in the other; what is written through them is in the isle alone, and on record.
isle run -q -n nested --nest -- bwrap "${rest[@]}" --unshare-user --unshare-ipc --unshare-uts --unshare-net --tmpfs "$H/own" -- \
	sh -c 'echo new >file && echo x >own/gone && unshare -Urm sh -c "mount -t tmpfs none own && ! test -e own/gone"' 2>"$T/err" ||
	fail "$(cat "$T/err")"
content file old
has "$(isle status nested || true)" "$H/file"
has "$(isle explain nested file)" "bwrap"
hasnt "$(isle explain nested file)" "not recorded"
has "$(isle run -q -n nested --nest -- cat file)" new
hasnt "$(isle status nested || true)" gone

# Another filter on top, as flatpak has it: the most refusing answer wins.
python3 - "$T/filter" <<'PY'
import errno, os, struct, sys
number = {"x86_64": 83, "aarch64": 34}[os.uname().machine] # mkdir, mkdirat
program = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | errno.EOPNOTSUPP), (6, 0, 0, 0x7fff0000)]
open(sys.argv[1], "wb").write(b"".join(struct.pack("HBBI", *i) for i in program))
PY
isle run -q -n nested --nest -- sh -c 'exec 9<"$0"; exec "$@"' "$T/filter" bwrap "${rest[@]}" --unshare-user --seccomp 9 -- \
	sh -c 'mkdir made 2>&1; echo >beside' >"$T/out"
has "$(cat "$T/out")" "Operation not supported"
has "$(isle status nested || true)" "$H/beside"

# A control group namespace opens the machine's control groups: never, and that is said.
status_is 1 isle run -n group --nest -- bwrap "${rest[@]}" --unshare-user --unshare-cgroup -- true 2>"$T/err"
has "$(cat "$T/err")" "was refused a control group namespace, which no isle allows"

# A sandbox with its own process numbers wants its own /proc. Identity-mapped root would own what that shows of the machine.
processes=(bwrap "${rest[@]}" --unshare-user --unshare-pid --proc /proc -- sh -c 'ls -d /proc/[0-9]* | wc -l')
if is_root; then
	status_is 1 isle run -q -n nested --nest -- "${processes[@]}" 2>"$T/err"
	has "$(cat "$T/err")" "Can't mount proc"
	status_is 2 isle run -q -n nested --nest -- sh -c 'echo 1 >/proc/sys/kernel/ns_last_pid' 2>"$T/err"
	has "$(cat "$T/err")" "Read-only file system"
else
	processes_inside=$(isle run -q -n nested --nest -- "${processes[@]}")
	[ "$processes_inside" -lt 5 ] || fail "$processes_inside processes in a sandbox of its own"
	isle run -q -n nested --nest -- unshare -Urpf --mount-proc sh -c '! echo h >/proc/sysrq-trigger && ! echo x >/proc/sys/kernel/core_pattern' 2>/dev/null
fi

# It is as covered as before where nothing nests.
status_is 2 isle run -q -n plain -- sh -c 'echo 1 >/proc/sys/kernel/ns_last_pid' 2>"$T/err"
has "$(cat "$T/err")" "Read-only file system"

# What Landlock would keep is kept by other means, or said: once, and not with -q.
isle run -n nested --nest -- true 2>"$T/err"
same "$(grep -c "protection 'landlock' is left out by --nest" "$T/err")" 1
isle run -q -n nested --nest -- true 2>"$T/err"
same "$(cat "$T/err")" ""
isle run -n plain -- true 2>"$T/err"
hasnt "$(cat "$T/err")" landlock
status_is 125 isle run -q --require landlock --nest -- true 2>"$T/err"
status_is 2 isle run -q -n nested --nest -- sh -c 'echo X >/proc/self/fd/0' <file 2>"$T/err"
has "$(cat "$T/err")" "Read-only file system"
content file old
# A core file lands in the isle, whatever its standard input was.
status_is 125 isle run -q -n nested --nest -- sh -c 'cd /proc/self/fd/0 && ulimit -c unlimited; kill -SEGV $$' <"$H" 2>"$T/err"
status_is 139 isle run -q -n nested --nest -- sh -c 'ulimit -c unlimited; kill -SEGV $$' </dev/null
same "$(find "$H" -name 'core*')" ""
# Abstract sockets of the host, with its network: a scope of Landlock, which does not forbid mounts.
python3 - <<'PY'
import ctypes, os, socket, subprocess, sys
if ctypes.CDLL(None).syscall(444, None, 0, 1) < 6:
    sys.exit()
name = "isle-test-nest-%d" % os.getpid()
s = socket.socket(socket.AF_UNIX)
s.bind("\0" + name)
s.listen()
program = "import socket; socket.socket(socket.AF_UNIX).connect('\\0%s')" % name
mount = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]
run = [os.environ["ISLE"], "run", "-q", "--discard", "--net", "host", "--nest", "--"]
p = subprocess.run(run + [sys.executable, "-c", program], stderr=subprocess.PIPE)
assert p.returncode == 1 and b"PermissionError" in p.stderr, p
p = subprocess.run(run + mount, stderr=subprocess.PIPE)
assert p.returncode == 0, p
PY

# Debuggers work on what runs in the same isle.
if command -v strace >/dev/null; then
	isle run -q -n plain -- strace -f -e trace=execve -o trace.out sh -c 'true; /bin/true'
	has "$(isle run -q -n plain -- cat trace.out)" '/bin/true'
	isle run -q -n plain -- sh -c 'sleep 100 & strace -o /dev/null -p $! & s=$!; sleep 0.5; kill $s; kill -KILL $!' 2>/dev/null || true
fi
