#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Through standard input, output and error a program moves bytes in the direction that was opened, and does nothing else to the
# host: every kind of descriptor x everything that can be done with one x recorded, --no-track, --nest and joined runs.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
need python3 unshare

# As root in a mount namespace with a /dev of its own: what goes wrong must not change the machine's nodes.
if is_root && [ -z "${DOORS_APART:-}" ]; then
	DOORS_APART=1 unshare -m bash "$0"
	exit
fi
if is_root; then
	mkdir "$T/dev"
	mount -t tmpfs -o mode=0755 none "$T/dev"
	for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0" "ptmx 5 2"; do
		read -r name major minor <<<"$node"
		mknod -m 0666 "$T/dev/$name" c "$major" "$minor"
	done
	mkdir "$T/dev/pts" "$T/dev/shm"
	mount --bind /dev/pts "$T/dev/pts"
	mount -t tmpfs none "$T/dev/shm"
	ln -s /proc/self/fd "$T/dev/fd"
	mount --bind "$T/dev" /dev
	umount -R "$T/dev"
	rmdir "$T/dev"
fi

# Inside: everything that could be done to the three. Status 42: all was tried; 43: bytes of the host came the wrong way.
cat >"$T/try.py" <<'PY'
import contextlib, ctypes, errno, fcntl, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
# What tries to do harm ends with an error; what would wait is not waited for.
@contextlib.contextmanager
def attempt():
    try:
        yield
    except (OSError, ValueError):
        pass
