# SPDX-License-Identifier: Apache-2.0
"""The host's side of the escape tests: what an attempt could reach stands ready, and what it could change is compared.

It lies in namespaces of its own (tests/cli/escape.sh: network, mount, process and IPC), with a /dev of its own, so that an attempt
that succeeds harms nobody. What these do not separate are the modes and owners of /proc and /sys: they are noted and restored.
"""
import ctypes, fcntl, os, pty, re, select, shutil, signal, socket, stat, struct, subprocess, sys, termios, threading, time

libc = ctypes.CDLL(None, use_errno=True)
PORT = 4711
CLONE_NEWNET = 0x40000000
NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0), "kmsg": (1, 11),
         "tty1": (4, 1), "ttyS0": (4, 64), "tty63": (4, 63), "vcs": (7, 0), "vcsa": (7, 128), "vcsu1": (7, 65), "input/event0": (13, 64), "input/mice": (13, 63),
         "uinput": (10, 223), "uhid": (10, 239), "snd/controlC0": (116, 0), "dri/card0": (226, 0), "dri/renderD128": (226, 128), "video0": (81, 0),
         "hidraw0": (240, 0), "rtc0": (252, 0), "watchdog": (10, 130), "hpet": (10, 228), "nvram": (10, 144), "rfkill": (10, 242), "cpu/0/msr": (202, 0),
         "cpu_dma_latency": (10, 261), "sg0": (21, 0), "ppp": (108, 0), "btrfs-control": (10, 234), "autofs": (10, 235), "kvm": (10, 232), "vhost-net": (10, 238),
         "vhost-vsock": (10, 241), "userfaultfd": (10, 126), "udmabuf": (10, 125), "fb0": (29, 0), "lp0": (6, 0), "vfio/vfio": (10, 196), "bus/usb/001/001": (189, 0),
         "mapper/control": (10, 236), "gpiochip0": (254, 0), "i2c-0": (89, 0), "ptp0": (249, 0), "vga_arbiter": (10, 63), "snapshot": (10, 231),
         "mem": (1, 1), "port": (1, 4), "console": (5, 1), "tty0": (4, 0), "net/tun": (10, 200), "fuse": (10, 229), "loop-control": (10, 237)}
BLOCK = {"disk": (7, 0), "sda": (8, 0), "vda": (254, 0), "nvme0n1": (259, 0), "loop0": (7, 0), "sr0": (11, 0), "nbd0": (43, 0), "ram0": (1, 0), "zram0": (251, 0)}
OPEN = ("null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse")  # to everybody
# What the machine changes by itself, or whoever else is at work on it.
VOLATILE = re.compile(r"^/proc/sys/(fs/(dentry-state|inode-|file-nr|aio-nr|quota)|kernel/(random/|ns_last_pid|pty/nr|perf_event_max|keys|sched_domain|version|dmesg)"
                      r"|net/netfilter|net/ipv[46]/(route/|neigh|conf/)|vm/|kernel/modprobe_)")


