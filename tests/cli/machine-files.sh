#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What all mounts of proc, sysfs and the device nodes share with the host cannot be changed from inside: neither mode nor owner
# nor content. As root, as root without CAP_SYS_ADMIN (root of a container), and with every kind of network.
# time-limit: 120
. "$(dirname "$0")/../lib.sh"
need unshare setpriv python3

# In a proc of its own: one that is in use goes on showing what it has remembered.
entries() {
	unshare --fork --pid --mount-proc python3 "$T/entries.py" "$@"
}

# Mode and owner of every entry of proc that does not belong to a process, and of this process's /proc/PID/net. What has changed
# is put back, so that a failure harms nobody.
cat >"$T/entries.py" <<'PY'
import os, stat, sys
def entries():
    tops = [n for n in os.listdir("/proc") if not n.isdigit() and n not in ("self", "thread-self")]
    for name in tops + ["self/net"]:
        top = "/proc/" + name
        yield top
        if not os.path.islink(top) and os.path.isdir(top):
            for where, directories, files in os.walk(top):
                for n in directories + files:
                    yield os.path.join(where, n)
def look():
    found = {}
    for path in entries():
        try:
            st = os.lstat(path)
        except OSError:
            continue
        found[path] = (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
    return found
if sys.argv[1] == "save":
    with open(sys.argv[2], "w") as f:
        f.write(repr(look()))
else:
    before, changed = eval(open(sys.argv[2]).read()), 0
    for path, now in look().items():
        then = before.get(path, now)
        if now == then:
            continue
        changed += 1
        print("changed:", path, then, now)
        os.lchown(path, then[1], then[2])
        if not os.path.islink(path):
            os.chmod(path, then[0])
    sys.exit(changed != 0)
PY

# What a program inside tries on each of them. What belongs to a network namespace of the isle's own may be changed.
cat >"$T/change.py" <<'PY'
import os, stat, sys
tried = done = 0
def attempt(path, call):
    global tried, done
    tried += 1
    try:
        call()
    except OSError:
        return
    done += 1
    print("done:", path)
def change(path):
    try:
        st = os.lstat(path)
    except OSError:
        return
    attempt(path, lambda: os.lchown(path, 1, 1))
    if stat.S_ISLNK(st.st_mode):
        return
    mode = stat.S_IMODE(st.st_mode)
    attempt(path, lambda: os.chmod(path, mode ^ 0o004))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    attempt(path, lambda: os.fchmod(fd, mode ^ 0o004))
    attempt(path, lambda: os.fchown(fd, 1, 1))
    attempt(path, lambda: os.chmod("/proc/self/fd/%d" % fd, mode ^ 0o004))
    os.close(fd)
net = sys.argv[1] == "host"
for name in os.listdir("/proc"):
    if name.isdigit() or name in ("self", "thread-self"):
        continue
    change("/proc/" + name)
    if not os.path.islink("/proc/" + name):
        for where, directories, files in os.walk("/proc/" + name):
            for n in directories + files:
                change(os.path.join(where, n))
for top in ("/proc/self/net", "/proc/self/task/%d/net" % os.getpid()) if net else ():
    change(top)
    for where, directories, files in os.walk(top):
        for n in directories + files:
            change(os.path.join(where, n))
for path in "/sys", "/sys/kernel", "/sys/fs/cgroup", "/sys/class/net", "/sys/power/state":
    change(path)
print("tried", tried, "done", done)
sys.exit(done != 0 or tried < 500)
PY

# attempt WHAT [ARG]...
attempt() {
	local what=$1 status=0
	shift
	echo "== $what"
	entries save "$T/before"
	isle run -q --discard "$@" >"$T/log" 2>&1 || status=$?
	entries compare "$T/before" >"$T/changes" || status=1
	[ "$status" -eq 0 ] || fail "$what: $(tail -n 20 "$T/log" "$T/changes")"
	grep -q '^tried' "$T/log" || fail "$what: nothing was tried"
}

for mode in "" --no-track --nest; do
	# shellcheck disable=SC2086 # no option is none
	{
		attempt "own network $mode" $mode -- python3 "$T/change.py" own
		attempt "no network $mode" $mode --net none -- python3 "$T/change.py" own
		attempt "the host's network $mode" $mode --net host -- python3 "$T/change.py" host
	}
done

# With the host's network, changes of mode and owner are made in the place of the program: they do what they do natively.
cat >"$T/changes.py" <<'PY'
import ctypes, os, stat, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def call(nr, *a):
    r = libc.syscall(nr, *[ctypes.c_char_p(x) if isinstance(x, bytes) else ctypes.c_long(x) for x in a])
    return r if r >= 0 else os.strerror(ctypes.get_errno())
def show(what, r):
    print(what, r, *["%s %o %d:%d" % (n, st.st_mode, st.st_uid, st.st_gid) for n in sorted(os.listdir(".")) for st in [os.lstat(n)]])
CHMOD, FCHMOD, CHOWN, FCHOWN, LCHOWN, FCHOWNAT, FCHMODAT, FCHMODAT2 = 90, 91, 92, 93, 94, 260, 268, 452
CWD, NOFOLLOW, EMPTY = -100, 0x100, 0x1000
def changes():
    for name in b"f", b"d", b"l", b"dangling", b"missing", b"d/g", b"../%s/f" % os.path.basename(os.getcwdb()), os.getcwdb() + b"/f", b"", b"f/", b"x" * 5000:
        for mode in 0o600, 0o4755, 0o2750, 0o1777:
            show(("chmod", name[:40], mode), call(CHMOD, name, mode))
        for ids in (1000, 1000), (-1, 1000), (0, -1), (0, 0), (-1, -1):
            show(("chown", name[:40], ids), call(CHOWN, name, *ids))
            show(("lchown", name[:40], ids), call(LCHOWN, name, *ids))
    for flags in 0, NOFOLLOW, EMPTY, NOFOLLOW | EMPTY, 0x8000:
        for name in b"f", b"l", b"":
            show(("fchownat", name, flags), call(FCHOWNAT, CWD, name, 0, 1000, flags))
            show(("fchmodat2", name, flags), call(FCHMODAT2, CWD, name, 0o777, flags))
    f, d = [os.open(n, os.O_RDONLY if os.access(n, os.R_OK) else os.O_PATH) for n in ("f", "d")]
    path, link = os.open("f", os.O_PATH), os.open("l", os.O_PATH | os.O_NOFOLLOW)
    for fd in f, path, link, d, 999, -1:
        show(("fchmod", fd), call(FCHMOD, fd, 0o644))
        show(("fchown", fd), call(FCHOWN, fd, 0, 0))
        show(("fchmodat2 empty", fd), call(FCHMODAT2, fd, b"", 0o660, EMPTY))
        show(("fchownat empty", fd), call(FCHOWNAT, fd, b"", 0, 1000, EMPTY))
        show(("fchmodat", fd), call(FCHMODAT, fd, b"g", 0o600))
        show(("proc", fd), call(CHMOD, b"/proc/self/fd/%d" % fd, 0o664))
    deleted = os.open("deleted", os.O_CREAT | os.O_RDWR, 0o600)
    os.unlink("deleted")
    show("deleted", (call(FCHMOD, deleted, 0o4711), oct(os.fstat(deleted).st_mode)))
    show("bad address", call(CHMOD, 8, 0o600))
    show("null", call(CHMOD, b"/dev/shm", 0o1777))
def child(*steps):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        for step in steps:
            step()
        changes()
        sys.stdout.flush()
        os._exit(7)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 7:
        sys.exit("a child failed")
os.mkdir("d"); open("f", "w").close(); open("d/g", "w").close(); os.symlink("f", "l"); os.symlink("no", "dangling")
child()
os.chown("d", 1000, 1000); os.chown("f", 1000, 1000)
child(lambda: os.setgroups([7]), lambda: os.setresgid(1000, 1000, 1000), lambda: os.setresuid(1000, 1000, 1000))
child(lambda: os.setgroups([1000]), lambda: os.setresgid(5, 5, 5), lambda: os.setresuid(1001, 1001, 1001))
PY
chmod 0711 "$T"
mkdir -m 0755 "$T/native" "$T/inside"
for mode in "" --no-track --nest; do
	rm -rf "$T/native/t" "$T/inside/t"
	mkdir -m 0777 "$T/native/t" "$T/inside/t"
	python3 "$T/changes.py" "$T/native/t" >"$T/native.log"
	# shellcheck disable=SC2086
	isle run -q --discard --net host $mode -- python3 "$T/changes.py" "$T/inside/t" >"$T/inside.log"
	diff -u "$T/native.log" "$T/inside.log" | head -n 20 >"$T/diff" || true
	[ ! -s "$T/diff" ] || fail "other results with --net host $mode: $(cat "$T/diff")"
	[ "$(wc -l <"$T/native.log")" -gt 400 ] || fail "too few changes were tried"
done

# What is a process's own is as writable as ever.
isle run -q --discard -- sh -c 'echo 5 >/proc/self/oom_score_adj && echo word >/proc/$$/comm && head -n 1 /proc/net/dev /proc/mounts >/dev/null'

# Root of a container: no mounts without a user namespace. The nodes are those of a /dev of the test's own.
cat >"$T/container.sh" <<'SH'
set -eu
mount -t tmpfs -o mode=0755 none /mnt
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 0666 "/mnt/${node%:*}" c 1 "${node#*:}"; done
mknod -m 0666 /mnt/tty c 5 0
ln -s /proc/self/fd /mnt/fd
mkdir /mnt/pts /mnt/shm
mount --move /mnt /dev
before=$(stat -c '%n %a %u:%g' /dev/*)
for mode in "" --no-track --nest; do
	setpriv --bounding-set -sys_admin --inh-caps -sys_admin sh -c '"$ISLE" run -q --discard '"$mode"' -- sh -c "
		for node in /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; do
			chmod 640 \$node && echo done chmod \$node
			chown 1:1 \$node && echo done chown \$node
			touch -d 2001-01-01 \$node && echo done touch \$node
		done
		echo text >/dev/null && head -c 4 /dev/zero >/dev/full && echo no space was left
		exit 0" 2>/dev/null </dev/null' | tee -a "$1"
	after=$(stat -c '%n %a %u:%g' /dev/*)
	[ "$before" = "$after" ] || { echo "done: the nodes are not as before: $after"; exit 1; } | tee -a "$1"
done
setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$ISLE" run -q --discard -- python3 "${1%/*}/change.py" own >>"$1" 2>&1
SH
: >"$T/container.log"
entries save "$T/before"
unshare -m bash "$T/container.sh" "$T/container.log" || fail "root of a container: $(tail -n 5 "$T/container.log")"
entries compare "$T/before" || fail "root of a container changed proc"
! grep '^done' "$T/container.log" || fail "root of a container changed device nodes"
grep -q '^tried' "$T/container.log" || fail "root of a container: nothing was tried"
nothing_left