found = b""
for fd in 0, 1, 2:
    names = ["/proc/self/fd/%d" % fd, "/dev/fd/%d" % fd, ("/dev/stdin", "/dev/stdout", "/dev/stderr")[fd]]
    kept = [fd]
    for name in names:
        for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, os.O_PATH, os.O_RDONLY | os.O_DIRECTORY:
            with attempt():
                kept.append(os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
        with attempt():
            os.truncate(name, 0)
        with attempt():
            os.chmod(name, 0o4777)
        with attempt():
            os.chown(name, 1, 1)
        with attempt():
            os.utime(name, (1, 1))
        with attempt():
            os.setxattr(name, "user.door", b"x")
        with attempt(): # the other direction of an output
            back = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            if fd > 0:
                found += os.read(back, 65536)
    for one in kept:
        with attempt():
            os.fchmod(one, 0o4777)
        with attempt():
            os.fchown(one, 1, 1)
        with attempt():
            os.utime(one, (1, 1))
        with attempt():
            os.setxattr(one, "user.door", b"x")
        with attempt():
            os.removexattr(one, "user.host")
        with attempt():
            os.ftruncate(one, 0)
        with attempt():
            os.posix_fallocate(one, 0, 65536)
        with attempt(): # FS_IOC_SETFLAGS: no atime, append only
            fcntl.ioctl(one, 0x40086602, struct.pack("l", 0x80 | 0x20))
        with attempt():
            fcntl.fcntl(one, fcntl.F_SETFL, os.O_NONBLOCK)
        if fd == 0 or one != fd:
            with attempt():
                os.pwrite(one, b"INJECTED\n", 0)
            if fd == 0:
                with attempt():
                    os.write(one, b"INJECTED\n")
        with attempt():
            os.close(os.open("made", os.O_WRONLY | os.O_CREAT, dir_fd=one))
        with attempt():
            os.unlink("file", dir_fd=one)
        with attempt():
            os.chmod("file", 0o4777, dir_fd=one)
        with attempt():
            os.mkdir("made-directory", dir_fd=one)
        if one > 2 or fd == 0:
            here = os.open(".", os.O_PATH)
            with attempt():
                os.fchdir(one)
                open("made-by-chdir", "w").close()
            os.fchdir(here)
        with attempt():
            s = socket.socket(fileno=os.dup(one))
            with attempt():
                libc.connect(s.fileno(), struct.pack("H", 0), 16) # takes a connection apart
            with attempt():
                s.connect(os.environ["DOORS_SOCKET"])
                s.send(b"INJECTED\n")
            with attempt():
                s.sendto(b"INJECTED\n", os.environ["DOORS_SOCKET"])
            with attempt():
                s.shutdown(socket.SHUT_RDWR)
        # Copies of its mount, made writable: open_tree, mount_setattr; mount --bind and remount.
        tree = libc.syscall(428, one, b"", 0x1000 | 1 | 0x80000)
        for mount in one, tree:
            if mount >= 0:
                libc.syscall(442, mount, b"", 0x1000, ctypes.byref((ctypes.c_uint64 * 4)(0, 1, 0, 0)), 32)
                with attempt():
                    w = os.open("/proc/self/fd/%d" % mount, os.O_WRONLY | os.O_NONBLOCK)
                    if fd == 0:
                        os.write(w, b"INJECTED\n")
        libc.mount(b"none", b"/proc/self/fd/%d" % one, None, 32 | 4096, None)
        libc.mount(b"none", b"/proc/self/fd/%d" % one, None, 32, None)
        libc.mount(b"/proc/self/fd/%d" % one, b"/mnt", None, 4096, None)
    for one in kept[1:]:
        os.close(one)
os._exit(43 if b"of the host" in found else 42)
PY

# Outside: makes each kind, hands it in, and compares.
cat >"$T/doors.py" <<'PY'
import contextlib, os, select, socket, subprocess, sys, time
top, isle = os.environ["T"], os.environ["ISLE"]
program = [sys.executable, top + "/try.py"]
root = os.geteuid() == 0
failures = []
null = os.open("/dev/null", os.O_RDWR)
poller = select.epoll()
directory = top + "/host"
os.mkdir(directory)
path, fifo, service = directory + "/file", directory + "/fifo", top + "/service"
os.environ["DOORS_SOCKET"] = service

canary = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
canary.bind(service)
canary.setblocking(False)
stream = socket.socket()
stream.bind(("127.0.0.1", 0))
stream.listen()

def fresh():
    for name in os.listdir(directory):
        os.chmod(directory + "/" + name, 0o600)
        os.rmdir(directory + "/" + name) if os.path.isdir(directory + "/" + name) else os.unlink(directory + "/" + name)
    with open(path, "w") as f:
        f.write("of the host\n")
    os.chmod(path, 0o640)
    with contextlib.suppress(OSError):
        os.setxattr(path, "user.host", b"1")
    os.mkfifo(fifo, 0o600)

def look(name, written=False):
    s = os.lstat(name)
    attributes = []
    with contextlib.suppress(OSError):
        attributes = sorted((n, os.getxattr(name, n, follow_symlinks=False)) for n in os.listxattr(name, follow_symlinks=False))
    return [oct(s.st_mode), s.st_uid, s.st_gid, attributes] + ([] if written else [s.st_size, s.st_mtime_ns])

def state(written):
    found = {n: look(directory + "/" + n, written and n == "file") for n in sorted(os.listdir(directory))}
    for node in "null", "zero", "full", "random", "urandom", "tty":
        found["/dev/" + node] = look("/dev/" + node, True)
    if not written:
        with open(path, "rb") as f:
            found["content"] = f.read()
    return found

def file(flags):
    return lambda: (os.open(path, flags), lambda fd: None)

def device(name, flags):
    return lambda: (os.open("/dev/" + name, flags), lambda fd: None)

# What reads from the pipe after the program: its input as it was, and no word from it.
def pipe_in():
    r, w = os.pipe()
    os.write(w, b"of the host\n")
    os.close(w)
    return r, lambda fd: None if os.read(fd, 100) == b"of the host\n" and os.read(fd, 100) == b"" else "the input has changed"

def pipe_out():
    r, w = os.pipe()
    os.write(w, b"of the host\n")
    mode = os.fstat(w).st_mode
    def after(fd):
        if os.fstat(fd).st_mode != mode:
            return "the mode of the pipe"
        os.set_blocking(r, False)
        return None if os.read(r, 12) == b"of the host\n" else "what was in the pipe has gone"
    return w, after

def fifo_in():
    r = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    w = os.open(fifo, os.O_WRONLY)
    os.write(w, b"of the host\n")
    os.close(w)
    return r, lambda fd: None if os.read(fd, 100) == b"of the host\n" and os.read(fd, 100) == b"" else "the input has changed"

def fifo_out():
    r = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    return os.open(fifo, os.O_WRONLY), lambda fd: os.close(r)

def pair(kind):
    def make():
        a, b = socket.socketpair(socket.AF_UNIX, kind)
        def after(fd):
            b.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                got = b.recv(65536)
                if got == b"" or b"INJECTED" in got:
                    return "something was written, or the connection was ended"
            return None
        return a.detach(), after
    return make

def tcp():
    a = socket.create_connection(stream.getsockname())
    b, _ = stream.accept()
    def after(fd):
        with contextlib.suppress(OSError):
            s = socket.socket(fileno=os.dup(fd))
            s.getpeername()
            b.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                got = b.recv(65536)
                if got == b"" or b"INJECTED" in got:
                    return "something was written, or the connection was ended"
            return None
        return "the connection was taken apart"
    return a.detach(), after

def listening():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s.detach(), lambda fd: None

def made(function):
    return lambda: (function(), lambda fd: None)

def memory():
    fd = os.memfd_create("door")
    os.write(fd, b"of the host\n")
    os.lseek(fd, 0, os.SEEK_SET)
    return fd, lambda fd: None

R, W, RW, A, P = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_PATH
# name: which descriptor, how it is made, refused?, does the caller let it be written to?
rows = {
    "< file": (0, file(R), False, False), "<> file": (0, file(RW), False, False),
    "> file": (1, file(W), False, True), ">> file": (1, file(A), False, True),
    "2>> file": (2, file(A), False, True), "1<> file": (1, file(RW), False, True), "1< file": (1, file(R), False, False),
    "memory": (0, memory, False, False),
    "directory": (0, lambda: (os.open(directory, R), lambda fd: None), True, False),
    "2 is a directory": (2, lambda: (os.open(directory, R), lambda fd: None), True, False),
    "O_PATH of a directory": (0, lambda: (os.open(directory, P), lambda fd: None), True, False),
    "O_PATH of a file": (1, file(P), True, False), "O_PATH of a device": (0, device("null", P), True, False),
    "pipe in": (0, pipe_in, False, False), "pipe out": (1, pipe_out, False, False),
    "fifo in": (0, fifo_in, False, False), "fifo out": (1, fifo_out, False, False),
    "stream in": (0, pair(socket.SOCK_STREAM), False, False), "stream out": (1, pair(socket.SOCK_STREAM), False, False),
    "tcp in": (0, tcp, False, False), "tcp out": (1, tcp, False, False),
    "datagram": (0, pair(socket.SOCK_DGRAM), True, False), "datagram out": (1, pair(socket.SOCK_DGRAM), True, False),
    "seqpacket": (0, pair(socket.SOCK_SEQPACKET), True, False), "listening": (0, listening, True, False),
    "unconnected": (0, made(lambda: socket.socket(socket.AF_UNIX).detach()), True, False),
    "netlink": (0, made(lambda: socket.socket(16, socket.SOCK_RAW, 0).detach()), True, False),
    "null": (0, device("null", R), False, False), "null out": (1, device("null", W), False, False),
    "null both": (2, device("null", RW), False, False), "zero": (0, device("zero", R), False, False),
    "full": (1, device("full", W), False, False), "urandom": (0, device("urandom", R), False, False),
    "a namespace": (0, made(lambda: os.open("/proc/self/ns/net", R)), True, False),
    "a process": (0, made(lambda: os.pidfd_open(os.getpid())), True, False),
    "epoll": (0, made(lambda: os.dup(poller.fileno())), True, False),
    "proc": (0, made(lambda: os.open("/proc/self/comm", RW)), False, False),
}

def run(name, mode):
    number, make, refused, written = rows[name]
    fresh()
    with contextlib.suppress(BlockingIOError):
        while canary.recv(100):
            pass
    fd, after = make()
    before = state(written)
    comm = open("/proc/self/comm").read()
    fds = [null, null, null]
    fds[number] = fd
    got = subprocess.run([isle, "run", "-q"] + mode + ["--"] + program, stdin=fds[0], stdout=fds[1], stderr=fds[2], timeout=60).returncode
    where = "%s, %s: " % (name, " ".join(mode))
    if got != (125 if refused else 43 if name == "1< file" else 42): # what was opened for reading may be read
        failures.append(where + "status %d" % got)
    now = state(written)
    for key in sorted(set(before) | set(now)):
        if before.get(key) != now.get(key):
            failures.append(where + "%s was %s and is %s" % (key, before.get(key), now.get(key)))
    if written and name.endswith(">> file") and not open(path).read().startswith("of the host\n"):
        failures.append(where + "what was in the file has gone")
    if open("/proc/self/comm").read() != comm:
        failures.append(where + "wrote to proc")
    problem = after(fd)
    if problem:
        failures.append(where + problem)
    with contextlib.suppress(BlockingIOError):
        canary.recv(100)
        failures.append(where + "reached another socket")
    with contextlib.suppress(OSError):
        os.close(fd)

only = sys.argv[1:]
holder = subprocess.Popen([isle, "run", "-q", "-n", "joined", "--net", "none", "--", "sh", "-c", "echo started; exec sleep 1000"],
                          stdin=null, stdout=subprocess.PIPE)
holder.stdout.readline()
host = ["--discard", "--net", "host", "--nest"]
try:
    for mode in ["--discard", "--net", "none"], ["--discard", "--net", "none", "--no-track"], host, ["-n", "joined", "--net", "none", "--keep"]:
        for name in only or rows:
            run(name, mode)
finally:
    holder.terminate()
    holder.wait()
for failure in failures:
    print(failure)
print("%d rows, %d failures" % (len(only or rows) * 4, len(failures)))
sys.exit(1 if failures else 0)
PY
export T
cd "$T" || exit
python3 "$T/doors.py" "$@"