def run(*words, check=True):
    return subprocess.run(words, check=check, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


class Canaries:
    """Everything that stands on the host. `uid` is who runs isle."""

    def __init__(self, top, uid, gid):
        self.top, self.uid, self.gid = top, uid, gid
        self.host = top + "/host"
        self.events, self.lock, self.children = [], threading.Lock(), []
        self.pipes, self.pipes_out, self.memfds = [], set(), []  # what a run was given, until the next state()
        self.vars = dict(H=self.host, TOP=top, PORT=str(PORT), UID=str(uid))
        self.make_dev()
        self.make_network()
        self.make_files()
        self.make_sockets()
        self.make_ipc()
        self.make_mounts()
        self.make_process()
        self.pty_master, self.pty_slave = pty.openpty()
        threading.Thread(target=self.watch, daemon=True).start()
        self.modes = self.modes_of("/proc") | self.modes_of("/proc/1/net") | self.modes_of("/sys")
        self.unstable = set()

    def event(self, text):
        with self.lock:
            self.events.append(text)

    # ---- made

    def make_dev(self):
        run("mount", "-t", "tmpfs", "-o", "mode=0755,nosuid", "escape", "/dev")
        for name in "pts", "shm", "mqueue":
            os.mkdir("/dev/" + name)
        for kind, nodes in ((stat.S_IFCHR, NODES), (stat.S_IFBLK, BLOCK)):
            for name, (major, minor) in nodes.items():
                os.makedirs(os.path.dirname("/dev/" + name), exist_ok=True)
                os.mknod("/dev/" + name, kind | 0o600, os.makedev(major, minor))
        self.set_dev_modes()
        for name, to in dict(fd="fd", stdin="fd/0", stdout="fd/1", stderr="fd/2").items():
            os.symlink("/proc/self/" + to, "/dev/" + name)
        run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", "/dev/pts")
        os.symlink("pts/ptmx", "/dev/ptmx")
        run("mount", "-t", "tmpfs", "-o", "mode=1777", "shm", "/dev/shm")
        run("mount", "-t", "mqueue", "mqueue", "/dev/mqueue")
        os.chmod("/dev/mqueue", 0o1777)

    def set_dev_modes(self):
        for name in NODES | BLOCK:
            os.chown("/dev/" + name, 0, 0, follow_symlinks=False)
            os.chmod("/dev/" + name, 0o666 if name in OPEN else 0o600)

    def make_mounts(self):
        """Other names for what is there, and what a host has mounted in odd places."""
        top = self.top
        run("mount", "--bind", "/dev/null", "/dev/null", check=False)

        def mount(name, *words):
            path = f"{top}/{name}"
            if name.startswith("one-"):
                with open(path, "w"):
                    pass
            else:
                os.mkdir(path)
            run("mount", *words, path, check=False)
            return path

        os.mkdir(top + "/real-ro")
        for name in "plain", "null":
            with open(f"{top}/real-ro/{name}", "w") as f:
                f.write("of the host\n")
        os.unlink(top + "/real-ro/null")
        os.mknod(top + "/real-ro/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.chmod(top + "/real-ro/null", 0o666)
        os.mkfifo(top + "/real-ro/fifo", 0o666)
        os.mkdir(top + "/real-ro/proc")
        self.ro_fifo = os.open(top + "/real-ro/fifo", os.O_RDWR | os.O_NONBLOCK)
        for name in "plain", "fifo", "null", "proc", ".":
            os.chown(f"{top}/real-ro/{name}", self.uid, self.gid)
        os.chmod(top + "/real-ro/fifo", 0o666)
        os.chmod(top + "/real-ro/plain", 0o644)
        for name, kind in (("stream", socket.SOCK_STREAM), ("dgram", socket.SOCK_DGRAM), ("seqpacket", socket.SOCK_SEQPACKET)):
            s = socket.socket(socket.AF_UNIX, kind)
            s.bind(f"{top}/real-ro/{name}")
            os.chmod(f"{top}/real-ro/{name}", 0o777)
            self.keep("unix read-only " + name, s, kind)
        ro = mount("ro", "--bind", top + "/real-ro")
        run("mount", "-t", "proc", "proc", ro + "/proc")
        run("mount", "-o", "remount,bind,ro", ro)
        mount("alias", "--bind", top)
        mount("proc", "-t", "proc", "proc")
        mount("sys", "--bind", "/sys")
        mount("cgroup", "-t", "cgroup2", "cgroup2")
        mount("mqueue", "-t", "mqueue", "mqueue")
        mount("devpts", "--bind", "/dev/pts")
        tmpfs = mount("tmpfs", "-t", "tmpfs", "-o", "mode=1777", "tmpfs")
        mount("one-file", "--bind", top + "/real-ro/plain")
        mount("one-device", "--bind", "/dev/zero")
        mount("one-socket", "--bind", top + "/sockets/stream")
        mount("secret-alias", "--bind", self.host + "/secret")
        os.mkdir(top + "/writable")
        os.chown(top + "/writable", self.uid, self.gid)
        for path in tmpfs + "/plain", top + "/writable/plain":
            with open(path, "w") as f:
                f.write("of the host\n")
            os.chown(path, self.uid, self.gid)

    def make_network(self):
        """way0 leads outside, to a namespace with addresses .1; the host has more addresses on interfaces that lead nowhere."""
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "way0", "type", "veth", "peer", "name", "way1")
        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.be_outside(ready[1], go[0])
            finally:
                os._exit(1)
        self.children.append(pid)
        os.read(ready[0], 1)
        run("ip", "link", "set", "way1", "netns", str(pid))
        run("ip", "link", "set", "way0", "address", "02:00:00:00:00:10")
        for device in "other0", "meta0":
            run("ip", "link", "add", device, "type", "veth", "peer", "name", device[:-1] + "1")  # not every kernel has dummies
            run("ip", "link", "set", device[:-1] + "1", "up")
        for device, address in (("way0", "192.0.2.10/24"), ("way0", "2001:db8:1::10/64"), ("other0", "198.51.100.10/24"), ("other0", "10.77.0.1/16"),
                                ("other0", "2001:db8:2::10/64"), ("meta0", "169.254.169.254/32"), ("way0", "169.254.7.7/16"), ("meta0", "fd00:ec2::254/128"),
                                ("lo", "203.0.113.7/32")):
            run("ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        for device in "way0", "other0", "meta0":
            run("ip", "link", "set", device, "up")
        os.write(go[1], b"x")
        os.read(ready[0], 1)
        run("ip", "route", "add", "default", "via", "192.0.2.1")
        run("ip", "-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "way0")
        # The kernel looks for duplicates of link-local addresses first, and adds their routes afterwards.
        end = time.monotonic() + 20
        while "tentative" in run("ip", "addr") and time.monotonic() < end:
            time.sleep(0.1)
        self.vars["LINKLOCAL"] = "fe80::ff:fe00:10"

    def be_outside(self, ready, go):
        """Answers at 192.0.2.1, so that a run that reaches nothing at all is no success."""
        libc.prctl(1, signal.SIGKILL)
        if libc.unshare(CLONE_NEWNET) < 0:
            raise OSError("unshare")
        os.write(ready, b"x")
        os.read(go, 1)
        for words in ("link set lo up", "link set way1 up", "addr add 192.0.2.1/24 dev way1", "-6 addr add 2001:db8:1::1/64 dev way1 nodad"):
            run("ip", *words.split())
        tcp, udp = socket.create_server(("", PORT)), socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("", PORT))
        os.write(ready, b"x")
        while True:
            for s in select.select([tcp, udp], [], [])[0]:
                if s is tcp:
                    c = s.accept()[0]
                    c.send(b"outside")
                    c.close()
                else:
                    data, peer = s.recvfrom(2000)
                    s.sendto(data, peer)

    def make_files(self):
        shutil.rmtree(self.host, ignore_errors=True)
        os.mkdir(self.host)
        os.chown(self.host, self.uid, self.gid)

        def make(name, text, mode, uid=self.uid, gid=self.gid):
            path = self.host + "/" + name
            with open(path, "w") as f:
                f.write(text)
            os.chown(path, uid, gid)
            os.chmod(path, mode)

        for name, mode in (("file", 0o640), ("other", 0o644), ("open", 0o666), ("program", 0o755), ("closed", 0o000), ("set-group", 0o2755)):
            make(name, "of the host\n", mode)
        make("of-root", "of root\n", 0o644, 0, 0)
        make("of-root-secret", "of root\n", 0o600, 0, 0)
        make("of-stranger", "of a stranger\n", 0o666, 12345, 12345)
        shutil.copy("/bin/true", self.host + "/set-user")
        os.chown(self.host + "/set-user", self.uid, self.gid)
        os.chmod(self.host + "/set-user", 0o4755)
        os.link(self.host + "/other", self.host + "/hard-link")
        os.symlink("file", self.host + "/link")
        os.symlink("/proc/self/fd/0", self.host + "/link-to-0")
        for name, mode, uid in (("dir", 0o755, self.uid), ("secret", 0o700, self.uid), ("sticky", 0o1777, 0), ("dir-of-root", 0o755, 0)):
            os.mkdir(f"{self.host}/{name}")
            os.chown(f"{self.host}/{name}", uid, uid and self.gid)
            os.chmod(f"{self.host}/{name}", mode)
            make(name + "/inside", "inside\n", 0o644)
        os.mkdir(self.host + "/tools")
        for name in ("pasta", "passt", "nft", "ip", "iptables", "newuidmap", "newgidmap", "mount", "umount", "fusermount3", "sh", "stty", "modprobe", "setpriv", "less", "vi", "dpkg", "git",
                     "isle", "isle-profilec", "file", "cat", "slirp4netns", "pasta.avx2"):
            make("tools/" + name, f"#!/bin/sh\necho $0 $* >>{self.top}/ran\nexit 1\n", 0o755)
        for name in "fifo", "fifo-open":
            os.mkfifo(f"{self.host}/{name}", 0o666)
            os.chmod(f"{self.host}/{name}", 0o666)
            os.chown(f"{self.host}/{name}", self.uid, self.gid)
        if not hasattr(self, "fifo"):
            self.fifo = -1
        if self.fifo >= 0:
            os.close(self.fifo)
        self.fifo = os.open(self.host + "/fifo-open", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        for path, _, files in os.walk(self.host):
            for name in files:
                os.utime(f"{path}/{name}", (1e9, 1e9), follow_symlinks=False)
            os.utime(path, (1e9, 1e9))
        os.utime(self.host, (1e9, 1e9))

    def make_sockets(self):
        self.sockets = {}
        kinds = dict(stream=socket.SOCK_STREAM, dgram=socket.SOCK_DGRAM, seqpacket=socket.SOCK_SEQPACKET)
        os.makedirs(self.top + "/sockets", exist_ok=True)
        for name, kind in kinds.items():
            for where, address in (("path", f"{self.top}/sockets/{name}"), ("abstract", f"\0isle-escape-{self.uid}-{name}")):
                s = socket.socket(socket.AF_UNIX, kind)
                s.bind(address)
                if where == "path":
                    os.chown(address, self.uid, self.gid)
                    os.chmod(address, 0o777)
                self.keep(f"unix {where} {name}", s, kind)
        self.vars["SOCKETS"] = self.top + "/sockets"
        self.vars["ABSTRACT"] = f"isle-escape-{self.uid}"
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for name, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
                s = socket.socket(family, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((everywhere, PORT))
                if name == "udp" and family == socket.AF_INET:
                    for group in "224.0.0.251", "239.1.2.3":
                        for mine in "192.0.2.10", "198.51.100.10":
                            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(mine))
                if name == "udp" and family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                                 socket.inet_pton(family, "ff02::fb") + struct.pack("@I", socket.if_nametoindex("way0")))
                self.keep(f"{name} {'inet6' if ':' in everywhere else 'inet'}", s, kind)

    def keep(self, name, s, kind):
        s.setblocking(False)
        if kind != socket.SOCK_DGRAM:
            s.listen(64)
        self.sockets[name] = s

    def make_ipc(self):
        key = 0x15000000 + self.uid
        self.shm, self.sem, self.msg = libc.shmget(key, 4096, 0o1000 | 0o666), libc.semget(key, 1, 0o1000 | 0o666), libc.msgget(key, 0o1000 | 0o666)
        self.vars |= dict(KEY=str(key), SHMID=str(self.shm), SEMID=str(self.sem), MSGID=str(self.msg))
        self.mqueue = os.open(f"/dev/mqueue/isle-escape", os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o666)
        os.chmod("/dev/mqueue/isle-escape", 0o666)
        with open("/dev/shm/isle-escape", "w") as f:
            f.write("of the host")
        os.chmod("/dev/shm/isle-escape", 0o666)

    def make_process(self):
        """A process of the same user, which tells of signals."""
        code = ("import os, signal, time\n"
                "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:\n"
                "    signal.signal(n, lambda n, _: os.write(1, b'signal %d\\n' % n))\n"
                "print('ready', flush=True)\nwhile True: time.sleep(100)\n")
        # A number of its own: no isle has so many processes that it could be that of one inside.
        last = "/proc/sys/kernel/ns_last_pid"
        before, most = int(open(last).read()), int(open("/proc/sys/kernel/pid_max").read())
        with open(last, "w") as f:
            f.write(str(most - 100))
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, user=self.uid, group=self.gid, extra_groups=[], start_new_session=True)
        with open(last, "w") as f:
            f.write(str(before))
        self.process.stdout.readline()
        self.vars["PID"] = str(self.process.pid)

    def watch(self):
        poller = select.poll()
        what = {s.fileno(): (name, s) for name, s in self.sockets.items()}
        what |= {self.pty_master: ("pty", None), self.process.stdout.fileno(): ("process", None)}
        for fd in what:
            poller.register(fd, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                name, s = what[fd]
                try:
                    if s is None:
                        self.event(f"{name}: {os.read(fd, 4096)!r}")
                    elif s.type == socket.SOCK_DGRAM:
                        data, peer = s.recvfrom(4096)
                        self.event(f"{name}: {data!r} from {peer!r}")
                        if peer:
                            s.sendto(data, peer)
                    else:
                        c, peer = s.accept()
                        self.event(f"{name}: a connection from {peer!r}")
                        c.close()
                except OSError as e:
                    if e.errno != 11:
                        self.event(f"{name}: {e}")
                        time.sleep(0.1)

    # ---- compared

    @staticmethod
    def modes_of(top):
        """Mode and owner of what belongs to no process."""
        found = {}
        for path, directories, files in os.walk(top):
            if path == "/proc":
                directories[:] = [d for d in directories if not d.isdigit() and d not in ("self", "thread-self")]
            if path == "/sys":
                directories[:] = [d for d in directories if d != "fs"]  # control groups come and go
            if path.startswith("/proc/sys/net") and path.endswith("/conf"):
                directories[:] = []
            for name in directories + files:
                try:
                    st = os.lstat(f"{path}/{name}")
                except OSError:
                    continue
                if not stat.S_ISLNK(st.st_mode):
                    found[f"{path}/{name}"] = (st.st_mode, st.st_uid, st.st_gid)
        return found

    @staticmethod
    def tree(top, out):
        for path, directories, files in os.walk(top):
            for name in [""] + files + directories:
                full = f"{path}/{name}" if name else path
                try:
                    st = os.lstat(full)
                    text = b""
                    if stat.S_ISREG(st.st_mode) and st.st_size < 1 << 20:
                        with open(full, "rb") as f:
                            text = f.read()
                    elif stat.S_ISLNK(st.st_mode):
                        text = os.readlink(full)
                    size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
                    out[full] = (oct(st.st_mode), st.st_uid, st.st_gid, size, st.st_rdev, st.st_nlink, text,
                                 int(st.st_mtime) if not top.startswith("/dev") else 0, os.listxattr(full, follow_symlinks=False))
                except OSError as e:
                    out[full] = str(e)

    def contents(self, out):
        for path, _, files in os.walk("/proc/sys"):
            for name in files:
                full = f"{path}/{name}"
                if VOLATILE.match(full):
                    continue
                try:
                    fd = os.open(full, os.O_RDONLY | os.O_NONBLOCK)
                    try:
                        out["content " + full] = os.read(fd, 4096)
                    finally:
                        os.close(fd)
                except OSError:
                    pass

    def state(self, everything=False):
        out = {}
        out["ran"] = open(self.top + "/ran").read() if os.path.exists(self.top + "/ran") else ""
        for top in self.host, "/dev", self.top + "/bin", self.top + "/real-ro", self.top + "/tmpfs", self.top + "/writable", self.top + "/sockets":
            self.tree(top, out)
        for path, mode in (self.modes_of("/proc") | self.modes_of("/proc/1/net") | (self.modes_of("/sys") if everything else {})).items():
            out["modes " + path] = mode
        if everything:
            self.contents(out)
        pid = self.process.pid
        for name in "limits", "oom_score_adj", "cgroup", "comm", "coredump_filter", "timerslack_ns", "loginuid":
            try:
                with open(f"/proc/{pid}/{name}") as f:
                    out[f"process {name}"] = f.read()
            except OSError as e:
                out[f"process {name}"] = str(e)
        with open(f"/proc/{pid}/stat") as f:
            words = f.read().rpartition(")")[2].split()
            out["process state"] = (words[0], words[15], words[16], words[38], words[39])
        for name in "shm", "sem", "msg":
            with open(f"/proc/sysvipc/{name}") as f:
                out[f"sysv {name}"] = [line.split()[:8] for line in f]
        out["mounts"] = [line.split(" ", 5)[4:] for line in open("/proc/self/mountinfo")
                         if line.split()[4].startswith((self.top, "/dev", "/proc", "/sys"))]
        out["name"] = os.uname()[:2]
        out["clock"] = round((time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)) / 20)
        out["terminal"] = termios.tcgetattr(self.pty_slave), fcntl.ioctl(self.pty_slave, termios.TIOCGWINSZ, b"12345678")
        out["network"] = re.sub(r"(valid|preferred)_lft \S+|default via fe80\S+.*", "", run("ip", "addr") + run("ip", "route", "show", "table", "all"))
        out["keys"] = [line for line in open("/proc/keys") if "isle-escape" in line] if os.path.exists("/proc/keys") else []
        try:
            out["fifo"] = os.read(self.fifo, 100)
        except BlockingIOError:
            out["fifo"] = b""
        out["flags"] = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (self.fifo, self.pty_slave, self.mqueue)]
        out["pipes"], out["memfds"] = self.read_pipes()
        out["top"] = sorted(n for n in os.listdir(self.top) if n != "ran")
        with self.lock:
            out["events"], self.events = self.events, []
        return {k: v for k, v in out.items() if k not in self.unstable}

    def read_pipes(self):
        """What is in the pipes but should not be there or the other way round, and what was written to files in memory."""
        odd, written = [], []
        for r, w in self.pipes:
            text = os.read(r, 4096) if select.select([r], [], [], 0)[0] else b""
            if text not in (b"", b"of the host") or (not text and (r, w) in self.pipes_out):
                odd.append(text)
            os.close(r)
            os.close(w)
        for fd in self.memfds:
            if os.fstat(fd).st_size:
                written.append(os.fstat(fd).st_size)
            os.close(fd)
        self.pipes, self.pipes_out, self.memfds = [], set(), []
        return odd, written

    def settle(self):
        """What changes although nothing is tried is left out."""
        before = self.state(True)
        time.sleep(0.5)
        after = self.state(True)
        self.unstable = {k for k in before.keys() | after.keys() if k != "events" and before.get(k) != after.get(k)}

    def restore(self, changed=None):
        """Puts back what these keys of state() are about; all of it without them."""
        for path, (mode, uid, gid) in self.modes.items():
            if changed is not None and "modes " + path not in changed:
                continue
            try:
                st = os.lstat(path)
                if (st.st_uid, st.st_gid) != (uid, gid):
                    os.chown(path, uid, gid)
                if st.st_mode != mode:
                    os.chmod(path, stat.S_IMODE(mode))
            except OSError:
                pass
        if changed is None or any(key.startswith("/dev") for key in changed):
            self.set_dev_modes()
        if changed is None or any(key.startswith(self.host) for key in changed):
            self.make_files()
        for name, uid, gid, mode in (("plain", self.uid, self.gid, 0o644), ("null", self.uid, self.gid, 0o666), ("fifo", self.uid, self.gid, 0o666)):
            if changed is None or f"{self.top}/real-ro/{name}" in changed:
                os.chown(f"{self.top}/real-ro/{name}", uid, gid)
                os.chmod(f"{self.top}/real-ro/{name}", mode)
        if changed and "ran" in changed:
            os.unlink(self.top + "/ran")

    def end(self):
        self.restore()
        self.process.kill()
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
